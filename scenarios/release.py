"""How a release proceeds: `step(state, observation) -> state, actions, events`, a pure fold.

Two rules: no clock, no I/O and no chance in here; and one observation enters at most one stage. Within a step
the order is fixed: abort asked, guard fails, deadline, conditions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from scenarios.conversion import verdict
from scenarios.guard import Judgement, Sample, enough, judge
from scenarios.observe import Observation, PoolSeen
from scenarios.plan import (
    Action,
    Approved,
    Call,
    Counted,
    Elapsed,
    Gone,
    OnDeadline,
    OnInconclusive,
    Overdue,
    Passed,
    Plan,
    Ready,
    Routed,
    Stage,
    Timed,
    Until,
    Wins,
)
from scenarios.world import Guard

Guards = Mapping[str, Guard]
PAGE = "page"
"""The id of the call that a guard makes."""


class Verdict(StrEnum):
    """How a release ended by the horizon."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"
    OUT_OF_TIME = "out_of_time"
    REPORTED = "reported"


class Kind(StrEnum):
    """What an event tells."""

    STAGE = "stage"
    GUARD = "guard"
    PAGE = "page"
    DEADLINE = "deadline"
    DECIDED = "decided"
    STUCK = "stuck"
    REFUSED = "refused"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a reader of the release wants to see on the time axis."""

    t: float
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An action that the release wants done; the backend answers by its id."""

    id: str
    action: Action


@dataclass(frozen=True, slots=True)
class Judged:
    """A guard's latest judgement, and how many failing ones came in a row."""

    judgement: Judgement
    taken_at: float
    failing: int


@dataclass(frozen=True, slots=True)
class State:
    """Where a release is. `back` is the stage whose way back is walked, None while going forward.

    `available` is the most pods of the wanted version that the stage has seen available, reached at
    `grown_at`. `paged` says why a person was called, which happens once.
    """

    back: int | None = None
    index: int = -1
    entered_at: float = 0.0
    asked: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    judged: Mapping[str, Judged] | None = None
    baseline: Mapping[str, Sample] | None = None
    decided_at: float | None = None
    settled_at: float | None = None
    stuck_at: float | None = None
    reason: str = ""
    available: int = 0
    grown_at: float = 0.0
    paged: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What one observation led to."""

    state: State
    actions: tuple[Asked, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict at the horizon; times in seconds after the trigger, None where not reached."""

    verdict: Verdict
    decided_at: float | None
    settled_at: float | None
    stage: str
    reason: str


def path(plan: Plan, state: State) -> tuple[Stage, ...]:
    """The stages being walked: the plan's, or the way back of the stage that failed."""
    return plan.stages if state.back is None else plan.stages[state.back].undo


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
    state = _count_pods(stage, _judge_all(guards, state, seen, stage.guards), seen)
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
    elif _stalled(stage, state, seen):
        state, events = _stuck(state, seen.t, stage, _waiting_for(stage, state, seen))
    else:
        events = ()
    if _holds_all(stage, state, seen):
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
    if seen.abort:
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
        unsure = [name for name in condition.guards if _said(name, state) is Judgement.INCONCLUSIVE]
        if unsure and _waited(stage, state, seen):
            return f"guard {unsure[0]} was inconclusive"
    return None


def _lost(stage: Stage, state: State, seen: Observation) -> str | None:
    """Why the candidate lost a test that is over."""
    for condition in stage.until:
        if isinstance(condition, Wins) and seen.groups is not None:
            others = [c for c in stage.until if c is not condition]
            if _answered(stage, state) and all(_holds(c, stage, state, seen) for c in others):
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
        if _holds(condition, stage, state, seen) and state.done >= state.asked:
            return str(condition)
    return None


def _count_pods(stage: Stage, state: State, seen: Observation) -> State:
    """Note that more pods than ever in this stage are available; the stage then moves again.

    Only once its actions are answered: before that, the pods are those of the template to be replaced.
    """
    if len(state.done) < len(stage.enter):
        return state
    pools = [seen.pools[c.pool] for c in stage.until if isinstance(c, Ready) and c.pool in seen.pools]
    available = sum(pool.pods.get(pool.version, (0, 0, 0))[2] for pool in pools)
    if available <= state.available:
        return state
    stuck_at = None if _stalled(stage, state, seen) else state.stuck_at
    return replace(state, available=available, grown_at=seen.t, stuck_at=stuck_at)


def _stalled(stage: Stage, state: State, seen: Observation) -> bool:
    """Whether a stage that waits for pods has long seen no more of them, or got no further with all there."""
    if not any(isinstance(condition, Ready) for condition in stage.until):
        return False
    held_until = _held_until(stage, state) if _all_ready(stage, state, seen) else state.entered_at
    return seen.t >= max(state.grown_at, held_until) + stage.stalls_after


def _held_until(stage: Stage, state: State) -> float:
    """When the time that the stage waits on purpose is over."""
    held = max((c.seconds for c in stage.until if isinstance(c, Elapsed)), default=0.0)
    return state.entered_at + held


def _all_ready(stage: Stage, state: State, seen: Observation) -> bool:
    return all(
        _holds(condition, stage, state, seen) for condition in stage.until if isinstance(condition, Ready)
    )


