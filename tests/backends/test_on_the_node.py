"""What the real node must show: preStop, 500 requests a second, images of one's own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onenode.target import Cluster

import rolloutlab
from live.objects import Image
from live.rows import load as load_rows
from live.sent import LATE, MOST_LATE
from live.trial import Done
from reports.figures import Value, measure
from scenarios.load import load, loads
from scenarios.plan import Call, Command, Verb
from scenarios.release import Verdict
from scenarios.retrace import first_difference
from scenarios.scenario import Scenario
from scenarios.tally import Status

Conduct = Callable[..., dict[str, Any]]


def world(*overrides: str) -> Scenario:
    return load("one-node", ["clock.horizon=22s", "clock.settle=4s", *overrides])


def failed(done: Done) -> int:
    counts = done.record.truth.tally.counts.sum(axis=0)
    return int(counts.sum() - counts[:, Status.OK].sum())


def predicted(scenario: Scenario, seeds: int = 8) -> list[int]:
    """Failures of a rolling update, simulated."""
    found = []
    for seed in range(seeds):
        record = rolloutlab.simulate(scenario, "rolling", candidate="healthy", seed=seed)
        counts = record.truth.tally.counts.sum(axis=0)
        found.append(int(counts.sum() - counts[:, Status.OK].sum()))
    return found


@pytest.fixture(scope="module")
def rolled(conducted: Conduct, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Scenario, Done]]:
    """A rolling update under 200 new connections a second, with a preStop of 3 s and without any."""
    both = {
        "with": world("traffic.rate=200/s", "cluster.pods.termination.pre_stop=3s"),
        "without": world("traffic.rate=200/s", "cluster.pods.termination.pre_stop=0s"),
    }
    asked = {"rolling": ("rolling", "healthy")}
    found = {}
    for name, scenario in both.items():
        folder = tmp_path_factory.mktemp(name)
        found[name] = (scenario, conducted(scenario, asked, folder)["rolling"])
    return found


def test_a_prestop_that_covers_propagation_loses_nothing(rolled: dict[str, tuple[Scenario, Done]]) -> None:
    scenario, done = rolled["with"]
    assert done.record.outcome is not None
    assert done.record.outcome.verdict is Verdict.PROMOTED
    assert not done.why
    assert failed(done) == 0
    assert max(predicted(scenario)) == 0


def test_without_a_prestop_some_are_lost_as_predicted(rolled: dict[str, tuple[Scenario, Done]]) -> None:
    scenario, done = rolled["without"]
    expected = predicted(scenario)
    assert not done.why
    assert min(expected) > 0
    # one update, and what one loses varies by the second in which kube-proxy hears of each removal
    assert min(expected) / 4 < failed(done) < 2 * max(expected)


def test_a_slow_candidate_is_turned_back_for_its_latency(conducted: Conduct, tmp_path: Path) -> None:
    slow = world(
        "candidates.slow={service_time: {median: 80ms, p95: 120ms}}",
        "guards.latency={metric: latency_p95, limit: 60ms, window: 4s, min_requests: 40}",
        "strategies.blue-green.blue_green.guards=[errors, latency]",
    )
    done = conducted(slow, {"slow": ("blue-green", "slow")}, tmp_path)["slow"]
    live, simulated = done.record, rolloutlab.simulate(slow, "blue-green", candidate="slow", seed=0)
    for record in (live, simulated):
        assert record.outcome is not None
        assert record.outcome.verdict is Verdict.ROLLED_BACK
        assert any(event.text.startswith("guard latency failed") for event in record.events), record.events
        figure = measure(record).figures["latency_p50_candidate"]
        assert isinstance(figure, Value) and 0.07 < figure.value < 0.13
    assert first_difference(live) is None


def test_500_requests_a_second_are_sent_in_time_or_it_is_said(conducted: Conduct, tmp_path: Path) -> None:
    """On the cores on which the node rolls."""
    fast = world("traffic.rate=500/s", "versions.stable.service_time={median: 4ms, p95: 10ms}")
    done = conducted(fast, {"fast": ("rolling", "healthy")}, tmp_path)["fast"]
    rows, _ = load_rows(done.folder.with_name(f"{done.folder.name}.rows.npz"))
    late = float((rows["sent"] - rows["due"] > LATE).mean())
    assert done.sent.intended == len(rows)
    assert abs(done.sent.share_late - late) < 1e-9
    assert (late <= MOST_LATE) or "late" in done.why


def test_images_of_ones_own_are_measured_by_what_their_answers_look_like(
    conducted: Conduct, cluster: Cluster, tmp_path: Path
) -> None:
    """A service that knows nothing of live mode; by its body, as ingress-nginx puts its own Server header."""
    if os.environ.get("ROLLOUTLAB_TEST_CONTEXT"):
        pytest.skip("only the tests' own node has images of a user's own")
    own = world(
        "versions.stable.image=registry.local/shop:1",
        "versions.stable.answers={body: shop 1}",
        "candidates.healthy.image=registry.local/shop:2",
        "candidates.errors.image=registry.local/shop:2",
        "candidates.crash.image=registry.local/shop:2",
        "candidates.healthy.answers={body: shop 2}",
    )
    image = Image(None, port=9000, ready_path="/healthz")
    done = conducted(own, {"own": ("canary-by-weight", "healthy")}, tmp_path, image)["own"]
    counts = done.record.truth.tally.counts.sum(axis=0)
    assert counts[0, Status.OK] > 100 and counts[1, Status.OK] > 100
    assert counts[2, Status.OK] == 0 and not done.sent.untold
    assert first_difference(done.record) is None


def test_kubectls_commands_and_a_person_who_approves(conducted: Conduct, tmp_path: Path) -> None:
    """Paused after the first pods, approved and resumed; or, where errors are seen, resumed and undone."""
    paused = loads(PAUSED, "paused.yaml")
    asked = {"good": ("paused", "healthy"), "bad": ("paused", "errors")}
    done = conducted(paused, asked, tmp_path, approvals={"on_call": 2.0})
    good, bad = done["good"].record, done["bad"].record
    assert good.outcome is not None and bad.outcome is not None
    assert (good.outcome.verdict, bad.outcome.verdict) == (Verdict.PROMOTED, Verdict.ROLLED_BACK)
    # replicas and surge stay while it is paused: two pods of the candidate, or one where the pause came first
    (held,) = (event.t for event in good.events if event.text == "rest")
    waiting = [seen for seen in good.observed if 2 < seen.t <= held]
    ready = {version: counts[1] for version, counts in waiting[-1].pools["main"].pods.items()}
    assert ready in ({"stable": 3, "candidate": 2}, {"stable": 4, "candidate": 1})
    asked_at = next(t for t, _, action in good.actions if isinstance(action, Call))
    assert 2.0 <= held - asked_at < 3.0
    verbs = [action.verb for _, _, action in bad.actions if isinstance(action, Command)]
    assert verbs == [Verb.PAUSE, Verb.RESUME, Verb.UNDO]
    assert first_difference(good) is None and first_difference(bad) is None


PAUSED = """
format: rolloutlab/1
name: paused
service: {replicas: 4, slots: 8}
versions:
  stable: {start: 600ms, service_time: 8ms}
candidates:
  healthy: {}
  errors: {errors: [{share: 30%, of: requests}]}
traffic: {rate: 60/s, users: {count: 500}}
cluster:
  nodes: 1
  pods: {readiness: {period: 1s}, termination: {grace: 10s, pre_stop: 2s}}
observe: {every: 1s, delay: 1s}
guards:
  errors: {metric: failure_share, limit: 5%, window: 3s, min_requests: 20}
operators: {on_call: {notices: 1s, acts: 1s}}
strategies:
  paused: {paused_rolling: {hold: 5s, guards: [errors], approve: on_call, deadline: 10s}}
clock: {settle: 4s, horizon: 22s}
"""
