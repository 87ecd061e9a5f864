"""What each router makes of a route, and what it says where it cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.mix import Kind, kinds
from scenarios.plan import ByReplicas, Match, Route, Rules, Split, Sticky, split, whole
from scenarios.route import Lowered, Unrealisable, lower, sides
from scenarios.routers import IngressNginx, KubeProxy, LayerSevenProxy, Router
from scenarios.semantics.ingress_nginx import Policy

SERVICE = KubeProxy(kind="kube-proxy")
NGINX = IngressNginx(kind="ingress-nginx")
STICKY = IngressNginx(kind="ingress-nginx", affinity="sticky")
PROXY = LayerSevenProxy(kind="proxy")

NORTH = Match("header", "Region", value="north")
BETA = Match("cookie", "beta", value="always")
REST = split({"main": 0.9, "canary": 0.1})


@pytest.mark.parametrize("router", [SERVICE, NGINX], ids=["kube-proxy", "ingress-nginx"])
def test_pods_of_several_pools_are_one_backend(router: KubeProxy | IngressNginx) -> None:
    assert lower(whole("left", "right"), router) == Lowered((("left", "right"),), (1.0,))


@pytest.mark.parametrize("router", [SERVICE, NGINX], ids=["kube-proxy", "ingress-nginx"])
def test_all_to_one_pool_is_no_split(router: KubeProxy | IngressNginx) -> None:
    assert lower(split({"main": 1.0, "canary": 0.0}), router) == Lowered((("main",),), (1.0,))


def test_a_service_cannot_weigh_requests() -> None:
    with pytest.raises(Unrealisable, match="proxy router, or let the ratio of pods decide"):
        lower(split({"main": 0.9, "canary": 0.1}), SERVICE)


def test_ingress_nginx_takes_the_first_pool_as_the_primary_one() -> None:
    lowered = lower(split({"main": 0.9, "canary": 0.1}), NGINX)
    assert (lowered.backends, lowered.weights) == ((("main",), ("canary",)), (0.9, 0.1))
    assert lowered.policy == Policy(weight=10)
    assert not lowered.general


def test_ingress_nginx_knows_one_canary() -> None:
    with pytest.raises(Unrealisable, match="one canary beside the primary"):
        lower(split({"a": 0.5, "b": 0.25, "c": 0.25}), NGINX)


@given(st.floats(0.001, 0.999))
def test_a_share_is_realised_to_a_millionth_and_fits_the_backends(share: float) -> None:
    lowered = lower(split({"main": 1 - share, "canary": share}), NGINX)
    assert abs(lowered.weights[1] - share) <= 1e-6
    assert sum(lowered.weights) == pytest.approx(1.0)
    assert len(lowered.backends) <= sides(NGINX, [])


@pytest.mark.parametrize("router", [NGINX, PROXY], ids=["ingress-nginx", "proxy"])
def test_rules_come_before_weights(router: Router) -> None:
    lowered = lower(Rules(REST, ((NORTH, "canary"), (BETA, "canary"))), router)
    told = {"header.Region": {"north": 0.1, "south": 0.2}, "cookie.beta": {"always": 0.05, "never": 0.05}}
    decided = {tuple(kind.attributes.values()): lowered.rule_for(kind) for kind in kinds(told)}
    assert lowered.general
    assert decided["north",] == decided["north", "never"] == decided["south", "always"] == 1
    assert decided["south",] is decided[()] is None
    # a canary ingress's word for staying away; a proxy knows only what it is told
    assert decided["never",] == (0 if router is NGINX else None)


def test_a_rule_may_lead_where_no_weight_does() -> None:
    for router in (NGINX, PROXY):
        lowered = lower(Rules(whole("main"), ((NORTH, "canary"),)), router)
        assert (lowered.backends, lowered.weights) == ((("main",), ("canary",)), (1.0, 0.0))
        assert lowered.rule_for(Kind({"header.Region": "north"}, 1.0)) == 1


@pytest.mark.parametrize(
    ("router", "route", "said"),
    [
        (SERVICE, Rules(whole("main"), ((NORTH, "canary"),)), "not headers or cookies"),
        (SERVICE, Rules(whole("main"), mirror=("shadow", 1.0)), "cannot copy"),
        (SERVICE, Rules(whole("main"), sticky=Sticky.HASH), "cannot keep users on a version"),
        (NGINX, Rules(whole("main"), mirror=("shadow", 0.5)), "all requests or none"),
        (NGINX, Rules(REST, sticky=Sticky.HASH), "a proxy router can do all of it"),
        (NGINX, Rules(REST, ((NORTH, "main"),)), "no rule that leads to the primary"),
        (NGINX, Rules(REST, ((NORTH, "canary"), (Match("header", "X"), "canary"))), "one header rule"),
        (NGINX, Rules(REST, ((Match("cookie", "beta"), "canary"),)), "always and never"),
        (PROXY, Rules(REST, ((Match("header", "X", pattern="(a"), "canary"),)), "pattern"),
        (NGINX, Rules(REST, ((Match("header", "X", pattern=r"(a)\1"), "canary"),)), "PCRE"),
    ],
)
def test_what_a_router_cannot_do_is_said_with_what_could_be_done(
    router: Router, route: Route, said: str
) -> None:
    with pytest.raises(Unrealisable, match=said):
        lower(route, router)


def test_users_stay_where_the_router_keeps_them() -> None:
    assert lower(REST, STICKY).sticky is Sticky.BOTH
    assert lower(Rules(REST, sticky=Sticky.BOTH), STICKY).general
    assert all(lower(Rules(REST, sticky=how), PROXY).sticky is how for how in Sticky)


@pytest.mark.parametrize("shares", [(), (("a", 0.5),), (("a", 1.5), ("b", -0.5)), (("a", 1.0), ("b", 0.0))])
def test_a_split_that_is_none_cannot_be_built(shares: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(ValueError, match="split"):
        Split(shares)


def test_routes_say_themselves() -> None:
    assert str(split({"main": 0.9, "canary": 0.1})) == "90% to main, 10% to canary"
    assert str(ByReplicas(("left", "right"))) == "every ready pod of left and right"
