"""What each router makes of a route, and what it says where it cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.plan import ByReplicas, Split, split, whole
from scenarios.route import Lowered, Unrealisable, lower, most_backends
from scenarios.routers import IngressNginx, KubeProxy

SERVICE = KubeProxy(kind="kube-proxy")
NGINX = IngressNginx(kind="ingress-nginx")


@pytest.mark.parametrize("router", [SERVICE, NGINX], ids=["kube-proxy", "ingress-nginx"])
def test_pods_of_several_pools_are_one_backend(router: KubeProxy | IngressNginx) -> None:
    assert lower(whole("left", "right"), router) == Lowered((("left", "right"),), (1.0,))


@pytest.mark.parametrize("router", [SERVICE, NGINX], ids=["kube-proxy", "ingress-nginx"])
def test_all_to_one_pool_is_no_split(router: KubeProxy | IngressNginx) -> None:
    assert lower(split({"main": 1.0, "canary": 0.0}), router) == Lowered((("main",),), (1.0,))


def test_a_service_cannot_weigh_requests() -> None:
    with pytest.raises(Unrealisable, match="ingress-nginx router, or let the ratio of pods decide"):
        lower(split({"main": 0.9, "canary": 0.1}), SERVICE)


def test_ingress_nginx_takes_the_first_pool_as_the_primary_one() -> None:
    assert lower(split({"main": 0.9, "canary": 0.1}), NGINX) == Lowered((("main",), ("canary",)), (0.9, 0.1))


def test_ingress_nginx_knows_one_canary() -> None:
    with pytest.raises(Unrealisable, match="split between two pools"):
        lower(split({"a": 0.5, "b": 0.25, "c": 0.25}), NGINX)


@given(st.floats(0.001, 0.999))
def test_a_share_is_realised_to_a_millionth_and_fits_the_backends(share: float) -> None:
    lowered = lower(split({"main": 1 - share, "canary": share}), NGINX)
    assert abs(lowered.weights[1] - share) <= 1e-6
    assert sum(lowered.weights) == pytest.approx(1.0)
    assert len(lowered.backends) <= most_backends(NGINX)


@pytest.mark.parametrize("shares", [(), (("a", 0.5),), (("a", 1.5), ("b", -0.5)), (("a", 1.0), ("b", 0.0))])
def test_a_split_that_is_none_cannot_be_built(shares: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(ValueError, match="split"):
        Split(shares)


def test_routes_say_themselves() -> None:
    assert str(split({"main": 0.9, "canary": 0.1})) == "90% to main, 10% to canary"
    assert str(ByReplicas(("left", "right"))) == "every ready pod of left and right"
