"""Calibration: delays out of instants against the models they are fed to, and a real one on the cluster."""

import http.client
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onenode.target import Cluster

from live import delays
from live import load as load_
from live import site as site_
from live.calibrate import _service
from live.delays import Exchange, Instants, Life, Pair, Switch, ahead, of_ingress, of_lives, of_service
from live.journal import entries
from live.lives import Lane, Told, silent_from
from live.objects import POOL
from live.replay import Entry
from live.switches import Switched
from live.trial import WORKSHOP, NotReady
from live.watch import Change
from scenarios import overlay
from scenarios.load import load
from scenarios.overlay import Origin, Overlay
from scenarios.semantics import ingress_nginx, kube_proxy
from scenarios.semantics.kubelet import SECOND

ORIGIN = Origin(
    cluster_uid="4f2c0f8e-5d9c-4b39-9f6f-0d8f5c6d3a10",
    context="rolloutlab-test",
    versions={"kubernetes": "v1.34.3"},
    made="2026-11-20T10:00:00+00:00",
    runs=("0a1b2c3d",),
)
NS = 1e-9


def life(**changed: Any) -> Life:
    """A pod created at 100 s that listens 0.8 s after its process began, seen running a little before."""
    usual = {
        "created": 100.0, "began": 100.12, "running": 100.7, "declared": 0.79, "listening": 100.92,
        "probed": 101.701, "ready": 101.712, "deleted": 105.0, "closed": 105.02, "silent": 105.11,
        "gone": 105.81, "margin": 0.0003,
    }  # fmt: skip
    return Life(**{**usual, **changed})


# --- clocks -----------------------------------------------------------------------------------------


def test_a_pods_clock_is_read_by_the_shortest_exchange() -> None:
    """Ahead by 1,000 s, with answers that dawdle on their way back by all but one."""
    sent = [10.0, 11.0, 12.0]
    back = [0.3, 0.001, 0.05]
    asked = [
        Exchange(at, at + 0.001 + late, Instants(0, 0, 0, 0, at + 0.001 + 1000))
        for at, late in zip(sent, back, strict=True)
    ]
    offset, margin = ahead(asked)
    assert offset == pytest.approx(1000, abs=margin + NS)
    assert margin == pytest.approx(0.001)


# --- pods -------------------------------------------------------------------------------------------


def test_a_life_comes_to_its_delays() -> None:
    found = of_lives([life()])
    wanted = {
        "container": 0.12, "relist": 0.58, "start": 0.01, "readiness": 0.011,
        "sigterm": 0.02, "address": 0.09, "removal": 0.7,
    }  # fmt: skip
    assert {key: values[0] for key, values in found.items()} == pytest.approx(wanted)


def test_what_was_not_seen_or_came_before_its_cause_by_a_clocks_error_counts_so() -> None:
    found = of_lives([life(silent=None, listening=100.9, declared=0.79)])
    assert "address" not in found
    assert found["start"] == [0.0]


@pytest.mark.parametrize(
    ("listening", "ready"),
    [
        (100.3, 100.71),  # before it is seen running: at once
        (100.71, 101.71),  # a second later
        (101.69, 101.71),
        (101.75, 102.71),  # then every second
        (103.2, 103.71),
    ],
)
def test_the_model_of_the_kubelet_says_when_a_pod_is_ready(listening: float, ready: float) -> None:
    """docs/timing.md: probes at R, R + 1 s, R + 1 s + k · period, and 10 ms to be told of it."""
    one = life(listening=listening, ready=ready)
    assert one.expected == pytest.approx(ready, abs=1e-6)
    assert one.on_tick
    assert not life(listening=listening, ready=ready + 1.0).on_tick


def told(kind: str, uid: str, at: float, *, ready: bool = False, running: bool = False) -> Change:
    status: dict[str, Any] = {"phase": "Running" if running else "Pending"}
    if running:
        status |= {"podIP": "10.0.0.7", "conditions": [{"type": "Ready", "status": str(ready)}]}
    metadata = {"uid": uid, "name": f"pod-{uid}", "labels": {POOL: "lane-0"}}
    return Change(kind, {"metadata": metadata, "status": status}, at)  # type: ignore[arg-type]


