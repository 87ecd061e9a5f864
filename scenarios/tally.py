"""What was counted: integer arrays by time, version and outcome. The same for both backends; it never judges.

Every request is booked once, with its final outcome, in the second in which that outcome happened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

STABLE, CANDIDATE, NOBODY = 0, 1, 2  # who was reached; NOBODY: no pod
VERSIONS = 3

MANTISSA, LOW, HIGH = 6, -12, 8  # latency buckets: 2^MANTISSA per octave, from 2^LOW to 2^HIGH seconds
BUCKETS = (HIGH - LOW) << MANTISSA
RELATIVE_ERROR = 2.0 ** -(MANTISSA + 1)  # of a bucket's middle against anything in it: 0.78 %

MET_STABLE, MET_CANDIDATE, HARMED, LAST_CANDIDATE = 1, 2, 4, 8  # flags of a user
FLAG_BITS = 8
MOST_REQUESTS = (1 << 32 - FLAG_BITS) - 1  # of one user; more are not counted


class Status(IntEnum):
    """The final outcome of a request, as its client saw it."""

    OK = 0
    ERROR = 1  # the application answered with an error
    TIMEOUT = 2  # the client gave up
    REJECTED = 3  # the pod's waiting room was full (503)
    RESET = 4  # the pod died with the request in it
    REFUSED = 5  # nothing listened (connection refused)
    UNAVAILABLE = 6  # the router knew no endpoint (503)


@dataclass(frozen=True, slots=True)
class Grid:
    """The seconds that are counted: from `start` ≤ 0 to `horizon`, and `tail` more for the last ones to end.

    Latency histograms have bins of `step` seconds. All are whole seconds, so bins divide ticks and scrapes.
    """

    start: int
    horizon: int
    tail: int
    step: int = 1

    def __post_init__(self) -> None:
        if not (self.start <= 0 < self.horizon and self.tail >= 1 and self.step >= 1):
            raise ValueError(f"a grid needs start ≤ 0 < horizon, tail ≥ 1, step ≥ 1: {self}")

    @classmethod
    def of(cls, settle: int, horizon: int, timeout: float) -> Grid:
        """The usual grid: at most 600 histogram bins over the horizon."""
        return cls(-settle, horizon, math.ceil(timeout) + 1, max(1, math.ceil(horizon / 600)))

    @property
    def end(self) -> int:
        return self.horizon + self.tail

    @property
    def seconds(self) -> int:
        return self.end - self.start

    @property
    def bins(self) -> int:
        return -(-self.seconds // self.step)

    def second(self, t: float) -> int:
        """The row of the counts in which time `t` falls."""
        return math.floor(t - self.start)


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of one trial over `grid`. All arrays are integers; rows are seconds from `grid.start`.

    counts      int64[seconds, 3, 7]      outcomes, by the second they happened, version reached and `Status`
    arrivals    int32[deciseconds, 3]     requests, by when they were due and the version they reached
    latency     uint32[bins, 2, BUCKETS]  due to end, of OK, ERROR and TIMEOUT (as long as its client waited);
                                          a TIMEOUT that reached NOBODY is in `counts` only
    new_active  int64[seconds]            users by their first request, by its due time
    new_harmed  int64[seconds]            users by their first outcome other than OK, by when it happened
    new_met     int64[seconds, 2]         users by the first time they reached a version, by due time
    flips       int64[seconds]            requests that reached another version than their user's last one
    users       uint32[users]             low 8 bits: flags; high 24 bits: number of requests

    Where clients or proxies try again, or copies are sent, there are also

    tries             int64[seconds, 3, 7]   as `counts`, of every try; the last of a request's is in both
    mirrored          int64[seconds, 7]      outcomes of copies that no user sees; they are nowhere else
    mirrored_latency  uint32[bins, BUCKETS]  and their latency, as in `latency`

    A request with several tries is booked in `counts` and `latency` with its last one, from its first due
    time on; `arrivals` has every try.

    What counts users covers requests due at t ≥ 0 only: the settling time is not part of the release.
    """

    grid: Grid
    counts: Ints
    arrivals: NDArray[np.int32]
    latency: NDArray[np.uint32]
    new_active: Ints
    new_harmed: Ints
    new_met: Ints
    flips: Ints
    users: NDArray[np.uint32]
    tries: Ints | None = None
    mirrored: Ints | None = None
    mirrored_latency: NDArray[np.uint32] | None = None

    @property
    def served(self) -> Ints:
        """Outcomes as the servers and the edge have them: of every try."""
        return self.counts if self.tries is None else self.tries

    @classmethod
    def with_tries(cls, grid: Grid, users: int, *, mirrored: bool = False) -> Tally:
        """An empty tally that also counts tries and, if wanted, copies."""
        seconds, bins = (grid.seconds, grid.bins) if mirrored else (0, 0)
        return replace(
            cls.empty(grid, users),
            tries=np.zeros((grid.seconds, VERSIONS, len(Status)), np.int64),
            mirrored=np.zeros((seconds, len(Status)), np.int64) if mirrored else None,
            mirrored_latency=np.zeros((bins, BUCKETS), np.uint32) if mirrored else None,
        )

    @classmethod
    def empty(cls, grid: Grid, users: int) -> Tally:
        n = grid.seconds
        return cls(
            grid,
            np.zeros((n, VERSIONS, len(Status)), np.int64),
            np.zeros((n * 10, VERSIONS), np.int32),
            np.zeros((grid.bins, 2, BUCKETS), np.uint32),
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            np.zeros((n, 2), np.int64),
            np.zeros(n, np.int64),
            np.zeros(users, np.uint32),
        )

    def window(self, start: int, end: int) -> Ints:
        """Outcomes that happened in [start, end): int64[3, 7]."""
        return np.asarray(self.counts[start - self.grid.start : end - self.grid.start].sum(axis=0))

    def bins(self, start: int, end: int) -> tuple[int, int]:
        """The rows of `latency` that cover [start, end); ValueError if these are not borders of its bins."""
        grid = self.grid
        first, last = start - grid.start, end - grid.start
        whole = last % grid.step == 0 or end == grid.end
        if first % grid.step or not whole or not 0 <= first <= last <= grid.seconds:
            raise ValueError(
                f"[{start}, {end}) is not made of bins of {grid.step} s from {grid.start} to {grid.end}"
            )
        return first // grid.step, -(-last // grid.step)

    def latencies(self, start: int, end: int, versions: Sequence[int] = (STABLE, CANDIDATE)) -> Ints:
        """The latency histogram of [start, end), int64[BUCKETS]; both must lie on the histogram's bins."""
        first, last = self.bins(start, end)
        if len(versions) == 2:
            return np.asarray(self.latency[first:last].reshape(-1, BUCKETS).sum(axis=0, dtype=np.int64))
        return np.asarray(self.latency[first:last, versions[0]].sum(axis=0, dtype=np.int64))


