"""In any world every request is booked exactly once, whatever the control plane does and when it looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.distributions import Exponential, LogNormal
from scenarios.tally import FLAG_BITS, HARMED, MET_CANDIDATE, MET_STABLE, NOBODY, Grid, Status, Tally
from sim.requests import Requests


@st.composite
def trials(draw: st.DrawFn) -> tuple[Requests, list[tuple[float, str, int]]]:
    """A world and when which pod is killed, restarted, refuses, or is gone."""
    balance = draw(st.sampled_from(["random", "round_robin", "least_outstanding"]))
    grid = Grid(-draw(st.integers(0, 20)), draw(st.integers(1, 60)), 4, draw(st.integers(1, 7)))
    service = draw(st.sampled_from([Exponential(0.05), LogNormal.of(mean=1.0, cv=2.0)]))
    requests = Requests(
        draw(st.integers(0, 10**9)), draw(st.sampled_from([1.0, 50.0, 900.0])), draw(st.integers(1, 5000)),
        draw(st.sampled_from(["even", "zipf"])), grid, draw(st.integers(1, 5)), draw(st.integers(0, 90)), 2.5,
        (service, service), user_errors=(0.0, 0.3), balance=balance, backends=2,
    )  # fmt: skip
    pods = [requests.add_pod(k % 2, 0.05, grid.start) for k in range(draw(st.integers(1, 60)))]
    requests.rotate(0, 0, pods[::2])
    requests.rotate(0, 1, pods[1::2])
    requests.weigh(0, [0.6, 0.4])
    verb = st.sampled_from(["kill", "refuse", "silence", "serve"])
    change = st.tuples(st.floats(grid.start, grid.horizon), verb, st.sampled_from(pods))
    return requests, sorted(draw(st.lists(change, max_size=12)))


def play(requests: Requests, changes: list[tuple[float, str, int]]) -> Tally:
    for t, verb, pod in changes:
        requests.advance(t)
        if verb in ("kill", "serve"):
            requests.kill(pod, t)
        if verb == "serve":
            requests.serve(pod, t)
        elif verb != "kill":
            getattr(requests, verb)(pod)
    return requests.finish()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(trials())
def test_every_request_is_booked_once(trial: tuple[Requests, list[tuple[float, str, int]]]) -> None:
    requests, changes = trial
    tally = play(requests, changes)
    grid, counts = requests.grid, tally.counts
    assert counts.min() >= 0
    assert counts.sum() == tally.arrivals.sum() == requests._clock.counter[0]
    assert np.array_equal(counts.sum(axis=(0, 2)), tally.arrivals.sum(axis=0))
    timed = counts[:, :NOBODY, : Status.REJECTED]
    per_bin = np.add.reduceat(timed.sum(axis=2), np.arange(0, grid.seconds, grid.step), axis=0)
    assert np.array_equal(per_bin, tally.latency.sum(axis=2))
    assert tally.latency.max() < 2**31  # nothing was taken away that had not been booked
    asked = tally.users >> FLAG_BITS
    assert asked.sum() == tally.arrivals[-grid.start * 10 :].sum()
    assert tally.new_active.sum() == np.count_nonzero(asked)
    assert tally.new_harmed.sum() == np.count_nonzero(tally.users & HARMED)
    met = [np.count_nonzero(tally.users & flag) for flag in (MET_STABLE, MET_CANDIDATE)]
    assert tally.new_met.sum(axis=0).tolist() == met
    assert requests._clock.counter[3] == requests._books.failed_next.size  # nobody's failure was forgotten


def world(settle: int = 5) -> Requests:
    service = LogNormal.of(mean=0.2, cv=1.0)
    requests = Requests(
        3,
        300.0,
        500,
        "zipf",
        Grid(-settle, 30, 2),
        4,
        9,
        1.0,
        (service, service),
        balance="least_outstanding",
    )
    requests.rotate(0, 0, [requests.add_pod(k % 2, 0.01, -settle) for k in range(12)])
    return requests


def assert_same(one: Tally, other: Tally, skip: int = 0) -> None:
    for name in ("counts", "latency", "new_active", "new_harmed", "new_met", "flips"):
        assert getattr(one, name)[skip:].tobytes() == getattr(other, name).tobytes(), name
    assert one.users.tobytes() == other.users.tobytes()


def test_same_seed_same_bytes() -> None:
    assert_same(world().finish(), world().finish())


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.floats(-5, 32), max_size=40))
def test_looking_changes_nothing(times: list[float]) -> None:
    requests = world()
    for t in sorted(times):
        requests.advance(t)
    assert_same(requests.finish(), world().finish())


def test_a_second_is_final_once_it_is_over() -> None:
    requests, whole = world(), world().finish()
    for t in range(-4, 33):
        requests.advance(float(t))
        done = t + 5
        for name in ("counts", "latency", "new_active", "new_harmed", "new_met", "flips"):
            found: Any = getattr(requests.tally, name)[:done]
            assert np.array_equal(found, getattr(whole, name)[:done]), (t, name)
        assert np.array_equal(requests.tally.arrivals[: 10 * done], whole.arrivals[: 10 * done])


@pytest.mark.parametrize("settle", [0, 1, 40])
def test_an_idle_settling_time_changes_nothing_after_it(settle: int) -> None:
    """With nobody to carry work over, the requests from 0 on are the same."""

    def idle(settle: int) -> Tally:
        service = LogNormal.of(mean=0.2, cv=1.0)
        requests = Requests(3, 50.0, 500, "zipf", Grid(-settle, 30, 2), 4, 9, 1.0, (service, service))
        pods = [requests.add_pod(k % 2, 0.01, -settle) for k in range(12)]
        requests.advance(0.0)
        requests.rotate(0, 0, pods)
        return requests.finish()

    assert_same(idle(settle), idle(0), skip=settle)
