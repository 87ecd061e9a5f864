"""How many requests it takes: the known numbers, and exact tests against sums over all outcomes."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.guard import Judgement, Sample, judge
from scenarios.size import (
    Detect,
    Draws,
    Pace,
    Precision,
    Window,
    allowed,
    around,
    exact_test,
    exactly,
    more_than,
    safe_requests,
)
from scenarios.world import Guard


def chance(n: int, share: float, *counts: int) -> float:
    """P(X is one of these), X binomial, in fractions."""
    p = Fraction(share)
    return float(sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in counts))


@pytest.mark.parametrize(
    ("share", "within", "requests"), [(0.1, 0.01, 3458), (0.5, 0.01, 9604), (0.01, 0.005, 1522)]
)
def test_requests_for_a_precision(share: float, within: float, requests: int) -> None:
    assert Precision(share, within).requests == requests


@pytest.mark.parametrize(
    ("share", "other", "sides", "requests"),
    [
        (0.1, 0.15, 2, 438),
        (0.1, 0.12, 2, 2523),
        (0.1, 0.11, 2, 9781),
        (0.001, 0.01, 1, 398),
        (0.001, 0.005, 1, 1268),
        (0.01, 0.02, 1, 1178),
        (0.001, 0.002, 1, 11935),
    ],
)
def test_requests_to_tell_two_shares_apart(share: float, other: float, sides: int, requests: int) -> None:
    assert Detect(share, other, sides).requests == requests


def test_ten_requests_at_ten_per_cent() -> None:
    assert Draws(0.1, 10).chance(0) == pytest.approx(0.9**10)
    assert Draws(0.1, 10).chance(1) == pytest.approx(0.9**9)


def test_a_window_of_fifty_with_a_limit_of_one_per_cent() -> None:
    assert Window(50, 0.01).fails(0.005) == pytest.approx(1 - 0.995**50)  # 22 %
    assert 1 - Window(50, 0.01).fails(0.03) == pytest.approx(0.97**50)  # 22 %


def test_how_long_it_takes() -> None:
    assert Pace(100.0, 0.05).seconds(11935) == pytest.approx(39.78 * 60, rel=1e-3)
    assert Pace().seconds(10) is None


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.data())
def test_tails_are_sums_over_all_outcomes(n: int, share: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(-1, n))
    assert float(more_than(k, n, share)) == pytest.approx(chance(n, share, *range(k + 1, n + 1)), abs=1e-12)
    if k >= 0:
        assert float(exactly(k, n, share)) == pytest.approx(chance(n, share, k), abs=1e-12)


@given(
    st.integers(2, 80),
    st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9]),
    st.sampled_from([0.02, 0.2, 0.4, 0.95]),
    st.sampled_from([1, 2]),
)
def test_the_exact_test_keeps_alpha_and_could_not_alarm_more(
    n: int, share: float, other: float, sides: int
) -> None:
    test = exact_test(Detect(share, other, sides), n)
    low, high = -1 if test.low is None else test.low, n + 1 if test.high is None else test.high
    alarms = [*range(low + 1), *range(high, n + 1)]
    assert test.false_alarm == pytest.approx(chance(n, share, *alarms), abs=1e-12)
    assert test.power == pytest.approx(chance(n, other, *alarms), abs=1e-12)
    tail = 0.05 / sides
    if sides == 2 or other > share:
        assert chance(n, share, *range(high, n + 1)) <= tail < chance(n, share, *range(high - 1, n + 1))
    if sides == 2 or other < share:
        assert chance(n, share, *range(low + 1)) <= tail < chance(n, share, *range(low + 2))


def test_from_the_safe_number_on_the_power_is_kept_and_just_below_it_is_not() -> None:
    asked = Detect(0.1, 0.3, 1)
    safe = safe_requests(asked)
    assert safe is not None
    powers = [exact_test(asked, n).power for n in range(safe - 1, safe + 60)]
    assert powers[0] < 0.9 <= min(powers[1:])
    assert safe_requests(Detect(0.001, 0.0011, 1)) is None  # a million: too many to try


@given(st.integers(1, 5000), st.sampled_from(["0%", "0.1%", "0.7%", "1%", "1.1%", "7%", "33.3%"]))
def test_what_is_allowed_is_what_a_guard_lets_pass(n: int, limit: str) -> None:
    guard = Guard(metric="failure_share", limit=limit, min_requests=1)
    most = int(allowed(float(guard.limit or 0), n))
    assert judge(guard, Sample(n, most), None) is Judgement.PASS
    assert most == n or judge(guard, Sample(n, most + 1), None) is Judgement.FAIL


@pytest.mark.parametrize("mean", [0.0, 0.3, 40.0, 100_000.0])
def test_poisson_numbers_have_their_mean_and_variance(mean: float) -> None:
    numbers, weights = around(mean)
    average = float((numbers * weights).sum())
    assert weights.sum() == pytest.approx(1)
    assert average == pytest.approx(mean, rel=1e-6, abs=1e-9)
    assert float(((numbers - average) ** 2 * weights).sum()) == pytest.approx(mean, rel=1e-3, abs=1e-9)
