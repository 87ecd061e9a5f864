"""The simulated server for real: slots, waiting room, service times and failures as `sim` has them.

It speaks HTTP/1.1, is mounted into any container that has Python 3.9 or newer, and is run by
`python3 -S -u app.py`: so it is one file, long, and imports the standard library alone. What it is to do
stands in a JSON document, which `live.behaviour` makes of a scenario; docs/live-app.md tells of its
environment and its answers.

Whatever depends on chance is a function of the request's number, as in `scenarios.draws`; times are seconds
of the event loop's clock. A request that has waited begins at the very time at which a slot became free, not
when the loop came to it: so a late timer delays answers, but takes no capacity away.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import gc
import heapq
import json
import math
import os
import re
import resource
import select
import selectors
import signal
import socket
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

FORMAT = "rolloutlab.behaviour/1"
READY, LIVE, INSTANTS = "/rolloutlab/ready", "/rolloutlab/live", "/rolloutlab/instants"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REASONS = {
    200: "OK", 400: "Bad Request", 408: "Request Timeout", 411: "Length Required", 413: "Content Too Large",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable", 505: "HTTP Version Not Supported",
}  # fmt: skip
MOST_HEAD, MOST_HEADERS, MOST_BODY = 32 << 10, 100, 1 << 20
PATIENCE = 10.0  # seconds for a request to come in whole
IDLE = 600.0  # a kept connection unused for so long is closed; proxies close theirs before
LINGER = 1.0  # what still comes after a refusal is read for so long, lest the client's system drop the answer
ON_THE_WAY = 0.02  # while draining: what was sent before is taken in for so long
FRESH = 0.25  # and a connection that has brought no request yet may bring one within this
BACKLOG = 4096

# --- chance: the words of scenarios.draws, bit for bit -------------------------------------------

MASK = (1 << 64) - 1
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
CELLS = 4096


def mixed(z: int) -> int:
    """A word's bits, mixed."""
    z = (z ^ z >> 30) * MIX_1 & MASK
    z = (z ^ z >> 27) * MIX_2 & MASK
    return z ^ z >> 31


def word(stream: Sequence[int], *keys: int) -> int:
    """The word of a thing, named by one or more integers, in a stream (key, step)."""
    found, step = stream
    for key in keys:
        found = mixed(found + key * step & MASK)
    return found


def again(found: int, attempt: int) -> int:
    """A further word for the same choice: of the `attempt`-th try after the first."""
    return mixed(found + attempt * MIX_1 & MASK) if attempt else found


def uniform(found: int) -> float:
    """The top 53 bits as a number in [0, 1)."""
    return (found >> 11) * 2.0**-53


def high(found: int) -> float:
    """The high 32 bits as a number in [0, 1)."""
    return (found >> 32) * 2.0**-32


def quantile(nodes: Sequence[float], share: float) -> float:
    """The value of a table of 2 · 4097 nodes, whose second half divides the last cell of the first."""
    x = share * CELLS
    cell = int(x)
    if cell == CELLS - 1:
        x = (x - cell) * CELLS
        cell = int(x)
        return nodes[CELLS + 1 + cell] + (x - cell) * (nodes[CELLS + 2 + cell] - nodes[CELLS + 1 + cell])
    return nodes[cell] + (x - cell) * (nodes[cell + 1] - nodes[cell])


def by_chance() -> int:
    """A word that nothing determines."""
    return int.from_bytes(os.urandom(8), "big")


# --- what a pod does with a request --------------------------------------------------------------


def nodes_of(text: str) -> Sequence[float]:
    """A table from its text: 64-bit floats, little-endian, in base64."""
    nodes = array("d", base64.b64decode(text, validate=True))
    if sys.byteorder == "big":
        nodes.byteswap()
    return nodes


class Drawn:
    """The words of one request. One without a number draws each by chance."""

    __slots__ = ("_attempt", "_number", "_streams", "user")

    def __init__(
        self, streams: Mapping[str, Sequence[int]], number: int | None, user: int | None, attempt: int = 0
    ) -> None:
        self._streams, self._number, self._attempt, self.user = streams, number, attempt, user

    def once(self, purpose: str) -> int:
        """What stays the same however often it is tried."""
        return by_chance() if self._number is None else word(self._streams[purpose], self._number)

    def anew(self, purpose: str) -> int:
        """What each try draws anew."""
        return again(self.once(purpose), self._attempt)

    def of_user(self, purpose: str, *keys: int) -> int:
        """What is the user's; by chance where nobody says whose request it is."""
        return by_chance() if self.user is None else word(self._streams[purpose], self.user, *keys)


