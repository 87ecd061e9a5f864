"""Worlds that go wrong: what each fault does, when, and what comes of it. All lags are constants."""

import numpy as np
import pytest

from scenarios.load import loads
from scenarios.record import ARM, PodEvent, Record, Trial
from scenarios.release import Kind, Verdict
from scenarios.scenario import Scenario
from scenarios.tally import CANDIDATE, STABLE, Status, bucket_middle
from sim.world import World, simulate

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 6, slots: 64}
versions:
  stable: {start: 1s, service_time: 20ms}
traffic: {rate: 150/s, client: {timeout: 1s}}
cluster:
  nodes: 3
  pods:
    readiness: {period: 1s}
    termination: {pre_stop: 5s}
  delays:
    {api: 100ms, container: 100ms, relist: 0s, sigterm: 20ms, address: 90ms, removal: 0s, endpoints: 20ms}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%, window: 30s, min_requests: 100}}
strategies:
  rolling: {rolling: {}}
  recreate: {recreate: {}}
  blue-green: {blue_green: {bake: 1m}}
  canary: {canary: {via: edge, steps: [50%], hold: 1m, guards: [errors]}}
clock: {settle: 10s, horizon: 10m}
"""


def world(*overrides: str) -> Scenario:
    return loads(BASE, "test", overrides)


def arm(fault: str, *overrides: str, seed: int = 1) -> Record:
    return simulate(Trial(world(f"faults=[{{{fault}}}]", *overrides), ARM, None, seed))


def trial(strategy: str, *overrides: str, seed: int = 1) -> Record:
    return simulate(Trial(world(*overrides), strategy, "candidate", seed))


def times(record: Record, kind: PodEvent, since: float = 0.0) -> list[float]:
    pods = record.truth.pods
    found = pods.time[(pods.kind == kind) & (pods.time >= since * 1e9)] / 1e9
    return [float(t) for t in found]


def who(record: Record, kind: PodEvent) -> set[int]:
    pods = record.truth.pods
    return set(pods.pod[(pods.kind == kind) & (pods.time >= 0)].tolist())


def outcomes(record: Record, start: int, end: int) -> np.ndarray:
    counted: np.ndarray = record.truth.tally.window(start, end).sum(axis=0)
    return counted


# --- a node without power -------------------------------------------------------------------------------


def test_a_node_falls_silent_at_once_its_pods_leave_rotation_after_the_grace_and_start_anew() -> None:
    record = arm("node_down: {at: 1m, lasting: 2m, node: 1}")
    assert who(record, PodEvent.CRASHED) == {1, 4}
    assert times(record, PodEvent.CRASHED) == [60.0, 60.0]
    assert times(record, PodEvent.OUT) == [100.0, 100.0]
    # back at 180: 100 ms to the container, 1 s to listen
    assert times(record, PodEvent.LISTENING) == pytest.approx([181.1, 181.1])
    assert times(record, PodEvent.CREATED) == []


def test_a_third_of_the_requests_gets_no_answer_until_proxies_have_heard_of_it() -> None:
    record = arm("node_down: {at: 1m, node: 1}", "cluster.eviction=1h")
    lost = outcomes(record, 61, 100)
    expected = 39 * 150 / 3
    assert abs(lost[Status.TIMEOUT] - expected) < 4 * (expected * 2 / 3) ** 0.5
    assert lost[Status.ERROR :].sum() == lost[Status.TIMEOUT]
    # the last of them were sent before the proxies' sync at 100.024, and waited for a second
    assert outcomes(record, 102, 600)[Status.ERROR :].sum() == 0


def test_a_node_that_is_back_before_anyone_noticed_has_its_containers_started_anew() -> None:
    record = arm("node_down: {at: 1m, lasting: 10s, node: 1}")
    assert times(record, PodEvent.OUT) == [70.0, 70.0]
    assert times(record, PodEvent.LISTENING) == pytest.approx([71.1, 71.1])


def test_after_the_eviction_time_others_are_created_elsewhere_and_the_lost_ones_stay_terminating() -> None:
    record = arm("node_down: {at: 1m, node: 1}", "cluster.eviction=1m")
    assert times(record, PodEvent.DELETED) == [160.0, 160.0]
    assert times(record, PodEvent.CREATED, since=0) == pytest.approx([160.02, 160.02])
    assert times(record, PodEvent.LISTENING) == pytest.approx([161.12, 161.12])
    assert times(record, PodEvent.GONE) == []


def test_pods_deleted_meanwhile_are_gone_when_their_node_is_back() -> None:
    record = arm("node_down: {at: 1m, lasting: 2m, node: 1}", "cluster.eviction=1m")
    assert times(record, PodEvent.GONE) == pytest.approx([180.02, 180.02])
    assert times(record, PodEvent.LISTENING) == pytest.approx([161.12, 161.12])


def test_what_was_terminating_on_it_does_not_end_before_the_node_is_back() -> None:
    drained = "{node_drain: {at: 58s, lasting: 5m, node: 1}}"  # preStop takes 5 s
    record = simulate(
        Trial(world(f"faults=[{drained}, {{node_down: {{at: 1m, lasting: 30s, node: 1}}}}]"), ARM, None, 1)
    )
    assert times(record, PodEvent.DELETED) == [58.0, 58.0]
    assert times(record, PodEvent.GONE) == pytest.approx([90.02, 90.02])


def test_while_its_pods_start_anew_they_refuse_and_then_serve_whom_still_believes_in_them() -> None:
    record = arm("node_down: {at: 1m, lasting: 10s, node: 1}", "cluster.delays.endpoints=20s")
    # proxies hear that the two are not ready at 90 s, after they serve again
    silent, refused, served = (outcomes(record, *span) for span in ((62, 69), (70, 72), (72, 85)))
    assert silent[Status.REFUSED] == 0
    assert silent[Status.TIMEOUT] > 0
    # for the second from 70.1 on
    assert refused[Status.REFUSED] == pytest.approx(50, abs=25)
    assert served[Status.ERROR :].sum() == 0


def test_a_node_that_is_down_takes_the_room_of_its_pods_with_it() -> None:
    record = arm("node_down: {at: 1m, lasting: 2m, node: 1}", "cluster.eviction=1m", "cluster.spare_pods=0")
    assert times(record, PodEvent.CREATED) == pytest.approx([160.02, 160.02])
    # the lost ones are gone, and their room is free, 20 ms after the node is back
    assert times(record, PodEvent.LISTENING) == pytest.approx([181.12, 181.12])


def test_a_recreate_waits_for_pods_that_nobody_can_stop() -> None:
    record = trial("recreate", "faults=[{node_down: {at: 0s, node: 1}}]")
    assert record.outcome is not None
    assert record.outcome.verdict is not Verdict.PROMOTED
    assert len(who(record, PodEvent.GONE)) == 4
    assert not (record.truth.pods.version == 1).any()


def test_pods_still_go_to_a_silent_node_until_it_is_noticed_and_then_elsewhere() -> None:
    record = trial("rolling", "faults=[{node_down: {at: 0s, node: 2}}]", "cluster.eviction=1m")
    new = record.truth.pods.version == CANDIDATE
    never_ran = set(np.flatnonzero(new).tolist()) - who(record, PodEvent.LISTENING)
    assert never_ran  # scheduled to node 2 in the first 40 s
    assert set(times(record, PodEvent.DELETED, since=99)) >= {100.0}
    assert record.outcome is not None
    assert record.outcome.verdict is Verdict.PROMOTED


# --- drains and budgets ---------------------------------------------------------------------------------


def test_without_a_budget_a_drain_evicts_all_pods_of_the_node_at_once() -> None:
    record = arm("node_drain: {at: 1m, node: 1}")
    assert who(record, PodEvent.DELETED) == {1, 4}
    assert times(record, PodEvent.DELETED) == [60.0, 60.0]
    assert times(record, PodEvent.CREATED) == pytest.approx([60.02, 60.02])
    assert outcomes(record, 0, 600)[Status.ERROR :].sum() == 0


@pytest.mark.parametrize("budget", ["{min_available: 5}", "{max_unavailable: 1}", "{min_available: 75%}"])
def test_a_drain_asks_again_every_five_seconds_until_the_budget_allows_it(budget: str) -> None:
    record = arm("node_drain: {at: 1m, node: 1}", f"cluster.disruption_budget={budget}")
    # the other pod of the node goes when the first one's replacement is ready, 1.1 s later: at the next try
    assert times(record, PodEvent.DELETED) == [60.0, 65.0]


def test_percentages_of_a_budget_round_up() -> None:
    # 17 % of 6 pods, 1.02, may be missing: 2
    record = arm("node_drain: {at: 1m, node: 1}", "cluster.disruption_budget={max_unavailable: 17%}")
    assert times(record, PodEvent.DELETED) == [60.0, 60.0]


def test_a_budget_of_all_pods_never_lets_a_drain_begin_and_does_not_stop_an_update() -> None:
    budget = "cluster.disruption_budget={min_available: 100%}"
    assert times(arm("node_drain: {at: 1m, node: 1}", budget), PodEvent.DELETED) == []
    bound, free = trial("rolling", budget), trial("rolling")
    assert bound.outcome == free.outcome
    assert (bound.truth.pods.time == free.truth.pods.time).all()


def test_a_drained_node_takes_no_pods_until_it_is_over() -> None:
    fault = "faults=[{node_drain: {at: 0s, lasting: 5m, node: 0}}]"
    closed = simulate_world("rolling", fault)
    assert sum(closed.nodes[0].staying) == 0
    one_node = ("cluster.nodes=1", "faults=[{node_drain: {at: 1m, lasting: 1m, node: 0}}]")
    record = simulate(Trial(world(*one_node), ARM, None, 1))
    assert times(record, PodEvent.CREATED) == pytest.approx([60.02] * 6)
    assert times(record, PodEvent.LISTENING) == pytest.approx([121.1] * 6)


def simulate_world(strategy: str, *overrides: str) -> World:
    scenario = world(*overrides)
    chosen = World(Trial(scenario, strategy, "candidate", 1))
    chosen.release(scenario.plan(strategy))
    return chosen


# --- slowness -------------------------------------------------------------------------------------------


def test_a_slow_node_makes_its_third_of_the_requests_slow_while_it_lasts() -> None:
    record = arm("node_slow: {at: 1m, lasting: 1m, node: 1, slower: 10}")
    before, during, after = (latencies(record, *span) for span in ((0, 60), (65, 120), (125, 200)))
    assert before == after == {20: 1.0}
    assert set(during) == {20, 200}
    assert during[200] == pytest.approx(1 / 3, abs=0.02)


def latencies(record: Record, start: int, end: int, version: int = STABLE) -> dict[int, float]:
    """Shares of answers by latency, in ms as far as the buckets tell them apart."""
    counts = record.truth.tally.latencies(start, end, [version])
    total = counts.sum()
    near = (5, 20, 60, 120, 200, 320)
    found: dict[int, float] = {}
    for bucket in np.flatnonzero(counts):
        ms = 1000 * bucket_middle(int(bucket))
        closest = min(near, key=lambda n: abs(n - ms))
        assert abs(closest - ms) < 0.02 * closest + 0.5
        found[closest] = found.get(closest, 0.0) + float(counts[bucket] / total)
    return found


def test_a_slow_dependency_slows_the_versions_that_call_it() -> None:
    fault = "faults=[{slow_dependency: {at: 30s, lasting: 20s, of: candidate, adds: 300ms}}]"
    record = trial("canary", fault, "strategies.canary.canary.hold=2m", "guards.errors.min_requests=1")
    assert latencies(record, 35, 50, STABLE) == {20: 1.0}
    assert latencies(record, 35, 50, CANDIDATE) == {320: 1.0}
    assert latencies(record, 55, 90, CANDIDATE) == {20: 1.0}
    both = arm("slow_dependency: {at: 30s, lasting: 20s, slower: 2, adds: 80ms}")
    assert latencies(both, 35, 50) == {120: 1.0}


def test_new_pods_on_a_slow_node_start_slowly() -> None:
    record = trial("recreate", "faults=[{node_slow: {at: 0s, node: 0, slower: 3}}]")
    created = max(times(record, PodEvent.CREATED))
    started = sorted(times(record, PodEvent.LISTENING))
    assert started == pytest.approx([created + 1.1] * 4 + [created + 3.3] * 2)


# --- the control plane ----------------------------------------------------------------------------------


@pytest.mark.parametrize("via", ["service", "edge"])
def test_a_stalled_router_does_at_its_end_what_came_meanwhile(via: str) -> None:
    fault = "faults=[{router_stall: {at: 2s, lasting: 48s}}]"
    record = trial("blue-green", fault, f"strategies.blue-green.blue_green.via={via}")
    switch = record.truth.routes[1]
    assert switch.t < 10
    assert switch.in_force is not None
    assert 50 <= switch.in_force <= 50 + (1.0 if via == "edge" else 0.0)


def test_in_a_metrics_gap_guards_know_nothing_and_the_release_waits() -> None:
    free = trial("canary")
    blind = trial("canary", "faults=[{metrics_gap: {at: 20s, lasting: 3m}}]")
    # the hold of a minute is over by 70; scrapes are every 15 s from 0 and seen 2 s later
    assert stage_after(free, 20) == pytest.approx(77, abs=15)
    assert stage_after(blind, 20) == pytest.approx(212)
    in_gap = [w for seen in blind.observed for w in seen.windows.values() if 20 <= w.taken_at < 200]
    assert in_gap
    assert all(w.subject.requests == w.stable.requests == 0 for w in in_gap)


def stage_after(record: Record, t: float) -> float:
    return min(event.t for event in record.events if event.kind is Kind.STAGE and event.t > t)


def test_a_slow_api_delays_actions_and_controllers_alike() -> None:
    usual, slow = trial("rolling"), trial("rolling", "faults=[{slow_api: {at: 0s, slower: 50}}]")
    assert min(times(usual, PodEvent.CREATED)) == pytest.approx(0.1 + 0.02)
    assert min(times(slow, PodEvent.CREATED)) == pytest.approx(5.0 + 1.0)


def test_where_there_is_no_room_pods_wait_until_it_is_over() -> None:
    record = trial("rolling", "faults=[{no_room: {at: 0s, lasting: 2m}}]")
    assert min(times(record, PodEvent.CREATED)) == pytest.approx(0.12)
    assert min(times(record, PodEvent.LISTENING)) == pytest.approx(121.1)


def test_the_same_trial_gives_the_same_record() -> None:
    faults = (
        "faults=[{node_down: {at: 10s, lasting: 1m, node: 1}}, {node_slow: {at: 5s, node: 2, slower: 4}}]"
    )
    one, two = trial("rolling", faults), trial("rolling", faults)
    assert (one.truth.tally.counts == two.truth.tally.counts).all()
    assert (one.truth.pods.time == two.truth.pods.time).all()
