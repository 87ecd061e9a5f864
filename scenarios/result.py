"""What comes of something that was demanded: met, broken, or not decided. Not knowing is never a pass."""

from collections.abc import Iterable
from enum import StrEnum


class Result(StrEnum):
    """What came of a requirement or an expectation."""

    MET = "met"
    BROKEN = "broken"
    UNDECIDED = "undecided"


def decided(low: float, high: float, at_least: float | None, at_most: float | None) -> Result:
    """What is known of a number that lies between `low` and `high`."""
    if (at_most is not None and low > at_most) or (at_least is not None and high < at_least):
        return Result.BROKEN
    kept = (at_most is None or high <= at_most) and (at_least is None or low >= at_least)
    return Result.MET if kept else Result.UNDECIDED


def gravest(results: Iterable[Result]) -> Result:
    """Broken if any is, else undecided if any is, else met."""
    found = set(results)
    return next((r for r in (Result.BROKEN, Result.UNDECIDED) if r in found), Result.MET)
