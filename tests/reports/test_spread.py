"""Every seed's values, kept beside the comparison that sums them up."""

from pathlib import Path

import pytest

from reports import folder as folders
from reports.figures import FIGURES, HEADLINES, Figure, Measured, Missing, Value
from reports.spread import FORMAT, values
from scenarios.codec import RecordError
from scenarios.release import Verdict
from scenarios.scenario import CONTROL, Scenario


def seed_of(scenario: Scenario, seed: int) -> dict[tuple[str, str | None], Measured]:
    """All strategies but the last with the first candidate, and an arm."""
    figures: dict[str, Figure] = dict.fromkeys(FIGURES, Missing("not applicable"))
    figures |= {"capacity_loss": Value(seed + 1 / 3), "release_duration": Missing("not reached", 900.0)}
    candidate, strategies = next(iter(scenario.variants)), list(scenario.strategies)[:-1]
    trials = {
        (name, candidate): Measured(name, candidate, seed, Verdict.STUCK, True, figures)
        for name in strategies
    }
    return {(CONTROL, None): Measured(CONTROL, None, seed, None, False, figures), **trials}


def test_each_seed_has_its_value_or_the_reason_why_not(made_scenario: Scenario) -> None:
    found = values(made_scenario, [7, 3], [seed_of(made_scenario, 7), seed_of(made_scenario, 3)])
    assert (found["format"], found["seeds"]) == (FORMAT, [7, 3])
    assert [row["strategy"] for row in found["rows"]] == list(made_scenario.strategies)[:-1]
    figures = found["rows"][0]["figures"]
    assert tuple(figures) == HEADLINES
    assert figures["capacity_loss"] == [7.333333333, 3.333333333]
    assert figures["release_duration"] == ["not reached"] * 2
    assert figures["rollback_time"] == ["not applicable"] * 2


def test_a_folder_keeps_them_and_takes_them_along(made_scenario: Scenario, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert folders.values(first) is None
    found = values(made_scenario, [0], [seed_of(made_scenario, 0)])
    folders.store(first, {}, {}, found)
    assert folders.values(first) == found
    folders.copy(first, second, second)
    assert folders.values(second) == found


@pytest.mark.parametrize("text", ["{}", '{"format": "rolloutlab.values/9"}', "[1]", "{"])
def test_what_is_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "values.json").write_text(text)
    with pytest.raises(RecordError, match=r"values\.json"):
        folders.values(tmp_path)
