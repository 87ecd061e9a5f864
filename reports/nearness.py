"""Whether a measured mean is as predicted: the rule for one figure, and for how runs end. Numbers only.

The question is whether the cluster's mean is the simulation's. Answered "yes" or "no" is only what so few
repeats can tell; what they cannot is called too few, never agreement.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import comb
from statistics import NormalDist
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reports.statistics import Interval, skewness, wilson

Floats: TypeAlias = NDArray[np.float64]

CONFIDENCE = 0.9
FEWEST = 5  # repeats
WIDEST = 0.25  # of the predicted mean: a wider interval tells too little to say that they agree
SHIFT = 0.3  # of the predicted mean: how often such a difference would be found is the power
SKEWED = 0.5
RESAMPLES = 1999
SHARES = 0.1  # of runs: so far apart the ways in which runs end still agree
_SEED = 20_261_120


class Nearness(StrEnum):
    """What is said of a figure."""

    AGREES = "agrees"
    DIFFERS = "differs"
    TOO_FEW = "too few repeats"
    NOT_OBSERVABLE = "not observable"


class Sides(NamedTuple):
    """How far below and above a mean chance reaches."""

    below: float
    above: float

    @property
    def half(self) -> float:
        return (self.below + self.above) / 2


@dataclass(frozen=True, slots=True)
class Near:
    """A figure's measured mean beside its prediction.

    `chance` is how far from the predicted mean the mean of so many repeats falls with 90 % if both are the
    same; `allowed` the margin or floor, whichever is more; `widest` how far `chance` may reach before it is
    too few. `power`: how often a true difference of 30 % would be found; None where the prediction is 0.
    `repeats`: about how many it would take; None where no number would do.
    """

    nearness: Nearness
    predicted: float
    measured: float
    chance: Sides
    allowed: float
    widest: float
    power: float | None
    repeats: int | None

    @property
    def difference(self) -> float:
        return self.measured - self.predicted


def near(simulated: Sequence[float], live: Sequence[float], margin: float, floor: float) -> Near:
    """The rule. `margin` is a share of the predicted mean, `floor` in the figure's own unit.

    It differs if the means are farther apart than the margin, than the floor, and than chance. Else too few
    repeats are named where there are under five or where chance reaches farther, on average of both sides,
    than a quarter of the predicted mean and than the floor. Else it agrees. Raises ValueError for under two
    simulated values, or no measured one.
    """
    if len(simulated) < 2 or not live:
        raise ValueError("expected two simulated values or more, and one measured or more")
    predicted, measured = math.fsum(simulated) / len(simulated), math.fsum(live) / len(live)
    reach = chance(simulated, live)
    allowed = max(margin * abs(predicted), floor)
    widest = max(WIDEST * abs(predicted), floor)
    said = _said(measured - predicted, reach, allowed, widest, len(live))
    spread = max(_spread(simulated), _spread(live))
    return Near(
        said,
        predicted,
        measured,
        reach,
        allowed,
        widest,
        _power(predicted, max(reach.half, allowed), spread, len(live), len(simulated)),
        _repeats(spread, len(simulated), widest),
    )


def _said(apart: float, reach: Sides, allowed: float, widest: float, repeats: int) -> Nearness:
    if repeats < FEWEST:
        return Nearness.TOO_FEW
    beyond = -apart > max(reach.below, allowed) if apart < 0 else apart > max(reach.above, allowed)
    if beyond:
        return Nearness.DIFFERS
    return Nearness.TOO_FEW if reach.half > widest else Nearness.AGREES


def chance(simulated: Sequence[float], live: Sequence[float]) -> Sides:
    """How far the means of these two samples fall apart with 90 % if what they are drawn from has one mean.

    On each side the farthest of three, as each alone is too near in its own case:
    - Student's t for the mean of k more simulated runs, s · √(1/k + 1/m): it holds when a handful of repeats
      happen to be alike, but not when the cluster varies more than the simulation;
    - Welch's t of both samples' own spreads: the reverse;
    - for skewed predictions the same as the first by resampling, 1,999 times and always the same.
    Under two repeats there is no second.
    """
    k, m = len(live), len(simulated)
    both = _t(m - 1) * _spread(simulated) * math.sqrt(1 / k + 1 / m)
    both = max(both, _welch(simulated, live))
    low, high = _resampled(simulated, k) if abs(skewness(simulated)) > SKEWED else (0.0, 0.0)
    return Sides(max(both, -low), max(both, high))


def _spread(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _t(degrees: float) -> float:
    import scipy.special  # takes a moment to load

    return float(scipy.special.stdtrit(degrees, (1 + CONFIDENCE) / 2))


def _welch(simulated: Sequence[float], live: Sequence[float]) -> float:
    """Welch's half-width (Welch 1947), with Satterthwaite's degrees of freedom."""
    k, m = len(live), len(simulated)
    one, other = _spread(live) ** 2 / k, _spread(simulated) ** 2 / m
    if k < 2 or one + other == 0:
        return 0.0
    share = one / (one + other)  # squares of the variances themselves may be too small for a float
    degrees = 1 / (share**2 / (k - 1) + (1 - share) ** 2 / (m - 1))
    return _t(degrees) * math.sqrt(one + other)


def _resampled(simulated: Sequence[float], k: int) -> Interval:
    """Where the mean of k of these, less that of m of them, falls with 90 %; widened for m values alone."""
    values, m = np.asarray(simulated, np.float64), len(simulated)
    few, many = _places(k, m)
    apart = (values[few].mean(axis=1) - values[many].mean(axis=1)) * math.sqrt(m / (m - 1))
    low, high = np.quantile(apart, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Interval(float(low), float(high))


@lru_cache(maxsize=16)
def _places(k: int, m: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What is drawn in each resample: int64[RESAMPLES, k] and [RESAMPLES, m]; always the same."""
    generator = np.random.default_rng([_SEED, k, m])
    return generator.integers(0, m, (RESAMPLES, k)), generator.integers(0, m, (RESAMPLES, m))