def merge(parts: Sequence[Tally]) -> Tally:
    """The sum of tallies over one grid. Their users are different people, so they are put end to end."""
    grids = {part.grid for part in parts}
    if len(grids) != 1:
        raise ValueError(f"only tallies of one grid can be merged, not {len(grids)}")
    names = [f.name for f in fields(Tally) if f.name != "grid" and getattr(parts[0], f.name) is not None]
    arrays = {name: [getattr(part, name) for part in parts] for name in names}
    people = arrays.pop("users")
    sums = {name: np.sum(values, axis=0, dtype=values[0].dtype) for name, values in arrays.items()}
    return Tally(grid=grids.pop(), users=np.concatenate(people), **sums)


def bucket(latency: ArrayLike) -> Ints:
    """The histogram bucket of latencies in seconds; the lowest below 2^LOW, ValueError from 2^HIGH on."""
    seconds = np.asarray(latency, dtype=np.float64)
    if seconds.size and not (seconds.min() >= 0 and seconds.max() < 2.0**HIGH):
        raise ValueError(
            f"a latency must be in [0, {2**HIGH}) s, not from {seconds.min()} to {seconds.max()}"
        )
    raw = (seconds.view(np.int64) >> (52 - MANTISSA)) - ((1023 + LOW) << MANTISSA)
    return np.asarray(np.maximum(raw, 0))


