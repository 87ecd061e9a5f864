"""The schedule of requests: when each is due and whose it is. Both backends replay it; it knows no pods.

Requests are numbered from t = 0: request 0 is the first at or after 0, and those of the settling time count
backwards from it, so that a longer settling time moves nothing else.

A rate that changes bends time: the n-th request comes when Λ reaches the sum of its n unit-exponential gaps
(the time change of Çınlar, "Introduction to Stochastic Processes", 1975, section 4.7), so two such rates see
the same luck. Where the counts are given, each interval's requests are placed evenly at random, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios import draws
from scenarios.curves import Counts, Curve, Outward, Steady, curve_of, outward
from scenarios.distributions import Exponential
from scenarios.draws import Floats, Purpose

Activity: TypeAlias = Literal["even", "zipf"]
Ints: TypeAlias = NDArray[np.int64]
MOST_USERS = 20_000_000


@dataclass(frozen=True, slots=True)
class Alias:
    """Walker's alias table: cell k means k with probability `accept[k]`, else `alias[k]`; empty: always k."""

    accept: NDArray[np.float32]
    alias: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Requests in order of due time: their number, due time in seconds and user."""

    index: Ints
    due: Floats
    user: NDArray[np.int32]


def schedule(
    seed: int, rate: Curve | float, users: int, activity: Activity, start: float, end: float
) -> Schedule:
    """Every request due in [start, end) of arrivals at this rate; a number is a constant one per second."""
    index, due = arrivals(seed, rate, start, end)
    return Schedule(index, due, user_of(seed, index, users, activity))


def arrivals(seed: int, rate: Curve | float, start: float, end: float) -> tuple[Ints, Floats]:
    """(number, due time) of the arrivals in [start, end)."""
    curve = curve_of(rate)
    before = _walk(seed, curve, -start, -1)
    after = _placed(seed, curve, end) if isinstance(curve, Counts) else _walk(seed, curve, end, +1)
    index = np.arange(-len(before), len(after))
    due = np.concatenate((before[::-1], after))
    kept = (due >= start) & (due < end)
    return index[kept], due[kept]


def gaps(seed: int, rate: float, index: Ints) -> Floats:
    """The gap before request `index` ≥ 0, or after request `index` < 0, in seconds."""
    nodes = draws.table(Exponential(1.0 / rate))
    return draws.quantile(nodes, draws.uniform(draws.words(draws.stream(seed, Purpose.ARRIVAL), index)))


def user_of(seed: int, index: Ints, users: int, activity: Activity) -> NDArray[np.int32]:
    """Whose request each is: users 0 … users − 1, all alike or by Zipf's law (exponent 1, 0 the busiest)."""
    x = draws.user_field(draws.words(draws.stream(seed, Purpose.USER), index)) * users
    cell = x.astype(np.int32)
    chosen = alias_table(users, activity)
    if chosen.accept.size == 0:
        return cell
    return np.asarray(np.where(x - cell < chosen.accept[cell], cell, chosen.alias[cell]))


@lru_cache(maxsize=4)
def alias_table(users: int, activity: Activity) -> Alias:
    """Who a cell stands for, in O(users). A cell's share is exact to 2^-15 of an average user's."""
    if not 1 <= users <= MOST_USERS:
        raise ValueError(f"users must be from 1 to {MOST_USERS:,}, not {users:,}")
    if activity == "even":
        return Alias(np.zeros(0, np.float32), np.zeros(0, np.int32))
    weight = 1.0 / np.arange(1, users + 1)
    weight *= users / weight.sum()
    return _alias(weight)


