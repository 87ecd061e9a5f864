"""How a trial is watched and judged: scrapes, guards, the objective, the clock."""

from typing import Final, Literal

from pydantic import Field, field_serializer, model_validator

from scenarios.errors import Misplaced, shown
from scenarios.model import Model, written
from scenarios.units import Duration, Share, write_duration, write_share

FORMAT: Final = "rolloutlab/1"


class Observe(Model):
    """What guards see: scraped every so often, late, from one vantage."""

    every: Duration = written("15s", "from scrape to scrape, in whole seconds")
    delay: Duration = written("2s", "a scrape is known so long after it")
    vantage: Literal["client", "edge", "server"] = Field(
        "client", description="who counts; a server never sees a connection that was refused"
    )

    @model_validator(mode="after")
    def _whole(self) -> "Observe":
        if self.every < 1 or self.every % 1:
            raise Misplaced((("every",), "expected whole seconds, 1s or more"))
        return self


class Guard(Model):
    """A metric judged during a release, against a limit or against stable at the same time."""

    metric: Literal["failure_share", "latency_p50", "latency_p95", "latency_p99"] = Field(
        description="what is judged"
    )
    of: Literal["candidate", "all"] = Field(
        "candidate", description="whose requests: the candidate's, or all"
    )
    limit: Share | Duration | None = Field(
        None, description="more than this fails: a share for failure_share, a duration for a latency"
    )
    versus: Literal["stable"] | None = Field(
        None, description="in place of a limit: more than stable has at the same time, and the margin, fails"
    )
    margin: Share | Duration | None = Field(
        None, description="with versus: so much more than stable is let pass"
    )
    window: Duration = written("1m", "the last so many seconds are judged")
    min_requests: int = Field(
        100, strict=True, ge=1, le=10_000_000, description="with fewer in the window it cannot say"
    )
    tolerate: int = Field(
        0, strict=True, ge=0, le=1000, description="failing observations in a row that are let pass"
    )

    @model_validator(mode="before")
    @classmethod
    def _unit_of_metric(cls, value: object) -> object:
        if isinstance(value, dict):
            share = value.get("metric") == "failure_share"
            for key in ("limit", "margin"):
                text = value.get(key)
                if isinstance(text, str) and text.endswith("%") != share:
                    example = "a share such as 1%" if share else "a duration such as 400ms"
                    raise Misplaced(((key,), f"expected {example} for {shown(value.get('metric'))}"))
        return value

    @model_validator(mode="after")
    def _one_judgement(self) -> "Guard":
        if (self.limit is None) == (self.versus is None):
            raise ValueError("expected either limit: … or versus: stable")
        if self.versus is None and self.margin is not None:
            raise Misplaced((("margin",), "only with versus: stable"))
        if self.versus is not None and self.of != "candidate":
            raise Misplaced((("of",), "versus: stable judges the candidate; expected 'candidate'"))
        if self.window < 1 or self.window % 1:
            raise Misplaced((("window",), "expected whole seconds, 1s or more"))
        return self

    @field_serializer("limit", "margin")
    def _as_written(self, value: float | None) -> str | None:
        if value is None:
            return None
        return write_share(value) if self.metric == "failure_share" else write_duration(value)


class Slo(Model):
    """The objective that says which candidate is bad."""

    success: Share = written("99.9%", "of requests that must succeed")
    latency: dict[Literal["p50", "p95", "p99"], Duration] = Field(
        default_factory=dict, description="percentiles of latency, and what each may be at most"
    )
    period: Duration | None = Field(None, description="what the error budget is for, such as 30d")
    requests: int | None = Field(
        None,
        strict=True,
        ge=1,
        le=10**15,
        description="expected in a period; with it the error budget is told",
    )

    @model_validator(mode="after")
    def _error_budget(self) -> "Slo":
        if (self.period is None) != (self.requests is None):
            raise ValueError("expected both period and requests, such as 30d and 500000000, or neither")
        if self.period is not None and self.period <= 0:
            raise Misplaced((("period",), "expected a duration above 0, such as 30d"))
        return self


class Clock(Model):
    """t = 0 is the trigger; settling in is before it, everything is measured from 0 to the horizon."""

    settle: Duration = written("2m", "before the trigger; what is usual is measured then")
    tick: Duration = written("1s", "a release looks at its timers so often")
    horizon: Duration = written("30m", "the trial ends so long after the trigger; at most 7d")

    @model_validator(mode="after")
    def _whole(self) -> "Clock":
        for key in ("settle", "tick", "horizon"):
            value = getattr(self, key)
            if value % 1 or (value < 1):
                raise Misplaced(((key,), "expected whole seconds, 1s or more"))
        if self.horizon > 7 * 86400:
            raise Misplaced((("horizon",), "at most 7d"))
        return self
