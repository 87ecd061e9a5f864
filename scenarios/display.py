"""A record as a notebook shows it: its trial, how it ended, and what happened when. Every text is escaped."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from scenarios.errors import harmless

if TYPE_CHECKING:
    from scenarios.record import Record

MOST_EVENTS = 40


def html(record: "Record") -> str:
    """A fragment of HTML that loads nothing and runs nothing."""
    names = (record.trial.scenario.name, record.trial.strategy, record.trial.candidate or "stable")
    title = " · ".join(_text(name) for name in (*names, f"seed {record.trial.seed}"))
    outcome = record.outcome
    if outcome is None:
        ended = "a control arm: no release"
    else:
        reason = f" ({_text(outcome.reason)})" if outcome.reason else ""
        ended = f"{_text(outcome.verdict.replace('_', ' '))}{reason}"
    rows = [(f"{e.t:.2f} s", _text(e.kind), _text(e.text)) for e in record.events[:MOST_EVENTS]]
    more = len(record.events) - len(rows)
    left = f"<p>… and {more} more events</p>" if more else ""
    return f"<div><p><b>{title}</b>: {ended}</p>{_table(rows) if rows else ''}{left}</div>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    cell = '<td style="text-align:left">{}</td>'
    lines = ("".join(cell.format(text) for text in row) for row in rows)
    return f"<table><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"


def _text(text: str) -> str:
    return f"<bdi>{escape(harmless(text))}</bdi>"
