"""What a child of the generator says to its parent: frames of a kind, a length, and bytes. Pure."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

_HEAD = struct.Struct("<BI")
LONGEST = 1 << 24


class Kind(IntEnum):
    """What a frame holds."""

    READY = 1  # nothing: it has imported all and waits for the order to begin
    ROWS = 2  # rows as they are in live.rows
    POD = 3  # the name of the next pod, in the order of its rows' numbers
    END = 4  # live.sent.Ended as JSON; the last one


class Garbled(ValueError):
    """Bytes that are no frames."""


def frame(kind: Kind, content: bytes = b"") -> bytes:
    """One frame."""
    return _HEAD.pack(kind, len(content)) + content


@dataclass(slots=True)
class Frames:
    """Frames out of bytes as they come; one that was cut off is never told."""

    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """The frames that are whole now. Raises Garbled."""
        self._rest += data
        while len(self._rest) >= _HEAD.size:
            number, length = _HEAD.unpack_from(self._rest)
            if number not in Kind.__members__.values() or length > LONGEST:
                raise Garbled(f"a frame of kind {number} and {length} bytes")
            end = _HEAD.size + length
            if len(self._rest) < end:
                return
            content = bytes(self._rest[_HEAD.size : end])
            del self._rest[:end]
            yield Kind(number), content
