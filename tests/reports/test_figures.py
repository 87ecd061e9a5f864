"""Figures of trials made by hand, whose answers can be worked out on paper."""

import math
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.arms import Fault
from reports.capacity import capacity
from reports.figures import FIGURES, HEADLINES, Arms, Figure, Missing, Value, is_bad, measure
from reports.series import series
from reports.weights import Accuracy, Weighing, weighing
from scenarios.plan import ByReplicas, Match, Route, Rules, Split, Sticky
from scenarios.record import PodEvent, Pods, Record, RouteChange, Trial, Truth
from scenarios.release import Event, Kind, Outcome, Verdict
from scenarios.scenario import Scenario
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Grid, Status, Tally, of_rows

IN, OUT, CREATED, LISTENING, GONE, CRASHED = (
    PodEvent.IN,
    PodEvent.OUT,
    PodEvent.CREATED,
    PodEvent.LISTENING,
    PodEvent.GONE,
    PodEvent.CRASHED,
)
SETTLE, HORIZON = 60, 300
MAIN = ByReplicas(("main",))

Life = tuple[str, int, Sequence[tuple[float, PodEvent]]]
Request = tuple[float, float, int, int, int]  # due, end, version, status, user


def world(**changes: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "by hand",
            "service": {"replicas": 10, "slots": 4},
            "versions": {"stable": {"service_time": "50ms"}, "candidate": {"service_time": "50ms"}},
            "traffic": {"rate": "100/s", "users": {"count": 50}},
            "strategies": {"rolling": {"rolling": {}}},
            "clock": {"settle": f"{SETTLE}s", "horizon": f"{HORIZON}s"},
            **changes,
        }
    )


def old(*events: tuple[float, PodEvent], pool: str = "main", version: int = STABLE) -> Life:
    """A pod that serves since the settling time began."""
    return pool, version, ((-SETTLE, CREATED), (-SETTLE, IN), *events)


def new(*events: tuple[float, PodEvent], pool: str = "main", version: int = CANDIDATE) -> Life:
    return pool, version, events


TEN = [old()] * 10


def pods_of(lives: Sequence[Life]) -> Pods:
    pools = tuple(dict.fromkeys(pool for pool, _, _ in lives))
    events = sorted(
        ((t, pod, kind) for pod, (_, _, told) in enumerate(lives) for t, kind in told), key=lambda e: e[0]
    )
    time, pod, kind = zip(*events, strict=True)
    return Pods(
        pools,
        np.array([pools.index(pool) for pool, _, _ in lives], np.int32),
        np.array([version for _, version, _ in lives], np.int32),
        np.array([round(t * 1e9) for t in time], np.int64),
        np.array(pod, np.int32),
        np.array(kind, np.int32),
    )


def tally_of(requests: Sequence[Request]) -> Tally:
    rows = sorted(requests)
    columns = [np.array([row[i] for row in rows]) for i in range(5)]
    due, end, version, status, user = columns if rows else [np.zeros(0)] * 5
    return of_rows(Grid(-SETTLE, HORIZON, 10), 50, due, end, version, status, user)


def record(
    lives: Sequence[Life] = TEN,
    routes: Sequence[tuple[float, Route]] = ((-SETTLE, MAIN),),
    requests: Sequence[Request] = (),
    outcome: Outcome | None = None,
    scenario: Scenario | None = None,
    strategy: str = "rolling",
    candidate: str | None = "candidate",
) -> Record:
    told: tuple[Event, ...] = ()
    if outcome is not None and outcome.decided_at is not None:
        back = outcome.verdict is not Verdict.PROMOTED
        told = (Event(outcome.decided_at, Kind.DECIDED, "roll back" if back else "promote"),)
    changes = tuple(RouteChange(t, route, t) for t, route in routes)
    return Record(
        Trial(scenario or world(), strategy, candidate, 0),
        Truth(tally_of(requests), pods_of(lives), changes),
        (),
        (),
        told,
        outcome,
    )


def arm(candidate: str | None, requests: Sequence[Request], scenario: Scenario | None = None) -> Record:
    version = STABLE if candidate is None else CANDIDATE
    return record([old(version=version)] * 10, requests=requests, scenario=scenario, strategy="control",
                  candidate=candidate)  # fmt: skip


def ok(due: float, version: int = STABLE, user: int = 0, took: float = 0.05) -> Request:
    return due, due + took, version, Status.OK, user


def bad(due: float, version: int = CANDIDATE, user: int = 0, took: float = 0.05) -> Request:
    return due, due + took, version, Status.ERROR, user


def every(step: float, start: float, end: float, version: int = STABLE, make: Any = ok) -> list[Request]:
    """Steady requests from fifty users in turn."""
    times = np.arange(start, end - 1e-9, step)
    return [make(float(t), version, i % 50) for i, t in enumerate(times)]


def rolled_back(decided: float, settled: float | None) -> Outcome:
    verdict = Verdict.STUCK if settled is None else Verdict.ROLLED_BACK
    return Outcome(verdict, decided, settled, "x", "")


