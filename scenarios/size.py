"""How many requests a question about a share takes, and what so many can and cannot tell. Pure.

Planned numbers are those of the normal approximation (`split`), the field's usual ones; what a test at that
number of requests really does is computed from the binomial distribution itself. Requests are independent of
each other.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios.split import requests_for_precision, requests_to_detect

Floats: TypeAlias = NDArray[np.float64]
MOST_SEARCHED = 50_000  # requests: beyond, the normal approximation is as good as exact
_ROUNDING = 1e-9  # what a product such as 0.07 · 100 may be off


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests a second come, and which share of them counts; None: nobody said."""

    rate: float | None = None
    share: float = 1.0

    def seconds(self, requests: float) -> float | None:
        """How long so many requests that count take."""
        return None if self.rate is None else requests / (self.rate * self.share)


@dataclass(frozen=True, slots=True)
class Precision:
    """Knowing a share to `within` on both sides, at that confidence."""

    share: float
    within: float
    confidence: float = 0.95

    @property
    def requests(self) -> int:
        """How many it takes."""
        return requests_for_precision(self.share, self.within, self.confidence)


@dataclass(frozen=True, slots=True)
class Detect:
    """Telling a share of `other` from one of `share`: of a rise or a fall alone (1 side), or of either (2).

    One side at alpha is a half of the two-sided test at twice that (Fleiss, Levin, Paik 2003, 2.5, as
    `split`): 1,178 requests for a rise from 1 % to 2 %, 438 for 15 % in place of 10 % or the other way.
    """

    share: float
    other: float
    sides: int
    alpha: float = 0.05
    power: float = 0.9

    @property
    def requests(self) -> int:
        """How many it takes."""
        return requests_to_detect(self.share, self.other, self.alpha * 2 / self.sides, self.power)


@dataclass(frozen=True, slots=True)
class Draws:
    """What may become of so few requests, each of which goes to the candidate with that share."""

    share: float
    requests: int

    def chance(self, k: int) -> float:
        """The probability that exactly k go there."""
        return float(exactly(k, self.requests, self.share))


@dataclass(frozen=True, slots=True)
class Window:
    """A window of so many requests that fails where the share of failures is above the limit."""

    requests: int
    limit: float
    share: float | None = None
    other: float | None = None

    def fails(self, share: float) -> float:
        """The probability that it fails, where that share of requests does."""
        return float(more_than(allowed(self.limit, self.requests), self.requests, share))


Question: TypeAlias = Precision | Detect | Draws | Window


@dataclass(frozen=True, slots=True)
class ExactTest:
    """The exact binomial test of a share at n requests: it alarms at `low` or fewer, or at `high` or more.

    `false_alarm` and `power` are its true probabilities; counts being whole, they are not just those asked.
    """

    requests: int
    low: int | None
    high: int | None
    false_alarm: float = 0.0
    power: float = 0.0

    def alarms(self, share: float) -> float:
        """How often it alarms where that is the true share."""
        n = self.requests
        above = 0.0 if self.high is None else float(more_than(self.high - 1, n, share))
        below = 0.0 if self.low is None else float(more_than(n - self.low - 1, n, 1 - share))
        return above + below


def exact_test(asked: Detect, requests: int) -> ExactTest:
    """The most powerful such test that keeps alpha; with two sides each of them keeps half of it."""
    p, q = asked.share, asked.other
    tail, n = asked.alpha / asked.sides, np.array([requests])
    high = int(_least_rare(n, p, tail)[0]) if asked.sides == 2 or q > p else requests + 1
    # a fall in successes is a rise in the rest
    low = requests - int(_least_rare(n, 1 - p, tail)[0]) if asked.sides == 2 or q < p else -1
    test = ExactTest(requests, low if low >= 0 else None, high if high <= requests else None)
    return replace(test, false_alarm=test.alarms(p), power=test.alarms(q))


def safe_requests(asked: Detect) -> int | None:
    """From how many requests on the exact test has the power, for every larger number; None: too many to try.

    Its power goes up and down with n, as its counts are whole; the planned number is near the first rise
    above.
    """
    planned = asked.requests
    if planned > MOST_SEARCHED:
        return None
    n = np.arange(max(1, planned // 2), 2 * planned + 100)
    tail, rise = asked.alpha / asked.sides, asked.other > asked.share
    p, q = (asked.share, asked.other) if rise else (1 - asked.share, 1 - asked.other)
    power = more_than(_least_rare(n, p, tail) - 1, n, q)
    short = np.flatnonzero(power < asked.power)
    return int(n[0] if short.size == 0 else n[short[-1]] + 1)


def _least_rare(n: NDArray[np.int64], share: float, tail: float) -> NDArray[np.int64]:
    """int64[len(n)]: the least k with P(X ≥ k) ≤ tail; n + 1 where there is none."""
    low, high = np.zeros(len(n), np.int64), n + 1
    while (low < high).any():
        middle = (low + high) // 2
        rare = more_than(middle - 1, n, share) <= tail
        low, high = np.where(rare, low, middle + 1), np.where(rare, middle, high)
    return low


def allowed(limit: Any, requests: Any) -> Any:
    """The most failures of so many requests (a number or an array) that are not above the limit."""
    return np.floor(limit * np.asarray(requests, np.float64) + _ROUNDING)


def more_than(k: Any, n: Any, share: Any) -> Any:
    """P(X > k), X binomial(n, share), arrays allowed; by the incomplete beta function (DLMF 8.17.5)."""
    k, n = np.asarray(k, np.float64), np.asarray(n, np.float64)
    inside = _special().betainc(np.maximum(k, 0) + 1, np.maximum(n - k, 1), share)
    return np.where(k < 0, 1.0, np.where(k >= n, 0.0, inside))


def exactly(k: Any, n: Any, share: float) -> Any:
    """P(X = k), X binomial(n, share), arrays allowed; by logarithms."""
    special, k = _special(), np.asarray(k, np.float64)
    n = np.asarray(n, np.float64)
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return np.exp(ways + special.xlogy(k, share) + special.xlog1py(n - k, -share))


def poisson(k: Any, mean: float) -> Any:
    """P(N = k), N Poisson of that mean."""
    special, k = _special(), np.asarray(k, np.float64)
    return np.exp(special.xlogy(k, mean) - mean - special.gammaln(k + 1))


def around(mean: float, points: int = 5_000) -> tuple[Floats, Floats]:
    """Numbers of requests where `mean` are to be expected of Poisson traffic, and their probabilities.

    All within eight standard deviations, or `points` of them evenly spaced; the probabilities sum to 1.
    """
    reach = 8 * math.sqrt(mean) + 8
    n = np.arange(max(0, math.floor(mean - reach)), math.ceil(mean + reach) + 1)
    n = n if len(n) <= points else np.unique(np.linspace(n[0], n[-1], points).round())
    weights = poisson(n, mean)
    return n.astype(np.float64), np.asarray(weights / weights.sum())


def _special() -> Any:
    """SciPy's functions; they take a moment to load."""
    import scipy.special

    return scipy.special
