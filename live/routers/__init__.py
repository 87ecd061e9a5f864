"""What each router is told: the objects at the start, and the changes that a route comes to."""

from dataclasses import dataclass
from typing import Any

from live.objects import Made, selector
from scenarios.plan import Pool

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A merge patch of one object that stands in the trial's namespace."""

    group: str
    plural: str
    name: str
    body: Manifest


def led(made: Made, service: str, pools: tuple[Pool, ...]) -> Change:
    """Another selector of a Service; the old one's label is taken out, as a merge would keep it."""
    wanted = selector(pools)["selector"]
    gone = {key: None for other in made.targets for key in selector(other)["selector"] if key not in wanted}
    return Change("", "services", service, {"spec": {"selector": gone | wanted}})
