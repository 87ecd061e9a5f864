"""How many requests come, as written: a constant rate, or one that changes over time.

The models hold what the file says; `RequestRate.curve` is what it means (`scenarios.curves`).
"""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from scenarios.curves import Counts, Curve, Line, Steady, Wave
from scenarios.errors import Misplaced
from scenarios.model import Model, written
from scenarios.units import Duration, Rate, Share, write_rate

MOST_INTERVALS = 100_000
KINDS = ("constant", "ramp", "spike", "daily", "trace")

Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


class Ramp(Model):
    """The rate goes evenly from one value to another; before and after it stays what it is then."""

    from_: Rate = Field(alias="from", description="the rate before it")
    to: Rate = Field(description="the rate after it")
    begins: Duration = written("0s", "after the trigger")
    lasting: Duration = Field(description="from the first rate to the second")

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key.rstrip("_"): value for key, value in write(self).items()}

    def curve(self) -> Line:
        end = float(self.begins + self.lasting)
        return Line(((float(self.begins), float(self.from_)), (end, float(self.to))))

    def words(self) -> str:
        return f"{write_rate(self.from_)} to {write_rate(self.to)} requests (a ramp)"


class Spike(Model):
    """A base rate, and a peak that begins `at`, is reached after `rise`, stays for `lasting`, then falls."""

    base: Rate = Field(description="the rate before and after it")
    peak: Rate = Field(description="the rate at its height")
    at: Duration = written("0s", "when it begins to rise, after the trigger")
    lasting: Duration = Field(description="how long the peak lasts, without rise and fall")
    rise: Duration = written("0s", "from the base to the peak")
    fall: Duration = written("0s", "from the peak to the base")

    def curve(self) -> Line:
        base, peak, t = float(self.base), float(self.peak), float(self.at)
        top, end = t + self.rise, t + self.rise + self.lasting
        return Line(((t, base), (top, peak), (end, peak), (end + self.fall, base)))

    def words(self) -> str:
        return f"{write_rate(self.base)} requests, in a spike {write_rate(self.peak)},"


class Daily(Model):
    """A day's wave: mean · (1 + swing · cos(2π (t − peak_at) / period)), before the trigger too."""

    mean: Rate = Field(description="the rate on average over a period")
    swing: Share = written("50%", "how far the peak is above the mean, and the trough below it")
    peak_at: Duration = written("0s", "a peak is so long after the trigger; others are a period apart")
    period: Duration = written("24h", "from peak to peak; 1h or more")

    @model_validator(mode="after")
    def _long(self) -> "Daily":
        if self.period < 3600:
            raise Misplaced((("period",), "expected 1h or more"))
        return self

    def curve(self) -> Wave:
        return Wave(float(self.mean), float(self.swing), float(self.peak_at), float(self.period))

    def words(self) -> str:
        return f"{write_rate(self.mean)} requests on average (a daily wave of ± {self.swing:.0%})"


class Trace(Model):
    """How many requests came in each interval from the trigger on: exactly so many come again.

    Within its interval each is placed evenly at random. Before the trigger they come at the first
    interval's rate.
    """

    counts: tuple[Count, ...] | None = Field(
        None, max_length=MOST_INTERVALS, description="requests in each interval from the trigger on"
    )
    csv: str | None = Field(None, description="the counts, from a file beside the scenario; it is read once")
    interval: Duration = Field(description="how long one interval is; 1s or more")

    @model_validator(mode="after")
    def _read(self) -> "Trace":
        if self.csv is not None and self.counts is not None:
            raise Misplaced((("csv",), "expected either counts or csv"))
        if self.csv is not None:
            raise Misplaced((("csv",), "can be read only beside a scenario that is a file"))
        if self.counts is None:
            raise ValueError("expected counts: [12, 15, …] or csv: a file")
        if self.interval < 1:
            raise Misplaced((("interval",), "expected 1s or more"))
        return self

    def curve(self) -> Counts:
        return Counts(self.counts or (), float(self.interval))

    def words(self) -> str:
        curve = self.curve()
        return f"{write_rate(round(curve.mean(0, curve.end), 3))} requests on average (a trace)"


class RequestRate(Model):
    """How many requests come: a plain rate such as `200/s` (Poisson arrivals), or one that changes.

    One of constant, ramp, spike, daily (all Poisson) and trace (exact counts).
    """

    constant: Rate | None = Field(None, description="the same as the plain rate")
    ramp: Ramp | None = Field(None, description="from one rate to another")
    spike: Spike | None = Field(None, description="a peak, with edges or slopes")
    daily: Daily | None = Field(None, description="a wave")
    trace: Trace | None = Field(None, description="as counted")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"constant": value} if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _one(self) -> "RequestRate":
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise ValueError("expected a rate such as 200/s, or one of ramp, spike, daily, trace")
        if self.constant is not None and self.constant <= 0:
            raise ValueError("expected more than 0 requests, such as 200/s")
        try:
            self.curve()
        except ValueError:
            raise ValueError("expected more than 0 requests at some time") from None
        return self

    @property
    def shape(self) -> Ramp | Spike | Daily | Trace | None:
        """What changes; None if the rate is constant."""
        return self.ramp or self.spike or self.daily or self.trace

    def curve(self) -> Curve:
        """The rate over time: `at(t)`, `mean(start, end)`, `peak(start, end)`, `expected(start, end)`."""
        return _curve(self)

    def words(self) -> str:
        """The rate in words, as the subject of a sentence: `200/s requests`."""
        shape = self.shape
        return f"{write_rate(self.constant or 0.0)} requests" if shape is None else shape.words()


@lru_cache(maxsize=64)
def _curve(rate: RequestRate) -> Curve:
    return Steady(float(rate.constant or 0.0)) if rate.shape is None else rate.shape.curve()
