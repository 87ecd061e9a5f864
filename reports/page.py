"""The report as one page of HTML that needs nothing else, and the folder it lies in with its charts.

Reads the comparison document and a few records; runs nothing. Whatever a scenario names is text on the page.
"""

import json
import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports import charts
from reports.advice import advice
from reports.assumed import assumptions
from reports.columns import COLUMNS
from reports.demands import demands
from reports.files import put
from reports.findings import Block, Document, Mark, blocks, is_bad, shown
from reports.svg import inline
from reports.template import environment
from reports.words import Written, plain, quantity, share
from scenarios.record import Record
from scenarios.scenario import Scenario

CHARTS = "charts"
PAGE = "report.html"


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart: the stem of its files, what it shows in words, and its SVG ready to stand in a page."""

    stem: str
    says: str
    svg: Markup


def write_report(
    folder: str | Path,
    document: Document,
    records: Sequence[Record],
    scenario: Scenario,
    command: str,
    provenance: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
) -> Path:
    """Write `report.html` and `charts/*.png, *.svg` into the folder and return the page's path.

    `records` are one seed's; candidates without a record get no timeline. `values` are every seed's
    (`reports.spread`); without them there is no chart of how runs differ. Each file is written whole or not
    at all, the page last. Raises OSError where the folder cannot be written.
    """
    write_timelines(folder, records)
    return write_page(folder, document, scenario, command, provenance, values)


def write_timelines(folder: str | Path, records: Sequence[Record]) -> None:
    """Draw what happened over time, a chart for each candidate: the part of a report that needs records."""
    variants = list(records[0].trial.scenario.variants) if records else []
    for at, candidate in enumerate(variants):
        if any(r.trial.candidate == candidate and r.outcome is not None for r in records):
            _write(
                _chart(folder, "timeline", at, candidate), charts.drawn(charts.timeline(records, candidate))
            )
    _template()  # read and compiled while there is time


def write_page(
    folder: str | Path,
    document: Document,
    scenario: Scenario,
    command: str,
    provenance: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
) -> Path:
    """Draw what document and values show; put it and the timelines that are there into the page."""
    compared = {row["candidate"] for row in document["rows"]}
    places = [(at, c) for at, c in enumerate(scenario.variants) if c in compared]
    _side_by_side([partial(_draw, folder, document, values, at, c) for at, c in places])
    pictures: dict[str, list[Picture]] = {}
    for at, candidate in enumerate(scenario.variants):
        kinds = [kind for kind in _SAYS if _svg(_chart(folder, kind, at, candidate)).is_file()]
        pictures[candidate] = [_picture(folder, kind, at, candidate) for kind in kinds]
    path = Path(folder) / PAGE
    put(path, page(document, pictures, scenario, command, provenance).encode())
    return path


def page(
    document: Document,
    pictures: Mapping[str, Sequence[Picture]],
    scenario: Scenario,
    command: str,
    provenance: Mapping[str, Any],
) -> str:
    """The whole page as text; `pictures` by candidate."""
    return _template().render(
        scenario=scenario,
        document=document,
        blocks=blocks(document, scenario),
        pictures={plain(name): made for name, made in pictures.items()},
        advice=advice(document),
        demands=demands(document),
        columns=COLUMNS,
        assumed=assumptions(scenario, document),
        world=json.dumps(scenario.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False),
        command=command,
        provenance=sorted(_flat(provenance)),
        seeds=len(document["seeds"]),
    )


def _draw(
    folder: str | Path, document: Document, values: Mapping[str, Any] | None, at: int, candidate: str
) -> None:
    """One candidate's charts of the whole comparison."""
    drawn = charts.drawn(charts.trade_off(document, candidate))
    _write(_chart(folder, "trade-off", at, candidate), drawn)
    if values is not None and any(row["candidate"] == candidate for row in values["rows"]):
        drawn = charts.drawn(charts.spread(values, candidate, is_bad(document, candidate)))
        _write(_chart(folder, "spread", at, candidate), drawn)


