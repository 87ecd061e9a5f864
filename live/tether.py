"""How a child of the generator is tied to its parent: takes one order, tells what came, and ends with it."""

import fcntl
import os
import resource
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore
from gevent.os import make_nonblocking, nb_read, nb_write

from live.frames import Kind, frame

WATCH = 0.5  # seconds between two looks whether the parent is there
NICE = -10
_PIPE = 1 << 20


class Parent:
    """The pipe to the parent: rows in batches, and everything else before them."""

    def __init__(self, fd: int) -> None:
        make_nonblocking(fd)
        with suppress(OSError, AttributeError):  # Linux's own, and bounded there
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)
        self._fd, self._rows, self._others = fd, bytearray(), bytearray()
        self._writing = BoundedSemaphore()

    def row(self, row: bytes) -> None:
        """One row, to be written soon."""
        self._rows += row

    def tell(self, kind: Kind, content: bytes = b"") -> None:
        """Anything else, to be written before the rows that come after it."""
        self._others += frame(kind, content)

    def flush(self) -> None:
        """Write all there is: names before the rows that need them."""
        with self._writing:
            data, self._others = self._others, bytearray()
            if self._rows:
                data += frame(Kind.ROWS, bytes(self._rows))
                self._rows = bytearray()
            while data:
                written = nb_write(self._fd, bytes(data[: 1 << 16]))
                del data[:written]


def every(seconds: float, what: Callable[[], None]) -> None:
    """Do it again and again, beside everything else."""

    def again() -> None:
        while True:
            gevent.sleep(seconds)
            what()

    gevent.spawn(again)


def obey(orders: int) -> None:
    """End at once when the parent closes its end of the pipe."""

    def closed() -> None:
        if not nb_read(orders, 1):
            os._exit(3)

    gevent.spawn(closed)


def watch(parent: int) -> None:
    """End when this process gets another parent: one that was forked may hold the pipe open."""

    def gone() -> None:
        if os.getppid() != parent:
            os._exit(3)

    every(WATCH, gone)


def ordered(orders: int) -> float:
    """The moment of t = 0, when the parent has said it."""
    said = b""
    while len(said) < 8:
        more = nb_read(orders, 8 - len(said))
        if not more:
            os._exit(3)
        said += more
    return float(struct.unpack("<d", said)[0])


def many_files() -> None:
    """As many connections as the machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # where the most is not what is allowed
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def first_in_line() -> None:
    """What measures comes before what is measured, where the machine lets it: it needs little, but at once.

    Linux may share time among sessions first (sched(7), autogroups), and this process has one of its own.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        Path("/proc/self/autogroup").write_text(str(NICE))
