"""One request to an API server and its answer, bounded in time and size; or events, as they come."""

import json
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from live.retries import Answer, Outcome, Silence, retry_after
from live.session import Session

MAX_BODY, MAX_EVENT = 256 << 20, 16 << 20
_PIECE = 1 << 16
_LEAST = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until connected, until the next bytes of an answer come, and for all tries of a request."""

    connect: float = 3.0
    read: float = 10.0
    budget: float = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the path with its query, and JSON to send, if any."""

    method: str
    path: str
    body: Any = None
    media: str = "application/json"


class Garbled(Exception):
    """What came is no event."""


class Broken(Exception):
    """The stream ended otherwise than the server ends one. `timeout`: nothing came for too long."""

    def __init__(self, why: str, timeout: bool = False) -> None:
        self.why, self.timeout = why, timeout
        super().__init__(why)


class Stream(Iterator[dict[str, Any]]):
    """Events of one watch, each as soon as its line is complete. Ends as the server ends it.

    Raises Garbled and Broken. `at` is when the latest bytes came, or the headers before any.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, clock: Callable[[], float]) -> None:
        self._response, self._clock = response, clock
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self.at = clock()

    def __next__(self) -> dict[str, Any]:
        while not self._lines:
            self._read()
        return _event(self._lines.popleft())

    def interrupt(self) -> None:
        """End it from any thread: who waits for an event waits no longer."""
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):
            return  # has ended by itself

    def close(self) -> None:
        """Give the connection up. By the thread that reads."""
        self._response.close()

    def _read(self) -> None:
        """Wait for bytes; keep whole lines."""
        try:
            piece = self._response.read1(_PIECE)
        except (HTTPError, OSError) as error:
            silence = _silence(error)
            raise Broken(silence.why, silence.timeout) from None
        self.at = self._clock()
        if not piece:
            if self._rest.strip():
                raise Broken("the connection was closed within an event")
            raise StopIteration
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._lines.extend(line for line in lines if line.strip())
        if len(self._rest) > MAX_EVENT:
            raise Garbled(f"an event of more than {MAX_EVENT >> 20} MiB")


def exchange(
    session: Session, request: Request, patience: Patience, until: float, clock: Callable[[], float]
) -> Outcome:
    """Send it once and read the whole answer, until that moment of the clock at the latest (about)."""
    now = clock()
    until = min(until, now + patience.connect + patience.read)
    try:
        response = _sent(session, request, patience, until - now)
        try:
            return _answer(response, _whole(response, until, clock))
        finally:
            if not response.closed:
                response.close()
    except (HTTPError, OSError) as error:
        return _silence(error)


def open_stream(
    session: Session, request: Request, patience: Patience, quiet: float, clock: Callable[[], float]
) -> Stream | Outcome:
    """A stream that may be quiet for so many seconds, or why there is none."""
    try:
        response = _sent(session, request, patience, patience.read)
        if response.status != 200:
            try:
                return _answer(response, _whole(response, clock() + patience.read, clock))
            finally:
                response.close()
    except (HTTPError, OSError) as error:
        return _silence(error)
    sock = getattr(response.connection, "sock", None)
    if sock is not None:
        sock.settimeout(quiet)
    return Stream(response, clock)


def _sent(session: Session, request: Request, patience: Patience, left: float) -> urllib3.BaseHTTPResponse:
    headers = dict(session.headers)
    body = None
    if request.body is not None:
        body = json.dumps(request.body, separators=(",", ":")).encode()
        headers["Content-Type"] = request.media
    left = max(left, _LEAST)
    timeout = urllib3.Timeout(connect=min(patience.connect, left), read=min(patience.read, left))
    return session.pool.request(
        request.method,
        session.host + request.path,
        body=body,
        headers=headers,
        timeout=timeout,
        retries=False,
        redirect=False,
        preload_content=False,
    )


def _whole(response: urllib3.BaseHTTPResponse, until: float, clock: Callable[[], float]) -> bytes:
    """The body. TimeoutError where it drips until after the moment, OSError where it is too large."""
    pieces, size = [], 0
    while piece := response.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if clock() > until:
            raise TimeoutError("the answer took too long")
        if size > MAX_BODY:
            raise OSError(f"an answer of more than {MAX_BODY >> 20} MiB")
    return b"".join(pieces)


def _answer(response: urllib3.BaseHTTPResponse, body: bytes) -> Answer:
    after = retry_after(response.headers.get("Retry-After"))
    return Answer(response.status, response.reason or "", body, after)


def _silence(error: HTTPError | OSError) -> Silence:
    """What an error of the connection means."""
    match error:
        case SSLError():
            untrusted = isinstance(error.args[0] if error.args else None, ssl.SSLCertVerificationError)
            return Silence(f"TLS failed: {error}", reached=not untrusted, lasting=untrusted)
        case NewConnectionError():  # is a ConnectTimeoutError too
            return Silence("no connection: " + _cause(error), reached=False)
        case ConnectTimeoutError():
            return Silence("no connection in time", reached=False, timeout=True)
        case ProxyError():
            return Silence(f"the proxy failed: {error}", reached=False)
        case ReadTimeoutError() | TimeoutError():
            return Silence("no whole answer in time", timeout=True)
        case _:
            return Silence(f"the connection broke: {error}")


def _cause(error: NewConnectionError) -> str:
    cause = error.__cause__
    return (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(error)


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise Garbled("a line that is no JSON") from None
    if not isinstance(event, dict):
        raise Garbled("JSON that is no event")
    return event