class Pod:
    """One pod of a version: how long it takes to start and to serve, and which requests it fails."""

    def __init__(self, document: Mapping[str, Any], version: str, name: str) -> None:
        if document["format"] != FORMAT:
            raise ValueError(f"expected a behaviour of format {FORMAT}, not {document['format']!r}")
        self.document, self.version, self.name = document, version, name
        self.slots, self.queue = int(document["slots"]), int(document["queue"])
        self.streams: Mapping[str, Sequence[int]] = document["streams"]
        self.does: Mapping[str, Any] = document["versions"][version]
        self.errors, self.since = self.does["errors"], math.inf
        self._quantiles = {key: self._time(key) for key in ("start", "service_time")}
        broken = uniform(self._own("POD_ERROR")) < self.errors["pods"]
        self.failing = 1.0 if broken else self.errors["requests"]

    def start(self) -> float:
        """Seconds from the process' begin until it listens; infinity: never."""
        return self._quantiles["start"](uniform(self._own("START")))

    def lasts(self, demand: int, begin: float) -> float:
        """The service time of a request with this word that begins at `begin`."""
        work: float = self._quantiles["service_time"](uniform(demand))
        age = max(begin - self.since, 0.0)
        if (warm_up := self.does["warm_up"]) is not None and age < warm_up["lasting"]:
            work *= 1.0 + (warm_up["slower"] - 1.0) * (1.0 - age / warm_up["lasting"])
        if (leak := self.does["leak"]) is not None:
            work *= 1.0 + (leak["slower"] - 1.0) * min(age / leak["over"], 1.0)
        return work

    def fails(self, drawn: Drawn, carried: Mapping[str, str], busy: int) -> bool:
        """Whether a request that comes while `busy` slots work is answered by an error."""
        works, load = 1.0 - self._doom(drawn, carried), self.errors["load"]
        if load is not None and busy >= load["slots"]:
            works *= 1.0 - load["share"]
        share: float = 1.0 - (1.0 - self.failing) * works if works < 1.0 else self.failing
        return share > 0.0 and high(drawn.anew("CHOICE")) < share

    def kills(self, drawn: Drawn) -> bool:
        """Whether the process dies of this request."""
        share: float = (self.does["crash"] or {}).get("on_request", 0.0)
        return share > 0.0 and uniform(drawn.once("POISON")) < share

    def life(self) -> float:
        """Seconds from listening until the process exits by itself; infinity: it does not."""
        crash, leak = self.does["crash"] or {}, self.does["leak"]
        ends: list[float] = [crash.get("after_start", math.inf)]
        if leak is not None and leak["crash"]:
            ends.append(leak["over"])
        if "per_hour" in crash:
            ends.append(-math.log1p(-uniform(by_chance())) * 3600 / crash["per_hour"])
        return min(ends)

    def _own(self, purpose: str) -> int:
        return word(self.streams[purpose], self.does["number"], *self.name.encode())

    def _time(self, key: str) -> Callable[[float], float]:
        written = self.does[key]
        if written == "never":
            return lambda _: math.inf
        if "constant" in written:
            always = float(written["constant"])
            return lambda _: always
        nodes = nodes_of(self.document["tables"][written["table"]])
        return lambda share: quantile(nodes, share)

    def _doom(self, drawn: Drawn, carried: Mapping[str, str]) -> float:
        """The share of such requests that fails beside what the pod fails of all."""
        works = {"requests": 1.0, "users": 1.0, "connections": 1.0}
        if self.errors["when"]:
            has = {**carried, **self._attributes(drawn)}
            for error in self.errors["when"]:
                if error["when"].items() <= has.items():
                    works[error["of"]] *= 1.0 - error["share"]
        users, connections = (
            1.0 - works[of] * (1.0 - self.errors[of]) if works[of] < 1.0 else self.errors[of]
            for of in ("users", "connections")
        )
        if connections > 0.0 and high(drawn.anew("CONNECTION")) < connections:
            return 1.0
        if users > 0.0 and uniform(drawn.of_user("BUG")) < users:
            return 1.0
        return 1.0 - works["requests"]

    def _attributes(self, drawn: Drawn) -> dict[str, str]:
        """What the user is and no request carries, such as user.browser."""
        found: dict[str, str] = {}
        if drawn.user is None:
            return found
        for attribute in self.document["attributes"]:
            share = uniform(drawn.of_user("ATTRIBUTE", attribute["place"]))
            value = next((value for value, below in attribute["below"] if share < below), None)
            if value is not None:
                found[attribute["name"]] = value
        return found


