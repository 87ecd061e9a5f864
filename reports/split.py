"""A split that was checked, as a table, as JSON and as JUnit XML. Says what `split_words` says."""

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reports.digits import tidied
from reports.split_words import aim, assumed, by_chance, headline, percent, planned, remarks
from reports.words import plain, quantity, shortened
from scenarios.checked import Checked
from scenarios.judge import Share, Verdict

FORMAT = "rolloutlab.split/1"
STYLES = {Verdict.ACCURATE: "bold green", Verdict.INACCURATE: "bold red", Verdict.TOO_FEW: "bold yellow"}


def table(checked: Checked) -> RenderableType:
    """The result for a terminal."""
    verdict = checked.judgement.verdict or Verdict.TOO_FEW
    head = Text.assemble((verdict.value, STYLES[verdict]), ": ", headline(checked))
    return Group(head, Text(), _shares(checked), Text(), _pairs(checked))


def _shares(checked: Checked) -> Table:
    made = Table("version", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("claimed", "found", "interval (95 %)", "answers"):
        made.add_column(name, justify="right")
    for share in checked.judgement.shares:
        low, high = share.interval
        found = percent(share.hits / share.of) if share.of else "–"
        numbers = percent(share.expected), found, f"{percent(low)} – {percent(high)}"
        made.add_row(Text(shortened(plain(share.version), 40)), *numbers, f"{share.hits:,} of {share.of:,}")
    return made


def _pairs(checked: Checked) -> Table:
    made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, text in _lines(checked):
        made.add_row(name, Text(text))
    return made


def _lines(checked: Checked) -> Iterator[tuple[str, str]]:
    answers, seen = checked.answers, checked.seen
    yield "address", f"{plain(checked.url)} at {checked.ip}; version by {plain(checked.by)}"
    yield "planned", planned(checked.claim, checked.sending)
    connections = len(set(answers.connections.tolist()))
    yield (
        "answers",
        f"{answers.total:,} over {connections:,} connections in {quantity(seen.seconds, 's').value}",
    )
    yield "assumed", assumed(checked)
    yield from (("by chance", text) for text in by_chance(checked.claim, answers.total - answers.untold))
    yield from (("note", text) for text in remarks(checked))


def document(checked: Checked) -> dict[str, Any]:
    """All of it as plain JSON."""
    judgement, answers, claim = checked.judgement, checked.answers, checked.claim
    effect = judgement.shares[0].effect
    plan = {
        "requests": claim.requests,
        "textbook": claim.textbook,
        "seconds": claim.requests / checked.sending.rate,
        "rate": checked.sending.rate,
        "most": checked.sending.most,
    }
    counted = {
        "total": answers.total,
        "untold": answers.untold,
        "versions": answers.counts(),
        "why_untold": dict(checked.seen.untold),
        "failures": dict(checked.seen.failures),
        "redirects": dict(checked.seen.redirects),
        "repeated": checked.seen.repeated,
        "closed_by_server": checked.seen.closed,
        "connections": len(set(answers.connections.tolist())),
        "seconds": checked.seen.seconds,
    }
    made = {
        "format": FORMAT,
        "address": {"url": checked.url, "ip": checked.ip},
        "by": checked.by,
        "verdict": str(judgement.verdict),
        "said": headline(checked),
        "early": judgement.early,
        "stopped": checked.why,
        "needed": judgement.needed,
        "plan": plan | {"aim": aim(claim)},
        "answers": counted,
        "shares": [_share(share) for share in judgement.shares],
        "design_effect": {"value": effect.value, "seen_in": effect.basis.value, "clusters": effect.clusters},
        "assumed": assumed(checked),
        "by_chance": list(by_chance(claim, answers.total - answers.untold)),
        "remarks": list(remarks(checked)),
    }
    tidy: dict[str, Any] = tidied(made)
    return tidy


def _share(share: Share) -> dict[str, Any]:
    return {
        "version": share.version,
        "claimed": share.expected,
        "found": share.hits / share.of if share.of else None,
        "low": share.interval[0],
        "high": share.interval[1],
        "hits": share.hits,
        "of": share.of,
    }


def to_json(checked: Checked) -> str:
    """The document as text."""
    return json.dumps(document(checked), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def to_junit(checked: Checked) -> str:
    """One test case: inaccurate is a failure, too few an error, since nothing was shown."""
    verdict, said = checked.judgement.verdict, headline(checked)
    kind = {Verdict.INACCURATE: "failure", Verdict.TOO_FEW: "error"}.get(verdict or Verdict.TOO_FEW)
    counts = {"tests": "1", "failures": str(int(kind == "failure")), "errors": str(int(kind == "error"))}
    suites = ElementTree.Element("testsuites", {"name": "rolloutlab", **counts})
    suite = ElementTree.SubElement(
        suites, "testsuite", {"name": plain(checked.url), **counts, "skipped": "0"}
    )
    claimed = ", ".join(f"{plain(name)}={percent(share)}" for name, share in checked.claim.shares.items())
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": plain(checked.url), "name": f"split {claimed}"}
    )
    if kind:
        ElementTree.SubElement(case, kind, {"type": str(verdict), "message": said}).text = said
    else:
        ElementTree.SubElement(case, "system-out").text = said
    ElementTree.indent(suites)
    text: str = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
