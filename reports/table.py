"""The table that `compare` prints: what each strategy costs, per candidate, in 120 columns or fewer.

It shows what `findings` found and decides nothing itself. Names are inert: no markup, no control characters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from reports.advice import Advice, advice
from reports.assumed import assumptions
from reports.columns import (
    COLUMNS,
    COST,
    DETECT,
    DURATION,
    LOSS,
    RECOVERY,
    REQUESTS,
    ROLLBACK,
    USERS,
    WORST,
    Column,
)
from reports.demands import Demands, demands
from reports.findings import VERDICTS, Block, Cell, Document, Mark, Row, blocks
from reports.require import Told
from reports.words import broken, plain
from scenarios.result import Result
from scenarios.scenario import Scenario

LINES = box.Box("    \n    \n ── \n    \n ┈┈ \n    \n    \n    \n")
SIGNS = {Result.MET: ("✓", "green"), Result.BROKEN: ("✗", "bold red"), Result.UNDECIDED: ("?", "yellow")}
WIDE = 118  # columns that the whole table needs
HEADS = {
    REQUESTS: "requests\nfailed",
    USERS: "users\nharmed",
    LOSS: "capacity\nlost\n(pod-s)",
    WORST: "worst\ncapacity",
    DETECT: "time to\ndetect",
    ROLLBACK: "roll\nback",
    RECOVERY: "recover",
    DURATION: "whole\nrelease",
    COST: "extra\npods\n(pod-s)",
}


@dataclass(frozen=True, slots=True)
class ComparisonTable:
    """A comparison as rich renders it, in one table per candidate or, on a narrow screen, in two."""

    blocks: tuple[Block, ...]
    advice: Advice | None
    demands: tuple[Demands, ...]
    below: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts: Sequence[Sequence[Column]] = (COLUMNS,)
        if options.max_width < WIDE:
            parts = (COLUMNS[:4], COLUMNS[4:])
        for block in self.blocks:
            yield from _block(block, parts)
        if self.problems:
            yield Text("Not compared", style="bold")
            yield _pairs(self.problems)
            yield Text()
        if self.advice is not None:
            yield Text(f"Recommendation: {self.advice.strategy}", style="bold")
            yield _pairs(self.advice.why)
            yield Text()
        for kind in self.demands:
            yield Text(f"{kind.heading}: {kind.counted}", style="bold")
            yield _demanded(kind.told)
            yield Text()
        yield _pairs(self.below)


def table(
    document: Document, scenario: Scenario, command: str, report_path: str | Path | None
) -> ComparisonTable:
    """The comparison for a terminal; `command` reproduces it, the report was written to `report_path`."""
    below = [*assumptions(scenario, document), ("again", plain(command))]
    if report_path is not None:
        below.append(("report", plain(report_path)))
    problems = tuple((plain(p["strategy"]), plain(p["message"])) for p in document["problems"])
    return ComparisonTable(
        blocks(document, scenario),
        advice(document),
        demands(document),
        tuple(below),
        problems,
    )


def _block(block: Block, parts: Sequence[Sequence[Column]]) -> Iterator[RenderableType]:
    word = block.word.upper()
    style = {"BAD": "bold red", "GOOD": "bold green"}.get(word, "bold yellow")
    title = Text.assemble(("Candidate ", "bold"), (block.candidate, "bold"), (" is "), (word, style))
    yield Rule(title, align="left", characters="─", style="dim")
    yield Text(block.standing, style="dim")
    for columns in parts:
        yield _table(block, columns, verdicts=columns[0] is COLUMNS[0])
    for sentence in block.conclusions:
        yield _pairs((("→", sentence),))
    yield Text()


def _table(block: Block, columns: Sequence[Column], verdicts: bool) -> Table:
    grid = Table(
        box=LINES, show_lines=True, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), border_style="dim"
    )
    grid.add_column(Text("strategy"), overflow="fold", max_width=17, min_width=8, ratio=None, vertical="top")
    if verdicts:
        grid.add_column(Text("it ends"), overflow="fold", min_width=13, no_wrap=True)
    for column in columns:
        grid.add_column(Text(HEADS[column], justify="right"), justify="right", min_width=8, overflow="fold")
    for row in block.rows:
        ends = [_endings(row, block.seeds)] if verdicts else []
        grid.add_row(
            Text("\n".join(broken(row.strategy, 13)), style="bold"),
            *ends,
            *(_cell(row.cell(column)) for column in columns),
        )
    return grid


def _endings(row: Row, seeds: int) -> Text:
    text = Text()
    for ending in row.endings:
        sign, style = {True: ("✓ ", "green"), False: ("✗ ", "bold red"), None: ("– ", "yellow")}[ending.right]
        text.append("\n" if text else "")
        text.append(sign + VERDICTS[ending.verdict], style=style)
        text.append(f"\n  {round(ending.share * seeds):,} of {seeds:,}", style="dim")
    return text


def _cell(cell: Cell) -> Text:
    if cell.value is None:
        return Text(cell.why.replace(" ", "\n", 1), style="dim", justify="right")
    best = cell.mark is Mark.BEST
    text = Text(cell.written.value, style="bold" if best else "", justify="right")
    if cell.written.half:
        text.append(f"\n{cell.written.half}", style="not bold dim")
    if cell.reached < 1:
        text.append(f"\nin {round(cell.reached * 100)} %", style="not bold yellow")
    if cell.mark in (Mark.BEST, Mark.TIED):
        text.append(f"\n{cell.mark}", style="bold green" if best else "not bold green")
    return text


def _demanded(found: Sequence[Told]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(max_width=32, overflow="fold")
    grid.add_column(overflow="fold")
    for one in found:
        sign, style = SIGNS[one.result]
        grid.add_row(Text(sign, style), Text(one.name, style), Text(f"{one.result}: {one.pair}: {one.text}"))
    return grid


def _pairs(pairs: Sequence[tuple[str, str]]) -> Group:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True, max_width=24, overflow="ellipsis")
    grid.add_column(overflow="fold")
    for head, text in pairs:
        grid.add_row(Text(head), Text(text))
    return Group(grid)
