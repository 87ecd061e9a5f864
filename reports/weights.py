"""Whether a router's split of requests was as asked for: observed against intended share of the candidate.

A pure function of a record: which weight was in force when, and whom requests reached, by tenths of a second.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from reports.facts import Facts
from reports.statistics import CONFIDENCE, Interval, clopper_pearson
from reports.values import NOT_APPLICABLE, TOO_FEW, Figure, Figures, Value
from scenarios.plan import Route, Rules, Split, Sticky
from scenarios.record import PodEvent, Pods, Record
from scenarios.tally import CANDIDATE, FLAG_BITS, STABLE

Floats = NDArray[np.float64]
TOLERANCE = 0.1  # of the smaller side's share: at a weight of 5 %, half a point either way is accurate


class Accuracy(StrEnum):
    """What the requests seen so far say of a split."""

    ACCURATE = "accurate"
    INACCURATE = "inaccurate"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True)
class Weighing:
    """How many of `requests` reached the candidate, and what share was `intended`.

    `design_effect` says how many requests of a cluster (a connection, a user) tell as much as one on its own;
    1 where each request is sent independently.
    """

    candidate: int
    requests: int
    intended: float
    design_effect: float = 1.0

    @property
    def error(self) -> float:
        """Observed less intended share."""
        return self.candidate / self.requests - self.intended

    @property
    def tolerance(self) -> float:
        """How far off the share may be."""
        return TOLERANCE * min(self.intended, 1 - self.intended)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The exact interval of the error; over several weights it is on the wide side."""
        found = clopper_pearson(self.candidate, self.requests, confidence, self.design_effect)
        assert found is not None, "a weighing has requests"
        return Interval(found.low - self.intended, found.high - self.intended)

    @property
    def accuracy(self) -> Accuracy:
        """Accurate if the whole interval is within the tolerance, inaccurate if all of it is outside."""
        low, high = self.interval()
        if -self.tolerance <= low and high <= self.tolerance:
            return Accuracy.ACCURATE
        if low > self.tolerance or high < -self.tolerance:
            return Accuracy.INACCURATE
        return Accuracy.TOO_FEW

    @property
    def needed(self) -> int:
        """Requests that would decide it if the error stayed what it is (by the normal approximation)."""
        gap = max(abs(abs(self.error) - self.tolerance), 1 / self.requests)
        spread = self.intended * (1 - self.intended) * self.design_effect
        found = math.ceil(1.96**2 * spread / gap**2)
        return self.requests if self.accuracy is not Accuracy.TOO_FEW else max(found, self.requests + 1)


def weighing(record: Record, design_effect: float | None = None) -> Weighing | None:
    """What a release's splits came to in [0, horizon); None where no weight was in force.

    Counted are tenths of a second in which a weight was acknowledged by every proxy, no match rule took part,
    and each pool of the split held pods of one version, both versions having a share. The design effect is by
    users where a user stays on a side, else 1, unless it is given. No requests: `requests` is 0.
    """
    tally = record.truth.tally
    intended = _intended(record)
    first = -tally.grid.start * 10
    reached = tally.arrivals[first : first + len(intended), [STABLE, CANDIDATE]].astype(np.int64)
    known = np.isfinite(intended)
    if not known.any():
        return None
    total, candidate = reached[known].sum(axis=1), int(reached[known, 1].sum())
    requests = int(total.sum())
    asked = float((intended[known] * total).sum()) / requests if requests else float(intended[known].mean())
    if design_effect is None:
        design_effect = _by_users(record, requests) if _stays(record) else 1.0
    return Weighing(candidate, requests, asked, design_effect)


def weight_error(trial: Facts) -> Figures:
    """The figure of one trial, with its exact interval."""
    return {"weight_error": _weight_error(trial.record)}


def _weight_error(record: Record) -> Figure:
    found = weighing(record) if record.outcome is not None else None
    if found is None:
        return NOT_APPLICABLE
    return Value(found.error, *found.interval()) if found.requests else TOO_FEW


def _split(route: Route) -> Split | None:
    """The split that decides alone where requests go, if that is what the route is."""
    inner = route.otherwise if isinstance(route, Rules) and not route.rules else route
    return inner if isinstance(inner, Split) and len(inner.to) > 1 else None


def _intended(record: Record) -> Floats:
    """The candidate's intended share by tenth of a second of [0, horizon); NaN where none is in force."""
    routes, tenths = record.truth.routes, record.truth.tally.grid.horizon * 10
    shares: Floats = np.full(tenths, np.nan)
    ends = [*(change.t for change in routes[1:]), math.inf]
    for change, end in zip(routes, ends, strict=True):
        split = _split(change.route)
        if split is None or change.in_force is None:
            continue
        first = max(0, math.ceil(change.in_force * 10 - 1e-6))
        last = min(tenths, math.floor(min(end * 10, tenths) + 1e-6))
        if first < last:
            shares[first:last] = _share(record.truth.pods, split, first, last)
    return shares


def _share(pods: Pods, split: Split, first: int, last: int) -> Floats:
    """What a split means for the candidate in each of these tenths; NaN where it is not one of two sides."""
    total: Floats = np.zeros(last - first)
    for pool, weight in split.to:
        stable, candidate = (_present(pods, pool, version, first, last) for version in (STABLE, CANDIDATE))
        total += np.where(candidate & ~stable, weight, np.where(stable & ~candidate, 0.0, np.nan))
    return np.where((total > 1e-9) & (total < 1 - 1e-9), total, np.nan)


def _present(pods: Pods, pool: str, version: int, first: int, last: int) -> NDArray[np.bool_]:
    """Tenths in which pods of that version exist in the pool, starting and terminating ones included."""
    mine = (pods.version == version) & (pods.pool == (pods.pools.index(pool) if pool in pods.pools else -1))
    edges = np.arange(first, last + 1) / 10
    created, gone = (
        np.sort(pods.time[(pods.kind == kind) & mine[pods.pod]]) / 1e9
        for kind in (PodEvent.CREATED, PodEvent.GONE)
    )
    there = np.searchsorted(created, edges, side="right") > np.searchsorted(gone, edges, side="right")
    return np.asarray(there[:-1] | there[1:])


def _stays(record: Record) -> bool:
    return any(
        isinstance(change.route, Rules) and change.route.sticky is not Sticky.NONE
        for change in record.truth.routes
    )


def _by_users(record: Record, requests: int) -> float:
    """The design effect of users who stay on their side, Σk²/Σk of their requests k in the time counted.

    Those are a part f of all requests of [0, horizon): thinned by f, Σk²/Σk is 1 + f·Σk(k − 1)/Σk.
    """
    asked = (record.truth.tally.users >> np.uint32(FLAG_BITS)).astype(np.int64)
    total = int(asked.sum())
    if not total:
        return 1.0
    return 1 + requests / total * float((asked * (asked - 1)).sum()) / total
