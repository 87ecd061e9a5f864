"""The port between a release and its world, simulated or real: two functions, and the loop that joins them.

`look` and `ask` are all that a world offers; a replay needs no world at all.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scenarios.observe import Observation
from scenarios.plan import Plan
from scenarios.release import Asked, Event, Guards, Outcome, State, next_due, next_wake, outcome, path, step


@dataclass(frozen=True, slots=True)
class Decisions:
    """All that a release decided: what it asked for and when, what it told, how it ended."""

    asked: tuple[tuple[float, Asked], ...]
    events: tuple[Event, ...]
    outcome: Outcome


def replay(plan: Plan, guards: Guards, observed: Iterable[Observation]) -> Decisions:
    """Fold `step` over recorded observations: gives the decisions of the release that made them."""
    state, asked, events = State(), list[tuple[float, Asked]](), list[Event]()
    for seen in observed:
        result = step(plan, guards, state, seen)
        state = result.state
        asked += [(seen.t, action) for action in result.actions]
        events += result.events
    return Decisions(tuple(asked), tuple(events), outcome(plan, state))


def drive(
    plan: Plan,
    guards: Guards,
    look: Callable[[float | None, float | None], Observation | None],
    ask: Callable[[Asked], None],
    ends: Callable[[str], None] = lambda _stage: None,
    tells: Callable[[Event], None] = lambda _event: None,
) -> tuple[tuple[Observation, ...], Decisions]:
    """Run a release against a world, simulated or real, and return what it saw and decided.

    `look(wake, due)` waits until something may have changed, at the latest until the clock's tick after
    `wake`, or until `due` exactly, when an action has to be sent; it returns what is seen then, or None at
    the horizon. `ask` hands over an action; its answer comes in a later observation. `ends` is told of each
    stage as it ends, before what follows is asked for; `tells` of each event. Only observations that changed
    the state are kept: they alone give the same decisions again.
    """
    state, kept = State(), list[Observation]()
    asked, events = list[tuple[float, Asked]](), list[Event]()
    wake = due = None
    while state.settled_at is None and (seen := look(wake, due)) is not None:
        result = step(plan, guards, state, seen)
        if result.state != state:
            kept.append(seen)
        if _ended(state, result.state):
            ends(path(plan, state)[state.index].name)
        state = result.state
        events += result.events
        for event in result.events:
            tells(event)
        for action in result.actions:
            asked.append((seen.t, action))
            ask(action)
        wake, due = next_wake(plan, state, seen.t), next_due(plan, state, seen.t)
    if state.settled_at is None and state.index >= 0:
        ends(path(plan, state)[state.index].name)
    return tuple(kept), Decisions(tuple(asked), tuple(events), outcome(plan, state))


def _ended(before: State, after: State) -> bool:
    """Whether a stage was left by a step."""
    here = (before.back, before.index)
    return before.index >= 0 and (here != (after.back, after.index) or after.settled_at is not None)
