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
    """One side in a guard's window: finished requests, failed ones, a latency quantile in seconds."""

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
    has fewer than `min_requests` or no latency, or where there is no baseline to compare with.
    """
    value = metric(guard, subject) if enough(guard, subject) else None
    allowed = _allowed(guard, baseline)
    if value is None or allowed is None:
        return Judgement.INCONCLUSIVE
    return Judgement.FAIL if value > allowed else Judgement.PASS


def _allowed(guard: Guard, baseline: Sample | None) -> float | None:
    """The most the metric may be; None where that hangs on a baseline that is not there."""
    if guard.versus is None:
        return float(guard.limit or 0.0)
    stable = metric(guard, baseline) if baseline is not None else None
    return None if stable is None else stable + float(guard.margin or 0.0)


def metric(guard: Guard, sample: Sample) -> float | None:
    """The guard's metric of a window that holds requests: a share of failures, or seconds.

    None where no request was answered, so that there is no latency.
    """
    if guard.metric == "failure_share":
        return sample.failures / sample.requests
    return sample.quantile
