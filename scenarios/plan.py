"""What a release is going to do, as data: routes, actions, conditions, stages, and each stage's own way back.

Nothing here runs anything. Two rules: a plan is complete (one interpreter, `release.step`, walks any plan and
knows no strategy), and it can be printed (`explain`) without being run.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from scenarios.semantics.deployment_spec import Recreate, RollingUpdate
from scenarios.units import write_duration, write_share

Seconds = float
Pool = str
STABLE, CANDIDATE = "stable", "candidate"
USERS = "users"


@dataclass(frozen=True, slots=True)
class Split:
    """Each request goes to a pool by these shares of a whole; within a pool to one of its ready pods."""

    to: tuple[tuple[Pool, float], ...]

    def __post_init__(self) -> None:
        if not self.to or any(share <= 0 for _, share in self.to):
            raise ValueError(f"a split has at least one pool, and positive shares: {self.to}")
        if abs(sum(share for _, share in self.to) - 1) > 1e-9:
            raise ValueError(f"the shares of a split sum to 1: {self.to}")

    def __str__(self) -> str:
        return ", ".join(f"{write_share(share)} to {pool}" for pool, share in self.to)


@dataclass(frozen=True, slots=True)
class ByReplicas:
    """Requests go to every ready pod of these pools alike: the ratio of pods is the ratio of traffic."""

    pools: tuple[Pool, ...]

    def __str__(self) -> str:
        return "every ready pod of " + " and ".join(self.pools)


@dataclass(frozen=True, slots=True)
class Match:
    """Requests that carry a header or a cookie: any value of it, this one, or one that the pattern finds."""

    kind: Literal["header", "cookie"]
    name: str
    value: str | None = None
    pattern: str | None = None

    def __str__(self) -> str:
        how = f" {self.value}" if self.value is not None else ""
        how = f" like {self.pattern}" if self.pattern is not None else how
        return f"{self.kind} {self.name}{how}"


class Sticky(StrEnum):
    """Whether a user stays on a side: never, by a hash, once at the candidate, or wherever first."""

    NONE = "none"
    HASH = "hash"
    CANDIDATE = "candidate"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Rules:
    """The first rule that a request matches says its pool; the rest is split. `mirror` gets copies, unseen.

    `sticky` is about the split; its last pool is the candidate's side. Rules come before it.
    """

    otherwise: Split | ByReplicas
    rules: tuple[tuple[Match, Pool], ...] = ()
    sticky: Sticky = Sticky.NONE
    mirror: tuple[Pool, float] | None = None

    def __str__(self) -> str:
        said = [f"{match} to {pool}" for match, pool in self.rules]
        said.append(f"else {self.otherwise}" if said else str(self.otherwise))
        if self.sticky is not Sticky.NONE:
            said.append(_STICKY[self.sticky])
        if self.mirror is not None:
            said.append(f"copies of {write_share(self.mirror[1])} to {self.mirror[0]}")
        return "; ".join(said)


_STICKY = {
    Sticky.HASH: "each user by a hash",
    Sticky.CANDIDATE: "who met the last pool stays there",
    Sticky.BOTH: "each user stays",
}

Route = Split | ByReplicas | Rules


Update = RollingUpdate | Recreate
_DEFAULT_UPDATE = RollingUpdate()


@dataclass(frozen=True, slots=True)
class Scale:
    """Give a pool this many pods; 0 removes them."""

    pool: Pool
    pods: int

    def __str__(self) -> str:
        return f"scale {self.pool} to {self.pods} pod{'s' if self.pods != 1 else ''}"


@dataclass(frozen=True, slots=True)
class SetVersion:
    """Change the version in a pool's template; the pool's own controller replaces its pods as `update` says.

    `min_ready` in place of the cluster's; the controller reports a rollout that made no progress for
    `progress_deadline`.
    """

    pool: Pool
    version: str
    update: Update = _DEFAULT_UPDATE
    min_ready: Seconds | None = None
    progress_deadline: Seconds = 600.0

    def __str__(self) -> str:
        match self.update:
            case RollingUpdate(surge, unavailable):
                how = f"in turn, at most {surge} more and {unavailable} fewer pods"
            case Recreate():
                how = "all old pods first"
        return f"set {self.pool} to the {self.version} version ({how})"


@dataclass(frozen=True, slots=True)
class SetRoute:
    """Send an entry's requests by this route."""

    entry: str
    route: Route

    def __str__(self) -> str:
        return f"route {self.entry}: {self.route}"


class Verb(StrEnum):
    """What `kubectl rollout` can do to a Deployment."""

    PAUSE = "pause"
    RESUME = "resume"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Command:
    """A `kubectl rollout` command on a pool's Deployment; an undo is refused while it is paused."""

    verb: Verb
    pool: Pool

    def __str__(self) -> str:
        return f"rollout {self.verb} of {self.pool}"


@dataclass(frozen=True, slots=True)
class Call:
    """Tell a person; done once sent. What the person does is seen in a later observation.

    A call of a stage's entry asks for approval; a page, sent when a guard fails, leads to an abort.
    """

    operator: str
    about: str

    def __str__(self) -> str:
        return f"call {self.operator}: {self.about}"


Action = Scale | SetVersion | SetRoute | Command | Call


@dataclass(frozen=True, slots=True)
class Timed:
    """An action, `after` so many seconds of its stage: to the moment, whatever the clock's ticks."""

    action: Action
    after: Seconds = 0.0


@dataclass(frozen=True, slots=True)
class Ready:
    """The pool has its desired pods, all available and of the version of its template, and no other."""

    pool: Pool

    def __str__(self) -> str:
        return f"all pods of {self.pool} are available"


@dataclass(frozen=True, slots=True)
class Gone:
    """No pod of the pool is left, terminating ones included."""

    pool: Pool

    def __str__(self) -> str:
        return f"{self.pool} has no pods left"


