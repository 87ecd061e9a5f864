"""What a router makes of a route: the backends it knows and their weights, or why it cannot.

Pure. The simulator, live mode and `check` all ask here, so what a router cannot do is said at the door.
"""

from dataclasses import dataclass

from scenarios.plan import ByReplicas, Pool, Route, Split
from scenarios.routers import IngressNginx, KubeProxy, Router
from scenarios.semantics import ingress_nginx


class Unrealisable(ValueError):
    """This world cannot do it; the text says why and what could be done instead."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A route as a router has it: backends, each the pods of some pools, with weights that sum to 1.

    The first backend is the primary one: where it has no endpoint, the router answers for all.
    """

    backends: tuple[tuple[Pool, ...], ...]
    weights: tuple[float, ...]


def most_backends(router: Router) -> int:
    """How many backends a route of this router can have."""
    return 2 if isinstance(router, IngressNginx) else 1


def lower(route: Route, router: Router) -> Lowered:
    """The route in this router's terms. Raises Unrealisable."""
    match route, router:
        case ByReplicas(pools), _:
            return Lowered((pools,), (1.0,))
        case Split(((pool, _),)), _:
            return Lowered(((pool,),), (1.0,))
        case Split(to), IngressNginx():
            return _weighted(to)
        case Split(), KubeProxy():
            raise Unrealisable(
                "a Service cannot weigh requests: every ready pod gets alike; "
                "go via an ingress-nginx router, or let the ratio of pods decide"
            )
    raise Unrealisable(f"{router.kind} cannot do {route}")


def _weighted(to: tuple[tuple[Pool, float], ...]) -> Lowered:
    if len(to) != 2:
        raise Unrealisable("ingress-nginx knows one canary beside the primary; split between two pools")
    (primary, _), (canary, share) = to
    realised = ingress_nginx.share(*ingress_nginx.weight(share))
    return Lowered(((primary,), (canary,)), (1 - realised, realised))
