"""Each strategy as the plan it returns: its stages by name, its pods and shares by number, its ways back."""

import ast
from pathlib import Path

import pytest

from scenarios.errors import ScenarioError
from scenarios.load import as_document, from_document, load, loads
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    USERS,
    Approved,
    ByReplicas,
    Call,
    Command,
    Counted,
    Elapsed,
    Gone,
    Match,
    OnDeadline,
    OnInconclusive,
    Overdue,
    Passed,
    Plan,
    Ready,
    Route,
    Routed,
    Rules,
    Scale,
    SetRoute,
    SetVersion,
    Split,
    Stage,
    Sticky,
    Timed,
    Verb,
    Wins,
    split,
    whole,
)
from scenarios.route import Unrealisable
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import Recreate, RollingUpdate
from scenarios.strategies import KINDS, SequenceStrategy
from scenarios.strategies.canary import CanaryStrategy

WORLD = """
format: rolloutlab/1
name: test
service: {replicas: 10}
traffic: {rate: 100/s}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}, mesh: {kind: proxy}}
operators: {on_call: {}}
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
    "paused": "{paused_rolling: {guards: [errors], back: finish}}",
    "paused, image back": "{paused_rolling: {guards: [errors], back: set_image, pause_after: 0s}}",
    "halves and more": "{in_place_halves: {extra_pods: 50%, guards: [errors], approve: on_call}}",
    "asked": "{blue_green: {guards: [errors], approve: on_call, operator: on_call}}",
}
LOOKING = {
    "shadow": "{shadow: {via: mesh, share: 20%, guards: [errors]}}",
    "test": "{ab_test: {via: mesh, by: {users: 30%}, guards: [errors]}}",
    "by region": "{ab_test: {via: mesh, by: {header: Region, value: shenzhen}, pods: 3}}",
}
PROMOTING = {
    "matched": "{canary: {via: mesh, match: [{header: Region, value: a}, {cookie: beta}], steps: [5%, 25%], "
    "sticky: both, guards: [errors]}}",
    "winner": "{ab_test: {via: mesh, by: {sticky: 20%}, then: promote_winner, guards: [errors]}}",
}
RULED = {**LOOKING, **PROMOTING}


def world(replicas: int = 10) -> Scenario:
    lines = "".join(f"  {name}: {text}\n" for name, text in (WRITTEN | RULED).items())
    return loads(WORLD + lines, "test", [f"service.replicas={replicas}"])


def plan(name: str, replicas: int = 10) -> Plan:
    chosen = world(replicas)
    strategy = chosen.strategies[name].strategy
    return strategy.plan(chosen.service, chosen.routers[strategy.via])


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
        ("paused", ["first pods", "rest", "judged"]),
        (
            "halves and more",
            [
                "more right",
                "left out",
                "left up",
                "swap",
                "approve the right half",
                "right up",
                "both",
                "fewer left",
            ],
        ),
        (
            "asked",
            [
                "start green",
                "approve the switch",
                "switch to green",
                "bake",
                "approve removing blue",
                "remove blue",
            ],
        ),
        ("shadow", ["shadow pods", "copies", "no more copies", "remove shadow"]),
        ("test", ["variant pods", "test", "all to main", "remove variant"]),
        ("winner", ["variant pods", "test", "roll main", "all on main", "remove variant"]),
        (
            "matched",
            [
                "match only pods",
                "match only",
                "5% pods",
                "5%",
                "25% pods",
                "25%",
                "roll main",
                "all on main",
                "remove canary",
            ],
        ),
    ],
)
def test_stages(name: str, stages: list[str]) -> None:
    assert [found.name for found in plan(name).stages] == stages


EVERY = [(name, written) for name in ("healthy", "tight-capacity") for written in load(name).strategies]
EVERY += [("test", name) for name in WRITTEN | RULED]


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


def after(of: Plan, *stages: Stage) -> tuple[dict[str, int], dict[str, str], Route, set[str]]:
    """Pods and version by pool, the route, and what is paused, once these stages are done."""
    pods, version, route = dict(of.start), {pool: STABLE for pool, _ in of.start}, of.route
    paused = set[str]()
    for action in (action for walked in stages for action in actions(walked)):
        match action:
            case Scale(pool, n):
                pods[pool] = n
            case SetVersion(pool, wanted):
                version[pool] = wanted
            case SetRoute(_, wanted_route):
                route = wanted_route
            case Command(Verb.UNDO, pool):
                assert pool not in paused
                version[pool] = STABLE
            case Command(verb, pool):
                paused = paused | {pool} if verb is Verb.PAUSE else paused - {pool}
    return pods, version, route, paused


@pytest.mark.parametrize("name", WRITTEN | RULED)
def test_a_way_back_ends_as_the_release_began(name: str) -> None:
    of = plan(name)
    for failed in range(len(of.stages)):
        if not of.stages[failed].undo:
            continue
        pods, version, route, paused = after(of, *of.stages[: failed + 1], *of.stages[failed].undo)
        assert not paused
        assert {pool: n for pool, n in pods.items() if n} == dict(of.start)
        assert all(version[pool] == STABLE for pool, _ in of.start)
        assert route in (of.route, whole(*dict(of.start)))


@pytest.mark.parametrize("name", LOOKING)
def test_who_only_looks_ends_as_it_began_and_says_so(name: str) -> None:
    of = plan(name)
    pods, version, route, _ = after(of, *of.stages)
    assert ({pool: n for pool, n in pods.items() if n}, route) == (dict(of.start), of.route)
    assert version["main"] == STABLE
    assert not of.promotes
    assert world().strategies[name].strategy.reports


@pytest.mark.parametrize("name", WRITTEN | PROMOTING)
def test_a_way_forward_ends_with_all_pods_on_the_candidate_and_users_on_them(name: str) -> None:
    of = plan(name)
    pods, version, route, paused = after(of, *of.stages)
    assert of.promotes
    assert not paused
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
    allowed = {("scenarios/codec_plan.py", "recreate"), ("scenarios/starter_releases.py", "recreate")}
    texts = {"scenarios/starter_releases.py"}
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
        if name.startswith("scenarios/strategies/"):
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


def test_a_canary_with_rules_begins_with_those_alone_and_keeps_them_before_every_split() -> None:
    of = plan("matched")
    first, second = (actions(stage(of, name))[0].route for name in ("match only", "5%"))  # type: ignore[attr-defined]
    rules = ((Match("header", "Region", "a"), "canary"), (Match("cookie", "beta"), "canary"))
    assert first == Rules(whole("main"), rules)
    assert second == Rules(split({"main": 0.95, "canary": 0.05}), rules, Sticky.BOTH)
    assert stage(of, "match only").until == stage(of, "5%").until  # held and judged as any other step


def test_pods_for_those_who_match_come_on_top_of_each_step_s() -> None:
    of = via_mesh("{canary: {via: mesh, match: [{cookie: a}], match_pods: 10%, steps: [5%, 25%]}}")
    names = ("match only pods", "5% pods", "25% pods")
    assert [actions(stage(of, name))[1] for name in names] == [Scale("canary", n) for n in (1, 2, 4)]


# --- paused --------------------------------------------------------------------------------------------


def test_a_pause_comes_so_long_after_the_new_image_and_is_held() -> None:
    first = stage(plan("paused"), "first pods")
    assert first.enter[1] == Timed(Command(Verb.PAUSE, "main"), 0.05)
    assert first.until == (Elapsed(300.0), Passed(("errors",)))


def test_three_ways_back_from_a_pause_none_of_which_undoes_while_paused() -> None:
    resume, undo = Command(Verb.RESUME, "main"), Command(Verb.UNDO, "main")
    ways = {}
    for way in ("finish", "resume_undo", "set_image"):
        of = loads(f"{WORLD}  it: {{paused_rolling: {{back: {way}}}}}\n").plan("it")
        ways[way] = [actions(walked) for walked in of.stages[0].undo]
    old = SetVersion("main", STABLE, RollingUpdate("25%", "25%"))
    assert ways == {
        "finish": [[resume], [undo]],
        "resume_undo": [[resume, undo]],
        "set_image": [[old, resume]],
    }


@pytest.mark.parametrize(
    ("after", "replicas", "said"),
    [
        ("50ms", 10, "13 pods, 5 of them new: 38%"),
        ("0s", 10, "13 pods, 3 of them new: 23%"),
        ("1s", 4, "5 pods, 2 of them new: 40%"),
    ],
)
def test_what_a_paused_update_serves_with_is_said(after: str, replicas: int, said: str) -> None:
    of = loads(
        f"{WORLD}  it: {{paused_rolling: {{pause_after: {after}}}}}\n",
        "test",
        [f"service.replicas={replicas}"],
    )
    (note,) = of.strategies["it"].strategy.notes(of.service, of.routers["service"])
    assert said in note


# --- people --------------------------------------------------------------------------------------------


def test_who_approves_is_called_on_entering_and_waited_for_without_a_deadline() -> None:
    asked = stage(plan("asked"), "approve the switch")
    assert actions(asked) == [Call("on_call", "approve the switch")]
    assert (asked.until, asked.deadline) == ((Approved("on_call"),), None)
    assert [undo.name for undo in asked.undo] == ["remove green"]


def test_an_operator_is_paged_by_every_stage_that_is_judged_and_by_no_other() -> None:
    assert {(bool(found.guards), found.pages) for found in plan("asked").stages} == {
        (True, "on_call"),
        (False, None),
    }


def test_what_an_inconclusive_guard_counts_for_is_said_by_the_condition() -> None:
    text = "{canary: {via: edge, steps: [5%], guards: [errors], on_inconclusive: undo}}"
    of = loads(f"{WORLD}  it: {text}\n").plan("it")
    assert stage(of, "5%").until[-1] == Passed(("errors",), OnInconclusive.UNDO)


# --- halves with more pods -----------------------------------------------------------------------------


def test_extra_pods_are_there_whenever_a_half_serves_alone_and_gone_at_the_end() -> None:
    of, alone = plan("halves and more"), {}
    for last in range(len(of.stages)):
        pods, _, route, _ = after(of, *of.stages[: last + 1])
        if isinstance(route, ByReplicas) and len(route.pools) == 1:
            alone[of.stages[last].name] = pods[route.pools[0]]
    assert alone == {
        "left out": 10, "left up": 10, "swap": 10, "approve the right half": 10, "right up": 10,
    }  # fmt: skip


# --- A/B tests -----------------------------------------------------------------------------------------


def test_users_are_divided_by_a_hash_or_by_what_they_carry_or_by_chance_and_stay() -> None:
    routes = {name: actions(stage(plan(name), "test"))[0].route for name in ("test", "by region", "winner")}  # type: ignore[attr-defined]
    assert routes == {
        "test": Rules(split({"main": 0.7, "variant": 0.3}), sticky=Sticky.HASH),
        "by region": Rules(whole("main"), ((Match("header", "Region", "shenzhen"), "variant"),)),
        "winner": Rules(split({"main": 0.8, "variant": 0.2}), sticky=Sticky.BOTH),
    }
    assert actions(stage(plan("test"), "variant pods"))[1] == Scale("variant", 3)
    assert stage(plan("test"), "test").until[-1] == Counted()
    assert stage(plan("winner"), "test").until[-1] == Wins(0.05, 0.2)


# --- sequences -----------------------------------------------------------------------------------------

SHADOW, TEST = LOOKING["shadow"], LOOKING["test"]
LAST = {
    "rolling": "{rolling: {via: mesh}}",
    "blue-green": "{blue_green: {via: mesh}}",
    "canary": "{canary: {via: mesh, steps: [5%]}}",
    "halves": "{in_place_halves: {via: mesh}}",
}


def in_a_row(*parts: str) -> Plan:
    return via_mesh(f"{{sequence: [{', '.join(parts)}]}}")


def via_mesh(written: str) -> Plan:
    of = loads(f"{WORLD}  it: {written}\n")
    return of.strategies["it"].strategy.plan(of.service, of.routers["mesh"])


@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
def test_a_sequence_begins_with_the_pools_of_its_last_part_and_comes_home_after_each(last: str) -> None:
    of, alone = in_a_row(SHADOW, last), via_mesh(last)
    assert (of.start, of.route, of.promotes) == (alone.start, alone.route, True)
    assert of.stages[4:] == alone.stages
    for end in range(4):
        pods, version, route, _ = after(of, *of.stages[: end + 1], *of.stages[end].undo)
        left = {pool: n for pool, n in pods.items() if n}
        if of.stages[end].undo or end == 3:
            assert (left, route) == (dict(of.start), of.route)
        assert all(version[pool] == STABLE for pool, _ in of.start)


def test_users_are_divided_between_the_last_part_s_pool_and_the_candidate() -> None:
    of = in_a_row(TEST, LAST["blue-green"])
    assert actions(stage(of, "test"))[0] == SetRoute(
        USERS, Rules(split({"blue": 0.7, "variant": 0.3}), sticky=Sticky.HASH)
    )
    with pytest.raises(Unrealisable, match="divide by header or cookie"):
        in_a_row(TEST, LAST["halves"])


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ((LAST["canary"], SHADOW), r"sequence\.0\.canary.*nothing can follow"),
        ((PROMOTING["winner"], LAST["canary"]), "all but the last must end as they began"),
        ((SHADOW,), "2 to 10"),
        ((SHADOW, "{rolling: {}}"), r"sequence\.1\.rolling\.via.*one router"),
        ((SHADOW, "{rolling: {via: mesh, rollback: undo, guards: [nobody]}}"), "no guard is called"),
        ((SHADOW, "{sequence: [{rolling: {}}]}"), "sequence"),
        ((SHADOW, "{rolling: {via: mesh, max_surg: 1}}"), "did you mean"),
    ],
)
def test_what_cannot_stand_in_a_row(parts: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        loads(f"{WORLD}  it: {{sequence: [{', '.join(parts)}]}}\n", "test")


def test_a_part_takes_over_from_a_strategy_of_its_kind() -> None:
    parts = f"[{SHADOW}, {{canary: {{from: matched, steps: [10%]}}}}]"
    of = loads(f"{WORLD}  matched: {PROMOTING['matched']}\n  it: {{sequence: {parts}}}\n")
    row = of.strategies["it"].strategy
    assert isinstance(row, SequenceStrategy)
    last = row.parts[1]
    assert isinstance(last, CanaryStrategy)
    assert (last.steps, last.sticky, last.guards) == ((0.1,), "both", ("errors",))
    with pytest.raises(ScenarioError, match=r"sequence\.1\.canary\.from.*is a shadow"):
        loads(f"{WORLD}  look: {SHADOW}\n  it: {{sequence: [{SHADOW}, {{canary: {{from: look}}}}]}}\n")


def test_a_sequence_survives_being_written_down() -> None:
    of = loads(f"{WORLD}  it: {{sequence: [{SHADOW}, {LAST['canary']}]}}\n")
    assert from_document(as_document(of)) == of


@pytest.mark.parametrize(
    ("share", "replicas", "pods"), [("2.5%", 200, 5), ("0.4%", 1000, 4), ("12.5%", 8, 1)]
)
def test_a_test_has_pods_for_its_share_of_users(share: str, replicas: int, pods: int) -> None:
    written = f"  it: {{ab_test: {{via: mesh, by: {{users: {share}}}}}}}\n"
    of = loads(WORLD + written, "f.yaml", [f"service.replicas={replicas}"])
    assert actions(of.plan("it").stages[0])[1] == Scale("variant", pods)


# --- what cannot be done -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("{canary: {steps: [5%], match: [{cookie: a}]}}", "go via ingress-nginx or a proxy router"),
        (
            "{canary: {steps: [5%], sticky: both}}",
            "cannot keep users on a side; go via a proxy router",
        ),
        ("{ab_test: {by: {users: 50%}}}", "go via a proxy router"),
        (
            "{ab_test: {via: edge, by: {users: 50%}}}",
            "go via a proxy router, or divide them by a header or a cookie",
        ),
        ("{ab_test: {by: {cookie: a}}}", "go via ingress-nginx or a proxy router"),
        ("{shadow: {}}", "go via a proxy or an ingress-nginx router"),
    ],
)
def test_what_a_service_cannot_do_is_said_with_what_could(written: str, instead: str) -> None:
    assert instead in loads(f"{WORLD}  it: {written}\n").unrealisable()["it"]


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
        ("{rolling: {operator: on_call}}", "name guards as well"),
        ("{rolling: {on_inconclusive: undo}}", "name guards as well"),
        ("{blue_green: {approve: nobody}}", "no operator is called"),
        ("{canary: {via: mesh, steps: [5%], match: [{header: a, cookie: b}]}}", "either header: NAME or"),
        ("{canary: {via: mesh, steps: [5%], match: [{header: a, pattern: '(?=x)'}]}}", "pattern"),
        ("{ab_test: {via: mesh, by: {}}}", "expected one of header"),
        ("{ab_test: {via: mesh, by: {users: 50%, sticky: 20%}}}", "expected one of header"),
        ("{ab_test: {via: mesh, by: {users: 100%}}}", "between 0% and 100%"),
        ("{ab_test: {via: mesh, by: {users: 50%, value: a}}}", "only with header or cookie"),
        ("{shadow: {via: mesh, share: 0%}}", "more than 0%"),
        ("{canary: {via: mesh, steps: [5%], match_pods: 1}}", "say what is to match"),
        ("{paused_rolling: {max_surge: 0, max_unavailable: 0}}", "no pod could move"),
        ("{ab_test: {via: mesh, by: {users: 50%}, max_surge: 0, max_unavailable: 0}}", "no pod could move"),
        ("{ab_test: {via: mesh, by: {users: 50%}, alpha: 0%}}", "ab_test.alpha: expected more than 0%"),
        ("{ab_test: {via: mesh, by: {users: 50%}, alpha: 51%}}", "ab_test.alpha: expected more than 0%"),
        ("{ab_test: {via: mesh, by: {users: 50%}, lasting: 0s}}", "ab_test.lasting: expected more than 0s"),
        ("{ab_test: {via: mesh, by: {users: 50%}, pods: 0}}", "ab_test.pods: expected 1 or more"),
        ("{ab_test: {via: mesh, by: {users: 50%}, pods: 0%}}", "ab_test.pods: expected 1 or more"),
    ],
)
def test_what_a_strategy_cannot_be(written: str, complaint: str) -> None:
    with pytest.raises(Exception, match=complaint):
        loads(f"{WORLD}  it: {written}\n", "test")
