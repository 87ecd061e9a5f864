"""Every world of the library keeps what it says: what it expects and requires is met."""

import pytest

from rolloutlab import compare, load
from scenarios.load import library

WORLDS = sorted(library())
MOST_SEEDS = 16
"""Of a world that expects no share: those are judged over all runs."""


def test_every_world_demands_something() -> None:
    assert [name for name in WORLDS if not load(name).require] == []


@pytest.mark.parametrize("name", WORLDS)
def test_it_meets_its_own_expectations_and_requirements(name: str) -> None:
    scenario = load(name)
    seeds = scenario.seeds if scenario.expect else min(scenario.seeds, MOST_SEEDS)
    document = compare(scenario, seeds=seeds, jobs=2).document
    found = [*document["expectations"], *document["requirements"]]
    assert [entry for entry in found if entry["result"] != "met"] == []
    assert {entry["name"] for entry in found} == {*scenario.expect, *scenario.require}
    impossible = scenario.unrealisable()
    assert {problem["strategy"] for problem in document["problems"]} == set(impossible)
