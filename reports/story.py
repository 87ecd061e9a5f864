"""One trial told: what was done and decided when, how it ended, and its figures; for people or as JSON."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from reports import expect as expectations
from reports.compare import dumps as canonical
from reports.figures import FIGURES, HEADLINES, Measured, Missing, Value
from reports.weights import Accuracy, Weighing, weighing
from reports.words import Written, plain, quantity, reason
from scenarios.record import Record
from scenarios.release import Kind
from scenarios.scenario import Scenario

FORMAT = "rolloutlab.trial/1"
_STYLES = {Kind.DECIDED: "bold", Kind.SETTLED: "bold"} | dict.fromkeys(
    (Kind.GUARD, Kind.PAGE, Kind.STUCK), "red"
)
_ENDINGS = {
    "promoted": "promoted: the candidate has taken over",
    "rolled_back": "rolled back: stable serves everyone again",
    "stuck": "stuck: it waits for what does not come",
    "out_of_time": "out of time: still under way at the horizon",
    "reported": "reported: it has seen what it wanted; stable serves everyone as before",
}


class Story:
    """What `run` prints: events on a time axis, the outcome, the figures."""

    def __init__(self, record: Record, measured: Measured, path: str) -> None:
        self.record, self.measured, self.path = record, measured, path
        self.weighed = weighing(record) if record.outcome is not None else None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        trial = self.record.trial
        names = " · ".join(
            plain(n) for n in (trial.scenario.name, trial.strategy, trial.candidate or "stable")
        )
        yield Rule(Text(f"{names} · seed {trial.seed}", "bold"), align="left", characters="─", style="dim")
        yield self._events()
        yield Padding(self._outcome(), (1, 0))
        yield from self._expected()
        if self.weighed is not None and self.weighed.requests:
            yield Padding(Text(f"weight  {_weight(self.weighed)}"), (0, 0, 1, 0))
        yield self._figures()
        yield Padding(Text(f"record  {plain(self.path)}"), (1, 0, 0, 0))

    def _events(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right")
        for event in self.record.events:
            style = _STYLES.get(event.kind, "")
            grid.add_row(f"{event.t:.2f} s", Text(str(event.kind), style), Text(plain(event.text), style))
        return grid

    def _outcome(self) -> Text:
        outcome = self.record.outcome
        if outcome is None:
            return Text("a control arm: no release")
        text = Text(_ENDINGS[outcome.verdict], "bold")
        if outcome.reason:
            text.append(f" ({plain(outcome.reason)})", "not bold")
        bad = {True: "bad", False: "good", None: "not judged"}[self.measured.bad]
        return text.append(f"; by its arm the candidate is {bad}", "not bold")

    def _expected(self) -> Iterator[Padding]:
        """What was expected, and what came back."""
        expect = self.record.trial.scenario.expect
        found = [expectations.alone(expect[probed.name], probed) for probed in self.record.expected]
        if not found:
            return
        grid = Table.grid(padding=(0, 2))
        for one in found:
            grid.add_row(Text(one.name, "bold"), str(one.result), Text(f"{one.pair}: {one.text}"))
        yield Padding(grid, (0, 0, 1, 0))

    def _figures(self) -> Group:
        return Group(*self._blocks())

    def _blocks(self) -> Iterator[Table]:
        for keys in (HEADLINES, tuple(k for k in FIGURES if k not in HEADLINES)):
            grid = Table.grid(padding=(0, 2))
            grid.add_column(style="bold" if keys is HEADLINES else "")
            grid.add_column(justify="right")
            grid.add_column(style="dim")
            for key in keys:
                value, unit = _shown(self.measured.figures[key], FIGURES[key].unit)
                grid.add_row(key.replace("_", " "), value, unit)
            yield grid


def _weight(weighed: Weighing) -> str:
    """Whether the split was what it should be, with its numbers."""
    low, high = weighed.interval()
    needed = f"; {weighed.needed:,} would tell" if weighed.accuracy is Accuracy.TOO_FEW else ""
    return (
        f"{weighed.accuracy}: {_percent(weighed.candidate / weighed.requests)} % of {weighed.requests:,} "
        f"requests (each try counts) reached the candidate, {_percent(weighed.intended)} % were meant to; "
        f"off by {_percent(low, '+')} to {_percent(high, '+')} points with 95 % confidence, "
        f"{_percent(weighed.tolerance)} allowed{needed}"
    )


def _percent(share: float, sign: str = "") -> str:
    return f"{100 * share:{sign}.2f}".replace("-", "−")


def _shown(figure: Value | Missing, unit: str) -> tuple[str, str]:
    if isinstance(figure, Missing):
        return reason(figure.why), ""
    written: Written = quantity(figure.value, unit)
    return written.value, unit if unit == "pod-seconds" else ""


def _weight_document(record: Record) -> dict[str, Any] | None:
    weighed = weighing(record) if record.outcome is not None else None
    if weighed is None or not weighed.requests:
        return None
    low, high = weighed.interval()
    return {
        "accuracy": str(weighed.accuracy),
        "candidate": weighed.candidate,
        "requests": weighed.requests,
        "intended": weighed.intended,
        "low": low,
        "high": high,
        "tolerance": weighed.tolerance,
        "design_effect": weighed.design_effect,
        "needed": weighed.needed,
    }


def story(record: Record, measured: Measured, path: str) -> Story:
    """The trial for a terminal; `path` is where its record was written."""
    return Story(record, measured, path)


def as_document(record: Record, measured: Measured) -> dict[str, Any]:
    """The trial as data; figures are values, or why there is none."""
    trial, outcome = record.trial, record.outcome
    scenario: Scenario = trial.scenario
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "strategy": trial.strategy,
        "candidate": trial.candidate,
        "seed": trial.seed,
        "bad": measured.bad,
        "outcome": None
        if outcome is None
        else {
            "verdict": str(outcome.verdict),
            "decided_at": outcome.decided_at,
            "settled_at": outcome.settled_at,
            "stage": outcome.stage,
            "reason": outcome.reason,
        },
        "expectations": [
            {"name": p.name, "t": p.t, "fit": p.counts.fit, "of": p.counts.of, "by": dict(p.counts.by)}
            for p in record.expected
        ],
        "weight": _weight_document(record),
        "events": [{"t": e.t, "kind": str(e.kind), "text": e.text} for e in record.events],
        "figures": {
            key: {"unit": FIGURES[key].unit, "value": None, "why": figure.why}
            if isinstance(figure, Missing)
            else {"unit": FIGURES[key].unit, "value": figure.value}
            for key, figure in measured.figures.items()
        },
    }


def dumps(record: Record, measured: Measured) -> str:
    """The trial as JSON."""
    return canonical(as_document(record, measured))
