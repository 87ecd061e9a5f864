"""The control arms of one seed, and what they say of the candidate: whether it is bad, and how that shows."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenarios.record import Record
from scenarios.tally import CANDIDATE, HARMED, STABLE, Status, quantile

LEVELS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Fault(StrEnum):
    """How a candidate is bad."""

    FAILS = "fails"
    SLOW = "slow"
    NEVER_READY = "never ready"


@dataclass(frozen=True)
class Arms:
    """One seed without any release: stable everywhere, and the candidate everywhere.

    `calm` are the same two in a world in which nothing goes wrong by itself, where the scenario has faults:
    they say whether the candidate is bad. What would fail anyway is said by the first two.
    """

    stable: Record
    candidate: Record
    calm: tuple[Record, Record] | None = None

    @cached_property
    def faults(self) -> frozenset[Fault]:
        """Objectives of the `slo` that the candidate's arm breaks over [0, horizon] and stable's does not.

        Of the arm of stable itself: those that it breaks.
        """
        stable, candidate = self.calm or (self.stable, self.candidate)
        if candidate.trial.candidate is None:
            return frozenset(_broken(stable))
        if _requests(candidate) and not _requests(candidate, (CANDIDATE,)):
            return frozenset({Fault.NEVER_READY})
        return frozenset(_broken(candidate) - _broken(stable))

    @cached_property
    def failed(self) -> int:
        """Requests that fail anyway: those of the stable arm."""
        return _requests(self.stable) - _requests(self.stable, works=True)

    @cached_property
    def harmed(self) -> NDArray[np.bool_]:
        """Users who are harmed anyway, bool[users]."""
        return np.asarray(self.stable.truth.tally.users & np.uint32(HARMED) > 0)


def is_bad(arms: Arms) -> bool:
    """Whether this candidate breaks the objective where stable keeps it, or never becomes ready."""
    return bool(arms.faults)


def _requests(record: Record, versions: tuple[int, ...] = (0, 1, 2), *, works: bool = False) -> int:
    """Outcomes in [0, horizon); with `works` those that are OK."""
    counts = record.truth.tally.window(0, record.truth.tally.grid.horizon)[list(versions)]
    return int(counts[:, Status.OK].sum() if works else counts.sum())


def _broken(record: Record) -> set[Fault]:
    slo, requests = record.trial.scenario.slo, _requests(record)
    broken = set()
    if requests and _requests(record, works=True) / requests < slo.success:
        broken.add(Fault.FAILS)
    if slo.latency:
        histogram = latencies(record, 0, record.truth.tally.grid.horizon, (STABLE, CANDIDATE))
        for level, limit in slo.latency.items():
            found = quantile(histogram, LEVELS[level])
            if found is not None and found > limit:
                broken.add(Fault.SLOW)
    return broken


def latencies(record: Record, start: float, end: float, versions: tuple[int, ...]) -> NDArray[np.int64]:
    """The latency histogram of the bins that begin in [start, end), at least one; int64[BUCKETS]."""
    tally = record.truth.tally
    grid = tally.grid
    first = -(-(int(start) - grid.start) // grid.step)
    last = max(first + 1, int(np.ceil((min(end, grid.horizon) - grid.start) / grid.step)))
    seconds = slice(first * grid.step, last * grid.step)
    total = np.zeros(tally.latency.shape[2], np.int64)
    for version in versions:
        if tally.counts[seconds, version].any():  # memory that nothing was counted in is not even looked at
            total += tally.latency[first:last, version].sum(axis=0, dtype=_wide_enough(tally.counts))
    return total


def _wide_enough(counts: NDArray[np.int64]) -> type[np.uint32] | type[np.int64]:
    """Adding up without a cast is three times as fast, where no sum can overflow."""
    return np.uint32 if int(counts.sum()) < 2**32 else np.int64
