"""The table that `compare` prints: fits, speaks plainly, says what is best and why something is missing."""

import copy
import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.table import table
from scenarios.scenario import Scenario

Document = Mapping[str, Any]
COMMAND = "rolloutlab compare quickstart --seeds 32"


def printed(document: Document, scenario: Scenario, width: int = 120) -> list[str]:
    """The lines of the table on a terminal without colours."""
    console = Console(no_color=True, width=width, file=io.StringIO(), legacy_windows=False)
    console.print(table(document, scenario, COMMAND, "runs/quickstart/report.html"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def row_of(lines: list[str], name: str) -> list[str]:
    """The lines of a strategy's first row."""
    start = next(i for i, line in enumerate(lines) if line.startswith(name + " "))
    end = next((i for i in range(start, len(lines)) if lines[i].startswith(("┈", "→"))), len(lines))
    return lines[start:end]


@pytest.mark.parametrize("width", [120, 100, 80])
def test_it_fits_the_screen(made_document: Document, made_scenario: Scenario, width: int) -> None:
    assert max(cell_len(line) for line in printed(made_document, made_scenario, width)) <= width


@pytest.mark.parametrize("width", [120, 80])
def test_long_wide_and_marked_up_names_fit_too(
    nasty_document: Document, nasty_scenario: Scenario, width: int
) -> None:
    lines = printed(nasty_document, nasty_scenario, width)
    assert max(cell_len(line) for line in lines) <= width
    assert "滚动发布" in "\n".join(lines)
    assert "[red]rm" in "\n".join(lines)


def test_bad_candidates_come_first_and_are_called_bad(
    made_document: Document, made_scenario: Scenario
) -> None:
    text = "\n".join(printed(made_document, made_scenario))
    assert 0 <= text.index("errors is BAD") < text.index("healthy is GOOD")
    assert "misses the objective (99.9 % of requests answered, the default) in every seed" in text


def test_best_is_a_word_and_what_is_within_chance_of_it_too(
    made_document: Document, made_scenario: Scenario
) -> None:
    lines = printed(made_document, made_scenario)
    assert "\n".join(row_of(lines, "canary")).count("best") == 3  # requests, users, and recovery by chance
    assert "≈ best" in "\n".join(row_of(lines, "halves"))
    assert "best" not in "\n".join(row_of(lines, "rolling"))


def test_promoting_a_bad_one_is_never_the_best_release(
    made_document: Document, made_scenario: Scenario
) -> None:
    row = row_of(printed(made_document, made_scenario), "recreate")
    assert "✗ promoted" in row[0]
    assert "best" not in "\n".join(row)  # neither its 21 s nor its price are praised


def test_a_missing_figure_says_why(made_document: Document, made_scenario: Scenario) -> None:
    first = row_of(printed(made_document, made_scenario), "recreate")[0]
    assert first.count("never") == 2
    assert "n/a" in first


def test_a_figure_not_always_reached_says_at_least_and_how_often(
    made_document: Document, made_scenario: Scenario
) -> None:
    document = copy.deepcopy(dict(made_document))
    row = next(r for r in document["rows"] if (r["strategy"], r["candidate"]) == ("rolling", "errors"))
    row["figures"]["recovery_time"] |= {"reached": 0.5, "why": {"not reached": 16}}
    text = "\n".join(row_of(printed(document, made_scenario), "rolling"))
    assert "≥ 44 s" in text
    assert "50 %" in text


def test_the_conclusions_name_the_safest_and_its_price(
    made_document: Document, made_scenario: Scenario
) -> None:
    text = " ".join(line.strip() for line in printed(made_document, made_scenario))
    assert "recreate (in every seed) and canary (in 1 of 32 seeds) promote it although it is bad." in text
    assert "canary harms the fewest users (131 ± 12); recreate harms the most (8,760 ± 60)." in text
    assert "The price of canary: 148 extra pod-seconds" in text
    assert "recreate (1,480 ± 40) fails requests by the release alone" in text


def test_below_stand_the_assumptions_the_command_and_the_report(
    made_document: Document, made_scenario: Scenario
) -> None:
    text = "\n".join(printed(made_document, made_scenario))
    for said in (
        "10 pods",
        "200/s",
        "10,000 users",
        "32 seeds",
        "15m",
        COMMAND,
        "report.html",
        "at most stable's + 1%",
    ):
        assert said in text


def test_what_could_not_be_compared_is_told(made_document: Document, made_scenario: Scenario) -> None:
    lines = printed(made_document, made_scenario)
    after = lines[lines.index("Not compared") + 1]
    assert after.startswith("canary-by-replicas") and "no whole pod" in after


def test_terminal_escapes_and_turned_text_are_inert(made_document: Document, made_scenario: Scenario) -> None:
    document = copy.deepcopy(dict(made_document))
    for row in document["rows"]:
        row["strategy"] = row["strategy"].replace("canary", "c\x1b[31m\x9b1m\u202ex\u2028y\n")
    text = "\n".join(printed(document, made_scenario))
    assert not set(text) & set("\x1b\x9b\u202e\u2028")
    assert "\\x1b" in text


def test_one_seed_claims_nothing(
    make_document: Callable[..., dict[str, Any]], made_scenario: Scenario
) -> None:
    document = make_document(made_scenario, 1)
    document["differences"] = []
    for row in document["rows"]:
        for figure in row["figures"].values():
            figure.update(low=None, high=None)
    lines = printed(document, made_scenario)
    assert any("One seed cannot tell" in line for line in lines)
    assert not any("± 0" in line for line in lines)


def test_no_strategy_at_all_still_prints(
    make_document: Callable[..., dict[str, Any]], made_scenario: Scenario
) -> None:
    document = make_document(made_scenario) | {"rows": [], "differences": []}
    assert "Not compared" in printed(document, made_scenario)


@pytest.mark.parametrize("width", [80, 100, 111, 112, 117, 118, 119, 121])
def test_no_number_is_cut_at_any_width(made_document: Document, made_scenario: Scenario, width: int) -> None:
    def numbers(at: int) -> list[str]:
        words = " ".join(printed(made_document, made_scenario, at)).split()
        return sorted(word for word in words if word[0].isdigit() and word[-1] != ",")

    assert numbers(width) == numbers(160)


def test_nobody_is_called_good_where_stable_misses_the_objective_itself(
    made_document: Document, made_scenario: Scenario
) -> None:
    document = copy.deepcopy(dict(made_document))
    document["control"]["stable"]["bad"] = 0.75
    text = "\n".join(printed(document, made_scenario))
    assert "healthy is NOT JUDGED" in text
    assert "Stable itself misses the objective" in text


def test_too_few_seeds_are_not_taken_for_chance(made_document: Document, made_scenario: Scenario) -> None:
    document = copy.deepcopy(dict(made_document))
    for row in document["rows"]:
        for figure in row["figures"].values():
            figure["low"] = figure["high"] = None
    for difference in document["differences"]:
        difference["low"] = difference["high"] = None
    text = "\n".join(printed(document, made_scenario))
    assert "too few to tell" in text
    assert "no more than chance" not in text


@pytest.mark.parametrize("width", [120, 80])
def test_requirements_stand_below_with_what_came_of_them(
    made_document: Document, made_scenario: Scenario, width: int
) -> None:
    of = {"strategy": "canary", "candidate": "errors", "message": "mean of flips: 9; required at most 5"}
    required = [
        {**of, "name": "quick \x1b[31m", "result": "met"},
        {**of, "name": "a-name-that-is-longer-than-any-column-for-names-would-be", "result": "broken"},
        {**of, "name": "unknown", "result": "undecided"},
    ]
    lines = printed({**made_document, "requirements": required}, made_scenario, width)
    assert max(cell_len(line) for line in lines) <= width
    start = lines.index("Requirements: 1 met, 1 broken, 1 undecided")
    text = "\n".join(lines[start:])
    assert "✓  quick \\x1b[31m" in text and "✗  a-name-that" in text and "?  unknown" in text
    assert "broken: canary with errors: mean" in text
    assert "Requirements" not in "\n".join(printed(made_document, made_scenario, width))
