"""A canary: a few see the new version first, by what they carry, by weight, or by the ratio of pods."""

from typing import Literal, Self

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import written
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    USERS,
    Elapsed,
    Gone,
    OnDeadline,
    Overdue,
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
    do,
    split,
    whole,
)
from scenarios.route import Unrealisable
from scenarios.routers import KubeProxy, Router
from scenarios.semantics.argo import canary_replicas
from scenarios.semantics.deployment_spec import RollingUpdate, resolve
from scenarios.strategies.base import SURGE, UNAVAILABLE, Asking, no_pod_could_move, pods_for, removed
from scenarios.strategies.matching import Matching
from scenarios.units import CountOrShare, Duration, Share, write_share
from scenarios.version import Service

_STAY = OnDeadline.STAY
_REMOVE_CANARY = removed("canary")


class CanaryStrategy(Asking):
    """A growing share of requests goes to the new version, each step held and judged before the next."""

    steps: tuple[Share, ...] = Field(
        min_length=1, max_length=100, description="growing shares of requests, one after the other"
    )
    hold: Duration = written("5m", "how long each step is watched")
    match: tuple[Matching, ...] = Field(
        (), max_length=20, description="requests that go to the canary first, before any share does"
    )
    match_pods: CountOrShare = Field(
        0, description="pods for those requests, on top of each step's; of the replicas if a percentage"
    )
    sticky: Literal["none", "hash", "candidate", "both"] = Field(
        "none",
        description="who stays on a side: by a hash of the user; whoever met the candidate; or everybody",
    )
    promote: Literal["roll_main", "swap"] = Field(
        "roll_main",
        description="roll_main: the main pool is updated; swap: the canary grows to full size and stays",
    )
    max_surge: CountOrShare = Field("25%", description=SURGE)
    max_unavailable: CountOrShare = Field("25%", description=UNAVAILABLE)

    @model_validator(mode="after")
    def _steps_grow(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)) or self.steps[0] <= 0 or self.steps[-1] >= 1:
            raise Misplaced((("steps",), "expected growing shares between 0% and 100%: [5%, 25%, 50%]"))
        if self.match_pods not in (0, "0%") and not self.match:
            raise Misplaced((("match_pods",), "pods for requests that match; say what is to match"))
        no_pod_could_move(self.max_surge, self.max_unavailable)
        return self

    def draft(self, service: Service, router: Router) -> Plan:
        n = service.replicas
        if isinstance(router, KubeProxy):
            return self._by_replicas(n)
        back = (
            Stage("all to main", do(SetRoute(USERS, whole("main"))), (Routed(USERS),), on_deadline=_STAY),
            _REMOVE_CANARY,
        )
        matched = self._matched(n, back) if self.match else ()
        steps = tuple(stage for share in self.steps for stage in self._weighted(share, n, back))
        promote = self._roll_main(n, ratio=False) if self.promote == "roll_main" else self._swap(n, back)
        return Plan((("main", n),), whole("main"), self.via, (*matched, *steps, *promote))

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

    # --- by weight -------------------------------------------------------------------------------

    def _matched(self, n: int, back: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """Only requests that match; unless said otherwise with the pods of the first step."""
        route = SetRoute(USERS, self._routed(None))
        pods = resolve(self.match_pods, n, round_up=True) or pods_for(self.steps[0], n)
        return self._step("match only", pods, route, Routed(USERS), back)

    def _weighted(self, share: float, n: int, back: tuple[Stage, ...]) -> tuple[Stage, ...]:
        route = SetRoute(USERS, self._routed(split({"main": 1 - share, "canary": share})))
        pods = pods_for(share, n) + (resolve(self.match_pods, n, round_up=True) if self.match else 0)
        return self._step(write_share(share), pods, route, Routed(USERS), back)

    def _routed(self, to: Split | None) -> Route:
        """The split, or everything to main, after the rules."""
        rules = tuple((written.match, "canary") for written in self.match)
        sticky = Sticky.NONE if to is None else Sticky(self.sticky)
        if to is not None and not rules and sticky is Sticky.NONE:
            return to
        return Rules(to or whole("main"), rules, sticky)

    def _step(
        self,
        name: str,
        pods: int,
        let_in: SetRoute | Scale,
        in_force: Routed | Ready,
        back: tuple[Stage, ...],
    ) -> tuple[Stage, ...]:
        """Bring up the pods of a step, let requests in, watch, and ask whether to go on."""
        bring_up = do(SetVersion("canary", CANDIDATE), Scale("canary", pods))
        watched = (in_force, Elapsed(self.hold), *self.passed())
        return (
            Stage(f"{name} pods", bring_up, (Ready("canary"),), self.guards, self.deadline, undo=back),
            Stage(name, do(let_in), watched, self.guards, self.hold + self.deadline, undo=back),
            *self.approval(f"going on after {name}", back),
        )

    # --- by replicas -----------------------------------------------------------------------------

    def _by_replicas(self, n: int) -> Plan:
        """Behind a Service; pods are the only lever, on the way back too."""
        if self.match or self.sticky != "none":
            if self.match:
                raise Unrealisable(
                    "a Service reads neither headers nor cookies; go via ingress-nginx or a proxy router"
                )
            raise Unrealisable("a Service cannot keep users on a side; go via a proxy router")
        both = do(Scale("main", n), Scale("canary", 0))
        back = (Stage("back to main", both, (Ready("main"), Gone("canary")), on_deadline=_STAY),)
        stages: list[Stage] = []
        for share in self.steps:
            pods, main = canary_replicas(share, n)
            stages += self._step(write_share(share), pods, Scale("main", main), Ready("main"), back)
        stages += self._roll_main(n, ratio=True) if self.promote == "roll_main" else self._grow(n, back)
        stages += () if self.promote == "roll_main" else (removed("main"),)
        return Plan((("main", n),), whole("main", "canary"), self.via, tuple(stages))

    # --- the end ---------------------------------------------------------------------------------

    def _roll_main(self, n: int, *, ratio: bool) -> tuple[Stage, ...]:
        """The main pool becomes the candidate, then the canary pool goes."""
        update = RollingUpdate(self.max_surge, self.max_unavailable)
        home = () if ratio else (SetRoute(USERS, whole("main")),)
        routed = () if ratio else (Routed(USERS),)
        main_back = Stage(
            "main back",
            do(*home, SetVersion("main", STABLE, update), Scale("main", n)),
            (*routed, Ready("main")),
            on_deadline=_STAY,
        )
        undo, late = (main_back, _REMOVE_CANARY), (Overdue("main"),)
        roll = do(Scale("main", n), SetVersion("main", CANDIDATE, update))
        all_home = Stage("all on main", do(*home), routed, self.guards, self.deadline, undo=undo)
        return (
            Stage("roll main", roll, (Ready("main"),), self.guards, self.deadline, late, undo=undo),
            *(() if ratio else (all_home,)),
            _REMOVE_CANARY,
        )

    def _grow(self, n: int, back: tuple[Stage, ...]) -> tuple[Stage, ...]:
        grown = (Ready("canary"),)
        return (Stage("grow canary", do(Scale("canary", n)), grown, self.guards, self.deadline, undo=back),)

    def _swap(self, n: int, back: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """The canary pool grows to full size and takes over, then the main pool goes."""
        take = SetRoute(USERS, whole("canary"))
        all_on = Stage("all on canary", do(take), (Routed(USERS),), self.guards, self.deadline, undo=back)
        return (*self._grow(n, back), all_on, removed("main"))
