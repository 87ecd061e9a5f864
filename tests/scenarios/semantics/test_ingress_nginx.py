"""ingress-nginx: where a request goes, what a weight comes to, and when a change is acted on."""

from fractions import Fraction
from math import floor, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.draws import Purpose, u
from scenarios.semantics.ingress_nginx import (
    BY_WEIGHT,
    UNAVAILABLE,
    Affinity,
    NotYet,
    Policy,
    Side,
    balancer,
    by_rules,
    by_weight,
    next_poll,
    next_sync,
    pinned_after,
    route,
    share,
    share_by_weight,
    weight,
)


@pytest.mark.parametrize(
    ("written", "realised"),
    [
        ((0, 100), 0.0),
        ((5, 100), 0.05),
        ((100, 100), 1.0),
        ((5, 50), 0.05),  # a total of 100 or less is ignored
        ((100, 1), 1.0),
        ((1, 1000), 0.001),
        ((2000, 1000), 1.0),
        ((-1, 100), 0.0),
    ],
)
def test_the_share_that_annotations_come_to(written: tuple[int, int], realised: float) -> None:
    assert share(*written) == realised


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (0.1, (10, 100)),
        (0.005, (5, 1000)),
        (0.0625, (625, 10_000)),
        (1 / 3, (333_333, 1_000_000)),
        (1.0, (100, 100)),
    ],
)
def test_the_annotations_that_realise_a_share(wanted: float, written: tuple[int, int]) -> None:
    assert weight(wanted) == written


@given(st.floats(0, 1))
def test_a_share_survives_the_annotations_to_a_millionth(wanted: float) -> None:
    assert abs(share(*weight(wanted)) - wanted) <= 1e-6


@pytest.mark.parametrize(
    ("now", "last", "expected"), [(50, None, 50), (50, 10, 60), (60, 10, 60), (500, 10, 500)]
)
def test_a_sync_comes_at_once_after_a_quiet_time_and_else_a_period_after_the_last(
    now: int, last: int | None, expected: int
) -> None:
    assert next_sync(now, last, 50) == expected


@pytest.mark.parametrize(("now", "expected"), [(0, 3), (3, 3), (4, 13), (13, 13), (-8, -7)])
def test_a_worker_finds_it_at_its_next_look(now: int, expected: int) -> None:
    assert next_poll(now, 3, 10) == expected


ANYONE: dict[str, str] = {}
WORDS = st.sampled_from([None, "", "always", "never", "yes", "shenzhen", "ALWAYS"])
POLICIES = st.builds(
    Policy,
    weight=st.integers(-5, 300),
    weight_total=st.integers(-5, 300),
    header=st.sampled_from(["", "Region"]),
    header_value=st.sampled_from(["", "", "yes", "never"]),
    header_pattern=st.sampled_from(["", "", "shen", "^a.*s$", "(broken", ".*"]),
    cookie=st.sampled_from(["", "beta"]),
)


def carried(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}


@given(POLICIES, WORDS, WORDS, st.sampled_from([None, *Side]), st.booleans(), st.booleans())
def test_what_comes_first_decides(
    policy: Policy, header: str | None, cookie: str | None, pin: Side | None, primary: bool, canary: bool
) -> None:
    """The order of the table: 503, own cookie, no canary, its cookie, header, cookie, weight."""
    side = route(
        policy,
        carried("Region", header),
        carried("beta", cookie),
        pinned_to=pin,
        primary_up=primary,
        canary_up=canary,
    )
    heard = header if policy.header else None
    told = cookie if policy.cookie else None
    by_value = bool(policy.header_value)
    by_pattern = bool(policy.header_pattern) and not by_value
    matches = {"shen": heard == "shenzhen", "^a.*s$": heard == "always", ".*": True, "(broken": False}
    table: list[tuple[bool, Side | NotYet]] = [
        (not primary, UNAVAILABLE),
        (pin is Side.PRIMARY, Side.PRIMARY),
        (not canary, Side.PRIMARY),
        (pin is Side.CANARY, Side.CANARY),
        (heard is not None and by_value and heard == policy.header_value, Side.CANARY),
        (heard is not None and by_pattern and policy.header_pattern == "(broken", Side.PRIMARY),
        (heard is not None and by_pattern and matches[policy.header_pattern], Side.CANARY),
        (heard == "always" and not by_value and not by_pattern, Side.CANARY),
        (heard == "never" and not by_value and not by_pattern, Side.PRIMARY),
        (told == "always", Side.CANARY),
        (told == "never", Side.PRIMARY),
        (True, BY_WEIGHT),
    ]
    assert side is next(expected for holds, expected in table if holds)


