"""The design effect of answers made to order: alike in a connection, in turn, in bursts, independent."""

import numpy as np
import pytest
from scipy.special import chdtri

from scenarios.dependence import Basis, Hits, clustered, effect, stretches

N = 1000
OWN = np.arange(N)


def drawn(share: float = 0.1, n: int = N, seed: int = 1) -> Hits:
    return np.random.default_rng(seed).random(n) < share


def turns(share: float, n: int) -> Hits:
    return np.diff(np.floor(np.arange(n + 1) * share + 1e-9)) > 0


def test_independent_answers_count_as_what_they_are() -> None:
    found = [effect(drawn(seed=seed), OWN, None, 0.1) for seed in range(200)]
    assert sum(one.value != 1 for one in found) <= 1


def test_a_router_by_connection_counts_its_connections() -> None:
    hits = np.repeat(drawn(n=100), 10)
    found = effect(hits, OWN // 10, None, 0.1)
    assert found.value == pytest.approx(10)
    assert (found.basis, found.clusters, found.pure) == (Basis.CONNECTIONS, 100, True)


def test_connections_of_unequal_length_count_by_kish() -> None:
    sizes = np.array([1, 2, 3, 4] * 50)
    groups = np.repeat(np.arange(200), sizes)
    hits = np.repeat(drawn(n=200), sizes)
    assert clustered(hits, groups, Basis.CONNECTIONS).value == pytest.approx(np.sum(sizes**2) / np.sum(sizes))


def test_all_answers_the_same_may_be_the_choice_of_the_connection() -> None:
    assert effect(np.zeros(N, bool), OWN // 100, None, 0.1).value == pytest.approx(100)
    assert effect(np.zeros(N, bool), OWN, None, 0.1).value == 1


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.5])
def test_the_effect_of_likeness_within_connections_is_1_plus_m_minus_1_times_it(correlation: float) -> None:
    """Beta-binomial clusters of 10, 400 of them: 1 + 9ρ by theory (Kish 1965, 5.4), and what caution adds."""
    rng, share, m = np.random.default_rng(3), 0.3, 10
    values = []
    for _ in range(50):
        if correlation:
            strength = 1 / correlation - 1
            odds = rng.beta(share * strength, (1 - share) * strength, 400)
        else:
            odds = np.full(400, share)
        hits = rng.random((400, m)) < odds[:, None]
        values.append(clustered(hits.ravel(), np.repeat(np.arange(400), m), Basis.CONNECTIONS).value)
    assert np.mean(values) == pytest.approx((1 + (m - 1) * correlation) * 399 / chdtri(399, 0.8), rel=0.04)


def test_users_are_clusters_as_connections_are() -> None:
    found = effect(np.repeat(drawn(n=200), 5), OWN, OWN // 5, 0.1)
    assert (found.basis, found.value) == (Basis.USERS, pytest.approx(5))


def test_in_turn_strays_less_than_chance() -> None:
    found = effect(turns(0.1, N), OWN, None, 0.1)
    assert found.basis is Basis.IN_TURN
    assert found.value < 0.1


def test_never_closer_than_one_request() -> None:
    found = stretches(turns(0.1, N), 0.1)
    assert found.value * N * 0.1 * 0.9 == pytest.approx(1)


def test_long_runs_stray_more_than_chance() -> None:
    """90 of one, then 10 of the other, is the right share, and still tells less than independent answers."""
    found = effect(np.arange(2000) % 100 < 10, np.arange(2000), None, 0.1)
    assert found.basis is Basis.TIME
    assert found.value > 2


def test_a_share_that_changes_on_the_way_is_noticed() -> None:
    hits = np.concatenate([drawn(0.02, 1000, 4), drawn(0.3, 1000, 5)])
    assert effect(hits, np.arange(2000), None, 0.1).basis is Basis.TIME


def test_one_connection_is_one_choice() -> None:
    assert effect(drawn(n=50), np.zeros(50, int), None, 0.1).value == 50


def test_of_nothing_nothing_follows() -> None:
    nothing = np.zeros(0, bool)
    assert effect(nothing, np.zeros(0, int), None, 0.1).value == 1
