"""Who has the last word on a stage, read from `step`: a guard that cannot say, a person, a test of users."""

from collections.abc import Mapping

import pytest

from scenarios.conversion import Group, Groups
from scenarios.guard import Sample, Seen
from scenarios.observe import Observation
from scenarios.plan import (
    Approved,
    Call,
    Counted,
    Elapsed,
    OnDeadline,
    OnInconclusive,
    Passed,
    Plan,
    Scale,
    Stage,
    Wins,
    do,
    whole,
)
from scenarios.release import PAGE, Event, Kind, State, Step, Verdict, outcome, path, step
from scenarios.world import Guard

GUARDS = {"errors": Guard(metric="failure_share", limit="1%", min_requests=100)}
GOOD, BAD, FEW = Sample(1000, 0), Sample(1000, 500), Sample(3, 3)
BACK = (Stage("back", do(Scale("green", 0)), on_deadline=OnDeadline.STAY),)


class Walk:
    """A release walked by hand; actions asked before are answered."""

    def __init__(self, *stages: Stage, promotes: bool = True) -> None:
        self.plan = Plan((("blue", 4),), whole("blue"), "service", stages, promotes)
        self.state = State()
        self.events: list[Event] = []

    def see(self, t: float, sample: Sample | None = None, **what: object) -> Step:
        windows: Mapping[str, Seen] = {"errors": Seen(int(t), sample, GOOD)} if sample else {}
        seen = Observation(t, done=self.state.asked, windows=windows, **what)  # type: ignore[arg-type]
        result = step(self.plan, GUARDS, self.state, seen)
        self.state = result.state
        self.events += result.events
        return result

    @property
    def stage(self) -> str:
        return path(self.plan, self.state)[self.state.index].name

    @property
    def verdict(self) -> Verdict:
        return outcome(self.plan, self.state).verdict

    @property
    def reason(self) -> str:
        return outcome(self.plan, self.state).reason


# --- a guard that cannot say ---------------------------------------------------------------------------


def held(inconclusive: OnInconclusive, pages: str | None = None) -> Stage:
    until = (Elapsed(10.0), Passed(("errors",), inconclusive))
    return Stage("held", (), until, ("errors",), 60.0, undo=BACK, pages=pages)


def test_waiting_for_a_guard_that_cannot_say_ends_at_the_deadline() -> None:
    walk = Walk(held(OnInconclusive.WAIT))
    walk.see(0.0)
    walk.see(11.0, FEW)
    assert walk.stage == "held"
    walk.see(60.0, FEW)
    assert walk.stage == "back"


def test_proceeding_waits_for_the_end_of_the_hold_and_for_some_scrape_in_it() -> None:
    walk = Walk(held(OnInconclusive.PROCEED))
    walk.see(0.0, FEW)
    walk.see(10.0)  # nothing was scraped in this stage yet
    assert walk.state.settled_at is None
    walk.see(12.0, FEW)
    assert walk.verdict is Verdict.PROMOTED


def test_proceeding_is_for_those_who_cannot_say_never_for_a_failure() -> None:
    walk = Walk(held(OnInconclusive.PROCEED))
    walk.see(0.0)
    walk.see(12.0, BAD)
    assert walk.stage == "back"


def test_undoing_for_a_guard_that_cannot_say_waits_for_the_end_of_the_hold() -> None:
    walk = Walk(held(OnInconclusive.UNDO))
    walk.see(0.0)
    walk.see(9.0, FEW)
    assert walk.stage == "held"
    walk.see(10.0)
    assert (walk.stage, walk.reason) == ("back", "guard errors was inconclusive")


# --- a person who is paged -----------------------------------------------------------------------------


def test_a_failing_guard_calls_a_person_once_and_nothing_else_happens() -> None:
    walk = Walk(held(OnInconclusive.WAIT, pages="on_call"))
    walk.see(0.0)
    paged = walk.see(4.0, BAD)
    assert [(asked.id, asked.action) for asked in paged.actions] == [
        (PAGE, Call("on_call", "guard errors failed"))
    ]
    assert [event.kind for event in paged.events] == [Kind.PAGE]
    assert walk.see(8.0, BAD).actions == ()
    assert (walk.stage, walk.state.decided_at) == ("held", None)


def test_the_person_goes_back_and_the_reason_is_kept() -> None:
    walk = Walk(held(OnInconclusive.WAIT, pages="on_call"))
    walk.see(0.0)
    walk.see(4.0, BAD)
    walk.see(30.0, abort=True)
    assert (walk.stage, walk.state.decided_at) == ("back", 30.0)
    assert walk.reason == "abort was asked for because guard errors failed"