def promoted(decided: float, settled: float) -> Outcome:
    return Outcome(Verdict.PROMOTED, decided, settled, "x", "")


NEVER_DECIDED = Outcome(Verdict.STUCK, None, None, "x", "")

ALL_STABLE = every(0.5, -SETTLE, HORIZON)
HALF_BROKEN = [r for t in np.arange(-SETTLE, HORIZON, 1.0) for r in (ok(t, 1), bad(t + 0.5))]
ARMS = Arms(arm(None, ALL_STABLE), arm("candidate", HALF_BROKEN))
GOOD_ARMS = Arms(arm(None, ALL_STABLE), arm("candidate", every(0.5, -SETTLE, HORIZON, 1)))


def figure(key: str, of: Record, arms: Arms | None = None) -> Figure:
    return measure(of, arms).figures[key]


def value(key: str, of: Record, arms: Arms | None = None) -> float:
    found = figure(key, of, arms)
    assert isinstance(found, Value), found
    return found.value


# --- capacity ------------------------------------------------------------------------------------


def test_half_the_pods_gone_for_a_minute_lose_300_pod_seconds() -> None:
    lives = [old()] * 5 + [old((30, OUT), (90, IN))] * 5
    assert value("capacity_loss", record(lives)) == pytest.approx(300)
    assert value("capacity_loss_unweighted", record(lives)) == pytest.approx(300)
    assert value("worst_capacity", record(lives)) == pytest.approx(0.5)


def test_nothing_lost_is_nothing() -> None:
    assert value("capacity_loss", record()) == 0
    assert value("worst_capacity", record()) == 1
    assert value("extra_cost", record()) == 0
    assert value("version_skew", record()) == 0


def test_more_than_before_makes_up_for_nothing() -> None:
    lives = [old()] * 9 + [old((100, OUT))] + [new((0, CREATED), (10, IN))] * 5
    assert value("capacity_loss", record(lives)) == pytest.approx(0)
    assert capacity(record(lives)).before == 10


def test_half_the_traffic_to_one_of_eleven_pods_caps_the_service_at_two() -> None:
    lives = [*TEN, new((-1, CREATED), (-0.5, IN), pool="canary")]
    halves = Split((("main", 0.5), ("canary", 0.5)))
    of = record(lives, routes=[(-SETTLE, MAIN), (100, halves), (200, MAIN)])
    assert value("worst_capacity", of) == pytest.approx(0.2)
    assert value("capacity_loss", of) == pytest.approx(8 * 100)
    assert value("capacity_loss_unweighted", of) == 0, "all eleven are in rotation"
    assert value("version_skew", of) == pytest.approx(100)


def test_pods_without_weight_are_no_capacity() -> None:
    lives = [*TEN, *[new((-30, CREATED), (-20, IN), pool="green")] * 10]
    of = record(lives, routes=[(-SETTLE, MAIN), (50, ByReplicas(("green",)))])
    assert value("capacity_loss", of) == 0
    assert value("version_skew", of) == 0
    assert value("extra_cost", of) == pytest.approx(10 * HORIZON)


def test_the_share_of_a_pool_without_pods_goes_to_the_primary_one() -> None:
    of = record(routes=[(-SETTLE, MAIN), (100, Split((("main", 0.9), ("ghost", 0.1)))), (110, MAIN)])
    assert value("worst_capacity", of) == 1
    assert value("capacity_loss", of) == 0


def test_a_slower_version_is_less_capacity() -> None:
    slow = world(versions={"stable": {"service_time": "50ms"}, "candidate": {"service_time": "200ms"}})
    lives = [old((100, OUT))] * 10 + [new((0, CREATED), (100, IN))] * 10
    of = record(lives, scenario=slow)
    assert value("worst_capacity", of) == pytest.approx(0.25)
    assert value("capacity_loss", of) == pytest.approx(7.5 * 200)
    assert value("capacity_loss_unweighted", of) == 0


def test_a_young_pod_is_less_capacity_until_it_is_warm() -> None:
    """slower 3 over 20 s: the speed 1/(3 − t/10) lacks ∫ 1 − 1/(3 − t/10) dt = 20 − 10 ln 3 per pod."""
    slow = {"service_time": "50ms", "warm_up": {"slower": 3, "lasting": "20s"}}
    scenario = world(versions={"stable": {"service_time": "50ms"}, "candidate": slow})
    lives = [old((100, OUT))] * 10 + [new((90, CREATED), (100, LISTENING), (100, IN))] * 10
    of = record(lives, scenario=scenario)
    assert value("capacity_loss", of) == pytest.approx(10 * (20 - 10 * math.log(3)), rel=1e-3)
    assert value("worst_capacity", of) == pytest.approx(1 / 3, rel=0.02)


