"""What happens to people, against binomial and Markov theory: who is harmed, meets whom, is kept where.

Everything is judged by its standard error. `BOUND` standard errors are passed by one right result in 15,000;
seeds are fixed, so a result that is right once stays right.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from scenarios.distributions import Constant, Exponential
from scenarios.tally import CANDIDATE, FLAG_BITS, HARMED, MET_CANDIDATE, NOBODY, STABLE, Grid, Status
from sim.general import UNPINNED
from sim.general_requests import GeneralRequests
from sim.habits import Habits, Keeps, Kept

BOUND = 4.0
USERS, SECONDS = 100_000, 200
Errors = NDArray[np.float64]


def world(habits: Habits, mean_requests: float, **changes: Any) -> GeneralRequests:
    """Users with a Poisson number of requests each, and pods that answer at once."""
    usual: dict[str, Any] = {
        "seed": 5, "rate": mean_requests * USERS / SECONDS, "users": USERS, "activity": "even",
        "grid": Grid(0, SECONDS, 9), "slots": 1, "queue": 0, "timeout": 1.0,
        "service": (Constant(0.0), Constant(0.0)),
    }  # fmt: skip
    return GeneralRequests(habits, **(usual | changes))


def one_pod(habits: Habits, mean_requests: float) -> GeneralRequests:
    requests = world(habits, mean_requests)
    requests.rotate(0, 0, [requests.add_pod(CANDIDATE, 0.0, 0.0)])
    requests.finish()
    return requests


def two_sides(keeps: Keeps, weight: float, mean_requests: float) -> GeneralRequests:
    """A share `weight` of the requests goes to the candidate, but for who is kept."""
    requests = world(Habits(), mean_requests, backends=2)
    for version in (STABLE, CANDIDATE):
        requests.rotate(0, version, [requests.add_pod(version, 0.0, 0.0)])
    requests.weigh(0, [1 - weight, weight])
    requests.stick(0, keeps, [None])
    requests.finish()
    return requests


def failing(share: float, of: int) -> Errors:
    errors = np.zeros((3, 2, 1))
    errors[of, CANDIDATE] = share
    return errors


def asked(requests: GeneralRequests) -> NDArray[np.int64]:
    """How many requests each user had."""
    return (requests.tally.users >> FLAG_BITS).astype(np.int64)


def flagged(requests: GeneralRequests, flag: int) -> NDArray[np.bool_]:
    return (requests.tally.users & flag) != 0


def assert_share(happened: NDArray[np.bool_], chance: NDArray[np.float64] | float) -> None:
    """As many as their chances, which are independent, say."""
    chances = np.broadcast_to(chance, happened.shape)
    error = math.sqrt((chances * (1 - chances)).sum())
    assert abs(happened.sum() - chances.sum()) < BOUND * error, (happened.mean(), chances.mean())


def test_a_bug_in_5_percent_of_users_harms_5_percent_of_users() -> None:
    requests = one_pod(Habits(errors=failing(0.05, of=1)), 20)
    active = asked(requests) > 0
    assert_share(flagged(requests, HARMED)[active], 0.05)
    failed = requests.tally.counts[:, CANDIDATE, Status.ERROR].sum()
    assert failed == asked(requests)[flagged(requests, HARMED)].sum()  # always the same users


def test_a_bug_in_5_percent_of_requests_harms_most_users() -> None:
    requests = one_pod(Habits(errors=failing(0.05, of=0)), 20)
    harmed, n = flagged(requests, HARMED), asked(requests)
    assert_share(harmed, 1 - 0.95**n)
    assert_share(harmed[n == 20], 0.6415)  # 1 − 0.95^20


def test_ten_requests_at_10_percent_miss_the_canary_in_a_third_of_cases() -> None:
    requests = two_sides("no", 0.1, 10)
    missed, n = ~flagged(requests, MET_CANDIDATE), asked(requests)
    assert_share(missed[n == 10], 0.3487)  # 0.9^10
    assert_share(missed, 0.9**n)


def test_one_way_stickiness_captures_65_percent_of_users_in_ten_requests() -> None:
    requests = two_sides("last", 0.1, 10)
    captured, n = requests._general.people.pin == CANDIDATE, asked(requests)
    assert np.array_equal(captured, flagged(requests, MET_CANDIDATE))
    assert_share(captured[n == 10], 0.6513)  # 1 − 0.9^10
    assert requests.tally.flips.sum() <= captured.sum()  # at most once, and never back


def test_who_is_kept_on_the_first_side_leaves_the_candidate_by_and_by() -> None:
    weight = 0.8
    requests = two_sides("first", weight, 6)
    unpinned, n = requests._general.people.pin == UNPINNED, asked(requests)
    for k in range(1, 9):
        assert_share(unpinned[n == k], weight**k)
    assert np.array_equal(~unpinned, requests._general.people.pin == STABLE)


@pytest.mark.parametrize("keeps", ["hash", "both"])
def test_who_is_kept_on_either_side_never_changes(keeps: Keeps) -> None:
    requests = two_sides(keeps, 0.1, 10)
    assert_share(flagged(requests, MET_CANDIDATE)[asked(requests) > 0], 0.1)
    assert requests.tally.flips.sum() == 0


def shares_of_candidate(habits: Habits, seeds: int, count: int) -> NDArray[np.float64]:
    """One of ten pods is the candidate; its share of `count` requests and a few, by seed."""
    found = []
    for seed in range(seeds):
        requests = world(habits, 1.0, seed=seed, users=100, rate=count / 100.0, grid=Grid(0, 100, 2))
        requests.rotate(0, 0, [requests.add_pod(int(pod == 0), 0.0, 0.0) for pod in range(10)])
        counts = requests.finish().counts.sum(axis=(0, 2))
        found.append(counts[CANDIDATE] / counts.sum())
    return np.array(found)


@pytest.mark.parametrize(("connections", "kept"), [(20, Kept(pool=20, idle=1e9)), (None, None)])
def test_few_connections_make_a_canarys_share_a_matter_of_luck(
    connections: int | None, kept: Kept | None
) -> None:
    seeds, count = 600, 2_000
    shares = shares_of_candidate(Habits(kept=kept), seeds, count)
    together = 1 / count if connections is None else 1 / connections + (1 - 1 / connections) / count
    expected = 0.1 * 0.9 * together
    if connections:
        assert math.sqrt(0.1 * 0.9 / connections) == pytest.approx(0.067, abs=5e-4)
    # of binomial shares the variance of a sample has nearly that of a normal law's (excess kurtosis < 0.3)
    error = math.sqrt((2 + 0.3) / seeds)
    assert abs(shares.var(ddof=1) / expected - 1) < BOUND * error
    assert abs(shares.mean() - 0.1) < BOUND * math.sqrt(expected / seeds)


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("by_proxy", [False, True])
def test_retries_multiply_the_load_and_hide_failures(retries: int, by_proxy: bool) -> None:
    p, n = 0.3, retries + 1
    habits = Habits(pauses=(0.01,) * retries, jitter=0.5, errors=failing(p, of=0))
    if by_proxy:
        habits = Habits(proxy_tries=n, proxy_on=frozenset({Status.ERROR}), errors=failing(p, of=0))
    requests = one_pod(habits, 5)
    counts, tries = requests.tally.counts.sum(axis=0), requests.tally.served.sum(axis=0)
    total = counts.sum()
    succeeded = 1 - p**n
    error = math.sqrt(total * succeeded * (1 - succeeded))
    assert abs(counts[CANDIDATE, Status.OK] - total * succeeded) < BOUND * error
    chance = np.array([(1 - p) * p**k for k in range(n)])
    chance[-1] += p**n
    mean = (1 - p**n) / (1 - p)
    k = np.arange(1, n + 1)
    assert chance @ k == pytest.approx(mean)
    error = math.sqrt(total * (chance @ k**2 - mean**2))
    assert abs(tries.sum() - total * mean) <= BOUND * error
    assert tries[NOBODY].sum() == 0


def throughput(users: int, servers: int, think: float, service: float) -> float:
    """Of M/M/c with a finite source (Kleinrock, "Queueing Systems" I, 3.8)."""
    level = np.ones(users + 1)
    for k in range(1, users + 1):
        level[k] = level[k - 1] * ((users - k + 1) / think) / (min(k, servers) / service)
    busy = np.minimum(np.arange(users + 1), servers)
    return float((level / level.sum()) @ busy / service)


@pytest.mark.parametrize("users", [5, 12, 30])
def test_a_closed_loop_obeys_the_interactive_response_time_law(users: int) -> None:
    think, service, servers, seeds = 1.0, 0.2, 2, 24
    rates, law = [], []
    for seed in range(seeds):
        requests = GeneralRequests(
            Habits(think=Exponential(think)), seed=seed, rate=1.0, users=users, activity="even",
            grid=Grid(-60, 4_000, 101), slots=servers, queue=users, timeout=100.0,
            service=(Exponential(service),) * 2, trace=True,
        )  # fmt: skip
        requests.rotate(0, 0, [requests.add_pod(STABLE, 0.0, -60.0)])
        requests.finish()
        rows = requests.rows()
        inside = (rows["due"] >= 0) & (rows["due"] < 4_000)
        response = float((rows["end"] - rows["due"])[inside].mean())
        rates.append(inside.sum() / 4_000)
        law.append(users / (think + response))
    half = stats.t.ppf(0.9995, seeds - 1) * np.std(rates, ddof=1) / math.sqrt(seeds)
    expected = throughput(users, servers, think, service)
    assert abs(np.mean(rates) - expected) < half < 0.01 * expected
    difference = np.array(rates) - law  # only the pauses that were drawn tell them apart
    half = stats.t.ppf(0.9995, seeds - 1) * difference.std(ddof=1) / math.sqrt(seeds)
    assert abs(difference.mean()) < half < 0.01 * expected
