"""A trial over time, second by second: what charts draw. A pure function of a record; it decides nothing."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reports.capacity import capacity
from scenarios.record import Record
from scenarios.tally import BUCKETS, CANDIDATE, NOBODY, VERSIONS, Status, bucket_middle

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """Values of the seconds that begin at `t`, from the start of the settling window to the horizon.

    capacity         float64[seconds]  mean effective capacity, in pods; `before` is C just before 0
    pods             float64[seconds]  mean number of pods that exist, starting and terminating ones included
    requests         int64[seconds]    outcomes
    failures         int64[seconds]    those other than OK; `failure_share` of the requests, NaN without any
    candidate_share  float64[seconds]  the candidate's of the requests due then that reached a pod; or NaN
    latency_t        float64[bins]     begins of the latency bins, `latency_step` seconds each
    latency_p50      float64[bins]     seconds, of all requests; `latency_p99` alike; NaN without any
    by_version       float64[2, 2, bins]  the same of stable and of candidate: p50 and p99
    """

    t: Ints
    capacity: Floats
    before: float
    pods: Floats
    requests: Ints
    failures: Ints
    failure_share: Floats
    candidate_share: Floats
    latency_t: Floats
    latency_step: int
    latency_p50: Floats
    latency_p99: Floats
    by_version: Floats


def series(record: Record) -> Series:
    """The series of a record."""
    tally = record.truth.tally
    grid, steps = tally.grid, capacity(record, tally.grid.start)
    t = np.arange(grid.start, grid.horizon)
    counts = tally.counts[: len(t)]
    requests = counts.sum(axis=(1, 2))
    failures = requests - counts[:, :, Status.OK].sum(axis=1)
    reached = tally.arrivals[: len(t) * 10].reshape(len(t), 10, VERSIONS).sum(axis=1)[:, :NOBODY]
    bins = len(t) // grid.step
    latency = _latencies(tally.latency[:bins])
    return Series(
        t,
        steps.per_second(steps.effective),
        steps.before,
        steps.per_second(steps.existing),
        requests,
        failures,
        _ratio(failures, requests),
        _ratio(reached[:, CANDIDATE], reached.sum(axis=1)),
        np.arange(grid.start, grid.start + bins * grid.step, grid.step).astype(np.float64),
        grid.step,
        latency[0, 0],
        latency[0, 1],
        latency[1:],
    )


def _ratio(part: Ints, whole: Ints) -> Floats:
    """part / whole, NaN where there is nothing."""
    shares: Floats = np.full(len(whole), np.nan)
    return np.divide(part, whole, out=shares, where=whole > 0)


def _latencies(histograms: NDArray[np.uint32]) -> Floats:
    """p50 and p99 by bin, of all and of each version: float64[3, 2, bins]."""
    found = np.full((3, 2, len(histograms)), np.nan)
    middles = np.array([bucket_middle(index) for index in range(BUCKETS)])
    sides = (histograms.sum(axis=1, dtype=np.int64), histograms[:, 0], histograms[:, 1])
    used = np.flatnonzero(sides[0].any(axis=0))
    first, last = (used[0], used[-1] + 1) if used.size else (0, 1)
    middles = middles[first:last]
    for place, side in enumerate(sides):
        below = np.cumsum(side[:, first:last], axis=1, dtype=np.int64)
        some = below[:, -1] > 0
        for row, share in enumerate((0.5, 0.99)):
            rank = np.maximum(1, np.ceil(share * below[some, -1]))
            found[place, row, some] = middles[(below[some] < rank[:, None]).sum(axis=1)]
    return found
