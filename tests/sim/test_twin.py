"""The kernel equals its twin bit for bit: every request, and every count."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin import Script, both

from scenarios.curves import Counts, Line, Wave
from scenarios.distributions import Constant, Exponential, LogNormal, Quantiles, Samples
from scenarios.tally import CANDIDATE, STABLE, Grid, Status, Tally, of_rows
from sim.requests import Requests

POLICIES = ("random", "round_robin", "least_outstanding")
FAST = LogNormal.of(mean=0.05, cv=1.0)
SLOW = LogNormal.of(mean=0.4, cv=1.0)


def world(**changes: Any) -> dict[str, Any]:
    """Two pods' worth of load, three hundred requests a second."""
    usual: dict[str, Any] = {
        "seed": 1, "rate": 100.0, "users": 40, "activity": "even", "grid": Grid(-3, 20, 3), "slots": 4,
        "queue": 10, "timeout": 1.0, "service": (FAST, FAST), "balance": "random",
    }  # fmt: skip
    return usual | changes


def start(pods: int, backends: int = 1, error: float = 0.02) -> list[tuple[float, str, tuple[Any, ...]]]:
    """`pods` pods from the beginning, dealt out to the backends, the second one's candidates."""
    t = -3.0
    script: list[tuple[float, str, tuple[Any, ...]]] = [
        (t, "add_pod", (k % backends, error, t + 1.0)) for k in range(pods)
    ]
    return script + [(t, "rotate", (0, b, list(range(b, pods, backends)))) for b in range(backends)]


def assert_equal(script: Script, **changes: Any) -> Requests:
    requests, twin = both(script, **changes)
    rows = requests.rows()
    for name in ("due", "user", "slot", "version", "status", "start", "end"):
        expected = np.array([getattr(row, name) for row in twin.rows])
        different = np.flatnonzero((rows[name] != expected) & ~(np.isnan(rows[name]) & np.isnan(expected)))
        assert different.size == 0, (
            name,
            twin.rows[different[0]],
            {k: v[different[0]] for k, v in rows.items()},
        )
    columns = (
        np.array([getattr(r, n) for r in twin.rows]) for n in ("due", "end", "version", "status", "user")
    )
    expected_tally = of_rows(changes["grid"], changes["users"], *columns)
    for f in fields(Tally):
        if f.name != "grid":
            assert np.array_equal(getattr(requests.tally, f.name), getattr(expected_tally, f.name)), f.name
    return requests


def seen(requests: Requests) -> set[Status]:
    return {Status(x) for x in np.unique(requests.rows()["status"])}


@pytest.mark.parametrize("balance", POLICIES)
def test_below_capacity(balance: str) -> None:
    assert_equal(start(3), **world(balance=balance))


@pytest.mark.parametrize("balance", POLICIES)
@pytest.mark.parametrize("slots", [1, 3, 9])
def test_above_capacity_some_are_rejected_and_some_give_up(balance: str, slots: int) -> None:
    requests = assert_equal(start(2), **world(balance=balance, slots=slots, service=(SLOW, SLOW), queue=12))
    assert {Status.OK, Status.TIMEOUT, Status.REJECTED} <= seen(requests)


@pytest.mark.parametrize("balance", POLICIES)
def test_a_long_waiting_room_grows(balance: str) -> None:
    requests = assert_equal(
        start(2), **world(balance=balance, service=(SLOW, SLOW), queue=10**6, timeout=2.5)
    )
    assert Status.TIMEOUT in seen(requests)


def test_no_waiting_room() -> None:
    assert Status.REJECTED in seen(assert_equal(start(2), **world(queue=0, rate=200.0)))


def test_service_longer_than_the_timeout_keeps_its_lane() -> None:
    requests = assert_equal(start(4), **world(service=(Exponential(0.8), Constant(0.0)), timeout=0.5))
    rows = requests.rows()
    assert np.any((rows["status"] == Status.TIMEOUT) & ~np.isnan(rows["start"]))
    assert np.any((rows["status"] == Status.TIMEOUT) & np.isnan(rows["start"]))


def test_service_of_exactly_the_timeout_is_answered() -> None:
    requests = assert_equal(start(30), **world(service=(Constant(1.0), Constant(1.0)), rate=10.0))
    assert Status.TIMEOUT not in seen(requests)


