"""Connections of the generator's child: new ones for each request, or kept by their holder within bounds.

What geventhttpclient takes for its pool of sockets; it opens, counts and closes them, and never tries again
by itself: what ends a connection ends the request on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from select import POLLIN
from time import monotonic
from typing import Any

import gevent.monkey
import gevent.ssl
from gevent import socket

from live.orders import Kept

MOST_READ = 8 << 20  # bytes of one answer
_poll = gevent.monkey.get_original("select", "poll")


class TooLong(OSError):
    """An answer that goes on and on. An OSError, as Locust's session lets no other through."""


class Wire:
    """One connection, with what has come of an answer so far."""

    __slots__ = ("_sock", "asked", "come", "ended", "last", "since")

    def __init__(self, sock: Any, now: float) -> None:
        self._sock, self.since, self.last = sock, now, now
        self.asked, self.come, self.ended = 0, 0, False

    def begin(self) -> None:
        """Another request goes through it."""
        self.asked, self.come, self.ended = self.asked + 1, 0, False

    def recv(self, size: int) -> bytes:
        data: bytes = self._sock.recv(size)
        self.come += len(data)
        self.ended = not data
        if self.come > MOST_READ:
            raise TooLong
        return data

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()

    @property
    def quiet(self) -> bool:
        """Whether nothing has come on it unasked, such as its end."""
        waits = _poll()
        waits.register(self._sock.fileno(), POLLIN)
        return not waits.poll(0)


@dataclass(slots=True)
class Lines:
    """All connections to one address. `kept` None: each request has one of its own."""

    scheme: str
    ip: str
    port: int
    name: str
    kept: Kept | None
    opened: int = 0
    overlapping: int = 0
    _idle: dict[int, list[Wire]] = field(default_factory=dict)
    _busy: dict[int, int] = field(default_factory=dict)
    _context: Any = None

    @contextmanager
    def use(self, holder: int) -> Iterator["Use"]:
        """The holder's connection, for one request from this greenlet. Closed after it, unless it is kept."""
        use = Use(self, holder, self._reusable(holder, monotonic()))
        self._busy[holder] = self._busy.get(holder, 0) + 1
        token = _here.set(use)
        try:
            yield use
        finally:
            _here.reset(token)
            self._done(holder)
            use.end()

    def _done(self, holder: int) -> None:
        left = self._busy[holder] - 1
        if left:
            self._busy[holder] = left
        else:
            del self._busy[holder]

    def _reusable(self, holder: int, now: float) -> Wire | None:
        idle = self._idle.get(holder)
        while idle:
            wire = idle.pop()
            if self._within(wire, now) and wire.quiet:
                return wire
            wire.close()
        return None

    def _within(self, wire: Wire, now: float) -> bool:
        kept = self.kept
        assert kept is not None
        used_up = wire.asked >= kept.requests
        return not used_up and now - wire.last <= kept.idle and now - wire.since < kept.age

    def open(self, holder: int) -> Wire:
        """A new connection."""
        if self.kept is not None and self._busy.get(holder, 0) > 1:
            self.overlapping += 1
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((self.ip, self.port))
            self.opened += 1
            return Wire(self._secured(sock), monotonic())
        except BaseException:
            sock.close()
            raise

    def _secured(self, sock: Any) -> Any:
        if self.scheme != "https":
            return sock
        if self._context is None:
            self._context = gevent.ssl._create_unverified_context()
        return self._context.wrap_socket(sock, server_hostname=self.name)

    def keep(self, holder: int, wire: Wire) -> None:
        """Its answer is whole, and the server lets it be used again."""
        wire.last = monotonic()
        self._idle.setdefault(holder, []).append(wire)

    def sweep(self) -> None:
        """Close what has not been used for too long, or is too old."""
        now = monotonic()
        for holder, wires in list(self._idle.items()):
            for wire in [one for one in wires if not self._within(one, now)]:
                wires.remove(wire)
                wire.close()
            if not wires:
                del self._idle[holder]

    def close(self) -> None:
        """Close what is kept."""
        for wires in self._idle.values():
            for wire in wires:
                wire.close()
        self._idle.clear()


@dataclass(slots=True)
class Use:
    """A holder's connection during one request."""

    lines: Lines
    holder: int
    wire: Wire | None
    free: bool = False

    @property
    def closes(self) -> bool:
        """Whether the connection is to end with this request."""
        kept = self.lines.kept
        return kept is None or (0 if self.wire is None else self.wire.asked) + 1 >= kept.requests

    @property
    def ended(self) -> bool:
        """Whether the other side has ended the connection."""
        return self.wire is not None and self.wire.ended

    def taken(self) -> Wire:
        if self.wire is None:
            self.wire = self.lines.open(self.holder)
        self.wire.begin()
        return self.wire

    def end(self) -> None:
        """Keep the connection where its answer was whole; else it ends here."""
        if self.wire is None:
            return
        if self.free and self.lines.kept is not None:
            self.lines.keep(self.holder, self.wire)
        else:
            self.wire.close()


_here: ContextVar[Use] = ContextVar("use")


class Sockets:
    """What geventhttpclient asks for sockets and gives them back to. With this size it never tries again."""

    size = -1

    def get_socket(self) -> Wire:
        return _here.get().taken()

    def return_socket(self, wire: Wire) -> None:
        """The answer is whole and the connection may be used again; `Lines.use` does what is to be done."""
        use = _here.get(None)
        if use is not None and use.wire is wire:
            use.free = True

    def release_socket(self, wire: Wire) -> None:
        wire.close()

    def close(self) -> None:
        """`Lines` closes them."""
