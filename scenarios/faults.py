"""What goes wrong in the world by itself, at fixed times, whichever strategy is tried. And who can help."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, Time, a_time, written
from scenarios.units import Duration


class _Fault(Model):
    """When: `at` after the trigger, for so long; without `lasting` for good."""

    at: Duration = Field(description="after the trigger")
    lasting: Duration | None = Field(None, description="for so long; without the key for good")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.lasting is not None and self.lasting <= 0:
            raise Misplaced((("lasting",), "expected more than 0s; without the key it is for good"))
        return self


class NodeDown(_Fault):
    """A node loses power: its pods fall silent at once, leave rotation after `cluster.node_grace`, and are
    replaced after `cluster.eviction` more. If it comes back before, their containers start anew."""

    node: int = Field(strict=True, ge=0, le=99, description="which; from 0")


class NodeSlow(_Fault):
    """Everything on a node takes `slower` times as long: requests, starts, pulls. Its proxy does not."""

    node: int = Field(strict=True, ge=0, le=99, description="which; from 0")
    slower: float = Field(strict=True, gt=1, le=1000, description="so many times as long")


class NodeDrain(_Fault):
    """A node is cordoned and its pods are evicted, as far as the disruption budget allows, the others every
    5 s anew, as `kubectl drain` does. When it is over, the node takes pods again."""

    node: int = Field(strict=True, ge=0, le=99, description="which; from 0")


class SlowDependency(_Fault):
    """What the service calls answers late: every request takes `adds` longer, or `slower` times as long."""

    of: Literal["all", "stable", "candidate"] = Field("all", description="requests of which version")
    adds: Duration = written("0s", "so much longer")
    slower: float = Field(1.0, strict=True, ge=1, le=1000, description="so many times as long")

    @model_validator(mode="after")
    def _some(self) -> "SlowDependency":
        if self.adds <= 0 and self.slower == 1:
            raise Misplaced((("adds",), "expected adds: more than 0s, or slower: more than 1"))
        return self


class RouterStall(_Fault):
    """The router's control loop stands still: changes of endpoints and routes wait until it is over."""


class MetricsGap(_Fault):
    """Scrapes of that time show nothing: guards see no requests and are inconclusive."""


class SlowApi(_Fault):
    """The API server answers `slower` times as slowly: the release, and the Deployments' controllers."""

    slower: float = Field(strict=True, gt=1, le=100_000, description="so many times as long")


class NoRoom(_Fault):
    """Others take whatever room there is or becomes free: pods created now wait until it is over."""


class Fault(Model):
    """A fault as written: exactly one key, and that key names the kind."""

    node_down: NodeDown | None = None
    node_slow: NodeSlow | None = None
    node_drain: NodeDrain | None = None
    slow_dependency: SlowDependency | None = None
    router_stall: RouterStall | None = None
    metrics_gap: MetricsGap | None = None
    slow_api: SlowApi | None = None
    no_room: NoRoom | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Fault":
        if len(self.model_fields_set) != 1 or self.happening is None:
            raise ValueError("expected exactly one kind of fault: " + ", ".join(type(self).model_fields))
        return self

    @property
    def kind(self) -> str:
        """The key: node_down, slow_api …"""
        return next(iter(self.model_fields_set))

    @property
    def happening(self) -> "Happening | None":
        """What stands under the key."""
        return getattr(self, self.kind, None)


Happening = NodeDown | NodeSlow | NodeDrain | SlowDependency | RouterStall | MetricsGap | SlowApi | NoRoom


class Operator(Model):
    """A person: how long until a call is noticed, and then until what is decided is done."""

    notices: Time = a_time({"median": "3m", "p95": "15m"}, "from the call to the person being there")
    acts: Time = a_time({"median": "2m", "p95": "8m"}, "from then to having acted")


Faults = Annotated[tuple[Fault, ...], Field(max_length=100)]
