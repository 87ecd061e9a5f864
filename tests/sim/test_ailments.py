"""Versions that go wrong by themselves: exits by chance and by age, images to be pulled, failed liveness."""

import math

import numpy as np
import pytest

from scenarios.draws import Purpose, u
from scenarios.load import loads
from scenarios.record import ARM, PodEvent, Record, Trial
from scenarios.scenario import Scenario
from scenarios.tally import CANDIDATE, Status
from sim.engine import may_reset
from sim.world import World, simulate

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 4, slots: 4, queue: 50}
versions:
  stable: {start: 1s, service_time: 90ms}
traffic: {rate: 20/s, client: {timeout: 2s}}
cluster:
  nodes: 2
  pods: {readiness: {period: 1s}, termination: {pre_stop: 5s}}
  delays: {api: 100ms, container: 100ms, relist: 0s, sigterm: 20ms, address: 90ms, endpoints: 20ms}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
strategies:
  rolling: {rolling: {}}
  recreate: {recreate: {}}
clock: {settle: 10s, horizon: 30m}
"""


def world(*overrides: str) -> Scenario:
    return loads(BASE, "test", overrides)


def arm(*overrides: str, seed: int = 1) -> Record:
    return simulate(Trial(world(*overrides), ARM, None, seed))


def trial(strategy: str, *overrides: str, seed: int = 1) -> Record:
    return simulate(Trial(world(*overrides), strategy, "candidate", seed))


def times(record: Record, kind: PodEvent, pod: int | None = None, since: float = -10.0) -> list[float]:
    pods = record.truth.pods
    chosen = (pods.kind == kind) & (pods.time >= since * 1e9)
    if pod is not None:
        chosen &= pods.pod == pod
    return [float(t) for t in pods.time[chosen] / 1e9]


def failed(record: Record, start: int, end: int) -> float:
    """The share of requests that failed."""
    counts = record.truth.tally.window(start, end).sum(axis=0)
    return float(counts[Status.ERROR :].sum() / counts.sum())


# --- exits ----------------------------------------------------------------------------------------------


def test_exits_by_chance_have_exponential_gaps_keyed_by_pod_and_start() -> None:
    record = arm("versions.stable.crash={per_hour: 30}")
    for pod in range(4):
        starts = [-10.0, *times(record, PodEvent.LISTENING, pod)]
        crashes = times(record, PodEvent.CRASHED, pod)
        assert len(crashes) in (len(starts), len(starts) - 1)
        for number, (start, crash) in enumerate(zip(starts, crashes, strict=False)):
            # each crash uses up a number for the container that ended
            draw = u(1, Purpose.EXIT, 0, pod, 1 + 2 * number)
            assert crash - start == pytest.approx(-math.log1p(-draw) * 3600 / 30)


def test_so_many_exits_per_hour() -> None:
    crashes = sum(
        len(times(arm("versions.stable.crash={per_hour: 6}", seed=s), PodEvent.CRASHED)) for s in range(40)
    )
    expected = 40 * 4 * 6 * 1810 / 3600
    assert abs(crashes - expected) < 4 * expected**0.5


def test_a_leaking_process_exits_at_its_age() -> None:
    record = trial("recreate", "versions.candidate.leak={over: 5m, crash: true}")
    for pod in range(4, 8):
        starts, crashes = times(record, PodEvent.LISTENING, pod), times(record, PodEvent.CRASHED, pod)
        assert len(crashes) >= 4
        assert [crash - start for start, crash in zip(starts, crashes, strict=False)] == pytest.approx(
            [300.0] * len(crashes)
        )
        # restarts in 0, 10, 20, 40 s: each had run for less than ten minutes
        waits = [start - crash - 1.0 for crash, start in zip(crashes, starts[1:], strict=False)]
        assert waits[:4] == pytest.approx([0.0, 10.0, 20.0, 40.0])


def test_pods_of_before_the_trial_are_anywhere_in_their_leak() -> None:
    first = [
        times(arm("versions.stable.leak={over: 10m, crash: true}", seed=s), PodEvent.CRASHED)[0]
        for s in range(12)
    ]
    assert np.ptp(first) > 60
    assert max(first) < 600


def test_a_process_that_dies_of_requests_is_restarted_as_any_that_crashed() -> None:
    record = arm("versions.stable.crash={on_request: 0.2%}", "clock.horizon=10m")
    crashes = times(record, PodEvent.CRASHED)
    expected = 20 * 610 * 0.002
    assert abs(len(crashes) - expected) < 5 * expected**0.5
    assert record.truth.tally.window(-10, 600).sum(axis=0)[Status.RESET] >= len(crashes)
    for pod in range(4):
        ended, started = times(record, PodEvent.CRASHED, pod), times(record, PodEvent.LISTENING, pod)
        waits = [start - end - 1.0 for end, start in zip(ended, started, strict=False)]
        # found out within 50 ms; the back-off counts from the death
        assert waits[:3] == pytest.approx([0.0, 10.0, 20.0][: len(waits)], abs=0.051)


# --- images ---------------------------------------------------------------------------------------------


def test_the_first_pod_on_each_node_waits_for_the_pull_and_the_others_with_it() -> None:
    record = trial("recreate", "versions.candidate.pull=30s")
    created = max(times(record, PodEvent.CREATED))
    # all four come at once to two nodes: each waits for its node's pull
    assert times(record, PodEvent.LISTENING, since=0) == pytest.approx([created + 0.1 + 30 + 1.0] * 4)


def test_later_pods_find_the_image_there() -> None:
    one_by_one = "strategies.rolling.rolling={max_surge: 1, max_unavailable: 0}"
    record = trial("rolling", "versions.candidate.pull=30s", one_by_one)
    new = np.flatnonzero(record.truth.pods.version == CANDIDATE).tolist()
    waits = [times(record, PodEvent.LISTENING, p)[0] - times(record, PodEvent.CREATED, p)[0] for p in new]
    assert waits == pytest.approx([31.1, 31.1, 1.1, 1.1])


def test_a_pull_takes_as_long_whatever_the_strategy() -> None:
    pull = "versions.candidate.pull={median: 20s, p95: 60s}"
    one_by_one = "strategies.rolling.rolling={max_surge: 1, max_unavailable: 0}"
    slowest = {}
    for strategy in ("recreate", "rolling"):
        record = trial(strategy, pull, one_by_one)
        new = np.flatnonzero(record.truth.pods.version == CANDIDATE).tolist()
        waits = [times(record, PodEvent.LISTENING, p)[0] - times(record, PodEvent.CREATED, p)[0] for p in new]
        slowest[strategy] = sorted({round(wait, 6) for wait in waits if wait > 1.2})
    assert len(slowest["rolling"]) == 2
    assert slowest["recreate"] == slowest["rolling"]


def test_a_pull_that_a_power_cut_ends_begins_anew() -> None:
    cut = "faults=[{node_down: {at: 10s, lasting: 10s, node: 1}}]"
    record = trial("recreate", "versions.candidate.pull=30s", cut)
    created = max(times(record, PodEvent.CREATED))
    # node 0 goes on; node 1 is back at 20 s
    assert times(record, PodEvent.LISTENING, since=0) == pytest.approx([created + 31.1] * 2 + [51.1] * 2)


def test_an_image_that_cannot_be_pulled_never_runs_and_the_rollout_sticks() -> None:
    record = trial("rolling", "versions.candidate.pull=never")
    new = np.flatnonzero(record.truth.pods.version == CANDIDATE)
    assert len(new) == 2  # surge 1, unavailable 1, of 4
    assert not any(times(record, kind, p) for kind in (PodEvent.LISTENING, PodEvent.IN) for p in new.tolist())
    assert record.outcome is not None
    assert record.outcome.verdict == "stuck"
    assert failed(record, 0, 1800) == 0


# --- liveness -------------------------------------------------------------------------------------------

LIVE = "cluster.pods.liveness={period: 10s, timeout: 1s, failure: 3}"


def test_an_idle_pod_lives() -> None:
    plain, probed = arm(), arm(LIVE)
    assert times(probed, PodEvent.CRASHED) == []
    assert (plain.truth.tally.counts == probed.truth.tally.counts).all()


def test_a_process_that_starts_too_slowly_is_killed_before_it_listens_again_and_again() -> None:
    record = trial("recreate", LIVE, "versions.candidate.start=45s")
    pod = 4
    created = times(record, PodEvent.CREATED, pod)[0]
    # ticks every 10 s from its arrival on; it runs from 0.1: refused at 10, 20, 30; preStop takes 5 s, and as
    # nothing listens, SIGTERM ends it; the next container runs at once: refused at 40, 50, 60
    crashes = [t - created for t in times(record, PodEvent.CRASHED, pod)]
    assert crashes[:2] == pytest.approx([35.0, 65.0])
    assert times(record, PodEvent.LISTENING, pod) == []
    # then the back-off of 10 s: it runs from 75; 80, 90, 100
    assert crashes[2] == pytest.approx(105.0)


def test_an_initial_delay_gives_it_the_time() -> None:
    patient = "cluster.pods.liveness={period: 10s, initial_delay: 60s}"
    record = trial("recreate", patient, "versions.candidate.start=45s")
    assert times(record, PodEvent.CRASHED) == []
    assert record.outcome is not None
    assert record.outcome.verdict == "promoted"


# 4 pods of 4 slots at 160/s · 90 ms: 90 % busy. A candidate that takes a third longer wants 120 %.
BUSY = ("traffic.rate=160/s", "versions.candidate.service_time=120ms", "clock.horizon=10m")


def test_liveness_turns_a_slow_candidate_at_high_load_into_an_outage() -> None:
    healthy = trial("rolling", LIVE, "traffic.rate=160/s", "clock.horizon=10m")
    assert failed(healthy, 60, 600) < 0.01
    assert times(healthy, PodEvent.CRASHED) == []
    slow, killed = trial("rolling", *BUSY), trial("rolling", *BUSY, LIVE)
    # overloaded by a fifth: what is over is turned away, and nothing restarts
    assert times(slow, PodEvent.CRASHED) == []
    assert failed(slow, 120, 600) == pytest.approx(1 - 1 / 1.2, abs=0.04)
    # probes find no free slot in time, pods are restarted, and the load on those left grows
    assert len(times(killed, PodEvent.CRASHED)) > 20
    assert failed(killed, 120, 600) > 0.5


def test_somebody_can_be_reset_where_liveness_or_age_ends_processes() -> None:
    def resets(*overrides: str) -> bool:
        return may_reset(tuple(World(Trial(world(*overrides), "rolling", "candidate", 1)).kits.values()), 2.0)

    assert resets(LIVE)
    assert resets("versions.candidate.leak={over: 5m, crash: true}")
    assert not resets()
