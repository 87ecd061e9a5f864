"""Names held by a living process: listening abstract sockets, which the kernel frees at its death."""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from onenode.layout import PREFIX

CREDENTIALS = struct.Struct("3i")


def claim(what: str) -> socket.socket | None:
    """Holds `what` until closed; None if another process holds it."""
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(f"\0{PREFIX}/{what}")
        held.listen(8)
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return held


def holder(what: str) -> int | None:
    """The process that holds `what`, as the kernel knows it."""
    try:
        with visit(what) as asking:
            found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    except ConnectionRefusedError:
        return None
    process: int = CREDENTIALS.unpack(found)[0]
    return process


@contextmanager
def visit(what: str) -> Iterator[socket.socket]:
    """A connection to the process that holds `what`. Raises ConnectionRefusedError if nobody does."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(f"\0{PREFIX}/{what}")
        yield asking