def _alias(weight: Floats) -> Alias:
    """Walker's table for weights of mean 1, all cells at once.

    Light cells take what they lack from the heavy ones in order. Heavy cell j is used up at the first light
    cell where the lack so far exceeds the surplus of heavy cells 0 … j; what that one took too much, j
    takes from j + 1. (The sweep of Hübschle-Schneider and Sanders, "Parallel Weighted Random Sampling",
    2022.)
    """
    heavy, light = np.flatnonzero(weight > 1), np.flatnonzero(weight <= 1)
    accept, alias = np.ones(len(weight)), np.arange(len(weight), dtype=np.int32)
    if heavy.size:
        surplus, lack = np.cumsum(weight[heavy] - 1), np.cumsum(1 - weight[light])
        giver = np.searchsorted(surplus, np.concatenate(([0.0], lack[:-1])), side="left")
        accept[light], alias[light] = weight[light], heavy[np.minimum(giver, heavy.size - 1)]
        emptied = np.searchsorted(lack, surplus, side="right")
        spent = np.flatnonzero((emptied < light.size) & (np.arange(heavy.size) < heavy.size - 1))
        accept[heavy[spent]] = 1 - (lack[emptied[spent]] - surplus[spent])
        alias[heavy[spent]] = heavy[spent + 1]
    return Alias(accept.astype(np.float32), alias)


def bent(knots: Outward, own: Floats) -> Floats:
    """How far from 0 the requests are whose gaps sum to `own`; infinity where the knots do not reach."""
    place = np.searchsorted(knots.totals, own, side="right") - 1
    last = len(knots.times) - 1
    begin = np.minimum(place, last - 1)
    times = knots.times[begin] + (own - knots.totals[begin]) * knots.pace[begin]
    return np.where(place == last, np.inf, np.minimum(times, knots.times[begin + 1]))


def rising(x: Floats) -> Floats:
    """1 − exp(−x) for 0 ≤ x < 20, to 10⁻¹³, in plain arithmetic: the same bits whoever compiled it."""
    y = x * 2.0**-10
    part = y * (1.0 - y / 2.0 * (1.0 - y / 3.0 * (1.0 - y / 4.0 * (1.0 - y / 5.0 * (1.0 - y / 6.0)))))
    for _ in range(10):  # 1 − exp(−2y) from 1 − exp(−y)
        part = part * (2.0 - part)
    return part


def _walk(seed: int, rate: Curve, distance: float, direction: Literal[-1, 1]) -> Floats:
    """Arrival times outwards from 0 until one is `distance` away, summed one by one as in the kernel."""
    if distance <= 0:
        return np.zeros(0)
    expected = rate.expected(min(direction * distance, 0.0), max(direction * distance, 0.0))
    count = int(expected + 6 * expected**0.5 + 16)
    while True:
        index = np.arange(count) if direction > 0 else -1 - np.arange(count)
        if isinstance(rate, Steady):
            times = np.cumsum(direction * gaps(seed, rate.per_second, index))
        else:
            own = np.cumsum(direction * gaps(seed, 1.0, index))
            times = direction * bent(outward(rate, distance, direction), direction * own)
        if abs(times[-1]) >= distance:
            return times
        count *= 2


def _placed(seed: int, trace: Counts, distance: float) -> Floats:
    """When the requests of each interval that begins before `distance` are due.

    The first of m evenly placed ones divides what is left of the interval as 1 − (1 − u)^(1/m) does, and
    −ln(1 − u) is the gap drawn for it.
    """
    times, totals, _ = outward(trace, distance, +1)
    begun = times[:-1] < distance
    counts = np.diff(totals).astype(np.int64)[begun]
    number = np.arange(counts.sum())
    left = np.repeat(totals[1:][begun], counts) - number
    jumps = iter(rising(gaps(seed, 1.0, number) / left).tolist())
    due: list[float] = []
    for begin, end, count in zip(times[:-1].tolist(), times[1:].tolist(), counts.tolist(), strict=False):
        t, last = begin, float(np.nextafter(end, -np.inf))
        for _ in range(count):
            t = min(t + (end - t) * next(jumps), last)
            due.append(t)
    return np.array(due, np.float64)
