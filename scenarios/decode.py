"""Plain JSON of unknown origin, read by expected type: any other type is an error that names its place.

No object is ever made from a name found in a file.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Json = Any
MOST = 1e300  # beyond it a whole number would not fit into a float
Value = TypeVar("Value")


class RecordError(ValueError):
    """A record cannot be read or written; the text says which file, where in it, and why."""


def at(value: Json, key: str, read: Callable[[Json], Value]) -> Value:
    """What stands under a key that must be there."""
    if not isinstance(value, dict) or key not in value:
        raise RecordError(f"{key}: missing")
    return _in(key, read, value[key])


def each(value: Json, read: Callable[[Json], Value]) -> tuple[Value, ...]:
    """A list, entry by entry."""
    if not isinstance(value, list):
        raise RecordError(f"expected a list, not {shown(value)}")
    return tuple(_in(str(i), read, entry) for i, entry in enumerate(value))


def named(value: Json, read: Callable[[Json], Value]) -> Mapping[str, Value]:
    """An object whose keys are names."""
    if not isinstance(value, dict):
        raise RecordError(f"expected an object, not {shown(value)}")
    return {name: _in(name, read, entry) for name, entry in value.items()}


def maybe(read: Callable[[Json], Value]) -> Callable[[Json], Value | None]:
    """The same, or null."""
    return lambda value: None if value is None else read(value)


def one_key(value: Json, *kinds: str) -> tuple[str, Json]:
    """The kind and content of an object with exactly one key."""
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in kinds:
        raise RecordError(f"expected one of {', '.join(kinds)}, not {shown(value)}")
    return next(iter(value.items()))


def one_of(kind: Callable[[Json], Value]) -> Callable[[Json], Value]:
    """A word of an enumeration."""

    def read(value: Json) -> Value:
        try:
            return kind(value)
        except ValueError as error:
            raise RecordError(str(error)) from None

    return read


def text(value: Json) -> str:
    """A string."""
    if not isinstance(value, str):
        raise RecordError(f"expected text, not {shown(value)}")
    return value


def flag(value: Json) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise RecordError(f"expected true or false, not {shown(value)}")
    return value


def whole(value: Json) -> int:
    """An integer; true and false are none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise RecordError(f"expected a whole number, not {shown(value)}")
    return value


def number(value: Json) -> float:
    """A finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= MOST:
        raise RecordError(f"expected a number, not {shown(value)}")
    return float(value)


def _in(place: str, read: Callable[[Json], Value], value: Json) -> Value:
    """Read what stands at a place; an error tells the place."""
    try:
        return read(value)
    except RecordError as error:
        raise RecordError(f"{shown(place)}: {error}") from None


def shown(value: Json) -> str:
    """A value made harmless for a terminal, and short."""
    shown = value if isinstance(value, str) and value.isprintable() else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
