"""A Service as a router: its selector is the route; every node's kube-proxy follows it. Pure."""

from live.objects import Made, Manifest, service
from live.routers import Change, led
from scenarios.plan import Route
from scenarios.route import lower

WEB = "web"


def objects(made: Made, _namespace: str) -> list[Manifest]:
    """One Service, reached by a port of the node."""
    (pools,) = lower(made.plan.route, made.router).backends
    return [service(made, WEB, pools, node_port=True)]


def changes(made: Made, route: Route) -> list[Change]:
    """Another selector."""
    (pools,) = lower(route, made.router).backends
    return [led(made, WEB, pools)]
