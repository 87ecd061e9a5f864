"""kube-proxy: one uniform pick stands for the chain of rules, and syncs keep their distance."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.kube_proxy import RULE_ERROR, next_sync, pick, rule_probabilities, shares


def test_rules_as_printed() -> None:
    assert rule_probabilities(0) == ()
    assert rule_probabilities(1) == (None,)
    assert rule_probabilities(4) == ("0.2500000000", "0.3333333333", "0.5000000000", None)
    with pytest.raises(ValueError, match="negative"):
        rule_probabilities(-1)


@given(st.integers(1, 500))
def test_every_endpoint_gets_the_same_share(n: int) -> None:
    assert math.isclose(sum(shares(n)), 1.0, rel_tol=1e-12)
    assert max(abs(share - 1 / n) for share in shares(n)) < RULE_ERROR


@given(st.integers(1, 200), st.integers(0, 10**6))
def test_the_pick_amounts_to_the_rules(n: int, i: int) -> None:
    """An endpoint's draws are those in [i/n, (i+1)/n): a share of 1/n, which the rules meet within
    RULE_ERROR.
    """
    index = i % n
    assert pick((index + 0.5) / n, n) == index
    width = (index + 1) / n - index / n
    assert abs(width - shares(n)[index]) < RULE_ERROR


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 10**6))
def test_a_pick_is_an_endpoint(u: float, n: int) -> None:
    assert 0 <= pick(u, n) < n


def test_the_largest_draw_is_the_last_endpoint() -> None:
    assert pick(math.nextafter(1.0, 0.0), 3) == 2


@pytest.mark.parametrize(("u", "n"), [(0.5, 0), (1.0, 3), (-0.1, 3), (math.nan, 3)])
def test_impossible_picks_are_refused(u: float, n: int) -> None:
    with pytest.raises(ValueError, match=r"refused|draw lies"):
        pick(u, n)


@pytest.mark.parametrize(
    ("now", "last", "period", "expected"),
    [
        (5.0, -math.inf, 1.0, 5.0),
        (5.0, 4.0, 1.0, 5.0),
        (5.0, 4.7, 1.0, 5.7),
        (5.0, 4.7, 10.0, 14.7),
        (5.0, 5.0, 0.0, 5.0),
    ],
)
def test_syncs_keep_their_distance(now: float, last: float, period: float, expected: float) -> None:
    assert next_sync(now, last, period) == pytest.approx(expected)


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 10))
def test_no_two_syncs_are_nearer_than_the_period(changes: list[float], period: float) -> None:
    syncs: list[float] = []
    for change in sorted(changes):
        if not syncs or change > syncs[-1]:
            syncs.append(next_sync(change, syncs[-1] if syncs else -math.inf, period))
    assert all(b - a >= period - 1e-9 for a, b in pairwise(syncs))
    assert all(any(change <= at <= change + period + 1e-9 for at in syncs) for change in changes)
