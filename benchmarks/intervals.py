"""How often the 95 % intervals that reports print hold the truth, and how often they say too few instead.

python benchmarks/intervals.py [SAMPLES] [--write]

The functions are those of a comparison: `summary` for means (paired differences take the same interval),
`wilson` for shares. `--write` puts the tables into docs/figures.md, between their marks.
"""

import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.statistics import clopper_pearson, enough, mean_interval, wilson

SEEDS = (8, 16, 32, 64, 128, 256)
SHARES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
SAMPLES = 4000
FEWEST_SHOWN = 200  # of the samples; from fewer intervals a coverage would be noise
HONEST = (0.925, 0.975)  # 93–97 % when rounded
DOCS = Path(__file__).parents[1] / "docs" / "figures.md"
Rng = np.random.Generator
Draw = Callable[[Rng, int], NDArray[np.float64]]


class Distribution(NamedTuple):
    """What is drawn, and its true mean."""

    mean: float
    draw: Draw


class Covered(NamedTuple):
    """The share of the samples that got an interval, and of those the share whose interval held the truth."""

    shown: float
    held: float


def _with_zeros(share: float) -> Distribution:
    return Distribution(1 - share, lambda rng, n: rng.exponential(size=n) * (rng.random(n) >= share))


def _lognormal(spread: float) -> Distribution:
    return Distribution(math.exp(spread**2 / 2), lambda rng, n: rng.lognormal(0, spread, n))


def _poisson(mean: float) -> Distribution:
    return Distribution(mean, lambda rng, n: rng.poisson(mean, n).astype(float))


DISTRIBUTIONS = {
    "normal": Distribution(0.0, lambda rng, n: rng.normal(size=n)),
    "uniform": Distribution(0.5, lambda rng, n: rng.random(n)),
    "Student's t of 3": Distribution(0.0, lambda rng, n: rng.standard_t(3, n)),
    "Poisson, mean 3": _poisson(3),
    "Poisson, mean 0.5": _poisson(0.5),
    "Poisson, mean 0.1": _poisson(0.1),
    "lognormal, σ = 0.5": _lognormal(0.5),
    "lognormal, σ = 1": _lognormal(1),
    "lognormal, σ = 1.5": _lognormal(1.5),
    "exponential": Distribution(1.0, lambda rng, n: rng.exponential(size=n)),
    "exponential, cut off at its mean": Distribution(
        1 - math.exp(-1), lambda rng, n: np.minimum(1.0, rng.exponential(size=n))
    ),
    "exponential, half of them 0": _with_zeros(0.5),
    "exponential, 7 in 10 are 0": _with_zeros(0.7),
    "exponential, 9 in 10 are 0": _with_zeros(0.9),
    "normal, and 1 in 5 far off": Distribution(
        2.0, lambda rng, n: rng.normal(0, 0.5, n) + 10 * (rng.random(n) < 0.2)
    ),
    "normal, and 1 in 20 far off": Distribution(
        0.5, lambda rng, n: rng.normal(0, 0.5, n) + 10 * (rng.random(n) < 0.05)
    ),
    "difference of two exponentials": Distribution(
        0.0, lambda rng, n: rng.exponential(size=n) - rng.exponential(size=n)
    ),
    "exponential less lognormal, σ = 1": Distribution(
        1 - math.exp(0.5), lambda rng, n: rng.exponential(size=n) - rng.lognormal(0, 1, n)
    ),
}


def coverage(of: Distribution, n: int, samples: int) -> Covered:
    """What becomes of samples of `n`. One in which nothing varies has an interval without width."""
    rng, shown, held = np.random.default_rng([20_241_107, n]), 0, 0
    for _ in range(samples):
        sample = of.draw(rng, n).tolist()
        interval = mean_interval(sample) if enough(sample) else None
        if interval is not None:
            shown += 1
            held += interval.low <= of.mean <= interval.high
    return Covered(shown / samples, held / shown if shown else math.nan)


def share_coverage(interval: Callable[[int, int], tuple[float, float] | None], share: float, n: int) -> float:
    """The exact probability that the interval of a share of `n` holds it: a sum over all outcomes."""
    found = 0.0
    for k in range(n + 1):
        ends = interval(k, n)
        if ends is not None and ends[0] <= share <= ends[1]:
            found += math.comb(n, k) * share**k * (1 - share) ** (n - k)
    return found


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _cell(found: Covered, samples: int) -> str:
    """`94 %`, or `94 % of 61 %` where not all samples got an interval; too few where hardly any did."""
    if found.shown * samples < FEWEST_SHOWN:
        return "too few"
    text = _percent(found.held)
    text = text if HONEST[0] <= found.held < HONEST[1] else f"**{text}**"
    return text if found.shown > 0.995 else f"{text} of {_percent(found.shown)}"


def _table(head: str, rows: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    yield f"| {head} | " + " | ".join(map(str, SEEDS)) + " seeds |"
    yield "|---|" + "---:|" * len(SEEDS)
    yield from (f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows)


def means(samples: int) -> Iterator[str]:
    """The table of means, as lines of Markdown."""
    rows = []
    for name, of in DISTRIBUTIONS.items():
        print(name, file=sys.stderr)
        rows.append((name, [_cell(coverage(of, n, samples), samples) for n in SEEDS]))
    return _table("mean of", rows)


def shares() -> Iterator[str]:
    """The table of shares: Wilson's as verdicts have it, Clopper and Pearson's as the weight error has it."""
    rows = [
        (f"{name}, true share {_percent(share)}", [_percent(share_coverage(of, share, n)) for n in SEEDS])
        for name, of in (("Wilson", wilson), ("Clopper–Pearson", clopper_pearson))
        for share in SHARES
    ]
    return _table("share", rows)


def main() -> None:
    """Print the tables as Markdown, or put them where they belong."""
    numbers = [int(text) for text in sys.argv[1:] if text.isdecimal()]
    tables = {"means": means(*numbers or [SAMPLES]), "shares": shares()}
    for name, lines in tables.items():
        text = "\n".join(lines)
        print(text + "\n")
        if "--write" in sys.argv:
            mark = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(\n<!-- end -->)", re.DOTALL)
            before = DOCS.read_text(encoding="utf-8")
            DOCS.write_text(mark.sub(lambda m, t=text: m[1] + t + m[2], before), encoding="utf-8")


if __name__ == "__main__":
    main()
