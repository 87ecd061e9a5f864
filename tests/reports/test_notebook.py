"""A comparison in a notebook: a table that loads nothing, in which every name is only text."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from reports.notebook import html, summary
from scenarios.scenario import Scenario

Document = Mapping[str, Any]
ALLOWED = {"div", "p", "b", "bdi", "br", "table", "thead", "tbody", "tr", "th", "td"}
REQUIREMENT = {"strategy": "canary", "candidate": "errors", "result": "broken", "message": "mean of flips: 9"}


class Outline(HTMLParser):
    """Tags and words of a fragment; complains of tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_it_shows_every_strategy_with_its_figures(made_document: Document, made_scenario: Scenario) -> None:
    seen = Outline(html(made_document, made_scenario))
    for word in ("quickstart", "32 seeds", "canary", "blue-green", "131 ± 12", "best", "Not compared"):
        assert word in seen.words
    assert len(html(made_document, made_scenario)) < 20_000


def test_hostile_names_are_text_and_nothing_is_loaded(
    nasty_document: Document, nasty_scenario: Scenario
) -> None:
    required = [{**REQUIREMENT, "name": "<img src=x onerror=alert(1)>\u202e"}]
    text = html({**nasty_document, "requirements": required}, nasty_scenario)
    seen = Outline(text)
    assert seen.tags <= ALLOWED
    assert seen.attributes <= {"style", "scope"}
    assert "<script>alert(1)</script>" in seen.words
    assert "<img src=x onerror=alert(1)>\\u202e" in seen.words
    assert "{{ 7 * 7 }}" in seen.words


def test_one_line_says_what_was_compared(made_document: Document, nasty_document: Document) -> None:
    assert summary(made_document) == (
        "<Comparison of quickstart: recreate, rolling, blue-green, halves and canary with errors and "
        "healthy, 32 seeds>"
    )
    required = {**made_document, "requirements": [{**REQUIREMENT, "name": "a"}]}
    assert summary(required).endswith("32 seeds; requirements: 1 broken>")
    assert summary(nasty_document).isprintable()
