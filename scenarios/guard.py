"""How a guard judges what was seen: pass, fail, or not enough to say. Too little traffic is never a pass."""

from dataclasses import dataclass
from enum import StrEnum

from scenarios.world import Guard


class Judgement(StrEnum):
    """The three answers of a guard; not knowing is one of them."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one side showed in a guard's window: finished requests, failed ones, a latency quantile in seconds."""

    requests: int
    failures: int
    quantile: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A guard's window as scraped at `taken_at`: the judged side, and stable beside it."""

    taken_at: float
    subject: Sample
    stable: Sample


def enough(guard: Guard, sample: Sample) -> bool:
    """Whether the window holds the requests that the guard asks for."""
    return sample.requests >= guard.min_requests


def judge(guard: Guard, subject: Sample, baseline: Sample | None) -> Judgement:
    """Judge a window, against the limit or against `baseline` (stable's window that had enough requests).

    A metric above the limit, or above stable's by more than the margin, fails. Inconclusive where the subject
    has fewer than `min_requests`, or where there is no baseline to compare with.
    """
    if not enough(guard, subject):
        return Judgement.INCONCLUSIVE
    value = metric(guard, subject)
    if guard.versus is None:
        allowed = float(guard.limit or 0.0)
    elif baseline is None:
        return Judgement.INCONCLUSIVE
    else:
        allowed = metric(guard, baseline) + float(guard.margin or 0.0)
    return Judgement.FAIL if value > allowed else Judgement.PASS


def metric(guard: Guard, sample: Sample) -> float:
    """The guard's metric of a window that holds requests: a share of failures, or seconds."""
    if guard.metric == "failure_share":
        return sample.failures / sample.requests
    return sample.quantile or 0.0
