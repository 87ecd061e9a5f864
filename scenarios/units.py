"""The written units of the language: durations, shares, rates, counts and percentages. Pure parsing."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_NUMBER = r"(\d{1,15}(?:\.\d{1,9})?)"
LONGEST = 365 * 86400.0
_SECONDS: dict[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _written(pattern: str, convert: Callable[[re.Match[str]], float], wanted: str) -> BeforeValidator:
    def parse(value: object) -> float:
        if isinstance(value, Parsed):
            return value
        match = re.fullmatch(pattern, value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"expected {wanted}")
        return Parsed(convert(match))

    return BeforeValidator(parse)


class Parsed(float):
    """A number that was written with its unit: lets validated values pass through validation again."""


def _json(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": [example]})


DURATION = rf"{_NUMBER}(ms|s|m|h|d)"
SHARE = rf"{_NUMBER}%"
RATE = rf"{_NUMBER}/(s|m|h)"


def _duration(match: re.Match[str]) -> float:
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > LONGEST:
        raise ValueError("a duration is at most 365d")
    return seconds


def _share(match: re.Match[str]) -> float:
    value = _hundredth(match[1])
    if value > 1:
        raise ValueError("a share is at most 100%")
    return value


def _hundredth(percent: str) -> float:
    """The float nearest to it: 0.7 % is 0.007, which 0.7 / 100 misses, and 35 of 5,000 would exceed it."""
    return float(Decimal(percent) / 100)


def _rate(match: re.Match[str]) -> float:
    return float(match[1]) / _SECONDS[match[2]]


def parse_duration(text: str) -> float:
    """Seconds of a written duration such as `150ms` or `2m`; ValueError otherwise."""
    match = re.fullmatch(DURATION, text)
    if match is None:
        raise ValueError("expected a duration such as 150ms, 2s or 10m")
    return _duration(match)


def parse_share(text: str) -> float:
    """0 … 1 of a written share such as `12.5%`; ValueError otherwise."""
    match = re.fullmatch(SHARE, text)
    if match is None:
        raise ValueError("expected a share such as 10%")
    return _share(match)


def write_duration(seconds: float) -> str:
    """The shortest exact writing of a duration: 0.15 → `150ms`, 600 → `10m`."""
    return _write(seconds, ("d", "h", "m", "s", "ms"), lambda x, unit: x * _SECONDS[unit], _SECONDS) or "0s"


def write_share(share: float) -> str:
    """A share as written in scenarios: 0.125 → `12.5%`."""
    return _write(share, ("%",), lambda x, _: _hundredth(repr(x)), {"%": 0.01}) or "0%"


def write_rate(per_second: float) -> str:
    """A rate as written in scenarios: 200.0 → `200/s`."""
    scale = {f"/{unit}": 1 / _SECONDS[unit] for unit in "smh"}
    return _write(per_second, tuple(scale), lambda x, unit: x / _SECONDS[unit[1:]], scale) or "0/s"


def _write(
    value: float,
    units: tuple[str, ...],
    read: Callable[[float, str], float],
    scale: dict[str, float],
) -> str:
    """Exact and whole in the first unit that can, else in the unit that is shortest; empty for 0."""
    if value == 0:
        return ""
    texts = {unit: f"{value / scale[unit]:.9f}".rstrip("0").rstrip(".") for unit in units}
    exact = [unit for unit in units if read(float(texts[unit]), unit) == value]
    whole = [unit for unit in exact if "." not in texts[unit]]
    chosen = whole[0] if whole else min(exact or units, key=lambda unit: len(texts[unit]))
    return texts[chosen] + chosen


Duration = Annotated[
    float,
    _written(DURATION, _duration, "a duration such as 150ms, 2s or 10m"),
    PlainSerializer(write_duration),
    _json(DURATION, "150ms"),
]
Share = Annotated[
    float,
    _written(SHARE, _share, "a share such as 10%"),
    PlainSerializer(write_share),
    _json(SHARE, "10%"),
]
Rate = Annotated[
    float,
    _written(RATE, _rate, "a rate such as 200/s"),
    PlainSerializer(write_rate),
    _json(RATE, "200/s"),
]


def _count_or_share(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100_000:
        return value
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,4})%", value)) and int(match[1]) <= 1000:
        return value
    raise ValueError("expected a count of pods such as 1, or a percentage such as 25%")


CountOrShare = Annotated[
    int | str,
    BeforeValidator(_count_or_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^\d{1,4}%$"},
            ]
        }
    ),
]