def test_the_fold_of_the_watch_keeps_the_first_of_each_and_waits_for_the_pod_that_is_meant() -> None:
    fold = Told()
    fold.tell(told("added", "a", 1.0))
    fold.tell(told("modified", "a", 2.0, running=True))
    fold.tell(told("modified", "a", 3.0, running=True, ready=True))
    fold.tell(told("modified", "a", 4.0, running=True, ready=True))
    fold.tell(told("deleted", "a", 5.0, running=True))
    assert fold.wait("lane-0", "gone", "pod-a").at == {
        "created": 1.0, "running": 2.0, "ready": 3.0, "deleted": 5.0, "gone": 5.0,
    }  # fmt: skip
    later = threading.Timer(0.1, lambda: fold.tell(told("added", "b", 6.0, running=True, ready=True)))
    later.start()
    assert fold.wait("lane-0", "ready").name == "pod-b"
    fold.stopping.set()
    with pytest.raises(NotReady, match="no pod of lane-1"):
        fold.wait("lane-1", "ready")


def test_an_address_is_silent_that_neither_takes_nor_refuses() -> None:
    """A socket whose backlog is full answers nothing; a port where nobody listens refuses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert silent_from("127.0.0.1", port, time.monotonic() + 0.2) is None
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        kept = [socket.socket() for _ in range(4)]
        for one in kept:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        begun = time.monotonic()
        found = silent_from("127.0.0.1", port, begun + 5.0)
        for one in kept:
            one.close()
    assert found is not None
    assert begun <= found < begun + 1.0


# --- routers: samples drawn from the simulator's own model lead back to its numbers -------------------


def proxied(lag: float, period: float, number: int) -> Pair:
    """What a quiet kube-proxy does of two switches, by the model of its rate limit."""
    patched = 10.0 * number
    first = kube_proxy.next_sync(patched + delays.SLICE + lag, patched - 2.0, period)
    hurried = first + 0.3
    second = kube_proxy.next_sync(hurried + delays.SLICE + lag, first, period)
    return Pair(Switch(patched, first), Switch(hurried, second))


def test_kube_proxys_lag_and_rate_limit_are_told_apart() -> None:
    found = of_service(proxied(0.017, 1.0, number) for number in range(5))
    assert found["endpoints"] == pytest.approx([0.017] * 5)
    assert found["proxy_sync"] == pytest.approx([1.0] * 5)


def ingress(number: int, poll: float, period: float, heard: float) -> Pair:
    """What a quiet ingress-nginx does of two switches, by the model of its queue and its worker."""

    def seconds(patched: float, last: int | None) -> tuple[int, float]:
        heard_at = round((patched + delays.SLICE + heard) * SECOND)
        synced = ingress_nginx.next_sync(heard_at, last, round(period * SECOND))
        return synced, ingress_nginx.next_poll(synced, 0, round(poll * SECOND)) / SECOND

    patched = 20.0 * number + number * 0.6180339887498949 % 1.0
    synced, first = seconds(patched, None)
    _, second = seconds(first + 0.3, synced)
    return Pair(Switch(patched, first), Switch(first + 0.3, second))


def test_ingress_nginxs_poll_and_rate_limit_lead_back_to_the_simulators() -> None:
    found = of_ingress((ingress(number, 1.0, 3.334, 0.02) for number in range(60)), 0.02)
    there = overlay.applied(load("ingress-weight-header-cookie"), written(found))
    (router,) = [one for one in there.routers.values() if one.kind == "ingress-nginx"]
    assert router.poll == pytest.approx(1.0, abs=0.05)
    assert router.sync_period == pytest.approx(3.334, abs=0.05)


def test_a_relist_leads_back_to_the_kubelets_clock() -> None:
    """A process that began at any time is seen at a tick of one second, 0.07 s after it at the earliest."""
    began = np.arange(200) * 0.6180339887498949 % 1.0
    seen = np.ceil(began + 0.07)
    found = of_lives([life(began=100 + b, running=100 + s) for b, s in zip(began, seen, strict=True)])
    there = overlay.applied(load("one-node"), written({"relist": found["relist"]}))
    assert there.cluster.delays.relist == pytest.approx(1.0, abs=0.02)


def written(samples: delays.Samples) -> Overlay:
    """The overlay as it is after it was on disk."""
    return overlay.loads(overlay.dumps(delays.overlay(samples, ORIGIN)))


# --- what is told -----------------------------------------------------------------------------------


def test_changes_that_waited_though_it_was_quiet_raise_doubts() -> None:
    assert delays.doubts({"endpoints": [0.02] * 19 + [0.9]}) == []
    (doubt,) = delays.doubts({"endpoints": [0.02] * 17 + [0.9] * 3})
    assert "3 of 20 changes waited for kube-proxy's rate limit" in doubt
    (doubt,) = delays.doubts({"ingress_poll": [0.4, 2.0]})
    assert "1 of 2 changes waited for ingress-nginx's rate limit" in doubt


def test_every_delay_of_an_overlay_has_a_default_beside_it() -> None:
    for key in overlay.Delays.model_fields:
        median, low, high = delays.default(key)
        assert 0 <= low <= median <= high < math.inf
    assert delays.default("relist")[0] == pytest.approx(0.57)
    assert delays.default("container")[0] == pytest.approx(0.12)


def test_a_row_says_what_was_found() -> None:
    (row,) = delays.rows({"sigterm": [0.01, 0.02, 0.03]})
    assert (row.samples, row.default) == (3, (0.02, 0.02, 0.02))
    assert row.found == pytest.approx((0.02, 0.011, 0.029))
    assert row.what == "pod deleted to SIGTERM begun"


def test_a_file_that_is_no_overlay_is_not_replaced(called: Callable[..., Any], tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("format: rolloutlab/1\n")
    answer = called("calibrate", "--context", "rolloutlab-test", "--to", str(mine))
    assert answer.code == 2
    assert "no overlay" in answer.err
    assert mine.read_text() == "format: rolloutlab/1\n"


def test_a_context_that_may_be_somebodys_is_refused(
    called: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://198.51.100.7:6443"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "production", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    answer = called("calibrate", "--context", "production", "--kubeconfig", str(tmp_path / "config"))
    assert answer.code == 4
    assert "--cluster-uid" in answer.err
    assert not (tmp_path / "runs").exists()


# --- a route that is switched, over real connections --------------------------------------------------


@pytest.fixture
def led() -> Iterator[tuple[Entry, list[str]]]:
    """A server whose answers come from the pod that the list names, and that list."""
    now = ["main-1"]
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Rolloutlab-Pod: {now[0]}\r\n"
                connection.sendall(f"{head}Connection: close\r\n\r\n".encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield Entry("http", "127.0.0.1", listening.getsockname()[1]), now
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


def test_a_switch_is_seen_when_requests_follow_it(led: tuple[Entry, list[str]]) -> None:
    entry, now = led
    due = list[float]()

    def lead(pool: str) -> None:
        due.append(time.monotonic() + 0.2)
        threading.Timer(0.2, lambda: now.__setitem__(0, f"{pool}-1")).start()

    pairs = [*Switched(entry, ("main", "canary"), lead).pairs(1, 0.0, 0.0)]
    (pair,) = pairs
    for switch, wanted in zip((pair.quiet, pair.hurried), due, strict=True):
        assert wanted - 0.05 < switch.changed < wanted + 0.15
    assert now == ["main-1"]


# --- what is open is closed -------------------------------------------------------------------------


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[http.client.HTTPConnection]:
    """All that are made from now on."""
    made = list[http.client.HTTPConnection]()

    class Noted(http.client.HTTPConnection):
        def __init__(self, *address: Any, **options: Any) -> None:
            super().__init__(*address, **options)
            made.append(self)

    monkeypatch.setattr(http.client, "HTTPConnection", Noted)
    return made


@pytest.fixture
def mute() -> Iterator[int]:
    """A port where connections are taken and nothing is answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("keeps", [False, True])
