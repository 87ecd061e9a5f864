"""The generator's child: sends each request when it is due, through Locust, and tells its parent what came.

Started by `live.load` alone. It reads its folder, writes to the pipe it was given, and ends when its requests
have, or when its parent is gone. Times are CLOCK_MONOTONIC, which all processes share.
"""

import gc
import json
import resource
import struct
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import gevent
import locust  # noqa: F401 - first of all that opens sockets: it patches the standard library
from gevent.os import make_nonblocking
from gevent.timeout import Timeout
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.useragent import ConnectionError as AgentError
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment

from live import orders as files
from live.cookies import Jars
from live.frames import Kind
from live.lines import Lines, Sockets, TooLong, Use
from live.orders import Requests, Settings
from live.outcome import ATTEMPT, REQUEST, USER, Outcome, Recognise, answered, failed
from live.rows import LAYOUT, UNKNOWN_POD
from live.sent import Ended
from live.tether import Parent, every, first_in_line, many_files, obey, ordered, watch
from scenarios.attribution import Reply
from scenarios.tally import Status

FLUSH = 0.04  # seconds between two writes to the parent
IN_A_ROW = 32  # requests begun without letting others run
MOST_BODY = 1 << 16
MOST_PODS = 10_000
NAME = "replayed"  # under which Locust counts all requests
_PACK = struct.Struct(LAYOUT).pack


class Broken(Exception):
    """A try that this machine could not make; the text says why."""


class Sender:
    """One child's requests, its connections, and what became of them."""

    def __init__(self, told: Settings, mine: Requests, parent: Parent) -> None:
        self.told, self.mine, self.parent = told, mine, parent
        name = urlsplit(f"//{told.authority}").hostname or told.ip
        self.lines = Lines(told.scheme, told.ip, told.port, name, told.kept)
        self.environment, self.session = _session(told)
        self.recognise = _recognising(told)
        self.jars = Jars()
        self.t0 = 0.0
        self.sent = self.finished = 0
        self.broken: Counter[str] = Counter()
        self.untold: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self._pods: dict[str, int] = {}

    def replay(self, t0: float) -> None:
        """Begin every request when it is due, and wait for all to end."""
        self.t0 = t0
        under_way: set[gevent.Greenlet] = set()
        in_a_row = 0
        for i, due in enumerate(self.mine.due.tolist()):
            wait = t0 + due - monotonic()
            in_a_row = 0 if wait > 0 else in_a_row + 1
            if wait > 0 or in_a_row >= IN_A_ROW:
                in_a_row = 0
                gevent.sleep(max(wait, 0))
            one = gevent.spawn(self._one, i, due)
            under_way.add(one)
            one.rawlink(under_way.discard)
        gevent.joinall(list(under_way), timeout=self.told.patience + 1)

    def _one(self, i: int, first: float) -> None:
        """All tries of one request."""
        mine, told = self.mine, self.told
        index, user = int(mine.index[i]), int(mine.user[i])
        self.sent += 1
        due = first
        try:
            for attempt in range(len(told.pauses) + 1):
                sent, outcome, end = self._try(i, attempt, due)
                final = outcome.status == Status.OK or attempt == len(told.pauses)
                number = self._pod(outcome.pod)
                self.parent.row(_PACK(
                    index, user, first, due, sent - self.t0, end - self.t0,
                    outcome.status, outcome.version, number, outcome.code, attempt, final,
                ))  # fmt: skip
                if final:
                    break
                chance = float(mine.chance[i, attempt])
                due = end - self.t0 + told.pauses[attempt] * (1.0 + told.jitter * (2.0 * chance - 1.0))
                gevent.sleep(max(self.t0 + due - monotonic(), 0))
            self.finished += 1
        except Exception as broken:  # noqa: BLE001 - told by name; the run is inconclusive
            self.broken[str(broken) or type(broken).__name__] += 1

    def _try(self, i: int, attempt: int, due: float) -> tuple[float, Outcome, float]:
        """When it was sent, what it was, and when it ended. The client's patience counts from `due`."""
        sent = monotonic()
        patience = Timeout.start_new(self.t0 + due + self.told.timeout - sent)
        try:
            with self.lines.use(int(self.mine.holder[i])) as use:
                outcome = self._exchange(use, i, attempt)
        except Timeout as timeout:
            if timeout is not patience:
                raise
            outcome = Outcome(Status.TIMEOUT)
        finally:
            patience.close()
        if outcome.untold:
            self.untold[outcome.untold] += 1
        return sent, outcome, monotonic()

    def _exchange(self, use: Use, i: int, attempt: int) -> Outcome:
        headers = self._headers(i, attempt) | {"Connection": "close" if use.closes else "keep-alive"}
        with self.session.request(
            "GET", self.told.path, NAME, headers=headers, catch_response=True, stream=True
        ) as response:
            try:
                response.raise_for_status()
                reply = self._reply(response)
            except (OSError, Timeout, HTTPParseError, AgentError) as error:
                response.failure(error if isinstance(error, Exception) else str(error))
                return self._failed(error, use)
            outcome = answered(reply, self.recognise)
            self.jars.keep(int(self.mine.user[i]), reply.values("Set-Cookie"))
            if outcome.status == Status.OK:
                response.success()
            else:
                response.failure(outcome.status.name)
        return outcome

    def _headers(self, i: int, attempt: int) -> dict[str, str]:
        user, carried = int(self.mine.user[i]), self.told.carried[int(self.mine.kind[i])]
        cookies = self.jars.of(user) | carried.cookies
        headers = {"Host": self.told.authority, "User-Agent": "rolloutlab", "Accept-Encoding": "identity"}
        headers |= {_known_as(name, headers): value for name, value in carried.headers.items()}
        headers |= {REQUEST: str(self.mine.index[i]), USER: str(user)} | (
            {ATTEMPT: str(attempt)} if attempt else {}
        )
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return headers

    def _reply(self, response) -> Reply:  # type: ignore[no-untyped-def]
        """The answer, read to its end; of its body the first bytes."""
        came = response._response
        body = came.read(MOST_BODY)
        whole = True
        while came.read(MOST_BODY):
            whole = False
        if not whole:
            self.notes["longer than is looked at"] += 1
        return Reply(response.status_code, tuple(response.headers.items()), body, whole)

    def _failed(self, error: BaseException, use: Use) -> Outcome:
        cause = getattr(error, "original", None) or error
        if isinstance(cause, TooLong):
            self.notes["longer than is read"] += 1
            return Outcome(Status.ERROR)
        if isinstance(cause, Timeout | TimeoutError):
            return Outcome(Status.TIMEOUT)
        if isinstance(cause, HTTPConnectionClosed | gevent.ssl.SSLError) or use.ended:
            return Outcome(Status.RESET)
        if isinstance(cause, OSError):
            found = failed(cause.errno)
            if found is None:
                raise Broken(cause.strerror or str(cause)) from error
            return found
        self.notes["no HTTP, or without an end"] += 1
        return Outcome(Status.ERROR)

    def _pod(self, name: str) -> int:
        if not name:
            return UNKNOWN_POD
        if name not in self._pods:
            if len(self._pods) >= MOST_PODS:
                self.notes["of a pod beyond those that are told apart"] += 1
                return UNKNOWN_POD
            self._pods[name] = len(self._pods)
            self.parent.tell(Kind.POD, name.encode())
        return self._pods[name]

    def ended(self, cpu: float) -> Ended:
        """What is to be told at the end; `cpu` as a share of one core."""
        notes = dict(self.notes) | ({"cookies not kept": self.jars.lost} if self.jars.lost else {})
        counted = self.environment.stats.total.num_requests
        return Ended(
            self.sent, self.finished, dict(self.broken), dict(self.untold), notes,
            self.lines.opened, self.lines.overlapping, cpu, counted,
        )  # fmt: skip


