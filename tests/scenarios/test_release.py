"""How a release proceeds, read from `step`: enter, act, wait, turn back, get stuck, settle."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.backend import Decisions, drive, replay
from scenarios.conversion import Group, Groups
from scenarios.guard import Sample, Seen
from scenarios.load import load, loads
from scenarios.observe import Observation, PoolSeen
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    USERS,
    Elapsed,
    Gone,
    OnDeadline,
    Overdue,
    Passed,
    Plan,
    Ready,
    Routed,
    Scale,
    Stage,
    Timed,
    do,
    whole,
)
from scenarios.release import (
    Kind,
    State,
    Step,
    Verdict,
    action_id,
    next_due,
    next_wake,
    outcome,
    path,
    step,
)
from scenarios.world import Guard

ERRORS = Guard(metric="failure_share", limit="1%", min_requests=100)
GUARDS = {"errors": ERRORS}
GOOD, BAD, FEW = Sample(1000, 0), Sample(1000, 500), Sample(3, 3)

GROW, SHRINK = Scale("green", 4), Scale("green", 0)
BACK = Stage("back", do(SHRINK), (Gone("green"),), on_deadline=OnDeadline.STAY)


def plan(*stages: Stage) -> Plan:
    return Plan((("blue", 4),), whole("blue"), "service", stages)


ONE = plan(Stage("grow", do(GROW), (Elapsed(10.0),), ("errors",), deadline=60.0, undo=(BACK,)))


class Walk:
    """A release walked by hand: what `see` returns is what that observation led to."""

    def __init__(self, of: Plan, guards: Mapping[str, Guard] = GUARDS) -> None:
        self.plan, self.guards, self.state = of, guards, State()
        self.seen: list[Observation] = []
        self.steps: list[Step] = []

    def see(self, t: float, *, answered: bool = True, **what: object) -> Step:
        """One observation at t; actions asked before are answered unless said otherwise."""
        done = frozenset(self.state.asked if answered else ())
        self.seen.append(Observation(t, **{"done": done, **what}))  # type: ignore[arg-type]
        self.steps.append(step(self.plan, self.guards, self.state, self.seen[-1]))
        self.state = self.steps[-1].state
        return self.steps[-1]

    @property
    def stage(self) -> str:
        return path(self.plan, self.state)[self.state.index].name

    @property
    def verdict(self) -> Verdict:
        return outcome(self.plan, self.state).verdict


def scraped(subject: Sample, taken_at: float, stable: Sample = GOOD) -> dict[str, Seen]:
    return {"errors": Seen(taken_at, subject, stable)}


def pool(desired: int, stable: int = 0, candidate: int = 0, available: int | None = None) -> PoolSeen:
    """A pool of candidate pods, `available` of them (all unless said)."""
    there = candidate if available is None else available
    pods = {STABLE: (stable, stable, stable), CANDIDATE: (candidate, there, there)}
    return PoolSeen(desired, CANDIDATE, {v: c for v, c in pods.items() if c[0]})


def kinds(of: Step) -> list[Kind]:
    return [event.kind for event in of.events]


# --- entering and acting ---------------------------------------------------------------------------


def test_the_first_observation_enters_the_first_stage_and_asks_for_its_actions() -> None:
    first = Walk(ONE).see(0.0)
    assert [(asked.id, asked.action) for asked in first.actions] == [("forward.0.0", GROW)]
    assert [(event.kind, event.text) for event in first.events] == [(Kind.STAGE, "grow")]
    assert (first.state.index, first.state.entered_at) == (0, 0.0)


def test_a_timed_action_is_asked_for_when_its_time_has_come_and_once() -> None:
    late = Timed(SHRINK, after=5.0)
    walk = Walk(plan(Stage("both", (Timed(GROW), late), (Elapsed(10.0),))))
    asked = [[a.action for a in walk.see(t).actions] for t in (0.0, 4.9, 5.0, 5.1)]
    assert asked == [[GROW], [], [SHRINK], []]
    assert next_due(walk.plan, State(index=0), 0.0) == 5.0
    assert next_due(walk.plan, State(index=0), 5.0) is None


def test_a_stage_is_left_only_when_every_action_is_asked_for_and_answered() -> None:
    walk = Walk(plan(Stage("both", (Timed(GROW), Timed(SHRINK, after=20.0)))))
    walk.see(0.0)
    assert walk.see(10.0).state.settled_at is None  # one action is not due yet
    assert walk.see(20.0, answered=False).actions[0].action == SHRINK
    assert walk.see(21.0, answered=False).state.settled_at is None
    assert walk.see(22.0).state.settled_at == 22.0


def test_an_answer_to_an_action_of_another_stage_does_not_count() -> None:
    walk = Walk(plan(Stage("one", do(GROW)), Stage("two", do(SHRINK))))
    walk.see(0.0)
    walk.see(1.0)
    assert walk.see(2.0, done=frozenset({"forward.0.0"})).state.settled_at is None


def test_one_observation_enters_at_most_one_stage() -> None:
    stages = [Stage(f"s{i}") for i in range(4)]
    walk = Walk(plan(*stages))
    assert [walk.see(float(t)).state.index for t in range(4)] == [0, 1, 2, 3]
    assert walk.see(4.0).state.settled_at == 4.0


@pytest.mark.parametrize(
    ("until", "seen", "held"),
    [
        (Elapsed(10.0), {}, False),
        (Ready("green"), {"pools": {"green": pool(4, candidate=4)}}, True),
        (Ready("green"), {"pools": {"green": pool(4, candidate=4, available=3)}}, False),
        (Ready("green"), {"pools": {"green": pool(4, stable=1, candidate=4)}}, False),
        (Ready("green"), {"pools": {"green": pool(4, stable=4)}}, False),
        (Ready("green"), {}, False),
        (Gone("green"), {}, True),
        (Gone("green"), {"pools": {"green": pool(0)}}, True),
        (Gone("green"), {"pools": {"green": replace(pool(0), terminating=1)}}, False),
        (Gone("green"), {"pools": {"green": pool(0, candidate=1)}}, False),
        (Routed(USERS), {"routed": True}, True),
        (Routed(USERS), {"routed": False}, False),
        (Overdue("green"), {"pools": {"green": replace(pool(4), overdue=True)}}, True),
        (Overdue("green"), {"pools": {"green": pool(4)}}, False),
    ],
    ids=str,
)
def test_conditions(until: object, seen: dict[str, object], held: bool) -> None:
    walk = Walk(plan(Stage("wait", (), (until,))))  # type: ignore[arg-type]
    walk.see(0.0)
    assert (walk.see(1.0, **seen).state.settled_at is not None) is held


def test_time_is_up_at_the_very_instant() -> None:
    walk = Walk(plan(Stage("hold", (), (Elapsed(10.0),))))
    walk.see(2.5)
    assert walk.see(12.4).state.settled_at is None
    assert walk.see(12.5).state.settled_at == 12.5


# --- guards ----------------------------------------------------------------------------------------


def test_a_failing_guard_leads_to_the_way_back_and_decides() -> None:
    walk = Walk(ONE)
    walk.see(0.0)
    turned = walk.see(5.0, windows=scraped(BAD, 4.0))
    assert kinds(turned) == [Kind.GUARD, Kind.DECIDED, Kind.STAGE]
    assert [(a.id, a.action) for a in turned.actions] == [("back0.0.0", SHRINK)]
    assert turned.state.decided_at == 5.0
    assert walk.see(6.0).state.settled_at == 6.0
    assert walk.verdict is Verdict.ROLLED_BACK
    assert outcome(walk.plan, walk.state).reason == "guard errors failed"


def test_a_guard_turns_back_once_for_each_scrape_and_never_on_an_old_one() -> None:
    tolerant = {"errors": ERRORS.model_copy(update={"tolerate": 1})}
    walk = Walk(ONE, tolerant)
    walk.see(0.0)
    walk.see(3.0, windows=scraped(BAD, 1.0))
    assert walk.see(4.0).state.back is None  # nothing new was seen: still one failure
    assert walk.see(5.0, windows=scraped(BAD, 3.0)).state.back == 0


def test_tolerated_failures_must_come_in_a_row() -> None:
    walk = Walk(ONE, {"errors": ERRORS.model_copy(update={"tolerate": 2})})
    walk.see(0.0)
    for t, sample in enumerate((BAD, BAD, GOOD, BAD, BAD), 1):
        assert walk.see(float(t), windows=scraped(sample, float(t))).state.back is None
    assert walk.see(6.0, windows=scraped(BAD, 6.0)).state.back == 0


def test_a_guard_that_the_stage_does_not_name_judges_nothing() -> None:
    walk = Walk(plan(Stage("blind", (), (Elapsed(10.0),), undo=(BACK,))))
    walk.see(0.0)
    assert walk.see(1.0, windows=scraped(BAD, 1.0)).state.back is None


GUARDED = plan(Stage("watch", (), (Elapsed(10.0), Passed(("errors",))), ("errors",), 60.0, undo=(BACK,)))


def test_inconclusive_never_passes() -> None:
    walk = Walk(GUARDED)
    walk.see(0.0)
    walk.see(11.0, windows=scraped(FEW, 11.0))
    assert (walk.state.settled_at, walk.state.back) == (None, None)
    late = walk.see(60.0, windows=scraped(FEW, 59.0))
    assert kinds(late)[0] is Kind.DEADLINE
    assert late.state.back == 0


def test_a_pass_scraped_before_the_stage_began_does_not_count() -> None:
    walk = Walk(plan(Stage("before", (), (Elapsed(5.0),), ("errors",), undo=(BACK,)), *GUARDED.stages))
    walk.see(0.0)
    walk.see(4.0, windows=scraped(GOOD, 4.0))
    walk.see(5.0)
    assert walk.stage == "watch"
    assert walk.see(16.0).state.settled_at is None
    assert (
        walk.see(17.0, windows=scraped(GOOD, 5.0)).state.settled_at is None
    )  # of the stage before, seen late
    assert walk.see(18.0, windows=scraped(GOOD, 17.0)).state.settled_at == 18.0


def test_the_latest_judgement_counts_not_the_best() -> None:
    walk = Walk(GUARDED)
    walk.see(0.0)
    walk.see(5.0, windows=scraped(GOOD, 4.0))
    walk.see(9.0, windows=scraped(FEW, 8.0))
    assert walk.see(10.0).state.settled_at is None


def test_stable_is_compared_with_its_last_window_that_had_enough_settling_included() -> None:
    versus = Guard(metric="failure_share", versus="stable", margin="1%", min_requests=100)
    walk = Walk(ONE, {"errors": versus})
    walk.see(0.0, windows=scraped(FEW, 0.0, stable=Sample(1000, 100)))  # the settling window: 10 % fail
    walk.see(2.0, windows=scraped(Sample(1000, 105), 2.0, stable=FEW))
    assert walk.state.back is None
    walk.see(4.0, windows=scraped(Sample(1000, 115), 4.0, stable=FEW))
    assert walk.state.back == 0


# --- deadlines, given up, stalled --------------------------------------------------------------------


def test_a_deadline_leads_back_where_the_stage_says_so() -> None:
    walk = Walk(ONE)
    walk.see(0.0)
    assert walk.see(59.9, answered=False).state.back is None
    late = walk.see(60.0, answered=False)
    assert kinds(late) == [Kind.DEADLINE, Kind.DECIDED, Kind.STAGE]
    assert outcome(walk.plan, walk.state).reason == "grow took longer than its deadline"


def stay(**what: object) -> Plan:
    wanted = {"enter": do(GROW), "until": (Ready("green"),), "on_deadline": OnDeadline.STAY, **what}
    return plan(Stage("grow", **wanted))  # type: ignore[arg-type]


def test_a_deadline_on_which_nothing_is_done_leaves_it_stuck_until_it_can_go_on() -> None:
    walk = Walk(stay(deadline=30.0, undo=(BACK,)))
    walk.see(0.0)
    assert kinds(walk.see(30.0)) == [Kind.STUCK]
    assert walk.see(31.0).events == ()  # said once
    assert walk.verdict is Verdict.STUCK
    walk.see(90.0, pools={"green": pool(4, candidate=4)})
    assert walk.verdict is Verdict.PROMOTED
    assert outcome(walk.plan, walk.state).reason == ""  # what it was stuck for is over


def test_given_up_counts_as_a_deadline_but_not_before_the_actions_are_answered() -> None:
    late = {"green": replace(pool(4, candidate=4, available=0), overdue=True)}
    walk = Walk(stay(given_up=(Overdue("green"),)))
    walk.see(0.0)
    assert walk.see(0.1, answered=False, pools=late).events == ()  # a report about the template before
    assert kinds(walk.see(1.0, pools=late)) == [Kind.STUCK]
    assert outcome(walk.plan, walk.state).reason == "green reports ProgressDeadlineExceeded"


def test_a_refused_action_counts_as_a_deadline_passed() -> None:
    no = {"refused": {"forward.0.0": "quota exceeded"}}
    undone, stuck = Walk(ONE), Walk(stay())
    for walk in (undone, stuck):
        walk.see(0.0)
        walk.see(1.0, answered=False, **no)
    assert (undone.state.back, undone.state.reason) == (0, "refused: quota exceeded")
    assert stuck.verdict is Verdict.STUCK


def test_a_stage_whose_pods_stop_coming_is_stuck_and_moves_again_with_the_next_one() -> None:
    walk = Walk(stay(stalls_after=100.0))
    walk.see(0.0)
    walk.see(50.0, pools={"green": pool(4, candidate=4, available=1)})
    walk.see(149.0, pools={"green": pool(4, candidate=4, available=1)})
    assert walk.verdict is Verdict.OUT_OF_TIME
    walk.see(150.0, pools={"green": pool(4, candidate=4, available=1)})
    assert walk.verdict is Verdict.STUCK
    walk.see(160.0, pools={"green": pool(4, candidate=4, available=2)})
    assert walk.verdict is Verdict.OUT_OF_TIME


def test_a_pod_that_comes_and_goes_is_no_progress() -> None:
    walk = Walk(stay(stalls_after=100.0))
    walk.see(0.0)
    for t in range(10, 120, 10):
        walk.see(float(t), pools={"green": pool(4, candidate=4, available=t // 10 % 2)})
    assert walk.verdict is Verdict.STUCK


def test_pods_of_the_template_to_be_replaced_are_no_progress() -> None:
    old = PoolSeen(4, STABLE, {STABLE: (4, 4, 4)})
    walk = Walk(stay(stalls_after=100.0))
    walk.see(0.0)
    walk.see(0.1, answered=False, pools={"green": old})  # the version is not set yet
    for t, available in ((50.0, 1), (120.0, 2), (200.0, 3)):
        walk.see(t, pools={"green": pool(4, candidate=4, available=available)})
    assert walk.verdict is Verdict.OUT_OF_TIME


def test_a_stage_that_holds_on_purpose_is_not_stuck() -> None:
    ready = {"green": pool(4, candidate=4)}
    walk = Walk(stay(until=(Ready("green"), Elapsed(900.0)), stalls_after=100.0))
    for t in (0.0, 1.0, 500.0, 899.0):
        assert Kind.STUCK not in kinds(walk.see(t, pools=ready))
    assert walk.see(900.0, pools=ready).state.settled_at == 900.0


def test_a_guard_that_never_passes_is_stuck_once_all_pods_are_there() -> None:
    ready = {"green": pool(4, candidate=4)}
    walk = Walk(stay(until=(Ready("green"), Passed(("errors",))), guards=("errors",), stalls_after=100.0))
    for t in (0.0, 1.0, 100.0):
        walk.see(t, pools=ready)
    assert walk.verdict is Verdict.OUT_OF_TIME
    walk.see(101.0, pools=ready)
    assert outcome(walk.plan, walk.state).reason == "still waiting until guard errors passes"


# --- abort, and what comes first ---------------------------------------------------------------------


def test_abort_leads_back() -> None:
    walk = Walk(ONE)
    walk.see(0.0)
    assert walk.see(1.0, abort=True).state.back == 0
    assert outcome(walk.plan, walk.state).reason == "abort was asked for"


def test_abort_where_there_is_no_way_back_is_told_and_the_release_goes_on() -> None:
    walk = Walk(plan(Stage("last", (), (Elapsed(10.0),))))
    walk.see(0.0)
    assert kinds(walk.see(1.0, abort=True)) == [Kind.STUCK]
    assert walk.see(10.0).state.settled_at == 10.0


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"abort": True, "windows": scraped(BAD, 60.0)}, "abort was asked for"),
        ({"windows": scraped(BAD, 60.0)}, "guard errors failed"),
        ({}, "grow took longer than its deadline"),
    ],
    ids=["abort first", "then a guard", "then the deadline, before until"],
)
def test_when_all_comes_at_once_the_order_is_abort_guard_deadline_until(
    seen: dict[str, object], reason: str
) -> None:
    walk = Walk(ONE)
    walk.see(0.0)
    walk.see(60.0, **seen)  # the time to wait has passed as well
    assert (walk.state.back, walk.state.reason) == (0, reason)


# --- the way back ------------------------------------------------------------------------------------


def test_on_the_way_back_neither_guards_nor_abort_nor_deadlines_turn_it_again() -> None:
    slow = replace(BACK, deadline=30.0, on_deadline=OnDeadline.UNDO, undo=(Stage("forth"),))
    walk = Walk(plan(replace(ONE.stages[0], undo=(slow,))))
    walk.see(0.0)
    walk.see(1.0, abort=True)
    green = {"pools": {"green": pool(0, candidate=1)}}
    walk.see(5.0, abort=True, windows=scraped(BAD, 5.0), **green)
    assert walk.stage == "back"
    walk.see(31.0, **green)
    assert (walk.stage, walk.verdict) == ("back", Verdict.STUCK)
    walk.see(99.0)
    assert walk.verdict is Verdict.ROLLED_BACK


def test_the_way_back_is_that_of_the_stage_that_failed() -> None:
    other = Stage("other way", do(GROW))
    walk = Walk(plan(Stage("one", undo=(BACK,)), Stage("two", (), (Elapsed(9.0),), undo=(other, BACK))))
    for t in (0.0, 1.0):
        walk.see(t)
    walk.see(2.0, abort=True)
    assert walk.stage == "other way"
    assert action_id(walk.state, 0) == "back1.0.0"
    walk.see(3.0)
    assert walk.stage == "back"


# --- deciding and settling ---------------------------------------------------------------------------


def test_it_is_decided_when_nothing_is_judged_any_more_and_settled_when_all_is_done() -> None:
    walk = Walk(plan(Stage("watch", (), (), ("errors",), undo=(BACK,)), Stage("tidy", do(SHRINK))))
    walk.see(0.0)
    assert kinds(walk.see(1.0)) == [Kind.DECIDED, Kind.STAGE]
    assert kinds(walk.see(2.0)) == [Kind.SETTLED]
    assert (walk.state.decided_at, walk.state.settled_at) == (1.0, 2.0)


def test_without_guards_it_is_decided_when_it_settles() -> None:
    walk = Walk(plan(Stage("one"), Stage("two")))
    for t in (0.0, 1.0, 2.0):
        walk.see(t)
    assert walk.state.decided_at == walk.state.settled_at == 2.0


def test_nothing_happens_after_it_has_settled() -> None:
    walk = Walk(plan(Stage("one", undo=(BACK,))))
    walk.see(0.0)
    settled = walk.see(1.0).state
    assert walk.see(2.0, abort=True, windows=scraped(BAD, 2.0)) == Step(settled)
    assert next_wake(walk.plan, settled, 2.0) is None


def test_verdicts_at_the_horizon() -> None:
    walk = Walk(ONE)
    assert (walk.verdict, outcome(ONE, State()).stage) == (Verdict.OUT_OF_TIME, "")
    walk.see(0.0)
    assert (walk.verdict, outcome(ONE, walk.state).stage) == (Verdict.OUT_OF_TIME, "grow")


# --- waking up ---------------------------------------------------------------------------------------


def test_it_wakes_for_whatever_time_alone_can_change() -> None:
    stage = Stage("s", (Timed(GROW, 3.0),), (Elapsed(10.0),), deadline=60.0, stalls_after=600.0)
    state = State(index=0, entered_at=100.0, grown_at=100.0)
    wakes, now = [], 100.0
    while (wake := next_wake(plan(stage), state, now)) is not None:
        wakes.append(wake - 100.0)
        now = wake
    assert wakes == [10.0, 60.0, 600.0, 610.0]
    assert next_wake(plan(stage), State(), 0.0) is None


# --- the fold ------------------------------------------------------------------------------------------


def test_replaying_what_was_seen_gives_the_same_decisions() -> None:
    walk = Walk(ONE)
    walk.see(0.0)
    walk.see(5.0, windows=scraped(BAD, 4.0))
    walk.see(6.0)
    asked = tuple((o.t, a) for o, s in zip(walk.seen, walk.steps, strict=True) for a in s.actions)
    events = tuple(event for s in walk.steps for event in s.events)
    assert replay(ONE, GUARDS, walk.seen) == Decisions(asked, events, outcome(ONE, walk.state))


def test_driving_keeps_only_what_it_needs_and_replays_to_the_same() -> None:
    seen = iter([Observation(float(t), done=frozenset({"forward.0.0"})) for t in range(15)])
    asked = []
    kept, decided = drive(ONE, GUARDS, lambda wake, due: next(seen, None), asked.append)
    assert [o.t for o in kept] == [0.0, 1.0, 10.0]  # entered, answered, held
    assert [a.id for a in asked] == ["forward.0.0"]
    assert replay(ONE, GUARDS, kept) == decided


EVERYTHING = loads("""
format: rolloutlab/1
name: everything
service: {replicas: 4}
traffic: {rate: 100/s}
routers: {service: {kind: kube-proxy}, mesh: {kind: proxy}}
guards: {errors: {metric: failure_share, limit: 1%, min_requests: 100}}
operators: {on_call: {}}
strategies:
  paused: {paused_rolling: {guards: [errors], approve: on_call, back: finish}}
  paged: {blue_green: {guards: [errors], approve: on_call, operator: on_call, on_inconclusive: undo}}
  halves: {in_place_halves: {guards: [errors], extra_pods: 1, on_inconclusive: proceed}}
  winner: {ab_test: {via: mesh, by: {users: 50%}, then: promote_winner, guards: [errors], operator: on_call}}
  row: {sequence: [{shadow: {via: mesh, guards: [errors]}}, {ab_test: {via: mesh, by: {cookie: a}}},
    {canary: {via: mesh, steps: [5%], match: [{header: a}], guards: [errors], approve: on_call}}]}
