"""What each router is told: the objects at the start, and the changes that a route comes to."""

from dataclasses import dataclass
from typing import Any, Protocol

from live.objects import Made
from scenarios.plan import Route

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A merge patch of one object that stands in the trial's namespace."""

    group: str
    plural: str
    name: str
    body: Manifest


class Told(Protocol):
    """A module of this package: pure functions of what is made."""

    def objects(self, made: Made, namespace: str) -> list[Manifest]:
        """What stands there from the start, for the plan's first route."""

    def changes(self, made: Made, route: Route) -> list[Change]:
        """What a route comes to."""
