"""ingress-nginx as a router: one ordinary and one canary Ingress, each with a Service of its own. Pure.

The canary Ingress stands there from the start with weight 0, so that a step is one annotation and no reload.
"""

from live.objects import Made, Manifest, head, service
from live.routers import Change, led
from scenarios.plan import Pool, Route
from scenarios.route import Lowered, lower
from scenarios.semantics.ingress_annotations import PREFIX, annotations
from scenarios.semantics.ingress_nginx import Policy

PRIMARY, CANARY = "primary", "canary"
CLASS = "nginx"
_OPTIONAL = (
    "canary-weight-total",
    "canary-by-header",
    "canary-by-header-value",
    "canary-by-header-pattern",
    "canary-by-cookie",
)


def host(namespace: str) -> str:
    """The Host that users ask for; no two trials share one."""
    return f"{namespace}.rolloutlab.test"


def objects(made: Made, namespace: str) -> list[Manifest]:
    """Services and Ingresses of both sides, for the plan's first route."""
    lowered = lower(made.plan.route, made.router)
    sides = [(PRIMARY, lowered.backends[0]), (CANARY, _canary(made, lowered))]
    found = [service(made, name, pools, node_port=False) for name, pools in sides]
    found.append(_ingress(made, PRIMARY, namespace, {}))
    found.append(_ingress(made, CANARY, namespace, annotations(lowered.policy or Policy())))
    return found


def changes(made: Made, route: Route) -> list[Change]:
    """Selectors of Services that lead elsewhere at some time of the plan, then the canary's annotations."""
    lowered = lower(route, made.router)
    written = annotations(lowered.policy or Policy())
    dropped = {PREFIX + name: None for name in _OPTIONAL if PREFIX + name not in written}
    sides = zip((PRIMARY, CANARY), lowered.backends, _ever(made), strict=False)
    found = [led(made, name, pools) for name, pools, ever in sides if len(ever) > 1]
    body = {"metadata": {"annotations": dropped | written}}
    return [*found, Change("networking.k8s.io", "ingresses", CANARY, body)]


def _canary(made: Made, lowered: Lowered) -> tuple[Pool, ...]:
    """Whom the canary's Service leads to before any route asks for it."""
    if len(lowered.backends) > 1:
        return lowered.backends[1]
    later = (lower(route, made.router).backends[1:] for route in made.plan.routes)
    return next((pools for backends in later for pools in backends), lowered.backends[0])


def _ever(made: Made) -> tuple[set[tuple[Pool, ...]], set[tuple[Pool, ...]]]:
    """Where each Service leads at any time of the plan."""
    every = [lower(route, made.router).backends for route in made.plan.routes]
    return {backends[0] for backends in every}, {b for backends in every for b in backends[1:]}


def _ingress(made: Made, name: str, namespace: str, notes: dict[str, str]) -> Manifest:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    begun = head("networking.k8s.io/v1", "Ingress", name, made)
    begun["metadata"]["annotations"] = notes
    rule = {"host": host(namespace), "http": {"paths": [path]}}
    return {**begun, "spec": {"ingressClassName": CLASS, "rules": [rule]}}