@dataclass(frozen=True, slots=True)
class Routed:
    """The entry's route is in force at every proxy that can be seen."""

    entry: str

    def __str__(self) -> str:
        return f"the route of {self.entry} is in force everywhere"


@dataclass(frozen=True, slots=True)
class Elapsed:
    """So many seconds since the stage was entered."""

    seconds: Seconds

    def __str__(self) -> str:
        return f"{write_duration(self.seconds)} have passed"


class OnInconclusive(StrEnum):
    """What becomes of a guard that cannot say, once all else that the stage waits for is there."""

    WAIT = "wait"
    PROCEED = "proceed"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Passed:
    """The latest judgement of each of these guards is PASS, of a window that ended in this stage.

    `inconclusive` says what an INCONCLUSIVE one then counts for: nothing yet, a pass, or a failure.
    """

    guards: tuple[str, ...]
    inconclusive: OnInconclusive = OnInconclusive.WAIT

    def __str__(self) -> str:
        said = "guard " + " and ".join(self.guards) + (" passes" if len(self.guards) == 1 else " pass")
        return said + _INCONCLUSIVE[self.inconclusive]


_INCONCLUSIVE = {
    OnInconclusive.WAIT: "",
    OnInconclusive.PROCEED: ", or cannot say",
    OnInconclusive.UNDO: "; back if it cannot say",
}


@dataclass(frozen=True, slots=True)
class Approved:
    """The person who was called on entering the stage has approved."""

    operator: str

    def __str__(self) -> str:
        return f"{self.operator} has approved"


@dataclass(frozen=True, slots=True)
class Counted:
    """The users of both groups have been counted since all else was there; that is all that is wanted."""

    def __str__(self) -> str:
        return "the users of both groups are counted"


@dataclass(frozen=True, slots=True)
class Wins:
    """The same, and more of the candidate's users converted, with p < `alpha`; else the way back.

    Nobody wins where the groups' sizes contradict the share `expected` at the candidate (None: unknown).
    """

    alpha: float
    expected: float | None = None

    def __str__(self) -> str:
        return f"the candidate converts better, p < {write_share(self.alpha)}; back if not"


@dataclass(frozen=True, slots=True)
class Overdue:
    """The pool's own controller reports ProgressDeadlineExceeded."""

    pool: Pool

    def __str__(self) -> str:
        return f"{self.pool} reports ProgressDeadlineExceeded"


Until = Ready | Gone | Routed | Elapsed | Passed | Overdue | Approved | Counted | Wins


class OnDeadline(StrEnum):
    """What a stage does that has taken too long: its way back, or nothing (it is then stuck)."""

    UNDO = "undo"
    STAY = "stay"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a plan: what is done on entering, what is awaited (all of it), what ends it early.

    `deadline` counts from entering; `given_up` are conditions any of which counts as a deadline passed. A
    guard that fails, a deadline passed with `on_deadline` UNDO, or an abort leads to `undo`, stages of their
    own; where `pages` names an operator, a failing guard calls that person, whose abort leads back. A stage
    that waits for pods is stuck while it has seen none more become available for `stalls_after`.
    """

    name: str
    enter: tuple[Timed, ...] = ()
    until: tuple[Until, ...] = ()
    guards: tuple[str, ...] = ()
    deadline: Seconds | None = None
    given_up: tuple[Until, ...] = ()
    on_deadline: OnDeadline = OnDeadline.UNDO
    stalls_after: Seconds = 600.0
    undo: tuple["Stage", ...] = ()
    pages: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in order, over pools that run the stable version at first (`start`: pool and pods).

    A plan that does not promote ends as it began: it only reports what it saw.
    """

    start: tuple[tuple[Pool, int], ...]
    route: Route
    via: str
    stages: tuple[Stage, ...]
    promotes: bool = True

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Every pool the plan speaks of, those of the start first, then in order of appearance."""
        seen = {pool: None for pool, _ in self.start}
        for stage in self.every_stage():
            for timed in stage.enter:
                if not isinstance(timed.action, SetRoute | Call):
                    seen.setdefault(timed.action.pool)
        return tuple(seen)

    @property
    def guards(self) -> tuple[str, ...]:
        """Every guard that judges some stage, in order of appearance."""
        return tuple(dict.fromkeys(name for stage in self.stages for name in stage.guards))

    @property
    def tests(self) -> tuple[Stage, ...]:
        """The stages that ask for the users of both groups."""
        return tuple(s for s in self.stages if any(isinstance(c, Counted | Wins) for c in s.until))

    @property
    def compared(self) -> tuple[Route, ...]:
        """The routes under which users are in groups: those that such stages set."""
        asked = (timed.action for stage in self.tests for timed in stage.enter)
        return tuple(action.route for action in asked if isinstance(action, SetRoute))

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route that it may set, the one at the start first."""
        asked = (timed.action for stage in self.every_stage() for timed in stage.enter)
        return (self.route, *(action.route for action in asked if isinstance(action, SetRoute)))

    def every_stage(self) -> tuple[Stage, ...]:
        """All stages, each followed by those of its way back."""
        return tuple(s for stage in self.stages for s in (stage, *stage.undo))


def do(*actions: Action | Timed) -> tuple[Timed, ...]:
    """The actions of a stage, at once unless timed."""
    return tuple(a if isinstance(a, Timed) else Timed(a) for a in actions)


def whole(*pools: Pool) -> ByReplicas:
    """Everything to the ready pods of these pools."""
    return ByReplicas(pools)


def split(shares: dict[Pool, float]) -> Split:
    """A split; pools with a share of 0 are left out."""
    return Split(tuple((pool, share) for pool, share in shares.items() if share > 0))
