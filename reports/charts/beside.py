"""What was predicted and what was measured on one time axis: a band of many seeds, a line for each repeat."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.axis import Array, Clock
from reports.charts.style import COLOURS, FAINT, GRID, INK, PAPER, WIDTH, styled
from reports.facets import Curves, Run
from reports.words import plain, shortened

BAND, LINE = COLOURS[0], COLOURS[1]
SMOOTH = 3  # seconds that shares and failures are taken over
MOST_STAGES = 14  # that are named; of more, the later ones are marked only
LANES, PANEL, GAP, HEAD, ROW, FOOT = 0.62, 1.25, 0.36, 0.86, 0.2, 0.42  # inches
WIDEST_LINE = 150  # characters


class _Panel(NamedTuple):
    title: str
    of: Callable[[Curves], Array]
    steps: bool


def beside(predicted: Sequence[Run], measured: Sequence[Run], strategy: str, candidate: str) -> Figure:
    """Failures, the candidate's share and the capacity of simulated and of live runs, with their stages.

    The band holds 90 % of the simulated runs second by second, its dashed line is their median; each repeat
    is a line of its own. Raises ValueError where one of them has no run.
    """
    if not predicted or not measured:
        raise ValueError("expected simulated and live runs, one or more of each")
    with styled():
        return _beside(predicted, measured, plain(strategy), plain(candidate))


def _beside(predicted: Sequence[Run], measured: Sequence[Run], strategy: str, candidate: str) -> Figure:
    clock, names = _clock([*predicted, *measured]), _stages([*measured, *predicted])
    panels, stages = _panels(measured[0]), _lines(names)
    head = HEAD + ROW * len(stages)
    height = head + LANES + len(panels) * (PANEL + GAP) + FOOT
    figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)
    _heading(figure, height, f"{strategy} · {candidate}", len(predicted), len(measured), stages)
    times, written = clock.ticks()

    def row(top: float, tall: float) -> Axes:
        axes = figure.add_axes((0.075, 1 - (top + tall) / height, 0.91, tall / height))
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        ends = axes.get_xaxis_transform()
        axes.vlines(clock.at(times), 0, 1, transform=ends, color=GRID, linewidth=0.7, zorder=0)
        axes.axvline(float(clock.at(0)), color=FAINT, linewidth=0.8, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=2.5, labelsize=8, pad=2)
        return axes

    _lanes(row(head, LANES), predicted, measured, names, clock)
    top = head + LANES + GAP
    for panel in panels:
        axes = row(top, PANEL)
        axes.set_title(panel.title, loc="left", fontweight="bold", y=1.0, pad=4)
        _draw(axes, panel, predicted, measured, clock)
        top += PANEL + GAP
    axes.set_xticks(clock.at(times), written)
    figure.text(0.53, 0.1 / height, "time after the trigger", color=FAINT, fontsize=8, ha="center")
    return figure


def _heading(
    figure: Figure, height: float, name: str, seeds: int, repeats: int, stages: Sequence[str]
) -> None:
    def line(down: float, text: str, **how: Any) -> None:
        figure.text(0.012, 1 - down / height, text, va="top", **how)

    line(0.18, f"{shortened(name, 70)}: predicted and measured", fontsize=13, fontweight="bold")
    line(
        0.49,
        f"Band: 90 % of {seeds} simulated runs, dashed: their median.   {_live(repeats)}.",
        fontsize=8.5,
        color=FAINT,
    )
    for place, text in enumerate(stages):
        line(0.78 + ROW * place, text, fontsize=8.5, color=INK)


def _live(repeats: int) -> str:
    return "Line: the live run" if repeats == 1 else f"Lines: {repeats} live runs"


def _lines(names: Sequence[str]) -> list[str]:
    """The stages by their numbers, in as few lines as hold them."""
    shown = [f"{at + 1} {shortened(plain(text), 24)}" for at, text in enumerate(names[:MOST_STAGES])]
    lines = ["Stages:"]
    for text in shown:
        if len(lines[-1]) + len(text) > WIDEST_LINE:
            lines.append("")
        lines[-1] += f"   {text}"
    return lines


def _clock(runs: Sequence[Run]) -> Clock:
    """From shortly before the trigger until all had settled, or to the horizon."""
    horizon = float(runs[0].curves.t[-1] + 1)
    ends = max(horizon if run.settled is None else run.settled for run in runs)
    end = min(horizon, ends * 1.1 + 5)
    return Clock(-0.04 * end, end, end)


def _stages(runs: Sequence[Run]) -> list[str]:
    """Every stage's name once, in the order in which they came."""
    return list(dict.fromkeys(name for run in runs for name, _ in run.stages))