def test_without_a_canary_everything_is_the_primarys() -> None:
    assert route(None, {"Region": "always"}, ANYONE) is Side.PRIMARY
    assert route(None, ANYONE, ANYONE, pinned_to=Side.CANARY) is Side.PRIMARY


@pytest.mark.parametrize("name", ["X-User-Region", "x-user-region", "X_USER_REGION", "x_User-region"])
def test_a_headers_name_has_no_case_and_its_dashes_are_underscores(name: str) -> None:
    policy = Policy(header="X-User-Region", header_value="Shenzhen")
    assert by_rules(policy, {name: "Shenzhen"}, ANYONE) is Side.CANARY
    assert by_rules(policy, {name: "shenzhen"}, ANYONE) is BY_WEIGHT


def test_a_cookies_name_has_no_case_and_its_dashes_count() -> None:
    policy = Policy(cookie="user-from")
    assert by_rules(policy, ANYONE, {"User-From": "always"}) is Side.CANARY
    assert by_rules(policy, ANYONE, {"user_from": "always"}) is BY_WEIGHT


def test_no_header_is_never_found_by_a_pattern_and_an_empty_one_is() -> None:
    policy = Policy(header="Region", header_pattern="^$")
    assert by_rules(policy, ANYONE, ANYONE) is BY_WEIGHT
    assert by_rules(policy, {"Region": ""}, ANYONE) is Side.CANARY


@given(POLICIES, st.floats(0, 1, exclude_max=True))
def test_the_draw_is_that_of_a_whole_number_up_to_the_total(policy: Policy, u: float) -> None:
    total = policy.weight_total if policy.weight_total > 100 else 100
    # floor(u · total) + 1 ≤ weight, in exact arithmetic: in floats u · total may round up to the next number
    canary = floor(Fraction(u) * total) + 1 <= policy.weight
    near = abs(u * total - policy.weight) < 1e-9
    assert near or (by_weight(policy, u) is Side.CANARY) == canary
    assert (by_weight(policy, u) is Side.CANARY) == (u < share_by_weight(policy))


def test_ten_requests_at_ten_percent_miss_the_canary_in_35_percent_of_runs() -> None:
    policy, runs = Policy(weight=10), 20_000
    missed = sum(
        all(by_weight(policy, u(1, Purpose.CHOICE, run, k)) is Side.PRIMARY for k in range(10))
        for run in range(runs)
    )
    expected = 0.9**10
    assert expected == pytest.approx(0.349, abs=5e-4)
    assert missed / runs == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / runs))


def returning(affinity: Affinity, policy: Policy, users: int, requests: int) -> list[list[Side]]:
    """The sides that users meet, one request after another, each with the session cookie it was given."""
    met: list[list[Side]] = []
    for user in range(users):
        pin: Side | None = None
        met.append([])
        for k in range(requests):
            side = route(policy, ANYONE, ANYONE, pinned_to=pin)
            if not isinstance(side, Side):
                side = by_weight(policy, u(2, Purpose.CHOICE, user, k))
            pin = pinned_after(affinity, pin, side)
            met[-1].append(side)
    return met


def test_legacy_affinity_leaves_w_to_the_k_on_the_canary() -> None:
    met = returning(Affinity.LEGACY, Policy(weight=60), users=20_000, requests=4)
    for k in range(4):
        expected = 0.6 ** (k + 1)
        share = sum(sides[k] is Side.CANARY for sides in met) / len(met)
        assert share == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / len(met)))


def test_sticky_affinity_keeps_everyone_where_the_first_draw_sent_them() -> None:
    met = returning(Affinity.STICKY, Policy(weight=30), users=5000, requests=5)
    assert all(len(set(sides)) == 1 for sides in met)
    share = sum(sides[0] is Side.CANARY for sides in met) / len(met)
    assert share == pytest.approx(0.3, abs=4 * sqrt(0.21 / len(met)))


def test_without_affinity_users_meet_both() -> None:
    met = returning(Affinity.NONE, Policy(weight=50), users=500, requests=10)
    both = sum(len(set(sides)) == 2 for sides in met) / len(met)
    assert both == pytest.approx(1 - 2 * 0.5**10, abs=0.01)


def test_weight_0_does_not_bring_pinned_users_back_and_a_canary_without_endpoints_does() -> None:
    pinned = {"policy": Policy(weight=0), "headers": ANYONE, "cookies": ANYONE, "pinned_to": Side.CANARY}
    assert route(**pinned) is Side.CANARY
    assert route(**pinned, canary_up=False) is Side.PRIMARY
    assert pinned_after(Affinity.STICKY, Side.CANARY, Side.PRIMARY) is Side.PRIMARY


def test_a_balancer_nobody_knows_is_round_robin() -> None:
    assert balancer("fastest") == "round_robin"
    assert balancer(affinity="cookie", affinity_mode="persistent") == "sticky_persistent"
