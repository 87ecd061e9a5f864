"""Intervals from few numbers: of a mean, of a share, for one more run; means and percentiles under censoring.

Pure and deterministic: the bootstrap resamples by a fixed seed. What a sample is too small for is None, never
a guess. `docs/figures.md` has the measured coverage.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios.binomial import exact

Floats: TypeAlias = NDArray[np.float64]

CONFIDENCE, PREDICTION = 0.95, 0.9
FEWEST_SEEDS = 16  # with fewer the shape cannot be seen; of a heavy tail an interval covers 90 % or less
FEWEST_UNUSUAL = 8  # values other than what most runs come to; of fewer, the true number is a guess
NARROW = 100  # how many times its width away from a band the others are, for those in it to be one number
FAR = 0.5  # of what most come to: within it, how many differ hardly moves the mean
WIDEST = 4  # times t: a studentised interval wider than that comes of resamples that lack the odd runs
SKEWED = 0.5  # up to here t alone covers
ATOM = 0.25  # share of equal values from which a resample's own spread says little
RESAMPLES = 1999
MOST_RESAMPLED = 256  # beyond it t covers as well, and the bootstrap takes too long
_SEED = 20_241_107
_TIE = 1e-12  # of the widest deviation


def _special() -> Any:
    """SciPy's functions; they take a moment to load, and measuring single trials needs none of them."""
    import scipy.special

    return scipy.special


class Interval(NamedTuple):
    """Both ends."""

    low: float
    high: float


def enough(values: Sequence[float]) -> bool:
    """Whether an interval of the mean of these would cover about as often as it says (90 % or more for 95 %).

    Not under 16 values; nor where nearly all are (almost) one number and the rest are far from it: the mean
    then hangs on how many of those happened to be drawn. All the same is enough: nothing varies. A skewed
    sample is not refused for its skewness: those that happen to show little of a heavy tail mislead most.
    """
    if len(values) < FEWEST_SEEDS:
        return False
    middle, others = _apart(values)
    rare = 0 < len(others) < FEWEST_UNUSUAL
    return not (rare and any(abs(value - middle) > FAR * abs(middle) for value in others))


