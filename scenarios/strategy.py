"""The strategies: each is one type, as written in YAML, whose `plan` returns what it will do as data.

A new strategy is added here and nowhere else: one model with its plan, and its line in `KINDS`.
"""

import math
from abc import abstractmethod
from fractions import Fraction
from typing import Any, Literal, Self

from pydantic import Field, create_model, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, Name, written
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
    SetRoute,
    SetVersion,
    Stage,
    Update,
    do,
    split,
    whole,
)
from scenarios.route import Unrealisable
from scenarios.routers import KubeProxy, Router
from scenarios.semantics.argo import canary_replicas
from scenarios.semantics.deployment_spec import Recreate, RollingUpdate
from scenarios.units import CountOrShare, Duration, Share, write_share
from scenarios.version import Service


class Strategy(Model):
    """What all strategies share: the guards that judge them, and how long a stage may take."""

    guards: tuple[Name, ...] = ()
    deadline: Duration = written(
        "10m", "a stage that takes longer than this, beyond its own waits, has failed"
    )
    via: Name = Field("service", description="name of the router that users come through")

    @abstractmethod
    def plan(self, service: Service, router: Router) -> Plan:
        """This strategy for that service behind that router. Raises Unrealisable."""

    def notes(self, service: Service, router: Router) -> tuple[str, ...]:
        """What somebody who chose this should know beforehand."""
        return ()

    def passed(self) -> tuple[Passed, ...]:
        """The condition that every guard passes; none without guards."""
        return (Passed(self.guards),) if self.guards else ()


class _OneDeployment(Strategy):
    """A single Deployment whose template changes; what brings it back is the same change the other way."""

    rollback: Literal["undo", "stay"] = Field(
        "stay",
        description="undo: back when a guard fails or the deadline passes; stay: Kubernetes never undoes",
    )
    progress_deadline: Duration = written("10m", "Kubernetes' progressDeadlineSeconds")

    @model_validator(mode="after")
    def _guards_need_a_way_back(self) -> Self:
        if self.guards and self.rollback == "stay":
            raise Misplaced((("guards",), "a failing guard needs a way back; say rollback: undo"))
        return self

    def _plan(self, name: str, update: Update, service: Service, min_ready: float | None = None) -> Plan:
        undo = Stage(
            "undo",
            do(SetVersion("main", STABLE, update, min_ready, self.progress_deadline)),
            (Ready("main"),),
            given_up=(Overdue("main"),),
            on_deadline=OnDeadline.STAY,
        )
        stage = Stage(
            name,
            do(SetVersion("main", CANDIDATE, update, min_ready, self.progress_deadline)),
            (Ready("main"),),
            self.guards,
            given_up=(Overdue("main"),),
            on_deadline=OnDeadline(self.rollback),
            stalls_after=self.progress_deadline + 60,  # the controller's own word comes first
            undo=(undo,) if self.rollback == "undo" else (),
        )
        judged = Stage("judged", (), self.passed(), self.guards, self.deadline, undo=(undo,))
        stages = (stage, judged) if self.guards else (stage,)
        return Plan((("main", service.replicas),), whole("main"), self.via, stages)


class RecreateStrategy(_OneDeployment):
    """Stop every old pod, then start the new ones: an outage, and no two versions side by side."""

    def plan(self, service: Service, router: Router) -> Plan:
        return self._plan("recreate", Recreate(), service)


class RollingStrategy(_OneDeployment):
    """Kubernetes' rolling update: pods are replaced a few at a time."""

    max_surge: CountOrShare = "25%"
    max_unavailable: CountOrShare = "25%"
    min_ready: Duration | None = Field(None, description="in place of cluster.pods.min_ready")

    @model_validator(mode="after")
    def _can_move(self) -> Self:
        if self.max_surge in (0, "0%") and self.max_unavailable in (0, "0%"):
            raise Misplaced((("max_surge",), "max_surge and max_unavailable are both 0: no pod could move"))
        return self

    def plan(self, service: Service, router: Router) -> Plan:
        update = RollingUpdate(self.max_surge, self.max_unavailable)
        return self._plan("rolling update", update, service, self.min_ready)


