"""One connection and the requests through it: bounded in time and size, to one address, following nothing.

The standard library's `http.client` parses; the socket below it is ours, so that it is known when a
connection is opened and to which address, and that a whole exchange ends in time however slowly bytes drip.
"""

import io
import re
import socket
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import Any

from live.address import Address, family
from scenarios.attribution import Reply

MAX_BODY = 1 << 20
_PIECE = 1 << 16
BODIED = ("POST", "PUT", "PATCH")


class Trouble(StrEnum):
    """Why no answer came."""

    REFUSED = "nobody listens there (connection refused)"
    UNREACHABLE = "the address cannot be reached"
    TIMEOUT = "no whole answer in time"
    TLS = "TLS failed"
    CLOSED = "the connection was closed before an answer"
    BROKEN = "what came is no HTTP answer"


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer, and why."""

    trouble: Trouble
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.trouble}: {self.detail}" if self.detail else str(self.trouble)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a method, and headers beside Host and Connection."""

    method: str
    host: str | None
    headers: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str | None:
        """The host's name without a port, for TLS; None where the address' own is meant."""
        return None if self.host is None else re.sub(r":\d+$", "", self.host).strip("[]")


class _Timed(io.RawIOBase):
    """What arrives on a socket, until a moment."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._until))
        return self._sock.recv_into(buffer)


class _Wire:
    """As much of a socket as `http.client` uses."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self.until = sock, 0.0

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self.until))
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._sock, self.until))

    def close(self) -> None:
        """`http.client` closes before it has read a body without a length; `Connection` does after."""


class Connection:
    """A connection to an address. After `ask` it may have ended: see `open`."""

    def __init__(self, address: Address, timeout: float, context: ssl.SSLContext | None) -> None:
        self._address, self._timeout, self._context = address, timeout, context
        self._http: HTTPConnection | None = None
        self._sock: socket.socket | None = None
        self.asked = 0

    @property
    def open(self) -> bool:
        """Whether another request can go through it."""
        return self._http is not None

    def ask(self, request: Request, last: bool) -> Reply | Failure:
        """One exchange, over when the timeout is, counted from here; `last` asks for the connection's end."""
        until = time.monotonic() + self._timeout
        try:
            http = self._http or self._connected(until, request.name or self._address.host)
            self._wire.until = until
            return self._exchange(http, request, last)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            return _failure(error)
        finally:
            self.asked += 1

    def close(self) -> None:
        """End it; harmless where it has ended."""
        if self._http is not None:
            self._http.close()
        if self._sock is not None:
            self._sock.close()
        self._http = self._sock = None

    def hurry(self) -> None:
        """Let whoever waits for an answer on it wait no longer. From any thread."""
        sock = self._sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _connected(self, until: float, name: str) -> HTTPConnection:
        where = self._address
        self._sock = sock = socket.socket(family(where.ip), socket.SOCK_STREAM)
        sock.settimeout(_left(until))
        sock.connect((str(where.ip), where.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            sock.settimeout(_left(until))
            self._sock = sock = self._context.wrap_socket(sock, server_hostname=name)
        http = HTTPConnection(where.host, where.port)
        http.auto_open = 0
        self._wire = http.sock = _Wire(sock)
        self._http = http
        return http

    def _exchange(self, http: HTTPConnection, request: Request, last: bool) -> Reply:
        http.putrequest(request.method, self._address.target, skip_host=True, skip_accept_encoding=True)
        http.putheader("Host", request.host or self._address.authority)
        for name, value in request.headers:
            http.putheader(name, value.encode())
        if request.method in BODIED:
            http.putheader("Content-Length", "0")
        http.putheader("Connection", "close" if last else "keep-alive")
        http.endheaders()
        with http.getresponse() as response:
            body, whole = _body(response)
            ends = last or not whole or response.will_close
            reply = Reply(response.status, tuple(response.getheaders()), body, whole)
        if ends:
            self.close()
        return reply


def _body(response: HTTPResponse) -> tuple[bytes, bool]:
    """The body up to its bound, and whether that is all of it. IncompleteRead where it ends too soon."""
    pieces, size = [], 0
    while size <= MAX_BODY and (piece := response.read(_PIECE)):
        pieces.append(piece)
        size += len(piece)
    if size <= MAX_BODY and response.length:
        raise IncompleteRead(b"", response.length)
    return b"".join(pieces)[:MAX_BODY], size <= MAX_BODY


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _failure(error: OSError | HTTPException | ValueError) -> Failure:
    match error:
        case ssl.SSLCertVerificationError():
            return Failure(Trouble.TLS, error.verify_message)
        case ssl.SSLError():
            return Failure(Trouble.TLS, error.reason or "")
        case TimeoutError():
            return Failure(Trouble.TIMEOUT)
        case ConnectionRefusedError():
            return Failure(Trouble.REFUSED)
        case RemoteDisconnected() | ConnectionError():
            return Failure(Trouble.CLOSED)
        case OSError():
            return Failure(Trouble.UNREACHABLE, error.strerror or "")
        case _:
            return Failure(Trouble.BROKEN)


def context(scheme: str, trusting: bool) -> ssl.SSLContext | None:
    """What TLS demands; None without TLS. `trusting` takes any certificate."""
    if scheme != "https":
        return None
    made = ssl.create_default_context()
    if trusting:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made