""")
PLANS = [
    (scenario.plan(name), scenario.guards)
    for scenario in (load("healthy"), load("errors-at-once"), EVERYTHING)
    for name in scenario.strategies
]
COUNTED = Groups(Group(5000, 150), Group(5000, 250))


COUNTS = st.integers(0, 3)
PODS = st.dictionaries(st.sampled_from([STABLE, CANDIDATE]), st.tuples(COUNTS, COUNTS, COUNTS))
POOL = st.builds(PoolSeen, COUNTS, st.sampled_from([STABLE, CANDIDATE]), PODS, COUNTS, st.booleans())
POOLS = st.dictionaries(
    st.sampled_from(["main", "canary", "blue", "green", "left", "right", "variant", "shadow"]), POOL
)
ANYTHING = st.lists(
    st.tuples(
        st.sampled_from([0.001, 1.0, 30.0, 400.0]),  # later than the one before
        POOLS,
        st.booleans(),  # routed
        st.sampled_from(["all", "all", "none", "refused"]),  # how actions are answered
        st.sampled_from([None, None, GOOD, GOOD, BAD, FEW]),  # what a scrape shows
        st.sampled_from([False] * 9 + [True]),  # abort
        st.booleans(),  # whoever was called approves
        st.sampled_from([None, COUNTED, Groups(COUNTED.candidate, COUNTED.stable)]),
    ),
    max_size=40,
)


@given(st.sampled_from(PLANS), ANYTHING)
def test_whatever_is_seen_the_fold_keeps_its_promises(
    chosen: tuple[Plan, dict[str, Guard]],
    world: list[tuple[float, dict[str, PoolSeen], bool, str, Sample, bool, bool, Groups | None]],
) -> None:
    of, guards = chosen
    state, ever, seen, t = State(), set[str](), list[Observation](), 0.0
    for wait, pools, routed, answers, sample, abort, approves, groups in world:
        t += wait
        done = state.asked if answers == "all" else frozenset()
        refused = dict.fromkeys(state.asked, "no") if answers == "refused" else {}
        windows = {name: Seen(t, sample, GOOD) for name in guards} if sample else {}
        approved = state.asked if approves else frozenset()
        seen.append(Observation(t, pools, routed, done, refused, windows, abort, approved, groups))
        before, result = state, step(of, guards, state, seen[-1])
        state = result.state
        assert kinds(result).count(Kind.STAGE) <= 1
        new = {asked.id for asked in result.actions}
        assert len(new) == len(result.actions)
        assert not new & ever  # no action is asked for twice
        ever |= new
        assert all(event.t == t for event in result.events)
        if before.back is not None:
            assert state.back == before.back  # there is no way back from a way back
        if before.settled_at is not None:
            assert result == Step(before)
        if state.settled_at is not None:
            assert state.decided_at is not None
            assert state.decided_at <= state.settled_at
        if state == before:
            assert result == Step(before)  # so what changed nothing need not be kept
        assert (wake := next_wake(of, state, t)) is None or wake > t
        assert (due := next_due(of, state, t)) is None or due > t
    assert replay(of, guards, seen).outcome == outcome(of, state)
