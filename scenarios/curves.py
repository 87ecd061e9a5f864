"""How often requests are wanted over time: rates as frozen values, with exact expectations. Draws nothing.

Λ(t) is the number of requests expected in [0, t), negative before 0. It is linear between *knots*: the rate
is constant from one knot to the next, and where it changes smoothly, each step has the smooth curve's mean.
Knots do not depend on which part of them is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
FAR = 2.0**25  # seconds, more than a year: as long as a shape goes on before and after what is said of it
MOST_STEPS = 3600  # in which one slope is divided, of 1 s each if that is enough
WAVE_STEPS = 1440  # of one period: minutes of a day


class Knots(NamedTuple):
    """Times in s, which grow, and Λ there, which does not shrink; float64[n] each."""

    times: Floats
    totals: Floats


class Changing:
    """What every rate that is not constant can tell, from its knots."""

    __slots__ = ()

    def knots(self, start: float, end: float) -> Knots:
        """Knots from `start` ≤ 0 or before to `end` ≥ 0 or after, 0 among them."""
        raise NotImplementedError

    def expected(self, start: float, end: float) -> float:
        """How many requests are expected in [start, end)."""
        times, totals = self.knots(min(start, 0.0), max(end, 0.0))
        return float(np.interp(end, times, totals) - np.interp(start, times, totals))

    def steps(self, start: float, end: float) -> tuple[Floats, Floats]:
        """The rate per second in [start, end], step by step: edges float64[n + 1], rates float64[n]."""
        times, totals = self.knots(min(start, 0.0), max(end, 0.0))
        inside = times[(times > start) & (times < end)]
        edges = np.concatenate(([float(start)], inside, [float(end)]))
        place = np.searchsorted(times, (edges[1:] + edges[:-1]) / 2) - 1
        rates = np.append(np.diff(totals) / np.diff(times), 0.0)
        return edges, rates[place]

    def at(self, t: float) -> float:
        """The rate per second at `t`; where it changes, the one from then on."""
        times, totals = self.knots(min(t, 0.0), max(t, 0.0) + 1.0)
        place = int(np.searchsorted(times, t, side="right")) - 1
        if place + 1 >= len(times):
            return 0.0
        return float((totals[place + 1] - totals[place]) / (times[place + 1] - times[place]))

    def mean(self, start: float, end: float) -> float:
        """The mean rate per second over [start, end)."""
        return self.expected(start, end) / (end - start)

    def peak(self, start: float, end: float) -> float:
        """The highest rate per second in [start, end)."""
        return float(self.steps(start, end)[1].max())


@dataclass(frozen=True, slots=True)
class Steady:
    """Always `per_second`."""

    per_second: float

    def __post_init__(self) -> None:
        _require(math.isfinite(self.per_second) and self.per_second > 0, f"{self.per_second} is no rate > 0")

    def expected(self, start: float, end: float) -> float:
        return self.per_second * (end - start)

    def steps(self, start: float, end: float) -> tuple[Floats, Floats]:
        return np.array([start, end], np.float64), np.array([self.per_second])

    def at(self, t: float) -> float:
        return self.per_second

    def mean(self, start: float, end: float) -> float:
        return self.per_second

    def peak(self, start: float, end: float) -> float:
        return self.per_second


@dataclass(frozen=True, slots=True)
class Line(Changing):
    """Straight lines between points (time in s ≥ 0, requests per second); the first and last rate go on."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        times = [t for t, _ in self.points]
        _require(bool(times) and times[0] >= 0 and times == sorted(times), "times must be ≥ 0 and in order")
        _require(times[-1] < FAR, f"times must be less than {FAR:.0f} s")
        rates = [rate for _, rate in self.points]
        _require(all(math.isfinite(rate) and rate >= 0 for rate in rates), "rates must be ≥ 0")
        _require(max(rates) > 0, "some rate must be > 0")

    def knots(self, start: float, end: float) -> Knots:
        return _line(self)


