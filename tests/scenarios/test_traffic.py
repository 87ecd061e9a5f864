"""The schedule: Poisson, numbered from 0, the same whatever the settling time; users as their law says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scenarios import traffic
from scenarios.distributions import Constant
from scenarios.tally import Grid
from sim.requests import Requests


def test_request_0_is_the_first_at_or_after_0() -> None:
    schedule = traffic.schedule(5, 40.0, 10, "even", -20.0, 30.0)
    assert np.array_equal(schedule.index, np.arange(schedule.index[0], schedule.index[-1] + 1))
    assert np.all(np.diff(schedule.due) > 0)
    assert np.array_equal(schedule.index >= 0, schedule.due >= 0)
    assert schedule.due[0] >= -20.0
    assert schedule.due[-1] < 30.0


@pytest.mark.parametrize("rate", [0.05, 3.0, 900.0])
def test_settling_and_horizon_move_nothing_else(rate: float) -> None:
    long = traffic.schedule(5, rate, 10, "zipf", -300.0, 400.0)
    short = traffic.schedule(5, rate, 10, "zipf", -7.0, 90.0)
    kept = (long.due >= -7.0) & (long.due < 90.0)
    for name in ("index", "due", "user"):
        assert np.array_equal(getattr(long, name)[kept], getattr(short, name))


@pytest.mark.parametrize("activity", ["even", "zipf"])
@pytest.mark.parametrize("settle", [0, 1, 200])
def test_the_kernel_generates_the_same_bits(activity: traffic.Activity, settle: int) -> None:
    grid = Grid(-settle, 100, 2)
    requests = Requests(9, 77.0, 1_000_000, activity, grid, 1, 0, 1.0, (Constant(0.0),) * 2, trace=True)
    requests.rotate(0, 0, [requests.add_pod(0, 0.0, 0.0)])
    requests.finish()
    rows, schedule = requests.rows(), traffic.schedule(9, 77.0, 1_000_000, activity, -settle, 100)
    assert np.array_equal(rows["due"], schedule.due)
    assert np.array_equal(rows["user"], schedule.user)


def test_arrivals_are_poisson() -> None:
    due = traffic.schedule(2, 100.0, 10, "even", -2000.0, 2000.0).due
    assert stats.kstest(np.diff(due), "expon", args=(0, 0.01)).pvalue > 0.001
    counts = np.histogram(due, np.arange(-2000, 2001))[0]
    assert counts.mean() == pytest.approx(100, abs=4 * 10 / 4000**0.5)
    assert counts.var() == pytest.approx(100, rel=0.1)


def test_even_users_are_alike() -> None:
    user = traffic.user_of(1, np.arange(1_000_000), 97, "even")
    assert stats.chisquare(np.bincount(user, minlength=97)).pvalue > 0.001


@pytest.mark.parametrize("users", [1, 2, 3, 10, 1000, 54321])
def test_an_alias_table_gives_zipf_exactly(users: int) -> None:
    table = traffic.alias_table(users, "zipf")
    share = np.zeros(users)
    np.add.at(share, np.arange(users), table.accept)
    np.add.at(share, table.alias, 1 - table.accept.astype(float))
    zipf = 1 / np.arange(1, users + 1)
    assert share / users == pytest.approx(zipf / zipf.sum(), abs=1e-6 / users)


def test_zipf_users_are_drawn_by_their_shares() -> None:
    user = traffic.user_of(1, np.arange(1_000_000), 100, "zipf")
    zipf = 1 / np.arange(1, 101)
    assert stats.chisquare(np.bincount(user, minlength=100), 1e6 * zipf / zipf.sum()).pvalue > 0.001


@pytest.mark.parametrize("users", [0, traffic.MOST_USERS + 1])
def test_too_few_or_too_many_users_are_refused(users: int) -> None:
    with pytest.raises(ValueError, match="users must be from 1"):
        traffic.alias_table(users, "even")
