"""Simulated updates beside those of one node (docs/timing.md): one machine, few runs, so the bands are wide.

The node: 2 cores, Kubernetes 1.34, kube-proxy in iptables mode; an app that listens 58 ms after its start.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from scenarios.load import loads
from scenarios.record import PodEvent, Record, Trial
from scenarios.tally import Status
from sim.world import simulate

NODE = """
format: rolloutlab/1
name: node
service: {replicas: 4, slots: 16}
versions: {stable: {start: {median: 58ms, p95: 71ms}, service_time: 1ms}}
traffic: {rate: 200/s, client: {timeout: 2s}}
cluster:
  nodes: 1
  pods: {readiness: {period: 1s}, termination: {grace: 10s, on_sigterm: exit}}
  delays:
    api: {median: 2ms, p95: 4ms}
    container: {median: 120ms, p95: 155ms}
    endpoints: {median: 13ms, p95: 20ms}
    sigterm: 18ms
    address: 90ms
strategies: {update: {rolling: {max_surge: 1, max_unavailable: 0}}}
clock: {settle: 10s, horizon: 30s}
"""
PRE_STOP, ON_SIGTERM = "cluster.pods.termination.pre_stop", "cluster.pods.termination.on_sigterm"
QUARTERS = "strategies.update.rolling={}"
TEN = ("service.replicas=10", QUARTERS)


@cache
def updates(*overrides: str, seeds: int = 20) -> tuple[Record, ...]:
    scenario = loads(NODE, "node", overrides)
    return tuple(simulate(Trial(scenario, "update", "candidate", seed)) for seed in range(seeds))


def took(record: Record) -> float:
    assert record.outcome is not None
    assert record.outcome.settled_at is not None
    return record.outcome.settled_at


def failed(record: Record) -> int:
    return int(record.truth.tally.window(0, 25)[:, Status.ERROR :].sum())


def mean(of: tuple[Record, ...], what: object) -> float:
    return float(np.mean([what(record) for record in of]))  # type: ignore[operator]


def ready(record: Record) -> list[tuple[float, int, int]]:
    """(seconds, old ready, new ready) at each change from t = 0 on."""
    pods, now, found = record.truth.pods, (0, 0), list[tuple[float, int, int]]()
    for t in np.unique(pods.time):
        before, here = now, pods.time == t
        for pod, kind in zip(pods.pod[here], pods.kind[here], strict=True):
            change = {PodEvent.IN: 1, PodEvent.OUT: -1}.get(PodEvent(kind), 0)
            now = (now[0] + change, now[1]) if pods.version[pod] == 0 else (now[0], now[1] + change)
        if t >= 0 and now != before:
            found.append((float(t) / 1e9, *now))
    return found


# --- 4 pods, surge 1, unavailable 0, 200 new connections a second -------------------------------------------


def test_one_at_a_time_takes_about_a_relist_for_each_pod() -> None:
    # the node: 3.5 s (preStop 0, five updates), 3.6 s (preStop 1 s, four), 3.6 s (2 s, four)
    for pre_stop in ("0s", "1s", "2s"):
        durations = [took(record) for record in updates(f"{PRE_STOP}={pre_stop}")]
        assert 3.0 < np.mean(durations) < 4.2
        assert min(durations) > 2.5


def test_a_quarter_more_and_a_quarter_fewer_is_twice_as_fast() -> None:
    # the node: 1.6 s (three updates)
    assert 1.2 < mean(updates(QUARTERS), took) < 2.2


def test_without_pre_stop_each_update_costs_connections_whether_or_not_the_app_drains() -> None:
    # the node, 25 %/25 %: 279 failed in three updates, 93 for each
    assert 93 / 2 < mean(updates(QUARTERS), failed) < 93 * 2
    # one at a time: 273 in eight updates, 192 in five where the app exits, 81 in three where it drains
    for on_sigterm in ("exit", "drain"):
        assert 273 / 8 / 2 < mean(updates(f"{ON_SIGTERM}={on_sigterm}"), failed) < 273 / 8 * 2


def test_a_removal_may_share_the_sync_that_the_new_pod_waits_for() -> None:
    """The next sync comes a second after the last one ended, not after it began: 40 ms that decide."""
    exact = "routers={service: {kind: kube-proxy, min_sync_period: 1s}, edge: {kind: ingress-nginx}}"
    assert mean(updates(exact), failed) > 2 * mean(updates(), failed)


def test_most_of_the_harm_is_connections_that_only_time_out() -> None:
    # the node, 20 removals: 188 timeouts, 52 refused, 6 reset
    tallies = [record.truth.tally.window(0, 25).sum(axis=0) for record in updates()]
    lost = {status: sum(int(tally[status]) for tally in tallies) for status in Status}
    assert lost[Status.TIMEOUT] > 2 * lost[Status.REFUSED] > 0
    assert lost[Status.RESET] < lost[Status.REFUSED]


@pytest.mark.parametrize(("pre_stop", "most"), [("1s", 5.0), ("2s", 0.5)])
def test_a_pre_stop_of_a_second_leaves_few_failures_and_of_two_practically_none(
    pre_stop: str, most: float
) -> None:
    # the node: 6 failed in three updates at 1 s, 1 in four at 2 s (no keep-alive load)
    assert mean(updates(f"{PRE_STOP}={pre_stop}"), failed) <= most


def test_pre_stop_and_draining_lose_nothing() -> None:
    # the node: 0 of 5,115
    assert mean(updates(f"{PRE_STOP}=2s", f"{ON_SIGTERM}=drain"), failed) == 0


def test_there_are_never_fewer_than_four_ready_pods() -> None:
    for record in updates():
        assert min(old + new for _, old, new in ready(record)) >= 4


# --- 10 pods, 25 %/25 % ------------------------------------------------------------------------------------


def test_two_old_pods_are_out_within_50_milliseconds() -> None:
    # the node: 8/0 at 27, 42 and 44 ms
    for record in updates(*TEN):
        t, old, new = ready(record)[0]
        assert (old, new) == (8, 0)
        assert 0.01 < t < 0.1


def test_never_under_8_ready_and_never_more_than_13_that_are_not_terminating() -> None:
    for record in updates(*TEN):
        assert min(old + new for _, old, new in ready(record)) >= 8
        pods = record.truth.pods
        order = np.argsort(pods.time, kind="stable")
        change = {PodEvent.CREATED: 1, PodEvent.DELETED: -1}
        alive = np.cumsum([change.get(PodEvent(kind), 0) for kind in pods.kind[order]])
        assert alive.max() == 13


@pytest.mark.parametrize(
    ("overrides", "shortest", "longest"),
    [
        ((), 1.2, 4.4),  # the node: 4.4 s with its cores shared
        (
            ("cluster.pods.readiness.period=5s",),
            1.2,
            3.0,
        ),  # 2.3 s: an app that is up does not feel the period
        (("versions.stable.start=1500ms",), 3.5, 6.5),  # 6.1 s, in two waves
    ],
    ids=["period 1 s", "period 5 s", "listening 1.5 s after its start"],
)
def test_how_long_ten_pods_take(overrides: tuple[str, ...], shortest: float, longest: float) -> None:
    durations = [took(record) for record in updates(*TEN, *overrides)]
    assert shortest < np.mean(durations) < longest


def test_slow_pods_mostly_come_in_two_waves_each_within_moments() -> None:
    # the node: 8/0 until 2988 ms, then 7/5; 3/5 until 6062, then 0/10 at 6134
    found = []
    for record in updates(*TEN, "versions.stable.start=1500ms"):
        grown = [t for (_, _, a), (t, _, b) in pairwise(ready(record)) if b > a]
        waves = [t for i, t in enumerate(grown) if i == 0 or t - grown[i - 1] > 0.1]
        found.append(len(waves))  # more where a wave straddles the kubelet's look
        assert 1.6 < waves[0] < 3.1
        assert waves[-1] - waves[0] > 1.5
    assert np.median(found) == 2


def test_a_wave_of_fast_pods_is_a_relist_apart_from_the_next() -> None:
    # the node: 8/3 at 961 ms, 3/6 at 1964, 0/10 at 2291
    for record in updates(*TEN, "cluster.pods.readiness.period=5s"):
        steps = ready(record)
        grown = [t for (_, _, a), (t, _, b) in pairwise(steps) if b > a]
        gaps = [b - a for a, b in pairwise(grown) if b - a > 0.1]
        assert gaps
        assert all(gap == pytest.approx(1.0, abs=0.05) for gap in gaps)
        assert grown[0] < 1.25


# --- one pod -----------------------------------------------------------------------------------------------


def test_from_created_to_ready_of_pods_that_are_up_when_they_are_seen() -> None:
    # the node: process 120 ms after created (95–168), Running seen 103–999 ms after that, Ready 13 ms later
    waits = []
    for record in updates(*TEN):
        created = {int(pod): t for t, pod in _events(record, PodEvent.CREATED) if t > 0}
        waits += [t - created[pod] for t, pod in _events(record, PodEvent.IN) if pod in created]
    assert min(waits) > 0.15
    assert max(waits) < 1.4
    assert 0.5 < np.median(waits) < 1.15


def _events(record: Record, kind: PodEvent) -> list[tuple[float, int]]:
    pods = record.truth.pods
    which = pods.kind == kind
    return [(float(t) / 1e9, int(pod)) for t, pod in zip(pods.time[which], pods.pod[which], strict=True)]