def test_a_pod_warms_up_again_after_a_crash_and_those_of_old_are_warm() -> None:
    stable = {"service_time": "50ms", "warm_up": {"slower": 3, "lasting": "20s"}}
    scenario = world(versions={"stable": stable, "candidate": stable})
    again = old((100, CRASHED), (100, OUT), (110, LISTENING), (110, IN))
    assert value("capacity_loss", record(TEN, scenario=scenario)) == 0
    lost = 10 + (20 - 10 * math.log(3))
    assert value("capacity_loss", record([old()] * 9 + [again], scenario=scenario)) == pytest.approx(
        lost, rel=1e-3
    )


def test_what_is_said_twice_counts_once() -> None:
    """A pod that crashed and was ready again before the kubelet noticed comes in twice and never went out."""
    lives = [old()] * 9 + [old((50, CRASHED), (51, IN), (100, OUT), (110, OUT), (120, IN))]
    assert value("capacity_loss", record(lives)) == pytest.approx(20)


def test_pods_cost_from_their_creation_until_they_are_gone() -> None:
    lives = [*TEN, new((10, CREATED), (40, IN), (100, OUT), (110, GONE))]
    assert value("extra_cost", record(lives)) == pytest.approx(100)


def test_fewer_pods_than_desired_save_nothing() -> None:
    lives = [old()] * 9 + [old((100, OUT), (100, GONE))] + [new((0, CREATED), (50, GONE))]
    assert value("extra_cost", record(lives)) == pytest.approx(50)


def test_demand_above_capacity_is_unmet() -> None:
    """100 requests/s of 50 ms on 4 slots are 1.25 pods' worth; one pod leaves 0.25 unmet, none 1.25."""
    lives = [old((100, OUT))] * 9 + [old((200, OUT))]
    assert value("unmet_demand", record(lives)) == pytest.approx(0.25 * 100 + 1.25 * 100)


def test_demand_that_grows_is_unmet_from_when_it_exceeds_capacity() -> None:
    """From 0 to 400 requests/s in 100 s, then on: 5 pods' worth against 4, unmet from 80 s: 20/2 + 200."""
    ramp = {"ramp": {"from": "0/s", "to": "400/s", "lasting": "100s"}}
    scenario = world(traffic={"rate": ramp, "users": {"count": 50}})
    lives = [old()] * 4
    unmet = value("unmet_demand", record(lives, scenario=scenario))
    assert unmet == pytest.approx(20 / 2 + 200, rel=1e-3)


def test_a_service_without_capacity_has_no_worst_share() -> None:
    nobody = [new((-SETTLE, CREATED))] * 10
    assert figure("worst_capacity", record(nobody)) == Missing("not applicable")


@given(
    st.lists(
        st.lists(st.integers(-SETTLE * 1000, HORIZON * 1000 - 1), max_size=6, unique=True).map(sorted),
        min_size=1,
        max_size=6,
    )
)
def test_capacity_is_that_of_the_obvious_twin(milliseconds: list[list[int]]) -> None:
    turns = [[t / 1000 for t in times] for times in milliseconds]
    lives = [old(*[(t, (OUT, IN)[i % 2]) for i, t in enumerate(times)]) for times in turns]
    steps = capacity(record(lives))

    def serving(t: float) -> int:
        return sum(sum(turn <= t for turn in times) % 2 == 0 for times in turns)

    middles = (steps.edges[1:] + steps.edges[:-1]) / 2
    assert steps.effective.tolist() == [serving(t) for t in middles]
    assert steps.before == serving(-1e-12)
    assert steps.edges[0] == 0 and steps.edges[-1] == HORIZON


# --- requests and users --------------------------------------------------------------------------


def test_a_good_service_has_no_blast() -> None:
    of = record(requests=ALL_STABLE, outcome=promoted(10, 20))
    for key in (
        "failed_requests",
        "blast_requests",
        "blast_requests_exact",
        "users_harmed",
        "blast_users_exact",
    ):
        assert value(key, of, GOOD_ARMS) == 0


def test_estimate_and_truth_differ_where_the_settling_window_misleads() -> None:
    """One failure in 120 settling requests makes p₀ = 1/120; 600 then expect 5, 20 came, the truth is 17."""
    before = [*every(0.5, -SETTLE, -1), ok(-1.0), bad(-0.6, STABLE)]
    during = [*every(0.5, 20, HORIZON), *every(0.5, 0, 10), *every(0.5, 10, 20, STABLE, bad)]
    control = [*before, *every(0.5, 1.5, HORIZON), *every(0.5, 0, 1.5, STABLE, bad)]
    of = record(requests=before + during, outcome=NEVER_DECIDED)
    arms = Arms(arm(None, control), arm("candidate", HALF_BROKEN))
    assert len(before) == 120
    assert value("failed_requests", of, arms) == 20
    assert value("blast_requests", of, arms) == pytest.approx(20 - 600 / 120)
    assert value("blast_requests_exact", of, arms) == 20 - 3
    assert value("blast_requests_share", of, arms) == pytest.approx(15 / 600)
    assert value("blast_requests_share_exact", of, arms) == pytest.approx(17 / 600)
    estimate = figure("blast_requests", of, arms)
    assert isinstance(estimate, Value) and estimate.low is not None and estimate.high is not None
    assert estimate.low < 17 < estimate.high, "the noise of p₀ is told"


