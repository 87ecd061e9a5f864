"""Who does what is hoped for, and whether one version makes more users do it. Pure; the judge of A/B tests.

Whether a user converts depends on the seed, the user and the version met, and on nothing that happened: the
same users convert whichever strategy ran.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from scenarios.draws import Purpose, stream, uniform, words
from scenarios.tally import FLAG_BITS, MET_CANDIDATE, MET_STABLE

MISMATCH = 0.001
"""Groups whose sizes are less likely than this were not split as was meant (sample ratio mismatch)."""

FEWEST = 5
"""Expected users in each cell of the table; below it the normal approximation says nothing."""


@dataclass(frozen=True, slots=True)
class Group:
    """The users who met one version during a test, and how many of them converted."""

    users: int
    converted: int

    @property
    def rate(self) -> float:
        """Conversions per user; 0 for nobody."""
        return self.converted / self.users if self.users else 0.0


@dataclass(frozen=True, slots=True)
class Groups:
    """Both groups of a test: whoever met the candidate, and whoever met only stable."""

    stable: Group
    candidate: Group


@lru_cache(maxsize=4)
def converts(seed: int, users: int, share: float) -> NDArray[np.bool_]:
    """Which of the users 0 … users − 1 convert where they meet a version that converts that share of them.

    A user whom the worse version converts is converted by the better one, too.
    """
    who = np.asarray(uniform(words(stream(seed, Purpose.CONVERSION), np.arange(users))) < share)
    who.flags.writeable = False
    return who


def groups(
    seed: int, before: NDArray[np.uint32], now: NDArray[np.uint32], shares: tuple[float, float]
) -> Groups:
    """The groups among those who asked since `before`; both are a tally's `users`, earlier and now.

    `shares` are the conversions of stable and of the candidate.
    """
    asked = (now >> np.uint32(FLAG_BITS)) > (before >> np.uint32(FLAG_BITS))
    candidate = asked & ((now & np.uint32(MET_CANDIDATE)) > 0)
    stable = asked & ~candidate & ((now & np.uint32(MET_STABLE)) > 0)
    members = zip((stable, candidate), shares, strict=True)
    sides = [
        Group(int(who.sum()), int((who & converts(seed, len(now), share)).sum())) for who, share in members
    ]
    return Groups(*sides)


def significance(found: Groups) -> float | None:
    """Two-sided p of the pooled two-proportion z test; None where too few users are there for it.

    z = (p₂ − p₁) / √(p (1 − p) (1/n₁ + 1/n₂)), p the share of both together (Fleiss, Statistical Methods for
    Rates and Proportions, 2.2, without the continuity correction).
    """
    a, b = found.stable, found.candidate
    if not a.users or not b.users:
        return None
    p = (a.converted + b.converted) / (a.users + b.users)
    if min(a.users, b.users) * min(p, 1 - p) < FEWEST:
        return None
    z = (b.rate - a.rate) / math.sqrt(p * (1 - p) * (1 / a.users + 1 / b.users))
    return math.erfc(abs(z) / math.sqrt(2))


def sample_ratio(found: Groups, expected: float) -> float | None:
    """p of the χ² test (one degree of freedom) that `expected` of the users are in the candidate's group.

    None where fewer than `FEWEST` users were to be expected on a side.
    """
    total = found.stable.users + found.candidate.users
    if total * min(expected, 1 - expected) < FEWEST:
        return None
    off = found.candidate.users - total * expected
    chi_squared = off**2 / (total * expected * (1 - expected))
    return math.erfc(math.sqrt(chi_squared / 2))


def verdict(found: Groups, alpha: float, expected: float | None) -> str | None:
    """Why the candidate has not won; None if it has: it converts more, with p < `alpha`."""
    ratio = None if expected is None else sample_ratio(found, expected)
    if ratio is not None and ratio < MISMATCH:
        return f"the groups were not split as meant (sample ratio mismatch, p = {ratio:.2g})"
    p, (a, b) = significance(found), (found.stable, found.candidate)
    if p is None:
        return "too few users to compare conversions"
    if b.rate > a.rate and p < alpha:
        return None
    return (
        f"no better: {b.rate:.2%} of the candidate's users converted, {a.rate:.2%} of stable's, p = {p:.2g}"
    )
