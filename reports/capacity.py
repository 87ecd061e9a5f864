"""Effective capacity over time: how many of stable's pods the service is worth, by rotation and routes.

A pure function of a record. Speeds are the declared ones (stable's mean service time over the version's, by
the warm-up factor), so that a live record is read in the same way.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios.plan import CANDIDATE as CANDIDATE_NAME
from scenarios.plan import STABLE as STABLE_NAME
from scenarios.plan import Pool
from scenarios.record import PodEvent, Pods, Record
from scenarios.shares import Target, shares
from scenarios.tally import CANDIDATE, STABLE
from scenarios.version import Version

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
JUST_BEFORE_0 = float(np.nextafter(0.0, -1.0))


@dataclass(frozen=True)
class Capacity:
    """Steps between `edges` (k + 1 times in s), k values each.

    `effective` is C(t) in pods; `pods` counts those in rotation with weight, each as one; `stable` and
    `candidate` say whether that version is among them; `existing` counts pods created and not gone.
    `before` and `pods_before` are C and the count just before 0.
    """

    edges: Floats
    effective: Floats
    pods: Floats
    stable: Bools
    candidate: Bools
    existing: Floats
    before: float
    pods_before: float

    @cached_property
    def spans(self) -> Floats:
        """How long each step lasts, in s."""
        return np.diff(self.edges)

    def integral(self, values: Floats) -> float:
        """∫ of a quantity given step by step."""
        return float(values @ self.spans)

    def missing(self) -> Floats:
        """max(0, C₀ − C(t)), step by step."""
        return np.maximum(0.0, self.before - self.effective)

    def per_second(self, values: Floats) -> Floats:
        """The mean in each second between the first and the last edge, both whole."""
        total = np.concatenate(([0.0], np.cumsum(values * self.spans)))
        seconds = np.arange(self.edges[0], self.edges[-1] + 1)
        return np.diff(np.interp(seconds, self.edges, total))


def capacity(record: Record, start: int = 0) -> Capacity:
    """The capacity over [start, horizon]; exact, but for warm-up, taken at the middle of each second."""
    rotation, pods = _Rotation(record), record.truth.pods
    horizon = float(record.truth.tally.grid.horizon)
    created, gone = (_times(pods, kind) for kind in (PodEvent.CREATED, PodEvent.GONE))
    changes = np.concatenate(
        (rotation.time, rotation.route_times, created, gone, rotation.warming(start, horizon))
    )
    inside = changes[(changes > start) & (changes < horizon)]
    edges = np.unique(np.concatenate(([float(start)], inside, [horizon])))
    middles = (edges[1:] + edges[:-1]) / 2
    steps, before = rotation.at(middles), rotation.at(np.array([JUST_BEFORE_0]))
    existing = np.searchsorted(created, middles) - np.searchsorted(gone, middles)
    first = (float(before.effective[0]), float(before.counts.sum(axis=0)[0]))
    stable, candidate = steps.counts
    return Capacity(
        edges, steps.effective, steps.counts.sum(axis=0), stable > 0, candidate > 0, existing * 1.0, *first
    )


@dataclass(frozen=True, slots=True)
class _Steps:
    effective: Floats  # [points]
    counts: Floats  # [2, points]: pods of each version in rotation with weight


class _Rotation:
    """Who is in rotation when: what `capacity` evaluates at any time."""

    def __init__(self, record: Record) -> None:
        trial, self.pods, self.routes = record.trial, record.truth.pods, record.truth.routes
        self.mix = trial.scenario.traffic.mix
        candidate = trial.candidate or next(iter(trial.scenario.variants))
        versions = [trial.scenario.version(name, candidate) for name in (STABLE_NAME, CANDIDATE_NAME)]
        works = [version.service_time.distribution().mean() for version in versions]
        self.speed = [1.0, works[STABLE] / works[CANDIDATE] if works[CANDIDATE] else 1.0]
        self.time, self.pod, self.change = _turns(self.pods)
        self.route_times = np.array([change.t for change in self.routes])
        self.warm_ups = _warm_ups(self.pods, versions)

    def warming(self, start: float, end: float) -> Floats:
        """The whole seconds at which some pod is warming up."""
        marks = [
            np.arange(np.floor(max(since, start)), min(until, end) + 1)
            for _, since, until, *_ in self.warm_ups
        ]
        return np.unique(np.concatenate(marks)) if marks else np.zeros(0)

    def at(self, points: Floats) -> _Steps:
        """C and the pods in rotation with weight at these times, which only grow."""
        counts = self._counts(points)
        speeds = np.asarray(self.speed)[None, :, None]
        by_pool = (counts * speeds).sum(axis=1) - self._cold(points)
        effective, weighed = np.zeros(len(points)), np.zeros((2, len(points)))
        which = np.maximum(np.searchsorted(self.route_times, points, side="right") - 1, 0)
        for place in np.unique(which):
            now = which == place
            weights = shares(self.routes[place].route, self.mix)
            effective[now] = self._worth(weights, by_pool[:, now])
            serving = [self.pods.pools.index(pool) for pool in _serving(weights) if pool in self.pods.pools]
            weighed[:, now] = counts[serving][:, :, now].sum(axis=0)
        return _Steps(effective, weighed)

    def _counts(self, points: Floats) -> Floats:
        """Pods in rotation, float64[pools, 2, points]."""
        pools = self.pods.pools
        counts = np.zeros((len(pools), 2, len(points)))
        pool, version = self.pods.pool[self.pod], self.pods.version[self.pod]
        for p in range(len(pools)):
            for v in (STABLE, CANDIDATE):
                mine = (pool == p) & (version == v)
                if mine.any():
                    total = np.concatenate(([0], np.cumsum(self.change[mine])))
                    counts[p, v] = total[np.searchsorted(self.time[mine], points, side="right")]
        return counts

    def _cold(self, points: Floats) -> Floats:
        """What warming pods in rotation are short of their speed, float64[pools, points]."""
        short = np.zeros((len(self.pods.pools), len(points)))
        for pod, since, until, slower, lasting in self.warm_ups:
            low, high = np.searchsorted(points, (since, until))
            if low < high:
                span = points[low:high]
                serving = np.searchsorted(self.time[self.pod == pod], span, side="right") % 2
                factor = 1 + (slower - 1) * np.maximum(0.0, 1 - (span - since) / lasting)
                speed = self.speed[self.pods.version[pod]]
                short[self.pods.pool[pod], low:high] += serving * speed * (1 - 1 / factor)
        return short

    def _worth(self, weights: dict[Target, float], by_pool: Floats) -> Floats:
        """C: the least cₖ/wₖ of the route's targets; under ratio routing one, all its pools together.

        The share of a target without pods goes to the primary one, the first, as the router sends it there.
        """
        (primary, _), *others = weights.items()
        left, least = np.ones(by_pool.shape[1]), np.full(by_pool.shape[1], np.inf)
        for target, weight in others:
            if weight > 0:
                worth = self._together(target, by_pool)
                serves = worth > 0
                left -= weight * serves
                least = np.where(serves, np.minimum(least, worth / weight), least)
        # a primary target that gets nothing limits nothing
        own, unlimited = self._together(primary, by_pool), np.full(len(left), np.inf)
        np.divide(own, left, out=unlimited, where=left > 1e-9)
        return np.asarray(np.minimum(least, unlimited))

    def _together(self, target: Target, by_pool: Floats) -> Floats:
        pools = self.pods.pools
        return np.asarray(by_pool[[pools.index(pool) for pool in target if pool in pools]].sum(axis=0))


def _serving(weights: dict[Target, float]) -> list[Pool]:
    """The pools that get requests."""
    return [pool for target, weight in weights.items() if weight > 0 for pool in target]


def _turns(pods: Pods) -> tuple[Floats, NDArray[np.int32], NDArray[np.int64]]:
    """(time, pod, +1 or −1) whenever a pod really enters or leaves rotation; said twice, it counts once."""
    told = np.flatnonzero(_is_one_of(pods.kind, PodEvent.IN, PodEvent.OUT, PodEvent.GONE))
    pod, enters = pods.pod[told], pods.kind[told] == PodEvent.IN
    order = np.argsort(pod, kind="stable")
    inside = np.zeros(len(told), bool)  # before the event
    inside[1:] = enters[order][:-1] & (pod[order][1:] == pod[order][:-1])
    kept = np.sort(order[enters[order] != inside])
    return pods.time[told[kept]] / 1e9, pod[kept], np.where(enters[kept], 1, -1)


def _is_one_of(kind: NDArray[np.int32], *wanted: PodEvent) -> NDArray[np.bool_]:
    """As np.isin, which costs more than all the rest for so few."""
    return np.asarray(np.any([kind == one for one in wanted], axis=0))


def _times(pods: Pods, kind: PodEvent) -> Floats:
    """When events of that kind happened, in s, in order."""
    return np.sort(pods.time[pods.kind == kind]) / 1e9


def _warm_ups(pods: Pods, versions: list[Version]) -> list[tuple[int, float, float, float, float]]:
    """(pod, from, until, slower, lasting) of each process that warms up, until it is warm or dies."""
    found: list[tuple[int, float, float, float, float]] = []
    current: dict[int, int] = {}
    starts = np.flatnonzero(_is_one_of(pods.kind, PodEvent.LISTENING, PodEvent.CRASHED))
    for pod, kind, since in zip(pods.pod[starts], pods.kind[starts], pods.time[starts] / 1e9, strict=True):
        if pod in current:
            place = current.pop(pod)
            found[place] = (*found[place][:2], min(found[place][2], float(since)), *found[place][3:])
        warm_up = versions[pods.version[pod]].warm_up
        if kind == PodEvent.LISTENING and warm_up is not None and warm_up.lasting > 0:
            current[pod] = len(found)
            end = float(since) + float(warm_up.lasting)
            found.append((int(pod), float(since), end, float(warm_up.slower), float(warm_up.lasting)))
    return found
