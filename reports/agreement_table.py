"""What `agree` prints: an overview of all cells, then each cell's figures, predicted beside measured.

It shows what `agreement` found and decides nothing. Names are inert: no markup, no control characters.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from reports.agreement_words import RULE, SIGNS, CellWords, Line, causes, cells, counted, facts
from reports.formats import inert
from reports.nearness import SHIFT, Nearness
from reports.table import LINES
from reports.words import broken, plain

Json = Any
STYLES = {
    Nearness.AGREES: "green",
    Nearness.DIFFERS: "bold red",
    Nearness.TOO_FEW: "yellow",
    Nearness.NOT_OBSERVABLE: "dim",
}
WIDE = 104  # columns that the whole table needs
OVERVIEW = {
    "failed_requests": "requests\nfailed",
    "blast_requests": "blast\nradius",
    "users_harmed": "users\nharmed",
    "capacity_loss": "capacity\nlost",
    "worst_capacity": "worst\ncapacity",
    "extra_cost": "extra\npods",
    "rollback_time": "roll\nback",
    "recovery_time": "recover",
    "release_duration": "whole\nrelease",
    "latency_p99": "p99",
}


@dataclass(frozen=True, slots=True)
class AgreementTable:
    """An agreement as rich renders it."""

    title: str
    summary: str
    cells: tuple[CellWords, ...]
    below: tuple[tuple[str, str], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrow = options.max_width < WIDE
        yield Rule(Text(self.title, "bold"), align="left", characters="─", style="dim")
        keys = [key for key in OVERVIEW if any(cell.line(key) for cell in self.cells)]
        for part in (keys[:5], keys[5:]) if narrow else (keys,):
            yield _overview(self.cells, part)
        yield Text("   ").join(Text.assemble(_sign(one), f" {one}") for one in Nearness)
        yield Text(self.summary + "\n")
        for cell in self.cells:
            yield from _cell(cell, narrow)
        yield _pairs(self.below)


def table(document: Mapping[str, Json], command: str, page: Path | None) -> AgreementTable:
    """The agreement for a terminal; `command` reproduces it, `page` is where it was drawn."""
    below = [*facts(document), ("rule", RULE), ("again", plain(command))]
    if page is not None:
        below.append(("page", plain(page)))
    title = f"{plain(document['scenario']['name'])}: predicted and measured"
    return AgreementTable(title, counted(document), cells(document), tuple(below))


def _overview(found: tuple[CellWords, ...], shown: list[str]) -> Table:
    """A sign for each figure of each cell."""
    grid = Table(box=LINES, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), border_style="dim")
    grid.add_column("strategy", max_width=26, overflow="fold")
    grid.add_column("candidate", max_width=18, overflow="fold")
    grid.add_column(Text("ends\nalike", justify="center"), justify="center")
    for key in shown:
        grid.add_column(Text(OVERVIEW[key], justify="center"), justify="center")
    for cell in found:
        signs = [_sign(cell.ended_nearness), *(_of(cell.line(key)) for key in shown)]
        grid.add_row(Text("\n".join(broken(cell.strategy, 26)), "bold"), Text(cell.candidate), *signs)
    return grid


def _of(line: Line | None) -> Text:
    return Text("") if line is None else _sign(line.nearness)


def _sign(nearness: Nearness) -> Text:
    return Text(SIGNS[nearness], STYLES[nearness])


def _cell(cell: CellWords, narrow: bool) -> Iterator[RenderableType]:
    title = Text.assemble((cell.name, "bold"), (f"  {cell.counted}", "dim"))
    yield Rule(title, align="left", characters="─", style="dim")
    ended = Text.assemble(("ends  ", "dim"), cell.ended, "  ", _sign(cell.ended_nearness))
    yield ended.append(f" {cell.ended_nearness}", STYLES[cell.ended_nearness])
    yield _figures(cell, narrow)
    for text, labels in causes(cell):
        yield _pairs((("→", f"{text}: {labels}"),))
    yield Text()


def _figures(cell: CellWords, narrow: bool) -> Table:
    """One line for each figure; on a narrow screen its sign alone, and not what chance comes to."""
    grid = Table(box=LINES, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), border_style="dim")
    grid.add_column("figure", no_wrap=True)
    for head in ("predicted", "measured", "difference"):
        grid.add_column(Text(head, justify="right"), justify="right", no_wrap=True)
    for head in () if narrow else ("chance", f"finds {SHIFT:.0%}"):
        grid.add_column(Text(head, justify="right"), justify="right", no_wrap=True)
    grid.add_column("", overflow="fold")
    for line in cell.lines:
        said = Text(line.sign if narrow else f"{line.sign} {line.nearness}", STYLES[line.nearness])
        if line.why and not narrow and line.nearness is not Nearness.NOT_OBSERVABLE:
            said.append(f": {line.why}", "dim not bold")
        numbers = [line.predicted, line.measured, line.difference]
        numbers += [] if narrow else [line.chance, line.power]
        grid.add_row(line.label, *map(Text, numbers), said)
    return grid


def _pairs(pairs: tuple[tuple[str, str], ...]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for head, text in pairs:
        grid.add_row(Text(head), Text(text))
    return grid


# --- Markdown ----------------------------------------------------------------------------------------


def markdown(document: Mapping[str, Json]) -> str:
    """A table of all cells' figures, then the causes of what differs, then what it rests on."""
    heads = ("candidate", "strategy", "figure", "predicted", "measured", "difference", "chance", "said")
    rows = ["| " + " | ".join(heads) + " |", "|---|---|---|---:|---:|---:|---:|---|"]
    found, why = cells(document), []
    for cell in found:
        place = (cell.candidate, cell.strategy)
        rows.append(_row(*place, "how runs end", cell.ended, "", "", "", str(cell.ended_nearness)))
        for line in cell.lines:
            said = f"{line.nearness}: {line.why}" if line.why else str(line.nearness)
            rows.append(
                _row(*place, line.label, line.predicted, line.measured, line.difference, line.chance, said)
            )
        why += [f"- {inert(cell.name)}: {inert(text)}: {inert(labels)}" for text, labels in causes(cell)]
    parts = [f"# {inert(document['scenario']['name'])}: predicted and measured", counted(document)]
    parts += ["\n".join(rows), *(["\n".join(["What differs:", "", *why])] if why else [])]
    parts += ["\n".join(f"- {head}: {inert(text)}" for head, text in facts(document)), RULE]
    return "\n\n".join(parts) + "\n"


def _row(*values: str) -> str:
    return "| " + " | ".join(inert(value) for value in values) + " |"