@dataclass(frozen=True, slots=True)
class Wave(Changing):
    """mean · (1 + swing · cos(2π (t − peak_at) / period)), at any time."""

    average: float
    swing: float
    peak_at: float
    period: float

    def __post_init__(self) -> None:
        _require(
            math.isfinite(self.average) and self.average > 0, f"the mean must be > 0, not {self.average}"
        )
        _require(0 <= self.swing <= 1, f"swing must be from 0 to 1, not {self.swing}")
        _require(self.period > 0 and 0 <= self.peak_at < FAR, "period must be > 0 and peak_at ≥ 0")

    def knots(self, start: float, end: float) -> Knots:
        step = self.period / WAVE_STEPS
        return _wave(self, math.floor(start / step), math.ceil(end / step))

    def expected(self, start: float, end: float) -> float:
        """As for the others, without the knots between: they may be millions."""
        return self._stepped(end) - self._stepped(start)

    def _stepped(self, t: float) -> float:
        """Λ(t) as the knots have it."""
        step = self.period / WAVE_STEPS
        before = math.floor(t / step)
        low, high = self.total(before * step), self.total((before + 1) * step)
        return low + (high - low) * (t / step - before)

    def total(self, t: float) -> float:
        """Λ(t) in closed form."""
        turn = 2 * math.pi / self.period
        extra = math.sin(turn * (t - self.peak_at)) + math.sin(turn * self.peak_at)
        return self.average * (t + self.swing * extra / turn)


@dataclass(frozen=True, slots=True)
class Counts(Changing):
    """Exactly so many requests in each interval of `interval` seconds from 0 on, and none after the last.

    Before 0 they come at the first interval's rate.
    """

    counts: tuple[int, ...]
    interval: float

    def __post_init__(self) -> None:
        _require(math.isfinite(self.interval) and self.interval > 0, "the interval must be > 0")
        _require(all(count >= 0 for count in self.counts), "counts must be ≥ 0")
        _require(0 < sum(self.counts) < 2**53, "there must be some requests, fewer than 2^53")

    @property
    def end(self) -> float:
        """When the last interval ends, in s."""
        return self.interval * len(self.counts)

    def knots(self, start: float, end: float) -> Knots:
        return _counts(self)


Curve: TypeAlias = Steady | Line | Wave | Counts


def curve_of(rate: Curve | float) -> Curve:
    """A number is a constant rate per second."""
    return Steady(float(rate)) if isinstance(rate, int | float) else rate


class Outward(NamedTuple):
    """Knots by distance from 0 in one direction, float64[n] each; both begin with 0.

    `pace` is how many seconds a request takes from knot k to k + 1; 0 where none comes.
    """

    times: Floats
    totals: Floats
    pace: Floats


def outward(rate: Changing, distance: float, direction: int) -> Outward:
    """The knots from 0 on as far as `distance` s or farther: after 0 if `direction` is 1, before it if −1."""
    if direction > 0:
        times, totals = rate.knots(0.0, distance)
    else:
        times, totals = (-part[::-1] for part in rate.knots(-distance, 0.0))
    first = int(np.searchsorted(times, 0.0))
    times, totals = times[first:] + 0.0, totals[first:] + 0.0  # + 0.0: no negative zero
    gained, lasted = np.diff(totals), np.diff(times)
    pace = np.divide(lasted, gained, out=np.zeros_like(gained), where=gained > 0)
    return Outward(times, totals, np.append(pace, 0.0))


@lru_cache(maxsize=8)
def _line(line: Line) -> Knots:
    first, last = line.points[0][1], line.points[-1][1]
    corners = [(0.0, first), *line.points, (FAR, last)]
    pieces = [piece for a, b in pairwise(corners) if b[0] > a[0] for piece in _slope(*a, *b)]
    times = np.array([0.0, *(t for t, _ in pieces)])
    totals = np.concatenate(([0.0], np.cumsum([gained for _, gained in pieces])))
    return _frozen(np.append(-FAR, times), np.append(-FAR * first, totals))


def _slope(t: float, rate: float, until: float, then: float) -> Iterator[tuple[float, float]]:
    """(end, requests expected in it) of each step of one straight line."""
    parts = 1 if rate == then else min(math.ceil(until - t), MOST_STEPS)
    ends = [t + (until - t) * (k / parts) for k in range(parts)] + [until]
    for k, (a, b) in enumerate(pairwise(ends)):
        yield b, (b - a) * (rate + (then - rate) * ((k + 0.5) / parts))


@lru_cache(maxsize=8)
def _wave(wave: Wave, first: int, last: int) -> Knots:
    times = [k * (wave.period / WAVE_STEPS) for k in range(first, last + 1)]
    return _frozen(np.array(times), np.array([wave.total(t) if t else 0.0 for t in times]))


@lru_cache(maxsize=8)
def _counts(trace: Counts) -> Knots:
    times = trace.interval * np.arange(len(trace.counts) + 1)
    totals = np.concatenate(([0.0], np.cumsum(np.array(trace.counts, np.float64))))
    before = -FAR * (trace.counts[0] / trace.interval)
    return _frozen(np.append(-FAR, times), np.append(before, totals))


def _frozen(times: Floats, totals: Floats) -> Knots:
    times.flags.writeable = totals.flags.writeable = False
    return Knots(times, totals)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
