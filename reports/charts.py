"""The pictures: what happens over time under each strategy, and what a strategy's safety costs.

The only module that imports matplotlib, and long for that reason; it draws with the object API, so nothing is
global and nothing opens a window. Readable without colour: a strategy has its own dashes and its own marker.
"""

import io
import logging
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from reports.axis import STRETCHED, Array, Clock, end_of, running, thin
from reports.columns import COST, DURATION, USERS, Column
from reports.files import put
from reports.findings import VERDICTS, Cell, Document, Mark, Row, is_bad, ranked, rows
from reports.series import Series, series
from reports.words import listed, plain, quantity, shortened
from scenarios.record import Record, Trial
from scenarios.release import Kind

# it complains on stderr of a Chinese font that has no bold, and of taking a moment at its very first use
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

WIDTH = 12.0
INK, FAINT, GRID, PAPER = "#1f2328", "#6e7781", "#e7e9ec", "#ffffff"
# Okabe and Ito's colours, told apart by the colour-blind; the yellow is left out, it is lost on white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b5588f", "#8a6d00", "#3a9ad9", "#444444", "#7a4fbf")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.3, 1.3)),
    (0, (7, 1.6, 1.3, 1.6)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (9, 3)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h")
CJK = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC",
    "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans CJK KR", "Arial Unicode MS", "Droid Sans Fallback",
)  # fmt: skip
LATIN = "DejaVu Sans"
STYLE: Any = {
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "rolloutlab",
    "font.size": 9.0,
    "axes.linewidth": 0.7,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "path.simplify": True,
    "text.hinting": "none",
    "axes.unicode_minus": True,
}
DPI = 115
WINDOW = 10  # seconds that shares are taken over, as for the peak failure share


class Drawn(NamedTuple):
    """A figure as files: PNG bytes and SVG text."""

    png: bytes
    svg: str


class _Line(NamedTuple):
    """One strategy on the time axis."""

    name: str
    record: Record
    series: Series
    look: dict[str, Any]


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context({**STYLE, "font.family": [LATIN]}):
        yield


