"""Kinds of users: every combination of attributes with its share, each user always of the same kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.mix import kind_of_users, kinds

TWO = {"header.Region": {"north": 0.1, "south": 0.2}, "cookie.beta": {"always": 0.05}}


def test_every_combination_with_its_share() -> None:
    found = kinds(TWO)
    assert len(found) == 6
    assert sum(kind.share for kind in found) == pytest.approx(1)
    north = next(k for k in found if k.attributes == {"header.Region": "north", "cookie.beta": "always"})
    assert north.share == pytest.approx(0.005)
    assert (north.of("header"), north.of("cookie")) == ({"Region": "north"}, {"beta": "always"})
    assert found[-1].attributes == {}


def test_without_a_mix_there_is_one_kind() -> None:
    assert [kind.attributes for kind in kinds({})] == [{}]
    assert not kind_of_users(1, 100, {}).any()


def test_users_have_them_in_those_shares() -> None:
    users = 200_000
    counts = np.bincount(kind_of_users(7, users, TWO), minlength=6)
    for kind, count in zip(kinds(TWO), counts, strict=True):
        spread = (kind.share * (1 - kind.share) * users) ** 0.5
        assert abs(count - kind.share * users) < 4 * spread


def test_another_attribute_moves_nobody_in_the_first() -> None:
    one = {"header.Region": TWO["header.Region"]}
    assert np.array_equal(kind_of_users(3, 5000, one), kind_of_users(3, 5000, TWO) // 2)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=5), st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_a_kind_is_always_one_of_those_there_are(weights: list[int], rest: int) -> None:
    total = sum(weights) + rest
    mix = {"user.plan": {str(i): weight / total for i, weight in enumerate(weights)}}
    kind = kind_of_users(1, 2000, mix)
    assert kind.max() < len(kinds(mix))
    if rest == 0:  # shares that sum to all leave nobody over
        assert kind.max() < len(weights)
