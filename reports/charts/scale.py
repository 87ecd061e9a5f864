"""Where on a panel a value stands, and what is written below it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from reports.words import MINUS, quantity

SECONDS = ("s", "seconds")
CLOCK = (1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0, 360_000.0)  # round times on an axis that is not linear
APART = 0.28  # of the axis: as wide as what is written at a tick


class Scale(NamedTuple):
    """Places from 0 to 1 for values from 0 to `top`; with a `bend` small values are spread out."""

    top: float
    bend: float

    @classmethod
    def of(cls, values: Sequence[float], reach: Sequence[float]) -> "Scale":
        """Linear, unless one of the values presses all others together; `reach` is all that is drawn."""
        sizes = sorted(abs(value) for value in values if value)
        top = max(map(abs, reach), default=0.0) or 1.0
        squeezed = len(sizes) > 2 and sizes[-1] > 40 * sizes[len(sizes) // 2 - 1] and sizes[-1] > 100
        return cls(top, max(sizes[0], 1.0) if squeezed else 0.0)

    def at(self, value: float) -> float:
        if not self.bend:
            return value / self.top
        return float(np.arcsinh(value / self.bend) / np.arcsinh(self.top / self.bend))

    def ticks(self, unit: str, low: float = 0.0) -> list[tuple[float, str]]:
        """Round values from `low` on, 0 among them, as they are written; never so close that they touch."""
        suffix, factor = _unit_of(unit, self.top)
        if self.bend:
            ladder = CLOCK if unit in SECONDS else [10.0**e for e in range(12)]
            round_ones = [0.0, *(value for value in ladder if self.bend / 2 < value <= self.top)]
        else:
            ends = min(0.0, low) / factor, self.top / factor
            wanted = MaxNLocator(4).tick_values(*ends)
            round_ones = [t * factor for t in wanted if ends[0] * 1.01 <= t <= ends[1] * 1.01]
        found: list[tuple[float, str]] = []
        for value in round_ones:
            if not found or not self.bend or self.at(value) - self.at(found[-1][0]) >= APART:
                text = quantity(value, unit).value if self.bend else f"{value / factor:,g}{suffix}"
                found.append((value, text.replace("-", MINUS) if value else "0"))
        return found


def _unit_of(unit: str, top: float) -> tuple[str, float]:
    """What to write behind numbers of that unit up to `top`, and what to divide them by."""
    if unit == "share":
        return " %", 0.01
    if unit in SECONDS:
        return (" s", 1.0) if top < 180 else (" min", 60.0) if top < 10800 else (" h", 3600.0)
    return ("", 1.0) if top < 100_000 else (" k", 1e3)
