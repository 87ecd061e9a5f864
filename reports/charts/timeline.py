"""What happens over time under each strategy: one seed, the same requests and the same luck."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.axis import STRETCHED, Array, Clock, end_of, running, thin
from reports.charts.style import FAINT, GRID, INK, PAPER, WIDTH, look, styled
from reports.findings import VERDICTS
from reports.series import Series, series
from reports.words import plain, quantity, shortened
from scenarios.record import Record, Trial
from scenarios.release import Kind

WINDOW = 10  # seconds that shares are taken over, as for the peak failure share


class _Line(NamedTuple):
    """One strategy on the time axis."""

    name: str
    record: Record
    series: Series
    look: dict[str, Any]


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
        _Line(plain(r.trial.strategy), r, series(r), look(order.index(r.trial.strategy))) for r in chosen
    ]
    with styled():
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
    Kind.PAGE: ("X", 6.5),
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
            raised = -0.26 if event.kind in (Kind.GUARD, Kind.PAGE, Kind.DEADLINE) else 0.0
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
