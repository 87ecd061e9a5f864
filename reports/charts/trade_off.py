"""What a strategy's safety costs: users harmed, extra pods and duration side by side."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts.scale import Scale
from reports.charts.style import FAINT, GRID, PAPER, WIDTH, look, styled
from reports.columns import COST, DURATION, USERS, Column
from reports.findings import VERDICTS, Cell, Document, Mark, Row, is_bad, ranked, rows
from reports.words import listed, plain, shortened

_COSTS: tuple[tuple[Column, str, str, str], ...] = (
    (USERS, "Users harmed", "harms the fewest users", "harm the fewest users"),
    (COST, "Extra pods, in pod-seconds", "needs the fewest extra pods", "need the fewest extra pods"),
    (DURATION, "Whole release", "is the quickest", "are the quickest"),
)


def trade_off(document: Document, candidate: str) -> Figure:
    """Users harmed, extra pods and duration of every strategy side by side, the least harmful on top."""
    found = list(rows(document, candidate))
    place = {row.strategy: at for at, row in enumerate(found)}
    worst = max((row.cell(USERS).value or 0.0 for row in found), default=0.0)
    known = {row.strategy: row.cell(USERS).value for row in found}
    found.sort(key=lambda row: worst + 1 if (harmed := known[row.strategy]) is None else harmed)
    with styled():
        return _trade_off(document, found, place, plain(candidate), is_bad(document, candidate))


def _trade_off(
    document: Document, found: Sequence[Row], place: dict[str, int], candidate: str, bad: bool
) -> Figure:
    finding = textwrap.wrap(_finding(found), 150, max_lines=2, placeholder=" …")
    above = 0.92 + 0.18 * len(finding)
    height = above + 0.46 * len(found) + 0.62
    figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)
    figure.text(
        0.018, 1 - 0.18 / height,
        f"Candidate {shortened(candidate, 40)} ({'bad' if bad else 'good'}): what it takes", fontsize=13,
        fontweight="bold", va="top",
    )  # fmt: skip
    for at, text in enumerate(finding):
        figure.text(0.018, 1 - (0.49 + 0.18 * at) / height, text, fontsize=9.5, va="top")
    many = len(document["seeds"])
    figure.text(
        0.018, 0.09 / height,
        f"Mean of {many:,} {'seed' if many == 1 else 'seeds'} (marker), 95 % interval of the mean (thick), "
        "what one run does in 90 % of cases (thin). Lower is better everywhere.",
        fontsize=8, color=FAINT, va="bottom",
    )  # fmt: skip
    left, width, gap = 0.158, 0.261, 0.022
    bottom, tall = 0.60 / height, 0.46 * len(found) / height
    for at, (column, title, *_) in enumerate(_COSTS):
        axes = figure.add_axes((left + at * (width + gap), bottom, width, tall))
        _dots(axes, found, place, column, title)
        if at == 0:
            _names(axes, found, place, many)
    return figure


def _names(axes: Axes, found: Sequence[Row], place: dict[str, int], seeds: int) -> None:
    """Left of the first panel: each strategy's name, and how it ends."""
    beside: dict[str, Any] = {
        "xycoords": ("axes fraction", "data"),
        "textcoords": "offset points",
        "ha": "right",
        "va": "center",
    }
    for y, row in enumerate(found):
        colour = look(place[row.strategy])["color"]
        axes.annotate(
            shortened(row.strategy, 20), (0, y), (-8, 5), fontweight="bold", color=colour,
            annotation_clip=False, **beside,
        )  # fmt: skip
        axes.annotate(
            _mostly(row, seeds), (0, y), (-8, -7), fontsize=7.5, color=FAINT, annotation_clip=False, **beside
        )


def _mostly(row: Row, seeds: int) -> str:
    """How it ends most often, and how often."""
    if not row.endings:
        return ""
    first = row.endings[0]
    sign = {True: "✓ ", False: "✗ ", None: ""}[first.right]
    return f"{sign}{VERDICTS[first.verdict]} {round(first.share * seeds):,} of {seeds:,}"


def _finding(found: Sequence[Row]) -> str:
    """Who is best in each of the three, as far as chance lets one tell, in one line."""
    said: dict[str, list[str]] = {}
    for column, _, one, many in _COSTS:
        best, tied, _ = ranked(found, column)
        if best is not None:
            names = [shortened(row.strategy, 24) for row in (best, *tied)]
            said.setdefault(listed(names), []).append(one if len(names) == 1 else many)
    lines = [f"{names} {listed(words)}" for names, words in said.items()]
    return "; ".join(lines) + "." if lines else "The strategies differ by no more than chance."


def _dots(axes: Axes, found: Sequence[Row], place: dict[str, int], column: Column, title: str) -> None:
    """One panel: per strategy a marker with its intervals, and beside it the number."""
    cells = [row.cell(column) for row in found]
    known = [cell for cell in cells if cell.value is not None]
    scale = Scale.of([cell.value or 0.0 for cell in known], [_reach(cell)[1] for cell in known])
    unit = next((cell.figure.get("unit", "") for cell in known), "")
    lowest = min((_reach(cell)[0] for cell in known), default=0.0)
    axes.set_xlim(min(-0.03, scale.at(lowest) - 0.03), 1.62)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_yticks([])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0, 0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.tick_params(length=2.5, labelsize=8, pad=2)
    ticks = scale.ticks(unit)
    axes.set_xticks([scale.at(value) for value, _ in ticks], [text for _, text in ticks])
    axes.set_title(
        title + (" (axis not linear)" if scale.bend else ""), loc="left", fontweight="bold", y=1.0, pad=5
    )
    axes.hlines(range(len(found)), -1, 2, color=GRID, linewidth=0.7, zorder=0)
    for y, (row, cell) in enumerate(zip(found, cells, strict=True)):
        _dot(axes, y, cell, look(place[row.strategy]), scale)


def _reach(cell: Cell) -> tuple[float, float]:
    """The ends of all that is drawn of a figure."""
    figure = cell.figure
    ends = [cell.value, cell.low, cell.high, figure.get("predict_low"), figure.get("predict_high")]
    known = [end for end in ends if end is not None]
    return min(known), max(known)


def _dot(axes: Axes, y: int, cell: Cell, look: dict[str, Any], scale: Scale) -> None:
    if cell.value is None:
        axes.text(0, y, f"  {cell.why}", va="center", fontsize=8.5, color=FAINT, fontstyle="italic")
        return
    one_run = cell.figure.get("predict_low"), cell.figure.get("predict_high")
    spans = ((*one_run, 1.0, 1.0), (cell.low, cell.high, 4.5, 0.55))
    for low, high, width, alpha in spans:
        if low is not None and high is not None:
            ends = [scale.at(low), scale.at(high)]
            axes.plot(ends, [y, y], color=look["color"], linewidth=width, alpha=alpha, solid_capstyle="butt")
    axes.plot(
        [scale.at(cell.value)], [y], marker=look["marker"], markersize=7.5, color=look["color"],
        markeredgecolor=PAPER, markeredgewidth=0.9, linestyle="none", zorder=4,
    )  # fmt: skip
    words = str(cell.written) + (f"  {cell.mark}" if cell.mark in (Mark.BEST, Mark.TIED) else "")
    axes.annotate(
        words, (scale.at(_reach(cell)[1]), y), (8, 0), textcoords="offset points", va="center", fontsize=8.5,
        fontweight="bold" if cell.mark is Mark.BEST else "normal", annotation_clip=False,
    )  # fmt: skip
