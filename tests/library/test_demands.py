"""Every world of the library keeps what it says: what it expects and requires is met, with its own seeds."""

import pytest

from rolloutlab import compare, load
from scenarios.load import library

DEMANDING = [name for name in sorted(library()) if load(name).require]
EXPECTING = [name for name in sorted(library()) if load(name).expect]
PLAYGROUNDS = {
    "crash-on-start",
    "errors-at-once",
    "healthy",
    "latency-regression",
    "quickstart",
    "tight-capacity",
}
"""Worlds to play with: their questions have no one answer that could be required."""


def test_all_but_those_to_play_with_demand_something() -> None:
    assert set(library()) - set(DEMANDING) == PLAYGROUNDS
    assert set(library()) - set(EXPECTING) <= PLAYGROUNDS


@pytest.mark.parametrize("name", sorted({*DEMANDING, *EXPECTING}))
def test_it_meets_its_own_expectations_and_requirements(name: str) -> None:
    scenario = load(name)
    document = compare(scenario, jobs=2).document
    found = [*document["expectations"], *document["requirements"]]
    assert [entry for entry in found if entry["result"] != "met"] == []
    assert {entry["name"] for entry in found} == {*scenario.expect, *scenario.require}
    assert document["problems"] == []
