"""How often the rule of `rolloutlab agree` errs, and what it finds: the table of docs/why-they-disagree.md.

For each distribution, samples of 32 simulated values and of some repeats; `--write` puts the table into the
page. Takes about a minute.
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reports.nearness import Nearness, near

PAGE = Path(__file__).parent.parent / "docs" / "why-they-disagree.md"
SEEDS, TIMES, MARGIN = 32, 2000, 0.1
Draw = Callable[[np.random.Generator, int], np.ndarray]
DRAWS: dict[str, Draw] = {
    "normal, spread 5 %": lambda r, n: r.normal(100, 5, n),
    "normal, spread 10 %": lambda r, n: r.normal(100, 10, n),
    "normal, spread 20 %": lambda r, n: r.normal(100, 20, n),
    "normal, spread 30 %": lambda r, n: r.normal(100, 30, n),
    "lognormal, σ = 0.5": lambda r, n: r.lognormal(0, 0.5, n),
    "exponential": lambda r, n: r.exponential(1, n),
    "Poisson, mean 3": lambda r, n: r.poisson(3, n).astype(float),
    "one in ten far off": lambda r, n: np.where(r.random(n) < 0.1, 300.0, 1.0 + r.normal(0, 0.1, n)),
    "either of two": lambda r, n: np.where(r.random(n) < 0.5, 100.0, 200.0),
}


def said(draw: Draw, repeats: int, shift: float) -> Counter[Nearness]:
    """What is said of so many pairs of samples, the live one `shift` times as large."""
    random = np.random.default_rng([17, repeats])
    return Counter(
        near(draw(random, SEEDS).tolist(), (shift * draw(random, repeats)).tolist(), MARGIN, 0.0).nearness
        for _ in range(TIMES)
    )


def table() -> str:
    rows = ["| values | repeats | as predicted: agrees | differs | 30 % more: differs | agrees |"]
    rows += ["|---|---:|---:|---:|---:|---:|"]
    for name, draw in DRAWS.items():
        for repeats in (5, 12):
            same, more = said(draw, repeats, 1.0), said(draw, repeats, 1.3)
            counts = (same[Nearness.AGREES], same[Nearness.DIFFERS])
            counts += (more[Nearness.DIFFERS], more[Nearness.AGREES])
            shares = " | ".join(f"{part / TIMES:.0%}".replace("%", " %") for part in counts)
            rows.append(f"| {name} | {repeats} | {shares} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into the page")
    made = table()
    if not parser.parse_args().write:
        print(made)
        return
    page = PAGE.read_text(encoding="utf-8")
    pattern = r"(<!-- nearness: .*? -->\n).*?(<!-- end -->)"
    PAGE.write_text(re.sub(pattern, rf"\g<1>{made}\n\g<2>", page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
