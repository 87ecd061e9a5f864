"""Conversions as a pure function of users, and the tests that compare them, against scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.conversion import Group, Groups, converts, groups, sample_ratio, significance, verdict
from scenarios.tally import FLAG_BITS, MET_CANDIDATE, MET_STABLE

COUNTS = st.tuples(st.integers(1000, 100_000), st.floats(0.05, 0.95))


def group(counts: tuple[int, float]) -> Group:
    users, rate = counts
    return Group(users, round(users * rate))


@given(COUNTS, COUNTS)
def test_the_z_test_is_the_chi_squared_test_of_the_two_by_two_table(
    a: tuple[int, float], b: tuple[int, float]
) -> None:
    found = Groups(group(a), group(b))
    table = [[g.converted, g.users - g.converted] for g in (found.stable, found.candidate)]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert significance(found) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_too_few_users_say_nothing() -> None:
    assert significance(Groups(Group(0, 0), Group(10, 5))) is None
    assert significance(Groups(Group(100, 2), Group(100, 2))) is None
    assert sample_ratio(Groups(Group(4, 0), Group(4, 0)), 0.5) is None


@given(st.integers(50, 100_000), st.integers(50, 100_000), st.floats(0.1, 0.9))
def test_the_sample_ratio_test_is_the_chi_squared_test(a: int, b: int, expected: float) -> None:
    wanted = stats.chisquare([a, b], [(a + b) * (1 - expected), (a + b) * expected]).pvalue
    found = sample_ratio(Groups(Group(a, 0), Group(b, 0)), expected)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_equal_versions_win_as_often_as_alpha_says() -> None:
    # one-sided: half of the two-sided 5 %; 400 tests, so within 4 standard deviations
    wins = 0
    for seed in range(400):
        a = int(converts(2 * seed, 4000, 0.1).sum())
        b = int(converts(2 * seed + 1, 4000, 0.1).sum())
        wins += verdict(Groups(Group(4000, a), Group(4000, b)), 0.05, None) is None
    assert abs(wins - 10) <= 4 * (400 * 0.025 * 0.975) ** 0.5


def test_a_share_of_users_converts_and_the_better_version_converts_them_too() -> None:
    few, many = converts(7, 100_000, 0.03), converts(7, 100_000, 0.05)
    assert few.mean() == pytest.approx(0.03, abs=4 * (0.03 * 0.97 / 1e5) ** 0.5)
    assert many[few].all()
    assert not converts(7, 100, 0.0).any()


def test_a_group_is_who_asked_since_the_test_began_by_the_version_met() -> None:
    asked = np.uint32(1 << FLAG_BITS)
    before = np.array([asked | MET_STABLE, asked | MET_STABLE, 0, 0, 0], np.uint32)
    now = np.array(
        [
            asked | MET_STABLE,  # has not come again
            2 * asked | MET_STABLE | MET_CANDIDATE,  # met stable before the test
            asked | MET_STABLE,
            asked | MET_CANDIDATE,
            asked,  # reached nobody
        ],
        np.uint32,
    )
    found = groups(0, before, now, (1.0, 0.0))
    assert found == Groups(Group(1, 1), Group(2, 0))
