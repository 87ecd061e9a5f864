"""What several figures need of one trial: its record, the arms of its seed, and sums over [0, horizon)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reports.arms import Arms
from reports.capacity import Capacity, capacity
from scenarios.record import Record
from scenarios.release import Kind
from scenarios.tally import CANDIDATE, Ints, Status


@dataclass(frozen=True)
class Facts:
    """A record, its arms, and what several figures need of them."""

    record: Record
    arms: Arms | None

    @cached_property
    def horizon(self) -> int:
        return self.record.truth.tally.grid.horizon

    @cached_property
    def counts(self) -> Ints:
        """Outcomes in [0, horizon), int64[seconds, 3, 7]."""
        tally = self.record.truth.tally
        return tally.counts[-tally.grid.start : self.horizon - tally.grid.start]

    @cached_property
    def requests(self) -> Ints:
        """By second."""
        return np.asarray(self.counts.sum(axis=(1, 2)))

    @cached_property
    def failures(self) -> Ints:
        """By second."""
        return np.asarray(self.requests - self.counts[:, :, Status.OK].sum(axis=1))

    @cached_property
    def settling(self) -> tuple[int, int]:
        """(failures, requests) of the settling window: p₀ is their ratio."""
        counts = self.record.truth.tally.window(self.record.truth.tally.grid.start, 0)
        return int(counts.sum() - counts[:, Status.OK].sum()), int(counts.sum())

    @cached_property
    def capacity(self) -> Capacity:
        return capacity(self.record)

    @cached_property
    def decided(self) -> float | None:
        return None if self.record.outcome is None else self.record.outcome.decided_at

    @cached_property
    def rolls_back(self) -> bool:
        """The last decision was to go back, whether or not it was done by the horizon."""
        decisions = [event.text for event in self.record.events if event.kind is Kind.DECIDED]
        return self.decided is not None and bool(decisions) and decisions[-1] == "roll back"

    @cached_property
    def settled(self) -> float | None:
        return None if self.record.outcome is None else self.record.outcome.settled_at

    @cached_property
    def reaching_candidate(self) -> Ints:
        """Requests at the candidate by tenth of a second of [0, horizon)."""
        tally = self.record.truth.tally
        first, last = -tally.grid.start * 10, (self.horizon - tally.grid.start) * 10
        return tally.arrivals[first:last, CANDIDATE].astype(np.int64)


def windows(values: Ints, seconds: int) -> Ints:
    """Sums over [t, t + seconds) for each whole second t; empty where the horizon is shorter."""
    total = np.concatenate(([0], np.cumsum(values)))
    return np.asarray(total[seconds:] - total[:-seconds])
