"""Intervals of a share that hold however often one looks, and the exact test at a planned number. Pure.

Looking at an ordinary interval after every answer, and stopping when it first leaves out the expected share,
condemns nearly every good split in the end. A confidence sequence may be looked at always: with probability
1 − α the true share lies in all of its intervals at once.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scenarios.binomial import exact

STEPS = 60  # halvings of an interval of at most 1: to the last bit of a double


@dataclass(frozen=True, slots=True)
class Prior:
    """A beta distribution: where the sequence looks for the share, and is quickest. Any is valid."""

    a: float
    b: float


def around(share: float, away: float) -> Prior:
    """The prior of mean `share` and standard deviation `away`, with the weight of half an answer or more."""
    strength = max(1.0, share * (1 - share) / away**2 - 1)
    return Prior(max(0.5, strength * share), max(0.5, strength * (1 - share)))


def log_evidence(share: float, hits: float, of: float, prior: Prior) -> float:
    """Logarithm of the mixture likelihood ratio against p: B(a + x, b + n − x) / (B(a, b) pˣ (1 − p)ⁿ⁻ˣ).

    Where p is the true share this is a martingale of mean 1: by Ville's inequality it ever reaches 1/α with
    probability α at most (Robbins, Statistical methods related to the law of the iterated logarithm, Annals
    of Mathematical Statistics 41, 1970). Counts may be fractions: effective ones.
    """
    return _mixed(hits, of, prior) - _likely(share, hits, of)


def _mixed(hits: float, of: float, prior: Prior) -> float:
    """Logarithm of the mean likelihood over the prior."""
    from scipy.special import betaln  # takes a moment to load

    return float(betaln(prior.a + hits, prior.b + of - hits) - betaln(prior.a, prior.b))


def _likely(share: float, hits: float, of: float) -> float:
    """Logarithm of the likelihood of a share; minus infinity for what it forbids."""
    misses = of - hits
    if (share == 0 and hits > 0) or (share == 1 and misses > 0):
        return -math.inf
    return (hits * math.log(share) if hits else 0.0) + (misses * math.log1p(-share) if misses else 0.0)


def anytime(hits: float, of: float, alpha: float, prior: Prior) -> tuple[float, float]:
    """The interval of the confidence sequence: all shares with less than 1/α evidence against them."""
    if of == 0:
        return 0.0, 1.0
    best, least = hits / of, _mixed(hits, of, prior) + math.log(alpha)

    def held(share: float) -> bool:
        return _likely(share, hits, of) > least

    return _end(held, best, 0.0), _end(held, best, 1.0)


def _end(held: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where, between a share that is held and one at the edge, the holding ends."""
    if held(outside):
        return outside
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if held(middle) else (inside, middle)
    return outside


def rejected(expected: float, n: int, alpha: float) -> tuple[int, int]:
    """Of n independent answers the most hits, and the least, with which the exact two-sided test rejects.

    −1 and n + 1 where no count does. The test rejects where the interval of Clopper and Pearson leaves the
    expected share out, which is where a tail from the count on has α/2 or less.
    """
    from scipy.special import bdtr, bdtrc

    low = _last(lambda k: bdtr(k, n, expected) <= alpha / 2, n)
    high = n + 1 - (1 + _last(lambda k: bdtrc(n - k - 1, n, expected) <= alpha / 2, n))
    return low, high


def _last(holds: Callable[[int], bool], n: int) -> int:
    """The last of 0 … n for which something holds that, once it fails, fails for all after; −1 for none."""
    low, high = -1, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def power(expected: float, actual: float, n: int, alpha: float) -> float:
    """How probably the exact test of n independent answers rejects `expected`, where `actual` is true."""
    from scipy.special import bdtr, bdtrc

    low, high = rejected(expected, n, alpha)
    below = float(bdtr(low, n, actual)) if low >= 0 else 0.0
    return below + (float(bdtrc(high - 1, n, actual)) if high <= n else 0.0)


def half_width(share: float, n: int, alpha: float) -> float:
    """Half of the exact interval's width, where n answers show just this share."""
    low, high = exact(share * n, n, 1 - alpha)
    return (high - low) / 2 if 0 < share < 1 else high - low
