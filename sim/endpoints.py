"""How a pod's readiness and a route reach the proxies that act on them: the EndpointSlice, its watchers' lag,
kube-proxy's sync slot, ingress-nginx's rate limit and its workers' poll.

A proxy believes what it last synced; the kernel sends requests by that belief. Time is in nanoseconds.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from scenarios import plan
from scenarios.draws import Purpose, draw, u
from scenarios.mix import Kind
from scenarios.model import Time
from scenarios.route import Lowered
from scenarios.routers import IngressNginx, KubeProxy, LayerSevenProxy, Router
from scenarios.semantics import ingress_nginx, kube_proxy
from sim.clock import Clock, Order, nanoseconds
from sim.habits import Keeps
from sim.pods import Pod
from sim.requests import Requests

SLICE = kube_proxy.SLICE


class Serving(IntEnum):
    """A pod's entry in the EndpointSlice."""

    NOT_READY = 0
    READY = 1
    TERMINATING = 2
    GONE = 3


class Sides(NamedTuple):
    """What the engine has room for: sides for users, perhaps a backend for copies after them.

    `kinds` are those of users that its rules tell apart; None with an engine that knows no rules.
    """

    users: int = 1
    copies: bool = False
    kinds: tuple[Kind, ...] | None = None


class Wiring(NamedTuple):
    """What every proxy is connected to; `acknowledged` is told which route is in force."""

    number: int
    router: Router
    clock: Clock
    requests: Requests
    sides: Sides
    acknowledged: Callable[[int], None]


class Proxy(ABC):
    """One data plane with a view of its own: what it has heard, and what it last put in force."""

    def __init__(self, wiring: Wiring, period: int) -> None:
        self.index, self.router, self.clock, self.requests, self.sides, self.acknowledged = wiring
        self.period = period  # at least so long from one sync to the next
        self.pods: dict[Pod, Serving] = {}
        self.route: Lowered | None = None
        self.generation = 0
        self.last_sync: int | None = None
        self.planned = False
        self.stalled_until = wiring.clock.now
        self.in_kernel: tuple[list[list[int]], list[float]] | None = None
        self.ruled_by: Lowered | None = None
        self.routes_by: Lowered | None = None

    def hear(self, pod: Pod, entry: Serving) -> None:
        """A pod's entry changed; whatever it is, it uses up a sync."""
        if entry is Serving.GONE:
            self.pods.pop(pod, None)
        else:
            self.pods[pod] = entry
        self._plan()

    def told(self, route: Lowered, generation: int) -> None:
        """The route changed."""
        self.route, self.generation = route, generation
        self._plan()

    def start(self, route: Lowered, pods: Iterable[Pod]) -> None:
        """In force since before the trial began."""
        self.route = route
        self.pods = {pod: Serving.READY if pod.ready else Serving.NOT_READY for pod in pods}
        self._put_in_force(self._endpoints(), route, 0)

    def _plan(self) -> None:
        if not self.planned:
            self.planned = True
            self.clock.at(self._next_sync(), Order.ENDPOINT, self._run)

    def _run(self) -> None:
        if self.clock.now < self.stalled_until:
            self.clock.at(self.stalled_until, Order.ENDPOINT, self._run)
            return
        self.planned, self.last_sync = False, self.clock.now
        self._sync()

    @abstractmethod
    def _next_sync(self) -> int:
        """When a change heard now is worked on."""

    @abstractmethod
    def _sync(self) -> None:
        """Put what was heard in force."""

    def _endpoints(self) -> list[list[int]]:
        """Kernel slots by backend, as the view has them; those that get copies are the last."""
        assert self.route is not None
        found = [self._slots(pools) for pools in self.route.backends]
        found += [[]] * (self.sides.users - len(found))
        copies = (self.route.copies,) if self.route.copies is not None else ()
        return [*found, self._slots(copies)] if self.sides.copies else found

    def _slots(self, pools: tuple[str, ...]) -> list[int]:
        return self._with(pools, Serving.READY)

    def _with(self, pools: tuple[str, ...], entry: Serving) -> list[int]:
        return [pod.slot for pod, now in self.pods.items() if now is entry and pod.pool in pools]

    def _put_in_force(self, endpoints: list[list[int]], route: Lowered, generation: int) -> None:
        self.routes_by = route
        wanted = endpoints, [*route.weights, *[0.0] * (len(endpoints) - len(route.weights))]
        if self.sides.kinds is not None and route is not self.ruled_by:
            self.requests.advance(self.clock.seconds)
            rules = [route.rule_for(kind) for kind in self.sides.kinds]
            self.requests.stick(self.index, keeps(self.router, route), rules, route.copied)
            self.ruled_by = route
        if wanted != self.in_kernel:
            self.requests.advance(self.clock.seconds)
            for backend, slots in enumerate(wanted[0]):
                self.requests.rotate(self.index, backend, slots)
            self.requests.weigh(self.index, wanted[1])
            self.in_kernel = wanted
        self.acknowledged(generation)


class KubeProxyNode(Proxy):
    """One node's kube-proxy: at once after a quiet period, else a period after its last sync."""

    def _next_sync(self) -> int:
        if self.last_sync is None:
            return self.clock.now
        return int(kube_proxy.next_sync(self.clock.now, self.last_sync, self.period))

    def _slots(self, pools: tuple[str, ...]) -> list[int]:
        """Ready endpoints; where there is none, terminating ones that still serve (KEP-1669)."""
        return self._with(pools, Serving.READY) or self._with(pools, Serving.TERMINATING)

    def _sync(self) -> None:
        assert self.route is not None
        self._put_in_force(self._endpoints(), self.route, self.generation)


