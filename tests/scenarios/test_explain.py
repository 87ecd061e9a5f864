"""A plan in words and as data: complete, and without running it."""

import json

import pytest

from scenarios.explain import as_data, prose
from scenarios.load import load, loads
from scenarios.plan import Plan

QUICK = """
format: rolloutlab/1
name: test
service: {replicas: 4}
traffic: {rate: 100/s}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%}}
strategies:
  rolling: {rolling: {guards: [errors], rollback: undo}}
  canary: {canary: {via: edge, steps: [25%], hold: 2m, guards: [errors]}}
"""


def plan(name: str) -> Plan:
    return loads(QUICK).plan(name)


def test_a_plan_reads_as_numbered_stages_with_their_ways_back() -> None:
    assert prose("rolling", plan("rolling")) == (
        "rolling: at first 4 pods in main, all stable; users come via service, to every ready pod of main.\n"
        " 1. rolling update\n"
        "      do: set main to the candidate version (in turn, at most 25% more and 25% fewer pods)\n"
        "      until: all pods of main are available\n"
        "      at once back if a guard fails: errors\n"
        "      if main reports ProgressDeadlineExceeded: go back\n"
        "      way back:\n"
        "        a. undo\n"
        "           do: set main to the stable version (in turn, at most 25% more and 25% fewer pods)\n"
        "           until: all pods of main are available\n"
        "           if main reports ProgressDeadlineExceeded: stay there (stuck)\n"
        " 2. judged\n"
        "      until: guard errors passes\n"
        "      at once back if a guard fails: errors\n"
        "      after 10m: go back\n"
        "      way back: the same"
    )


def test_a_way_back_that_is_the_same_is_not_told_twice() -> None:
    text = prose("canary", plan("canary"))
    assert text.count("way back: the same") == 2
    assert text.count("route users: every ready pod of main") == 3
    assert "route users: 75% to main, 25% to canary" in text
    assert "after 12m: go back" in text


EVERY = [(name, strategy) for name in ("healthy", "tight-capacity") for strategy in load(name).strategies]


@pytest.mark.parametrize(("scenario", "name"), EVERY)
def test_nothing_of_a_plan_is_left_out(scenario: str, name: str) -> None:
    of = load(scenario).plan(name)
    text = prose(name, of)
    data = as_data(of)
    assert json.loads(json.dumps(data)) == data
    assert [stage["name"] for stage in data["stages"]] == [stage.name for stage in of.stages]
    for stage, told in zip(of.stages, data["stages"], strict=True):
        assert len(told["enter"]) == len(stage.enter)
        assert len(told["until"]) == len(stage.until)
        assert [undo["name"] for undo in told["undo"]] == [undo.name for undo in stage.undo]
    for stage in of.every_stage():
        assert stage.name in text
        for timed in stage.enter:
            assert str(timed.action) in text
        for condition in (*stage.until, *stage.given_up):
            assert str(condition) in text


def test_conditions_and_actions_as_data() -> None:
    step = as_data(plan("canary"))["stages"][1]
    assert step["name"] == "25%"
    assert step["until"] == [
        {"routed": {"entry": "users"}},
        {"elapsed": {"seconds": 120.0}},
        {"passed": {"guards": ["errors"], "inconclusive": "wait"}},
    ]
    assert step["deadline"] == 720.0
    assert step["on_deadline"] == "undo"
