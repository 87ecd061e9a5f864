"""What strategies share: who judges them, who is asked, how long a stage may take, how they end."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Literal, Protocol, Self, TypeAlias

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, Name, written
from scenarios.plan import (
    Approved,
    Call,
    Gone,
    OnDeadline,
    OnInconclusive,
    Passed,
    Plan,
    Pool,
    Scale,
    Stage,
    do,
)
from scenarios.routers import Router
from scenarios.units import CountOrShare, Duration
from scenarios.version import Service

SURGE = "maxSurge of that update: pods beyond the desired number; a percentage rounds up"
UNAVAILABLE = "maxUnavailable of that update: pods that may be missing; a percentage rounds down"
Place: TypeAlias = tuple[str | int, ...]
Mention: TypeAlias = tuple[Place, Literal["guard", "router", "operator"], str]


class Chosen(Protocol):
    """What the rest of the project knows of any strategy."""

    @property
    def via(self) -> str:
        """The router that users come through."""

    @property
    def reports(self) -> bool:
        """Whether it ends as it began, with nothing promoted."""

    def plan(self, service: Service, router: Router) -> Plan:
        """This strategy for that service behind that router. Raises Unrealisable."""

    def notes(self, service: Service, router: Router) -> tuple[str, ...]:
        """What somebody who chose this should know beforehand."""

    def mentions(self) -> Iterator[Mention]:
        """The names it says that the file must define, each with its place in the strategy."""


class Strategy(Model):
    """What all strategies share: the guards that judge them, and how long a stage may take."""

    guards: tuple[Name, ...] = Field((), description="names of the guards that judge it")
    on_inconclusive: Literal["wait", "proceed", "undo"] = Field(
        "wait",
        description="a guard that cannot say at the end of a hold: wait for more, proceed, or undo",
    )
    operator: Name | None = Field(
        None, description="guards page this person, who goes back, in place of an automatic way back"
    )
    deadline: Duration = written(
        "10m", "a stage that takes longer than this, beyond its own waits, has failed"
    )
    via: Name = Field("service", description="name of the router that users come through")

    @model_validator(mode="after")
    def _guards_first(self) -> Self:
        if self.guards:
            return self
        if self.operator is not None:
            raise Misplaced((("operator",), "guards page this person; name guards as well"))
        if self.on_inconclusive != "wait":
            raise Misplaced((("on_inconclusive",), "only guards can be inconclusive; name guards as well"))
        return self

    def plan(self, service: Service, router: Router) -> Plan:
        """This strategy for that service behind that router. Raises Unrealisable."""
        plan = self.draft(service, router)
        paged = (replace(s, pages=self.operator) if s.guards else s for s in plan.stages)
        return replace(plan, stages=tuple(paged))

    @abstractmethod
    def draft(self, service: Service, router: Router) -> Plan:
        """The plan with guards that act by themselves. Raises Unrealisable."""

    @property
    def reports(self) -> bool:
        """Whether it ends as it began, with nothing promoted."""
        return False

    def notes(self, service: Service, router: Router) -> tuple[str, ...]:
        """What somebody who chose this should know beforehand."""
        return ()

    def mentions(self) -> Iterator[Mention]:
        """The names it says that the file must define, each with its place in the strategy."""
        for index, guard in enumerate(self.guards):
            yield ("guards", index), "guard", guard
        yield ("via",), "router", self.via
        for key in ("operator", "approve"):
            if (name := getattr(self, key, None)) is not None:
                yield (key,), "operator", name

    def passed(self) -> tuple[Passed, ...]:
        """The condition that every guard passes; none without guards."""
        return (Passed(self.guards, OnInconclusive(self.on_inconclusive)),) if self.guards else ()


class Asking(Strategy):
    """A strategy that may ask a person before it goes on."""

    approve: Name | None = Field(None, description="this person is asked before each further step")

    def approval(self, about: str, undo: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """Ask, and wait however long it takes, while guards judge on; nothing where nobody is to be asked."""
        if self.approve is None:
            return ()
        name = f"approve {about}"
        ask, answer = do(Call(self.approve, name)), (Approved(self.approve),)
        return (Stage(name, ask, answer, self.guards, undo=undo),)


def removed(pool: Pool) -> Stage:
    """The pool goes; if that takes long, nothing is done about it."""
    return Stage(f"remove {pool}", do(Scale(pool, 0)), (Gone(pool),), on_deadline=OnDeadline.STAY)


def pods_for(share: float, n: int) -> int:
    """Pods for a share of the traffic of n, rounded up."""
    return math.ceil(Fraction(share).limit_denominator(10**6) * n)


def no_pod_could_move(surge: CountOrShare, unavailable: CountOrShare) -> None:
    """Raises Misplaced where an update could neither add nor remove a pod."""
    if surge in (0, "0%") and unavailable in (0, "0%"):
        raise Misplaced((("max_surge",), "max_surge and max_unavailable are both 0: no pod could move"))
