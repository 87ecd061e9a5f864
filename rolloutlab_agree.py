"""The command that lays live runs beside their prediction, `agree`; part of `rolloutlab_cli`.

Exit codes: 0 compared · 3 nothing has five conclusive repeats · 2 bad input.
"""

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from rolloutlab_terminal import bar, command_line, say

if TYPE_CHECKING:
    from reports.facets import Run
    from reports.repeats import Repeats
    from scenarios.overlay import Overlay
    from scenarios.record import Record
    from scenarios.scenario import Scenario

UNDECIDED = 3
FOLDER = "agreement"


class Output(StrEnum):
    """Formats on stdout."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def agree(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_FOLDER", help="Of live runs: runs/live/RUN, or a folder of such.")
    ],
    overlay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Predict with delays that `calibrate` measured before."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=32, max=10_000, help="Simulated runs of each strategy and candidate.")
    ] = 32,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=1024, help="How many processes; one more than cores unless said.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="What stdout gets.")] = Output.TABLE,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Folder for page and charts; RUN_FOLDER/agreement unless said."),
    ] = None,
) -> None:
    """Lay what was measured on a cluster beside what is predicted, figure by figure.

    Each figure agrees, differs, or has too few repeats to say; what differs is explained where something else
    that was measured differs too. The folder gets a page with both on one time axis, and agreement.json.

    Exit codes: 0 compared · 3 nothing has five conclusive repeats · 2 bad input.
    """
    from reports import agreement as documents
    from reports import agreement_page, agreement_table, repeats
    from reports.compare import dumps

    target = to or folder / FOLDER
    agreement_page.refuse_foreign(target)
    measured, known = repeats.read(folder), _overlay(overlay)
    if known is not None:
        repeats.refuse(known, measured)
        if (note := repeats.elsewhere(known, measured)) is not None:
            say(f"[bold]Note:[/bold] {escape(note)}")
    with bar("simulated seeds") as progress:
        predicted = predict(measured, seeds, known, jobs, progress)
    document = documents.agreement(measured, predicted, known)
    command = command_line()
    page = agreement_page.write(target, document, measured, predicted, command)
    match output:
        case Output.TABLE:
            Console().print(agreement_table.table(document, command, page))
        case Output.JSON:
            sys.stdout.write(dumps(document))
        case Output.MARKDOWN:
            sys.stdout.write(agreement_table.markdown(document))
    raise typer.Exit(0 if any(cell["repeats"] >= 5 for cell in document["cells"]) else UNDECIDED)


def predict(
    measured: "Repeats",
    seeds: int,
    overlay: "Overlay | None" = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> "dict[tuple[str, str], list[Run]]":
    """Simulated runs, seeds 0 … N − 1, of every strategy and candidate that was measured.

    They are of the very scenario that the live records hold, which is scaled already, with the overlay's
    delays in place of its own.
    """
    from sim.batch import Work, run_seeds

    cells = measured.cells
    work: Work[None, Run | None] = Work(
        _world(measured.scenario, overlay),
        tuple(dict.fromkeys(strategy for strategy, _ in cells)),
        tuple(dict.fromkeys(candidate for _, candidate in cells)),
        _no_arms,
        _kept,
    )
    found: dict[int, Mapping[tuple[str, str | None], Run | None]] = {}
    for seed, results in run_seeds(work, range(seeds), jobs):
        found[seed] = results
        progress(len(found), seeds)
    return {cell: [run for seed in range(seeds) if (run := found[seed][cell]) is not None] for cell in cells}


def _world(scenario: "Scenario", overlay: "Overlay | None") -> "Scenario":
    from scenarios.overlay import applied

    return scenario if overlay is None else applied(scenario, overlay)


def _no_arms(_stable: "Record", _own: "Record", _calm: Any) -> None:
    """A cluster knows no counterfactual, so the prediction is measured without one."""


def _kept(record: "Record", _arms: None) -> "Run | None":
    """What is kept of a run; nothing of an arm."""
    from reports.facets import run_of

    return None if record.outcome is None else run_of(record)


def _overlay(path: Path | None) -> "Overlay | None":
    from scenarios import overlay
    from scenarios.document import MAX_BYTES, decode
    from scenarios.errors import harmless

    if path is None:
        return None
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return overlay.loads(decode(data, harmless(str(path))), str(path))