def _apart(values: Sequence[float]) -> tuple[float, list[float]]:
    """The middle of the narrowest band that holds more than half, and what is a hundred bands or more away.

    Where more than half are one number, the band has no width, and all others are apart.
    """
    ordered, half = sorted(values), len(values) // 2 + 1
    widths = [ordered[i + half - 1] - ordered[i] for i in range(len(ordered) - half + 1)]
    first = widths.index(min(widths))
    low, high, away = ordered[first], ordered[first + half - 1], NARROW * widths[first]
    return ordered[first + half // 2], [v for v in ordered if v < low - away or v > high + away]


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The interval of the mean, of differences by seed that of the paired difference. None under two values.

    Student's t; where the sample is skewed, on each side the farthest of t, of the BCa bootstrap, and of the
    studentised one where few values are equal: each falls short of a heavy tail in its own way.
    """
    straight = t_interval(values, confidence)
    if straight is None or len(values) > MOST_RESAMPLED or abs(skewness(values)) <= SKEWED:
        return straight
    found = [straight, bca_interval(values, _expanded(confidence, len(values)))]
    if Counter(values).most_common(1)[0][1] <= ATOM * len(values):
        found.append(studentised_interval(values, confidence))
    widest = WIDEST * (straight.high - straight.low)
    known = [
        interval for interval in found if interval is not None and interval.high - interval.low <= widest
    ]
    return Interval(min(each.low for each in known), max(each.high for each in known))


def _expanded(confidence: float, n: int) -> float:
    """The level at which a bootstrap of n values is as wide as t for normal ones (Hesterberg 2015)."""
    reach = math.sqrt(n / (n - 1)) * float(_special().stdtrit(n - 1, (1 + confidence) / 2))
    return 2 * NormalDist().cdf(reach) - 1


def skewness(values: Sequence[float]) -> float:
    """The third standardised moment of the sample; 0 where nothing varies."""
    if not values:
        return 0.0
    sample = np.asarray(values, np.float64)
    away = sample - sample.mean()
    spread = float(np.abs(away).max(initial=0.0))
    if spread <= 1e-12 * float(np.abs(sample).max(initial=0.0)):
        return 0.0
    away /= spread
    return float((away**3).mean() / (away**2).mean() ** 1.5)


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Student's t of the mean; of differences by seed it is the paired t. None under two values."""
    n = len(values)
    if n < 2:
        return None
    mean, spread = _mean(values), float(np.std(values, ddof=1))
    half = float(_special().stdtrit(n - 1, (1 + confidence) / 2)) * spread / math.sqrt(n)
    return Interval(mean - half, mean + half)


def bca_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Bias-corrected, accelerated bootstrap of the mean (Efron 1987), for skewed figures. None under two."""
    n, sample = len(values), np.asarray(values, np.float64)
    if n < 2:
        return None
    if n > MOST_RESAMPLED:
        return t_interval(values, confidence)
    from_mean = sample - _mean(values)
    scale = float(np.abs(from_mean).max())
    if scale <= 1e-12 * float(np.abs(sample).max()):
        return Interval(_mean(values), _mean(values))
    means = np.sort((_resamples(n) @ (from_mean / scale)) / n)
    below = np.searchsorted(means, (-_TIE, _TIE)).sum() / (2 * RESAMPLES)  # one equal to the mean counts half
    bias = _special().ndtri(min(max(below, 1 / RESAMPLES), 1 - 1 / RESAMPLES))
    cubes, squares = ((from_mean / scale) ** 3).sum(), ((from_mean / scale) ** 2).sum()
    acceleration = cubes / (6 * squares**1.5)
    tails = bias + _special().ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    shares = _special().ndtr(bias + tails / (1 - acceleration * tails))
    low, high = np.quantile(means, shares) * scale + _mean(values)
    return Interval(float(low), float(high))


def studentised_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Bootstrap-t of the mean (Efron 1979; Hall 1988): each resample's distance in its own standard errors.

    None under two values. Where many resamples have no spread at all it is as good as endless: nothing for
    samples in which one value prevails.
    """
    n, sample = len(values), np.asarray(values, np.float64)
    if n < 2:
        return None
    from_mean = sample - _mean(values)
    scale = float(np.abs(from_mean).max())
    if scale <= 1e-12 * float(np.abs(sample).max()):
        return Interval(_mean(values), _mean(values))
    away = from_mean / scale
    means = _resamples(n) @ away / n
    spreads = np.sqrt(np.maximum(_resamples(n) @ away**2 / n - means**2, 0.0) / (n - 1))
    distances = np.sort(means / np.maximum(spreads, _TIE))
    tail = round((1 - confidence) / 2 * (RESAMPLES + 1))
    error = math.sqrt(float((away**2).sum()) / (n - 1) / n) * scale
    low, high = _mean(values) - distances[[-tail, tail - 1]] * error
    return Interval(float(low), float(high))


@lru_cache(maxsize=4)
def _resamples(n: int) -> Floats:
    """How often each of n values is drawn in each resample, float64[RESAMPLES, n]; always the same."""
    drawn = np.random.default_rng([_SEED, n]).integers(0, n, (RESAMPLES, n))
    rows = np.arange(RESAMPLES)[:, None] * n
    return (
        np.bincount((drawn + rows).ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(np.float64)
    )


def wilson(successes: int, of: int, confidence: float = CONFIDENCE) -> Interval | None:
    """Wilson's score interval of a share; None of nothing."""
    if of == 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, widened = successes / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / widened
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / widened
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return Interval(low, 1.0 if successes == of else min(1.0, middle + half))


def clopper_pearson(
    successes: int, of: int, confidence: float = CONFIDENCE, design_effect: float = 1.0
) -> Interval | None:
    """The exact interval of a share (`scenarios.binomial`): it never covers less than it says.

    With a `design_effect` of d, n observations in clusters count as n/d alone. None of nothing.
    """
    return Interval(*exact(successes, of, confidence, design_effect)) if of else None


def prediction(values: Sequence[float]) -> Interval | None:
    """Where one more run falls with 90 %, from order statistics, whatever the distribution; None under 19.

    Values not reached are given as infinity. Of n exchangeable runs and one more, the last lies between the
    r-th smallest and the r-th largest with probability (n + 1 − 2r)/(n + 1).
    """
    n = len(values)
    rank = math.floor((n + 1) * (1 - PREDICTION) / 2 + 1e-9)
    if rank < 1:
        return None
    ordered = sorted(values)
    return Interval(ordered[rank - 1], ordered[n - rank])


def percentile(values: Sequence[float], share: float) -> float | None:
    """The ⌈share · n⌉-th smallest; infinite values are those not reached, and None stands for them."""
    if not values:
        return None
    found = sorted(values)[max(1, math.ceil(share * len(values) - 1e-9)) - 1]
    return found if math.isfinite(found) else None


def restricted_mean(reached: Sequence[float], horizons: Sequence[float]) -> float | None:
    """The mean where values not reached count as what was waited for them (their time to the horizon)."""
    together = [*reached, *horizons]
    return _mean(together) if together else None


def _mean(values: Sequence[float]) -> float:
    """The mean, correctly rounded: it depends neither on order nor on the processor."""
    return math.fsum(values) / len(values)