def _lanes(
    axes: Axes, predicted: Sequence[Run], measured: Sequence[Run], names: Sequence[str], clock: Clock
) -> None:
    """When each stage began: above as predicted, 5 to 95 % of the runs, below a mark for each repeat."""
    axes.set_ylim(1.5, -0.6)
    axes.set_yticks([0, 1], ["predicted", "measured"])
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    for at, name in enumerate(names):
        told, seen = _begins(predicted, name), _begins(measured, name)
        if told.size:
            low, middle, high = np.quantile(told, (0.05, 0.5, 0.95))
            axes.plot(
                clock.at([low, high]), [0, 0], color=BAND, linewidth=6, alpha=0.3, solid_capstyle="butt"
            )
            axes.plot(clock.at([middle]), [0], marker="|", markersize=9, color=BAND, markeredgewidth=1.5)
            _number(axes, clock, float(middle), -0.34, at)
        axes.plot(
            clock.at(seen), np.ones(len(seen)), marker="|", markersize=9, color=LINE, linestyle="none",
            markeredgewidth=1.1,
        )  # fmt: skip
        if seen.size:
            _number(axes, clock, float(np.median(seen)), 1.42, at)


def _number(axes: Axes, clock: Clock, t: float, y: float, at: int) -> None:
    if at < MOST_STAGES:
        axes.text(float(clock.at(t)), y, f"{at + 1}", fontsize=7.5, ha="center", va="center", clip_on=False)


def _begins(runs: Sequence[Run], name: str) -> Array:
    """When that stage first began, of the runs in which it did."""
    return np.array([next(t for n, t in run.stages if n == name) for run in runs if name in dict(run.stages)])


def _panels(one: Run) -> tuple[_Panel, ...]:
    return (
        _Panel(f"Failed requests per second, over {SMOOTH} s", lambda c: _smooth(c.failures), False),
        _Panel("Share of requests that reach the candidate", lambda c: _shares(c.candidate_share), False),
        _Panel(f"Capacity in rotation, in pods (before: {one.curves.before:g})", lambda c: c.capacity, True),
    )


def _smooth(values: Array) -> Array:
    return np.convolve(values, np.ones(SMOOTH) / SMOOTH)[: len(values)]


def _shares(values: Array) -> Array:
    """The mean of the last seconds that have a share; NaN where none has."""
    known = np.isfinite(values)
    below = np.convolve(known, np.ones(SMOOTH))[: len(values)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, _smooth(np.nan_to_num(values)) * SMOOTH / below, np.nan)


def _draw(axes: Axes, panel: _Panel, predicted: Sequence[Run], measured: Sequence[Run], clock: Clock) -> None:
    t = np.asarray(predicted[0].curves.t, float)
    told = np.stack([panel.of(run.curves) for run in predicted])
    known = np.isfinite(told).any(axis=0)
    low, middle, high = (np.full(len(t), np.nan) for _ in range(3))
    low[known], middle[known], high[known] = np.nanquantile(told[:, known], (0.05, 0.5, 0.95), axis=0)
    shape: Literal["post"] | None = "post" if panel.steps else None
    x, low = clock.cut(t, low)
    _, middle = clock.cut(t, middle)
    _, high = clock.cut(t, high)
    axes.fill_between(clock.at(x), low, high, color=BAND, alpha=0.25, linewidth=0, step=shape, zorder=1)
    drawn = "steps-post" if panel.steps else "default"
    axes.plot(
        clock.at(x), middle, color=BAND, linewidth=1.3, linestyle=(0, (4, 2)), drawstyle=drawn, zorder=3
    )
    most = float(np.nanmax(high, initial=0.0))
    for run in measured:
        x, y = clock.cut(np.asarray(run.curves.t, float), panel.of(run.curves))
        axes.plot(clock.at(x), y, color=LINE, linewidth=0.9, alpha=0.75, drawstyle=drawn, zorder=2)
        most = max(most, float(np.nanmax(y, initial=0.0)))
    top = most or 1.0
    axes.set_ylim(-0.04 * top, 1.08 * top)
    if "Share" in panel.title:
        axes.set_ylim(-0.04, 1.08)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=panel.steps))
