"""ingress-nginx as a router: one ordinary and one canary Ingress, each with a Service of its own. Pure.

The canary Ingress stands there from the start with weight 0, so that a step is one annotation and no reload.
"""

from live.objects import Made, Manifest, head, selector, service
from live.routers import Change
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
    """Selectors of both Services, then the canary's annotations."""
    lowered = lower(route, made.router)
    written = annotations(lowered.policy or Policy())
    dropped = {PREFIX + name: None for name in _OPTIONAL if PREFIX + name not in written}
    found = [_select(made, PRIMARY, lowered.backends[0])]
    if len(lowered.backends) > 1:
        found.append(_select(made, CANARY, lowered.backends[1]))
    body = {"metadata": {"annotations": dropped | written}}
    return [*found, Change("networking.k8s.io", "ingresses", CANARY, body)]


def _canary(made: Made, lowered: Lowered) -> tuple[Pool, ...]:
    """Whom the canary's Service leads to before any route asks for it."""
    if len(lowered.backends) > 1:
        return lowered.backends[1]
    later = (lower(route, made.router).backends[1:] for route in made.plan.routes)
    return next((pools for backends in later for pools in backends), lowered.backends[0])


def _select(made: Made, name: str, pools: tuple[Pool, ...]) -> Change:
    wanted = selector(pools)["selector"]
    gone = {key: None for other in made.targets for key in selector(other)["selector"] if key not in wanted}
    return Change("", "services", name, {"spec": {"selector": gone | wanted}})


def _ingress(made: Made, name: str, namespace: str, notes: dict[str, str]) -> Manifest:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    begun = head("networking.k8s.io/v1", "Ingress", name, made)
    begun["metadata"]["annotations"] = notes
    rule = {"host": host(namespace), "http": {"paths": [path]}}
    return {**begun, "spec": {"ingressClassName": CLASS, "rules": [rule]}}