@cache
def _families() -> tuple[str, ...]:
    """DejaVu Sans, which comes with matplotlib, and the first font with Chinese that is installed."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return (LATIN, *[name for name in CJK if name in installed][:1])


def _look(at: int) -> dict[str, Any]:
    """Colour, dashes and marker of the strategy at this place of the scenario."""
    return {
        "color": COLOURS[at % len(COLOURS)],
        "linestyle": DASHES[at % len(DASHES)],
        "marker": MARKERS[at % len(MARKERS)],
    }


# --- what happens over time ------------------------------------------------------------------------------


def timeline(records: Sequence[Record], candidate: str) -> Figure:
    """One seed's run of every strategy with this candidate, on one time axis, stretched at its beginning.

    `records` may hold other candidates and arms too; they are left out. Raises ValueError if nothing is left.
    """
    chosen = [r for r in records if r.trial.candidate == candidate and r.outcome is not None]
    if not chosen:
        raise ValueError(f"no record of a release of candidate {candidate!r}")
    order = list(chosen[0].trial.scenario.strategies)
    chosen.sort(key=lambda r: order.index(r.trial.strategy))
    lines = [
        _Line(plain(r.trial.strategy), r, series(r), _look(order.index(r.trial.strategy))) for r in chosen
    ]
    with _style():
        return _timeline(lines, plain(candidate), Clock.of(chosen))


def _timeline(lines: Sequence[_Line], candidate: str, clock: Clock) -> Figure:
    count, gap = len(lines), 0.33
    lane, panel = 0.24 * count + 0.12, max(1.15, 0.165 * count + 0.3)
    height = 1.45 + lane + len(_PANELS) * (panel + gap)
    figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)
    trial = lines[0].record.trial
    figure.text(
        0.018, 1 - 0.20 / height, f"Candidate {shortened(candidate, 40)}: what happens over time",
        fontsize=13, fontweight="bold", va="top",
    )  # fmt: skip
    figure.text(
        0.018, 1 - 0.50 / height, f"One run of each strategy, seed {trial.seed}: same requests, same luck.   "
        "✕ a guard failed or a deadline passed   ◆ decided   ■ settled", fontsize=8.5, color=FAINT, va="top",
    )  # fmt: skip

    times, written = clock.ticks()

    def row(top: float, tall: float) -> Axes:
        axes = figure.add_axes((0.135, 1 - (top + tall) / height, 0.655, tall / height))
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_label_coords(0, 0)  # there are no labels; this spares measuring where they would go
        axes.vlines(
            clock.at(times), 0, 1, transform=axes.get_xaxis_transform(), color=GRID, linewidth=0.7, zorder=0
        )
        axes.axvline(float(clock.at(0)), color=FAINT, linewidth=0.8, zorder=0)
        if clock.stretched:
            axes.axvspan(0, STRETCHED, color="#f3f5f7", zorder=-1, linewidth=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=2.5, labelsize=8, pad=2)
        return axes

    _lanes(row(1.0, lane), lines, clock)
    top = 1.0 + lane + gap
    for title, draw in _PANELS:
        axes = row(top, panel)
        axes.set_title(title(trial), loc="left", fontweight="bold", y=1.0, pad=4)
        draw(axes, lines, clock)
        top += panel + gap
    axes.set_xticks(clock.at(times), written)
    figure.text(0.4625, 0.12 / height, "time after the trigger", color=FAINT, fontsize=8, ha="center")
    return figure


_EVENTS = {
    Kind.GUARD: ("X", 6.5),
    Kind.DEADLINE: ("X", 6.5),
    Kind.DECIDED: ("D", 5.0),
    Kind.SETTLED: ("s", 5.5),
}


def _lanes(axes: Axes, lines: Sequence[_Line], clock: Clock) -> None:
    """A bar per strategy from the trigger until it settled, with its events, and in words how it ended."""
    horizon = float(lines[0].record.trial.scenario.clock.horizon)
    axes.set_ylim(len(lines) - 0.45, -0.55)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_yticks([])
    if clock.stretched:
        axes.annotate(
            f"the first {_written(clock.zoom)}, stretched", (0, 1), (4, 3), xycoords="axes fraction",
            textcoords="offset points", fontsize=7.5, color=FAINT,
        )  # fmt: skip
    for at, line in enumerate(lines):
        colour, ends = line.look["color"], clock.at([0.0, end_of(line.record, horizon)])
        axes.plot(ends, [at, at], color=colour, linewidth=5, alpha=0.28, solid_capstyle="butt")
        axes.plot(ends, [at, at], color=colour, linestyle=line.look["linestyle"], linewidth=1.5)
        _events(axes, line, at, clock)
        beside: dict[str, Any] = {
            "xycoords": ("axes fraction", "data"),
            "textcoords": "offset points",
            "va": "center",
        }
        axes.annotate(
            shortened(line.name, 18), (0, at), (-7, 0), ha="right", color=colour, fontweight="bold",
            fontsize=8.5, annotation_clip=False, **beside,
        )  # fmt: skip
        axes.annotate(_ended(line.record), (1, at), (10, 0), fontsize=8.5, annotation_clip=False, **beside)


def _events(axes: Axes, line: _Line, at: int, clock: Clock) -> None:
    for event in line.record.events:
        if event.kind in _EVENTS and 0 <= event.t <= clock.end:
            marker, size = _EVENTS[event.kind]
            raised = -0.26 if event.kind in (Kind.GUARD, Kind.DEADLINE) else 0.0
            axes.plot(
                [clock.at(event.t)], [at + raised], marker=marker, markersize=size, color=line.look["color"],
                markeredgecolor=PAPER, markeredgewidth=0.8, linestyle="none", zorder=5, clip_on=False,
            )  # fmt: skip


def _ended(record: Record) -> str:
    if record.outcome is None:
        return ""
    word = VERDICTS[record.outcome.verdict.value]
    settled = record.outcome.settled_at
    return word if settled is None else f"{word}, {_written(settled)}"


def _written(seconds: float) -> str:
    return quantity(round(seconds, 1 if seconds < 10 else 0), "s").value


def _capacity(axes: Axes, lines: Sequence[_Line], clock: Clock) -> None:
    n = lines[0].record.trial.scenario.service.replicas
    shown = [clock.cut(line.series.t, line.series.capacity) for line in lines]
    most = max([float(n), *(float(np.nanmax(y)) for _, y in shown)])
    axes.axhline(n, color=FAINT, linewidth=0.6, zorder=0)
    axes.set_ylim(-0.04 * most, most * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    for at, (line, (t, y)) in enumerate(zip(lines, shown, strict=True)):
        _draw(axes, clock, t, y, line, at, steps=True)
    _words(axes, lines, [f"{_pods(float(np.nanmin(y[t >= 0])))} at worst" for t, y in shown])


def _reach_candidate(axes: Axes, lines: Sequence[_Line], clock: Clock) -> None:
    axes.set_ylim(-0.04, 1.08)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    words = []
    for at, line in enumerate(lines):
        t, y = clock.cut(line.series.t, running(line.series.candidate_share, line.series.requests, 3))
        _draw(axes, clock, *thin(t, y), line, at)
        words.append(f"{_percent(float(np.nanmax(y)))} at most" if np.isfinite(y).any() else "no requests")
    _words(axes, lines, words)


def _failures(axes: Axes, lines: Sequence[_Line], clock: Clock) -> None:
    allowed = 1 - float(lines[0].record.trial.scenario.slo.success)
    axes.set_yscale("symlog", linthresh=0.001, linscale=0.6)
    axes.set_ylim(-0.0002, 1.6)
    axes.set_yticks([0, 0.001, 0.01, 0.1, 1], ["0", "0.1 %", "1 %", "10 %", "100 %"])
    axes.set_yticks([], minor=True)
    axes.axhline(allowed, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    words = []
    for at, line in enumerate(lines):
        t, y = clock.cut(line.series.t, running(line.series.failure_share, line.series.requests, WINDOW))
        _draw(axes, clock, *thin(t, y), line, at)
        known = y[(t >= 0) & np.isfinite(y)]
        words.append(f"{_percent(float(known.max()))} at worst" if known.size else "no requests")
    _words(axes, lines, words)


def _latencies(axes: Axes, lines: Sequence[_Line], clock: Clock) -> None:
    shown = []
    for line in lines:
        t, halves = clock.cut(line.series.latency_t, np.asarray(line.series.latency_p50, float))
        shown.append(
            (t, halves, clock.cut(line.series.latency_t, np.asarray(line.series.latency_p99, float))[1])
        )
    known = np.concatenate([y for _, *both in shown for y in both])
    known = known[np.isfinite(known)]
    _latency_axis(axes, *((float(known.min()), float(known.max())) if known.size else (0.01, 1.0)))
    words = []
    for at, (line, (t, half, most)) in enumerate(zip(lines, shown, strict=True)):
        axes.plot(clock.at(t), half, color=line.look["color"], linewidth=0.7, alpha=0.9, zorder=2)
        _draw(axes, clock, t, most, line, at)
        after = most[(t >= 0) & np.isfinite(most)]
        words.append(f"{_latency(float(after.max()))} at worst" if after.size else "no answers")
    _words(axes, lines, words)


def _pods(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _percent(value: float) -> str:
    return f"{float(f'{value * 100:.2g}'):g} %"


def _latency_axis(axes: Axes, low: float, high: float) -> None:
    """A log axis from below the lowest to above the highest, with a few round ticks."""
    axes.set_yscale("log")
    low, high = low / 1.25, max(high * 1.25, low * 2.5)
    axes.set_ylim(low, high)
    ladder = [m * 10.0**e for e in range(-5, 4) for m in ((1, 2, 5) if high / low < 40 else (1,))]
    ticks = [t for t in ladder if low <= t <= high] or [low, high]
    axes.set_yticks(ticks, [_latency(t) for t in ticks])
    axes.set_yticks([], minor=True)


def _latency(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1 else f"{float(f'{seconds * 1000:.2g}'):g} ms"


_PANELS: tuple[tuple[Callable[[Trial], str], Callable[[Axes, Sequence[_Line], Clock], None]], ...] = (
    (lambda trial: f"Serving capacity, in pods (before: {trial.scenario.service.replicas})", _capacity),
    (lambda _: "Share of requests that reach the candidate", _reach_candidate),
    (
        lambda trial: (
            f"Share of requests that fail, over {WINDOW} s (dotted: the objective allows "
            f"{_percent(1 - trial.scenario.slo.success)}; the axis is not linear)"
        ),
        _failures,
    ),
    (
        lambda _: "Latency: of 99 % of requests (marked), of half of them (thin); the axis is not linear",
        _latencies,
    ),
)


def _draw(axes: Axes, clock: Clock, t: Array, y: Array, line: _Line, at: int, steps: bool = False) -> None:
    """A line with a few markers, elsewhere for every strategy, so that none hides another's."""
    if not t.size:
        return
    wanted = np.interp(np.linspace(0.03, 0.83, 5) + 0.03 * at, clock.at(t), t)
    if steps:
        corners = np.flatnonzero(np.append(True, y[1:] != y[:-1]))
        keep = np.union1d(np.append(corners, len(t) - 1), np.searchsorted(t, wanted, side="right") - 1)
        t, y = t[keep], y[keep]
    near = np.unique(np.clip(np.searchsorted(t, wanted, side="right") - 1, 0, len(t) - 1))
    axes.plot(
        clock.at(t), y, color=line.look["color"], linestyle=line.look["linestyle"], linewidth=1.5,
        drawstyle="steps-post" if steps else "default", marker=line.look["marker"], markersize=4.8,
        markeredgecolor=PAPER, markeredgewidth=0.6, markevery=near.tolist(), zorder=4 - at / 100,
    )  # fmt: skip


