"""How readiness and routes reach the proxies: each in its own time, in order, one sync per slot."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.model import Time
from scenarios.plan import split, whole
from scenarios.route import lower
from scenarios.routers import IngressNginx, KubeProxy, Router
from sim.clock import SECOND, Clock, Order
from sim.endpoints import SLICE, Endpoints, Serving, proxies

SERVICE = KubeProxy(kind="kube-proxy")
NEXT = float(SERVICE.min_sync_period)  # from one sync to the next
NGINX = IngressNginx(kind="ingress-nginx")
LAG = 0.02
SEEN = SLICE / SECOND + LAG  # a change, until a proxy hears of it


@dataclass(eq=False)
class Entry:
    """A pod as proxies know it."""

    slot: int
    pool: str = "main"
    ready: bool = False

    @property
    def number(self) -> int:
        return self.slot


@dataclass
class Kernel:
    """What was put in force, and when."""

    clock: Clock
    rotated: list[tuple[float, int, int, list[int]]] = field(default_factory=list)
    weighed: list[tuple[float, int, list[float]]] = field(default_factory=list)

    def advance(self, t: float) -> None:
        assert t == self.clock.seconds

    def rotate(self, proxy: int, backend: int, slots: Sequence[int]) -> None:
        self.rotated.append((self.clock.seconds, proxy, backend, list(slots)))

    def weigh(self, proxy: int, shares: Sequence[float]) -> None:
        self.weighed.append((self.clock.seconds, proxy, list(shares)))


class Net:
    """Endpoints of some pods behind a router, from t = 0, and a log of what its proxies do."""

    def __init__(
        self,
        router: Router,
        pods: Sequence[Entry],
        *,
        nodes: int = 1,
        lag: object = "20ms",
        seed: int = 0,
        pools: Sequence[str] = ("main",),
    ) -> None:
        self.router, self.clock = router, Clock(0)
        self.kernel = Kernel(self.clock)
        self.acknowledged: list[float] = []
        self.endpoints = Endpoints(
            router,
            nodes,
            Time.model_validate(lag),
            seed,
            self.clock,
            self.kernel,  # type: ignore[arg-type]
            lambda: self.acknowledged.append(self.clock.seconds),
        )
        self.endpoints.start(lower(whole(*pools), router), pods)  # type: ignore[arg-type]
        self.at_first = next(slots for _, p, b, slots in self.kernel.rotated if p == b == 0)
        self.kernel.rotated.clear()
        self.kernel.weighed.clear()

    def at(self, t: float, pod: Entry, entry: Serving) -> "Net":
        self.clock.at(round(t * SECOND), Order.POD, lambda: self.endpoints.pod(pod, entry))  # type: ignore[arg-type]
        return self

    def route(self, t: float, route: object) -> "Net":
        lowered = lower(route, self.router)  # type: ignore[arg-type]
        self.clock.at(round(t * SECOND), Order.CONTROLLER, lambda: self.endpoints.set_route(lowered))
        return self

    def run(self, until: float = 60.0) -> "Net":
        self.clock.run(round(until * SECOND))
        return self

    def views(self, proxy: int = 0, backend: int = 0) -> list[tuple[float, list[int]]]:
        """(seconds, slots) each time that the endpoints that a proxy has in force changed."""
        found = [(-1.0, self.at_first)]
        for t, *where, slots in self.kernel.rotated:
            if where == [proxy, backend] and slots != found[-1][1]:
                found.append((t, slots))
        return found[1:]


def ready(*slots: int, pool: str = "main") -> list[Entry]:
    return [Entry(slot, pool, ready=True) for slot in slots]


# --- kube-proxy ----------------------------------------------------------------------------------------


def test_after_a_quiet_second_a_change_is_in_force_at_once() -> None:
    pods, new = ready(0, 1), Entry(2)
    net = Net(SERVICE, pods).at(5.0, new, Serving.READY).run()
    assert net.views() == [(pytest.approx(5.0 + SEEN), [0, 1, 2])]


def test_a_change_within_a_second_of_the_last_sync_waits_for_it_and_shares_it() -> None:
    new, other = Entry(2), Entry(3)
    net = Net(SERVICE, ready(0, 1))
    net.at(5.0, new, Serving.READY).at(5.3, other, Serving.READY).at(5.4, new, Serving.TERMINATING).run()
    assert net.views() == [
        (pytest.approx(5.0 + SEEN), [0, 1, 2]),
        (pytest.approx(5.0 + NEXT + SEEN), [0, 1, 3]),
    ]


def test_an_entry_that_is_not_ready_uses_up_the_slot() -> None:
    # a pod that is ready as soon as it has an address starts its traffic a second later (measured: 1.04 s)
    new = Entry(2)
    net = Net(SERVICE, ready(0)).at(5.0, new, Serving.NOT_READY).at(5.01, new, Serving.READY).run()
    assert net.views() == [(pytest.approx(5.0 + NEXT + SEEN), [0, 2])]


def test_a_removed_pod_stays_in_the_rules_until_the_next_sync() -> None:
    pods = ready(0, 1)
    net = Net(SERVICE, pods).at(5.0, pods[0], Serving.TERMINATING).at(5.2, pods[1], Serving.TERMINATING)
    net.at(5.3, Entry(2), Serving.READY).run()
    assert [slots for _, slots in net.views()] == [[1], [2]]


def test_where_no_pod_is_ready_terminating_ones_go_on_serving_until_they_are_gone() -> None:
    pods = ready(0, 1)
    net = Net(SERVICE, pods)
    net.at(5.0, pods[0], Serving.TERMINATING).at(5.0, pods[1], Serving.TERMINATING)
    net.at(10.0, pods[0], Serving.GONE).at(15.0, pods[1], Serving.GONE).run()
    assert net.views() == [(pytest.approx(10.0 + SEEN), [1]), (pytest.approx(15.0 + SEEN), [])]


def test_a_pod_that_was_never_ready_is_no_fallback() -> None:
    pods = [*ready(0), Entry(1)]
    net = Net(SERVICE, pods).at(5.0, pods[0], Serving.TERMINATING).at(5.0, pods[1], Serving.NOT_READY).run()
    assert net.views() == []  # pod 0 goes on


def test_the_fallback_ends_with_the_first_ready_pod() -> None:
    pods = ready(0)
    net = Net(SERVICE, pods).at(5.0, pods[0], Serving.TERMINATING).at(8.0, Entry(1), Serving.READY).run()
    assert net.views() == [(pytest.approx(8.0 + SEEN), [1])]


def test_only_pools_of_the_route_are_endpoints_and_a_switch_is_one_step() -> None:
    blue, green = ready(0, 1, pool="blue"), ready(2, 3, pool="green")
    net = Net(SERVICE, [*blue, *green], pools=["blue"]).route(5.0, whole("green")).run()
    assert net.views() == [(pytest.approx(5.0 + SEEN), [2, 3])]


# --- acknowledging a route -----------------------------------------------------------------------------


def test_a_route_is_in_force_when_the_last_proxy_has_it() -> None:
    pods = [*ready(0, pool="blue"), *ready(1, pool="green")]
    net = Net(SERVICE, pods, nodes=5, lag={"median": "20ms", "p95": "200ms"}, pools=["blue"])
    net.route(5.0, whole("green"))
    net.clock.at(
        round(5.001 * SECOND),
        Order.TICK,
        lambda: net.acknowledged.append(-1.0 if net.endpoints.settled else 0.0),
    )
    net.run()
    applied = [net.views(proxy)[0][0] for proxy in range(5)]
    assert len(set(applied)) == 5
    assert net.acknowledged == [0.0, max(applied)]  # not settled in between
    assert net.endpoints.settled


def test_a_route_overtaken_by_the_next_is_never_acknowledged() -> None:
    net = Net(SERVICE, ready(0)).at(4.9, Entry(1), Serving.READY)
    net.route(5.0, whole("green")).route(5.1, whole("main")).run()
    assert len(net.acknowledged) == 1


@pytest.mark.parametrize("router", [SERVICE, NGINX])
def test_what_stands_there_already_is_in_force_at_once(router: Router) -> None:
    """Nobody is told of a write that changes nothing; what is on its way is waited for."""
    pods = [*ready(0, pool="main"), *ready(1, pool="green")]
    still = Net(router, pods).route(5.0, whole("main")).run()
    assert (still.acknowledged, still.views()) == ([5.0], [])
    once = Net(router, pods).route(5.0, whole("green")).run()
    twice = Net(router, pods).route(5.0, whole("green")).route(5.01, whole("green")).run()
    assert once.acknowledged == twice.acknowledged and once.acknowledged[0] > 5.01
    assert once.views() == twice.views()


def test_endpoints_that_change_acknowledge_nothing() -> None:
    assert Net(SERVICE, ready(0)).at(5.0, Entry(1), Serving.READY).run().acknowledged == []


# --- ingress-nginx -------------------------------------------------------------------------------------


def test_a_weight_is_in_force_at_the_workers_next_look() -> None:
    for seed in range(10):
        net = Net(NGINX, ready(0), seed=seed).route(5.0, split({"main": 0.9, "canary": 0.1})).run()
        ((when, _, shares),) = net.kernel.weighed
        assert 5.0 + SEEN <= when <= 6.0 + SEEN
        assert shares == [0.9, 0.1]
        assert net.acknowledged == [when]


def test_a_change_soon_after_another_waits_for_the_controllers_rate_limit() -> None:
    net = Net(NGINX, ready(0)).at(5.0, Entry(1), Serving.NOT_READY).at(5.2, Entry(1), Serving.READY).run()
    ((when, _),) = net.views()
    assert 5.0 + SEEN + 3.334 <= when <= 5.0 + SEEN + 3.334 + 1.0


def test_nginx_knows_no_fallback_to_terminating_pods() -> None:
    pods = ready(0)
    assert Net(NGINX, pods).at(5.0, pods[0], Serving.TERMINATING).run().views()[-1][1] == []


def test_what_the_worker_finds_is_what_the_controller_had_synced() -> None:
    for seed in range(10):
        pods = ready(0)
        net = (
            Net(NGINX, pods, seed=seed)
            .at(5.0, Entry(1), Serving.READY)
            .at(5.1, Entry(2), Serving.READY)
            .run()
        )
        assert [slots for _, slots in net.views()] == [[0, 1], [0, 1, 2]]


def test_there_is_a_view_for_each_node_or_controller() -> None:
    assert proxies(SERVICE, 7) == 7
    assert proxies(NGINX, 7) == 1
    assert proxies(IngressNginx(kind="ingress-nginx", controllers=2), 7) == 2


# --- whatever happens ------------------------------------------------------------------------------------

CHANGES = st.lists(
    st.tuples(st.floats(0.1, 8), st.integers(0, 3), st.sampled_from(list(Serving)), st.booleans()),
    max_size=25,
)


@settings(max_examples=60)
@given(CHANGES, st.sampled_from([SERVICE, NGINX]), st.integers(0, 50))
def test_nothing_is_overtaken_and_in_the_end_everybody_has_the_last_word(
    changes: list[tuple[float, int, Serving, bool]], router: Router, seed: int
) -> None:
    pods = ready(0, 1, 2, 3)
    net = Net(router, pods, nodes=2, lag={"median": "20ms", "p95": "2s"}, seed=seed)
    last = {pod.slot: Serving.READY for pod in pods}
    for t, which, entry, reroute in sorted(changes, key=lambda change: change[0]):
        last[which] = entry
        net.at(t, pods[which], entry)
        if reroute:
            net.route(t, whole("main"))
    net.run(until=300)
    assert net.endpoints.settled
    wanted = {slot for slot, entry in last.items() if entry is Serving.READY}
    if not wanted and router is SERVICE:
        wanted = {slot for slot, entry in last.items() if entry is Serving.TERMINATING}
    period = 1.0 if router is SERVICE else 3.334 - 1.0  # syncs keep their distance; the poll blurs it
    for proxy in range(proxies(router, 2)):
        views = net.views(proxy)
        if views:
            assert set(views[-1][1]) == wanted
        times = [t for t, _ in views]
        assert all(b - a >= period - 1e-6 for a, b in pairwise(times))
