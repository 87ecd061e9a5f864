"""A Service as a router: its selector is the route; every node's kube-proxy follows it. Pure."""

from live.objects import Made, Manifest, selector, service
from live.routers import Change
from scenarios.plan import Route
from scenarios.route import lower

WEB = "web"


def objects(made: Made, _namespace: str) -> list[Manifest]:
    """One Service, reached by a port of the node."""
    (pools,) = lower(made.plan.route, made.router).backends
    return [service(made, WEB, pools, node_port=True)]


def changes(made: Made, route: Route) -> list[Change]:
    """Another selector; the old one's label is taken out, as a merge would keep it."""
    (pools,) = lower(route, made.router).backends
    wanted = selector(pools)["selector"]
    gone = {key: None for other in made.targets for key in selector(other)["selector"] if key not in wanted}
    return [Change("", "services", WEB, {"spec": {"selector": gone | wanted}})]