def test_neither_blast_is_clipped_at_zero() -> None:
    before = [*every(0.5, -SETTLE, -1), bad(-1.0, STABLE), bad(-0.5, STABLE)]
    arms = Arms(arm(None, [*before, bad(5.0, STABLE)]), ARMS.candidate)
    of = record(requests=before + every(0.5, 0, HORIZON), outcome=promoted(1, 1))
    assert value("blast_requests", of, arms) == pytest.approx(-2 / 120 * 600)
    assert value("blast_requests_exact", of, arms) == -1


def test_the_error_budget_of_a_month_burnt_in_one_release() -> None:
    """99.5 % of 10,000 requests a month may fail 50 times: 20 more failures than usual burn 40 % of it."""
    slo = {"success": "99.5%", "period": "30d", "requests": 10_000}
    scenario = world(slo=slo)
    requests = [*every(0.5, -SETTLE, -1), *every(0.5, 0, 10, STABLE, bad), *every(0.5, 10, HORIZON)]
    of = record(requests=requests, outcome=NEVER_DECIDED, scenario=scenario)
    arms = Arms(arm(None, [*ALL_STABLE, bad(5.25, STABLE)], scenario), ARMS.candidate)
    assert value("error_budget", of, arms) == pytest.approx(20 / 50)
    assert value("error_budget_exact", of, arms) == pytest.approx(19 / 50)
    assert figure("error_budget_exact", of) == Missing("not observable")
    estimate, count = figure("error_budget", of), figure("blast_requests", of)
    assert isinstance(estimate, Value) and isinstance(count, Value)
    assert estimate.low is not None and count.low is not None
    assert estimate.low == pytest.approx(count.low / 50)


def test_there_is_no_error_budget_where_none_is_stated_or_none_is_left() -> None:
    for slo in ({}, {"success": "100%", "period": "30d", "requests": 10_000}):
        of = record(requests=ALL_STABLE, outcome=NEVER_DECIDED, scenario=world(slo=slo))
        assert figure("error_budget", of, GOOD_ARMS) == Missing("not applicable")
        assert figure("error_budget_exact", of, GOOD_ARMS) == Missing("not applicable")


def test_failures_before_the_trigger_and_after_the_horizon_are_not_counted() -> None:
    late = (HORIZON - 1.0, HORIZON + 2.0, CANDIDATE, Status.TIMEOUT, 1)
    of = record(requests=[bad(-1.0), bad(5.0), late], outcome=NEVER_DECIDED)
    assert value("failed_requests", of) == 1
    assert value("users_harmed", of) == 2, "a user is harmed by what came of a request due in time"


def test_users_are_harmed_once_and_only_if_the_control_arm_spares_them() -> None:
    requests = [bad(5.0, user=1), bad(6.0, user=1), bad(7.0, user=2), ok(8.0, user=3)]
    control = [bad(5.0, STABLE, user=2), ok(6.0, user=1), ok(8.0, user=3)]
    of = record(requests=[*every(0.5, -SETTLE, 0), *requests], outcome=NEVER_DECIDED)
    arms = Arms(arm(None, control), ARMS.candidate)
    assert value("users_harmed", of, arms) == 2
    assert value("blast_users_exact", of, arms) == 1
    assert value("users_harmed_exact", of, arms) == 1
    assert value("blast_users_share_exact", of, arms) == pytest.approx(1 / 3)
    assert value("blast_users", of, arms) == 2, "no failure before: all are excess"


def test_the_excess_of_users_takes_off_those_who_would_fail_anyway() -> None:
    before = [*every(0.5, -SETTLE, -1), bad(-1.0, STABLE), ok(-0.5)]
    requests = [ok(float(t), user=0) for t in range(5)] + [bad(float(t) + 0.5, user=1) for t in range(2)]
    of = record(requests=before + requests, outcome=NEVER_DECIDED)
    p = 1 / 120
    expected = (1 - (1 - p) ** 5) + (1 - (1 - p) ** 2)
    assert value("blast_users", of) == pytest.approx(1 - expected)


def test_without_a_request_before_there_is_no_estimate() -> None:
    of = record(requests=[bad(5.0)], outcome=rolled_back(6, 7))
    for key in (
        "blast_requests",
        "blast_requests_share",
        "blast_users",
        "blast_users_share",
        "recovery_time",
    ):
        assert figure(key, of) == Missing("too few")


def test_without_arms_nothing_is_exact() -> None:
    measured = measure(record(requests=ALL_STABLE, outcome=rolled_back(10, 20)))
    assert measured.bad is None
    for key, found in measured.figures.items():
        if key.endswith("_exact") or key in ("time_to_detect", "harmful_requests", "harmful_users"):
            assert found == Missing("not observable"), key