@pytest.mark.parametrize("balance", POLICIES)
def test_kills_refusals_silence_and_restarts(balance: str) -> None:
    script = [
        *start(4),
        (2.25, "refuse", (1,)), (2.25, "kill", (1, 2.25)), (4.5, "serve", (1, 4.5)),
        (6.0, "silence", (2,)), (7.5, "rotate", (0, 0, [3, 1, 0])),
        (8.125, "kill", (0, 8.125)), (8.125, "silence", (0,)), (9.0, "serve", (0, 9.0)),
        (10.0, "kill", (3, 10.0)), (11.0, "rotate", (0, 0, [])), (11.5, "rotate", (0, 0, [1])),
        (19.99, "kill", (1, 19.99)),
    ]  # fmt: skip
    requests = assert_equal(script, **world(balance=balance, service=(SLOW, FAST), timeout=1.5, queue=5))
    assert {Status.OK, Status.TIMEOUT, Status.REJECTED, Status.RESET, Status.REFUSED} <= seen(requests)


@pytest.mark.parametrize("balance", POLICIES)
@pytest.mark.parametrize("fallback", [True, False])
def test_two_weighted_backends(balance: str, fallback: bool) -> None:
    script = [
        *start(6, backends=2), (1.0, "weigh", (0, [0.9, 0.1])), (4.0, "weigh", (0, [0.35, 0.65])),
        (6.0, "rotate", (0, 1, [])), (8.0, "rotate", (0, 1, [1, 3])), (9.0, "weigh", (0, [0.0, 1.0])),
        (12.0, "rotate", (0, 0, [])), (14.0, "rotate", (0, 0, [0, 2])),
    ]  # fmt: skip
    requests = assert_equal(
        script, **world(balance=balance, backends=2, fallback=fallback, empty=Status.UNAVAILABLE)
    )
    assert Status.UNAVAILABLE in seen(requests)
    assert (requests.rows()["version"] == CANDIDATE).any()


@pytest.mark.parametrize("balance", ["random", "round_robin"])
@pytest.mark.parametrize("tries", [1, 3])
def test_two_proxies_that_know_different_endpoints(balance: str, tries: int) -> None:
    script = [
        *start(5), (-3.0, "rotate", (1, 0, [4, 2])), (3.0, "refuse", (2,)), (5.0, "rotate", (1, 0, [4])),
        (6.0, "refuse", (0,)), (6.0, "refuse", (1,)), (9.0, "rotate", (0, 0, [3, 4])),
        (12.0, "silence", (3,)),
    ]  # fmt: skip
    requests = assert_equal(script, **world(balance=balance, proxies=2, tries=tries))
    assert Status.REFUSED in seen(requests)


@pytest.mark.parametrize("balance", POLICIES)
def test_warm_up_and_users_with_a_bug(balance: str) -> None:
    script = [
        *start(4, backends=2),
        (0.0, "weigh", (0, [0.5, 0.5])),
        (6.0, "kill", (1, 6.0)),
        (6.0, "serve", (1, 6.5)),
    ]
    assert_equal(
        script,
        **world(
            balance=balance, backends=2, warm_up=((3.0, 8.0), (6.0, 4.0)), user_errors=(0.0, 0.4), users=500
        ),
    )


@pytest.mark.parametrize("activity", ["even", "zipf"])
def test_a_long_settling_time_over_many_blocks(activity: str) -> None:
    grid = Grid(-30, 5, 3, step=4)
    requests = assert_equal(start(8), **world(grid=grid, rate=250.0, activity=activity, users=3000))
    assert requests.tally.users.sum() >> 8 > 0