def _words(axes: Axes, lines: Sequence[_Line], words: Sequence[str]) -> None:
    """Right of a panel, for each strategy its marker, its name, and one number in words."""
    step = 1 / len(lines)
    for at, (line, text) in enumerate(zip(lines, words, strict=True)):
        y = 1 - step * (at + 0.5)
        axes.plot(
            [1.018], [y], transform=axes.transAxes, clip_on=False, marker=line.look["marker"], markersize=5,
            color=line.look["color"], linestyle="none",
        )  # fmt: skip
        axes.text(
            1.034, y, f"{shortened(line.name, 18)}: {text}", transform=axes.transAxes, va="center",
            fontsize=8, clip_on=False,
        )  # fmt: skip


# --- what safety costs -----------------------------------------------------------------------------------


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
    with _style():
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
        colour = _look(place[row.strategy])["color"]
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


class _Scale(NamedTuple):
    """Where on a panel a value stands, 0 to 1; with a `bend` small values are spread out."""

    top: float
    bend: float
    known: bool

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> "_Scale":
        """Linear, unless one strategy would press all the others together."""
        values = sorted(abs(cell.value) for cell in cells if cell.value)
        top = max((abs(_reach(cell)[1]) for cell in cells if cell.value is not None), default=0.0) or 1.0
        squeezed = len(values) > 2 and values[-1] > 40 * values[len(values) // 2 - 1] and values[-1] > 100
        return cls(top, max(values[0], 1.0) if squeezed else 0.0, bool(values))

    def at(self, value: float) -> float:
        if not self.bend:
            return value / self.top
        return float(np.arcsinh(value / self.bend) / np.arcsinh(self.top / self.bend))

    def ticks(self, factor: float) -> list[float]:
        """Round values, in units of `factor`."""
        if self.bend:
            return [0.0, *(10.0**e for e in range(9) if self.bend / 2 < 10.0**e <= self.top)]
        return [
            t * factor
            for t in MaxNLocator(4).tick_values(0, self.top / factor)
            if t * factor <= self.top * 1.01
        ]


def _dots(axes: Axes, found: Sequence[Row], place: dict[str, int], column: Column, title: str) -> None:
    """One panel: per strategy a marker with its intervals, and beside it the number."""
    cells = [row.cell(column) for row in found]
    scale = _Scale.of(cells)
    unit, factor = _unit(cells, scale.top)
    lowest = min((_reach(cell)[0] for cell in cells if cell.value is not None), default=0.0)
    axes.set_xlim(min(-0.03, scale.at(lowest) - 0.03), 1.62)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_yticks([])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0, 0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.tick_params(length=2.5, labelsize=8, pad=2)
    ticks = scale.ticks(factor)
    axes.set_xticks([scale.at(t) for t in ticks], [f"{t / factor:,g}{unit}" if t else "0" for t in ticks])
    axes.set_title(
        title + (" (axis not linear)" if scale.bend else ""), loc="left", fontweight="bold", y=1.0, pad=5
    )
    axes.hlines(range(len(found)), -1, 2, color=GRID, linewidth=0.7, zorder=0)
    for y, (row, cell) in enumerate(zip(found, cells, strict=True)):
        _dot(axes, y, cell, _look(place[row.strategy]), scale)


def _reach(cell: Cell) -> tuple[float, float]:
    """The ends of all that is drawn of a figure."""
    figure = cell.figure
    ends = [cell.value, cell.low, cell.high, figure.get("predict_low"), figure.get("predict_high")]
    known = [end for end in ends if end is not None]
    return min(known), max(known)


def _unit(cells: Iterable[Cell], top: float) -> tuple[str, float]:
    if any(cell.figure.get("unit") in ("s", "seconds") for cell in cells):
        return (" s", 1.0) if top < 180 else (" min", 60.0) if top < 10800 else (" h", 3600.0)
    return ("", 1.0) if top < 100_000 else (" k", 1e3)


def _dot(axes: Axes, y: int, cell: Cell, look: dict[str, Any], scale: _Scale) -> None:
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


# --- files -----------------------------------------------------------------------------------------------


def drawn(figure: Figure) -> Drawn:
    """The figure as PNG and SVG; same figure, same bytes. Text in the SVG is text, in fonts browsers find."""
    with _style():
        for text in figure.findobj(Text):
            if not text.get_text().isascii():
                text.set_fontfamily(list(_families()))
        svg = io.StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        png = io.BytesIO()
        with _readable(figure):
            figure.savefig(
                png, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 2}
            )
    fonts = ", ".join(f"'{name}'" for name in (LATIN, "Verdana", *CJK[:9]))
    written = re.sub(rf"'{LATIN}'(, '[^']+')*(, sans-serif)?", f"{fonts}, sans-serif", svg.getvalue())
    return Drawn(png.getvalue(), written)


