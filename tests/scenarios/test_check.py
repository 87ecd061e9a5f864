"""What is said about a scenario before it runs."""

import pytest

from scenarios.check import Advice, Level, check, utilisation
from scenarios.load import loads
from scenarios.standing import standings

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 10, slots: 4}
versions: {stable: {service_time: {constant: 100ms}}}
traffic: {rate: 200/s}
cluster: {pods: {termination: {pre_stop: 5s}}}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%, window: 1m, min_requests: 100}}
strategies: {it: {rolling: {}}}
clock: {settle: 2m, horizon: 30m}
"""


def said(*overrides: str) -> tuple[Advice, ...]:
    return check(loads(BASE, "test", overrides))


def only(*overrides: str) -> Advice:
    (advice,) = said(*overrides)
    return advice


def test_a_sound_scenario_gets_no_advice() -> None:
    assert said() == ()
    assert utilisation(loads(BASE)) == pytest.approx(0.5)


CANARY = "strategies.it={canary: {steps: [5%], via: edge, guards: [errors]}}"
GREEN = "strategies.it={blue_green: {guards: [errors]}}"
HALVES_OF_1 = ("service.replicas=1", "traffic.rate=20/s", "strategies.it={in_place_halves: {}}")
HALVES = "strategies.it={in_place_halves: {}}"
PRE_STOP = "cluster.pods.termination.pre_stop"
CRAMPED = ("traffic.rate=300/s", HALVES)


@pytest.mark.parametrize(
    ("overrides", "level", "path", "words"),
    [
        (HALVES_OF_1, Level.PROBLEM, "strategies.it", "at least 2 replicas"),
        (("traffic.rate=400/s",), Level.WARNING, "traffic.rate", "100% of its slots"),
        ((f"{PRE_STOP}=0s",), Level.WARNING, PRE_STOP, "up to 1040ms late"),
        ((f"{PRE_STOP}=30s",), Level.WARNING, PRE_STOP, "are killed"),
        ((GREEN, "strategies.it.blue_green.bake=30m"), Level.WARNING, "strategies.it", "it cannot settle"),
        ((GREEN, "cluster.spare_pods=9"), Level.WARNING, "strategies.it", "10 pods beyond the replicas"),
        (CRAMPED, Level.WARNING, "strategies.it", "5 pods' worth of capacity would have to work at 150%"),
        ((CANARY, "guards.errors.min_requests=601"), Level.WARNING, "strategies.it", "sees about 600"),
        (("cluster.pods.min_ready=10m",), Level.WARNING, "strategies.it", "deadline longer than that"),
        (
            ("strategies.it={canary: {steps: [5%]}}",),
            Level.NOTE,
            "strategies.it",
            "5% becomes 1 of 11 pods",
        ),
        (
            ("versions.stable.errors=[{share: 0.05%, of: requests}]",),
            Level.NOTE,
            "clock.settle",
            "p₀ comes from 24,000 settling requests",
        ),
    ],
)  # fmt: skip
def test_advice(overrides: tuple[str, ...], level: Level, path: str, words: str) -> None:
    advice = only(*overrides)
    assert (advice.level, advice.path) == (level, path)
    assert words in advice.message


def test_enough_room_and_enough_requests_are_no_advice() -> None:
    assert said(GREEN, "cluster.spare_pods=10") == ()
    assert said(CANARY, "guards.errors.min_requests=600") == ()


def test_problems_come_before_warnings_before_notes() -> None:
    levels = [
        advice.level
        for advice in said(
            "strategies.it={canary: {steps: [5%]}}",
            "strategies.halves={in_place_halves: {}}",
            "service.replicas=1",
            "traffic.rate=20/s",
            "cluster.pods.termination.pre_stop=0s",
        )
    ]
    assert levels == [Level.PROBLEM, Level.WARNING, Level.NOTE]


def test_how_things_stand_in_each_stage() -> None:
    plan = loads(BASE, "test", (CANARY,)).plan("it")
    now = {standing.stage.name: standing for standing in standings(plan, {})}
    assert (now["5% pods"].serving, now["5% pods"].candidate_share) == (10, 0)
    # one pod takes 5 %: the canary pool caps the service at 20 pods' worth, main's 95 % at 10.5
    assert now["5%"].serving == pytest.approx(10 / 0.95)
    assert now["5%"].candidate_share == pytest.approx(0.05)
    assert now["remove canary"].candidate_share == 1


def test_a_canary_pool_that_is_too_small_for_its_share_caps_the_service() -> None:
    # 50 % of the users on 5 of 15 pods: both halves can take what 10 pods would, so nothing is said
    assert said("strategies.it={canary: {steps: [50%], via: edge}}", "traffic.rate=390/s") == ()


def test_surge_pods_want_room_too() -> None:
    advice = only("cluster.spare_pods=0", "strategies.it.rolling.max_surge=1")
    assert (advice.level, advice.path) == (Level.WARNING, "strategies.it")
    assert "wants 1 pods beyond the replicas" in advice.message
    assert said("cluster.spare_pods=1", "strategies.it.rolling.max_surge=1") == ()


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        ("versions.stable.start=never", "versions.stable.start", "never becomes ready"),
        ("versions.stable.errors=[{share: 1%, of: requests}]", "versions.stable.errors", "slo.success"),
        ("traffic.client.timeout=80ms", "traffic.client.timeout", "give up"),
        ("cluster.pods.readiness=none", "versions.stable.start", "no readiness probe"),
        (
            "candidates={bad: {pods: {termination: {pre_stop: 0s}}}}",
            "candidates.bad.pods.termination",
            "preStop",
        ),
    ],
)
def test_what_spoils_a_comparison_is_said(override: str, path: str, words: str) -> None:
    found = [advice for advice in said(override) if advice.path.startswith(path)]
    assert len(found) == 1
    assert found[0].level is Level.WARNING
    assert words in found[0].message


RULED = "traffic.mix={header.Region: {shenzhen: 20%}}"
MESH = "routers={service: {kind: kube-proxy}, mesh: {kind: proxy}}"


@pytest.mark.parametrize(
    ("strategy", "overrides", "words"),
    [
        ("{canary: {via: mesh, match: [{header: Region}], steps: [5%]}}", (RULED,), "give it more pods"),
        ("{canary: {via: mesh, match: [{header: Region}], steps: [5%]}}", (), "nobody in traffic.mix"),
        ("{ab_test: {via: mesh, by: {users: 50%}, then: promote_winner}}", (), "no conversion is stated"),
        ("{paused_rolling: {}}", (), "13 pods, 5 of them new"),
    ],
)
def test_what_strategies_that_divide_users_or_pause_need(
    strategy: str, overrides: tuple[str, ...], words: str
) -> None:
    advice = said(MESH, f"strategies.it={strategy}", *overrides)
    assert [one.path for one in advice if words in one.message] == ["strategies.it"]


def test_enough_pods_for_those_who_match_are_no_advice() -> None:
    ruled = "{canary: {via: mesh, match: [{header: Region}], match_pods: 20%, steps: [5%]}}"
    assert said(MESH, RULED, f"strategies.it={ruled}") == ()


def test_a_paused_update_is_judged_by_the_share_of_its_new_pods() -> None:
    plan = loads(BASE, "test", ("strategies.it={paused_rolling: {}}",)).plan("it")
    now = {standing.stage.name: standing for standing in standings(plan, {})}
    assert now["first pods"].candidate_share == pytest.approx(5 / 13)
    assert now["rest"].candidate_share == 1


def test_copies_count_for_guards_and_for_no_user() -> None:
    world = ("strategies.it={shadow: {via: mesh, share: 20%}}", MESH)
    now = {s.stage.name: s for s in standings(loads(BASE, "test", world).plan("it"), {})}
    assert (now["copies"].candidate_share, now["copies"].judged_share) == (0.0, 0.2)