class BlueGreenStrategy(Strategy):
    """Two environments: the new one is started beside the old, then all users are switched at once."""

    bake: Duration = written("10m", "how long everyone is on the new version before the old may go")
    keep_old: Duration = written("0s", "how long the old environment is kept after that")

    def plan(self, service: Service, router: Router) -> Plan:
        n = service.replicas
        remove_green = Stage(
            "remove green", do(Scale("green", 0)), (Gone("green"),), on_deadline=OnDeadline.STAY
        )
        back = Stage(
            "switch back", do(SetRoute(USERS, whole("blue"))), (Routed(USERS),), on_deadline=OnDeadline.STAY
        )
        restart = Stage(
            "start blue again", do(Scale("blue", n)), (Ready("blue"),), on_deadline=OnDeadline.STAY
        )
        start = Stage(
            "start green",
            do(SetVersion("green", CANDIDATE), Scale("green", n)),
            (Ready("green"),),
            deadline=self.deadline,
            undo=(remove_green,),
        )
        switch = Stage(
            "switch to green",
            do(SetRoute(USERS, whole("green"))),
            (Routed(USERS),),
            self.guards,
            self.deadline,
            undo=(back, remove_green),
        )
        bake = Stage(
            "bake",
            (),
            (Elapsed(self.bake), *self.passed()),
            self.guards,
            self.bake + self.deadline,
            undo=(back, remove_green),
        )
        keep = Stage("keep blue", (), (Elapsed(self.keep_old),), self.guards, undo=(back, remove_green))
        remove = Stage(
            "remove blue",
            do(Scale("blue", 0)),
            (Gone("blue"),),
            deadline=self.deadline,
            on_deadline=OnDeadline.STAY,
            undo=(restart, back, remove_green),
        )
        kept = (keep,) if self.keep_old else ()
        return Plan((("blue", n),), whole("blue"), self.via, (start, switch, bake, *kept, remove))


class InPlaceHalvesStrategy(Strategy):
    """One environment in two groups: each in turn leaves the balancer, is upgraded in place, comes back."""

    drain: Duration = written("30s", "how long a group is out of rotation before it is touched")
    soak: Duration = written("5m", "how long everyone is on the first new half before the second is touched")

    def plan(self, service: Service, router: Router) -> Plan:
        n = service.replicas
        if n < 2:
            raise Unrealisable("two halves need at least 2 replicas; use rolling with max_surge 1")
        half, guards, out = (n + 1) // 2, self.guards, self.drain + self.deadline
        stay = OnDeadline.STAY
        right_only = Stage(
            "right only", do(SetRoute(USERS, whole("right"))), (Routed(USERS),), on_deadline=stay
        )
        left_back = Stage(
            "left back", do(SetVersion("left", STABLE, Recreate())), (Ready("left"),), on_deadline=stay
        )
        right_back = Stage(
            "right back", do(SetVersion("right", STABLE, Recreate())), (Ready("right"),), on_deadline=stay
        )
        both_again = Stage(
            "both again", do(SetRoute(USERS, whole("left", "right"))), (Routed(USERS),), on_deadline=stay
        )
        early = (right_only, left_back, both_again)
        # once the right half is being replaced only the left serves: right must be whole before left may go
        late = (right_back, right_only, left_back, both_again)
        return Plan(
            (("left", half), ("right", n - half)),
            whole("left", "right"),
            self.via,
            (
                Stage(
                    "left out",
                    do(SetRoute(USERS, whole("right"))),
                    (Routed(USERS), Elapsed(self.drain)),
                    deadline=out,
                    undo=(both_again,),
                ),
                Stage(
                    "left up",
                    do(SetVersion("left", CANDIDATE, Recreate())),
                    (Ready("left"),),
                    deadline=self.deadline,
                    undo=early,
                ),
                Stage(
                    "swap",
                    do(SetRoute(USERS, whole("left"))),
                    (Routed(USERS), Elapsed(max(self.drain, self.soak)), *self.passed()),
                    guards,
                    max(self.drain, self.soak) + self.deadline,
                    undo=early,
                ),
                Stage(
                    "right up",
                    do(SetVersion("right", CANDIDATE, Recreate())),
                    (Ready("right"),),
                    guards,
                    self.deadline,
                    undo=late,
                ),
                Stage(
                    "both",
                    do(SetRoute(USERS, whole("left", "right"))),
                    (Routed(USERS),),
                    guards,
                    self.deadline,
                    undo=late,
                ),
            ),
        )


