"""How often the 95 % interval of a mean that reports print holds the true mean: the table of docs/figures.md.

python benchmarks/intervals.py [SAMPLES]
"""

import math
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reports.statistics import mean_interval

SEEDS = (8, 16, 32, 64, 128)
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def _with_zeros(share: float) -> tuple[float, Draw]:
    def draw(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return rng.exponential(size=n) * (rng.random(n) >= share)

    return 1 - share, draw


DISTRIBUTIONS: dict[str, tuple[float, Draw]] = {
    "normal": (0.0, lambda rng, n: rng.normal(size=n)),
    "uniform": (0.5, lambda rng, n: rng.random(n)),
    "Poisson, mean 3": (3.0, lambda rng, n: rng.poisson(3, n).astype(float)),
    "lognormal, σ = 0.5": (math.exp(0.125), lambda rng, n: rng.lognormal(0, 0.5, n)),
    "exponential": (1.0, lambda rng, n: rng.exponential(size=n)),
    "lognormal, σ = 1": (math.exp(0.5), lambda rng, n: rng.lognormal(0, 1, n)),
    "exponential, half of them 0": _with_zeros(0.5),
    "exponential, 7 in 10 are 0": _with_zeros(0.7),
    "exponential, 8 in 10 are 0": _with_zeros(0.8),
    "exponential, 9 in 10 are 0": _with_zeros(0.9),
}


def coverage(mean: float, draw: Draw, n: int, samples: int) -> float:
    """Share of samples of `n` whose interval holds the mean; a sample without an interval says nothing wrong
    and counts as a miss."""
    rng, held = np.random.default_rng([20_241_107, n]), 0
    for _ in range(samples):
        interval = mean_interval(draw(rng, n).tolist())
        held += interval is not None and interval.low <= mean <= interval.high
    return held / samples


def main() -> None:
    """Print the table as Markdown."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print("| distribution | " + " | ".join(map(str, SEEDS)) + " seeds |")
    print("|---|" + "---:|" * len(SEEDS))
    for name, (mean, draw) in DISTRIBUTIONS.items():
        shares = (f"{coverage(mean, draw, n, samples):.0%}".replace("%", " %") for n in SEEDS)
        print(f"| {name} | " + " | ".join(shares) + " |", flush=True)


if __name__ == "__main__":
    main()
