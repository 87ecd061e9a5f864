"""The demo app as a process of its own on loopback: what only a real clock, real sockets and signals show."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import numpy as np
import pytest

from live import app
from live.behaviour import document
from live.load import Entry, Generator
from scenarios import draws, load, mix
from scenarios.distributions import Constant, LogNormal
from scenarios.draws import Purpose
from scenarios.scenario import Scenario
from scenarios.tally import Grid, Status
from sim.requests import Requests

LONG = 30.0  # seconds; only who hangs needs them
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class App:
    """The process, and where it listens (0: it does not)."""

    process: subprocess.Popen[str]
    port: int
    closing: ExitStack

    def connect(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=LONG)
        connection.connect()
        self.closing.callback(connection.close)
        return connection

    def open(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), LONG)
        self.closing.callback(sock.close)
        return sock

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        return self.process.wait(LONG)


Start = Callable[..., App]


def world(candidate: str, slots: int = 1, queue: int = 2, traffic: str = "rate: 1/s") -> Scenario:
    return load.loads(
        f"format: rolloutlab/1\nname: one-pod\ntraffic: {{{traffic}}}\nclock: {{settle: 1s, horizon: 3s}}\n"
        f"service: {{replicas: 1, slots: {slots}, queue: {queue}}}\n"
        f"versions: {{candidate: {{{candidate}}}}}\nstrategies: {{rolling: {{rolling: {{}}}}}}\n"
    )


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Start]:
    """Starts a pod of a scenario's candidate, and waits until it listens, if told to."""
    with ExitStack() as stack:

        def started(scenario: Scenario, seed: int = 1, wait: bool = True) -> App:
            told = tmp_path / "behaviour.json"
            told.write_text(json.dumps(document(scenario, "candidate", seed)), encoding="utf-8")
            environment = {
                "ROLLOUTLAB_BEHAVIOUR": str(told), "ROLLOUTLAB_VERSION": "candidate", "POD_NAME": "pod-1",
                "ROLLOUTLAB_HOST": "127.0.0.1", "PORT": str(0 if wait else free_port()),
            }  # fmt: skip
            process = subprocess.Popen(
                [sys.executable, "-S", "-u", app.__file__],
                env=environment, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            stack.callback(ended, process)
            if not wait:
                return App(process, int(environment["PORT"]), stack)
            assert process.stdout is not None
            return App(process, json.loads(process.stdout.readline())["listening"], stack)

        yield started


@pytest.fixture
def start(serving: Start) -> Start:
    """Starts a pod that this says of the candidate."""

    def started(candidate: str, slots: int = 1, queue: int = 2, seed: int = 1, wait: bool = True) -> App:
        return serving(world(candidate, slots, queue), seed, wait)

    return started


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def get(connection: HTTPConnection, number: int | None = None, method: str = "GET") -> HTTPResponse:
    headers = {} if number is None else {"X-Rolloutlab-Request": str(number)}
    connection.request(method, "/", headers=headers)
    return connection.getresponse()


def everything(sock: socket.socket) -> bytes:
    """What comes until the other end closes, or resets."""
    sock.settimeout(LONG)
    parts = []
    with suppress(ConnectionResetError):
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


QUICK = "start: 0s, service_time: 0s"

# --- answers -------------------------------------------------------------------------------------


def test_one_connection_carries_many_requests(start: Start) -> None:
    connection = start(QUICK).connect()
    mine = connection.sock.getsockname()
    for method in ("GET", "HEAD", "POST", "GET"):
        answer = get(connection, 7, method)
        body = answer.read()
        assert answer.status == 200 and answer.headers["X-Rolloutlab-Version"] == "candidate"
        assert answer.headers["X-Rolloutlab-Pod"] == "pod-1"
        assert not body if method == "HEAD" else json.loads(body)["request"] == 7
    assert connection.sock.getsockname() == mine


def test_garbage_is_told_so_and_hurts_nobody(start: Start) -> None:
    here = start(QUICK)
    for data, status in ((b"what?\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 10**6, 431)):
        sock = here.open()
        with suppress(ConnectionResetError, BrokenPipeError):
            sock.sendall(data)
        assert everything(sock).startswith(b"HTTP/1.1 %d " % status)
    assert get(here.connect()).status == 200


def test_the_same_requests_fail_as_in_the_simulator(start: Start) -> None:
    connection = start(QUICK + ", errors: [{share: 10%, of: requests}]", seed=5).connect()
    statuses = []
    for number in range(300):
        answer = get(connection, number)
        answer.read()
        statuses.append(answer.status)
    shares = draws.error_field(draws.words(draws.stream(5, Purpose.CHOICE), np.arange(300)))
    assert statuses == np.where(shares < 0.1, 500, 200).tolist()


def test_a_pod_at_its_limit_turns_away_whom_the_simulated_one_does(start: Start) -> None:
    """One request in four is turned away. No two times at which it matters are closer than 30 ms."""
    seed, grid, work = 5498, Grid(0, 6, 6), 0.5
    requests = Requests(seed, 4.0, 20, "even", grid, 2, 1, 5.0, (Constant(work),) * 2, trace=True)
    requests.rotate(0, 0, [requests.add_pod(1, 0.2, 0.0)])
    requests.finish()
    rows = requests.rows()
    served = rows["status"] != Status.REJECTED
    between = np.abs(rows["due"][:, None] - rows["end"][served][None, :])
    assert between.min() > 0.03 and served.sum() < len(served) - 3
    here = start(f"{QUICK[:9]}, service_time: 500ms, errors: [{{share: 20%, of: requests}}]", 2, 1, seed)
    for _ in range(5):  # again where this process was kept from sending in time
        statuses, late = replayed(here, rows["due"])
        if late < 0.02:
            break
    names = {Status.OK: 200, Status.ERROR: 500, Status.REJECTED: 503}
    assert late < 0.02, "this machine is too busy to send requests on time"
    assert statuses == [names[Status(int(status))] for status in rows["status"]]


def replayed(here: App, due: np.ndarray) -> tuple[list[int], float]:
    """Each request sent when it is due, on a connection of its own: statuses, and how late at most."""
    connections = [here.connect() for _ in due]
    begin = time.monotonic() + 0.1

    def one(number: int) -> tuple[int, float]:
        time.sleep(max(0.0, begin + due[number] - time.monotonic()))
        late = time.monotonic() - begin - due[number]
        return get(connections[number], number).status, late

    with ThreadPoolExecutor(len(due)) as pool:
        found = [*pool.map(one, range(len(due)))]
    return [status for status, _ in found], max(late for _, late in found)


def test_no_answer_comes_before_its_time(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    here = start("start: 0s, service_time: {median: 5ms, p95: 15ms}", slots=4)
    table = draws.table(LogNormal.of(median=0.005, p95=0.015))
    words = draws.words(draws.stream(1, Purpose.DEMAND), np.arange(200))
    drawn = draws.quantile(table, draws.uniform(words))
    connection, took = here.connect(), []
    for number in range(200):
        begin = time.perf_counter()
        get(connection, number).read()
        took.append(time.perf_counter() - begin)
    over = np.array(took) - drawn
    with capsys.disabled():
        median, most = np.quantile(over, [0.5, 0.99]) * 1e3
        sys.stdout.write(f"\n  beyond the drawn service time: median {median:.2f} ms, p99 {most:.2f} ms\n")
    assert over.min() > -1e-6


def test_what_the_generator_sends_fails_as_in_the_simulator(serving: Start, tmp_path: Path) -> None:
    """By request and try, by users, and by what they carry: through Locust, real connections and the app."""
    errors = (
        "[{share: 40%, of: requests, when: {header.Region: north}}, "
        "{share: 60%, of: requests, when: {cookie.beta: '1', user.browser: old}}, {share: 20%, of: users}]"
    )
    scenario = world(
        f"{QUICK}, errors: {errors}", 64, 64,
        "rate: 60/s, users: {count: 40}, client: {timeout: 5s, retries: 2, backoff: {base: 20ms}}, "
        "mix: {header.Region: {north: 50%}, cookie.beta: {'1': 60%}, user.browser: {old: 70%}}",
    )  # fmt: skip
    here = serving(scenario, 3)
    entry = Entry("http", "127.0.0.1", here.port, "shop.test")
    with Generator(scenario, "candidate", 3, entry, tmp_path, start=-1.0, horizon=3.0) as generator:
        generator.ready(LONG)
        generator.start(time.monotonic() + 1.3)
        generator.finish(LONG)
        rows, pods = generator.take(), generator.pods
    kinds, kind_of = mix.kinds(scenario.traffic.mix), mix.kind_of_users(3, 40, scenario.traffic.mix)
    version = scenario.versions.candidate
    for row in rows:
        word = draws.words(draws.stream(3, Purpose.CHOICE), [int(row["index"])])
        word = draws.again(word, int(row["attempt"])) if row["attempt"] else word
        fails = version.share_failing_when("requests", kinds[kind_of[row["user"]]].attributes)
        doomed = draws.u(3, Purpose.BUG, int(row["user"])) < 0.2
        assert row["code"] == (500 if doomed or draws.error_field(word)[0] < fails else 200)
    assert pods == ["pod-1"] and set(rows["attempt"].tolist()) == {0, 1, 2}
    assert set(rows["code"].tolist()) == {200, 500}


# --- start and end -------------------------------------------------------------------------------


def test_it_listens_no_earlier_than_it_starts(start: Start) -> None:
    begin = time.monotonic()
    here = start("start: 1500ms", wait=False)
    with pytest.raises(ConnectionRefusedError):
        here.connect()
    assert here.process.stdout is not None
    assert json.loads(here.process.stdout.readline())["listening"] == here.port
    assert time.monotonic() - begin > 1.48  # the system tells its age to a hundredth of a second
    assert get(here.connect()).status == 200


def test_the_age_of_a_process_is_counted_from_its_begin() -> None:
    code = "import time; time.sleep(0.3); from live import app; print(app.age())"
    begin = time.monotonic()
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.29 < float(told.stdout) < time.monotonic() - begin + 0.02


def test_one_that_never_starts_runs_and_answers_nobody(start: Start) -> None:
    here = start("start: never", wait=False)
    with pytest.raises(subprocess.TimeoutExpired):
        here.process.wait(1.0)
    with pytest.raises(ConnectionRefusedError):
        here.connect()
    here.stop()
    assert here.ended() == 0


def test_drain_answers_what_is_open_and_then_ends(start: Start) -> None:
    here = start("start: 0s, service_time: 600ms")
    kept = here.connect()
    get(kept).read()
    serving, waiting, arriving = (here.open() for _ in range(3))
    serving.sendall(ASK)
    time.sleep(0.05)
    waiting.sendall(ASK)
    arriving.sendall(ASK[:10])
    time.sleep(0.05)
    here.stop()
    until_refused(here)
    arriving.sendall(ASK[10:])
    assert kept.sock.recv(1) == b""
    for sock in (serving, waiting, arriving):
        answer = everything(sock)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\nConnection: close\r\n" in answer
        sock.close()
    assert here.ended() == 0


def until_refused(here: App) -> None:
    ends = time.monotonic() + LONG
    while time.monotonic() < ends:
        try:
            here.connect().close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("it still listens")


def test_drain_of_an_idle_pod_ends(start: Start) -> None:
    here = start(QUICK)
    here.connect()
    here.stop()
    assert here.ended() == 0


def test_drain_works_on_for_who_has_gone(start: Start) -> None:
    here = start("start: 0s, service_time: 700ms")
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", here.port), LONG) as sock:
        sock.sendall(ASK)
        time.sleep(0.1)
    time.sleep(0.05)
    here.stop()
    assert here.ended() == 0
    assert time.monotonic() - begin > 0.69


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("service_time: 10s, pods: {termination: {on_sigterm: exit}}", 0),
        ("service_time: 10s, crash: {after_start: 400ms}", 1),
        ("service_time: 10s, leak: {over: 400ms, crash: true}", 1),
        ("service_time: 10s, crash: {on_request: 100%}", 1),
    ],
)
def test_whoever_is_served_when_the_process_exits_gets_no_answer(start: Start, how: str, code: int) -> None:
    here = start(f"start: 0s, {how}")
    sock = here.open()
    sock.sendall(ASK)
    if code == 0:
        time.sleep(0.1)
        here.stop()
    assert everything(sock) == b""
    assert here.ended() == code


def test_a_liveness_probe_is_let_in_once_a_slot_is_free(start: Start) -> None:
    here = start("start: 0s, service_time: 500ms")
    busy = here.open()
    begin = time.monotonic()
    busy.sendall(ASK)
    time.sleep(0.05)
    ready, live = here.connect(), here.connect()
    ready.request("GET", app.READY)
    live.request("GET", app.LIVE)
    assert ready.getresponse().status == 200
    assert live.getresponse().status == 200 and time.monotonic() - begin > 0.499
    assert busy.recv(8) == b"HTTP/1.1"


def test_it_may_have_as_many_files_as_the_system_allows(start: Start) -> None:
    here = start(QUICK)
    limits = Path(f"/proc/{here.process.pid}/limits").read_text(encoding="utf-8")
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    soft, hard = line.split()[3:5]
    assert soft == hard
