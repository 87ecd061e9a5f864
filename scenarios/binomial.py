"""The exact interval of a share, and how many requests it takes to show one. Pure."""

import math

CONFIDENCE = 0.95
Z_CONFIDENCE, Z_POWER = 1.959964, 1.644854  # 97.5 % and 95 % of a normal distribution


def exact(
    successes: float, of: float, confidence: float = CONFIDENCE, design_effect: float = 1.0
) -> tuple[float, float]:
    """The ends of the interval of Clopper and Pearson (1934) for a share: it covers no less than it says.

    With a `design_effect` of d, n observations in clusters count as n/d alone (Korn and Graubard 1998).
    Of nothing, everything is possible.
    """
    from scipy.special import betaincinv  # takes a moment to load

    if of == 0:
        return 0.0, 1.0
    tail, n, k = (1 - confidence) / 2, of / design_effect, successes / design_effect
    low = 0.0 if successes == 0 else float(betaincinv(k, n - k + 1, tail))
    return low, 1.0 if successes == of else float(betaincinv(k + 1, n - k, 1 - tail))


def requests_to_show(share: float, precision: float) -> int:
    """How many requests show that a share is within `precision`, for a share that is exactly so.

    Independent requests, the whole 95 % interval within it in nine of ten cases: (z.975 + z.95)² p (1 − p) /
    precision², and no fewer than ln 40 / precision, which a share of 0 or 1 takes.
    """
    spread = (Z_CONFIDENCE + Z_POWER) ** 2 * share * (1 - share) / precision**2
    return math.ceil(max(spread, math.log(2 / (1 - CONFIDENCE)) / precision))