def test_an_interrupt_leaves_no_connection_open(
    connections: list[http.client.HTTPConnection], mute: int, keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(connection: http.client.HTTPConnection) -> None:
        assert connection.sock is not None
        raise KeyboardInterrupt

    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", interrupted)
    switched = Switched(Entry("http", "127.0.0.1", mute), ("main", "canary"), lambda _pool: None, keeps)
    with pytest.raises(KeyboardInterrupt):
        switched.switch()
    switched.close()
    assert [connection.sock for connection in connections] == [None]


def test_a_pod_that_does_not_answer_yet_leaves_no_connection_open(
    connections: list[http.client.HTTPConnection], mute: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = Told()
    fold.tell(told("added", "a", 1.0, running=True, ready=True))

    def other(_connection: http.client.HTTPConnection) -> None:
        if len(connections) == 3:
            fold.stopping.set()
        raise ValueError("from another pod")

    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", other)
    lane = Lane(
        "lane-0", "127.0.0.1", mute, fold, lambda _pool, _pods: None, time.monotonic, threading.Lock()
    )
    with pytest.raises(NotReady, match="stopped"):
        lane.life(0)
    assert [connection.sock for connection in connections] == [None] * 3


def test_the_generator_works_in_the_runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill -9 leaves of it is seen there."""
    folders = list[Path]()

    def generator(*given: Any, **_options: Any) -> None:
        folders.append(given[4])
        assert given[4].is_dir()
        raise load_.NotReady("no")

    monkeypatch.setattr(load_, "Generator", generator)
    site: Any = SimpleNamespace(made=SimpleNamespace(scenario=site_.scenario(80.0)), web=None)
    with pytest.raises(load_.NotReady):
        _service(site, lambda *_: None, [], tmp_path)
    (folder,) = folders
    assert folder.parent == tmp_path
    assert folder.name.startswith(WORKSHOP)
    assert not folder.exists()


# --- the cluster ------------------------------------------------------------------------------------


def test_a_real_calibration(
    cluster: Cluster, called: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few samples, on a machine that may be busy: the sizes are of the right kind, and nothing is left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
    reached = ["--image", cluster.image, "--node-address", cluster.address]
    if cluster.ingress:
        reached += ["--ingress-address", cluster.ingress]
    answer = called("calibrate", "--context", cluster.context, "--samples", "3", "-o", "json", *reached)
    assert answer.code in (0, 3), answer.err
    found = overlay.loads((tmp_path / "overlay.yaml").read_text())
    document = json.loads(answer.out)
    (folder,) = (tmp_path / "runs" / "live").iterdir()
    assert found.origin.runs == (folder.name,)
    assert found.origin.context == cluster.context

    pods = {"api", "container", "relist", "readiness", "start", "sigterm", "service"}
    routed = {"endpoints", "proxy_sync"} | ({"ingress_poll", "ingress_sync"} if cluster.ingress else set())
    assert set(document["delays"]) - {"address", "removal"} == pods | routed
    assert document["delays"]["container"]["samples"] == 3
    assert document["delays"]["service"]["samples"] > 400
    medians = {key: told["median"] for key, told in document["delays"].items()}
    assert 0.01 < medians["container"] < 20
    assert 0.05 < medians["relist"] < 10
    assert 0.0 < medians["service"] < 1
    assert 0.9 < medians["proxy_sync"] < 2
    if cluster.ingress:
        assert 2.5 < medians["ingress_sync"] < 8

    there = overlay.applied(load("one-node"), found).cluster.delays
    assert there.container.quantiles == found.delays.container.quantiles  # type: ignore[union-attr]
    assert there.sigterm == pytest.approx(found.delays.sigterm.distribution().mean(), abs=1e-6)  # type: ignore[union-attr]
    assert [entry.what for entry in entries(folder)] == ["namespace", "created", "gone", "finished"]
    named = cluster.kubectl("get", "namespaces", "-o", "name")
    assert f"rolloutlab-{folder.name}" not in named
