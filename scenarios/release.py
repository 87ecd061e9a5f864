"""How a release proceeds: `step(state, observation) -> state, actions, events`, a pure fold.

Two rules: no clock, no I/O and no chance in here; and one observation enters at most one stage. Within a step
the order is fixed: abort asked, guard fails, deadline, conditions.
"""

from collections.abc import Mapping
from dataclasses import replace

from scenarios.conditions import (
    answered,
    count_pods,
    held_until,
    holds,
    holds_all,
    said,
    stalled,
    waited,
    waiting_for,
)
from scenarios.conversion import verdict
from scenarios.guard import Judgement, enough, judge
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
    Stage,
    Wins,
)
from scenarios.progress import (
    PAGE,
    Asked,
    Event,
    Guards,
    Judged,
    Kind,
    Outcome,
    State,
    Step,
    Verdict,
    action_id,
    due,
    path,
)

__all__ = [
    "PAGE",
    "Asked",
    "Event",
    "Guards",
    "Judged",
    "Kind",
    "Outcome",
    "State",
    "Step",
    "Verdict",
    "action_id",
    "next_due",
    "next_wake",
    "outcome",
    "path",
    "step",
]


def step(plan: Plan, guards: Guards, state: State, seen: Observation) -> Step:
    """What the release does on seeing this; pure, and nothing at all once it has settled."""
    if state.settled_at is not None:
        return Step(state)
    if state.index < 0:
        return _enter(plan, _judge_all(guards, state, seen, ()), seen.t, 0, None)
    stage = path(plan, state)[state.index]
    answered = seen.done & state.asked
    if not answered <= state.done:
        state = replace(state, done=state.done | answered)
    state = count_pods(stage, _judge_all(guards, state, seen, stage.guards), seen)
    paged = _page(guards, stage, state, seen)
    then = _proceed(plan, guards, stage, paged.state, seen)
    return Step(then.state, paged.actions + then.actions, paged.events + then.events)


def _proceed(plan: Plan, guards: Guards, stage: Stage, state: State, seen: Observation) -> Step:
    """Turn back, give up, go on or wait, now that all that was seen is noted."""
    refused = {i: why for i, why in seen.refused.items() if i in state.asked and i not in state.done}
    if (why := _gone_wrong(guards, stage, state, seen)) is not None:
        return _turn_back(plan, state, seen.t, *why)
    if (late := _overdue(stage, state, seen, refused)) is not None:
        if stage.on_deadline is OnDeadline.UNDO and stage.undo and state.back is None:
            return _turn_back(plan, state, seen.t, Kind.DEADLINE, late)
        state, events = _stuck(state, seen.t, stage, late)
    elif stalled(stage, state, seen):
        state, events = _stuck(state, seen.t, stage, waiting_for(stage, state, seen))
    else:
        events = ()
    if holds_all(stage, state, seen):
        return _leave(plan, state, seen.t, events)
    return Step(*_ask_due(stage, state, seen.t), events)


def _judge_all(guards: Guards, state: State, seen: Observation, active: tuple[str, ...]) -> State:
    if not seen.windows:
        return state
    judged, baseline = dict(state.judged or {}), dict(state.baseline or {})
    for name, window in seen.windows.items():
        guard = guards[name]
        if enough(guard, window.stable):
            baseline[name] = window.stable
        if name in active:
            judgement = judge(guard, window.subject, baseline.get(name))
            before = judged[name].failing if name in judged else 0
            failing = before + 1 if judgement is Judgement.FAIL else 0
            judged[name] = Judged(judgement, window.taken_at, failing)
    return replace(state, judged=judged, baseline=baseline)


def _gone_wrong(guards: Guards, stage: Stage, state: State, seen: Observation) -> tuple[Kind, str] | None:
    """Why to turn back at once, if there is a reason."""
    if state.back is not None:
        return None
    if seen.abort and (stage.undo or state.stuck_at is None):
        return Kind.DECIDED, "abort was asked for" + (f" because {state.paged}" if state.paged else "")
    if stage.pages is None and (why := _guarded(guards, stage, state, seen)) is not None:
        return Kind.GUARD, why
    why = _lost(stage, state, seen)
    return None if why is None else (Kind.DECIDED, why)


def _guarded(guards: Guards, stage: Stage, state: State, seen: Observation) -> str | None:
    """What a guard has against going on; only one scraped just now can fail."""
    judged = state.judged or {}
    for name in stage.guards:
        if name in seen.windows and judged[name].failing > guards[name].tolerate:
            return f"guard {name} failed"
    for condition in stage.until:
        if not isinstance(condition, Passed) or condition.inconclusive is not OnInconclusive.UNDO:
            continue
        unsure = [name for name in condition.guards if said(name, state) is Judgement.INCONCLUSIVE]
        if unsure and waited(stage, state, seen):
            return f"guard {unsure[0]} was inconclusive"
    return None


def _lost(stage: Stage, state: State, seen: Observation) -> str | None:
    """Why the candidate lost a test that is over."""
    for condition in stage.until:
        if isinstance(condition, Wins) and seen.groups is not None:
            others = [c for c in stage.until if c is not condition]
            if answered(stage, state) and all(holds(c, stage, state, seen) for c in others):
                return verdict(seen.groups, condition.alpha, condition.expected)
    return None


