"""A scenario: one world, the strategies to try in it, and the candidates to try them with."""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from scenarios.agree import Agree
from scenarios.cluster import Cluster
from scenarios.demand import MAX_REQUESTS, Traffic
from scenarios.errors import Misplaced, harmless, shown
from scenarios.expect import END, Expectation
from scenarios.faults import Faults, Operator
from scenarios.model import Model, Name, Text
from scenarios.plan import CANDIDATE, STABLE, Plan, SetRoute, SetVersion
from scenarios.prefer import Prefer
from scenarios.require import Requirement
from scenarios.route import Unrealisable, lower
from scenarios.routers import IngressNginx, KubeProxy, Router
from scenarios.strategies import Written
from scenarios.tally import Grid
from scenarios.units import write_duration
from scenarios.version import Pods, Service, Version
from scenarios.world import FORMAT, Clock, Guard, Observe, Slo

CONTROL = "control"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What is said about a name that the file does not define."""
    names = ", ".join(harmless(other) for other in known)
    return f"no {kind} is called {shown(name)}; " + (f"there is {names}" if names else "the file names none")


def _kube_proxy() -> dict[str, Router]:
    return {"service": KubeProxy(kind="kube-proxy")}


class Versions(Model):
    """The two versions. The candidate says what differs, after `from: stable`."""

    stable: Version = Field(Version(), description="what serves before the release")
    candidate: Version = Field(Version(), description="what is to be released")


class Scenario(Model):
    """A world and the strategies named in it, validated; every default is filled in."""

    format: Literal["rolloutlab/1"] = Field(FORMAT, description="the language and its version")
    name: Name = Field(description="of the scenario; results go to runs/NAME")
    summary: Text = Field("", description="what it is about, in a sentence or two")
    service: Service = Field(description="what is released")
    versions: Versions = Field(Versions(), description="the old version and the new one")
    candidates: dict[Name, Version] = Field(
        default_factory=dict, description="variants of the candidate; without the key, the candidate as it is"
    )
    traffic: Traffic = Field(description="who asks, and how often")
    cluster: Cluster = Field(Cluster(), description="where the pods run")
    routers: dict[Name, Router] = Field(
        default_factory=_kube_proxy, description="ways in, by name; without the key, `service`, a kube-proxy"
    )
    faults: Faults = Field((), description="what goes wrong at fixed times, whatever the strategy")
    operators: dict[Name, Operator] = Field(
        default_factory=dict, description="people who are called, by name"
    )
    observe: Observe = Field(Observe(), description="what guards see")
    guards: dict[Name, Guard] = Field(default_factory=dict, description="judges of a release, by name")
    strategies: dict[Name, SerializeAsAny[Written]] = Field(
        min_length=1, description="what is compared, by name: each one key, which names its kind"
    )
    slo: Slo = Field(Slo(), description="the objective that says which candidate is bad")
    expect: dict[Name, Expectation] = Field(
        default_factory=dict, description="requests as with curl and who must answer them, by name"
    )
    require: dict[Name, Requirement] = Field(default_factory=dict, description="thresholds for CI, by name")
    agree: Agree | None = Field(None, description="how near live mode must come to what is predicted")
    prefer: Prefer = Field(Prefer(), description="prices, from which the recommendation follows")
    clock: Clock = Field(Clock(), description="how long a trial is")
    seeds: int = Field(
        32, strict=True, ge=1, le=100_000, description="how many trials of each kind are compared"
    )

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        problems: list[tuple[tuple[str | int, ...], str]] = []
        problems += self._undefined()
        problems += self._no_such_node()
        problems += self._demanded("require", self.require) + self._demanded("expect", self.expect)
        if problems:
            raise Misplaced(*problems)
        return self

    def _demanded(
        self, key: str, demands: Mapping[str, Requirement | Expectation]
    ) -> list[tuple[tuple[str | int, ...], str]]:
        """Strategies and candidates of whom something is demanded and whom the file does not define."""
        named: tuple[tuple[str, Iterable[str]], ...]
        named = (("strategy", self.strategies), ("candidate", self.variants))
        return [
            ((key, name, kind), unknown(kind, chosen, known))
            for name, demand in demands.items()
            for kind, known in named
            if (chosen := getattr(demand, kind)) is not None and chosen not in known
        ]

    @model_validator(mode="after")
    def _stages_exist(self) -> Self:
        problems: list[tuple[tuple[str | int, ...], str]] = []
        for name, expected in self.expect.items():
            asked = [expected.strategy] if expected.strategy is not None else [*self.strategies]
            known = list(dict.fromkeys(stage for one in asked for stage in self.stages(one)))
            if expected.when != END and known and expected.when not in known:
                problems.append((("expect", name, "when"), unknown("stage", expected.when, (END, *known))))
        if problems:
            raise Misplaced(*problems)
        return self

    def _undefined(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Names that strategies mention and the file does not define."""
        defined: dict[str, Iterable[str]] = {
            "guard": self.guards, "router": self.routers, "operator": self.operators,
        }  # fmt: skip
        for name, written in self.strategies.items():
            for place, kind, mentioned in written.strategy.mentions():
                if mentioned not in defined[kind]:
                    where = ("strategies", name, written.kind, *place)
                    yield where, unknown(kind, mentioned, defined[kind])

    def _no_such_node(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Faults of nodes that the cluster does not have."""
        nodes = self.cluster.nodes
        for index, fault in enumerate(self.faults):
            number = getattr(fault.happening, "node", None)
            if number is not None and number >= nodes:
                kind = next(iter(fault.model_fields_set))
                there = "only node 0" if nodes == 1 else f"nodes 0 to {nodes - 1}"
                yield ("faults", index, kind, "node"), f"the cluster has {there}"

    @model_validator(mode="after")
    def _cookies_are_users(self) -> Self:
        pooled = self.traffic.connections is not None and self.traffic.connections.pool is not None
        for name, router in self.routers.items():
            if pooled and isinstance(router, IngressNginx) and router.affinity != "none":
                text = "a session cookie is a user's, and users of traffic.connections.pool have none"
                raise Misplaced((("routers", name, "affinity"), text))
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        requests = self.traffic.intended.curve().expected(-self.clock.settle, self.clock.horizon)
        if requests > MAX_REQUESTS:
            most = f"at most {MAX_REQUESTS:.0e} are simulated"
            raise Misplaced((("traffic", "rate"), f"{requests:.3g} requests in one trial; {most}"))
        trace = self.traffic.intended.trace
        if trace is not None and trace.curve().end < self.clock.horizon:
            ends, horizon = write_duration(trace.curve().end), write_duration(self.clock.horizon)
            text = f"it ends at {ends}, before the horizon of {horizon}; give more, or set clock.horizon"
            raise Misplaced((("traffic", "rate", "trace"), text))
        return self

    @cached_property
    def grid(self) -> Grid:
        """The counted seconds; histogram steps divide scrapes and windows, and are at most about 400."""
        horizon, settle = int(self.clock.horizon), int(self.clock.settle)
        common = math.gcd(settle, int(self.observe.every), *(int(g.window) for g in self.guards.values()))
        wanted = horizon / 400
        step = next((d for d in range(1, common + 1) if common % d == 0 and d >= wanted), common)
        return Grid(-settle, horizon, math.ceil(self.traffic.client.patience) + 1, step)

    @cached_property
    def variants(self) -> dict[str, Version]:
        """The candidates by name; the candidate as it stands if the file names none."""
        return dict(self.candidates) or {CANDIDATE: self.versions.candidate}

    def version(self, version: str, candidate: str) -> Version:
        """What runs in pods of `version` (stable or candidate) when that variant is tried."""
        return self.versions.stable if version == STABLE else self.variants[candidate]

    def pods(self, version: Version) -> Pods:
        """Probes and termination of that version's pods: its own keys before the cluster's."""
        if version.pods is None:
            return self.cluster.pods
        own = {key: getattr(version.pods, key) for key in version.pods.model_fields_set}
        return self.cluster.pods.model_copy(update=own)

    def plan(self, strategy: str) -> Plan:
        """The plan of a strategy in this world. Raises Unrealisable where the world cannot do it."""
        chosen = self.strategies[strategy].strategy
        router = self.routers[chosen.via]
        plan = chosen.plan(self.service, router)
        for stage in plan.every_stage():
            for timed in stage.enter:
                if isinstance(timed.action, SetRoute):
                    lower(timed.action.route, router)
        return plan

    def stages(self, strategy: str) -> tuple[str, ...]:
        """The names of its stages, those of the ways back too; none where this world cannot do it."""
        try:
            plan = self.plan(strategy)
        except Unrealisable:
            return ()
        return tuple(dict.fromkeys(stage.name for stage in plan.every_stage()))

    def min_ready(self, action: SetVersion) -> float:
        """The longest that a pod of this action must have been ready before it counts as available."""
        if action.min_ready is not None:
            return action.min_ready
        versions = (self.versions.stable,) if action.version == STABLE else tuple(self.variants.values())
        return max(self.pods(version).min_ready for version in versions)

    def unrealisable(self) -> dict[str, str]:
        """Why, by strategy, for those that this world cannot do."""
        reasons = {}
        for name in self.strategies:
            try:
                self.plan(name)
            except Unrealisable as reason:
                reasons[name] = str(reason)
        return reasons
