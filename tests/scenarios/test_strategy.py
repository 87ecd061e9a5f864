"""Each strategy as the plan it returns: its stages by name, its pods and shares by number, its ways back."""

import ast
from pathlib import Path

import pytest

from scenarios.load import load, loads
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    USERS,
    ByReplicas,
    Elapsed,
    Gone,
    OnDeadline,
    Overdue,
    Passed,
    Plan,
    Ready,
    Routed,
    Scale,
    SetRoute,
    SetVersion,
    Split,
    Stage,
    split,
    whole,
)
from scenarios.route import Unrealisable
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import Recreate, RollingUpdate
from scenarios.strategy import KINDS

WORLD = """
format: rolloutlab/1
name: test
service: {replicas: 10}
traffic: {rate: 100/s}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%}}
strategies:
"""

WRITTEN = {
    "recreate": "{recreate: {}}",
    "rolling": "{rolling: {}}",
    "rolling undone": "{rolling: {guards: [errors], rollback: undo}}",
    "blue-green": "{blue_green: {bake: 5m, keep_old: 1m, guards: [errors]}}",
    "blue-green, nothing kept": "{blue_green: {}}",
    "halves": "{in_place_halves: {drain: 30s, soak: 5m, guards: [errors]}}",
    "canary by weight": "{canary: {via: edge, steps: [5%, 25%], guards: [errors]}}",
    "canary by weight, swapped": "{canary: {via: edge, steps: [5%], promote: swap, guards: [errors]}}",
    "canary by replicas": "{canary: {steps: [5%, 25%], guards: [errors]}}",
    "canary by replicas, swapped": "{canary: {steps: [5%], promote: swap, guards: [errors]}}",
}


def world(replicas: int = 10) -> Scenario:
    lines = "".join(f"  {name}: {text}\n" for name, text in WRITTEN.items())
    return loads(WORLD + lines, "test", [f"service.replicas={replicas}"])


def plan(name: str, replicas: int = 10) -> Plan:
    return world(replicas).plan(name)


def actions(stage: Stage) -> list[object]:
    return [timed.action for timed in stage.enter]


def stage(of: Plan, name: str) -> Stage:
    return next(found for found in of.every_stage() if found.name == name)


def back(of: Plan) -> dict[str, list[str]]:
    """The way back of each stage, by name."""
    return {forward.name: [undo.name for undo in forward.undo] for forward in of.stages}


# --- all of them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("recreate", ["recreate"]),
        ("rolling", ["rolling update"]),
        ("blue-green", ["start green", "switch to green", "bake", "keep blue", "remove blue"]),
        ("blue-green, nothing kept", ["start green", "switch to green", "bake", "remove blue"]),
        ("halves", ["left out", "left up", "swap", "right up", "both"]),
        (
            "canary by weight",
            ["5% pods", "5%", "25% pods", "25%", "roll main", "all on main", "remove canary"],
        ),
        ("canary by weight, swapped", ["5% pods", "5%", "grow canary", "all on canary", "remove main"]),
        ("canary by replicas", ["5% pods", "5%", "25% pods", "25%", "roll main", "remove canary"]),
        ("canary by replicas, swapped", ["5% pods", "5%", "grow canary", "remove main"]),
    ],
)
def test_stages(name: str, stages: list[str]) -> None:
    assert [found.name for found in plan(name).stages] == stages


EVERY = [(name, written) for name in ("healthy", "tight-capacity") for written in load(name).strategies]
EVERY += [("test", name) for name in WRITTEN]


@pytest.mark.parametrize(("scenario", "name"), EVERY)
def test_every_stage_that_can_fail_has_a_way_back_or_says_that_it_stays(scenario: str, name: str) -> None:
    of = plan(name) if scenario == "test" else load(scenario).plan(name)
    for forward in of.stages:
        if forward.guards:
            assert forward.undo
        if forward.deadline is not None or forward.given_up:
            assert forward.undo or forward.on_deadline is OnDeadline.STAY
        for undo in forward.undo:
            assert undo.on_deadline is OnDeadline.STAY
            assert not undo.guards
            assert not undo.undo


@pytest.mark.parametrize("name", WRITTEN)
def test_a_way_back_ends_as_the_release_began(name: str) -> None:
    of = plan(name)
    for failed in range(len(of.stages)):
        if not of.stages[failed].undo:
            continue
        pods, version, route = dict(of.start), {pool: STABLE for pool, _ in of.start}, of.route
        for walked in (*of.stages[: failed + 1], *of.stages[failed].undo):
            for action in actions(walked):
                match action:
                    case Scale(pool, n):
                        pods[pool] = n
                    case SetVersion(pool, wanted):
                        version[pool] = wanted
                    case SetRoute(_, wanted_route):
                        route = wanted_route
        assert {pool: n for pool, n in pods.items() if n} == dict(of.start)
        assert all(version[pool] == STABLE for pool, _ in of.start)
        assert route in (of.route, whole(*dict(of.start)))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_way_forward_ends_with_all_pods_on_the_candidate_and_users_on_them(name: str) -> None:
    of = plan(name)
    pods, version, route = dict(of.start), {pool: STABLE for pool, _ in of.start}, of.route
    for walked in of.stages:
        for action in actions(walked):
            match action:
                case Scale(pool, n):
                    pods[pool] = n
                case SetVersion(pool, wanted):
                    version[pool] = wanted
                case SetRoute(_, wanted_route):
                    route = wanted_route
    left = {pool: n for pool, n in pods.items() if n}
    assert sum(left.values()) == 10
    assert all(version[pool] == CANDIDATE for pool in left)
    assert isinstance(route, ByReplicas)
    assert set(left) <= set(route.pools)


