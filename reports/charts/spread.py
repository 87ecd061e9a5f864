"""How runs spread: every seed's value of each headline figure, with its median and 5 to 95 %."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts.scale import Scale
from reports.charts.style import FAINT, GRID, INK, PAPER, WIDTH, look, styled
from reports.columns import COLUMNS, Column
from reports.statistics import percentile
from reports.words import NEVER, plain, quantity, reason, shortened
from scenarios.figure import FIGURES

ACROSS = 3  # panels side by side
MOST_DOTS = 100  # of one strategy in a panel; of more seeds, as many evenly chosen by rank
ROW, HEAD, FOOT = 0.34, 0.72, 0.62  # inches: of a strategy, above the panels, below each of them


class _Strip(NamedTuple):
    """One strategy in one panel: its values in order, and why seeds have none, by reason."""

    strategy: str
    values: tuple[float, ...]
    unreached: int
    why: str

    def mark(self, share: float) -> float | None:
        """A percentile; what was not reached lies above all values."""
        return percentile([*self.values, *[math.inf] * self.unreached], share)


def spread(values: Mapping[str, Any], candidate: str, bad: bool) -> Figure:
    """Each headline figure as a panel, each strategy as a strip of dots, a dot for every seed.

    `values` is the document of `reports.spread`. Raises ValueError where it lacks the candidate.
    """
    rows = [row for row in values["rows"] if row["candidate"] == candidate]
    if not rows:
        raise ValueError(f"no values of candidate {candidate!r}")
    with styled():
        return _spread(rows, plain(candidate), bad, len(values["seeds"]))


def _spread(rows: Sequence[Mapping[str, Any]], candidate: str, bad: bool, seeds: int) -> Figure:
    tall, down = ROW * len(rows), math.ceil(len(COLUMNS) / ACROSS)
    height = HEAD + down * (tall + FOOT)
    figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)
    title = f"Candidate {shortened(candidate, 40)} ({'bad' if bad else 'good'}): how runs differ"
    figure.text(
        0.018, 1 - 0.18 / height, title, fontsize=13, fontweight="bold", va="top",
    )  # fmt: skip
    drawn = (
        f"A dot for each of {seeds:,} seeds"
        if seeds <= MOST_DOTS
        else f"{MOST_DOTS} of {seeds:,} seeds, by rank"
    )
    figure.text(
        0.018, 1 - 0.46 / height, f"{drawn}; tall mark: median; line: from 5 % to 95 % of the runs.",
        fontsize=8.5, color=FAINT, va="top",
    )  # fmt: skip
    left, width, gap = 0.135, 0.262, 0.0265
    for at, column in enumerate(COLUMNS):
        below, beside = divmod(at, ACROSS)
        bottom = 1 - (HEAD + below * (tall + FOOT) + 0.2 + tall) / height
        axes = figure.add_axes((left + beside * (width + gap), bottom, width, tall / height))
        _panel(axes, [_strip(row, column) for row in rows], column)
        if beside == 0:
            _names(axes, rows)
    return figure


def _strip(row: Mapping[str, Any], column: Column) -> _Strip:
    found = row["figures"].get(next(key for key in column.keys if key in row["figures"]), ())
    values = tuple(sorted(value for value in found if isinstance(value, int | float)))
    whys = [reason(value) for value in found if isinstance(value, str)]
    commonest = max(sorted(set(whys)), key=whys.count, default="")
    return _Strip(plain(row["strategy"]), values, whys.count(NEVER), commonest)


def _names(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    for y, row in enumerate(rows):
        axes.annotate(
            shortened(plain(row["strategy"]), 18), (0, y), (-8, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="right", va="center", fontweight="bold", fontsize=8.5,
            color=look(y)["color"], annotation_clip=False,
        )  # fmt: skip


def _panel(axes: Axes, strips: Sequence[_Strip], column: Column) -> None:
    unit = FIGURES[column.keys[0]].unit
    everything = [value for strip in strips for value in (*strip.values[:1], *strip.values[-1:])]
    middles = [middle for strip in strips if (middle := strip.mark(0.5)) is not None]
    scale = Scale.of(middles, everything)
    least = min(everything, default=0.0)
    axes.set_xlim(min(0.0, scale.at(least)) - 0.03, 1.9)
    axes.set_ylim(len(strips) - 0.5, -0.5)
    axes.set_yticks([])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0, 0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.tick_params(length=2.5, labelsize=8, pad=2)
    ticks = scale.ticks(unit, least) if everything else []
    axes.set_xticks([scale.at(value) for value, _ in ticks], [text for _, text in ticks])
    title = column.head[0].upper() + column.head[1:]
    axes.set_title(
        title + (" (axis not linear)" if scale.bend else ""), loc="left", fontweight="bold", y=1.0, pad=4
    )
    axes.hlines(range(len(strips)), -1, 2, color=GRID, linewidth=0.7, zorder=0)
    for y, strip in enumerate(strips):
        _draw(axes, y, strip, scale, unit)


def _draw(axes: Axes, y: int, strip: _Strip, scale: Scale, unit: str) -> None:
    if not strip.values:
        axes.text(0, y, f"  {strip.why}", va="center", fontsize=8, color=FAINT, fontstyle="italic")
        return
    colour, low, middle, high = look(y)["color"], *(strip.mark(share) for share in (0.05, 0.5, 0.95))
    dots = _chosen(strip.values)
    above = y + 0.30 * (np.arange(len(dots)) * 0.618034 % 1 - 0.5)  # spread evenly, and always the same
    axes.plot(
        [scale.at(value) for value in dots], above, marker="o", markersize=2.5, color=colour, alpha=0.45,
        markeredgewidth=0, linestyle="none", zorder=3,
    )  # fmt: skip
    ends = [
        scale.at(low if low is not None else strip.values[0]),
        scale.at(high if high is not None else strip.values[-1]),
    ]
    axes.plot(ends, [y + 0.30] * 2, color=INK, linewidth=1.0, solid_capstyle="butt", zorder=4)
    if middle is not None:
        axes.plot([scale.at(middle)] * 2, [y - 0.27, y + 0.37], color=INK, linewidth=1.8, zorder=5)
    axes.annotate(
        _words(strip, unit), (scale.at(strip.values[-1]), y), (7, 0), textcoords="offset points", va="center",
        fontsize=7.5, annotation_clip=False,
    )  # fmt: skip


def _chosen(values: Sequence[float]) -> list[float]:
    """All of them, or so many evenly by rank, the least and the most among them."""
    if len(values) <= MOST_DOTS:
        return list(values)
    return [values[round(place)] for place in np.linspace(0, len(values) - 1, MOST_DOTS)]


def _words(strip: _Strip, unit: str) -> str:
    """`median 12 (3 to 45)`, and how many never came."""
    low, middle, high = (
        NEVER if at is None else quantity(at, unit).value
        for at in (strip.mark(share) for share in (0.05, 0.5, 0.95))
    )
    text = middle if low == middle == high else f"{middle} ({low} to {high})"
    return text + (f", {strip.unreached} never" if strip.unreached else "")