def _waiting_for(stage: Stage, state: State, seen: Observation) -> str:
    if not _all_ready(stage, state, seen):
        return "no more pods became available"
    missing = (str(condition) for condition in stage.until if not _holds(condition, stage, state, seen))
    return "still waiting until " + "; ".join(missing)


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
    if state.back is None and state.index == _last_guarded(plan):
        state = replace(state, decided_at=t)
        events += (Event(t, Kind.DECIDED, "promote" if plan.promotes else "report"),)
    if state.index + 1 < len(path(plan, state)):
        return _enter(plan, state, t, state.index + 1, state.back, events)
    word = "rolled back" if state.back is not None else "promoted" if plan.promotes else "reported"
    settled = replace(state, settled_at=t, asked=frozenset())
    return Step(settled, (), (*events, Event(t, Kind.SETTLED, word)))


def _last_guarded(plan: Plan) -> int:
    """The stage after which nothing is judged any more; the last one where no stage has guards."""
    guarded = [i for i, stage in enumerate(plan.stages) if stage.guards]
    return guarded[-1] if guarded else len(plan.stages) - 1


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


def action_id(state: State, place: int) -> str:
    """The id of an action: its stage on the way forward or back, and its place in the stage."""
    way = "forward" if state.back is None else f"back{state.back}"
    return f"{way}.{state.index}.{place}"


def _ask_due(stage: Stage, state: State, t: float) -> tuple[State, tuple[Asked, ...]]:
    due = tuple(
        Asked(action_id(state, place), timed.action)
        for place, timed in enumerate(stage.enter)
        if t >= _due(state, timed) and action_id(state, place) not in state.asked
    )
    if not due:
        return state, ()
    return replace(state, asked=state.asked | {a.id for a in due}), due


def _due(state: State, timed: Timed) -> float:
    """When an action of the stage is due, to the nanosecond, in which a simulated clock counts."""
    return round(state.entered_at + timed.after, 9)


def _answered(stage: Stage, state: State) -> bool:
    return len(state.asked) == len(stage.enter) and state.done >= state.asked


def _waited(stage: Stage, state: State, seen: Observation) -> bool:
    """Whether nothing but a judgement is missing: actions are answered, pods and routes there, time is up."""
    waits = (c for c in stage.until if not isinstance(c, Passed | Approved | Counted | Wins))
    return _answered(stage, state) and all(_holds(c, stage, state, seen) for c in waits)


def _holds_all(stage: Stage, state: State, seen: Observation) -> bool:
    """Every action was asked for and answered, and every condition holds."""
    return _answered(stage, state) and all(_holds(condition, stage, state, seen) for condition in stage.until)


def _ready(pool: PoolSeen | None) -> bool:
    if pool is None:
        return False
    existing = sum(counts[0] for counts in pool.pods.values())
    _, _, available = pool.pods.get(pool.version, (0, 0, 0))
    return existing == pool.desired == available


def _gone(pool: PoolSeen | None) -> bool:
    return pool is None or (not pool.terminating and not any(c[0] for c in pool.pods.values()))


def _said(name: str, state: State) -> Judgement | None:
    """The guard's latest judgement of a window that ended in this stage; None if there was none."""
    judged = (state.judged or {}).get(name)
    return judged.judgement if judged is not None and judged.taken_at > state.entered_at else None


def _passed(condition: Passed, state: State) -> bool:
    good = [Judgement.PASS]
    good += [Judgement.INCONCLUSIVE] if condition.inconclusive is OnInconclusive.PROCEED else []
    return all(_said(name, state) in good for name in condition.guards)


def _approved(stage: Stage, state: State, seen: Observation) -> bool:
    """Whether every call of this stage was answered by an approval."""
    calls = (action_id(state, i) for i, timed in enumerate(stage.enter) if isinstance(timed.action, Call))
    return all(call in seen.approved for call in calls)


def _holds(condition: Until, stage: Stage, state: State, seen: Observation) -> bool:
    match condition:
        case Ready(pool):
            return _ready(seen.pools.get(pool))
        case Gone(pool):
            return _gone(seen.pools.get(pool))
        case Routed():
            return seen.routed
        case Elapsed(seconds):
            return seen.t >= state.entered_at + seconds
        case Passed():
            return _passed(condition, state)
        case Overdue(pool):
            return pool in seen.pools and seen.pools[pool].overdue
        case Approved():
            return _approved(stage, state, seen)
        case Counted():
            return seen.groups is not None
        case Wins(alpha, expected):
            return seen.groups is not None and verdict(seen.groups, alpha, expected) is None


def next_due(plan: Plan, state: State, now: float) -> float | None:
    """The next instant after `now` at which an action of the stage is due; None if none is to come."""
    if state.settled_at is not None or state.index < 0:
        return None
    times = (_due(state, timed) for timed in path(plan, state)[state.index].enter)
    return min((t for t in times if t > now), default=None)


def next_wake(plan: Plan, state: State, now: float) -> float | None:
    """The next instant after `now` at which a condition on time could change; None if there is none."""
    if state.settled_at is not None or state.index < 0:
        return None
    stage = path(plan, state)[state.index]
    waits = [c.seconds for c in (*stage.until, *stage.given_up) if isinstance(c, Elapsed)]
    waits += [stage.deadline] if stage.deadline is not None else []
    instants = [state.entered_at + wait for wait in waits]
    instants += [moved + stage.stalls_after for moved in (state.grown_at, _held_until(stage, state))]
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
