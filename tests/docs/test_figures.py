"""Every figure and every kind of strategy has its page, and is defined once."""

import re
from collections import Counter
from pathlib import Path

from scenarios.figure import FIGURES
from scenarios.release import Verdict
from scenarios.strategies import KINDS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "figures").glob("*.md"))


def defined() -> list[tuple[str, str]]:
    """The keys of the table with which each page of a figure begins, and their unit."""
    rows = []
    for page in PAGES:
        table = page.read_text(encoding="utf-8").partition("\n\n")[2].partition("\n\n")[0]
        for line in table.splitlines()[2:]:
            keys, unit = line.split(" | ")[:2]
            rows += [(key, unit.strip()) for key in re.findall(r"`([^`]+)`", keys)]
    return rows


def test_every_figure_is_defined_once_with_its_unit() -> None:
    units = {key: definition.unit for key, definition in FIGURES.items()}
    verdicts = {str(verdict): "share" for verdict in Verdict}
    assert Counter(defined()) == Counter((units | verdicts).items())


def test_pages_of_figures_have_all_their_parts() -> None:
    for page in PAGES:
        headings = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["How to read it", "An example", "Pitfalls"], page.name
        assert "```python" in page.read_text(encoding="utf-8"), page.name


def test_every_kind_of_strategy_has_a_page_with_its_plan_and_its_end() -> None:
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (DOCS / "strategies").glob("*.md")}
    assert set(pages) == set(KINDS)
    for kind, text in pages.items():
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings == [
            "By hand", "The plan", "What comes of it", "When", "Keys", "Routers", "Traps"
        ], kind  # fmt: skip
        assert f"{kind}:" in text
        assert "$ rolloutlab explain" in text
        assert "$ rolloutlab run" in text
