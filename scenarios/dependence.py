"""How much n answers tell that are not independent: the design effect, estimated from the answers. Pure.

Routers with the same weight differ in variance. One that chooses by connection or by user tells nothing new
with the second request of a connection; one that goes in turn (weighted round robin) strays from its weight
far less than chance would. The design effect is how many times the variance is that of independent answers: n
answers count as n divided by it (Kish, Survey Sampling, 1965, 8.2).
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Hits: TypeAlias = NDArray[np.bool_]
Groups: TypeAlias = NDArray[np.int64]

PER_STRETCH = 2  # answers of the rarer kind that one stretch of answers should hold
FEWEST_STRETCHES = 10
SURE = 1e-4  # how improbable the answers' order must be by chance, before it counts
UPPER = 0.05  # the variance of answers in turn is taken to be as large as this tail allows
LOW = 0.2  # of the variance between clusters: it is taken to be as large as this tail allows
Z = NormalDist().inv_cdf(0.975)


class Basis(StrEnum):
    """What the design effect was seen in."""

    INDEPENDENT = "independent"
    CONNECTIONS = "connections"
    USERS = "users"
    TIME = "time"
    IN_TURN = "in turn"


@dataclass(frozen=True, slots=True)
class Effect:
    """A design effect, in what it was seen, and of how many of these; `pure` where none mixes versions."""

    value: float
    basis: Basis
    clusters: int
    pure: bool = False


def effect(hits: Hits, connections: Groups, users: Groups | None, expected: float) -> Effect:
    """The design effect of answers in the order of their requests, with the connection and user of each.

    The largest that is seen in connections, users or time; only where none exceeds 1, less than 1 for answers
    that keep closer to a share than independent ones would.
    """
    found = [clustered(hits, connections, Basis.CONNECTIONS)]
    if users is not None:
        found.append(clustered(hits, users, Basis.USERS))
    largest = max(found, key=lambda one: one.value)
    serial = stretches(hits, expected, largest.value)
    return largest if serial.basis is Basis.INDEPENDENT else serial


def clustered(hits: Hits, groups: Groups, basis: Basis) -> Effect:
    """The design effect of clusters of any size: at least 1, and 1 where every cluster has one answer.

    By the ratio estimator p = Σy/Σm, with variance C/(C − 1) Σ(y − pm)² / (Σm)² (Cochran 1977, 2.11 and 6.4),
    taken larger by (t/z)² for having been estimated from C clusters (Korn and Graubard, Confidence intervals
    for proportions with small expected number of positive counts, Survey Methodology 24, 1998). Where no
    cluster holds both kinds of answers, the answers cannot be told from those of a router that chooses once
    for each cluster, and Σm²/Σm is taken, which such a router has.
    """
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    clusters, n = len(sizes), len(hits)
    if clusters == n:
        return Effect(1.0, Basis.INDEPENDENT, n)
    inside = np.bincount(index, weights=hits, minlength=clusters)
    if bool(np.all((inside == 0) | (inside == sizes))):
        return Effect(float(np.sum(sizes.astype(float) ** 2)) / n, basis, clusters, pure=True)
    if clusters == 1:
        return Effect(float(n), basis, 1)
    share = float(inside.sum()) / n
    squares = float(np.sum((inside - share * sizes) ** 2)) * clusters / (clusters - 1)
    return Effect(max(1.0, _widened(squares / (n * share * (1 - share)), clusters)), basis, clusters)


def stretches(hits: Hits, expected: float, known: float = 1.0) -> Effect:
    """The design effect along the order of requests, by the spread between stretches of equal length.

    1 unless that spread is one that answers of the `known` design effect hardly ever have (chi-squared,
    either tail; the lower one only for answers that are not alike). Where it is small the upper end of the
    variance's interval counts, and never less than one request.
    """
    n, share = len(hits), float(np.mean(hits)) if len(hits) else 0.0
    rarer = min(expected, 1 - expected)
    length = math.ceil(PER_STRETCH / rarer) if rarer > 0 else n + 1
    number = n // length
    if number < FEWEST_STRETCHES or share in (0.0, 1.0):
        return Effect(1.0, Basis.INDEPENDENT, n)
    counts = hits[: number * length].reshape(number, length).sum(axis=1)
    binomial = length * share * (1 - share)
    least = 1 / (n * share * (1 - share))
    return _spread(float(np.sum((counts - counts.mean()) ** 2)) / binomial, number, known, least)


def _spread(squares: float, number: int, known: float, least: float) -> Effect:
    """The effect of a sum of squares, in units of what one independent stretch would have as its variance."""
    from scipy.special import chdtr, chdtrc, chdtri

    free = number - 1
    if chdtrc(free, squares / known) < SURE:
        return Effect(_widened(squares / free, number), Basis.TIME, number)
    if known == 1 and chdtr(free, squares) < SURE:
        return Effect(min(1.0, max(least, squares / float(chdtri(free, 1 - UPPER)))), Basis.IN_TURN, number)
    return Effect(1.0, Basis.INDEPENDENT, number)


def _widened(value: float, clusters: int) -> float:
    """For a variance that is itself an estimate: as much larger as Student's t makes the interval, or its own
    interval (chi-squared) makes the variance, if that is more: checks end when it happens to look small.
    """
    from scipy.special import chdtri, stdtrit

    free = clusters - 1
    return value * max(float(stdtrit(free, 0.975) / Z) ** 2, free / float(chdtri(free, 1 - LOW)))
