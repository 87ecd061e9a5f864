"""An arm that is not simulated is the one that would have been."""

from dataclasses import fields

import numpy as np
import pytest

from scenarios.load import load
from scenarios.record import ARM, Trial
from sim.arms import as_candidate, behaves_as_stable, worlds
from sim.world import simulate


def test_the_arm_of_a_candidate_like_stable_is_stables_under_another_name() -> None:
    scenario = load("quickstart", ["clock.horizon=5m", "versions.stable.errors=[{share: 1%, of: requests}]"])
    assert behaves_as_stable(scenario, "healthy")
    made = as_candidate(simulate(Trial(scenario, ARM, None, 5)), "healthy")
    simulated = simulate(Trial(scenario, ARM, "healthy", 5))
    assert made.trial == simulated.trial
    assert made.truth.routes == simulated.truth.routes
    for part in ("tally", "pods"):
        one, other = getattr(made.truth, part), getattr(simulated.truth, part)
        for field in fields(one):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name


def test_what_differs_or_is_drawn_by_version_is_simulated() -> None:
    scenario = load("quickstart")
    assert not behaves_as_stable(scenario, "errors")
    broken = load("quickstart", ["versions.stable.errors=[{share: 1%, of: pods}]"])
    assert not behaves_as_stable(broken, "healthy")


@pytest.mark.parametrize(
    "override",
    [
        "faults=[{node_drain: {at: 1m, node: 0}}]",
        "cluster.autoscaler={min: 1, max: 20}",
        "cluster.pods.liveness={}",
        "versions.stable.leak={over: 1h, crash: true}",
    ],
)
def test_where_pods_start_within_an_arm_their_lags_are_drawn_by_version(override: str) -> None:
    assert not behaves_as_stable(load("quickstart", [override]), "healthy")


def test_faults_that_start_no_pod_leave_it_the_same() -> None:
    scenario = load("quickstart", ["clock.horizon=5m", "faults=[{node_slow: {at: 1m, node: 0, slower: 4}}]"])
    assert behaves_as_stable(scenario, "healthy")
    made = as_candidate(simulate(Trial(scenario, ARM, None, 5)), "healthy")
    simulated = simulate(Trial(scenario, ARM, "healthy", 5))
    assert np.array_equal(made.truth.tally.counts, simulated.truth.tally.counts)


def test_each_router_has_arms_of_its_own_where_it_matters() -> None:
    idle, troubled = load("quickstart"), load("quickstart", ("faults=[{slow_api: {slower: 2.0, at: 1m}}]",))
    assert set(map(id, worlds(idle).values())) == {id(idle)}
    made = worlds(troubled)
    assert made["service"] is troubled
    assert [next(iter(world.routers)) for world in made.values()] == ["service", "edge"]
