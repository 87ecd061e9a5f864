"""How many requests it takes to judge a split: from a precision, or from the share that must not go unseen.

Pure arithmetic on shares (0 … 1). These are the textbook's sizes, for independent requests and by the normal
approximation; `scenarios.judge` plans with the exact test and room for stopping early.
"""

import math
from statistics import NormalDist

CONFIDENCE, ALPHA, POWER = 0.95, 0.05, 0.9


def requests_for_precision(share: float, precision: float, confidence: float = CONFIDENCE) -> int:
    """Independent requests after which the interval of a share is ± `precision` wide.

    n = z² p (1 − p) / d², rounded up (Cochran, Sampling Techniques, 3rd ed. 1977, 4.4): 3,458 for
    10 % ± 1 point at 95 %. For a share of 0 or 1 nothing varies: as many as would show a share of d with this
    confidence. ValueError unless 0 ≤ share ≤ 1 and precision and confidence lie between 0 and 1.
    """
    _whole(share, "share")
    _between(precision, "precision")
    _between(confidence, "confidence")
    if share in (0, 1):
        return _until_seen(precision, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return math.ceil(z * z * share * (1 - share) / precision**2)


def requests_to_detect(expected: float, actual: float, alpha: float = ALPHA, power: float = POWER) -> int:
    """Independent requests with which a two-sided test at `alpha` tells `actual` from `expected`.

    n = ((z(1 − α/2) √(p₀(1 − p₀)) + z(power) √(p₁(1 − p₁))) / (p₁ − p₀))², rounded up (Fleiss, Levin, Paik,
    Statistical Methods for Rates and Proportions, 3rd ed. 2003, 2.5, without its continuity correction):
    438 to tell 15 % from 10 %. Of an expected share of 0 or 1 a single other answer is enough, so n is what
    shows one with that power. ValueError unless both are shares, differ, and alpha and power are in (0, 1).
    """
    for value, name in ((expected, "expected"), (actual, "actual")):
        _whole(value, name)
    for value, name in ((alpha, "alpha"), (power, "power")):
        _between(value, name)
    if expected == actual:
        raise ValueError(f"{actual:g} is the expected share itself; no number of requests tells them apart")
    if expected in (0, 1):
        return _until_seen(abs(actual - expected), power)
    z = NormalDist().inv_cdf
    missed = z(power) * _deviation(actual) if 0 < actual < 1 else 0.0
    return math.ceil(((z(1 - alpha / 2) * _deviation(expected) + missed) / (actual - expected)) ** 2)


def _deviation(share: float) -> float:
    """Standard deviation of one answer."""
    return math.sqrt(share * (1 - share))


def _until_seen(share: float, chance: float) -> int:
    """Requests among which one of a share is, with this chance: (1 − share)ⁿ ≤ 1 − chance."""
    return 1 if share == 1 else math.ceil(math.log(1 - chance) / math.log1p(-share))


def _whole(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected a share from 0 to 1; got {value:g}")


def _between(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name}: expected a number between 0 and 1; got {value:g}")
