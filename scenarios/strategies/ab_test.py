"""An A/B test: users are divided, and what they do is counted."""

from typing import Literal, Self

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import written
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    USERS,
    Counted,
    Elapsed,
    OnDeadline,
    Overdue,
    Plan,
    Ready,
    Routed,
    Rules,
    Scale,
    SetRoute,
    SetVersion,
    Stage,
    Sticky,
    Wins,
    do,
    split,
    whole,
)
from scenarios.route import Unrealisable
from scenarios.routers import IngressNginx, KubeProxy, Router
from scenarios.semantics.deployment_spec import RollingUpdate, resolve
from scenarios.strategies.base import SURGE, UNAVAILABLE, Strategy, no_pod_could_move, pods_for, removed
from scenarios.strategies.matching import Carrying
from scenarios.units import CountOrShare, Duration, Share
from scenarios.version import Service

_STAY = OnDeadline.STAY


class By(Carrying):
    """Who gets the candidate: requests with a header or a cookie, or a share of users, who stay with it.

    `users` divides by a hash of the user, `sticky` by chance at the first request.
    """

    users: Share | None = Field(None, description="this share of users, by a hash of the user")
    sticky: Share | None = Field(None, description="this share of users, by chance at their first request")

    @model_validator(mode="after")
    def _one(self) -> Self:
        named = [self.header, self.cookie, self.users, self.sticky]
        if sum(one is not None for one in named) != 1:
            raise ValueError("expected one of header: NAME, cookie: NAME, users: 50%, sticky: 20%")
        if self.share is None:
            return self
        if self.value is not None or self.pattern is not None:
            key = "value" if self.value is not None else "pattern"
            raise Misplaced(((key,), "only with header or cookie"))
        if not 0 < self.share < 1:
            key = "users" if self.users is not None else "sticky"
            raise Misplaced(((key,), "expected a share between 0% and 100%, such as 50%"))
        return self

    @property
    def share(self) -> float | None:
        """The share of users meant to be in the candidate's group; None where what they carry decides."""
        return self.users if self.users is not None else self.sticky

    def rules(self) -> Rules:
        """The route of the test."""
        if self.share is None:
            return Rules(whole("main"), ((self.match, "variant"),))
        how = Sticky.HASH if self.users is not None else Sticky.BOTH
        return Rules(split({"main": 1 - self.share, "variant": self.share}), sticky=how)


class AbTestStrategy(Strategy):
    """An A/B test: each user keeps to one version, and whose users convert more is judged at the end."""

    by: By = Field(description="who gets the candidate")
    lasting: Duration = written("10m", "how long the groups are watched")
    pods: CountOrShare | None = Field(
        None, description="of the candidate; without it as many as its share of users, or all of the replicas"
    )
    then: Literal["report", "promote_winner"] = Field(
        "report", description="promote_winner: if its users convert more, the candidate takes over"
    )
    alpha: Share = written("5%", "it must be so unlikely that chance alone makes the difference")
    max_surge: CountOrShare = Field("25%", description=SURGE)
    max_unavailable: CountOrShare = Field("25%", description=UNAVAILABLE)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        no_pod_could_move(self.max_surge, self.max_unavailable)
        if self.lasting <= 0:
            raise Misplaced((("lasting",), "expected more than 0s: nobody is watched in no time"))
        if self.pods in (0, "0%"):
            raise Misplaced((("pods",), "expected 1 or more: the candidate's users need a pod"))
        if not 0 < self.alpha <= 0.5:
            raise Misplaced((("alpha",), "expected more than 0% and at most 50%, such as 5%"))
        return self

    @property
    def reports(self) -> bool:
        return self.then == "report"

    def draft(self, service: Service, router: Router) -> Plan:
        if isinstance(router, KubeProxy):
            instead = "ingress-nginx or a proxy router" if self.by.share is None else "a proxy router"
            raise Unrealisable(f"a Service cannot tell users apart, so there are no groups; go via {instead}")
        if isinstance(router, IngressNginx) and self.by.users is not None:
            raise Unrealisable(
                "ingress-nginx does not divide users by a hash; go via a proxy router, or divide them by a "
                "header or a cookie"
            )
        n = service.replicas
        back = (
            Stage("all to main", do(SetRoute(USERS, whole("main"))), (Routed(USERS),), on_deadline=_STAY),
            removed("variant"),
        )
        stages = (*self._test(self._pods(n), back), *(back if self.reports else self._promote(n)))
        return Plan((("main", n),), whole("main"), self.via, stages, promotes=not self.reports)

    def _pods(self, n: int) -> int:
        if self.pods is None:
            return n if self.by.share is None else pods_for(self.by.share, n)
        return max(1, resolve(self.pods, n, round_up=True))

    def _test(self, pods: int, back: tuple[Stage, ...]) -> tuple[Stage, Stage]:
        bring_up = do(SetVersion("variant", CANDIDATE), Scale("variant", pods))
        counted = Counted() if self.reports else Wins(self.alpha, self.by.share)
        over = (Routed(USERS), Elapsed(self.lasting), *self.passed(), counted)
        return (
            Stage("variant pods", bring_up, (Ready("variant"),), self.guards, self.deadline, undo=back[1:]),
            Stage(
                "test",
                do(SetRoute(USERS, self.by.rules())),
                over,
                self.guards,
                self.lasting + self.deadline,
                undo=back,
            ),
        )

    def _promote(self, n: int) -> tuple[Stage, ...]:
        """The main pool becomes the candidate while the groups go on, then the variant goes."""
        update = RollingUpdate(self.max_surge, self.max_unavailable)
        main_back = Stage(
            "main back",
            do(SetRoute(USERS, whole("main")), SetVersion("main", STABLE, update)),
            (Routed(USERS), Ready("main")),
            on_deadline=_STAY,
        )
        undo, home = (main_back, removed("variant")), do(SetRoute(USERS, whole("main")))
        roll, late = do(SetVersion("main", CANDIDATE, update)), (Overdue("main"),)
        return (
            Stage("roll main", roll, (Ready("main"),), self.guards, self.deadline, late, undo=undo),
            Stage("all on main", home, (Routed(USERS),), self.guards, self.deadline, undo=undo),
            removed("variant"),
        )