def test_the_peak_needs_fifty_requests_in_ten_seconds() -> None:
    few = every(0.25, 0, HORIZON) + every(0.5, 100, 105, CANDIDATE, bad)
    assert value("peak_failure_share", record(requests=few)) == pytest.approx(10 / 50)
    assert figure("peak_failure_share", record(requests=every(0.5, 0, HORIZON))) == Missing("too few")


# --- what users met ------------------------------------------------------------------------------


def test_exposure_ends_with_the_decision() -> None:
    requests = [*every(0.5, -SETTLE, 0), *every(1, 0, 20, CANDIDATE), *every(1, 20, 30, CANDIDATE)]
    of = record(requests=requests, outcome=rolled_back(12.0, 40))
    assert value("exposure_requests", of, ARMS) == 12
    assert value("exposure_users", of, ARMS) == 12
    assert value("harmful_requests", of, ARMS) == 12
    assert value("harmful_requests", of, GOOD_ARMS) == 0
    assert value("exposure_requests", record(requests=requests, outcome=NEVER_DECIDED), ARMS) == 30


def test_exposure_within_a_second_goes_by_its_tenths() -> None:
    requests = [ok(5 + i / 10 + 0.05, CANDIDATE, i) for i in range(10)]
    of = record(requests=requests, outcome=rolled_back(5.3, 40))
    assert value("exposure_requests", of, ARMS) == 3
    assert value("exposure_users", of, ARMS) == 3


def test_users_of_both_and_flips() -> None:
    flips = [
        ok(1.0, STABLE, 1),
        ok(2.0, CANDIDATE, 1),
        ok(3.0, STABLE, 1),
        ok(4.0, STABLE, 2),
        ok(5.0, CANDIDATE, 3),
    ]
    of = record(requests=flips, outcome=NEVER_DECIDED)
    assert value("users_of_both", of) == 1
    assert value("flips", of) == pytest.approx(2 / 3)


def test_latency_is_of_the_release_only_and_by_version() -> None:
    slow, fast = (
        [ok(t + 0.5, CANDIDATE, took=0.4) for t in range(20)],
        [ok(t * 1.0, took=0.1) for t in range(60)],
    )
    of = record(
        requests=[*fast, *slow, *[ok(t + 0.2, took=3.0) for t in range(100, 200)]], outcome=promoted(20, 60)
    )
    assert value("latency_p50_stable", of) == pytest.approx(0.1, rel=0.01)
    assert value("latency_p99_candidate", of) == pytest.approx(0.4, rel=0.01)
    assert value("latency_p99", of) == pytest.approx(0.4, rel=0.01)
    alone = record(requests=fast, outcome=NEVER_DECIDED)
    assert figure("latency_p50_candidate", alone) == Missing("not applicable")


def test_latency_before_and_after_the_release() -> None:
    """50 ms before 0, 100 ms during, 400 ms after it has settled at 100 s."""
    requests = [
        *every(0.5, -SETTLE, -1),
        *(ok(float(t), took=0.1) for t in range(99)),
        *(ok(float(t), took=0.4) for t in range(110, HORIZON - 1)),
    ]
    of = record(requests=requests, outcome=promoted(50, 100))
    assert value("latency_p50_before", of) == pytest.approx(0.05, rel=0.01)
    assert value("latency_p99", of) == pytest.approx(0.1, rel=0.01)
    assert value("latency_p50_after", of) == pytest.approx(0.4, rel=0.01)
    nobody = record(requests=requests[:200], outcome=promoted(50, 100))
    assert figure("latency_p50_after", nobody) == Missing("too few"), "nobody asks after it"
    stuck = record(requests=requests, outcome=NEVER_DECIDED)
    assert figure("latency_p50_after", stuck) == Missing("not applicable")
    assert figure("latency_p50_before", record(outcome=promoted(50, 100))) == Missing("too few")


# --- bad -----------------------------------------------------------------------------------------


def test_a_candidate_is_bad_where_it_breaks_the_objective_and_stable_does_not() -> None:
    assert is_bad(ARMS)
    assert not is_bad(GOOD_ARMS)
    assert not is_bad(Arms(arm(None, HALF_BROKEN), arm("candidate", HALF_BROKEN)))


def test_a_slow_candidate_is_bad_only_by_a_latency_objective() -> None:
    requests = [ok(t, CANDIDATE, took=0.5) for t in np.arange(0, HORIZON, 0.5)]
    assert not is_bad(Arms(arm(None, ALL_STABLE), arm("candidate", requests)))
    demanding = world(slo={"latency": {"p95": "300ms"}})
    arms = Arms(arm(None, ALL_STABLE, demanding), arm("candidate", requests, demanding))
    assert arms.faults == {Fault.SLOW}


def test_a_candidate_that_never_becomes_ready_is_bad() -> None:
    refused = [(float(t), t + 0.01, NOBODY, Status.REFUSED, 0) for t in range(HORIZON)]
    assert Arms(arm(None, ALL_STABLE), arm("candidate", refused)).faults == {Fault.NEVER_READY}


