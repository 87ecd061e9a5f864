"""How often a guard fails over a whole release, whose windows overlap: simulated in counts. Pure.

Requests come by chance (Poisson) at the expected numbers of an outline (`exposure`), each fails with its
version's share, and the guard looks at every scrape as in a release. Drawn from a generator of its own,
always the same.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios.exposure import Exposure

Floats: TypeAlias = NDArray[np.float64]
RELEASES = 20_000
_CELLS = 6_000_000  # of all releases together: about a second
_MOST_OF_ONE = 20_000  # cells of one release
_FEWEST = 300
_SEED = 20_250_301


@dataclass(frozen=True, slots=True)
class Watch:
    """How a guard looks: a window each `every` seconds, known `delay` later; which side, and against what.

    `of_all`: both versions' requests are judged; `versus`: less stable's share in its last full enough
    window.
    """

    exposure: Exposure
    window: int
    every: int
    delay: float
    min_requests: int
    tolerate: int = 0
    of_all: bool = False
    versus: bool = False

    @property
    def step(self) -> int:
        """From scrape to scrape in seconds; coarser than written where there would be too many."""
        looks = (self.exposure.seconds + self.window) / math.gcd(self.every, self.window)
        return self.every * max(1, math.ceil(looks / _MOST_OF_ONE))


@dataclass(frozen=True, slots=True)
class Looks:
    """What was seen: `value[releases, scrapes]`, the metric as a share, −∞ where the guard could not say.

    `times` are those of the scrapes after the first phase began, by release; a scrape is known `delay` later.
    """

    value: Floats
    times: Floats

    def worst(self, tolerate: int) -> Floats:
        """float[releases]: the guard fails with every limit below this, and with no other."""
        runs = self.value
        for later in range(1, tolerate + 1):
            runs = np.minimum(runs[:, :-1], self.value[:, later:])
        return np.asarray(runs.max(axis=1, initial=-np.inf))

    def first(self, limit: float, tolerate: int) -> Floats:
        """float[releases]: when the guard was first known to fail, without the delay; NaN if never."""
        failing = self.value > limit
        runs = failing
        for later in range(1, tolerate + 1):
            runs = runs[:, :-1] & failing[:, later:]
        if not runs.shape[1]:
            return np.full(len(self.value), np.nan)
        place = runs.argmax(axis=1)
        times = self.times[np.arange(len(place)), place + tolerate]
        return np.asarray(np.where(runs.any(axis=1), times, np.nan))


def look(watch: Watch, candidate: float, stable: float, releases: int = RELEASES) -> Looks:
    """Look on at so many releases (fewer where they are long) in which these shares of requests fail."""
    cell = math.gcd(watch.step, watch.window)
    first, last = -watch.window // cell, math.ceil((watch.exposure.seconds - watch.delay) / cell)
    cells = max(0, last) - first
    releases = max(_FEWEST, min(releases, _CELLS // max(cells, 1)))
    generator = np.random.default_rng(_SEED)
    # scrapes come every so often from the trigger on, wherever in between the first phase begins
    phase = -generator.choice(watch.exposure.begins, (releases, 1)) % watch.step
    edges = np.asarray(phase + cell * np.arange(first, first + cells + 1), np.float64)
    ends, width = np.arange(watch.window // cell, cells + 1, watch.step // cell), watch.window // cell
    subject = _windows(_counted(generator, np.diff(watch.exposure.candidate(edges)), candidate), ends, width)
    beside = None
    if watch.of_all or watch.versus:
        beside = _windows(_counted(generator, np.diff(watch.exposure.stable(edges)), stable), ends, width)
    value, times = _value(watch, subject, beside), edges[:, ends]
    value[times + watch.delay > watch.exposure.seconds] = -np.inf
    return Looks(value, times)


def _value(watch: Watch, subject: Floats, beside: Floats | None) -> Floats:
    """What is judged, by window: the share that failed, or how much more than stable's."""
    if beside is None:
        return _share(subject, watch.min_requests)
    if watch.of_all:
        return _share(subject + beside, watch.min_requests)
    return np.asarray(_share(subject, watch.min_requests) - _baseline(beside, watch.min_requests))


def _counted(generator: np.random.Generator, expected: Floats, failing: float) -> Floats:
    """float[2, releases, cells]: all requests and failed ones; parts of a Poisson stream are such streams."""
    expected = np.maximum(expected, 0.0)
    failed = generator.poisson(expected * failing)
    return np.array([failed + generator.poisson(expected * (1 - failing)), failed], np.float64)


def _windows(counts: Floats, ends: NDArray[np.int64], width: int) -> Floats:
    """float[2, releases, len(ends)]: sums over the `width` cells before each end."""
    sums = np.zeros((*counts.shape[:2], counts.shape[2] + 1))
    np.cumsum(counts, axis=2, out=sums[:, :, 1:])
    return np.asarray(sums[:, :, ends] - sums[:, :, ends - width])


def _share(windows: Floats, least: int) -> Floats:
    """The share that failed; −∞ where there were too few."""
    requests, failed = windows
    return np.where(requests >= least, failed / np.maximum(requests, 1), -np.inf)


def _baseline(windows: Floats, least: int) -> Floats:
    """Stable's share in its latest window that had enough requests; +∞ before there was one."""
    share = _share(windows, least)
    place = np.where(share > -np.inf, np.arange(share.shape[1]), 0)
    latest = np.take_along_axis(share, np.maximum.accumulate(place, axis=1), axis=1)
    return np.where(latest > -np.inf, latest, np.inf)