def test_a_person_who_comes_when_it_is_over_changes_nothing() -> None:
    walk = Walk(held(OnInconclusive.WAIT, pages="on_call"))
    walk.see(0.0)
    walk.see(4.0, BAD)
    walk.see(12.0, GOOD)
    assert walk.verdict is Verdict.PROMOTED
    assert walk.see(30.0, abort=True) == Step(walk.state)


def test_a_person_is_paged_for_a_guard_that_cannot_say_too_where_that_means_back() -> None:
    walk = Walk(held(OnInconclusive.UNDO, pages="on_call"))
    walk.see(0.0)
    assert walk.see(12.0, FEW).actions[0].action == Call("on_call", "guard errors was inconclusive")
    assert walk.stage == "held"


# --- a person who approves -----------------------------------------------------------------------------

ASK = Stage("ask", do(Call("on_call", "ask")), (Approved("on_call"),), ("errors",), undo=BACK)


def test_a_step_goes_on_when_the_call_of_that_very_stage_is_approved() -> None:
    walk = Walk(ASK, ASK)
    assert walk.see(0.0).actions[0].id == "forward.0.0"
    walk.see(500.0)
    assert walk.stage == "ask"
    assert walk.see(600.0, approved=frozenset({"forward.0.0"})).actions[0].id == "forward.1.0"
    walk.see(601.0, approved=frozenset({"forward.0.0"}))
    assert walk.state.settled_at is None
    walk.see(700.0, approved=frozenset({"forward.0.0", "forward.1.0"}))
    assert walk.verdict is Verdict.PROMOTED


def test_guards_judge_on_while_nobody_has_answered() -> None:
    walk = Walk(ASK)
    walk.see(0.0)
    walk.see(5.0, BAD)
    assert walk.stage == "back"


# --- a test of users -----------------------------------------------------------------------------------

BETTER = Groups(Group(5000, 150), Group(5000, 250))
SAME = Groups(Group(5000, 150), Group(5000, 155))


def watched(*last: object) -> Walk:
    stage = Stage("test", (), (Elapsed(10.0), *last), undo=BACK)  # type: ignore[arg-type]
    return Walk(stage, promotes=not isinstance(last[0], Counted))


def test_a_winner_is_promoted_at_the_first_count_after_the_end() -> None:
    walk = watched(Wins(0.05, 0.5))
    walk.see(0.0)
    walk.see(9.0, groups=BETTER)
    walk.see(10.0)
    assert walk.state.settled_at is None
    walk.see(12.0, groups=BETTER)
    assert walk.verdict is Verdict.PROMOTED


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        (SAME, "no better: 3.10% of the candidate's users converted, 3.00% of stable's"),
        (Groups(Group(5000, 250), Group(5000, 150)), "no better"),
        (Groups(Group(5000, 0), Group(5000, 0)), "too few users"),
        (Groups(Group(5000, 150), Group(4000, 250)), "sample ratio mismatch"),
    ],
)
def test_who_does_not_win_goes_back(groups: Groups, why: str) -> None:
    walk = watched(Wins(0.05, 0.5))
    walk.see(0.0)
    walk.see(12.0, groups=groups)
    assert walk.stage == "back"
    assert why in walk.reason


def test_counting_alone_ends_as_reported() -> None:
    walk = watched(Counted())
    walk.see(0.0)
    walk.see(12.0, groups=SAME)
    assert walk.verdict is Verdict.REPORTED
    assert [event.text for event in walk.events][-2:] == ["report", "reported"]


def test_an_abort_that_comes_too_late_is_told_once_and_the_release_ends() -> None:
    walk = Walk(Stage("remove", (), (Elapsed(10.0),), on_deadline=OnDeadline.STAY))
    walk.see(0.0)
    assert [event.kind for event in walk.see(5.0, abort=True).events] == [Kind.STUCK]
    assert walk.see(6.0, abort=True).events == ()
    walk.see(10.0, abort=True)
    assert walk.verdict is Verdict.PROMOTED


def test_what_is_judged_last_decides_be_it_a_person_or_a_count() -> None:
    walk = Walk(ASK, Stage("last", (), (Elapsed(50.0),), undo=BACK))
    walk.see(0.0)
    walk.see(7.0, approved=frozenset({"forward.0.0"}))
    walk.see(100.0)
    assert outcome(walk.plan, walk.state).decided_at == 7.0
