"""A shadow: the new version gets copies of requests, and nobody sees its answers."""

from typing import Literal

from pydantic import Field, field_validator

from scenarios.model import written
from scenarios.plan import (
    CANDIDATE,
    USERS,
    Elapsed,
    OnDeadline,
    Plan,
    Ready,
    Routed,
    Rules,
    Scale,
    SetRoute,
    SetVersion,
    Stage,
    do,
    whole,
)
from scenarios.route import Unrealisable
from scenarios.routers import KubeProxy, Router
from scenarios.semantics.deployment_spec import resolve
from scenarios.strategies.base import Strategy, pods_for, removed
from scenarios.units import CountOrShare, Duration, Share
from scenarios.version import Service


class ShadowStrategy(Strategy):
    """The new version gets copies of a share of requests; only guards see its answers; then it is removed."""

    share: Share = written("100%", "of requests that are copied")
    lasting: Duration = written("10m", "how long requests are copied")
    pods: CountOrShare | None = Field(None, description="of the candidate; without it as many as its share")
    then: Literal["report"] = Field("report", description="it only looks")

    @field_validator("share")
    @classmethod
    def _some(cls, share: float) -> float:
        if share <= 0:
            raise ValueError("expected more than 0%")
        return share

    @property
    def reports(self) -> bool:
        return True

    def draft(self, service: Service, router: Router) -> Plan:
        if isinstance(router, KubeProxy):
            raise Unrealisable("a Service cannot copy requests; go via a proxy or an ingress-nginx router")
        n, stay = service.replicas, OnDeadline.STAY
        home = (
            Stage("no more copies", do(SetRoute(USERS, whole("main"))), (Routed(USERS),), on_deadline=stay),
            removed("shadow"),
        )
        copied = Rules(whole("main"), mirror=("shadow", self.share))
        bring_up = do(SetVersion("shadow", CANDIDATE), Scale("shadow", self._pods(n)))
        start = Stage("shadow pods", bring_up, (Ready("shadow"),), self.guards, self.deadline, undo=home[1:])
        watch = Stage(
            "copies",
            do(SetRoute(USERS, copied)),
            (Routed(USERS), Elapsed(self.lasting), *self.passed()),
            self.guards,
            self.lasting + self.deadline,
            undo=home,
        )
        return Plan((("main", n),), whole("main"), self.via, (start, watch, *home), promotes=False)

    def _pods(self, n: int) -> int:
        if self.pods is not None:
            return max(1, resolve(self.pods, n, round_up=True))
        return pods_for(self.share, n)