def test_the_stable_arm_beside_itself_is_not_bad() -> None:
    assert measure(ARMS.stable, Arms(ARMS.stable, ARMS.stable)).bad is False


# --- times ---------------------------------------------------------------------------------------


def release(decided: float = 100.0, settled: float | None = 120.0, until: float = 110.0) -> Record:
    """The candidate answers from 50 s on, fails from 60 s on, and is left alone at `until`."""
    requests = [
        *every(0.5, -SETTLE, HORIZON),
        *every(0.5, 50, 60, CANDIDATE),
        *every(0.5, 60, until, CANDIDATE, bad),
    ]
    lives = [*TEN, new((40, CREATED), (50, IN), (until, OUT))]
    return record(lives, requests=requests, outcome=rolled_back(decided, settled))


def test_detection_counts_from_the_first_failed_request_of_the_candidate() -> None:
    assert value("time_to_detect", release(), ARMS) == pytest.approx(40)


def test_detection_of_a_slow_candidate_counts_from_its_first_request() -> None:
    demanding = world(slo={"success": "1%", "latency": {"p95": "300ms"}})
    slow = [ok(t, CANDIDATE, took=0.5) for t in np.arange(0, HORIZON, 0.5)]
    arms = Arms(arm(None, ALL_STABLE, demanding), arm("candidate", slow, demanding))
    assert value("time_to_detect", release(), arms) == pytest.approx(50)


def test_detection_of_one_that_never_starts_counts_from_its_first_pod() -> None:
    refused = [(float(t), t + 0.01, NOBODY, Status.REFUSED, 0) for t in range(HORIZON)]
    arms = Arms(arm(None, ALL_STABLE), arm("candidate", refused))
    of = record([*TEN, new((7.5, CREATED))], requests=ALL_STABLE, outcome=rolled_back(100, 101))
    assert value("time_to_detect", of, arms) == pytest.approx(92.5)


def test_detection_counts_from_a_crash_if_that_comes_first() -> None:
    of = release()
    crashed = record([*TEN, new((40, CREATED), (55.5, CRASHED))], requests=[], outcome=of.outcome)
    assert value("time_to_detect", crashed, ARMS) == pytest.approx(44.5)


def test_a_fault_that_was_never_noticed_is_censored_at_the_horizon() -> None:
    for outcome in (promoted(100, 120), NEVER_DECIDED):
        of = replace(release(), outcome=outcome, events=())
        assert figure("time_to_detect", of, ARMS) == Missing("not reached", HORIZON - 60)


def test_a_false_alarm_is_no_detection() -> None:
    assert figure("time_to_detect", release(), GOOD_ARMS) == Missing("not applicable")
    early = release(decided=55.0)
    assert figure("time_to_detect", early, ARMS) == Missing("not applicable"), "nothing had gone wrong yet"


def test_a_fault_that_never_showed_cannot_be_detected() -> None:
    of = record(requests=ALL_STABLE, outcome=NEVER_DECIDED)
    assert figure("time_to_detect", of, ARMS) == Missing("not applicable")


def test_rollback_time_is_when_99_percent_of_the_arrivals_had_come() -> None:
    """One request in each of 100 tenths of a second after the decision: the 99th has come after 9.9 s."""
    requests = [ok(100 + i / 10 + 0.05, CANDIDATE) for i in range(100)]
    of = record(
        [*TEN, new((40, CREATED), (50, IN), (110, OUT))], requests=requests, outcome=rolled_back(100, 120)
    )
    assert value("rollback_time", of) == pytest.approx(9.9)
    assert value("rollback_time_last", of) == pytest.approx(10.0)


def test_rollback_time_starts_within_a_tenth() -> None:
    requests = [ok(100.05, CANDIDATE)] * 100
    of = record(requests=requests, outcome=rolled_back(100.06, 120))
    assert value("rollback_time", of) == pytest.approx(0.99 * 0.04)


def test_rollback_time_does_not_apply_where_nobody_came() -> None:
    assert figure("rollback_time", release(until=100.0)) == Missing("not applicable")
    assert figure("rollback_time", replace(release(), outcome=promoted(100, 120), events=())) == Missing(
        "not applicable"
    )


def test_a_rollback_still_under_way_at_the_horizon_is_censored() -> None:
    of = release(settled=None, until=HORIZON)
    assert figure("rollback_time", of) == Missing("not reached", HORIZON - 100)
    assert figure("rollback_time_last", of) == Missing("not reached", HORIZON - 100)


def test_recovery_waits_for_failures_to_end() -> None:
    """The last second's 2 failures in 62 requests are what 120 without any cannot rule out: 9, not 10."""
    assert value("recovery_time", release(until=110.0)) == pytest.approx(9)
    assert value("recovery_time", release(until=100.0)) == 0


