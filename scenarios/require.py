"""Thresholds for CI: what a figure, or the share of runs that end in some way, must be. Words only.

Whether a comparison meets them is decided by `reports.require`.
"""

import math
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
QUANTILES = {"p5": 0.05, "p50": 0.5, "p95": 0.95}
Z_SQUARED = 1.959964**2  # of a 95 % interval
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

    strategy: Name = Field(description="a strategy of the file")
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

    def fewest_runs(self) -> int | None:
        """With fewer runs not even the best result could show it for certain; None for a mean.

        Where all of n runs keep to a limit, Wilson's interval of their share begins at n/(n + z²).
        """
        ratios = [share / (1 - share) for share in self._shares() if 0 < share < 1]
        return math.ceil(Z_SQUARED * max(ratios)) if ratios else None

    def _shares(self) -> list[float]:
        """How large a share of the runs must keep to each limit; none for a mean."""
        least, most = self.limits()
        level = QUANTILES.get(str(self.statistic))
        if level is not None:
            return [*([1 - level] if least is not None else []), *([level] if most is not None else [])]
        if self._of_runs:
            return [*([least] if least is not None else []), *([1 - most] if most is not None else [])]
        return []

    def __str__(self) -> str:
        ending = str(self.verdict).replace("_", " ")
        of = (
            f"runs that end {ending}"
            if self.figure is None
            else f"{self.statistic or 'mean'} of {self.figure}"
        )
        limits = (("at least", self.at_least), ("at most", self.at_most))
        wanted = " and ".join(f"{words} {limit}" for words, limit in limits if limit is not None)
        return f"{self.strategy} with {self.candidate or 'every candidate'}: {of} {wanted}"

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
