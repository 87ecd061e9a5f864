"""What a router makes of a route: the backends it knows, their weights, its rules, or why it cannot.

Pure. The simulator, live mode and `check` all ask here, so what a router cannot do is said at the door.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scenarios.ingress_rules import Unwritable, policy_of
from scenarios.mix import Kind
from scenarios.plan import ByReplicas, Match, Pool, Route, Rules, Split, Sticky
from scenarios.routers import IngressNginx, KubeProxy, LayerSevenProxy, Router
from scenarios.semantics import header_pattern, ingress_nginx
from scenarios.semantics.header_pattern import UnknownPattern
from scenarios.semantics.ingress_nginx import Policy, Side
from scenarios.shares import carries

NO_MATCH = "a Service sees connections, not headers or cookies; go via an ingress-nginx or a proxy router"
NO_WEIGHT = (
    "a Service cannot weigh requests: every ready pod gets alike; go via an ingress-nginx or a proxy router, "
    "or let the ratio of pods decide"
)


class Unrealisable(ValueError):
    """This world cannot do it; the text says why and what could be done instead."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A route as a router has it: sides, each the pods of some pools, with weights that sum to 1.

    The first side is the primary one: where it has no endpoint, the router answers for all. `rules` (or, of a
    canary ingress, its `policy`) come before the weights; `copies` is a pool that gets copies of a share.
    """

    backends: tuple[tuple[Pool, ...], ...]
    weights: tuple[float, ...]
    rules: tuple[tuple[Match, int], ...] = ()
    policy: Policy | None = None
    sticky: Sticky = Sticky.NONE
    copies: Pool | None = None
    copied: float = 0.0

    def rule_for(self, kind: Kind) -> int | None:
        """The side that users of a kind are sent to by rule; None where the weights decide."""
        if self.policy is not None:
            side = ingress_nginx.by_rules(self.policy, kind.of("header"), kind.of("cookie"))
            return int(side is Side.CANARY) if isinstance(side, Side) else None
        return next((side for match, side in self.rules if carries(match, kind.attributes)), None)

    @property
    def general(self) -> bool:
        """Whether more than weights decide, or copies are sent."""
        ruled = bool(self.rules) or (
            self.policy is not None and bool(self.policy.header or self.policy.cookie)
        )
        return ruled or self.sticky is not Sticky.NONE or self.copies is not None


def sides(router: Router, routes: Iterable[Route]) -> int:
    """How many sides for users this router needs for these routes."""
    if isinstance(router, KubeProxy):
        return 1
    most = max((len(lower(route, router).backends) for route in routes), default=1)
    return max(most, 2) if isinstance(router, IngressNginx) else most


def lower(route: Route, router: Router) -> Lowered:
    """The route in this router's terms. Raises Unrealisable."""
    rules = route if isinstance(route, Rules) else Rules(route)
    match router:
        case KubeProxy():
            return _service(rules)
        case IngressNginx():
            return _ingress(rules, router)
        case LayerSevenProxy():
            return _proxied(rules)


def _service(route: Rules) -> Lowered:
    if route.rules:
        raise Unrealisable(NO_MATCH)
    if route.mirror is not None:
        raise Unrealisable("a Service cannot copy requests; go via a proxy or an ingress-nginx router")
    if route.sticky is not Sticky.NONE:
        raise Unrealisable(
            "a Service cannot keep users on a version: its affinity keeps an address on a pod; "
            "go via a proxy router"
        )
    backends, weights = _split(route.otherwise)
    if len(backends) > 1:
        raise Unrealisable(NO_WEIGHT)
    return Lowered(backends, weights)


def _proxied(route: Rules) -> Lowered:
    """All of it: backends in the order of the split, then those that only rules name."""
    backends, weights = _split(route.otherwise)
    for _, pool in route.rules:
        if (pool,) not in backends:
            backends, weights = (*backends, (pool,)), (*weights, 0.0)
    places = tuple((match, backends.index((pool,))) for match, pool in route.rules)
    for match, _ in route.rules:
        _known(match)
    copies, copied = route.mirror or (None, 0.0)
    return Lowered(backends, weights, places, sticky=route.sticky, copies=copies, copied=copied)


def _known(match: Match) -> None:
    try:
        if match.pattern is not None:
            header_pattern.found(match.pattern, "")
    except (UnknownPattern, header_pattern.Broken) as error:
        raise Unrealisable(f"no pattern: {error}") from None


def _ingress(route: Rules, router: IngressNginx) -> Lowered:
    """One ordinary and one canary ingress."""
    backends, weights = _split(route.otherwise)
    canaries = {pool for _, pool in route.rules} - {pool for pools in backends[:1] for pool in pools}
    canaries |= {pool for pools in backends[1:] for pool in pools}
    if len(canaries) > 1 or len(backends) > 2:
        raise Unrealisable("ingress-nginx knows one canary beside the primary; go via a proxy router")
    if any((pool,) == backends[0] for _, pool in route.rules):
        raise Unrealisable("a canary ingress has no rule that leads to the primary; go via a proxy router")
    if route.mirror is not None and route.mirror[1] < 1:
        raise Unrealisable(
            "ingress-nginx copies all requests or none; say share: 100%, or go via a proxy router"
        )
    copies, copied = route.mirror or (None, 0.0)
    sticky = _affinity(route.sticky, router)
    lowered = Lowered(backends, weights, sticky=sticky, copies=copies, copied=copied)
    if not canaries:
        return lowered
    share = weights[1] if len(weights) > 1 else 0.0
    try:
        policy = policy_of([match for match, _ in route.rules], share)
    except (Unwritable, UnknownPattern) as error:
        raise Unrealisable(str(error)) from None
    share = ingress_nginx.share_by_weight(policy)
    return replace(lowered, backends=(backends[0], (*canaries,)), weights=(1 - share, share), policy=policy)


def _affinity(wanted: Sticky, router: IngressNginx) -> Sticky:
    """Its own affinity is what a router has, whatever is wanted of it."""
    has = {"none": Sticky.NONE, "sticky": Sticky.BOTH, "legacy": Sticky.NONE}[router.affinity]
    if wanted not in (Sticky.NONE, has):
        raise Unrealisable(
            f"ingress-nginx with affinity: {router.affinity} cannot keep users so; "
            "with affinity: sticky whoever met a side stays there, a proxy router can do all of it"
        )
    return has


def _split(otherwise: Split | ByReplicas) -> tuple[tuple[tuple[Pool, ...], ...], tuple[float, ...]]:
    if isinstance(otherwise, ByReplicas):
        return (otherwise.pools,), (1.0,)
    return tuple((pool,) for pool, _ in otherwise.to), tuple(share for _, share in otherwise.to)
