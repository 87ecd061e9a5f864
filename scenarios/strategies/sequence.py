"""Several strategies one after the other: all but the last only look, the last one may promote."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Self

from pydantic import ConfigDict, RootModel, create_model, model_validator

from scenarios.errors import Misplaced
from scenarios.plan import ByReplicas, Plan, Pool, Route, Rules, SetRoute, Split, Stage, Timed, whole
from scenarios.route import Unrealisable
from scenarios.routers import Router
from scenarios.strategies.base import Mention, Strategy
from scenarios.strategies.parts import PARTS
from scenarios.strategies.written import OneKey, fields
from scenarios.version import Service

MOST = 10


class OnePart(OneKey):
    """A part of a sequence: a strategy as it is written by itself."""

    @property
    def strategy(self) -> Strategy:
        """What stands under the key."""
        part: Strategy = getattr(self, self.kind)
        return part


Part: type[OnePart] = create_model(
    "Part", __base__=OnePart, __module__=__name__, __doc__=OnePart.__doc__, **fields(PARTS)
)


class SequenceStrategy(RootModel[tuple[Part, ...]]):
    """Strategies one after the other. A failing guard goes back as its part does, which ends them all."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 2 <= len(self.root) <= MOST:
            raise ValueError(f"expected a list of 2 to {MOST} strategies")
        *before, _ = self.root
        for index, part in enumerate(before):
            if not part.strategy.reports:
                text = (
                    "ends with the candidate promoted, so nothing can follow; all but the last must end as "
                )
                raise Misplaced(((index, part.kind), f"{text}they began: then: report"))
        for index, part in enumerate(self.root):
            if part.strategy.via != self.via:
                text = f"users come through one router; the first part says {self.via}"
                raise Misplaced(((index, part.kind, "via"), text))
        return self

    @property
    def parts(self) -> tuple[Strategy, ...]:
        """The strategies in order."""
        return tuple(part.strategy for part in self.root)

    @property
    def via(self) -> str:
        """The router that users come through, the same for all parts."""
        return str(self.root[0].strategy.via)

    @property
    def reports(self) -> bool:
        """Whether it ends as it began, as its last part does."""
        return self.parts[-1].reports

    def plan(self, service: Service, router: Router) -> Plan:
        """The parts' stages in order, over the pools that the last part begins with. Raises Unrealisable."""
        *before, last = (part.plan(service, router) for part in self.parts)
        stages = (stage for plan in before for stage in _at_home(plan, last).stages)
        return replace(last, stages=(*stages, *last.stages))

    def notes(self, service: Service, router: Router) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(note for part in self.parts for note in part.notes(service, router))

    def mentions(self) -> Iterator[Mention]:
        """Those of the parts."""
        for index, part in enumerate(self.root):
            for place, kind, name in part.strategy.mentions():
                yield (index, part.kind, *place), kind, name


def _at_home(plan: Plan, last: Plan) -> Plan:
    """A plan that only looks, with the pools of the last one in place of its own."""
    if plan.start == last.start and plan.route == last.route:
        return plan
    ((home, _),) = plan.start
    return replace(plan, stages=tuple(_moved(stage, home, last) for stage in plan.stages))


def _moved(stage: Stage, home: Pool, last: Plan) -> Stage:
    enter = tuple(
        Timed(SetRoute(timed.action.entry, _rerouted(timed.action.route, home, last)), timed.after)
        if isinstance(timed.action, SetRoute)
        else timed
        for timed in stage.enter
    )
    return replace(stage, enter=enter, undo=tuple(_moved(back, home, last) for back in stage.undo))


def _rerouted(route: Route, home: Pool, last: Plan) -> Route:
    match route:
        case Rules():
            otherwise = _rerouted(route.otherwise, home, last)
            assert not isinstance(otherwise, Rules)
            return replace(route, otherwise=otherwise)
        case Split(to):
            if len(last.start) > 1:
                raise Unrealisable(
                    "users are divided between one pool and the candidate, and the last strategy begins with "
                    f"{len(last.start)} pools; divide by header or cookie, or end with another strategy"
                )
            return Split(tuple((last.start[0][0] if pool == home else pool, share) for pool, share in to))
        case ByReplicas():
            return last.route if route == whole(home) else route