def test_recovery_waits_for_capacity_and_thirty_calm_seconds() -> None:
    lives = [old()] * 9 + [old((90, OUT), (130.5, IN), (140, OUT), (141, IN))]
    of = record(lives, requests=ALL_STABLE, outcome=rolled_back(100, 120))
    assert value("recovery_time", of) == pytest.approx(41), "the second dip begins the wait anew"


def test_what_has_not_recovered_by_the_horizon_is_censored() -> None:
    short = record([old()] * 9 + [old((90, OUT))], requests=ALL_STABLE, outcome=rolled_back(100, 120))
    late = record(requests=ALL_STABLE, outcome=rolled_back(HORIZON - 20, HORIZON - 10))
    assert figure("recovery_time", short) == Missing("not reached", HORIZON - 100)
    assert figure("recovery_time", late) == Missing("not reached", 20)
    assert figure("recovery_time", replace(short, outcome=NEVER_DECIDED)) == Missing("not applicable")


def test_release_duration_is_censored() -> None:
    assert value("release_duration", release()) == 120
    assert figure("release_duration", release(settled=None)) == Missing("not reached", HORIZON)


# --- weights -------------------------------------------------------------------------------------

TENTH = Split((("main", 0.9), ("canary", 0.1)))
BESIDE = [*TEN, new((0, CREATED), (10, IN), pool="canary")]


def split_requests(candidate: int, start: float = 100, end: float = 200) -> list[Request]:
    """Ten requests a second in [start, end): the first so many of them reach the candidate."""
    times = np.arange(start, end - 1e-9, 0.1) + 0.05
    return [ok(float(t), CANDIDATE if i < candidate else STABLE, i % 50) for i, t in enumerate(times)]


def split_release(
    requests: Sequence[Request], route: Route = TENTH, lives: Sequence[Life] = BESIDE
) -> Record:
    routes = [(-SETTLE, MAIN), (100, route), (200, MAIN)]
    return record(lives, routes, requests, outcome=promoted(200, 210))


def test_the_weight_error_is_observed_less_intended_while_the_weight_was_in_force() -> None:
    """150 of 1,000 requests at a weight of 10 %; what comes before and after is not asked."""
    outside = [ok(50.05, CANDIDATE), ok(250.05, CANDIDATE), *every(0.5, 210, 240)]
    found = figure("weight_error", split_release([*split_requests(150), *outside]))
    exact = stats.binomtest(150, 1000).proportion_ci(0.95, method="exact")
    assert isinstance(found, Value)
    assert found.value == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((exact.low - 0.1, exact.high - 0.1))


def test_a_weight_counts_only_when_every_proxy_has_it() -> None:
    of = split_release(split_requests(150))
    late = replace(of.truth.routes[1], in_force=150.0)
    routes = (of.truth.routes[0], late, of.truth.routes[2])
    found = weighing(replace(of, truth=replace(of.truth, routes=routes)))
    assert found is not None and (found.candidate, found.requests) == (0, 500), "the first 150 came before"
    never = replace(late, in_force=None)
    routes = (of.truth.routes[0], never, of.truth.routes[2])
    assert figure("weight_error", replace(of, truth=replace(of.truth, routes=routes))) == Missing(
        "not applicable"
    )


def test_two_weights_are_weighed_by_their_requests() -> None:
    """1,000 requests at 10 % and 500 at 50 % are meant to bring 350 to the candidate."""
    routes = [(-SETTLE, MAIN), (100, TENTH), (200, Split((("main", 0.5), ("canary", 0.5)))), (250, MAIN)]
    requests = [*split_requests(100), *split_requests(250, 200, 250)]
    found = weighing(record(BESIDE, routes, requests, outcome=promoted(250, 260)))
    assert found is not None
    assert (found.candidate, found.requests) == (350, 1500)
    assert found.intended == pytest.approx(350 / 1500) and found.error == pytest.approx(0)


def test_a_pool_that_holds_both_versions_has_no_intended_share() -> None:
    """Main's own update runs from 150 to 170: from then on both pools are the candidate's."""
    update = [new((150.02, CREATED), (155, IN))] * 10 + [old((160, OUT), (170, GONE))] * 10
    lives = [*update, new((0, CREATED), (10, IN), pool="canary")]
    found = weighing(split_release(split_requests(50), lives=lives))
    assert found is not None and (found.candidate, found.requests) == (50, 500)


def test_without_a_weight_there_is_no_error() -> None:
    assert figure("weight_error", release()) == Missing("not applicable")
    matched = Rules(TENTH, rules=((Match("header", "canary", "always"), "canary"),))
    assert figure("weight_error", split_release(split_requests(50), matched)) == Missing("not applicable")
    assert figure("weight_error", split_release([])) == Missing("too few")