def bucket_middle(index: int) -> float:
    """The latency that stands for a bucket: its middle, within 0.78 % of what is in it."""
    octave, part = divmod(index, 1 << MANTISSA)
    return 2.0 ** (octave + LOW) * (1 + (part + 0.5) / (1 << MANTISSA))


def quantile(histogram: NDArray[np.integer], share: float) -> float | None:
    """The latency that `share` of the requests do not exceed, to `RELATIVE_ERROR`; None if there are none.

    It is the middle of the bucket of the ⌈share · n⌉-th smallest, so the error is the bucket's alone.
    """
    below = np.cumsum(histogram, dtype=np.int64)
    if below[-1] == 0:
        return None
    return bucket_middle(int(np.searchsorted(below, max(1, math.ceil(share * int(below[-1]))))))


def of_rows(
    grid: Grid, users: int, due: Floats, end: Floats, version: NDArray[np.integer],
    status: NDArray[np.integer], user: NDArray[np.integer],
) -> Tally:  # fmt: skip
    """The tally of requests given one by one, in order of due time; all due in [grid.start, grid.horizon)."""
    due, end = np.asarray(due, np.float64), np.asarray(end, np.float64)
    version, status, user = (np.asarray(x, np.int64) for x in (version, status, user))
    tally = Tally.empty(grid, users)
    second = np.floor(end - grid.start).astype(np.int64)
    np.add.at(tally.counts, (second, version, status), 1)
    np.add.at(tally.arrivals, (np.floor((due - grid.start) * 10).astype(np.int64), version), 1)
    timed = (status <= Status.TIMEOUT) & (version != NOBODY)
    np.add.at(tally.latency, (second[timed] // grid.step, version[timed], bucket((end - due)[timed])), 1)
    counted = due >= 0
    _count_users(tally, due[counted], second[counted], version[counted], status[counted], user[counted])
    return tally


def _count_users(tally: Tally, due: Floats, second: Ints, version: Ints, status: Ints, user: Ints) -> None:
    """What the counted requests say of their users."""
    due_second = np.floor(due - tally.grid.start).astype(np.int64)
    asked = np.minimum(np.bincount(user, minlength=len(tally.users)), MOST_REQUESTS)
    tally.users[:] = asked.astype(np.uint32) << np.uint32(FLAG_BITS)
    np.add.at(tally.new_active, due_second[_firsts(user)], 1)
    for which, flag in ((STABLE, MET_STABLE), (CANDIDATE, MET_CANDIDATE)):
        rows = np.flatnonzero(version == which)
        first = rows[_firsts(user[rows])]
        np.add.at(tally.new_met[:, which], due_second[first], 1)
        tally.users[user[first]] |= np.uint32(flag)
    failed = np.flatnonzero(status != Status.OK)
    failed = failed[np.argsort(second[failed], kind="stable")]
    first = failed[_firsts(user[failed])]
    np.add.at(tally.new_harmed, second[first], 1)
    tally.users[user[first]] |= np.uint32(HARMED)
    reached = np.flatnonzero(version != NOBODY)
    reached = reached[np.argsort(user[reached], kind="stable")]
    same = user[reached][1:] == user[reached][:-1]
    flipped = same & (version[reached][1:] != version[reached][:-1])
    np.add.at(tally.flips, due_second[reached[1:][flipped]], 1)
    last = reached[np.append(~same, True)] if reached.size else reached
    tally.users[user[last[version[last] == CANDIDATE]]] |= np.uint32(LAST_CANDIDATE)


def _firsts(values: Ints) -> Ints:
    """The position of the first occurrence of each value."""
    return np.asarray(np.unique(values, return_index=True)[1])