def save(figure: Figure, path: str | Path) -> tuple[Path, Path]:
    """Write `path`.png and `path`.svg, each at once or not at all; returns both. Raises OSError."""
    made, base = drawn(figure), Path(path)
    files = base.with_name(base.name + ".png"), base.with_name(base.name + ".svg")
    put(files[0], made.png)
    put(files[1], made.svg.encode())
    return files


@contextmanager
def _readable(figure: Figure) -> Iterator[None]:
    """In a picture, names that no installed font can write are numbered, and a line below says so."""
    numbers: dict[str, str] = {}
    changed: list[tuple[Text, str]] = []
    for text in figure.findobj(Text):
        before = text.get_text()
        after = _numbered(before, numbers)
        if after != before:
            changed.append((text, before))
            text.set_text(after)
    note = None
    if numbers:
        which = ", ".join(numbers.values())
        note = figure.text(
            0.99, 0.002, f"{which}: characters that no font on this machine has; the .svg shows them",
            ha="right", va="bottom", fontsize=7, color=FAINT,
        )  # fmt: skip
    try:
        yield
    finally:
        if note is not None:
            note.remove()
        for text, before in changed:
            text.set_text(before)


def _numbered(text: str, numbers: dict[str, str]) -> str:
    """The text with a number in place of each run of unwritable characters, the same one for the same run."""
    if text.isascii():
        return text
    out, run = "", ""
    for char in text + "\0":
        if char != "\0" and not _writable(char):
            run += char
            continue
        if run:
            out += numbers.setdefault(run, f"[{len(numbers) + 1}]")
            run = ""
        out += char if char != "\0" else ""
    return out


@cache
def _writable(char: str) -> bool:
    return any(font.get_char_index(ord(char)) for font in _fonts())


@cache
def _fonts() -> tuple[Any, ...]:
    found = [font_manager.findfont(name) for name in _families()]
    return tuple(font_manager.get_font(path) for path in found)
