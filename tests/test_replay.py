"""A stored trial, decided and run again: the same, or what differs is named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import rolloutlab
from rolloutlab import Record
from scenarios.decode import RecordError
from scenarios.load import loads
from scenarios.record import read, write
from scenarios.retrace import first_difference, retrace

WORLD = """
format: rolloutlab/1
name: <b>small</b>
service: {replicas: 4}
versions: {stable: {start: 1s, service_time: {median: 20ms, p95: 60ms}}}
candidates: {errors: {errors: [{share: 5%, of: requests}]}}
traffic: {rate: 40/s, users: {count: 500}, client: {timeout: 2s}}
cluster: {pods: {readiness: {period: 1s}, termination: {pre_stop: 3s}}}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%, window: 30s, min_requests: 50}}
strategies: {<i>canary</i>: {canary: {via: edge, steps: [25%], hold: 1m, guards: [errors]}}}
clock: {settle: 10s, horizon: 4m}
"""
NAME = "<i>canary</i>"


@pytest.fixture(scope="module")
def record() -> Record:
    return rolloutlab.simulate(loads(WORLD), NAME, candidate="errors", seed=1)


def test_a_stored_trial_comes_out_the_same(record: Record, tmp_path: Path) -> None:
    write(record, tmp_path / "one")
    found = rolloutlab.replay(read(tmp_path / "one"))
    assert found.same
    assert (found.difference, found.parts, found.digest == found.again) == (None, (), True)
    assert found.actions == len(record.actions) > 3


def test_an_arm_has_no_decisions_and_comes_out_the_same() -> None:
    arm = rolloutlab.simulate(loads(WORLD), "control", seed=1)
    assert rolloutlab.replay(arm).same


ALTERED: dict[str, tuple[Callable[[Record], Record], str]] = {
    "an action is missing": (
        lambda r: replace(r, actions=r.actions[:2] + r.actions[3:]),
        "action 3: recorded at",
    ),
    "the last action is missing": (lambda r: replace(r, actions=r.actions[:-1]), "recorded nothing, decided"),
    "an action came later": (
        lambda r: replace(r, actions=((r.actions[0][0] + 9, *r.actions[0][1:]), *r.actions[1:])),
        "action 1: recorded at",
    ),
    "an event says something else": (
        lambda r: replace(r, events=(replace(r.events[0], text="nonsense"), *r.events[1:])),
        "event 1: recorded at",
    ),
    "the outcome is another one": (
        lambda r: replace(r, outcome=None if r.outcome is None else replace(r.outcome, reason="whim")),
        "recorded Outcome(",
    ),
    "an observation is missing": (lambda r: replace(r, observed=r.observed[:-1]), "recorded"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_the_first_difference_is_told(record: Record, what: str) -> None:
    alter, said = ALTERED[what]
    assert said in str(first_difference(alter(record)))
    assert first_difference(record) is None


def test_parts_that_a_second_run_makes_differently_are_named(record: Record) -> None:
    other = rolloutlab.simulate(record.trial.scenario, NAME, candidate="errors", seed=2)
    found = retrace(record, other)
    assert not found.same
    assert found.difference is None  # its decisions follow from what it saw
    assert {"trial", "observed", "arrivals"} <= set(found.parts)
    assert "grid" not in found.parts


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"strategy": "x"}, "no strategy 'x'"),
        ({"candidate": "x"}, "no candidate 'x'"),
        ({"candidate": None}, "no candidate None"),
        ({"seed": -1}, "a seed from 0"),
        ({"seed": 2**32}, "a seed from 0"),
    ],
)
def test_a_trial_that_cannot_be_is_refused(record: Record, changed: dict[str, object], said: str) -> None:
    with pytest.raises(RecordError, match=said):
        rolloutlab.replay(replace(record, trial=replace(record.trial, **changed)))


def test_a_notebook_shows_a_record_as_inert_text(record: Record) -> None:
    shown = record._repr_html_()
    assert "&lt;b&gt;small&lt;/b&gt;" in shown and "&lt;i&gt;canary&lt;/i&gt;" in shown
    assert "rolled back" in shown
    assert "<script" not in shown and "<i>" not in shown and "<b>small" not in shown
    assert "no release" in rolloutlab.simulate(loads(WORLD), "control", seed=1)._repr_html_()


def test_a_notebook_shows_a_comparison(record: Record) -> None:
    made = rolloutlab.compare(record.trial.scenario, seeds=2, jobs=1)
    assert repr(made) == "<Comparison of <b>small</b>: <i>canary</i> with errors, 2 seeds>"
    assert "&lt;i&gt;canary&lt;/i&gt;" in made._repr_html_()
    assert "<i>" not in made._repr_html_()
