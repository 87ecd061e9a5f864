"""Thresholds for CI: what a figure, or the share of runs that end in some way, must be. Words only.

Whether a comparison meets them is decided by `reports.require`.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from scenarios.errors import Misplaced, shown
from scenarios.figure import FIGURES
from scenarios.model import Model, Name
from scenarios.release import Verdict
from scenarios.units import DURATION, SHARE, parse_duration, parse_share

MOST = 1e15
PERCENT = rf"-?{SHARE}"


def _figure(name: str) -> str:
    if name not in FIGURES:
        close = get_close_matches(name[:80], FIGURES, n=1, cutoff=0.6)
        meant = f"did you mean {shown(close[0])}?" if close else f"there is {', '.join(FIGURES)}"
        raise ValueError(f"unknown figure; {meant}")
    return name


def _limit(value: object) -> int | float | str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST:
        return value
    raise ValueError("expected a number such as 500, a share such as 5%, or a duration such as 30s")


FigureName = Annotated[
    str, AfterValidator(_figure), WithJsonSchema({"type": "string", "enum": list(FIGURES)})
]
Limit = Annotated[
    int | float | str,
    BeforeValidator(_limit),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^({PERCENT}|{DURATION})$"}]}
    ),
]
Statistic = Literal["mean", "p5", "p50", "p95", "reached"]


class Requirement(Model):
    """A threshold for a strategy: of a figure, or of the share of runs that end in one way."""

    strategy: Name
    candidate: Name | None = Field(None, description="with this candidate; without the key, with every one")
    figure: FigureName | None = Field(None, description="a figure of the comparison")
    verdict: Verdict | None = Field(None, description="or how runs end, of which the share is limited")
    statistic: Statistic | None = Field(
        None, description="of a figure: its mean (the default), a percentile, or the share that reached it"
    )
    at_least: Limit | None = Field(None, description="in the figure's unit: a number, a share, a duration")
    at_most: Limit | None = Field(None, description="in the figure's unit: a number, a share, a duration")

    @model_validator(mode="after")
    def _about_one_thing(self) -> Self:
        if (self.figure is None) == (self.verdict is None):
            raise ValueError("expected one of figure: and verdict:")
        if self.statistic is not None and self.verdict is not None:
            raise Misplaced((("statistic",), "is for figures; a verdict has only its share of the runs"))
        if self.at_least is None and self.at_most is None:
            raise ValueError("expected at_least:, at_most:, or both")
        return self

    @model_validator(mode="after")
    def _limits_have_the_unit(self) -> Self:
        if (self.figure is None) != (self.verdict is None):
            for key in ("at_least", "at_most"):
                try:
                    self._converted(getattr(self, key))
                except ValueError as error:
                    raise Misplaced(((key,), str(error))) from None
            low, high = self.limits()
            if low is not None and high is not None and low > high:
                raise ValueError("at_least is more than at_most: nothing can meet both")
        return self

    @property
    def unit(self) -> str:
        """The unit of the limits: the figure's own, or share."""
        return "share" if self._of_runs else FIGURES[str(self.figure)].unit

    def limits(self) -> tuple[float | None, float | None]:
        """The least and the most that is allowed, in `unit`; None where there is no such limit."""
        return self._converted(self.at_least), self._converted(self.at_most)

    def _converted(self, limit: int | float | str | None) -> float | None:
        if limit is None:
            return None
        return _READ.get("part" if self._of_runs else self.unit, _number)(limit)

    @property
    def _of_runs(self) -> bool:
        """Whether it limits a share of the runs, and no number that runs have."""
        return self.figure is None or self.statistic == "reached"


def _number(limit: int | float | str) -> float:
    if isinstance(limit, str):
        raise ValueError("expected a number such as 500")
    return float(limit)


def _written(parse: Callable[[str], float], wanted: str) -> Callable[[int | float | str], float]:
    def read(limit: int | float | str) -> float:
        if not isinstance(limit, str):
            raise ValueError(f"expected {wanted}")
        return parse(limit)

    return read


def _percent(text: str) -> float:
    """A share that is no part of a whole: a difference may be negative, a budget overspent."""
    if not re.fullmatch(PERCENT, text):
        raise ValueError("expected a share such as 5%")
    return float(text.removesuffix("%")) / 100


_READ = {
    "part": _written(parse_share, "a share such as 5%"),
    "share": _written(_percent, "a share such as 5%"),
    "s": _written(parse_duration, "a duration such as 30s"),
}
