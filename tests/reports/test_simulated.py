"""Figures of simulated trials: what must hold of any trial, whatever the world."""

from collections.abc import Mapping

import numpy as np
import pytest
from rich.console import Console

from reports.capacity import capacity
from reports.figures import Arms, Measured, Missing, Value, measure
from reports.series import series
from reports.story import as_document, story
from scenarios import load
from scenarios.record import ARM, Record, Trial
from scenarios.release import Verdict
from scenarios.tally import CANDIDATE, STABLE
from sim.world import simulate

SCENARIO = load.loads("""
format: rolloutlab/1
name: simulated
service: {replicas: 6}
versions: {stable: {errors: [{share: 0.05%, of: requests}], warm_up: {slower: 2, lasting: 20s}}}
candidates:
  errors: {from: stable, errors: [{share: 20%, of: requests}]}
  healthy: {from: stable}
  slow: {from: stable, service_time: {mean: 300ms, p99: 2s}}
  never: {from: stable, start: never}
traffic: {rate: 60/s, users: {count: 400}}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 5%, window: 30s, min_requests: 50}}
strategies:
  recreate: {recreate: {}}
  rolling: {rolling: {guards: [errors], rollback: undo, progress_deadline: 2m}}
  blue-green: {blue_green: {bake: 1m, guards: [errors], deadline: 2m}}
  halves: {in_place_halves: {soak: 1m, guards: [errors], deadline: 2m}}
  canary: {canary: {via: edge, steps: [20%, 50%], hold: 1m, guards: [errors], deadline: 2m}}
slo: {success: 99%, latency: {p95: 1s}}
clock: {settle: 1m, horizon: 8m}
""")
TRIALS = [(strategy, candidate) for strategy in SCENARIO.strategies for candidate in SCENARIO.variants]

Done = Mapping[tuple[str, str | None], tuple[Record, Arms]]


@pytest.fixture(scope="module")
def done() -> Done:
    stable = simulate(Trial(SCENARIO, ARM, None, 0))
    arms = {name: Arms(stable, simulate(Trial(SCENARIO, ARM, name, 0))) for name in SCENARIO.variants}
    return {key: (simulate(Trial(SCENARIO, *key, 0)), arms[key[1]]) for key in TRIALS}


def values(measured: Measured) -> dict[str, float]:
    return {key: figure.value for key, figure in measured.figures.items() if isinstance(figure, Value)}


def test_the_arms_tell_bad_from_good(done: Done) -> None:
    found = {candidate: sorted(done["recreate", candidate][1].faults) for candidate in SCENARIO.variants}
    assert found == {"errors": ["fails"], "healthy": [], "slow": ["slow"], "never": ["never ready"]}


@pytest.mark.parametrize("key", TRIALS, ids=[" ".join(key) for key in TRIALS])
def test_figures_agree_with_each_other(done: Done, key: tuple[str, str]) -> None:
    record, arms = done[key]
    measured = measure(record, arms)
    found, horizon = values(measured), SCENARIO.clock.horizon
    assert measured.verdict is record.outcome.verdict  # type: ignore[union-attr]
    assert all(np.isfinite(value) for value in found.values())
    assert {k for k, v in found.items() if v < 0} <= {k for k in found if k.startswith("blast_requests")} | {
        "blast_users",
        "blast_users_share",
    }
    assert found["blast_users_exact"] <= found["users_harmed"] <= found["failed_requests"]
    assert found["exposure_users"] <= found["exposure_requests"] + 1
    assert 0 <= found["worst_capacity"] <= 1
    assert (
        found["capacity_loss"] <= (1 - found["worst_capacity"]) * SCENARIO.service.replicas * horizon + 1e-6
    )
    assert found["version_skew"] <= horizon
    assert found.get("rollback_time", 0) <= found.get("rollback_time_last", 0)
    assert found["latency_p50"] <= found["latency_p95"] <= found["latency_p99"]
    if measured.verdict is Verdict.ROLLED_BACK and measured.bad:
        assert isinstance(measured.figures["time_to_detect"], Value)
        assert found["time_to_detect"] <= found["release_duration"]
    if measured.verdict is Verdict.PROMOTED and measured.bad:
        assert isinstance(measured.figures["time_to_detect"], Missing)


@pytest.mark.parametrize("key", TRIALS, ids=[" ".join(key) for key in TRIALS])
def test_rotation_ends_as_the_verdict_says(done: Done, key: tuple[str, str]) -> None:
    record = done[key][0]
    steps = capacity(record)
    assert record.outcome is not None
    if record.outcome.verdict is Verdict.PROMOTED:
        assert steps.candidate[-1] and not steps.stable[-1]
    if record.outcome.verdict is Verdict.ROLLED_BACK:
        assert steps.stable[-1] and not steps.candidate[-1]


@pytest.mark.parametrize("key", TRIALS, ids=[" ".join(key) for key in TRIALS])
def test_requests_reach_only_versions_in_rotation(done: Done, key: tuple[str, str]) -> None:
    """Within the few seconds that proxies lag behind, requests go where capacity says pods are."""
    record = done[key][0]
    steps, tally, lag = capacity(record, record.truth.tally.grid.start), record.truth.tally, 8
    seconds = record.truth.tally.grid.horizon - tally.grid.start
    arrived = tally.arrivals[: seconds * 10].reshape(seconds, 10, 3).sum(axis=1)
    for version, serving in ((STABLE, steps.stable), (CANDIDATE, steps.candidate)):
        possible = steps.per_second(serving.astype(np.float64)) > 0
        near = np.convolve(possible, np.ones(2 * lag + 1), mode="same") > 0
        assert not arrived[~near, version].any()


@pytest.mark.parametrize("key", TRIALS, ids=[" ".join(key) for key in TRIALS])
def test_series_add_up_to_the_figures(done: Done, key: tuple[str, str]) -> None:
    record, arms = done[key]
    drawn, found = series(record), values(measure(record, arms))
    after = drawn.t >= 0
    assert drawn.failures[after].sum() == found["failed_requests"]
    assert np.maximum(0, drawn.before - drawn.capacity[after]).sum() <= found["capacity_loss"] + 1e-6
    assert np.maximum(0, drawn.pods[after] - 6).sum() == pytest.approx(found["extra_cost"], abs=3)


def test_a_story_says_whether_the_split_was_as_asked() -> None:
    scenario = load.load("quickstart", ("strategies.canary.canary.hold=4m",))
    record = simulate(Trial(scenario, "canary", "healthy", 1))
    said = as_document(record, measure(record))["weight"]
    assert said["accuracy"] == "accurate"
    assert said["intended"] == pytest.approx((0.05 + 0.25 + 0.5) / 3, abs=0.02)
    assert said["low"] <= 0 <= said["high"]
    with (console := Console(width=100)).capture() as shown:
        console.print(story(record, measure(record), "there"))
    assert "weight  accurate:" in shown.get()
