"""Where a release is: its state, what it asked for and told, how it ended. Values; `release` moves them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scenarios.guard import Judgement, Sample
from scenarios.plan import Action, Plan, Stage, Timed
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


def action_id(state: State, place: int) -> str:
    """The id of an action: its stage on the way forward or back, and its place in the stage."""
    way = "forward" if state.back is None else f"back{state.back}"
    return f"{way}.{state.index}.{place}"


def due(state: State, timed: Timed) -> float:
    """When an action of the stage is due, to the nanosecond, in which a simulated clock counts."""
    return round(state.entered_at + timed.after, 9)
