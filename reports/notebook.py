"""A comparison as a notebook shows it: a compact table that loads nothing and runs nothing; or one line."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from reports.advice import advice
from reports.columns import COLUMNS
from reports.demands import demands
from reports.findings import Mark, blocks
from reports.template import environment
from reports.words import listed, plain
from scenarios.scenario import Scenario


def html(document: Mapping[str, Any], scenario: Scenario) -> str:
    """A fragment of HTML; every name in it is text."""
    return _template().render(
        name=plain(document["scenario"]["name"]),
        seeds=len(document["seeds"]),
        blocks=blocks(document, scenario),
        columns=COLUMNS,
        advice=advice(document),
        demands=demands(document),
        problems=[(plain(p["strategy"]), plain(p["message"])) for p in document["problems"]],
    )


def summary(document: Mapping[str, Any]) -> str:
    """One line: what was compared, over how many seeds."""
    strategies, candidates = (
        listed([plain(name) for name in dict.fromkeys(row[key] for row in document["rows"])])
        for key in ("strategy", "candidate")
    )
    seeds = len(document["seeds"])
    many = "1 seed" if seeds == 1 else f"{seeds:,} seeds"
    compared = f"{strategies or 'nothing'} with {candidates or 'no candidate'}"
    found = "".join(f"; {kind.heading.lower()}: {kind.counted}" for kind in demands(document))
    return f"<Comparison of {plain(document['scenario']['name'])}: {compared}, {many}{found}>"


@cache
def _template() -> jinja2.Template:
    shown = environment()
    shown.globals["Mark"] = Mark
    return shown.get_template("notebook.html.j2")
