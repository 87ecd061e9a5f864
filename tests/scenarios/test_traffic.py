"""The schedule: Poisson, numbered from 0, the same whatever the settling time; users as their law says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios import traffic
from scenarios.curves import Counts, Curve, Line, Wave
from scenarios.distributions import Constant
from scenarios.tally import Grid
from sim.general_requests import GeneralRequests
from sim.habits import Habits
from sim.requests import Requests, shared_blocks

RAMP = Line(((10.0, 5.0), (70.0, 90.0)))
BORN = Line(((20.0, 0.0), (50.0, 60.0)))  # nobody before 20 s
SPIKE = Line(((30.0, 20.0), (30.0, 300.0), (35.0, 300.0), (40.0, 20.0)))
DAY = Wave(30.0, 1.0, 1800.0, 3600.0)
TRACE = Counts((3000, 0, 0, 2, 1, 500, 0, 777, 20, 1), 10.0)
RATES = {"ramp": RAMP, "born": BORN, "spike": SPIKE, "day": DAY, "trace": TRACE}


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


# rates that change


def simulated(rate: Curve, start: int, end: int, shared: bool = False) -> dict[str, np.ndarray]:
    """The requests that the kernel made of a rate; `shared`: from blocks that another trial drew."""
    service = (Constant(0.0), Constant(0.0))
    blocks = shared_blocks(4, rate, 1000, "zipf", service, start, end) if shared else None
    for _ in range(1 + shared):
        requests = Requests(
            4, rate, 1000, "zipf", Grid(start, end, 2), 1, 0, 1.0, service, trace=True, shared=blocks
        )
        requests.rotate(0, 0, [requests.add_pod(0, 0.0, 0.0)])
        requests.finish()
    return requests.rows()


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize(("start", "end"), [(0, 100), (-1, 37), (-250, 100), (-5, 3)])
def test_the_kernel_makes_the_same_of_a_changing_rate(name: str, start: int, end: int) -> None:
    schedule = traffic.schedule(4, RATES[name], 1000, "zipf", start, end)
    for shared in (False, True):
        rows = simulated(RATES[name], start, end, shared)
        assert np.array_equal(rows["due"], schedule.due)
        assert np.array_equal(rows["user"], schedule.user)


@pytest.mark.parametrize("name", RATES)
def test_the_general_engine_makes_the_same_of_a_changing_rate(name: str) -> None:
    service = (Constant(0.0), Constant(0.0))
    requests = GeneralRequests(
        Habits(pauses=(0.1,)), seed=4, rate=RATES[name], users=1000, activity="zipf", grid=Grid(-40, 90, 4),
        slots=1, queue=5, timeout=1.0, service=service, trace=True,
    )  # fmt: skip
    requests.rotate(0, 0, [requests.add_pod(0, 0.0, 0.0)])
    requests.finish()
    schedule = traffic.schedule(4, RATES[name], 1000, "zipf", -40, 90)
    assert np.array_equal(requests.rows()["due"], schedule.due)
    assert np.array_equal(requests.rows()["user"], schedule.user)


@pytest.mark.parametrize("name", RATES)
def test_settling_and_horizon_move_nothing_else_of_a_changing_rate(name: str) -> None:
    long = traffic.schedule(5, RATES[name], 10, "zipf", -300.0, 4000.0)
    short = traffic.schedule(5, RATES[name], 10, "zipf", -7.0, 90.0)
    kept = (long.due >= -7.0) & (long.due < 90.0)
    for field in ("index", "due", "user"):
        assert np.array_equal(getattr(long, field)[kept], getattr(short, field))


@pytest.mark.parametrize("name", ["ramp", "spike", "day", "born"])
def test_counts_are_poisson_of_the_integral(name: str) -> None:
    """χ² of counts in unequal intervals, over 200 seeds, against Λ; then their spread against Poisson's."""
    edges = np.array([-50.0, -20.0, 0.0, 9.0, 23.0, 30.0, 33.0, 38.0, 47.0, 60.0, 71.0, 100.0])
    expected = np.array([RATES[name].expected(a, b) for a, b in pairwise(edges)])
    counts = np.array(
        [
            np.histogram(traffic.schedule(seed, RATES[name], 2, "even", -50, 100).due, edges)[0]
            for seed in range(200)
        ]
    )
    seen = expected > 5
    assert np.all(counts[:, expected == 0] == 0)
    deviation = (counts[:, seen] - expected[seen]) ** 2 / expected[seen]
    assert stats.chi2(deviation.size).cdf(deviation.sum()) == pytest.approx(0.5, abs=0.4995)
    total = (counts.sum(axis=0)[seen] - 200 * expected[seen]) ** 2 / (200 * expected[seen])
    assert stats.chi2.sf(total.sum(), total.size) > 0.001