def test_a_pool_is_never_scaled_up_before_its_version_is_set() -> None:
    for name in WRITTEN:
        of, known = plan(name), {pool for pool, _ in plan(name).start}
        for walked in of.stages:
            for action in actions(walked):
                if isinstance(action, SetVersion):
                    known.add(action.pool)
                if isinstance(action, Scale):
                    assert action.pool in known


def test_no_other_module_knows_a_strategy_by_its_name() -> None:
    # an update of one Deployment has such a name too, and a starter is a text
    allowed = {("scenarios/codec.py", "recreate"), ("scenarios/starter_releases.py", "recreate")}
    texts = {"scenarios/starter_releases.py", "scenarios/strategy.py"}
    types = {model.__name__ for model in KINDS.values()}
    root = Path(__file__).parents[2]
    sources = [
        *root.glob("*.py"),
        *(p for room in ("scenarios", "sim", "live", "reports") for p in (root / room).rglob("*.py")),
    ]
    assert len(sources) > 40
    found = set()
    for source in sources:
        name = source.relative_to(root).as_posix()
        if name == "scenarios/strategy.py":
            continue
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            words: list[object] = []
            match node:
                case ast.Name(id=word) | ast.Attribute(attr=word):
                    words = [word] if word in types else []
                case ast.Compare(left=left, comparators=right):
                    words = [n.value for n in (left, *right) if isinstance(n, ast.Constant)]
                case ast.MatchValue(value=ast.Constant(value=word)):
                    words = [word]
                case ast.Constant(value=str(word)) if name not in texts:
                    words = [kind for kind in ("blue_green", "in_place_halves") if kind in word]
            found |= {(name, word) for word in words if word in {*KINDS, *types}}
    assert found <= allowed


# --- one Deployment ------------------------------------------------------------------------------------


def test_rolling_is_one_change_of_a_template_and_stuck_when_it_is_overdue() -> None:
    (rolling,) = plan("rolling").stages
    assert actions(rolling) == [SetVersion("main", CANDIDATE, RollingUpdate("25%", "25%"))]
    assert (rolling.until, rolling.given_up) == ((Ready("main"),), (Overdue("main"),))
    assert rolling.on_deadline is OnDeadline.STAY  # Kubernetes never undoes
    assert plan("rolling").start == (("main", 10),)


def test_rolling_with_guards_goes_back_by_the_same_change_the_other_way() -> None:
    rolling, judged = plan("rolling undone").stages
    assert rolling.until == (Ready("main"),)
    assert rolling.guards == judged.guards == ("errors",)
    assert rolling.on_deadline is judged.on_deadline is OnDeadline.UNDO
    assert judged.until == (Passed(("errors",)),)
    assert judged.deadline == 600  # a guard that never passes leads back as well
    assert actions(rolling.undo[0]) == [SetVersion("main", STABLE, RollingUpdate("25%", "25%"))]


def test_recreate_differs_by_its_update_alone() -> None:
    (recreate,) = plan("recreate").stages
    assert actions(recreate) == [SetVersion("main", CANDIDATE, Recreate())]


# --- two environments ----------------------------------------------------------------------------------


def test_blue_green_switches_everybody_at_once_and_goes_back_by_a_switch_while_blue_is_there() -> None:
    of = plan("blue-green")
    assert actions(stage(of, "start green")) == [SetVersion("green", CANDIDATE), Scale("green", 10)]
    assert actions(stage(of, "switch to green")) == [SetRoute(USERS, whole("green"))]
    assert back(of) == {
        "start green": ["remove green"],
        "switch to green": ["switch back", "remove green"],
        "bake": ["switch back", "remove green"],
        "keep blue": ["switch back", "remove green"],
        "remove blue": ["start blue again", "switch back", "remove green"],
    }
    assert stage(of, "bake").until == (Elapsed(300.0), Passed(("errors",)))
    assert stage(of, "remove blue").until == (Gone("blue"),)


# --- halves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("replicas", "halves"), [(2, (1, 1)), (3, (2, 1)), (10, (5, 5)), (11, (6, 5))])
def test_an_odd_pod_belongs_to_the_left_half(replicas: int, halves: tuple[int, int]) -> None:
    assert plan("halves", replicas).start == (("left", halves[0]), ("right", halves[1]))


def test_one_pod_has_no_halves() -> None:
    with pytest.raises(Unrealisable, match="at least 2 replicas"):
        plan("halves", 1)


