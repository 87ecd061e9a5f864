"""One environment in two groups of pods, upgraded in place one after the other."""

from pydantic import Field

from scenarios.model import written
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    USERS,
    Action,
    Elapsed,
    OnDeadline,
    Plan,
    Pool,
    Ready,
    Routed,
    Scale,
    SetRoute,
    SetVersion,
    Stage,
    Until,
    do,
    whole,
)
from scenarios.route import Unrealisable
from scenarios.routers import Router
from scenarios.semantics.deployment_spec import Recreate, resolve
from scenarios.strategies.base import Asking
from scenarios.units import CountOrShare, Duration
from scenarios.version import Service


class InPlaceHalvesStrategy(Asking):
    """One environment in two groups: each in turn leaves the balancer, is upgraded in place, comes back."""

    drain: Duration = written("30s", "how long a group is out of rotation before it is touched")
    soak: Duration = written("5m", "how long everyone is on the first new half before the second is touched")
    extra_pods: CountOrShare = Field(
        0, description="pods added to a half before it serves alone, of the replicas if a percentage"
    )

    def draft(self, service: Service, router: Router) -> Plan:
        n, extra = service.replicas, resolve(self.extra_pods, service.replicas, round_up=True)
        if n < 2:
            raise Unrealisable("two halves need at least 2 replicas; use rolling with max_surge 1")
        sizes = {"left": (n + 1) // 2, "right": n // 2}
        start, both = tuple(sizes.items()), whole("left", "right")
        return Plan(start, both, self.via, self._stages(_Halves(sizes, extra)))

    def _stages(self, halves: "_Halves") -> tuple[Stage, ...]:
        guards, drain, soak = self.guards, self.drain, max(self.drain, self.soak)
        soaked: tuple[Until, ...] = (Routed(USERS), Elapsed(soak), *self.passed())
        return (
            *halves.more("right", self.deadline),
            _stage(
                "left out",
                _to("right"),
                (Routed(USERS), Elapsed(drain)),
                deadline=drain + self.deadline,
                undo=(halves.both_again, *halves.fewer("right")),
            ),
            _stage(
                "left up",
                halves.changed("left", CANDIDATE, more=True),
                (Ready("left"),),
                deadline=self.deadline,
                undo=halves.early,
            ),
            _stage("swap", _to("left"), soaked, guards, soak + self.deadline, undo=halves.early),
            *self.approval("the right half", halves.early),
            _stage(
                "right up",
                halves.changed("right", CANDIDATE),
                (Ready("right"),),
                guards,
                self.deadline,
                undo=halves.late,
            ),
            _stage("both", _to("left", "right"), (Routed(USERS),), guards, self.deadline, undo=halves.late),
            *halves.fewer("left"),
        )


class _Halves:
    """The two groups, what either has while it serves alone, and the ways back."""

    def __init__(self, sizes: dict[Pool, int], extra: int) -> None:
        self.sizes, self.extra = sizes, extra
        self.both_again = _stay("both again", _to("left", "right"), Routed(USERS))
        right_only = _stay("right only", _to("right"), Routed(USERS))
        left_back = _stay("left back", self.changed("left", STABLE), Ready("left"))
        # once the right half is being replaced only the left serves: right must be whole before left may go
        right_back = _stay("right back", self.changed("right", STABLE, more=True), Ready("right"))
        self.early = (right_only, left_back, self.both_again, *self.fewer("right"))
        self.late = (right_back, *self.early)

    def changed(self, pool: Pool, version: str, *, more: bool = False) -> tuple[Action, ...]:
        """Set a half's version, and its size where that is not always the same."""
        size = Scale(pool, self.sizes[pool] + (self.extra if more else 0))
        return (SetVersion(pool, version, Recreate()), *((size,) if self.extra else ()))

    def more(self, pool: Pool, deadline: float) -> tuple[Stage, ...]:
        """The extra pods, before the half has to serve alone."""
        grow = (Scale(pool, self.sizes[pool] + self.extra),)
        stage = _stage(f"more {pool}", grow, (Ready(pool),), deadline=deadline, undo=self.fewer(pool))
        return (stage,) if self.extra else ()

    def fewer(self, pool: Pool) -> tuple[Stage, ...]:
        """The extra pods go."""
        stage = _stay(f"fewer {pool}", (Scale(pool, self.sizes[pool]),), Ready(pool))
        return (stage,) if self.extra else ()


def _to(*pools: Pool) -> tuple[Action, ...]:
    return (SetRoute(USERS, whole(*pools)),)


def _stage(
    name: str,
    actions: tuple[Action, ...],
    until: tuple[Until, ...],
    guards: tuple[str, ...] = (),
    deadline: float | None = None,
    undo: tuple[Stage, ...] = (),
) -> Stage:
    return Stage(name, do(*actions), until, guards, deadline, undo=undo)


def _stay(name: str, actions: tuple[Action, ...], until: Ready | Routed) -> Stage:
    return Stage(name, do(*actions), (until,), on_deadline=OnDeadline.STAY)
