"""What a release sees of its world: pods, routes, answers to its actions, guards' windows as last scraped.

An observation is never the truth: metrics are scraped every so often, late, and from one vantage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scenarios.conversion import Groups
from scenarios.guard import Sample, Seen
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Ints, Status, Tally, quantile
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
COPY = 3  # beside the versions: answers to copies, which no user sees
STALE = 10
"""Seconds for which a proxy may still send requests to a pod that is gone."""

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
    what a new scrape showed, by guard, and is empty between scrapes; so are `groups`, the users of an A/B
    test's groups. `approved` names the calls that were answered by an approval; `abort`: somebody asked for
    the way back.
    """

    t: float
    pools: Mapping[str, PoolSeen] = field(default_factory=dict)
    routed: bool = True
    done: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[str, Seen] = field(default_factory=dict)
    abort: bool = False
    approved: frozenset[str] = frozenset()
    groups: Groups | None = None


def window(tally: Tally, guard: Guard, vantage: str, taken_at: int) -> Seen:
    """The guard's window that ends at `taken_at` (whole seconds), as that vantage counts it.

    A client counts requests, the edge and servers count tries. Answers to copies are the candidate's, and so
    is what nobody answered once the candidate had long been alone.
    """
    low, high = max(taken_at - int(guard.window), tally.grid.start), taken_at
    counts = tally.counts if vantage == "client" else tally.served
    outcomes = counts[low - tally.grid.start : high - tally.grid.start].sum(axis=0).tolist()
    if guard.of == "candidate":
        lost = _lost_by_candidate(counts, low - tally.grid.start, high - tally.grid.start)
        outcomes[CANDIDATE] = [a + b for a, b in zip(outcomes[CANDIDATE], lost, strict=True)]
    outcomes.append([0] * len(Status) if tally.mirrored is None else _copies(tally, low, high))
    subject = (STABLE, CANDIDATE, NOBODY) if guard.of == "all" else (CANDIDATE, COPY)
    return Seen(
        taken_at,
        _sample(tally, guard, outcomes, _FAILURES[vantage], subject, (low, high)),
        _sample(tally, guard, outcomes, _FAILURES[vantage], (STABLE,), (low, high)),
    )


def _lost_by_candidate(counts: Ints, first: int, last: int) -> list[int]:
    """What reached nobody in the seconds [first, last) while stable had long answered nothing, by status.

    Once the candidate has answered, that was on its way to the candidate. Before, as in a recreate's outage,
    it was nobody's; just after stable's last answer it may have been sent to a stable pod that was removed.
    """
    none: list[int] = [0] * len(Status)
    unanswered = counts[first:last, NOBODY].any(axis=1)
    if not unanswered.any():
        return none
    before = max(first - STALE, 0)
    stable = np.concatenate(([0], np.cumsum(counts[before:last, STABLE].any(axis=1))))
    ends = np.arange(first, last) + 1 - before
    long_silent = stable[ends] == stable[np.maximum(ends - 1 - STALE, 0)]
    begun = counts[:last, CANDIDATE].any(axis=1)
    if not begun.any():
        return none
    alone = unanswered & long_silent & (np.arange(first, last) >= int(begun.argmax()))
    found: list[int] = counts[first:last][alone][:, NOBODY].sum(axis=0).tolist()
    return found


def _copies(tally: Tally, low: int, high: int) -> list[int]:
    assert tally.mirrored is not None
    found: list[int] = tally.mirrored[low - tally.grid.start : high - tally.grid.start].sum(axis=0).tolist()
    return found


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
    served = [v for v in versions if v in (STABLE, CANDIDATE)]
    histogram = tally.latencies(*span, served)
    if COPY in versions and tally.mirrored_latency is not None:
        first, last = tally.bins(*span)
        histogram = histogram + tally.mirrored_latency[first:last].sum(axis=0, dtype=np.int64)
    return Sample(total, failed, quantile(histogram, level))
