"""Pods that come nearest to a weight, as Argo Rollouts counts them and as a cluster was seen to run them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.argo import canary_replicas

WEIGHTS = (5, 10, 20, 25, 33, 50, 66, 75, 90)
# (stable, canary) ready at the end of each step, Argo Rollouts 1.10 without a router (docs/timing.md)
SEEN = {
    (4, 1): ((4, 1), (4, 1), (4, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 4)),
    (4, 0): ((3, 1), (3, 1), (3, 1), (3, 1), (3, 1), (2, 2), (1, 3), (1, 3), (1, 3)),
    (10, 1): ((10, 1), (9, 1), (8, 2), (8, 3), (7, 3), (5, 5), (4, 7), (3, 8), (1, 9)),
    (10, 0): ((9, 1), (9, 1), (8, 2), (7, 3), (7, 3), (5, 5), (3, 7), (2, 8), (1, 9)),
    (3, 1): ((3, 1), (3, 1), (3, 1), (3, 1), (2, 1), (2, 2), (1, 2), (1, 3), (1, 3)),
}


@pytest.mark.parametrize(
    ("replicas", "surge", "weight", "seen"),
    [
        (replicas, surge, weight, seen)
        for (replicas, surge), row in SEEN.items()
        for weight, seen in zip(WEIGHTS, row, strict=True)
    ],
)
def test_counts_as_seen_on_a_cluster(replicas: int, surge: int, weight: int, seen: tuple[int, int]) -> None:
    canary, stable = canary_replicas(weight / 100, replicas, surge)
    assert (stable, canary) == seen


def test_no_pods_and_one_pod() -> None:
    assert canary_replicas(0.5, 0) == (0, 0)
    assert canary_replicas(0.1, 1) == (1, 1)  # the surge holds the second one
    assert canary_replicas(0.1, 1, surge=0) == (0, 1)
    assert canary_replicas(0.9, 1, surge=0) == (1, 0)


def test_nothing_and_everything() -> None:
    assert canary_replicas(0.0, 10) == (0, 10)
    assert canary_replicas(1.0, 10) == (10, 0)


@given(st.integers(2, 300), st.integers(1, 99), st.integers(0, 1))
def test_a_share_between_has_a_pod_on_each_side_and_at_most_one_more_in_all(
    replicas: int, weight: int, surge: int
) -> None:
    canary, stable = canary_replicas(weight / 100, replicas, surge)
    assert canary >= 1
    assert stable >= 1
    assert replicas <= canary + stable <= replicas + surge
    # no more than a pod from what was wanted, but for the one that there must be
    assert abs(canary - weight / 100 * (canary + stable)) <= 1 + 1e-9
