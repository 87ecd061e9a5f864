"""The base of everything written in YAML, and its common values: names, texts, times.

Models are frozen and refuse unknown keys. They hold what a file says, with defaults; nothing is computed from
them but look-ups. Durations are seconds, shares are 0 … 1, rates are per second.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from scenarios.distributions import Constant, Distribution, Exponential, LogNormal, Quantiles, Samples
from scenarios.errors import Misplaced
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


def _percentile(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(_PERCENTILE, value):
        return value
    raise ValueError("expected the name of a quantile, such as p0, p50, p99.9 or p100")


_PERCENTILE = r"p(100|[0-9]{1,2}(\.[0-9]{1,4})?)"
_NAMED = {"type": "string", "pattern": f"^{_PERCENTILE}$"}
Percentile = Annotated[str, BeforeValidator(_percentile), WithJsonSchema(_NAMED)]
"""The name of a quantile: p0, p50, p99.9, p100."""
MOST_SAMPLES = 10_000
_ALONE = {"constant", "exponential", "quantiles", "samples", "csv"}


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
    p90, p95 and p99; or as measured: `{quantiles: {p0: 5ms, p50: 40ms, p100: 2s}}`, evenly distributed in
    between, `{samples: [12ms, 14ms]}`, each equally likely, or `{csv: samples.csv}`, one in each line.
    """

    constant: Duration | None = Field(None, description="always the same; as the plain duration")
    exponential: Duration | None = Field(None, description="exponentially distributed, with this mean")
    mean: Duration | None = Field(None, description="lognormal: its mean, and one more point")
    median: Duration | None = Field(None, description="lognormal: its median, and one more point")
    p90: Duration | None = Field(None, description="lognormal: nine in ten are shorter")
    p95: Duration | None = Field(None, description="lognormal: 19 in 20 are shorter")
    p99: Duration | None = Field(None, description="lognormal: 99 in 100 are shorter")
    quantiles: dict[Percentile, Duration] | None = Field(
        None, description="from p0 to p100, such as p50 or p99.9; linear in between"
    )
    samples: tuple[Duration, ...] | None = Field(
        None, max_length=MOST_SAMPLES, description="each equally likely"
    )
    csv: str | None = Field(None, description="samples, from a file beside the scenario; it is read once")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"constant": value} if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _two_points(self) -> "Time":
        given = {key for key in type(self).model_fields if getattr(self, key) is not None}
        alone = len(given) == 1 and bool(given & _ALONE)
        pair = len(given) == 2 and not given & _ALONE
        if not (alone or pair):
            raise ValueError(
                "expected a duration such as 50ms, {exponential: 50ms}, two of mean, median, p90, p95, p99, "
                "or one of quantiles, samples, csv"
            )
        if self.csv is not None:
            raise Misplaced((("csv",), "can be read only beside a scenario that is a file"))
        self.distribution()
        return self

    def distribution(self) -> Distribution:
        """The distribution in seconds, computed once. Raises ValueError if the points fit none."""
        return _distribution(self)

    def __hash__(self) -> int:
        points = (self.constant, self.exponential, self.mean, self.median, self.p90, self.p95, self.p99)
        return hash((points, frozenset((self.quantiles or {}).items()), self.samples))


@lru_cache(maxsize=1024)
def _distribution(time: Time) -> Distribution:
    if time.constant is not None:
        return Constant(float(time.constant))
    if time.quantiles is not None:
        return _quantiles([(round(float(k[1:]) / 100, 9), float(v)) for k, v in time.quantiles.items()])
    if time.samples == ():
        raise Misplaced((("samples",), "expected one or more"))
    if time.samples is not None:
        values = [float(v) for v in time.samples]
        return Samples.of(values) if min(values) < max(values) else Constant(values[0])
    if time.exponential is not None:
        return Exponential(float(time.exponential))
    points = {"mean": time.mean, "median": time.median, "p90": time.p90, "p95": time.p95, "p99": time.p99}
    return LogNormal.of(**{k: float(v) for k, v in points.items() if v is not None})


def _quantiles(points: Sequence[tuple[float, float]]) -> Distribution:
    """The distribution with these (share, value); constant if all values are the same."""
    values = dict(sorted(points))
    if len(values) < len(points):
        raise Misplaced((("quantiles",), "one of them is given twice"))
    if not {0.0, 1.0} <= set(values):
        raise Misplaced((("quantiles",), "expected p0 and p100 too: the least and the most"))
    found = Quantiles(tuple(values), tuple(values.values()))
    return found if found.values[0] < found.values[-1] else Constant(found.values[0])


def a_time(default: str | dict[str, str], description: str | None = None) -> Any:
    """A field of type Time whose default is written as in YAML; editors are told of it."""
    told: dict[str, Any] = {"default": default}
    return Field(
        default_factory=lambda: Time.model_validate(default), description=description, json_schema_extra=told
    )
