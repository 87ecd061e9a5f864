"""What a release sees of its world: pods, routes, answers to its actions, guards' windows as last scraped.

An observation is never the truth: metrics are scraped every so often, late, and from one vantage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scenarios.guard import Sample, Seen
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Status, Tally, quantile
from scenarios.world import Guard

# what each vantage takes for a finished request and for a failure; a server never sees what did not reach it
# or what it did not answer, and an edge books a client that went away as nobody's failure
_FAILURES = {
    "client": (
        Status.ERROR,
        Status.TIMEOUT,
        Status.REJECTED,
        Status.RESET,
        Status.REFUSED,
        Status.UNAVAILABLE,
    ),
    "edge": (Status.ERROR, Status.REJECTED, Status.RESET, Status.REFUSED, Status.UNAVAILABLE),
    "server": (Status.ERROR, Status.REJECTED),
}
_QUANTILE = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


@dataclass(frozen=True, slots=True)
class PoolSeen:
    """One pool: desired pods and template version; pods by version as (existing, ready, available).

    `existing` leaves terminating pods out; they are counted in `terminating`.
    """

    desired: int
    version: str
    pods: Mapping[str, tuple[int, int, int]]
    terminating: int = 0
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a decision may rest on, at `t` seconds after the trigger.

    `done` names the actions answered as applied, `refused` those refused, with the reason; `windows` holds
    what a new scrape showed, by guard, and is empty between scrapes.
    """

    t: float
    pools: Mapping[str, PoolSeen] = field(default_factory=dict)
    routed: bool = True
    done: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[str, Seen] = field(default_factory=dict)
    abort: bool = False


def window(tally: Tally, guard: Guard, vantage: str, taken_at: int) -> Seen:
    """The guard's window that ends at `taken_at` (whole seconds), as that vantage counts it."""
    low, high = max(taken_at - int(guard.window), tally.grid.start), taken_at
    outcomes = tally.window(low, high).tolist()
    subject = (STABLE, CANDIDATE, NOBODY) if guard.of == "all" else (CANDIDATE,)
    return Seen(
        taken_at,
        _sample(tally, guard, outcomes, _FAILURES[vantage], subject, (low, high)),
        _sample(tally, guard, outcomes, _FAILURES[vantage], (STABLE,), (low, high)),
    )


def _sample(
    tally: Tally,
    guard: Guard,
    outcomes: list[list[int]],
    failures: tuple[Status, ...],
    versions: tuple[int, ...],
    span: tuple[int, int],
) -> Sample:
    failed = sum(outcomes[version][status] for version in versions for status in failures)
    total = failed + sum(outcomes[version][Status.OK] for version in versions)
    level = _QUANTILE.get(guard.metric)
    if level is None:
        return Sample(total, failed)
    served = [v for v in versions if v != NOBODY]
    return Sample(total, failed, quantile(tally.latencies(*span, served), level))
