"""Every world that comes with the package loads, says what it is, and can be tried with every strategy."""

from importlib.resources import files

import pytest

from rolloutlab import simulate
from scenarios.load import library, load

NAMES = sorted(library())


def test_the_worlds():
    assert NAMES == [
        "crash-on-start",
        "errors-at-once",
        "healthy",
        "latency-regression",
        "quickstart",
        "tight-capacity",
    ]
    assert all(library().values())


@pytest.mark.parametrize("name", NAMES)
def test_a_world_loads_under_its_own_name(name):
    assert load(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_has_a_plan(name):
    scenario = load(name)
    assert scenario.unrealisable() == {}
    assert all(scenario.plan(strategy).stages for strategy in scenario.strategies)


@pytest.mark.parametrize("name", NAMES)
def test_waits_end_well_before_the_horizon(name):
    scenario = load(name)
    for strategy in scenario.strategies:
        stages = scenario.plan(strategy).stages
        waits = sum(getattr(until, "seconds", 0) for stage in stages for until in stage.until)
        assert waits <= 0.75 * scenario.clock.horizon


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_with_what_it_is_and_what_one_learns(name):
    lines = (files("scenarios") / "library" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith("# Learn ")
    assert all(len(line) <= 120 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_stable_carries_the_traffic(name):
    scenario = load(name)
    seconds = scenario.versions.stable.service_time.distribution().mean()
    capacity = scenario.service.replicas * scenario.service.slots / seconds
    assert scenario.traffic.rate.curve().peak(0, scenario.clock.horizon) < 0.75 * capacity


def test_tight_capacity_has_no_room_for_a_second_environment():
    scenario = load("tight-capacity")
    assert scenario.cluster.spare_pods < scenario.service.replicas


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_settles_with_a_healthy_candidate(name):
    scenario = load(name)
    candidate = "healthy" if "healthy" in scenario.variants else None
    for strategy in scenario.strategies:
        outcome = simulate(scenario, strategy, candidate=candidate).outcome
        assert outcome.settled_at is not None, strategy
        assert outcome.settled_at < scenario.clock.horizon
