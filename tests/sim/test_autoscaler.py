"""The autoscaler in a trial: what it does to the pool of the start, and how it gets in a release's way."""

import numpy as np
import pytest

from scenarios.cluster import Autoscaler as Wanted
from scenarios.load import loads
from scenarios.record import ARM, PodEvent, Record, Trial
from scenarios.scenario import Scenario
from scenarios.tally import Status
from sim.autoscaler import bounds_of
from sim.world import simulate

# 4 pods of 4 slots at 128/s · 100 ms: 80 % busy where 60 % is wanted, 5.3 pods
BASE = """
format: rolloutlab/1
name: test
service: {replicas: 4, slots: 4}
versions: {stable: {start: 1s, service_time: 100ms}}
traffic: {rate: 128/s, client: {timeout: 2s}}
cluster:
  autoscaler: {min: 2, max: 20}
  pods: {readiness: {period: 1s}, termination: {pre_stop: 5s}}
  delays: {api: 100ms, container: 100ms, relist: 0s, sigterm: 20ms, address: 90ms, endpoints: 20ms}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {latency: {metric: latency_p95, limit: 400ms, window: 30s, min_requests: 100}}
strategies:
  rolling: {rolling: {}}
  halves: {in_place_halves: {drain: 10s, soak: 60s}}
  blue-green: {blue_green: {bake: 10m, guards: [latency]}}
clock: {settle: 1m, horizon: 20m}
"""


def world(*overrides: str) -> Scenario:
    return loads(BASE, "test", overrides)


def run(strategy: str, *overrides: str, seed: int = 1) -> Record:
    return simulate(Trial(world(*overrides), strategy, None if strategy == ARM else "candidate", seed))


def sizes(record: Record, pool: str = "main") -> list[tuple[float, int]]:
    """(seconds, pods created and not deleted) of the pool, after each change."""
    pods, count, found = record.truth.pods, 0, list[tuple[float, int]]()
    for t, pod, kind in zip(pods.time, pods.pod, pods.kind, strict=True):
        change = {PodEvent.CREATED: 1, PodEvent.DELETED: -1}.get(PodEvent(kind), 0)
        if change and pods.pools[pods.pool[pod]] == pool:
            count += change
            if found and found[-1][0] == t / 1e9:
                found.pop()
            found.append((float(t / 1e9), count))
    return found


def test_a_pool_grows_to_what_its_load_asks_for_and_stays_there() -> None:
    grown = sizes(run(ARM))
    assert [n for _, n in grown] == [4, 6]
    # the first sync comes within 15 s and has no metric, the second one has: 20 ms later there are pods
    assert -60 + 15 < grown[1][0] < -60 + 2 * 15 + 0.1


def test_it_goes_down_when_the_load_of_five_minutes_allows_it_and_not_below_its_least() -> None:
    down = sizes(run(ARM, "traffic.rate=8/s"))
    assert [n for _, n in down] == [4, 2]
    # the size at its first look, within 15 s, counts for 5 minutes
    assert -60 + 300 < down[1][0] < -60 + 300 + 30 + 0.1


def test_within_the_tolerance_nothing_changes() -> None:
    assert [n for _, n in sizes(run(ARM, "traffic.rate=96/s"))] == [4]


def test_never_above_its_most() -> None:
    assert [n for _, n in sizes(run(ARM, "cluster.autoscaler.max=5"))] == [4, 5]


def test_in_mid_rollout_it_scales_both_versions_and_the_rollout_ends_at_its_size() -> None:
    record = run("rolling", "clock.settle=5s")
    last = record.truth.pods
    assert sizes(record)[-1][1] == 6
    staying = set(range(len(last.pool))) - set(last.pod[last.kind == PodEvent.DELETED].tolist())
    assert {int(last.version[pod]) for pod in staying} == {1}


def test_two_pools_of_the_start_share_the_bounds() -> None:
    wanted = Wanted.model_validate({"min": 3, "max": 9})
    half = bounds_of(wanted, 0.5)
    assert (half.least, half.most) == (2, 4)
    tiny = bounds_of(Wanted.model_validate({"min": 1, "max": 1}), 0.5)
    assert (tiny.least, tiny.most) == (1, 1)
    busy = ("service.replicas=8", "traffic.rate=400/s", "clock.horizon=3m", "cluster.autoscaler.max=11")
    record = run("halves", *busy)
    # each half of 8 may have 5 of 11
    assert [max(n for _, n in sizes(record, pool)) for pool in record.truth.pods.pools] == [5, 5]


def test_blue_is_scaled_down_after_the_switch_and_switching_back_finds_too_few_pods() -> None:
    late = "faults=[{slow_dependency: {at: 5m, of: candidate, adds: 500ms}}]"
    fixed = "cluster={pods: {readiness: {period: 1s}, termination: {pre_stop: 5s}}}"
    quick = "cluster.autoscaler={min: 2, max: 20, stabilization: 1m}"
    alone = run("blue-green", late, fixed, "traffic.rate=96/s")
    scaled = run("blue-green", late, quick, "traffic.rate=96/s")
    failures = {}
    for name, record in (("alone", alone), ("scaled", scaled)):
        assert record.outcome is not None
        assert record.outcome.verdict == "rolled_back"
        back = int(record.truth.routes[-1].t)
        assert 300 < back < 400
        failed = record.truth.tally.window(back + 2, back + 17)[0]
        failures[name] = failed[Status.ERROR :].sum() / failed.sum()
        blue = record.truth.pods.pools[0]
        before = [n for t, n in sizes(record, blue) if t < back]
        assert before[-1] == (4 if name == "alone" else 2)
    # 96/s · 100 ms are 9.6 slots: four pods have 16, two have 8
    assert failures["alone"] == 0
    assert failures["scaled"] > 0.1
    # and it grows again once it is asked
    assert [n for t, n in sizes(scaled, blue)][-1] >= 4


def test_a_pool_at_zero_is_left_at_zero() -> None:
    record = run("blue-green", "strategies.blue-green.blue_green={bake: 1m}")
    blue = record.truth.pods.pools[0]
    assert record.outcome is not None
    assert sizes(record, blue)[-1][1] == 0


@pytest.mark.parametrize("strategy", ["rolling", "blue-green"])
def test_the_same_trial_gives_the_same_record(strategy: str) -> None:
    one, two = run(strategy), run(strategy)
    assert np.array_equal(one.truth.pods.time, two.truth.pods.time)
    assert np.array_equal(one.truth.tally.counts, two.truth.tally.counts)
