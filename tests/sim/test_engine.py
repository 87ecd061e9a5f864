"""Which engine a trial gets, and that what it is told is what the scenario says."""

import pytest

from rolloutlab import load
from scenarios.record import ARM, Trial
from scenarios.scenario import Scenario
from scenarios.tally import Status
from sim.general_requests import GeneralRequests
from sim.requests import Requests
from sim.world import World

MESH = "routers.mesh={kind: proxy}"
CANARY = "strategies.canary.canary.via=mesh"


def world(*overrides: str, strategy: str = "canary", candidate: str = "errors") -> World:
    return World(Trial(load("quickstart", overrides), strategy, candidate, 1))


@pytest.mark.parametrize("strategy", [ARM, *load("quickstart").strategies])
def test_an_ordinary_world_has_the_fast_engine(strategy: str) -> None:
    assert type(world(strategy=strategy).requests) is Requests


def test_weights_alone_need_no_more_behind_a_proxy() -> None:
    assert type(world(MESH, CANARY).requests) is Requests


@pytest.mark.parametrize(
    "overrides",
    [
        ("traffic.client.retries=1",),
        ("traffic.connections={per_user: true}",),
        ("routers.edge.affinity=legacy",),
        (MESH, CANARY, "routers.mesh.retries={tries: 2}"),
        (MESH, CANARY, "strategies.canary.canary.sticky=hash"),
        ("strategies.canary.canary.match=[{header: Region, value: north}]",),
        ("candidates.errors.errors=[{share: 5%, of: connections}]",),
        ("candidates.errors.errors=[{share: 5%, of: requests, load: 80%}]",),
        ("candidates.errors.leak={slower: 2.0, over: 1m}",),
        ("candidates.errors.crash={on_request: 1%}",),
        ("cluster.autoscaler={min: 5, max: 20}",),
        ("faults=[{node_slow: {node: 1, slower: 2.0, at: 1m}}]",),
    ],
)
def test_what_is_more_gets_the_general_one(overrides: tuple[str, ...]) -> None:
    assert type(world(*overrides).requests) is GeneralRequests


def test_attributes_are_told_apart_only_where_something_asks_for_them() -> None:
    mix = "traffic.mix={header.Region: {north: 10%}}"
    assert type(world(mix).requests) is Requests
    ruled = world(mix, "strategies.canary.canary.match=[{header: Region, value: north}]").requests
    assert isinstance(ruled, GeneralRequests)
    assert ruled.habits.kinds == 2
    assert ruled.habits.kind.mean() == pytest.approx(0.9, abs=0.02)  # kind 0 is north


def test_errors_of_some_are_told_by_kind() -> None:
    some = "candidates.errors.errors=[{share: 40%, of: requests, when: {header.Region: north}}]"
    requests = world("traffic.mix={header.Region: {north: 10%}}", some).requests
    assert isinstance(requests, GeneralRequests)
    assert requests.habits.errors[0].tolist() == [[0.0, 0.0], [pytest.approx(0.4), 0.0]]


def test_a_proxy_tries_again_what_it_is_told_to() -> None:
    habits = world(MESH, CANARY, "routers.mesh.retries={tries: 3, when: [refused, error]}").requests.habits
    assert (habits.proxy_tries, habits.proxy_on) == (3, {Status.REFUSED, Status.ERROR})


@pytest.mark.parametrize("mode", ["iptables", "nftables", "ipvs"])
def test_a_service_is_as_its_mode(mode: str) -> None:
    """iptables and nftables draw, ipvs goes in turn: then no pod gets more than its share."""
    chosen: Scenario = load("quickstart", (f"routers.service.mode={mode}", "cluster.nodes=1"))
    requests = World(Trial(chosen, ARM, None, 1)).requests
    assert int(requests._settings.whole[5]) == (1 if mode == "ipvs" else 0)
