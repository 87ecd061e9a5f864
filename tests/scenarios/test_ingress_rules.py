"""Match rules as canary annotations: the same requests, or a word on what cannot be said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.ingress_rules import Unwritable, matches_of, policy_of
from scenarios.plan import Match
from scenarios.semantics.ingress_nginx import BY_WEIGHT, Policy, Side, by_rules, share_by_weight

HEADERS = (
    st.builds(
        Match, st.just("header"), st.just("Region"), value=st.sampled_from(["shenzhen", "always", "a b"])
    )
    | st.builds(Match, st.just("header"), st.just("Region"), pattern=st.sampled_from(["shen", "^a", "z$"]))
    | st.just(Match("header", "Region"))
)
COOKIES = st.just(Match("cookie", "beta", value="always"))
# never is ingress-nginx's own word; no rule can ask for it
VALUES = st.sampled_from([None, "", "shenzhen", "always", "a b", "beijing", "notshenzhen"])


def found(match: Match, carried: dict[str, str]) -> bool:
    """What a rule says, read with Python's own regular expressions."""
    value = carried.get(match.name)
    if value is None:
        return False
    if match.pattern is not None:
        return re.search(match.pattern, value) is not None
    return match.value is None or value == match.value


@given(st.lists(HEADERS, max_size=1), st.lists(COOKIES, max_size=1), VALUES, VALUES, st.booleans())
def test_the_canary_gets_what_matches_and_the_weight_decides_the_rest(
    headers: list[Match], cookies: list[Match], region: str | None, beta: str | None, turned: bool
) -> None:
    rules = [*cookies, *headers] if turned else [*headers, *cookies]
    sent = {} if region is None else {"Region": region}
    held = {} if beta is None else {"beta": beta}
    policy = policy_of(rules, 0.25)
    matched = any(found(match, sent if match.kind == "header" else held) for match in rules)
    assert by_rules(policy, sent, held) is (Side.CANARY if matched else BY_WEIGHT)
    assert share_by_weight(policy) == 0.25


@given(st.lists(HEADERS, max_size=1), st.lists(COOKIES, max_size=1))
def test_rules_survive_the_annotations(headers: list[Match], cookies: list[Match]) -> None:
    again = policy_of(matches_of(policy_of([*headers, *cookies], 0.1)), 0.1)
    assert again == policy_of([*headers, *cookies], 0.1)


@pytest.mark.parametrize(
    ("policy", "matches"),
    [
        (Policy(weight=10), ()),
        (Policy(header="Region"), (Match("header", "Region", value="always"),)),
        (Policy(header="R", header_value="x", header_pattern="y"), (Match("header", "R", value="x"),)),
        (Policy(header="R", header_pattern="shen"), (Match("header", "R", pattern="shen"),)),
        (Policy(header_value="x", cookie="beta"), (Match("cookie", "beta", value="always"),)),
    ],
)
def test_what_a_canary_ingress_asks_for(policy: Policy, matches: tuple[Match, ...]) -> None:
    assert matches_of(policy) == matches


@pytest.mark.parametrize(
    ("matches", "said"),
    [
        (
            [Match("header", "A"), Match("header", "B")],
            "one header rule, and 'A' has it; for 'B' go via a proxy",
        ),
        ([Match("cookie", "a", value="always")] * 2, "one cookie rule"),
        ([Match("cookie", "beta", value="yes")], "only the values always and never; cookie beta yes needs"),
        ([Match("cookie", "beta")], "only the values always and never"),
        ([Match("cookie", "beta", pattern="always")], "only the values always and never"),
        ([Match("header", "R", value="a,b")], "ingress-nginx drops 'a,b'"),
        ([Match("header", "R", pattern=r"v\d{1,3}")], "a proxy router takes any text"),
    ],
)
def test_what_ingress_nginx_cannot_be_told(matches: list[Match], said: str) -> None:
    with pytest.raises(Unwritable, match=re.escape(said)):
        policy_of(matches, 0.1)