def _page(guards: Guards, stage: Stage, state: State, seen: Observation) -> Step:
    """Call the person whom a guard pages, once for a release."""
    if stage.pages is None or state.paged or state.back is not None:
        return Step(state)
    why = _guarded(guards, stage, state, seen)
    if why is None:
        return Step(state)
    call = Asked(PAGE, Call(stage.pages, why))
    told = Event(seen.t, Kind.PAGE, f"{why}; {stage.pages} is called")
    return Step(replace(state, paged=why), (call,), (told,))


def _overdue(stage: Stage, state: State, seen: Observation, refused: Mapping[str, str]) -> str | None:
    if refused:
        return "refused: " + "; ".join(refused.values())
    if stage.deadline is not None and seen.t >= state.entered_at + stage.deadline:
        return f"{stage.name} took longer than its deadline"
    for condition in stage.given_up:
        if holds(condition, stage, state, seen) and state.done >= state.asked:
            return str(condition)
    return None


def _stuck(state: State, t: float, stage: Stage, why: str) -> tuple[State, tuple[Event, ...]]:
    if state.stuck_at is not None:
        return state, ()
    # on the way back, why it turned back is not forgotten
    reason = why if state.back is None else f"{state.reason}; then {why}"
    return replace(state, stuck_at=t, reason=reason), (Event(t, Kind.STUCK, f"stuck in {stage.name}: {why}"),)


def _turn_back(plan: Plan, state: State, t: float, kind: Kind, why: str) -> Step:
    failed = path(plan, state)[state.index]
    if not failed.undo:
        state, events = _stuck(state, t, failed, f"{why}, and there is no way back")
        return Step(state, (), events)
    state = replace(state, decided_at=t, stuck_at=None, reason=why)
    told = (Event(t, kind, why), Event(t, Kind.DECIDED, "roll back"))
    return _enter(plan, state, t, 0, state.index, told)


def _leave(plan: Plan, state: State, t: float, events: tuple[Event, ...]) -> Step:
    # what it was stuck for is over; the reason to turn back stays
    state = replace(state, stuck_at=None, reason="" if state.back is None else state.reason)
    if state.back is None and state.index == _last_judged(plan):
        state = replace(state, decided_at=t)
        events += (Event(t, Kind.DECIDED, "promote" if plan.promotes else "report"),)
    if state.index + 1 < len(path(plan, state)):
        return _enter(plan, state, t, state.index + 1, state.back, events)
    word = "rolled back" if state.back is not None else "promoted" if plan.promotes else "reported"
    settled = replace(state, settled_at=t, asked=frozenset())
    return Step(settled, (), (*events, Event(t, Kind.SETTLED, word)))


def _last_judged(plan: Plan) -> int:
    """The stage after which nothing is judged any more; the last one where no stage is judged."""
    judged = [i for i, stage in enumerate(plan.stages) if stage.guards or _has_a_judge(plan, stage)]
    return judged[-1] if judged else len(plan.stages) - 1


def _has_a_judge(plan: Plan, stage: Stage) -> bool:
    """Whether users' conversions or a person decide on it; a mere count decides where nothing is promoted."""
    judges = Approved | Wins if plan.promotes else Approved | Wins | Counted
    return any(isinstance(condition, judges) for condition in stage.until)


def _enter(
    plan: Plan, state: State, t: float, index: int, back: int | None, events: tuple[Event, ...] = ()
) -> Step:
    state = replace(
        state,
        back=back,
        index=index,
        entered_at=t,
        asked=frozenset(),
        done=frozenset(),
        available=0,
        grown_at=t,
    )
    stage = path(plan, state)[index]
    return Step(*_ask_due(stage, state, t), (*events, Event(t, Kind.STAGE, stage.name)))


def _ask_due(stage: Stage, state: State, t: float) -> tuple[State, tuple[Asked, ...]]:
    now = tuple(
        Asked(action_id(state, place), timed.action)
        for place, timed in enumerate(stage.enter)
        if t >= due(state, timed) and action_id(state, place) not in state.asked
    )
    if not now:
        return state, ()
    return replace(state, asked=state.asked | {a.id for a in now}), now


def next_due(plan: Plan, state: State, now: float) -> float | None:
    """The next instant after `now` at which an action of the stage is due; None if none is to come."""
    if state.settled_at is not None or state.index < 0:
        return None
    times = (due(state, timed) for timed in path(plan, state)[state.index].enter)
    return min((t for t in times if t > now), default=None)


def next_wake(plan: Plan, state: State, now: float) -> float | None:
    """The next instant after `now` at which a condition on time could change; None if there is none."""
    if state.settled_at is not None or state.index < 0:
        return None
    stage = path(plan, state)[state.index]
    waits = [c.seconds for c in (*stage.until, *stage.given_up) if isinstance(c, Elapsed)]
    waits += [stage.deadline] if stage.deadline is not None else []
    instants = [state.entered_at + wait for wait in waits]
    instants += [moved + stage.stalls_after for moved in (state.grown_at, held_until(stage, state))]
    return min((t for t in instants if t > now), default=None)


def outcome(plan: Plan, state: State) -> Outcome:
    """How it ended, as of the last observation."""
    if state.settled_at is not None:
        forward = Verdict.PROMOTED if plan.promotes else Verdict.REPORTED
        ended = forward if state.back is None else Verdict.ROLLED_BACK
    else:
        ended = Verdict.OUT_OF_TIME if state.stuck_at is None else Verdict.STUCK
    stage = path(plan, state)[state.index].name if state.index >= 0 else ""
    return Outcome(ended, state.decided_at, state.settled_at, stage, state.reason)