def _side_by_side(tasks: Sequence[Callable[[], None]]) -> None:
    """Do them all, each but the first in a process forked for it where that can be done."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        for task in tasks:
            task()
        return
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=task) for task in tasks[1:]]
    for other in others:
        other.start()
    for task in tasks[:1]:
        task()
    for other in others:
        other.join()
        if other.exitcode != 0:
            raise OSError("a chart could not be written")


_SAYS = {
    "timeline": "Capacity, requests to the candidate, failures and latency over time, candidate {}",
    "spread": "Every seed's value of each headline figure, with median and 5 to 95 %, candidate {}",
    "trade-off": "Users harmed, extra pods and duration of each strategy, candidate {}",
}


def _chart(folder: str | Path, kind: str, at: int, candidate: str) -> Path:
    """Where a candidate's chart lies, without a suffix."""
    return Path(folder) / CHARTS / f"{kind}-{_stem(candidate, at)}"


def _svg(path: Path) -> Path:
    return path.with_name(f"{path.name}.svg")


def _write(path: Path, drawn: charts.Drawn) -> None:
    # the stem may hold dots of its own, so suffixes are added and not replaced
    put(path.with_name(f"{path.name}.png"), drawn.png)
    put(_svg(path), drawn.svg.encode())


def _picture(folder: str | Path, kind: str, at: int, candidate: str) -> Picture:
    path, says = _chart(folder, kind, at, candidate), plain(_SAYS[kind].format(candidate))
    svg = _svg(path).read_text(encoding="utf-8")
    return Picture(path.name, says, inline(svg, f"{kind[:2]}{at}", says))


def _stem(candidate: str, at: int) -> str:
    """A file name for a candidate: its own where that is safe on every system, its number otherwise."""
    safe = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", candidate) and not candidate.endswith(".")
    return candidate.lower() if safe else f"candidate-{at + 1}"


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Nested values as pairs of a dotted name and text."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            pairs.append((plain(name), plain(" ".join(str(v) for v in value))))
        else:
            pairs.append((plain(name), plain(value)))
    return pairs


def _plain_lines(text: str) -> str:
    return "\n".join(plain(line) for line in text.split("\n"))


def _width(part: float) -> Markup:
    return Markup(f"{max(0.0, min(1.0, part)) * 100:.2f}%")


def _ends(figure: Mapping[str, Any], low: str, high: str) -> str:
    """An interval of a figure as text; empty where it has none."""
    if figure.get(low) is None or figure.get(high) is None:
        return ""
    unit = figure.get("unit", "")
    return f"{quantity(figure[low], unit)} to {quantity(figure[high], unit)}"


def _alone(figure: Mapping[str, Any], key: str) -> str:
    value = figure.get(key)
    return "" if value is None else str(quantity(value, figure.get("unit", "")))


def _mean(figure: Mapping[str, Any]) -> Written:
    cell = shown(figure)
    return Written(cell.why) if cell.value is None else cell.written


def _tied(block: Block) -> list[tuple[str, list[str], list[str]]]:
    """Per headline figure: who is best or within chance of it, and who is worse."""
    said = []
    for at, column in enumerate(COLUMNS):
        good = [r.strategy for r in block.rows if r.cells[at].mark in (Mark.BEST, Mark.TIED)]
        worse = [r.strategy for r in block.rows if r.cells[at].mark is Mark.WORSE]
        if good and worse:
            said.append((column.head, good, worse))
    return said


@cache
def _template() -> jinja2.Template:
    shown = environment()
    shown.filters.update(
        plain=plain,
        plain_lines=_plain_lines,
        width=_width,
        share=share,
        ends=_ends,
        alone=_alone,
        mean=_mean,
        tied=_tied,
    )
    shown.globals["Mark"] = Mark
    return shown.get_template("report.html.j2")
