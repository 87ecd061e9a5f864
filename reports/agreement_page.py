"""The page of an agreement: predicted and measured, with a chart for each strategy and candidate.

One file that needs nothing else, beside its charts and the document. Whatever a scenario names is text there.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from reports import charts
from reports.agreement_table import OVERVIEW
from reports.agreement_words import RULE, SIGNS, causes, cells, counted, facts
from reports.compare import dumps
from reports.facets import Run
from reports.files import put
from reports.nearness import SHIFT
from reports.repeats import Repeats
from reports.svg import inline
from reports.template import environment
from reports.words import plain
from scenarios.decode import RecordError

PAGE, DOCUMENT, CHARTS = "agreement.html", "agreement.json", "charts"


def write(
    folder: Path,
    document: Mapping[str, Any],
    measured: Repeats,
    predicted: Mapping[tuple[str, str], Sequence[Run]],
    command: str,
) -> Path:
    """Write agreement.html, agreement.json and charts/*.png, *.svg; each whole or not at all, the page last.

    Returns the page's path. Raises OSError where the folder cannot be written, RecordError where it holds
    another agreement.html or .json than ours.
    """
    refuse_foreign(folder)
    put(folder / DOCUMENT, dumps(document).encode())
    pictures = []
    for at, (strategy, candidate) in enumerate(measured.cells):
        runs = [repeat.run for repeat in measured.of(strategy, candidate)]
        made = charts.drawn(charts.beside(predicted[strategy, candidate], runs, strategy, candidate))
        base = folder / CHARTS / f"predicted-and-measured-{at + 1}"
        put(base.with_suffix(".png"), made.png)
        put(base.with_suffix(".svg"), made.svg.encode())
        cell = f"{plain(strategy)} with {plain(candidate)}"
        says = f"Failures, the candidate's share and capacity over time, {cell}"
        pictures.append(inline(made.svg, f"c{at}", says))
    path = folder / PAGE
    put(path, page(document, pictures, command).encode())
    return path


def refuse_foreign(folder: Path) -> None:
    """Only what this module has written is replaced; RecordError for anything else."""
    if folder.exists() and not folder.is_dir():
        raise RecordError(f"{folder}: is a file, expected a folder")
    if (folder / PAGE).exists() and not (folder / DOCUMENT).exists():
        raise RecordError(f"{folder}: holds {PAGE} of something else; choose another folder")


def page(document: Mapping[str, Any], pictures: Sequence[Any], command: str) -> str:
    """The whole page as text; `pictures` as the document's cells."""
    found = cells(document)
    return _template().render(
        name=plain(document["scenario"]["name"]),
        seeds=document["seeds"],
        counted=counted(document),
        cells=list(zip(found, [causes(cell) for cell in found], pictures, strict=True)),
        overview={key: head.replace("\n", " ") for key, head in OVERVIEW.items()},
        facts=list(facts(document)),
        rule=RULE,
        shift=f"{SHIFT:.0%}",
        signs=SIGNS,
        command=plain(command),
    )


@cache
def _template() -> jinja2.Template:
    return environment().get_template("agreement.html.j2")