def _known_as(name: str, headers: dict[str, str]) -> str:
    """The name as it stands in these headers, where it does."""
    return next((one for one in headers if one.lower() == name.lower()), name)


def _recognising(told: Settings) -> Recognise | None:
    """By what versions' answers look like. Where nothing is said of that, nothing needs to be imported."""
    if not any(told.known.values()):
        return None
    from scenarios import recognised
    from scenarios.expect import Answers

    known = {version: looks and Answers.model_validate(looks) for version, looks in told.known.items()}
    return lambda reply: recognised.answer(reply, known).version


class Clients:
    """What Locust asks for a client: the one there is."""

    def __init__(self, told: Settings) -> None:
        self._client = HTTPClient(told.ip, told.port)
        self._client._connection_pool = Sockets()  # type: ignore[assignment]  # as much of one as it uses

    def get_client(self, _url: object) -> HTTPClient:
        return self._client

    def close(self) -> None:
        """`Lines` closes connections."""


def _session(told: Settings) -> tuple[Environment, FastHttpSession]:
    """Locust's session: it asks once, follows nothing, keeps no cookies, and takes every status."""
    environment = Environment()
    environment.events.request.add_listener(_counting(environment))  # type: ignore[no-untyped-call]
    host = f"[{told.ip}]" if ":" in told.ip else told.ip
    session = FastHttpSession(
        f"http://{host}:{told.port}", environment.events.request, None,
        client_pool=Clients(told), max_retries=0, max_redirects=0,  # type: ignore[arg-type]
    )  # fmt: skip
    session.client.cookiejar = None
    session.client.valid_response_codes = frozenset(range(1000))  # type: ignore[misc]  # of this one alone
    return environment, session


def _counting(environment: Environment):  # type: ignore[no-untyped-def]
    """Locust's statistics, which a runner would keep."""

    def count(request_type, name, response_time, response_length, exception=None, **_):  # type: ignore[no-untyped-def]
        environment.stats.log_request(request_type, name, response_time, response_length)
        if exception:
            environment.stats.log_error(request_type, name, exception)

    return count


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(folder: Path, orders: int, rows: int, parent_id: int) -> None:
    """Say that it is ready, wait for the order, send, and say how it went."""
    many_files()
    first_in_line()
    make_nonblocking(orders)
    watch(parent_id)
    parent = Parent(rows)
    told, mine = files.read(folder)
    sender = Sender(told, mine, parent)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    parent.tell(Kind.READY)
    parent.flush()
    t0 = ordered(orders)
    obey(orders)
    begun = t0 + told.start
    gevent.sleep(max(begun - monotonic(), 0))
    cpu = _cpu()
    every(FLUSH, parent.flush)
    every(1.0, sender.lines.sweep)
    sender.replay(t0)
    sender.lines.close()
    share = (_cpu() - cpu) / max(monotonic() - begun, 1e-9)
    parent.tell(Kind.END, json.dumps(asdict(sender.ended(share))).encode())
    parent.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(argument) for argument in sys.argv[2:5]))
