"""The page: one file that needs nothing else, in which every name is only text."""

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reports.page import page, write_report
from reports.recommend import PRICES
from scenarios.record import Record
from scenarios.scenario import Scenario

Document = Mapping[str, Any]
COMMAND = "rolloutlab compare quickstart --seeds 32 --set 'a=<&>'"
PROVENANCE = {"versions": {"numpy": "2.4"}, "command": ["rolloutlab", "compare"]}
KINDS = ("timeline", "trade-off", "spread")
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Outline(HTMLParser):
    """Tags, ids, references and text of a page; complains of tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id" and value:
                self.ids.append(value)
            if key in ("href", "xlink:href", "src"):
                self.targets.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    made_document: Document,
    made_records: Sequence[Record],
    made_scenario: Scenario,
    made_values: Document,
) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report(folder, made_document, made_records, made_scenario, COMMAND, PROVENANCE, made_values)


@pytest.fixture(scope="module")
def nasty(
    tmp_path_factory: pytest.TempPathFactory,
    nasty_document: Document,
    nasty_records: Sequence[Record],
    nasty_scenario: Scenario,
    nasty_values: Document,
) -> Path:
    folder = tmp_path_factory.mktemp("nasty")
    return write_report(
        folder,
        nasty_document,
        nasty_records,
        nasty_scenario,
        COMMAND,
        {"host": "</script>\u2028"},
        nasty_values,
    )


def test_it_needs_nothing_else(made: Path) -> None:
    text = made.read_text()
    outline = Outline(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(outline.tags)
    assert all(target.startswith("#") for target in outline.targets)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in text
    assert "url(http" not in text


def test_every_reference_has_its_target_and_ids_are_unique(made: Path) -> None:
    outline = Outline(made.read_text())
    assert {target[1:] for target in outline.targets} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_it_is_small(made: Path, nasty: Path) -> None:
    assert made.stat().st_size < 1_500_000
    assert nasty.stat().st_size < 1_500_000


def test_the_answer_comes_first(made: Path) -> None:
    words = " ".join(" ".join(Outline(made.read_text()).words).split())
    assert words.index("canary harms the fewest users (131 ± 12)") < words.index("Serving capacity, in pods")
    for said in ("canary-by-replicas", "no whole pod", "What was assumed", COMMAND, "numpy"):
        assert said in words


def test_every_chart_has_a_caption_in_words_and_the_bad_candidate_comes_first(made: Path) -> None:
    text = made.read_text()
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text, re.DOTALL)
    assert len(captions) == 6
    spreads = [caption for caption in captions if caption.startswith("Every seed")]
    assert "candidate errors" in spreads[0] and "candidate healthy" in spreads[1]
    assert "charts/spread-errors.png" in spreads[0]


def test_names_are_only_text(nasty: Path) -> None:
    text = nasty.read_text()
    outline = Outline(text)
    assert "script" not in outline.tags
    words = "".join(outline.words)
    assert "<script>alert(1)</script>" in words
    assert "{{ 7 * 7 }}" in words
    assert "滚动发布—每次一批" in words
    assert "\u2028" not in text


def test_the_folder_holds_the_charts_and_nothing_half_written(made: Path) -> None:
    files = sorted(p.relative_to(made.parent).as_posix() for p in made.parent.rglob("*") if p.is_file())
    stems = [f"charts/{kind}-{name}" for kind in KINDS for name in ("errors", "healthy")]
    assert files == sorted(["report.html", *(f"{stem}.{end}" for stem in stems for end in ("png", "svg"))])


def test_names_that_are_no_file_names_become_numbers(nasty: Path) -> None:
    assert {p.stem for p in (nasty.parent / "charts").iterdir()} == {
        f"{kind}-candidate-{number}" for kind in KINDS for number in (1, 2)
    }


def test_it_is_the_same_every_time(
    made: Path,
    tmp_path: Path,
    made_document: Document,
    made_records: Sequence[Record],
    made_scenario: Scenario,
    made_values: Document,
) -> None:
    again = write_report(
        tmp_path, made_document, made_records, made_scenario, COMMAND, PROVENANCE, made_values
    )
    assert again.read_bytes() == made.read_bytes()


def test_without_records_and_values_there_is_the_trade_off_alone(
    tmp_path: Path, made_document: Document, made_scenario: Scenario
) -> None:
    write_report(tmp_path, made_document, (), made_scenario, COMMAND, {})
    assert {p.stem for p in (tmp_path / "charts").iterdir()} == {"trade-off-errors", "trade-off-healthy"}


def test_a_folder_that_cannot_be_made_is_an_oserror(
    tmp_path: Path, made_document: Document, made_scenario: Scenario
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_report(tmp_path / "file" / "x", made_document, (), made_scenario, COMMAND, {})


def test_requirements_and_recommendation_stand_on_it_as_text(
    nasty_document: Document, nasty_scenario: Scenario
) -> None:
    name = "<img src=x onerror=alert(1)>\u202e"
    required = {
        "name": name,
        "strategy": name,
        "candidate": "c",
        "result": "broken",
        "message": "mean: 9 & more",
    }
    entry = {"strategy": name, "cost": 5.0, "low": None, "high": None, "parts": {}, "more": None}
    recommended = {
        "preferences": {**dict.fromkeys(PRICES, 1.0), "bad_releases": 0.1},
        "stated": [],
        "chance_used": True,
        "best": name,
        "alike": [],
        "strategies": [entry],
        "decided_by": None,
        "flips": [],
    }
    document = {**nasty_document, "requirements": [required], "recommendation": recommended}
    seen = Outline(page(document, {}, nasty_scenario, COMMAND, {}))
    words = "".join(seen.words)
    assert "img" not in seen.tags
    assert {"recommended", "required"} <= set(seen.ids)
    assert "Requirements: 1 broken" in words and "mean: 9 & more" in words
    assert "Recommendation: <img src=x onerror=alert(1)>\\u202e" in words
    without = Outline(page(nasty_document, {}, nasty_scenario, COMMAND, {}))
    assert not {"recommended", "required"} & set(without.ids)