def test_a_half_is_out_of_rotation_before_it_is_touched() -> None:
    of = plan("halves")
    serving = [
        action.route.pools  # type: ignore[union-attr]
        for name in ("left out", "swap", "both")
        for action in actions(stage(of, name))
        if isinstance(action, SetRoute)
    ]
    assert serving == [("right",), ("left",), ("left", "right")]
    assert stage(of, "left out").until == (Routed(USERS), Elapsed(30.0))
    assert actions(stage(of, "left up")) == [SetVersion("left", CANDIDATE, Recreate())]
    assert stage(of, "swap").until == (Routed(USERS), Elapsed(300.0), Passed(("errors",)))


def test_halves_go_back_over_the_half_that_still_has_the_old_version() -> None:
    early = ["right only", "left back", "both again"]
    late = ["right back", "right only", "left back", "both again"]
    expected = {"left out": ["both again"], "left up": early, "swap": early, "right up": late, "both": late}
    assert back(plan("halves")) == expected


# --- canary --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replicas", "pods"), [(10, [1, 3]), (3, [1, 1]), (100, [5, 25]), (21, [2, 6])], ids=str
)
def test_a_canary_by_weight_has_pods_for_its_share_rounded_up(replicas: int, pods: list[int]) -> None:
    of = plan("canary by weight", replicas)
    assert [
        a.pods for name in ("5% pods", "25% pods") for a in actions(stage(of, name)) if isinstance(a, Scale)
    ] == pods


def test_a_canary_by_weight_lets_a_share_in_and_judges_it_before_the_next() -> None:
    of = plan("canary by weight")
    assert actions(stage(of, "5% pods")) == [SetVersion("canary", CANDIDATE), Scale("canary", 1)]
    assert actions(stage(of, "5%")) == [SetRoute(USERS, split({"main": 0.95, "canary": 0.05}))]
    assert stage(of, "5%").until == (Routed(USERS), Elapsed(300.0), Passed(("errors",)))
    assert back(of)["25%"] == ["all to main", "remove canary"]
    assert back(of)["roll main"] == ["main back", "remove canary"]


def test_on_the_way_back_users_go_first_and_pods_after() -> None:
    of = plan("canary by weight")
    assert actions(stage(of, "all to main")) == [SetRoute(USERS, whole("main"))]
    assert isinstance(actions(stage(of, "main back"))[0], SetRoute)


def test_a_canary_by_replicas_never_splits_and_shrinks_main_by_its_pods() -> None:
    of = plan("canary by replicas")
    assert of.route == whole("main", "canary")
    assert not any(isinstance(a, SetRoute) for found in of.every_stage() for a in actions(found))
    assert actions(stage(of, "25%")) == [Scale("main", 8)]
    assert actions(stage(of, "25% pods"))[1] == Scale("canary", 3)
    assert actions(stage(of, "roll main"))[0] == Scale("main", 10)


def test_a_canary_by_replicas_says_what_its_steps_really_come_to() -> None:
    of = world(10)
    strategy = of.strategies["canary by replicas"].strategy
    notes = strategy.notes(of.service, of.routers["service"])
    assert notes == (
        "by replicas, 5% becomes 1 of 11 pods, 9% of requests",
        "by replicas, 25% becomes 3 of 11 pods, 27% of requests",
    )
    assert strategy.notes(of.service, of.routers["edge"]) == ()


def test_a_swapped_canary_grows_to_full_size_and_takes_over() -> None:
    of = plan("canary by weight, swapped")
    assert actions(stage(of, "grow canary")) == [Scale("canary", 10)]
    assert actions(stage(of, "all on canary")) == [SetRoute(USERS, whole("canary"))]
    assert stage(of, "remove main").until == (Gone("main"),)
    assert not any(
        isinstance(a, SetRoute) and isinstance(a.route, Split) for a in actions(stage(of, "remove main"))
    )


# --- what cannot be written ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("{rolling: {max_surge: 0, max_unavailable: 0}}", "no pod could move"),
        ("{rolling: {max_surge: 0%, max_unavailable: 0}}", "no pod could move"),
        ("{rolling: {guards: [errors]}}", "say rollback: undo"),
        ("{rolling: {guards: [nobody]}}", "no guard is called"),
        ("{rolling: {via: nowhere}}", "no router is called"),
        ("{canary: {steps: [25%, 5%]}}", "growing shares"),
        ("{canary: {steps: [5%, 5%]}}", "growing shares"),
        ("{canary: {steps: [50%, 100%]}}", "growing shares"),
        ("{canary: {steps: [0%]}}", "growing shares"),
        ("{canary: {steps: []}}", "steps"),
        ("{rolling: {}, recreate: {}}", "exactly one kind"),
        ("{}", "exactly one kind"),
    ],
)
def test_what_a_strategy_cannot_be(written: str, complaint: str) -> None:
    with pytest.raises(Exception, match=complaint):
        loads(f"{WORLD}  it: {written}\n", "test")