VERBS = ("refuse", "silence", "kill", "restart", "rotate", "weigh")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Any], dict[str, Any]]:
    """Any world the kernel takes, and a script with changes anywhere in it."""
    balance = draw(st.sampled_from(POLICIES))
    least = balance == "least_outstanding"
    backends, pods = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    proxies = 1 if least else draw(st.integers(1, 3))
    time = st.integers(-3 * 64, 5 * 64 + 60).map(lambda x: x / 64)
    slot = st.integers(0, pods - 1)
    subset = st.lists(slot, unique=True, max_size=pods)
    share = st.sampled_from([0.0, 0.02, 0.3, 1.0])
    script = [(-3.0, "add_pod", (draw(st.integers(0, 1)), draw(share), -3.0)) for _ in range(pods)]
    script += [(-3.0, "rotate", (p, b, draw(subset))) for p in range(proxies) for b in range(backends)]
    changes: list[Any] = []
    for _ in range(draw(st.integers(0, 8))):
        t, verb = draw(time), draw(st.sampled_from(VERBS))
        proxy = draw(st.integers(0, proxies - 1))
        if verb == "rotate":
            changes.append((t, verb, (proxy, draw(st.integers(0, backends - 1)), draw(subset))))
        elif verb == "weigh":
            parts = draw(st.lists(st.integers(0, 4), min_size=backends, max_size=backends).filter(any))
            changes.append((t, verb, (proxy, [x / sum(parts) for x in parts])))
        elif verb == "kill":
            changes.append((t, verb, (draw(slot), t)))
        elif verb == "restart":
            changes += [(t, "kill", (s := draw(slot), t)), (t, "serve", (s, t))]
        else:
            changes.append((t, verb, (draw(slot),)))
    mean = st.sampled_from([0.001, 0.05, 0.5, 2.0])
    service = st.one_of(
        mean.map(Constant), mean.map(Exponential), mean.map(lambda m: LogNormal.of(mean=m, cv=1.5))
    )
    warm = st.one_of(st.none(), st.tuples(st.sampled_from([1.5, 8.0]), st.sampled_from([0.5, 5.0])))
    timeout = draw(st.sampled_from([0.05, 0.5, 1.75, 4.0]))
    return script + sorted(changes, key=lambda x: x[0]), {
        "seed": draw(st.integers(0, 2**32)),
        "rate": draw(st.sampled_from([5.0, 60.0, 300.0])),
        "users": draw(st.sampled_from([1, 7, 1000])),
        "activity": draw(st.sampled_from(["even", "zipf"])),
        "grid": Grid(-3, 6, 5, step=draw(st.integers(1, 4))),
        "slots": draw(st.integers(1, 6)),
        "queue": draw(st.sampled_from([0, 1, 7, 1000])),
        "timeout": timeout,
        "service": (draw(service), draw(service)),
        "warm_up": (draw(warm), draw(warm)),
        "user_errors": (draw(share), draw(share)),
        "balance": balance,
        "backends": backends,
        "proxies": proxies,
        "tries": 1 if least else draw(st.integers(1, 3)),
        "empty": draw(st.sampled_from([Status.REFUSED, Status.UNAVAILABLE])),
        "fallback": draw(st.booleans()),
    }


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_any_world(case: tuple[list[Any], dict[str, Any]]) -> None:
    script, parameters = case
    assert_equal(script, **parameters)


def test_versions_are_coupled_by_demand() -> None:
    """The same request is the same quantile of either version's work."""
    one = assert_equal(start(40), **world())
    other = assert_equal(
        [(t, v, (CANDIDATE, *a[1:]) if v == "add_pod" else a) for t, v, a in start(40)], **world()
    )
    assert np.array_equal(one.rows()["end"], other.rows()["end"])
    assert set(one.rows()["version"]) == {STABLE}


CHANGING = {
    "ramp": Line(((2.0, 10.0), (12.0, 250.0))),
    "spike": Line(((4.0, 40.0), (4.0, 900.0), (5.0, 900.0), (8.0, 0.0))),
    "wave": Wave(100.0, 1.0, 3.0, 20.0),
    "trace": Counts((300, 0, 1500, 2, 0, 90, 400), 3.0),
}


@pytest.mark.parametrize("balance", POLICIES)
@pytest.mark.parametrize("rate", CHANGING)
def test_rates_that_change_and_measured_times(rate: str, balance: str) -> None:
    quantiles = Quantiles((0.0, 0.5, 0.99, 1.0), (0.01, 0.04, 0.3, 1.5))
    service = (quantiles, Samples.of([0.02, 0.03, 0.03, 0.2]))
    script = [*start(3), (6.0, "kill", (1, 6.0)), (6.0, "refuse", (1,))]
    requests = assert_equal(script, **world(rate=CHANGING[rate], balance=balance, service=service))
    assert {Status.OK, Status.REFUSED} <= seen(requests)
