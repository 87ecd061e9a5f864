"""Every world that comes with the package loads, says what it is, and can be tried with every strategy."""

import json
from importlib.resources import files

import pytest

from rolloutlab import simulate
from scenarios.check import Level, check
from scenarios.explain import as_data, prose
from scenarios.load import as_document, digest, from_document, library, load
from scenarios.retrace import first_difference

NAMES = sorted(library())
NEVER_SETTLED = {("no-room-for-surge", "surge-only")}
"""What even a healthy candidate waits for in vain, by strategy: it is what that world is about."""


def test_the_worlds():
    assert len(NAMES) >= 20
    assert {"quickstart", "healthy", "nginx-paused-halfway", "myth-one-in-ten"} <= set(NAMES)
    assert all(library().values())
    assert len(set(library().values())) == len(NAMES)


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


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_it_is_impossible_and_its_plans_can_be_read(name):
    scenario = load(name)
    assert [advice for advice in check(scenario) if advice.level is Level.PROBLEM] == []
    for strategy in scenario.strategies:
        plan = scenario.plan(strategy)
        assert all(f". {stage.name}\n" in prose(strategy, plan) for stage in plan.stages)
        json.dumps(as_data(plan))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_keeps_the_whole_world(name):
    scenario = load(name)
    again = from_document(json.loads(json.dumps(as_document(scenario), sort_keys=True)))
    assert again == scenario
    assert digest(again) == digest(scenario)


@pytest.mark.parametrize("name", NAMES)
def test_every_trial_runs_and_replays(name):
    scenario = load(name)
    for strategy in scenario.strategies:
        for candidate in scenario.variants:
            record = simulate(scenario, strategy, candidate=candidate)
            assert record.outcome is not None
            assert first_difference(record) is None


def test_tight_capacity_has_no_room_for_a_second_environment():
    scenario = load("tight-capacity")
    assert scenario.cluster.spare_pods < scenario.service.replicas


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_settles_with_a_healthy_candidate(name):
    scenario = load(name)
    candidate = "healthy" if "healthy" in scenario.variants else None
    for strategy in scenario.strategies:
        outcome = simulate(scenario, strategy, candidate=candidate).outcome
        assert (outcome.settled_at is None) == ((name, strategy) in NEVER_SETTLED), strategy
        assert outcome.settled_at is None or outcome.settled_at < scenario.clock.horizon
