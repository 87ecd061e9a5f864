"""The demo app is the simulated server: same words, times and outcomes, bit for bit, on a clock of ours."""

from __future__ import annotations

import ast
import heapq
import json
import math
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live import app
from live.behaviour import document
from scenarios import draws, load, mix, traffic
from scenarios.distributions import Exponential, LogNormal, Quantiles, Samples
from scenarios.draws import Purpose
from scenarios.record import ARM, Trial
from scenarios.scenario import Scenario
from scenarios.tally import Grid, Status
from sim import engine
from sim.general_requests import GeneralRequests
from sim.kit import Kit
from sim.requests import Requests

ENDS, GIVES_UP, ARRIVES = 1, 2, 3  # the order of what happens at one time, as in the simulator
SOURCE = Path(app.__file__)

# --- chance --------------------------------------------------------------------------------------


@given(st.integers(0, 1 << 40), st.sampled_from(list(Purpose)), st.integers(-(1 << 40), 1 << 40))
def test_words_are_those_of_draws(seed: int, purpose: Purpose, index: int) -> None:
    stream = draws.stream(seed, purpose)
    expected = draws.words(stream, [index])
    assert app.word(stream, index) == int(expected[0])
    assert app.uniform(int(expected[0])) == draws.uniform(expected)[0]
    assert app.high(int(expected[0])) == draws.error_field(expected)[0]
    assert app.again(int(expected[0]), 3) == int(draws.again(expected, 3)[0])
    assert app.uniform(app.word(stream, index, 5)) == draws.u(seed, purpose, index, 5)


@pytest.mark.parametrize(
    "distribution",
    [
        Exponential(0.2),
        LogNormal.of(median=0.04, p95=0.12),
        Quantiles((0.0, 0.5, 1.0), (0.005, 0.04, 2.0)),
        Samples.of([0.01, 0.02, 0.5]),
    ],
)
def test_quantiles_are_those_of_draws(distribution: Any) -> None:
    nodes = draws.table(distribution)
    shares = np.concatenate((np.random.default_rng(1).random(5000), 1 - np.geomspace(1e-9, 1e-3, 500)))
    expected = draws.quantile(nodes, shares)
    assert [app.quantile(nodes.tolist(), share) for share in shares.tolist()] == expected.tolist()


def test_the_source_asks_for_no_more_than_python_3_9_without_packages() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


# --- one pod, on a clock of ours -----------------------------------------------------------------


