"""A comparison document as CSV and as Markdown: other writings of the same numbers, for other programs."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from reports.advice import advice
from reports.demands import demands
from reports.figures import HEADLINES
from reports.words import listed, plain, quantity, reason

Json = Any
NUMBERS = ("mean", "low", "high", "p5", "p50", "p95", "predict_low", "predict_high", "reached", "n")
COLUMNS = ("candidate", "bad", "strategy", "kind", "figure", "unit", *NUMBERS, "why")
VERDICTS = ("promoted", "rolled_back", "stuck", "out_of_time", "reported")


def to_csv(document: Mapping[str, Json]) -> str:
    """One line for each candidate, strategy and figure; the verdicts are figures with unit share.

    Text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in document["rows"]:
        bad = document["control"]["candidates"][row["candidate"]]["bad"]
        names = [row["candidate"], bad, row["strategy"], row["kind"]]
        for key, figure in _lines(row, len(document["seeds"])):
            why = "; ".join(f"{reason} {count}" for reason, count in figure.get("why", {}).items())
            numbers = [figure.get(column) for column in NUMBERS]
            table.writerow([_cell(value) for value in (*names, key, figure["unit"], *numbers, why)])
    return written.getvalue()


def _lines(row: Mapping[str, Json], seeds: int) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for key in VERDICTS:
        if key in row["verdicts"]:
            verdict = row["verdicts"][key]
            ends = {"low": verdict["low"], "high": verdict["high"]}
            yield key, {"unit": "share", "mean": verdict["share"], **ends, "reached": 1.0, "n": seeds}
    yield from sorted(row["figures"].items())


def _cell(value: object) -> object:
    """A number as it is, nothing for null; text so that no spreadsheet runs it."""
    if not isinstance(value, str):
        return "" if value is None else value
    runs = value.lstrip().startswith(("=", "+", "-", "@")) or value.startswith(("\t", "\r", "\n"))
    return f"'{value}" if runs else value


def to_markdown(document: Mapping[str, Json]) -> str:
    """A table of verdicts and headline figures for each candidate, mean ± half of the 95 % interval."""
    seeds = len(document["seeds"])
    parts = [f"# {inert(document['scenario']['name'])}", f"{seeds} seeds; mean ± half of its 95 % interval."]
    for candidate, arm in document["control"]["candidates"].items():
        rows = [row for row in document["rows"] if row["candidate"] == candidate]
        if rows:
            said = "bad" if arm["bad"] >= 0.5 else "good"
            parts += [f"## {inert(candidate)} ({said} in {_count(arm['bad'], said, seeds)})", _table(rows)]
    if document["problems"]:
        lines = [f"- {inert(p['strategy'])}: {inert(p['message'])}" for p in document["problems"]]
        parts += ["## Not compared", "\n".join(lines)]
    if (advised := advice(document)) is not None:
        lines = [f"- {head}: {inert(text)}" for head, text in advised.why]
        parts += [f"## Recommendation: {inert(advised.strategy)}", "\n".join(lines)]
    for kind in demands(document):
        lines = [
            f"- {one.result}: {inert(one.name)}: {inert(one.pair)}: {inert(one.text)}" for one in kind.told
        ]
        parts += [f"## {kind.heading}: {kind.counted}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _count(bad: float, said: str, seeds: int) -> str:
    return f"{round((bad if said == 'bad' else 1 - bad) * seeds)} of {seeds} seeds"


def _table(rows: list[Mapping[str, Json]]) -> str:
    keys = [key for key in HEADLINES if any(key in row["figures"] for row in rows)]
    heads = ["strategy", "ended", *(f"{key.removesuffix('_exact').replace('_', ' ')}" for key in keys)]
    lines = [heads, ["---", "---", *("---:" for _ in keys)]]
    for row in rows:
        figures = [_figure(row["figures"].get(key)) for key in keys]
        lines.append([inert(row["strategy"]), _endings(row["verdicts"]), *figures])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _endings(verdicts: Mapping[str, Json]) -> str:
    found = [
        f"{verdicts[key]['share']:.0%} {key.replace('_', ' ')}"
        for key in VERDICTS
        if verdicts.get(key, {}).get("share")
    ]
    return listed(found) if found else ""


def _figure(figure: Mapping[str, Json] | None) -> str:
    if not figure or figure["mean"] is None:
        return reason((figure or {}).get("why"))
    known = figure["low"] is not None and figure["high"] is not None
    half = (figure["high"] - figure["low"]) / 2 if known else None
    return inert(str(quantity(figure["mean"], figure["unit"], half)))


def inert(value: object) -> str:
    """Text on one line of a Markdown table, neither markup nor HTML."""
    text = plain(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\\", "\\\\")
    for mark in "|`*_[]#":
        text = text.replace(mark, f"\\{mark}")
    return text
