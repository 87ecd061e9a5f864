"""What is said beforehand about faults, budgets, autoscalers and probes; and what of them is refused."""

import pytest

from scenarios.check import Advice, Level, check
from scenarios.errors import ScenarioError
from scenarios.load import loads

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 10, slots: 4}
versions: {stable: {start: 1s, service_time: {constant: 100ms}}}
traffic: {rate: 200/s}
cluster: {pods: {termination: {pre_stop: 5s}}}
strategies: {it: {rolling: {}}}
clock: {settle: 2m, horizon: 30m}
"""


def said(*overrides: str) -> tuple[Advice, ...]:
    return check(loads(BASE, "test", overrides))


SOUND = (
    "faults=[{node_down: {at: 1m, lasting: 5m, node: 2}}, {node_drain: {at: 10m, node: 0}}]",
    "cluster.autoscaler={min: 5, max: 20}",
    "cluster.disruption_budget={max_unavailable: 1}",
    "cluster.pods.liveness={period: 10s, failure: 6}",
)


def test_a_sound_world_that_goes_wrong_gets_no_advice() -> None:
    assert said(*SOUND) == ()


LIVENESS = "candidates.candidate.pods.liveness"
STABLE = "versions.stable.pods.liveness"


@pytest.mark.parametrize(
    ("overrides", "paths", "words"),
    [
        (("faults=[{metrics_gap: {at: 30m}}]",), ["faults.0"], "after the horizon of 30m"),
        (
            ("cluster.nodes=1", "faults=[{node_down: {at: 1m, lasting: 1m, node: 0}}]"),
            ["faults.0"],
            "the whole service is down",
        ),
        (("cluster.nodes=1", "faults=[{node_drain: {at: 1m, node: 0}}]"), ["faults.0"], "the only node"),
        (
            ("faults=[{node_down: {at: 1m, node: 0}}]", "strategies.it={recreate: {}}"),
            ["faults.0"],
            "waits for good: it",
        ),
        (
            ("cluster.disruption_budget={min_available: 100%}",),
            ["cluster.disruption_budget"],
            "10 of 10 pods must stay",
        ),
        (("cluster.disruption_budget={max_unavailable: 0}",), ["cluster.disruption_budget"], "never lets"),
        (("cluster.autoscaler={min: 11, max: 20}",), ["cluster.autoscaler"], "10 replicas, which 11 to 20"),
        (("cluster.autoscaler={min: 1, max: 9}",), ["cluster.autoscaler"], "changes them"),
        (
            ("cluster.autoscaler={min: 1, max: 10, stabilization: 1h}",),
            ["cluster.autoscaler.stabilization"],
            "ever scaled down",
        ),
        (
            ("cluster.pods.liveness={period: 5s, failure: 3}",),
            [STABLE, LIVENESS],
            "gives up after 11s, readiness after 21s",
        ),
        (
            ("cluster.pods.liveness={}", "versions.candidate={start: 40s}"),
            [LIVENESS],
            "takes 40s to listen is killed after 21s",
        ),
        (("versions.stable.pull=never",), ["versions.stable.pull"], "cannot be pulled"),
    ],
)
def test_warnings(overrides: tuple[str, ...], paths: list[str], words: str) -> None:
    found = [advice for advice in said(*overrides) if words in advice.message]
    assert [advice.path for advice in found] == paths
    assert {advice.level for advice in found} == {Level.WARNING}


def test_an_initial_delay_that_covers_the_start_is_enough() -> None:
    slow = "versions.candidate={start: 40s}"
    assert said("cluster.pods.liveness={initial_delay: 30s}", slow) == ()


def test_a_strategy_that_sets_the_size_of_an_autoscaled_deployment_fights_with_it() -> None:
    scaled = "cluster.autoscaler={min: 5, max: 20}"
    (note,) = said(scaled, "strategies.it={blue_green: {}}")
    assert (note.level, note.path) == (Level.NOTE, "strategies.it")
    assert "whoever came last wins" in note.message
    assert said(scaled) == ()


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        ("faults=[{node_slow: {at: 1m, node: 3, slower: 2}}]", "faults.0.node_slow.node", "nodes 0 to 2"),
        ("faults=[{no_room: {at: 1m, lasting: 0s}}]", "faults.0.no_room.lasting", "more than 0s"),
        ("cluster.autoscaler={min: 5, max: 4}", "cluster.autoscaler.max", "less than min"),
        ("cluster.pods.liveness={success: 2}", "cluster.pods.liveness.success", "1 only"),
        ("faults=[{node_down: {at: 1m, node: 0}, no_room: {at: 1m}}]", "faults.0", "exactly one kind"),
        ("faults=[{slow_dependency: {at: 1m}}]", "faults.0.slow_dependency.adds", "slower: more than 1"),
        ("cluster.disruption_budget={}", "cluster.disruption_budget", "min_available or max_unavailable"),
        (
            "cluster.disruption_budget={min_available: 1, max_unavailable: 1}",
            "cluster.disruption_budget",
            "either",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(override: str, path: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(BASE, "test", (override,))
    (problem,) = caught.value.problems
    assert problem.path == path
    assert words in problem.message