class CanaryStrategy(Strategy):
    """A growing share of requests goes to the new version, each step held and judged before the next."""

    steps: tuple[Share, ...] = Field(min_length=1, max_length=100)
    hold: Duration = written("5m", "how long each step is watched")
    promote: Literal["roll_main", "swap"] = "roll_main"
    max_surge: CountOrShare = "25%"
    max_unavailable: CountOrShare = "25%"

    @model_validator(mode="after")
    def _steps_grow(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)) or self.steps[0] <= 0 or self.steps[-1] >= 1:
            raise Misplaced((("steps",), "expected growing shares between 0% and 100%: [5%, 25%, 50%]"))
        if self.max_surge in (0, "0%") and self.max_unavailable in (0, "0%"):
            raise Misplaced((("max_surge",), "max_surge and max_unavailable are both 0: no pod could move"))
        return self

    def plan(self, service: Service, router: Router) -> Plan:
        n, ratio = service.replicas, isinstance(router, KubeProxy)
        back = _canary_back(n, ratio)
        steps = tuple(stage for share in self.steps for stage in self._step(share, n, ratio, back))
        promote = self._roll_main(n, ratio) if self.promote == "roll_main" else self._swap(n, ratio, back)
        start = whole("main", "canary") if ratio else whole("main")
        return Plan((("main", n),), start, self.via, steps + promote)

    def notes(self, service: Service, router: Router) -> tuple[str, ...]:
        """Where pods decide the share, what the steps really come to."""
        if not isinstance(router, KubeProxy):
            return ()
        found = []
        for share in self.steps:
            canary, main = canary_replicas(share, service.replicas)
            if abs(canary / (canary + main) - share) > 0.005:
                real = f"{canary} of {canary + main} pods, {canary / (canary + main):.0%} of requests"
                found.append(f"by replicas, {write_share(share)} becomes {real}")
        return tuple(found)

    def _step(self, share: float, n: int, ratio: bool, back: tuple[Stage, ...]) -> tuple[Stage, Stage]:
        """Bring up the pods of a step, then let the share in and watch it."""
        name = write_share(share)
        if ratio:
            pods, main = canary_replicas(share, n)
            let_in: SetRoute | Scale = Scale("main", main)
            in_force: Routed | Ready = Ready("main")
        else:
            pods = math.ceil(Fraction(share).limit_denominator(10**6) * n)
            let_in = SetRoute(USERS, split({"main": 1 - share, "canary": share}))
            in_force = Routed(USERS)
        bring_up = do(SetVersion("canary", CANDIDATE), Scale("canary", pods))
        watched = (in_force, Elapsed(self.hold), *self.passed())
        return (
            Stage(f"{name} pods", bring_up, (Ready("canary"),), self.guards, self.deadline, undo=back),
            Stage(name, do(let_in), watched, self.guards, self.hold + self.deadline, undo=back),
        )

    def _roll_main(self, n: int, ratio: bool) -> tuple[Stage, ...]:
        """The main pool becomes the candidate, then the canary pool goes."""
        update = RollingUpdate(self.max_surge, self.max_unavailable)
        home = () if ratio else (SetRoute(USERS, whole("main")),)
        routed = () if ratio else (Routed(USERS),)
        main_back = Stage(
            "main back",
            do(*home, SetVersion("main", STABLE, update), Scale("main", n)),
            (*routed, Ready("main")),
            on_deadline=OnDeadline.STAY,
        )
        undo = (main_back, _REMOVE_CANARY)
        roll = do(Scale("main", n), SetVersion("main", CANDIDATE, update))
        late = (Overdue("main"),)
        return (
            Stage("roll main", roll, (Ready("main"),), self.guards, self.deadline, late, undo=undo),
            *(
                (Stage("all on main", do(*home), routed, self.guards, self.deadline, undo=undo),)
                if not ratio
                else ()
            ),
            _REMOVE_CANARY,
        )

    def _swap(self, n: int, ratio: bool, back: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """The canary pool grows to full size and takes over, then the main pool goes."""
        grow = Stage(
            "grow canary", do(Scale("canary", n)), (Ready("canary"),), self.guards, self.deadline, undo=back
        )
        take = Stage(
            "all on canary",
            do(SetRoute(USERS, whole("canary"))),
            (Routed(USERS),),
            self.guards,
            self.deadline,
            undo=back,
        )
        remove = Stage("remove main", do(Scale("main", 0)), (Gone("main"),), on_deadline=OnDeadline.STAY)
        return (grow, *(() if ratio else (take,)), remove)


_REMOVE_CANARY = Stage(
    "remove canary", do(Scale("canary", 0)), (Gone("canary"),), on_deadline=OnDeadline.STAY
)


def _canary_back(n: int, ratio: bool) -> tuple[Stage, ...]:
    """The way back while main still runs stable: users first; by replicas, pods are the only lever."""
    stay = OnDeadline.STAY
    if ratio:
        both = do(Scale("main", n), Scale("canary", 0))
        return (Stage("back to main", both, (Ready("main"), Gone("canary")), on_deadline=stay),)
    home = do(SetRoute(USERS, whole("main")))
    return (Stage("all to main", home, (Routed(USERS),), on_deadline=stay), _REMOVE_CANARY)


KINDS: dict[str, type[Strategy]] = {
    "recreate": RecreateStrategy,
    "rolling": RollingStrategy,
    "blue_green": BlueGreenStrategy,
    "in_place_halves": InPlaceHalvesStrategy,
    "canary": CanaryStrategy,
}


class _OneKey(Model):
    """A strategy as written: exactly one key, and that key names the kind."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1 or self.strategy is None:
            raise ValueError("expected exactly one kind of strategy: " + ", ".join(KINDS))
        return self

    @property
    def kind(self) -> str:
        """The key: canary, rolling …"""
        return next(iter(self.model_fields_set))

    @property
    def strategy(self) -> Strategy:
        """What stands under the key."""
        chosen: Strategy = getattr(self, self.kind)
        return chosen


_fields: Any = {kind: (model | None, None) for kind, model in KINDS.items()}
Written: type[_OneKey] = create_model("Written", __base__=_OneKey, __module__=__name__, **_fields)
