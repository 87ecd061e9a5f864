"""The base of everything written in YAML, and its common values: names, texts, times.

Models are frozen and refuse unknown keys. They hold what a file says, with defaults; nothing is computed from
them but look-ups. Durations are seconds, shares are 0 … 1, rates are per second.
"""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scenarios.distributions import Constant, Distribution, Exponential, LogNormal
from scenarios.units import Duration


def written(default: str, description: str | None = None) -> Any:
    """A field whose default is written as in YAML, unit included."""
    return Field(default, description=description)


_HIDDEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
NAME = f"^[^{_HIDDEN}]{{1,80}}$"
Name = Annotated[str, Field(pattern=NAME)]
"""A name in any script, on one line, with nothing in it that is not seen."""
Image = Annotated[str, Field(pattern=f"^[^{_HIDDEN} ]{{1,500}}$")]
Text = Annotated[str, Field(pattern=f"^(?:[^{_HIDDEN}]|[\n\t]){{0,2000}}$")]
"""Prose: lines of it."""


class Model(BaseModel):
    """Base of everything written in YAML: frozen, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        defer_build=True,  # imports are a fifth quicker
    )


class Time(Model):
    """How long something takes: a plain duration, or a distribution by its mean or its quantiles.

    `50ms` or `{constant: 50ms}`; `{exponential: 50ms}` (its mean); a lognormal by any two of mean, median,
    p90, p95 and p99.
    """

    constant: Duration | None = None
    exponential: Duration | None = None
    mean: Duration | None = None
    median: Duration | None = None
    p90: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"constant": value} if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _two_points(self) -> "Time":
        given = self.model_dump(exclude_none=True)
        alone = len(given) == 1 and ("constant" in given or "exponential" in given)
        pair = len(given) == 2 and "constant" not in given and "exponential" not in given
        if not (alone or pair):
            raise ValueError(
                "expected a duration such as 50ms, {exponential: 50ms}, or two of mean, median, p90, p95, p99"
            )
        self.distribution()
        return self

    def distribution(self) -> Distribution:
        """The distribution in seconds, computed once. Raises ValueError if the points fit no lognormal."""
        return _distribution(self)


@lru_cache(maxsize=1024)
def _distribution(time: Time) -> Distribution:
    if time.constant is not None:
        return Constant(float(time.constant))
    if time.exponential is not None:
        return Exponential(float(time.exponential))
    points = {"mean": time.mean, "median": time.median, "p90": time.p90, "p95": time.p95, "p99": time.p99}
    return LogNormal.of(**{k: float(v) for k, v in points.items() if v is not None})


def a_time(default: str | dict[str, str], description: str | None = None) -> Any:
    return Field(default_factory=lambda: Time.model_validate(default), description=description)