class IngressController(Proxy):
    """One ingress-nginx controller: a rate-limited queue, then a worker that polls for what was written."""

    def __init__(self, wiring: Wiring, settings: IngressNginx, phase: int) -> None:
        super().__init__(wiring, nanoseconds(settings.sync_period))
        self.poll, self.phase = nanoseconds(settings.poll), phase

    def _next_sync(self) -> int:
        return ingress_nginx.next_sync(self.clock.now, self.last_sync, self.period)

    def _sync(self) -> None:
        assert self.route is not None
        endpoints, route, generation = self._endpoints(), self.route, self.generation
        found = ingress_nginx.next_poll(self.clock.now, self.phase, self.poll)
        self.clock.at(found, Order.ENDPOINT, lambda: self._put_in_force(endpoints, route, generation))


class PushedProxy(Proxy):
    """A layer-7 proxy whose control plane pushes every change as it comes."""

    def _next_sync(self) -> int:
        return self.clock.now

    def _sync(self) -> None:
        assert self.route is not None
        self._put_in_force(self._endpoints(), self.route, self.generation)


class Endpoints:
    """The EndpointSlices of the service and everyone who watches them."""

    def __init__(
        self,
        router: Router,
        nodes: int,
        lag: Time,
        seed: int,
        clock: Clock,
        requests: Requests,
        acknowledged: Callable[[], None],
        sides: Sides = Sides(),  # noqa: B008 - a frozen value
    ) -> None:
        self.clock, self.seed, self.sides = clock, seed, sides
        self.lag = (router.propagation if isinstance(router, LayerSevenProxy) else lag).distribution()
        self.route: Lowered | None = None
        self.generation = 0
        self.in_force = [0] * proxies(router, nodes)
        self.last_heard = [clock.now] * proxies(router, nodes)
        self._acknowledged = acknowledged
        self.proxies = [
            self._proxy(router, index, clock, requests) for index in range(proxies(router, nodes))
        ]

    def _proxy(self, router: Router, index: int, clock: Clock, requests: Requests) -> Proxy:
        def acknowledged(generation: int) -> None:
            self._in_force(index, generation)

        wiring = Wiring(index, router, clock, requests, self.sides, acknowledged)
        if isinstance(router, KubeProxy):
            return KubeProxyNode(wiring, nanoseconds(router.min_sync_period))
        if isinstance(router, LayerSevenProxy):
            return PushedProxy(wiring, 0)
        phase = int(u(self.seed, Purpose.ROUTER, index) * nanoseconds(router.poll))
        return IngressController(wiring, router, phase)

    def _in_force(self, index: int, generation: int) -> None:
        if generation != self.in_force[index]:
            self.in_force[index] = generation
            if self.settled:
                self._acknowledged()

    @property
    def settled(self) -> bool:
        """Whether every proxy has the latest route in force."""
        return all(generation == self.generation for generation in self.in_force)

    def start(self, route: Lowered, pods: Iterable[Pod]) -> None:
        """The route and the pods as they were before the trial."""
        self.route, pods = route, list(pods)
        for proxy in self.proxies:
            proxy.start(route, pods)

    def stall(self, until: int) -> None:
        """No proxy syncs before `until`; what was due by then is done at its end, as one sync."""
        for proxy in self.proxies:
            proxy.stalled_until = max(proxy.stalled_until, until)

    def pod(self, pod: Pod, entry: Serving) -> None:
        """A pod's entry changed: each watcher hears of it in its own time."""
        for proxy in self.proxies:
            self._tell(proxy, (pod.number, entry), lambda proxy=proxy: proxy.hear(pod, entry))  # type: ignore[misc]

    def set_route(self, route: Lowered) -> None:
        """The Service's selector or the Ingress is written.

        An API server to which the same is written that stands there tells nobody of it: there is nothing to
        wait for but what is on its way already.
        """
        if route == self.route:
            if self.settled:
                self._acknowledged()
            return
        self.route = route
        self.generation += 1
        generation = self.generation
        for proxy in self.proxies:
            self._tell(proxy, (-generation,), lambda proxy=proxy: proxy.told(route, generation))  # type: ignore[misc]

    def _tell(self, proxy: Proxy, about: tuple[int, ...], call: Callable[[], None]) -> None:
        lag = nanoseconds(draw(self.lag, u(self.seed, Purpose.ENDPOINTS, proxy.index, *about)))
        # a watch is a stream: nothing in it overtakes what came before
        when = max(self.clock.now + SLICE + lag, self.last_heard[proxy.index])
        self.last_heard[proxy.index] = when
        self.clock.at(when, Order.ENDPOINT, call)


def proxies(router: Router, nodes: int) -> int:
    """How many views of its own this router has in a cluster of so many nodes."""
    match router:
        case KubeProxy():
            return nodes
        case IngressNginx():
            return router.controllers
        case LayerSevenProxy():
            return router.proxies


def keeps(router: Router, route: Lowered) -> Keeps:
    """How the router keeps users on a side, in the engine's words."""
    if isinstance(router, IngressNginx) and router.affinity == "legacy":
        return "first"
    return _KEEPS[route.sticky]


_KEEPS: dict[plan.Sticky, Keeps] = {
    plan.Sticky.NONE: "no",
    plan.Sticky.HASH: "hash",
    plan.Sticky.CANDIDATE: "last",
    plan.Sticky.BOTH: "both",
}
