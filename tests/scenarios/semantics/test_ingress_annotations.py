"""Canary annotations: what the controller makes of them, and what one writes to get a policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.header_pattern import UnknownPattern
from scenarios.semantics.ingress_annotations import (
    PREFIX,
    NotEnabled,
    affinity_of,
    annotations,
    policy_of,
)
from scenarios.semantics.ingress_nginx import Affinity, Policy, share_by_weight


def canary(**said: str) -> dict[str, str]:
    """Annotations of a canary ingress: by_header → canary-by-header."""
    rules = {f"{PREFIX}canary-{key.replace('_', '-')}": value for key, value in said.items()}
    return {f"{PREFIX}canary": "true", **rules}


RULES = ("weight", "weight_total", "by_header", "by_header_value", "by_header_pattern", "by_cookie")
PLAIN = st.text("abcXYZ019-_.~/:", max_size=12)
POLICIES = st.builds(
    Policy,
    weight=st.integers(0, 2000),
    weight_total=st.just(100) | st.integers(101, 1_000_000),
    header=PLAIN,
    header_value=PLAIN,
    header_pattern=st.sampled_from(["", "shenzhen", "^v[0-9]+$", "[][**da?$&*"]),
    cookie=PLAIN,
)


@given(POLICIES)
def test_what_one_writes_is_what_the_controller_reads(policy: Policy) -> None:
    assert policy_of(annotations(policy)).policy == policy


@pytest.mark.parametrize(
    ("said", "policy", "warned"),
    [
        ({"weight": "10"}, Policy(weight=10), ""),
        ({"weight": "+10"}, Policy(weight=10), ""),
        ({"weight": "10%"}, Policy(), "canary-weight: '10%' is invalid; the controller takes '0'"),
        ({"weight": "1e1"}, Policy(), "'1e1' is invalid"),
        ({"weight": " 10"}, Policy(), "' 10' is invalid"),
        ({"weight": "-5"}, Policy(weight=-5), ""),
        ({"weight": "5", "weight_total": "50"}, Policy(5, 50), "50 is ignored; up to 100 it counts as 100"),
        ({"weight": "1", "weight_total": "lots"}, Policy(1), "the controller takes '100'"),
        ({"by_header": "Region "}, Policy(header="Region"), ""),
        ({"by_header": "X-中"}, Policy(), "canary-by-header: 'X-中' is invalid"),
        ({"by_header": "R", "by_header_value": "a,b"}, Policy(header="R"), "'a,b' is invalid"),
        (
            {"by_header": "R", "by_header_pattern": r"^v\d{1,3}$"},
            Policy(header="R"),
            "canary-by-header-pattern: ",  # the controller allows no comma
        ),
        ({"by_header_value": "yes"}, Policy(header_value="yes"), "no effect without canary-by-header"),
        (
            {"by_header": "R", "by_header_value": "yes", "by_header_pattern": "y.*"},
            Policy(header="R", header_value="yes", header_pattern="y.*"),
            "canary-by-header-pattern has no effect beside canary-by-header-value",
        ),
        ({"by_cookie": ""}, Policy(), ""),
        ({"weight": "9" * 80}, Policy(), "9…' is invalid"),
    ],
)
def test_what_annotations_come_to(said: dict[str, str], policy: Policy, warned: str) -> None:
    read = policy_of(canary(**said))
    assert read.policy == policy
    assert bool(read.warnings) == bool(warned)
    assert warned in "; ".join(read.warnings)


def test_five_of_fifty_are_five_percent_and_not_ten() -> None:
    read = policy_of(canary(weight="5", weight_total="50"))
    assert read.policy is not None
    assert share_by_weight(read.policy) == 0.05


@pytest.mark.parametrize("enabled", [None, "false", "yes", "True "])
@pytest.mark.parametrize(
    "rule", [("weight", "20"), ("by-header", "X"), ("by-cookie", "x"), ("by-header-pattern", "x")]
)
def test_rules_of_an_ingress_that_is_no_canary_are_refused(
    enabled: str | None, rule: tuple[str, str]
) -> None:
    said = {f"{PREFIX}canary-{rule[0]}": rule[1]} | ({f"{PREFIX}canary": enabled} if enabled else {})
    with pytest.raises(NotEnabled, match='canary must be "true"'):
        policy_of(said)


def test_an_ordinary_ingress_has_no_policy() -> None:
    assert policy_of({}).policy is None
    assert policy_of({f"{PREFIX}canary": "false", f"{PREFIX}canary-weight": "0"}).policy is None
    assert policy_of({f"{PREFIX}canary": "si"}).warnings == (
        "canary: 'si' is invalid; the controller takes 'false'",
    )


@pytest.mark.parametrize("word", ["1", "t", "T", "TRUE", "True"])
def test_true_has_several_spellings(word: str) -> None:
    assert policy_of({f"{PREFIX}canary": word}).policy == Policy()


def test_a_pattern_that_only_pcre_knows_is_refused_and_not_guessed() -> None:
    with pytest.raises(UnknownPattern, match="look-around"):
        policy_of(canary(by_header="Region", by_header_pattern="(?=shen)"))


@pytest.mark.parametrize("policy", [Policy(header="a b,c"), Policy(cookie="ü"), Policy(header=" a")])
def test_what_the_controller_would_drop_is_not_written(policy: Policy) -> None:
    with pytest.raises(ValueError, match="ingress-nginx drops"):
        annotations(policy)


@given(st.dictionaries(st.sampled_from(sorted(canary(**dict.fromkeys(RULES, "")))), st.text(max_size=20)))
def test_any_texts_give_a_policy_or_a_known_error(said: dict[str, str]) -> None:
    try:
        policy_of(said)
    except (NotEnabled, UnknownPattern) as error:
        assert str(error)


def test_whose_cookies_hold() -> None:
    cookie, legacy = {f"{PREFIX}affinity": "cookie"}, {f"{PREFIX}affinity-canary-behavior": "legacy"}
    assert affinity_of(cookie, {}) is Affinity.STICKY
    assert affinity_of(cookie, legacy) is Affinity.LEGACY
    assert affinity_of({}, legacy) is Affinity.NONE
    assert affinity_of({f"{PREFIX}affinity": "ip"}, {}) is Affinity.NONE