def test_users_who_stay_count_as_clusters() -> None:
    """Fifty users with 20 requests each, all in force, tell as much as 50 requests: a design effect of 20."""
    sticky = weighing(split_release(split_requests(100), Rules(TENTH, sticky=Sticky.HASH)))
    alone = weighing(split_release(split_requests(100), Rules(TENTH)))
    assert sticky is not None and alone is not None
    assert (sticky.design_effect, alone.design_effect) == (pytest.approx(20), 1)
    exact = stats.binomtest(5, 50).proportion_ci(0.95, method="exact")
    assert sticky.interval() == pytest.approx((exact.low - 0.1, exact.high - 0.1))
    given = weighing(split_release(split_requests(100)), design_effect=20)
    assert given is not None and given.interval() == pytest.approx(sticky.interval())


@pytest.mark.parametrize(
    ("candidate", "requests", "design_effect", "accuracy"),
    [
        (10_000, 100_000, 1, Accuracy.ACCURATE),
        (10_500, 100_000, 1, Accuracy.ACCURATE),
        (13_000, 100_000, 1, Accuracy.INACCURATE),
        (0, 1_000, 1, Accuracy.INACCURATE),
        (100, 1_000, 1, Accuracy.TOO_FEW),
        (0, 10, 1, Accuracy.TOO_FEW),
        (10_000, 100_000, 100, Accuracy.TOO_FEW),
    ],
)
def test_a_split_is_accurate_inaccurate_or_not_yet_known(
    candidate: int, requests: int, design_effect: float, accuracy: Accuracy
) -> None:
    """Of 10 %, a tenth either way is accurate: 9 to 11 %. Ten requests may well miss the candidate."""
    assert Weighing(candidate, requests, 0.1, design_effect).accuracy is accuracy


def test_the_number_needed_decides_it() -> None:
    few = Weighing(100, 1_000, 0.1)
    assert few.needed == math.ceil(1.96**2 * 0.09 / 0.01**2) == 3458
    more = few.needed * 11 // 10  # the exact interval is a little wider than the normal one
    assert Weighing(round(more / 10), more, 0.1).accuracy is Accuracy.ACCURATE
    assert Weighing(10_000, 100_000, 0.1).needed == 100_000


# --- all of them ---------------------------------------------------------------------------------


def test_every_figure_is_always_there() -> None:
    for of in (release(), ARMS.stable, ARMS.candidate):
        assert list(measure(of, ARMS).figures) == list(FIGURES)
    assert set(HEADLINES) <= set(FIGURES)


def test_arms_have_no_figure_of_a_release() -> None:
    figures = measure(ARMS.candidate, ARMS).figures
    release_only = (
        "time_to_detect",
        "rollback_time",
        "recovery_time",
        "release_duration",
        "exposure_requests",
    )
    for key in (*release_only, "blast_requests", "blast_users"):
        assert figures[key] == Missing("not applicable"), key
    assert figures["blast_requests_exact"] == Value(300.0)


def test_what_is_measured_is_small_and_crosses_processes() -> None:
    measured = measure(release(), ARMS)
    packed = pickle.dumps(measured)
    assert pickle.loads(packed) == measured
    assert len(packed) < 4000
    assert (measured.strategy, measured.candidate, measured.seed, measured.verdict, measured.bad) == (
        "rolling",
        "candidate",
        0,
        Verdict.ROLLED_BACK,
        True,
    )


def test_measuring_changes_no_record() -> None:
    of = release()
    before = {
        name: getattr(of.truth.tally, name).copy() for name in ("counts", "arrivals", "latency", "users")
    }
    measure(of, ARMS)
    assert all(np.array_equal(getattr(of.truth.tally, name), array) for name, array in before.items())


# --- over time -----------------------------------------------------------------------------------


def test_series_run_from_settling_to_the_horizon() -> None:
    drawn = series(release())
    assert drawn.t[0] == -SETTLE and drawn.t[-1] == HORIZON - 1
    at = {int(t): i for i, t in enumerate(drawn.t)}
    assert drawn.capacity[at[-10]] == 10 and drawn.capacity[at[80]] == 11 and drawn.before == 10
    assert drawn.pods[at[45]] == 11
    assert drawn.requests[at[55]] == 4 and drawn.failures[at[55]] == 0
    assert drawn.failure_share[at[70]] == pytest.approx(0.5)
    assert drawn.candidate_share[at[70]] == pytest.approx(0.5)
    assert drawn.candidate_share[at[200]] == 0
    assert len(drawn.latency_t) == len(drawn.latency_p50) == SETTLE + HORIZON
    assert drawn.latency_p50[at[20]] == pytest.approx(0.05, rel=0.01)
    assert np.isnan(drawn.by_version[1, 0, at[20]])


def test_series_of_silence_are_not_a_number() -> None:
    drawn = series(record())
    for line in (drawn.failure_share, drawn.candidate_share, drawn.latency_p50, drawn.latency_p99):
        assert np.isnan(line).all()


def test_the_mean_capacity_of_a_second_counts_parts_of_it() -> None:
    drawn = series(record([old()] * 9 + [old((10.25, OUT), (10.75, IN))]))
    assert drawn.capacity[SETTLE + 10] == pytest.approx(9.5)
