"""`Requests` as the control plane uses it: what each change does, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scenarios.distributions import Constant, Exponential, LogNormal
from scenarios.tally import CANDIDATE, STABLE, Grid, Status, quantile
from sim import kernel
from sim.requests import Requests, shared_blocks

SERVICE = (LogNormal.of(mean=0.05, cv=1.0), LogNormal.of(mean=0.05, cv=1.0))


def world(**changes: Any) -> Requests:
    usual: dict[str, Any] = {
        "seed": 1, "rate": 200.0, "users": 1000, "activity": "even", "grid": Grid(-10, 50, 2), "slots": 4,
        "queue": 50, "timeout": 1.0, "service": SERVICE, "trace": True,
    }  # fmt: skip
    return Requests(**(usual | changes))


def test_without_trouble_everybody_is_answered() -> None:
    requests = world()
    requests.rotate(0, 0, [requests.add_pod(STABLE, 0.0, -100.0) for _ in range(4)])
    tally = requests.finish()
    assert tally.counts.sum() == len(requests.rows()["due"])
    assert tally.counts[:, STABLE, Status.OK].sum() == tally.counts.sum()


def test_without_endpoints_nobody_is() -> None:
    tally = world(empty=Status.UNAVAILABLE).finish()
    assert tally.counts[:, :, Status.UNAVAILABLE].sum() == tally.counts.sum() > 0


@pytest.mark.parametrize("balance", ["random", "round_robin", "least_outstanding"])
def test_pods_in_rotation_get_the_same_share(balance: str) -> None:
    """Also those at the end, with gaps between the slots, and at little load, where ties are the rule."""
    requests = world(balance=balance, grid=Grid(0, 600, 2))
    pods = [requests.add_pod(STABLE, 0.0, 0.0) for _ in range(40)]
    requests.rotate(0, 0, pods[1::2])
    requests.finish()
    share = np.bincount(requests.rows()["slot"], minlength=40)[1::2] / len(requests.rows()["slot"])
    assert share.sum() == 1
    assert share == pytest.approx(np.full(20, 0.05), rel=0.06)


def test_weights_are_shares_of_requests() -> None:
    requests = world(backends=3, grid=Grid(0, 200, 2))
    for backend in range(3):
        requests.rotate(0, backend, [requests.add_pod(STABLE, 0.0, 0.0)])
    requests.weigh(0, [0.5, 0.2, 0.3])
    requests.finish()
    slot = requests.rows()["slot"]
    assert np.bincount(slot) / len(slot) == pytest.approx([0.5, 0.2, 0.3], abs=0.01)


def test_a_backend_of_weight_zero_gets_nothing() -> None:
    requests = world(backends=2)
    for backend in range(2):
        requests.rotate(0, backend, [requests.add_pod(backend, 0.0, 0.0)])
    requests.weigh(0, [1.0, 0.0])
    assert requests.finish().counts[:, CANDIDATE].sum() == 0


def test_draining_ends_when_the_last_work_does() -> None:
    requests = world(service=(Constant(0.5), Constant(0.5)), rate=20.0, slots=2, queue=9)
    pod = requests.add_pod(STABLE, 0.0, -10.0)
    assert requests.busy_until(pod) == -np.inf
    requests.rotate(0, 0, [pod])
    requests.advance(5.0)
    requests.rotate(0, 0, [])
    last = requests.busy_until(pod)
    assert requests.outstanding(pod, 5.0) > 2
    assert requests.outstanding(pod, np.nextafter(last, 0)) == 1
    assert requests.outstanding(pod, last) == 0
    requests.finish()
    rows = requests.rows()
    served = rows["start"][(rows["slot"] == pod) & ~np.isnan(rows["start"])]
    assert last == pytest.approx(served.max() + 0.5)


def test_outstanding_is_what_the_rows_say() -> None:
    requests = world(rate=150.0, slots=3)
    pods = [requests.add_pod(STABLE, 0.0, -10.0) for _ in range(3)]
    requests.rotate(0, 0, pods)
    looked = {}
    for t in np.arange(-9.5, 20.0, 1.7):
        requests.advance(t)
        looked[t] = [requests.outstanding(pod, t) for pod in pods]
    rows = requests.rows()
    start, status = rows["start"], rows["status"]
    work = np.where(np.isnan(start), 0.0, rows["end"] - start)
    assert Status.TIMEOUT not in status
    for t, expected in looked.items():
        inside = (rows["due"] < t) & (rows["end"] > t) & (work >= 0) & (status != Status.REJECTED)
        assert np.bincount(rows["slot"][inside], minlength=3).tolist() == expected


def test_slots_are_used_again_once_nothing_refers_to_them() -> None:
    requests = world()
    first, second = requests.add_pod(STABLE, 0.0, 0.0), requests.add_pod(STABLE, 0.0, 0.0)
    requests.rotate(0, 0, [first, second])
    requests.advance(0.0)
    requests.remove(first)
    assert requests.add_pod(STABLE, 0.0, 0.0) == 2  # still in rotation
    requests.rotate(0, 0, [second])
    assert requests.busy_until(first) > 0
    assert requests.add_pod(STABLE, 0.0, 0.0) == 3  # still at work
    requests.advance(10.0)
    assert requests.add_pod(CANDIDATE, 0.0, 0.0) == first


def test_work_of_a_pod_that_is_gone_is_not_lost_when_its_slot_is_used_again() -> None:
    requests = world(balance="least_outstanding")
    old = requests.add_pod(STABLE, 0.0, 0.0)
    for k in range(200):
        requests.advance(k * 0.2)
        new = requests.add_pod(k % 2, 0.0, requests.now)
        requests.rotate(0, 0, [new])
        requests.remove(old)
        old = new
    tally = requests.finish()
    assert tally.counts.sum() == tally.arrivals.sum()
    assert len(np.unique(requests.rows()["slot"])) < 40


@pytest.mark.parametrize("balance", ["random", "round_robin", "least_outstanding"])
def test_four_thousand_pods(balance: str) -> None:
    requests = world(balance=balance, grid=Grid(0, 10, 2), rate=5000.0)
    pods = [requests.add_pod(STABLE, 0.0, 0.0) for _ in range(4200)]
    requests.rotate(0, 0, pods[::-1])
    requests.finish()
    slots, count = np.unique(requests.rows()["slot"], return_counts=True)
    assert len(slots) > 4190
    assert count.max() < 40


def test_a_quantile_read_in_the_kernel_is_that_of_the_tally() -> None:
    requests = world(grid=Grid(-10, 50, 2, 2), backends=2)
    for backend in range(2):
        requests.rotate(0, backend, [requests.add_pod(backend, 0.0, 0.0) for _ in range(3 - backend)])
    requests.weigh(0, [0.7, 0.3])
    requests.advance(40.0)
    for window in ((-10, 40), (0, 2), (10, 12), (40, 40), (44, 52)):
        for versions in ((0, 1), (0,), (1,)):
            for share in (0.0, 0.5, 0.99, 1.0):
                expected = quantile(requests.tally.latencies(*window, versions), share)
                assert requests.quantile(share, *window, versions) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"balance": "least_outstanding", "proxies": 2}, "needs proxies = 1"),
        ({"balance": "least_outstanding", "tries": 2}, "needs proxies = 1"),
        ({"timeout": 300.0, "grid": Grid(0, 9, 400)}, "timeout must be"),
        ({"timeout": 2.0}, "timeout must be"),
        ({"proxies": 5000}, "proxies must be"),
        ({"slots": 0}, "slots=0"),
        ({"queue": -1}, "queue=-1"),
        ({"empty": Status.OK}, "empty must be"),
        ({"users": 0}, "users must be"),
        ({"warm_up": ((0.5, 3.0), None)}, "warm_up must be"),
        ({"warm_up": (None, (2.0, float("inf")))}, "warm_up must be"),
    ],
)
def test_what_it_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        world(**changes)


@pytest.mark.parametrize("shares", [[0.5, 0.4], [1.0], [1.5, -0.5], [0.2, 0.3, 0.5]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="shares must be 2 numbers"):
        world(backends=2).weigh(0, shares)


def test_time_does_not_go_back() -> None:
    requests = world()
    requests.advance(3.0)
    for t in (2.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="time cannot go back"):
            requests.advance(t)


def test_pods_that_are_not_there_are_refused() -> None:
    requests = world(backends=2)
    pod = requests.add_pod(STABLE, 0.0, 0.0)
    with pytest.raises(ValueError, match="version must be 0 or 1"):
        requests.add_pod(2, 0.0, 0.0)
    for slots in ([pod + 1], [-1]):
        with pytest.raises(ValueError, match="slots must be from 0 to 0"):
            requests.rotate(0, 0, slots)
    with pytest.raises(ValueError, match="more slots than pods"):
        requests.rotate(0, 0, [pod, pod])
    for proxy, backend in ((1, 0), (0, 2), (-1, 0)):
        with pytest.raises(ValueError, match="there is no backend"):
            requests.rotate(proxy, backend, [pod])
    with pytest.raises(ValueError, match="there is no pod in slot 1"):
        requests.kill(1, 0.0)


def test_the_kernel_refuses_scattered_arrays() -> None:
    requests = world()
    state = [requests._pods._replace(free=requests._pods.free[:, ::2])]
    with pytest.raises(ValueError, match="contiguous"):
        kernel.references(state)  # type: ignore[arg-type]


def test_shared_blocks_give_what_own_ones_give() -> None:
    service = (LogNormal.of(median=0.04, p95=0.12), Exponential(0.05))
    drawn = (7, 120.0, 300, "zipf")
    grid = Grid(-20, 60, 3)
    shared = shared_blocks(*drawn, service=service, start=-20, horizon=60)
    assert shared is not None

    def rows(**more: object) -> dict[str, object]:
        requests = Requests(*drawn, grid, 4, 10, 2.0, service, trace=True, **more)  # type: ignore[arg-type]
        slots = [requests.add_pod(k % 2, 0.01, -100.0) for k in range(4)]
        requests.rotate(0, 0, slots)
        requests.weigh(0, [1.0])
        requests.advance(30.0)
        requests.kill(slots[0], 30.0)
        requests.refuse(slots[0])
        requests.finish()
        return dict(requests.rows())

    own = rows()
    for again in (rows(shared=shared), rows(shared=shared)):
        for name, column in own.items():
            assert np.array_equal(column, again[name], equal_nan=name == "start"), name


def test_too_many_requests_are_not_kept() -> None:
    service = (Exponential(0.05), Exponential(0.05))
    assert shared_blocks(1, 1e5, 10, "even", service=service, start=-60, horizon=3600) is None