class Room:
    """`slots` jobs at once, first come, first served, and at most `queue` waiting.

    `begin(job, at)` says when a job that begins at `at` ends; `over(job)` is told when it has. A job that
    waits may leave; one that has begun keeps its slot to the end.
    """

    def __init__(
        self, slots: int, queue: int, begin: Callable[[Any, float], float], over: Callable[[Any], None]
    ) -> None:
        self.slots, self.queue, self._begin, self._over = slots, queue, begin, over
        self.busy: list[tuple[float, int, Any]] = []
        self.waiting: deque[Any] = deque()
        self._begun = 0

    def come(self, job: Any, now: float) -> bool:
        """Take it in, at a time up to which all is settled; False: the waiting room is full."""
        if len(self.busy) < self.slots:
            self._take(job, now)
        elif len(self.waiting) < self.queue:
            self.waiting.append(job)
        else:
            return False
        return True

    def leave(self, job: Any) -> None:
        """Nobody waits for its answer any more."""
        with suppress(ValueError):
            self.waiting.remove(job)

    def settle(self, now: float) -> None:
        """End what ends by `now`, and begin what waited for it."""
        while self.busy and self.busy[0][0] <= now:
            end, _, job = heapq.heappop(self.busy)
            self._over(job)
            if self.waiting:
                self._take(self.waiting.popleft(), end)

    def _take(self, job: Any, at: float) -> None:
        self._begun += 1
        heapq.heappush(self.busy, (self._begin(job, at), self._begun, job))


# --- HTTP ----------------------------------------------------------------------------------------

REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) ([^\x00-\x20\x7f]{1,16384}) HTTP/([0-9])\.([0-9])\r?\n?")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class Refused(Exception):
    """What came is no request that is served; the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request:
    """A request's head: names of headers in small letters."""

    __slots__ = ("headers", "keeps", "length", "method", "path")

    def __init__(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        self.method, self.path, minor = request_line(first)
        self.headers = headers_of(lines)
        options = {option.strip().lower() for option in self.headers.get("connection", "").split(",")}
        self.keeps = "close" not in options if minor else "keep-alive" in options
        if minor and "host" not in self.headers:
            raise Refused(400)
        self.length = length_of(self.headers)

    def number(self, name: str) -> int | None:
        """A header's whole number; None where there is none."""
        text = self.headers.get(name, "")
        return int(text) if WHOLE.fullmatch(text) else None

    def carried(self) -> dict[str, str]:
        """Its headers and cookies, in the words of `traffic.mix`; headers in small letters."""
        found = {f"header.{name}": value for name, value in self.headers.items()}
        for pair in self.headers.get("cookie", "").split(";"):
            name, _, value = pair.strip().partition("=")
            found[f"cookie.{name}"] = value
        return found


def request_line(line: bytes) -> tuple[str, str, int]:
    """Method, path without its query, and 1 for HTTP/1.1 or 0 for HTTP/1.0."""
    found = REQUEST_LINE.fullmatch(line)
    if found is None:
        raise Refused(400)
    method, target, major, minor = (part.decode("utf-8", "replace") for part in found.groups())
    if major != "1":
        raise Refused(505)
    if method not in METHODS:
        raise Refused(501)
    return method, target.partition("?")[0], min(int(minor), 1)


def headers_of(lines: Sequence[bytes]) -> dict[str, str]:
    """Headers by name; what comes twice is joined."""
    if len(lines) > MOST_HEADERS:
        raise Refused(431)
    found: dict[str, str] = {}
    for line in lines:
        match = HEADER.fullmatch(line)
        if match is None:
            raise Refused(400)
        name, value = match[1].decode("ascii").lower(), match[2].decode("utf-8", "replace").rstrip(" \t")
        if name in found:
            value = found[name] + ("; " if name == "cookie" else ", ") + value
        found[name] = value
    return found


def length_of(headers: Mapping[str, str]) -> int:
    """How long the body is. A body of unknown length is refused."""
    text = headers.get("content-length")
    if "transfer-encoding" in headers:
        raise Refused(411 if text is None else 400)
    if text is None:
        return 0
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        raise Refused(400)
    if int(text) > MOST_BODY:
        raise Refused(413)
    return int(text)


class Job:
    """A request in the room. `connection` is None once its client has gone."""

    __slots__ = ("connection", "demand", "fails", "kills", "number", "request")

    def __init__(self, connection: Connection, request: Request) -> None:
        self.connection: Connection | None = connection
        self.request = request
        self.demand: int | None = None  # a probe takes no time
        self.number: int | None = None
        self.fails = self.kills = False


class Connection(asyncio.Protocol):
    """One client's connection: bytes in, one request after the other, answers out."""

    __slots__ = ("answered", "buffer", "ending", "job", "left", "request", "server", "since", "transport")

    def __init__(self, server: Server) -> None:
        self.server, self.buffer = server, bytearray()
        self.request: Request | None = None  # whose body is being read
        self.job: Job | None = None
        self.left, self.answered, self.ending, self.since = 0, 0, False, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.since = self.server.loop.time()
        self.server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        if self.idle:
            self.since = self.server.loop.time()
        self.buffer += data
        if self.job is None:
            self.read()
        elif len(self.buffer) > MOST_HEAD:
            self.transport.pause_reading()

    def eof_received(self) -> None:
        self._gone()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()
        self.server.forget(self)

    def pause_writing(self) -> None:
        """It asks and asks, and reads no answer."""
        self.transport.abort()

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has come since the last answer."""
        return self.job is None and self.request is None and not self.buffer

    def read(self) -> None:
        """Go on with what has come; once a request is whole, it arrives."""
        if self.job is not None or self.ending:
            return
        try:
            whole = self._whole()
        except Refused as refused:
            self.refuse(refused.status)
            return
        if whole is not None:
            self.request = None
            self.job = Job(self, whole)
            self.server.arrive(self.job)

    def answer(self, status: int, body: bytes, extra: bytes = b"") -> None:
        """Answer the request that is being served."""
        assert self.job is not None
        request, self.job = self.job.request, None
        keeps = request.keeps and not self.server.draining
        parts = self.server.head(status, len(body), extra, keeps), b"" if request.method == "HEAD" else body
        self.transport.write(b"".join(parts))
        self.answered += 1
        self.since = self.server.loop.time()
        if not keeps:
            self.ending = True
            self.transport.close()
        elif self.buffer:
            self.transport.resume_reading()
            self.server.loop.call_soon(self.read)

    def refuse(self, status: int) -> None:
        """What came is not served: say why, and read no more of it."""
        self.ending = True
        self.buffer.clear()
        body = self.server.line(status=status)
        self.transport.write(self.server.head(status, len(body), b"", False) + body)
        self.transport.write_eof()
        self.server.loop.call_later(LINGER, self.transport.abort)

    def _whole(self) -> Request | None:
        """The next request, its body read and forgotten; None: there is more to come."""
        if self.request is None:
            self.request = self._head()
            if self.request is None:
                return None
            self.left = self.request.length
            if self.left and self.request.headers.get("expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        taken = min(self.left, len(self.buffer))
        del self.buffer[:taken]
        self.left -= taken
        return None if self.left else self.request

    def _head(self) -> Request | None:
        while self.buffer.startswith((b"\r", b"\n")):  # after a body, some clients send one more line's end
            del self.buffer[:1]
        end = self.buffer.find(b"\r\n\r\n", 0, MOST_HEAD)
        if end < 0:
            self._check_beginning()
            return None
        head = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        return Request(head)

    def _check_beginning(self) -> None:
        """Refuse what will never be a request, before all of it has come."""
        if len(self.buffer) >= MOST_HEAD:
            raise Refused(431)
        line, is_whole, _ = bytes(self.buffer).partition(b"\n")
        if is_whole:
            request_line(line.rstrip(b"\r"))
        elif line and not line[:1].isupper():
            raise Refused(400)

    def _gone(self) -> None:
        """Its client went away. What waits for it leaves; what is being served works on."""
        if self.job is not None:
            self.server.room.leave(self.job)
            self.job.connection = None
            self.job = None


class Server:
    """The process: it listens when it has started, serves, dies or is stopped."""

    def __init__(self, pod: Pod, loop: asyncio.AbstractEventLoop, began: float = math.nan) -> None:
        self.pod, self.loop, self.began, self.probed = pod, loop, began, math.inf
        self.room = Room(pod.slots, pod.queue, self._begin, self._over)
        self.connections: set[Connection] = set()
        self.draining = self._may_stop = False
        self._coming: list[asyncio.Task[Any]] = []
        self._listener: socket.socket | None = None
        self._accepting: asyncio.AbstractServer | None = None
        own = {"X-Rolloutlab-Version": pod.version, "X-Rolloutlab-Pod": pod.name, **pod.does["headers"]}
        if "content-type" not in {name.lower() for name in own}:
            own["Content-Type"] = "text/plain; charset=utf-8" if pod.does["body"] else "application/json"
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in own.items()).encode()

    # its life

    async def listen(self, host: str, port: int) -> None:
        """Begin to listen: it has started."""
        self._listener = listening(host, port)
        self.pod.since = self.loop.time()
        self._accepting = await self.loop.create_server(
            lambda: Connection(self), sock=self._listener, backlog=BACKLOG
        )
        if (life := self.pod.life()) < math.inf:
            self.loop.call_later(life, self.die)
        self.loop.call_later(1.0, self._sweep)
        say(listening=self._listener.getsockname()[1], version=self.pod.version, pod=self.pod.name)

    def die(self) -> None:
        """The process exits, as by a bug."""
        say(crashed=self.pod.name)
        os._exit(1)

    def terminate(self) -> None:
        """SIGTERM: drain, or exit at once, as does what does not listen yet."""
        if self.pod.does["on_sigterm"] == "exit" or self._accepting is None:
            os._exit(0)
        if self.draining:
            return
        self.draining = True
        self._take_in_who_has_connected()
        self._accepting.close()
        self.loop.call_later(ON_THE_WAY, self._close_idle, 1)
        self.loop.call_later(FRESH, self._close_idle, 0)

    def _take_in_who_has_connected(self) -> None:
        """Connections that the system has accepted and this process has not: closing would reset them."""
        assert self._listener is not None
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setblocking(False)
            coming = self.loop.connect_accepted_socket(lambda: Connection(self), accepted)
            self._coming.append(self.loop.create_task(coming))

    def _close_idle(self, answered: int) -> None:
        """Close connections that are idle and have had so many answers; from now on it may be over."""
        self._may_stop = True
        for connection in [one for one in self.connections if one.idle and one.answered >= answered]:
            connection.transport.close()
        self._stop_if_done()

    def _stop_if_done(self) -> None:
        if self._may_stop and not (self.connections or self.room.busy or self.room.waiting):
            self.loop.stop()

    def _sweep(self) -> None:
        """Close what has been silent for too long."""
        now = self.loop.time()
        for connection in [one for one in self.connections if one.job is None and not one.ending]:
            if not connection.idle and now - connection.since > PATIENCE:
                connection.refuse(408)
            elif now - connection.since > (IDLE if connection.answered else PATIENCE):
                connection.transport.close()
        self.loop.call_later(1.0, self._sweep)

    # its requests

    def arrive(self, job: Job) -> None:
        """A request has come in whole."""
        now = self.loop.time()
        self.room.settle(now)
        if job.request.path == READY:
            self.probed = min(self.probed, now)
            self._answer(job, 200)
            return
        if job.request.path == INSTANTS and job.connection is not None:
            job.connection.answer(200, self.line(**self.instants(now)))
            return
        if job.request.path != LIVE:
            self._draw(job)
        if not self.room.come(job, now):
            self._answer(job, 503, b"X-Rolloutlab-Rejected: 1\r\n")

    def forget(self, connection: Connection) -> None:
        """A connection is no more."""
        self.connections.discard(connection)
        self._stop_if_done()

    def _draw(self, job: Job) -> None:
        request, pod = job.request, self.pod
        number, user = request.number("x-rolloutlab-request"), request.number("x-rolloutlab-user")
        drawn = Drawn(pod.streams, number, user, abs(request.number("x-rolloutlab-attempt") or 0))
        job.number, job.demand, job.kills = number, drawn.once("DEMAND"), pod.kills(drawn)
        carried = request.carried() if pod.errors["when"] else {}
        job.fails = pod.fails(drawn, carried, len(self.room.busy))

    def _begin(self, job: Job, at: float) -> float:
        if job.kills:
            self.die()
        end = at if job.demand is None else at + self.pod.lasts(job.demand, at)
        self.loop.call_at(end, self._settle, end)
        return end

    def _settle(self, due: float) -> None:
        self.room.settle(max(due, self.loop.time()))
        self._stop_if_done()

    def _over(self, job: Job) -> None:
        if job.connection is not None:
            self._answer(job, 500 if job.fails else 200)

    def _answer(self, job: Job, status: int, extra: bytes = b"") -> None:
        connection, says = job.connection, self.pod.does["body"]
        if connection is None:
            return
        if says and status == 200:
            body = says.encode()
        else:
            body = self.line(status=status, **({} if job.number is None else {"request": job.number}))
        connection.answer(status, body, extra)

    def instants(self, now: float) -> dict[str, float | None]:
        """When its process began, listened, was first probed ready; `now` by the same clock; seconds."""
        since = {"began": self.began, "listening": self.pod.since, "probed": self.probed, "now": now}
        told = {**since, "declared": self.pod.start()}
        return {what: at if math.isfinite(at) else None for what, at in told.items()}

    def head(self, status: int, length: int, extra: bytes, keeps: bool) -> bytes:
        """The head of an answer, who answers in it."""
        line = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: {length}\r\n".encode()
        ends = b"Connection: keep-alive\r\n\r\n" if keeps else b"Connection: close\r\n\r\n"
        return b"".join((line, self._headers, extra, ends))

    def line(self, **says: object) -> bytes:
        """A body: a line of JSON."""
        return (json.dumps({"version": self.pod.version, "pod": self.pod.name, **says}) + "\n").encode()


# --- the process ---------------------------------------------------------------------------------


class Punctual(selectors.EpollSelector):
    """Waits to the microsecond, where `epoll_wait` alone rounds up to milliseconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        select.select([self.fileno()], [], [], timeout)
        return super().select(0)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; without a host on every address, of IPv6 too where there is any."""
    if host or not socket.has_dualstack_ipv6():
        return socket.create_server((host, port), backlog=BACKLOG)
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        return socket.create_server(("", port), backlog=BACKLOG)


def age() -> float:
    """Seconds since this process began, to a hundredth, by the system's own account."""
    try:
        with open("/proc/self/stat", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes 10 ms to import
            ticks = int(file.read().rpartition(")")[2].split()[19]) + 0.5
    except OSError:
        return time.process_time()
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(0.0, since_boot - ticks / os.sysconf("SC_CLK_TCK"))


def say(**what: object) -> None:
    """One line of JSON for whoever reads the pod's log."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def allow_many_files() -> None:
    """As many connections as the system lets a process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Serve until told to stop, or dead."""
    loop = asyncio.SelectorEventLoop(Punctual())
    began = loop.time() - age()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, os._exit, 0)
    environment = os.environ
    path = environment.get("ROLLOUTLAB_BEHAVIOUR", "/rolloutlab/behaviour.json")
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as above
        document = json.load(file)
    name = environment.get("POD_NAME") or socket.gethostname()
    server = Server(Pod(document, environment.get("ROLLOUTLAB_VERSION", "stable"), name), loop, began)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.terminate)
    allow_many_files()
    gc.freeze()
    host, port = environment.get("ROLLOUTLAB_HOST", ""), int(environment.get("PORT", "8080"))
    if (start := server.pod.start()) < math.inf:
        loop.call_at(began + start, lambda: loop.create_task(server.listen(host, port)))
    loop.run_forever()


if __name__ == "__main__":
    main()