def _power(predicted: float, bar: float, spread: float, k: int, m: int) -> float | None:
    """How often a true difference of 30 % of the prediction would be told from chance and margin."""
    shift = SHIFT * abs(predicted)
    if shift == 0:
        return None
    error = spread * math.sqrt(1 / k + 1 / m)
    if error == 0:
        return 1.0 if shift > bar else 0.0
    normal = NormalDist()
    return normal.cdf((shift - bar) / error) + normal.cdf((-shift - bar) / error)


def _repeats(spread: float, m: int, widest: float) -> int | None:
    """How many repeats bring chance down to `widest`; None where the simulated seeds alone leave more."""
    reach = _t(m - 1) * spread
    if reach * math.sqrt(1 / FEWEST + 1 / m) <= widest:
        return FEWEST
    if reach / math.sqrt(m) >= widest:
        return None
    return math.ceil(1 / ((widest / reach) ** 2 - 1 / m))


# --- how runs end ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ending:
    """One way of ending: its share of the simulated and of the live runs, and the latter's 90 % interval."""

    verdict: str
    predicted: float
    measured: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Endings:
    """How runs end, predicted and measured, every way that occurs; `chance` is p of so unlike counts."""

    nearness: Nearness
    ways: tuple[Ending, ...]
    chance: float


def endings(simulated: Sequence[str], live: Sequence[str]) -> Endings:
    """Whether runs end alike. ValueError where one of them has none.

    They differ if some way's shares are more than ten points apart and counts so unlike would come by chance
    in less than 10 % of cases (Fisher's exact test of that way against all others, two-sided, Bonferroni's
    correction for their number). Too few are named where there are under five, or where the interval of
    a share reaches farther than 25 points to a side.
    """
    if not simulated or not live:
        raise ValueError("expected one simulated run or more, and one live run or more")
    told, seen = Counter(simulated), Counter(live)
    names = sorted({*told, *seen}, key=lambda name: (-seen[name], -told[name], name))
    ways = tuple(_ending(name, told, seen) for name in names)
    apart = [one for one in names if abs(told[one] / len(simulated) - seen[one] / len(live)) > SHARES]
    unlikely = [fisher(seen[one], len(live), told[one], len(simulated)) for one in apart]
    tests = max(1, len(names) - 1)  # of two ways one says it all
    least = min([1.0, *(min(1.0, p * tests) for p in unlikely)])
    if len(live) < FEWEST:
        said = Nearness.TOO_FEW
    elif least < 1 - CONFIDENCE:
        said = Nearness.DIFFERS
    else:
        wide = any((one.high - one.low) / 2 > WIDEST for one in ways)
        said = Nearness.TOO_FEW if wide else Nearness.AGREES
    return Endings(said, ways, least)


def _ending(name: str, told: Mapping[str, int], seen: Mapping[str, int]) -> Ending:
    runs, repeats = sum(told.values()), sum(seen.values())
    interval = wilson(seen[name], repeats, CONFIDENCE) if repeats else None
    low, high = interval or (0.0, 1.0)
    return Ending(name, told[name] / runs, seen[name] / repeats, low, high)


def fisher(a: int, n: int, b: int, m: int) -> float:
    """Fisher's exact p, two-sided: tables with a of n and b of m, or ones that are no likelier."""
    total, whole = a + b, n + m
    weights = {i: comb(n, i) * comb(m, total - i) for i in range(max(0, total - m), min(n, total) + 1)}
    return sum(w for w in weights.values() if w <= weights[a]) / comb(whole, total)
