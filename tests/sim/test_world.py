"""Trials read from the events they record: what Kubernetes does must be seen in them."""

import numpy as np
import pytest

from scenarios.load import load, loads
from scenarios.record import ARM, PodEvent, Record, Trial, digest
from scenarios.release import Verdict
from scenarios.scenario import Scenario
from scenarios.tally import CANDIDATE, Status
from sim import engine
from sim.world import World, simulate

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 10}
versions:
  stable: {start: 1s, service_time: {median: 20ms, p95: 60ms}}
candidates:
  healthy: {}
  errors: {errors: [{share: 5%, of: requests}]}
  crash: {crash: {after_start: 2s}}
  never: {start: never}
traffic: {rate: 200/s, client: {timeout: 2s}}
cluster:
  pods:
    readiness: {period: 1s}
    termination: {pre_stop: 5s}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%, window: 30s, min_requests: 100}}
strategies:
  rolling: {rolling: {}}
  recreate: {recreate: {}}
  halves: {in_place_halves: {drain: 10s, soak: 60s}}
  blue-green: {blue_green: {bake: 1m}}
  canary: {canary: {via: edge, steps: [10%], hold: 3m}}
clock: {settle: 10s, horizon: 15m}
"""


def world(*overrides: str) -> Scenario:
    return loads(BASE, "test", overrides)


def trial(strategy: str, candidate: str = "healthy", *overrides: str, seed: int = 0) -> Record:
    return simulate(Trial(world(*overrides), strategy, candidate, seed))


def sizes(record: Record) -> list[tuple[int, int]]:
    """(old, new) pods created and not deleted, after each instant at which that changed."""
    pods, found = record.truth.pods, []
    for t in np.unique(pods.time):
        upto = pods.time <= t
        count = [0, 0]
        for pod, kind in zip(pods.pod[upto], pods.kind[upto], strict=True):
            change = {PodEvent.CREATED: 1, PodEvent.DELETED: -1}.get(PodEvent(kind), 0)
            count[pods.version[pod]] += change
        if not found or found[-1] != tuple(count):
            found.append((count[0], count[1]))
    return found


def in_rotation(record: Record) -> list[tuple[float, int]]:
    """(seconds, pods ready in the EndpointSlice that the users' route reaches), at each change."""
    pods, found, ready = record.truth.pods, [], set[int]()
    changes = [(int(t), 1, int(p), int(k)) for t, p, k in zip(pods.time, pods.pod, pods.kind, strict=True)]
    changes += [(round(r.t * 1e9), 0, i, -1) for i, r in enumerate(record.truth.routes)]
    route: set[str] = set()
    for t, _, which, kind in sorted(changes):
        if kind == -1:
            chosen = record.truth.routes[which].route
            route = set(getattr(chosen, "pools", ())) or {pool for pool, _ in chosen.to}  # type: ignore[union-attr]
        elif kind == PodEvent.IN:
            ready.add(which)
        elif kind == PodEvent.OUT:
            ready.discard(which)
        found.append((t / 1e9, sum(pods.pools[pods.pool[p]] in route for p in ready)))
    return found


def test_a_default_rolling_update_of_10_goes_10_0_then_10_3_then_8_3_then_8_5() -> None:
    path = stages_of(sizes(trial("rolling")))
    assert path[:4] == [(10, 0), (10, 3), (8, 3), (8, 5)]
    assert path[-1] == (0, 10)


def stages_of(path: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without the pods that were there before t = 0 counting up."""
    return path[path.index((10, 0)) :]


@pytest.mark.parametrize("candidate", ["never", "crash"])
def test_a_rolling_update_to_pods_that_cannot_start_freezes_at_8_of_10_and_is_stuck(candidate: str) -> None:
    # a pod that lives for two seconds may be seen ready; only min_ready keeps it from counting as available
    record = trial("rolling", candidate, "cluster.pods.min_ready=5s")
    assert sizes(record)[-1] == (8, 5)
    assert record.outcome is not None
    assert record.outcome.verdict is Verdict.STUCK
    if candidate == "never":
        assert "ProgressDeadlineExceeded" in record.outcome.reason


def test_rolling_never_has_fewer_ready_pods_than_it_may() -> None:
    assert min(ready for t, ready in in_rotation(trial("rolling")) if t > 0) == 8


def test_in_place_halves_lose_half_the_capacity_twice() -> None:
    path = [n for t, n in in_rotation(trial("halves")) if t > 0]
    assert min(path) == 5
    at_half = [n == 5 for n in path]
    left_out = [stage.t for stage in trial("halves").events if stage.text in ("left out", "swap", "both")]
    assert len(left_out) == 3
    assert any(at_half)


def test_recreate_has_an_outage() -> None:
    record = trial("recreate")
    assert min(n for t, n in in_rotation(record) if t > 0) == 0
    assert record.truth.tally.window(0, 60)[:, Status.REFUSED].sum() > 0


def test_the_pods_of_a_1_percent_canary_by_replicas_on_3_pods_are_1_beside_3() -> None:
    overrides = (
        "service.replicas=3",
        "strategies.canary.canary.via=service",
        "strategies.canary.canary.steps=[1%]",
    )
    assert (3, 1) in sizes(trial("canary", "healthy", *overrides))


def test_blast_of_a_held_canary_is_weight_times_errors_times_rate_times_time() -> None:
    expected = 0.10 * 0.05 * 200 * 160
    found = []
    for seed in range(24):
        tally = simulate(Trial(world(), "canary", "errors", seed)).truth.tally
        arm = simulate(Trial(world(), ARM, None, seed)).truth.tally
        failed = [t.window(15, 175)[:, Status.ERROR :].sum() for t in (tally, arm)]
        found.append(float(failed[0] - failed[1]))
    half = 2.07 * np.std(found, ddof=1) / len(found) ** 0.5
    assert half < 0.05 * expected
    assert abs(np.mean(found) - expected) < 1.5 * half


@pytest.mark.parametrize("strategy", ["rolling", "halves", "blue-green", "canary"])
def test_a_healthy_candidate_costs_no_failed_request_where_pre_stop_covers_propagation(strategy: str) -> None:
    for seed in range(3):
        record = trial(strategy, seed=seed)
        assert record.outcome is not None
        assert record.outcome.verdict is Verdict.PROMOTED
        assert record.truth.tally.window(-10, 900)[:, Status.ERROR :].sum() == 0


def test_without_pre_stop_removed_pods_cost_requests() -> None:
    record = trial("rolling", "healthy", "cluster.pods.termination.pre_stop=0s")
    failed = record.truth.tally.window(0, 60).sum(axis=0)
    assert failed[Status.REFUSED] > 0
    assert failed[Status.TIMEOUT] > 0


def test_blue_green_exposes_most_and_ends_exposure_fastest() -> None:
    guarded = [
        f"strategies.{s}.{k}.guards=[errors]" for s, k in (("blue-green", "blue_green"), ("canary", "canary"))
    ]
    guarded += ["strategies.rolling.rolling={guards: [errors], rollback: undo}"]
    exposed, ended = {}, {}
    for strategy in ("blue-green", "canary", "rolling"):
        record = trial(strategy, "errors", *guarded)
        assert record.outcome is not None
        assert record.outcome.verdict is Verdict.ROLLED_BACK
        decided = record.outcome.decided_at
        assert decided is not None
        arrivals = record.truth.tally.arrivals[:, CANDIDATE]
        begin = int((decided + 10) * 10)
        exposed[strategy] = int(arrivals[:begin].sum())
        after = np.flatnonzero(arrivals[begin:])
        ended[strategy] = float(after[-1] + 1) / 10 if after.size else 0.0
    assert exposed["blue-green"] >= max(exposed["rolling"], exposed["canary"])
    assert ended["blue-green"] < 1.5
    assert ended["blue-green"] < ended["rolling"]


def test_pods_that_find_no_room_wait_for_it() -> None:
    record = trial(
        "blue-green", "healthy", "cluster.spare_pods=3", "strategies.blue-green.blue_green.deadline=1m"
    )
    assert record.outcome is not None
    assert record.outcome.verdict is Verdict.ROLLED_BACK
    assert "deadline" in record.outcome.reason


def test_same_trial_same_record_with_every_tick_stepped() -> None:
    chosen = Trial(load("quickstart"), "canary", "errors", 3)
    plain, ticked = simulate(chosen), simulate(chosen, every_tick=True)
    assert plain.outcome == ticked.outcome
    assert digest(plain) == digest(ticked)


@pytest.mark.parametrize("strategy", ["rolling", "halves", "recreate", "canary"])
def test_where_nobody_can_be_reset_nothing_is_lost_by_not_writing_down_who_waits(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Trial(world(), strategy, "healthy", 1)
    assert not resets(chosen)
    plain = simulate(chosen)
    monkeypatch.setattr(engine, "may_reset", lambda kits, timeout: True)
    assert digest(simulate(chosen)) == digest(plain)


@pytest.mark.parametrize(
    "overrides",
    [
        ("cluster.pods.termination.on_sigterm=exit",),
        ("cluster.pods.termination.grace=6s", "traffic.client.timeout=3s"),
        ("candidates.healthy.crash={after_start: 10m}",),
    ],
)
def test_somebody_can_be_reset_where_processes_die_with_clients_waiting(overrides: tuple[str, ...]) -> None:
    assert resets(Trial(world(*overrides), "rolling", "healthy", 1))


def resets(trial: Trial) -> bool:
    kits = tuple(World(trial).kits.values())
    return engine.may_reset(kits, float(trial.scenario.traffic.client.timeout))


def test_every_request_of_a_trial_ends_somewhere_once() -> None:
    for strategy in ("rolling", "recreate", "halves", "canary"):
        tally = trial(strategy, "crash").truth.tally
        assert tally.counts.sum() == tally.arrivals.sum()
        assert int((tally.users >> 8).sum()) == int(tally.arrivals[tally.grid.start * -10 :].sum())


@pytest.mark.parametrize(
    ("deadline", "least", "most"),
    [
        ("600s", 2.999, 3.001),  # the last old pod is gone
        ("8s", -0.001, 0.1),  # the last release was complete before: what has ended is noticed at once
    ],
)
def test_a_recreate_may_wait_for_the_kubelets_clean_up(deadline: str, least: float, most: float) -> None:
    recreate = f"strategies.recreate={{recreate: {{progress_deadline: {deadline}}}}}"
    asked = ("quickstart", [recreate, "clock.horizon=2m", "traffic.rate=20/s"])
    worlds = [load(asked[0], [*asked[1], f"cluster.delays.removal={removal}"]) for removal in ("0s", "3s")]
    first = []
    for world in worlds:
        record = simulate(Trial(world, "recreate", "healthy", 0))
        pods = record.truth.pods
        candidate = pods.version[pods.pod] == 1
        first.append(pods.time[candidate & (pods.kind == PodEvent.CREATED)].min() / 1e9)
    assert least < first[1] - first[0] < most
