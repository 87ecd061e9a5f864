"""What a figure of one trial is: a value, or the reason why there is none."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from scenarios.figure import FIGURES, HEADLINES, Definition

__all__ = [
    "FIGURES",
    "HEADLINES",
    "NOT_APPLICABLE",
    "NOT_OBSERVABLE",
    "TOO_FEW",
    "Definition",
    "Figure",
    "Figures",
    "Missing",
    "Value",
    "Why",
]

Why: TypeAlias = Literal["not reached", "not applicable", "not observable", "too few"]


@dataclass(frozen=True, slots=True)
class Value:
    """A figure of one trial; `low` and `high` where one trial alone tells how uncertain it is."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a trial has no value. What was not reached knows how long was waited for it: `at`."""

    why: Why
    at: float | None = None


Figure: TypeAlias = Value | Missing
Figures: TypeAlias = dict[str, Figure]
NOT_APPLICABLE, NOT_OBSERVABLE, TOO_FEW = (
    Missing("not applicable"),
    Missing("not observable"),
    Missing("too few"),
)
