"""Where the requests of a route go, by declared shares."""

import pytest

from scenarios.plan import Match, Rules, Sticky, split, whole
from scenarios.shares import carries, shares

MIX = {"header.Region": {"shenzhen": 0.1, "beijing": 0.3}, "cookie.beta": {"always": 0.5}}
REGION, BETA = Match("header", "Region", "shenzhen"), Match("cookie", "beta")


def test_a_split_is_its_shares_and_ready_pods_are_one_target() -> None:
    assert shares(split({"main": 0.9, "canary": 0.1}), {}) == {("main",): 0.9, ("canary",): 0.1}
    assert shares(whole("main", "canary"), {}) == {("main", "canary"): 1.0}


def test_rules_come_first_and_the_rest_is_split() -> None:
    route = Rules(split({"main": 0.9, "canary": 0.1}), ((REGION, "canary"),), Sticky.BOTH)
    found = shares(route, MIX)
    assert found[("main",)] == pytest.approx(0.9 * 0.9)
    assert found[("canary",)] == pytest.approx(0.1 + 0.9 * 0.1)
    assert next(iter(found)) == ("main",)  # the primary


def test_attributes_are_independent_and_the_first_rule_decides() -> None:
    found = shares(Rules(whole("main"), ((REGION, "a"), (BETA, "b"))), MIX)
    assert found == {
        ("main",): pytest.approx(0.9 * 0.5),
        ("a",): pytest.approx(0.1),
        ("b",): pytest.approx(0.9 * 0.5),
    }


def test_what_nobody_carries_sends_nobody_and_copies_are_no_share() -> None:
    assert shares(Rules(whole("main"), ((REGION, "canary"),)), {}) == {("main",): 1.0}
    assert shares(Rules(whole("main"), mirror=("shadow", 0.2)), MIX) == {("main",): 1.0}


@pytest.mark.parametrize(
    ("match", "held"),
    [
        (REGION, True),
        (Match("header", "Region"), True),
        (Match("header", "Region", "shen"), False),
        (Match("header", "Region", pattern="^shen"), True),
        (Match("header", "Region", pattern="("), False),  # broken
        (Match("cookie", "Region"), False),
        (Match("header", "region", "shenzhen"), True),  # names of headers know no case
        (Match("header", "region", "Shenzhen"), False),  # their values do
    ],
)
def test_what_a_request_carries(match: Match, held: bool) -> None:
    assert carries(match, {"header.Region": "shenzhen"}) is held


def test_names_of_cookies_know_their_case() -> None:
    assert carries(Match("cookie", "beta"), {"cookie.beta": "x"})
    assert not carries(Match("cookie", "beta"), {"cookie.Beta": "x"})
