"""How long things take: distributions as frozen values, with exact means and quantiles. Never draws anything.

A distribution here is only a quantile function with a mean; `scenarios.draws` turns it into a table and a
draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
STANDARD = NormalDist()  # its inverse costs 1 µs a value, scipy.special 0.2 s at every start


@dataclass(frozen=True, slots=True)
class Constant:
    """Always `value` seconds."""

    value: float

    def __post_init__(self) -> None:
        _require(math.isfinite(self.value) and self.value >= 0, f"a constant must be ≥ 0, not {self.value}")

    def mean(self) -> float:
        return self.value

    def quantile(self, u: Floats) -> Floats:
        """The value at each share `u` in [0, 1]."""
        return np.full(np.shape(u), self.value)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential with mean `average` seconds."""

    average: float

    def __post_init__(self) -> None:
        _require(_positive(self.average), f"an exponential's mean must be > 0, not {self.average}")

    @classmethod
    def of(cls, **facts: float) -> Exponential:
        """From one of `mean`, `median`, `p90`, `p99_9` …; ValueError when there is not exactly one."""
        _require(
            len(facts) == 1, f"an exponential needs exactly one of mean, median, pXX; got {sorted(facts)}"
        )
        ((name, value),) = facts.items()
        _require(_positive(value), f"{name} must be > 0, not {value}")
        return cls(value if name == "mean" else value / -math.log1p(-_share(name)))

    def mean(self) -> float:
        return self.average

    def quantile(self, u: Floats) -> Floats:
        """−mean · ln(1 − u)."""
        with np.errstate(divide="ignore"):
            return np.asarray(-self.average * np.log1p(-np.asarray(u, dtype=np.float64)))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """exp(mu + sigma · Z) seconds, Z standard normal; `sigma` = 0 is a constant."""

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _require(math.isfinite(self.mu), f"mu must be finite, not {self.mu}")
        _require(math.isfinite(self.sigma) and self.sigma >= 0, f"sigma must be ≥ 0, not {self.sigma}")

    @classmethod
    def of(cls, **facts: float) -> LogNormal:
        """From any two of `mean`, `median`, `cv` (sd / mean) and `p90`, `p99_9` …

        Where a mean and an upper quantile fit two distributions, it is the narrower one. ValueError when
        the facts are not two, or when no lognormal has both.
        """
        _require(
            len(facts) == 2, f"a lognormal needs exactly two of mean, median, cv, pXX; got {sorted(facts)}"
        )
        for name, value in facts.items():
            allowed = _positive(value) or (name == "cv" and value == 0)
            _require(allowed, f"{name} must be > 0, not {value}")
        return cls(*_solve(facts))

    def mean(self) -> float:
        return math.exp(self.mu + self.sigma**2 / 2)

    def quantile(self, u: Floats) -> Floats:
        """exp(mu + sigma · Φ⁻¹(u))."""
        if self.sigma == 0:
            return np.full(np.shape(u), math.exp(self.mu))
        return np.asarray(np.exp(self.mu + self.sigma * _normal(u)))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """`values[k]` seconds at share `shares[k]`, from 0 to 1, and evenly distributed in between."""

    shares: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        shares, values = self.shares, self.values
        _require(len(shares) == len(values) >= 2, "there must be as many shares as values, two or more")
        _require(shares[0] == 0 and shares[-1] == 1, "quantiles must begin with p0 and end with p100")
        _require(all(a < b for a, b in pairwise(shares)), "shares must grow")
        _require(all(map(math.isfinite, values)) and values[0] >= 0, "values must be ≥ 0")
        _require(all(a <= b for a, b in pairwise(values)), "a higher quantile must not be a smaller value")

    def mean(self) -> float:
        """The sum over the parts of width times middle."""
        widths = [b - a for a, b in pairwise(self.shares)]
        return math.fsum(w * (a + b) / 2 for w, (a, b) in zip(widths, pairwise(self.values), strict=True))

    def quantile(self, u: Floats) -> Floats:
        """Linear between the given ones."""
        return np.interp(np.asarray(u, np.float64), self.shares, self.values)


@dataclass(frozen=True, slots=True)
class Samples:
    """One of the measured `values` (seconds, in order), each equally likely."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        values = self.values
        _require(bool(values) and all(map(math.isfinite, values)), "there must be values, and finite ones")
        _require(values[0] >= 0 and all(a <= b for a, b in pairwise(values)), "values must be ≥ 0, in order")

    @classmethod
    def of(cls, values: Iterable[float]) -> Samples:
        """From values in any order."""
        return cls(tuple(sorted(values)))

    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)

    def quantile(self, u: Floats) -> Floats:
        """The ⌈n · u⌉-th of them, the first one for 0: the inverse of the empirical distribution function."""
        place = np.ceil(np.asarray(u, np.float64) * len(self.values)).astype(np.int64) - 1
        return np.array(self.values)[np.clip(place, 0, len(self.values) - 1)]


Distribution: TypeAlias = Constant | Exponential | LogNormal | Quantiles | Samples


def _solve(facts: Mapping[str, float]) -> tuple[float, float]:
    """(mu, sigma) of the lognormal with these two facts."""
    quantiles = sorted(
        (STANDARD.inv_cdf(_share(n)), math.log(x)) for n, x in facts.items() if n not in ("mean", "cv")
    )
    if "cv" in facts:
        sigma = math.sqrt(math.log1p(facts["cv"] ** 2))
        if "mean" in facts:
            return math.log(facts["mean"]) - sigma**2 / 2, sigma
        z, log_x = quantiles[0]
        return log_x - z * sigma, sigma
    if "mean" in facts:
        z, log_x = quantiles[0]
        sigma = _sigma_of_mean(z, log_x - math.log(facts["mean"]), facts)
        return math.log(facts["mean"]) - sigma**2 / 2, sigma
    (z1, x1), (z2, x2) = quantiles
    _require(z1 < z2, f"these are the same quantile: {dict(facts)}")
    sigma = (x2 - x1) / (z2 - z1)
    _require(sigma >= 0, f"the higher quantile must not be the smaller value: {dict(facts)}")
    return x1 - z1 * sigma, sigma


def _sigma_of_mean(z: float, gap: float, facts: Mapping[str, float]) -> float:
    """The smallest sigma ≥ 0 with z·sigma − sigma²/2 = gap, where gap = ln(quantile / mean)."""
    inside = z * z - 2 * gap
    _require(inside >= 0, f"no lognormal has this mean and this quantile: {dict(facts)}")
    roots = [root for root in (z - math.sqrt(inside), z + math.sqrt(inside)) if root >= 0]
    _require(bool(roots), f"no lognormal has this mean and this quantile: {dict(facts)}")
    return roots[0]


def _share(name: str) -> float:
    """The share a quantile's name stands for: median → 0.5, p99_9 → 0.999."""
    if name == "median":
        return 0.5
    try:
        percent = float(name[1:].replace("_", ".")) if name[:1] == "p" else math.nan
    except ValueError:
        percent = math.nan
    _require(0 < percent < 100, f"{name!r} is not one of mean, median, cv, p50, p99, p99_9 …")
    return percent / 100


def _normal(u: Floats) -> Floats:
    """Φ⁻¹, with its limits at 0 and 1."""
    limits = {0.0: -math.inf, 1.0: math.inf}
    values = [limits[x] if x in limits else STANDARD.inv_cdf(x) for x in np.ravel(u).tolist()]
    return np.array(values).reshape(np.shape(u))


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