class Loop:
    """As much of an event loop as the app uses, in virtual time."""

    def __init__(self, start: float) -> None:
        self.now, self.number = start, count()
        self.plans: list[tuple[float, int, int, Callable[..., object], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, then: Callable[..., object], *arguments: Any, order: int = ENDS) -> None:
        heapq.heappush(self.plans, (when, order, next(self.number), then, arguments))

    def call_later(self, delay: float, then: Callable[..., object], *arguments: Any) -> None:
        self.call_at(self.now + delay, then, *arguments)

    def call_soon(self, then: Callable[..., object], *arguments: Any) -> None:
        self.call_at(self.now, then, *arguments)

    def run(self, until: float = math.inf) -> None:
        while self.plans and self.plans[0][0] <= until:
            self.now, _, _, then, arguments = heapq.heappop(self.plans)
            then(*arguments)


class Wire:
    """A connection's other end: what was written, and when the last of it."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.written, self.at, self.closed = loop, b"", math.nan, False

    def write(self, data: bytes) -> None:
        self.written, self.at = self.written + data, self.loop.now

    def close(self) -> None:
        self.closed = True

    abort = write_eof = close

    def resume_reading(self) -> None: ...

    pause_reading = resume_reading

    @property
    def statuses(self) -> list[int]:
        return [int(part.split(b" ", 1)[0]) for part in self.written.split(b"HTTP/1.1 ")[1:]]


def opened(server: app.Server, loop: Loop) -> tuple[app.Connection, Wire]:
    connection, wire = app.Connection(server), Wire(loop)
    connection.connection_made(wire)  # type: ignore[arg-type]
    return connection, wire


def pod_of(scenario: Scenario, version: str = "candidate", seed: int = 1, name: str = "pod-7") -> app.Pod:
    """A pod as the process makes it: of the document, through JSON."""
    candidate = next(iter(scenario.variants))
    return app.Pod(json.loads(json.dumps(document(scenario, candidate, seed))), version, name)


def head(number: int, user: int, carried: mix.Kind) -> bytes:
    cookies = "; ".join(f"{name}={value}" for name, value in carried.of("cookie").items())
    headers = {"Host": "x", "X-Rolloutlab-Request": number, "X-Rolloutlab-User": user}
    headers |= carried.of("header") | ({"Cookie": cookies} if cookies else {})
    return ("GET / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode()


def world(text: str) -> Scenario:
    return load.loads(
        "format: rolloutlab/1\nname: one-pod\nservice: {replicas: 1, slots: 4, queue: 10}\n"
        "clock: {settle: 1s, horizon: 30s}\nstrategies: {rolling: {rolling: {}}}\n" + text
    )


GRID = Grid(-1, 30, 10)


def simulated(scenario: Scenario, seed: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The simulator's rows of one pod of the candidate that all requests go to, listening since −1 s."""
    monkeypatch.setattr(engine, "Requests", partial(Requests, trace=True))
    monkeypatch.setattr(engine, "GeneralRequests", partial(GeneralRequests, trace=True))
    candidate = next(iter(scenario.variants))
    versions = [scenario.version(name, candidate) for name in ("stable", "candidate")]
    kits = [
        Kit(seed, index, version, scenario.pods(version), scenario.cluster.delays)
        for index, version in enumerate(versions)
    ]
    trial, router = Trial(scenario, ARM, candidate, seed), next(iter(scenario.routers.values()))
    requests, _ = engine.requests_of(trial, kits, router, (), GRID)
    failing = versions[1].share_failing("requests")
    slot = requests.add_pod(1, failing, float(GRID.start))
    for proxy in range(scenario.cluster.nodes):
        requests.rotate(proxy, 0, [slot])
    requests.finish()
    return requests.rows()


def served(scenario: Scenario, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """When each request of the same schedule ended at the app, and how, its clients being as patient."""
    demand, loop = scenario.traffic, Loop(float(GRID.start))
    server = app.Server(pod_of(scenario, seed=seed), loop)  # type: ignore[arg-type]
    server.pod.since = float(GRID.start)
    plan = traffic.schedule(
        seed, demand.intended.curve(), demand.users.count, demand.users.activity, GRID.start, GRID.horizon
    )
    kinds = mix.kinds(demand.mix)
    kind_of = mix.kind_of_users(seed, demand.users.count, demand.mix)
    wires: list[Wire] = []
    timeout = float(demand.client.timeout)

    def give_up(connection: app.Connection, wire: Wire) -> None:
        if not wire.written:
            wire.at = loop.now
            connection.eof_received()
            connection.connection_lost(None)

    def arrive(number: int, user: int) -> None:
        connection, wire = opened(server, loop)
        wires.append(wire)
        connection.data_received(head(number, user, kinds[kind_of[user]]))
        loop.call_at(loop.now + timeout, give_up, connection, wire, order=GIVES_UP)

    for number, due, user in zip(plan.index.tolist(), plan.due.tolist(), plan.user.tolist(), strict=True):
        loop.call_at(due, arrive, number, user, order=ARRIVES)
    loop.run()
    return np.array([wire.at for wire in wires]), np.array([status_of(wire) for wire in wires])


def status_of(wire: Wire) -> Status:
    if not wire.written:
        return Status.TIMEOUT
    (code,) = wire.statuses
    if code == 503:
        assert b"X-Rolloutlab-Rejected: 1\r\n" in wire.written
    return {200: Status.OK, 500: Status.ERROR, 503: Status.REJECTED}[code]


BUSY = "traffic: {rate: 70/s, users: {count: 50}, client: {timeout: 250ms}}\n"
USUAL = "service_time: {median: 40ms, p95: 160ms}"
MIXED = (
    "traffic: {rate: 60/s, users: {count: 50}, client: {timeout: 1s}, "
    "mix: {header.Region: {north: 40%}, cookie.beta: {'1': 30%}, user.browser: {old: 30%, new: 30%}}}\n"
)
WORLDS = {
    "overload": (BUSY, USUAL),
    "always the same": (BUSY, "service_time: 50ms"),
    "exponential": (BUSY, "service_time: {exponential: 50ms}"),
    "errors of requests": (BUSY, USUAL + ", errors: [{share: 20%, of: requests}, {share: 5%, of: requests}]"),
    "errors of users": (BUSY, USUAL + ", errors: [{share: 30%, of: users}, {share: 5%, of: requests}]"),
    "errors of connections": (BUSY, USUAL + ", errors: [{share: 30%, of: connections}]"),
    "errors under load": (BUSY, USUAL + ", errors: [{share: 40%, of: requests, load: 75%}]"),
    "warm-up": (BUSY, USUAL + ", warm_up: {slower: 3, lasting: 12s}"),
    "leak": (BUSY, USUAL + ", leak: {slower: 2, over: 20s}"),
    "by header": (MIXED, USUAL + ", errors: [{share: 40%, of: requests, when: {header.Region: north}}]"),
    "by cookie": (MIXED, USUAL + ", errors: [{share: 40%, of: users, when: {cookie.beta: '1'}}]"),
    "by user": (MIXED, USUAL + ", errors: [{share: 90%, of: requests, when: {user.browser: new}}]"),
    "by both": (
        MIXED,
        USUAL + ", errors: [{share: 90%, of: requests, when: {user.browser: old, header.Region: north}}, "
        "{share: 10%, of: connections}, {share: 10%, of: users}]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WORLDS)
def test_a_pod_does_what_the_simulated_one_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, runs = WORLDS[name]
    scenario = world(f"{asked}versions: {{candidate: {{{runs}}}}}\n")
    rows = simulated(scenario, 3, monkeypatch)
    ends, statuses = served(scenario, 3)
    assert statuses.tolist() == rows["status"].tolist()
    assert ends.tolist() == rows["end"].tolist()
    found = set(statuses.tolist())
    expected = {Status.OK} | ({Status.ERROR} if "errors" in runs else set())
    expected |= {Status.REJECTED} if asked is BUSY else set()
    expected |= {Status.TIMEOUT} if asked is BUSY and USUAL in runs else set()
    assert expected <= found, "this world is to show each outcome"


# --- what a pod draws for itself -----------------------------------------------------------------

TRAFFIC = "traffic: {rate: 1/s}\n"


def test_faulty_pods_are_drawn_by_name() -> None:
    scenario = world(TRAFFIC + "versions: {candidate: {errors: [{share: 30%, of: pods}]}}\n")
    names = [f"main-{k:05x}" for k in range(200)]
    broken = [pod_of(scenario, name=name).failing == 1.0 for name in names]
    assert broken == [draws.u(1, Purpose.POD_ERROR, 1, *name.encode()) < 0.3 for name in names]
    assert 30 < sum(broken) < 90
    assert all(pod_of(scenario, "stable", name=name).failing == 0.0 for name in names[:20])


def test_starts_are_drawn_by_name() -> None:
    scenario = world(
        TRAFFIC + "versions: {stable: {start: {median: 2s, p95: 5s}}, candidate: {start: never}}\n"
    )
    times = scenario.versions.stable.start.distribution()  # type: ignore[union-attr]
    for name in ("main-1", "main-2"):
        expected = draws.draw(times, draws.u(1, Purpose.START, 0, *name.encode()))
        assert pod_of(scenario, "stable", name=name).start() == expected
    assert pod_of(scenario).start() == math.inf


def test_chance_exits_come_at_exponential_intervals() -> None:
    pod = pod_of(world(TRAFFIC + "versions: {candidate: {crash: {per_hour: 7.2}}}\n"))
    lives = np.array([pod.life() for _ in range(4000)])
    assert lives.mean() == pytest.approx(500, rel=0.1)  # six standard errors
    assert (lives > 500).mean() == pytest.approx(math.exp(-1), abs=0.05)


def test_ages_at_which_a_process_exits() -> None:
    after = world(
        TRAFFIC + "versions: {candidate: {crash: {after_start: 3s}, leak: {over: 2s, crash: true}}}\n"
    )
    assert pod_of(after).life() == 2.0
    assert pod_of(after, "stable").life() == math.inf


def test_who_says_no_number_gets_a_draw_by_chance() -> None:
    pod = pod_of(
        world(
            TRAFFIC
            + "versions: {candidate: {errors: [{share: 30%, of: requests}, {share: 10%, of: users}]}}\n"
        )
    )
    failed = sum(pod.fails(app.Drawn(pod.streams, None, None), {}, 0) for _ in range(4000))
    assert failed / 4000 == pytest.approx(0.37, abs=0.05)
    demands = {app.Drawn(pod.streams, None, None).once("DEMAND") for _ in range(100)}
    assert len(demands) == 100


def test_a_further_try_draws_its_error_anew_and_its_work_not() -> None:
    pod = pod_of(world(TRAFFIC + "versions: {candidate: {errors: [{share: 50%, of: requests}]}}\n"))
    tries = [app.Drawn(pod.streams, 5, 1, attempt) for attempt in range(40)]
    assert len({drawn.once("DEMAND") for drawn in tries}) == 1
    first = draws.words(draws.stream(1, Purpose.CHOICE), [5])
    expected = [int(word[0]) for word in (first, *(draws.again(first, k) for k in range(1, 40)))]
    assert [drawn.anew("CHOICE") for drawn in tries] == expected
    assert {pod.fails(drawn, {}, 0) for drawn in tries} == {True, False}


def test_requests_that_kill_are_those_of_the_simulator() -> None:
    pod = pod_of(world(TRAFFIC + "versions: {candidate: {crash: {on_request: 2%}}}\n"))
    killing = [k for k in range(2000) if pod.kills(app.Drawn(pod.streams, k, 0))]
    shares = draws.uniform(draws.words(draws.stream(1, Purpose.POISON), np.arange(2000)))
    assert killing == np.flatnonzero(shares < 0.02).tolist() and len(killing) > 10


# --- the room, probes and impatient clients ------------------------------------------------------

SLOW = "versions: {candidate: {service_time: 1s}}\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PROBE = b"GET /rolloutlab/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def busy() -> tuple[app.Server, Loop]:
    """A pod with one slot, which is busy until t = 1, and room for two."""
    scenario = load.loads(
        "format: rolloutlab/1\nname: small\nservice: {replicas: 1, slots: 1, queue: 2}\n"
        "strategies: {rolling: {rolling: {}}}\n" + TRAFFIC + SLOW
    )
    loop = Loop(0.0)
    server = app.Server(pod_of(scenario), loop)  # type: ignore[arg-type]
    opened(server, loop)[0].data_received(GET)
    return server, loop


def send(server: app.Server, loop: Loop, data: bytes) -> tuple[app.Connection, Wire]:
    connection, wire = opened(server, loop)
    connection.data_received(data)
    return connection, wire


def test_a_liveness_probe_waits_for_a_slot_and_takes_none(busy: tuple[app.Server, Loop]) -> None:
    server, loop = busy
    _, probe = send(server, loop, PROBE)
    _, after = send(server, loop, GET)
    loop.run(1.5)
    assert probe.statuses == [200] and probe.at == 1.0
    loop.run(3.0)
    assert after.statuses == [200] and after.at == 2.0


def test_a_readiness_probe_waits_for_nothing(busy: tuple[app.Server, Loop]) -> None:
    server, loop = busy
    waiting = [send(server, loop, GET)[1] for _ in range(2)]
    _, ready = send(server, loop, PROBE.replace(b"live", b"ready"))
    assert ready.statuses == [200] and not any(wire.written for wire in waiting)
    assert send(server, loop, PROBE)[1].statuses == [503]


def test_who_waits_and_goes_makes_room(busy: tuple[app.Server, Loop]) -> None:
    server, loop = busy
    (gone, _), (_, stays) = (send(server, loop, GET) for _ in range(2))
    assert send(server, loop, GET)[1].statuses == [503]
    gone.eof_received()
    gone.connection_lost(None)
    assert not send(server, loop, GET)[1].written
    loop.run(2.5)
    assert stays.at == 2.0


def test_who_is_served_and_goes_keeps_the_slot(busy: tuple[app.Server, Loop]) -> None:
    server, loop = busy
    (being_served,) = server.connections
    _, after = send(server, loop, GET)
    being_served.eof_received()
    being_served.connection_lost(None)
    loop.run(3.0)
    assert after.at == 2.0


def test_a_late_timer_takes_no_capacity_away(busy: tuple[app.Server, Loop]) -> None:
    server, loop = busy
    _, waits = send(server, loop, GET)
    loop.now = 1.9  # the loop was held up; a request comes before its timers do
    _, comes = send(server, loop, GET)
    assert [end for end, _, _ in server.room.busy] == [2.0]
    loop.run(4.0)
    assert (waits.at, comes.at) == (2.0, 3.0)


# --- HTTP ----------------------------------------------------------------------------------------

BAD = {
    b"nonsense\r\n": 400,
    b"get / http/1.1\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01": 400,
    b"GET / HTTP/1.1\r\n\r\n": 400,  # no host
    b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n": 411,
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n": 413,
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 101 + b"\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000: 431,
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n": 431,
    b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n": 501,
    b"GET / HTTP/2.0\r\n\r\n": 505,
}


@pytest.fixture
def idle() -> tuple[app.Server, Loop]:
    """A pod that answers at once."""
    loop = Loop(0.0)
    scenario = world(
        TRAFFIC + "versions: {candidate: {service_time: 0s, answers: {headers: {X-Is: v2}, body: two}}}\n"
    )
    return app.Server(pod_of(scenario), loop), loop  # type: ignore[arg-type]


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[:40]))
@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_what_is_no_request_is_refused(idle: tuple[app.Server, Loop], data: bytes, piece: int) -> None:
    server, loop = idle
    connection, wire = opened(server, loop)
    for at in range(0, len(data), piece):
        connection.data_received(data[at : at + piece])
    assert wire.statuses == [BAD[data]] and wire.closed
    connection.data_received(GET)
    loop.run(0.5)
    assert wire.statuses == [BAD[data]], "nothing more is served there"


@given(data=st.binary(max_size=200), piece=st.integers(1, 200))
def test_any_bytes_leave_the_server_well(data: bytes, piece: int) -> None:
    loop = Loop(0.0)
    server = app.Server(pod_of(world(TRAFFIC)), loop)  # type: ignore[arg-type]
    connection, _ = opened(server, loop)
    for at in range(0, len(data), piece):
        connection.data_received(data[at : at + piece])
    connection.connection_lost(None)
    loop.run(5.0)
    assert not server.connections and not server.room.busy
    _, other = send(server, loop, GET)
    loop.run(10.0)
    assert other.statuses == [200]


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_requests_one_after_the_other(idle: tuple[app.Server, Loop], piece: int) -> None:
    server, loop = idle
    data = (
        GET
        + b"POST / HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\nhello\r\n"
        + b"HEAD /?a=b HTTP/1.1\r\nHost:x\r\n\r\n"
        + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n"
        + GET
    )
    connection, wire = opened(server, loop)
    for at in range(0, len(data), piece):
        connection.data_received(data[at : at + piece])
        loop.run(loop.now)
    answers = wire.written.split(b"HTTP/1.1 ")[1:]
    assert wire.statuses == [200] * 4 and wire.closed
    assert [part.endswith(b"\r\n\r\ntwo") for part in answers] == [True, True, False, True]
    assert all(b"Content-Length: 3\r\n" in part and b"X-Is: v2\r\n" in part for part in answers)
    assert [b"Connection: close\r\n" in part for part in answers] == [False, False, False, True]


@pytest.mark.parametrize(("asked", "keeps"), [(b"", False), (b"Connection: keep-alive\r\n", True)])
def test_http_1_0_closes_unless_asked(idle: tuple[app.Server, Loop], asked: bytes, keeps: bool) -> None:
    server, loop = idle
    _, wire = send(server, loop, b"GET / HTTP/1.0\r\n" + asked + b"\r\n")
    loop.run(0.0)
    assert wire.statuses == [200] and wire.closed is not keeps


def test_a_body_may_be_waited_for(idle: tuple[app.Server, Loop]) -> None:
    server, loop = idle
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    connection, wire = send(server, loop, head)
    assert wire.statuses == [100]
    connection.data_received(b"body")
    loop.run(0.0)
    assert wire.statuses == [100, 200]


def test_who_dawdles_is_sent_away(idle: tuple[app.Server, Loop]) -> None:
    server, loop = idle
    _, dawdles = send(server, loop, GET[:-3])
    _, says_nothing = opened(server, loop)
    _, kept = send(server, loop, GET)
    loop.run(0.0)
    loop.now = app.PATIENCE + 1
    server._sweep()
    assert dawdles.statuses == [408] and dawdles.closed and says_nothing.closed and not kept.closed
    loop.now = app.IDLE + 1
    server._sweep()
    assert kept.closed


def test_an_error_has_a_body_of_its_own() -> None:
    loop = Loop(0.0)
    scenario = world(
        TRAFFIC + "versions: {candidate: {errors: [{share: 100%, of: requests}], answers: {body: two}}}\n"
    )
    server = app.Server(pod_of(scenario), loop)  # type: ignore[arg-type]
    _, wire = send(server, loop, GET.replace(b"Host", b"X-Rolloutlab-Request: -3\r\nHost"))
    loop.run()
    assert wire.statuses == [500] and b"X-Rolloutlab-Version: candidate\r\n" in wire.written
    body = json.loads(wire.written.partition(b"\r\n\r\n")[2])
    assert body == {"version": "candidate", "pod": "pod-7", "status": 500, "request": -3}


@pytest.mark.parametrize("value", ["", "x", "1.5", "9" * 40, "-", "٣"])
def test_a_number_that_is_none_counts_for_nothing(value: str) -> None:
    request = app.Request(f"GET / HTTP/1.1\r\nHost: x\r\nX-Rolloutlab-Request: {value}".encode())
    assert request.number("x-rolloutlab-request") is None