def test_two_rates_see_the_same_luck() -> None:
    """Twice the rate: the same requests at half the time."""
    one, two = Line(((0.0, 10.0),)), Line(((0.0, 20.0),))
    slow, fast = (traffic.schedule(3, r, 2, "even", 0.0, end).due for r, end in ((one, 80.0), (two, 40.0)))
    assert np.allclose(slow, 2 * fast, rtol=1e-12)
    constant = traffic.schedule(3, 10.0, 2, "even", 0.0, 80.0).due
    assert np.allclose(slow, constant, rtol=1e-9)


def test_a_trace_has_its_counts_exactly() -> None:
    edges = np.arange(0, 101, 10)
    for seed in range(50):
        due = traffic.schedule(seed, TRACE, 2, "even", 0.0, 100.0).due
        inside = np.floor(due / 10).astype(int)
        assert np.array_equal(np.bincount(inside, minlength=len(edges) - 1), TRACE.counts)
        assert np.all(np.diff(due) >= 0)


@pytest.mark.parametrize("count", [1, 2, 7, 5000])
def test_a_trace_places_evenly_at_random(count: int) -> None:
    trace, width = Counts((count, count), 10.0), 10.0
    seeds = range(max(2000 // count, 1))
    dues = [traffic.schedule(seed, trace, 2, "even", 0.0, 20.0).due for seed in seeds]
    assert stats.kstest(np.concatenate(dues) % width / width, "uniform").pvalue > 0.001
    if count <= 7:  # the least of n is Beta(1, n), the greatest Beta(n, 1)
        first, last = np.array([d[0] for d in dues]), np.array([d[count - 1] for d in dues])
        assert stats.kstest(first / width, stats.beta(1, count).cdf).pvalue > 0.001
        assert stats.kstest(last / width, stats.beta(count, 1).cdf).pvalue > 0.001


def test_before_a_trace_requests_are_poisson_at_its_first_rate() -> None:
    counts = [len(traffic.schedule(s, TRACE, 2, "even", -2.0, 0.0).due) for s in range(300)]
    assert np.mean(counts) == pytest.approx(600, abs=4 * 600**0.5 / 300**0.5)
    assert np.var(counts) == pytest.approx(600, rel=0.4)
    none = Counts((0, 5), 1.0)
    assert traffic.schedule(1, none, 2, "even", -60.0, 2.0).index.tolist() == [0, 1, 2, 3, 4]


def test_plain_arithmetic_is_as_good_as_the_library() -> None:
    x = np.concatenate((np.logspace(-15, 1.3, 2000), [0.0]))
    assert traffic.rising(x) == pytest.approx(-np.expm1(-x), rel=1e-12)
    assert np.all(traffic.rising(x) <= 1)


lines = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0.0, 0.1, 7.0, 90.0])), min_size=1, max_size=4
)
any_rate = st.one_of(
    lines.map(lambda p: tuple(sorted((float(t), r) for t, r in p)))
    .filter(lambda p: max(r for _, r in p) > 0)
    .map(Line),
    st.lists(st.integers(0, 40) | st.just(1500), min_size=6, max_size=60)
    .filter(any)
    .map(lambda c: Counts(tuple(c), 5.0)),
    st.builds(Wave, st.floats(0.01, 50), st.floats(0, 1), st.floats(0, 9e4), st.floats(3600, 9e4)),
)


@settings(deadline=None, max_examples=60)
@given(any_rate, st.integers(0, 40), st.integers(1, 30))
def test_whatever_the_rate_the_kernel_makes_what_the_schedule_says(
    rate: Curve, settle: int, end: int
) -> None:
    rows, schedule = simulated(rate, -settle, end), traffic.schedule(4, rate, 1000, "zipf", -settle, end)
    assert np.array_equal(rows["due"], schedule.due)
    assert np.array_equal(rows["user"], schedule.user)
    assert np.all(np.diff(schedule.due) >= 0)
    assert np.array_equal(schedule.index >= 0, schedule.due >= 0)
    expected = rate.expected(-settle, end)
    assert abs(len(schedule.due) - expected) <= 6 * expected**0.5 + 10
