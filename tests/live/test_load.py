"""The generator against real sockets: the simulator's requests, sent when due, and what came of them."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import routers

from live.load import Entry, Generator, NotReady, Sent, caps, unsupported
from live.rows import Rows
from scenarios import draws, load, mix
from scenarios.distributions import Constant
from scenarios.draws import Purpose
from scenarios.scenario import Scenario
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Status
from sim.requests import Requests

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def world(*overrides: str) -> Scenario:
    """A short trial: a second before the trigger, two after it."""
    short = ("clock.settle=1s", "clock.horizon=2s", "traffic.rate=40/s", "traffic.client.timeout=400ms")
    return load.load("quickstart", [*short, *overrides])


@dataclass
class Asked:
    """What a server saw: of each request its number, user, connection and head; and its connections' ends."""

    heads: list[tuple[int, int, int, dict[str, str]]] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def opened(self) -> int:
        with self.lock:
            self.connections += 1
            return self.connections

    def note(self, connection: int, head: bytes) -> tuple[int, int]:
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        number, user = int(headers["x-rolloutlab-request"]), int(headers["x-rolloutlab-user"])
        with self.lock:
            self.heads.append((number, user, connection, headers))
        return number, user


Answers = Callable[[socket.socket, int, int], None]
"""Answers request `number` of `user` on a connection."""


@contextmanager
def server(answers: Answers, *, most: int = 1 << 60) -> Iterator[tuple[Entry, Asked]]:
    """Keeps connections, up to so many requests on each, then closes without a word."""
    asked = Asked()

    def serves(connection: socket.socket) -> None:
        own = asked.opened()
        for _ in range(most):
            head = routers.read_head(connection)
            if not head:
                return
            number, user = asked.note(own, head)
            answers(connection, number, user)
            if b"connection: close" in head.lower():
                return

    with routers.talking(serves) as url:
        yield Entry("http", "127.0.0.1", int(url.rstrip("/").rpartition(":")[2]), "shop.test"), asked


def reply(status: int, *headers: str, body: bytes = b"hello") -> bytes:
    lines = [f"HTTP/1.1 {status} x", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


VERSION = {STABLE: "X-Rolloutlab-Version: stable", CANDIDATE: "X-Rolloutlab-Version: candidate"}
GOOD = reply(200, VERSION[STABLE], "X-Rolloutlab-Pod: stable-1")


def good(connection: socket.socket, _number: int, _user: int) -> None:
    connection.sendall(GOOD)


@dataclass
class Ran:
    sent: Sent
    rows: Rows
    pods: list[str]
    folder: Path


def run(scenario: Scenario, entry: Entry, folder: Path, seed: int = 7, processes: int = 1) -> Ran:
    """A whole trial's traffic."""
    start, horizon = -float(scenario.clock.settle), float(scenario.clock.horizon)
    candidate = next(iter(scenario.variants))
    with Generator(
        scenario, candidate, seed, entry, folder, start=start, horizon=horizon, processes=processes
    ) as generator:
        generator.ready(PATIENCE)
        generator.start(time.monotonic() - start + 0.3)
        sent = generator.finish(PATIENCE)
        return Ran(sent, generator.take(), generator.pods, folder)


def simulated(scenario: Scenario, seed: int) -> dict[str, np.ndarray]:
    """What the simulator's kernel processes: due time and user of each request."""
    users, grid = scenario.traffic.users, scenario.grid
    curve = scenario.traffic.intended.curve()
    requests = Requests(
        seed, curve, users.count, users.activity, grid, 1, 0, 1.0, (Constant(0.0),) * 2, trace=True
    )
    requests.rotate(0, 0, [requests.add_pod(0, 0.0, 0.0)])
    requests.finish()
    return requests.rows()


# --- what is sent ------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
def test_the_simulators_requests_are_sent_bit_for_bit(tmp_path: Path, processes: int) -> None:
    rate = "{ramp: {from: 10/s, to: 90/s, lasting: 2s}}" if processes == 1 else "60/s"
    scenario = world(f"traffic.rate={rate}", "traffic.users={count: 50, activity: zipf}")
    with server(good) as (entry, asked):
        ran = run(scenario, entry, tmp_path, processes=processes)
    rows, expected = np.sort(ran.rows, order="index"), simulated(scenario, 7)
    assert rows["due"].tobytes() == expected["due"].tobytes()
    assert rows["user"].tolist() == expected["user"].tolist()
    before = int((expected["due"] < 0).sum())
    assert rows["index"].tolist() == list(range(-before, len(expected["due"]) - before))
    seen = sorted((number, user) for number, user, _, _ in asked.heads)
    assert seen == [(int(row["index"]), int(row["user"])) for row in rows]
    assert (rows["sent"] >= rows["due"]).all()
    assert (rows["end"] > rows["sent"]).all()
    assert (rows["status"] == Status.OK).all()
    assert (rows["version"] == STABLE).all()
    assert ran.pods == ["stable-1"]
    assert set(rows["pod"].tolist()) == {0}
    assert ran.sent.intended == ran.sent.sent == ran.sent.finished == len(rows)
    assert ran.sent.missing == 0
    assert asked.connections == ran.sent.connections == len(rows)


def test_users_carry_what_is_drawn_for_them_and_the_cookies_they_were_given(
    tmp_path: Path,
) -> None:
    shares = "traffic.mix={header.Region: {north: 40%}, cookie.beta: {true-1: 50%}, user.browser: {old: 50%}}"
    scenario = world("traffic.users={count: 20}", shares)

    def answers(connection: socket.socket, _number: int, user: int) -> None:
        connection.sendall(reply(200, VERSION[STABLE], f"Set-Cookie: sid=u{user}; Path=/", "Set-Cookie: no"))

    with server(answers) as (entry, asked):
        ran = run(scenario, entry, tmp_path)
    kinds = mix.kinds(scenario.traffic.mix)
    kind = mix.kind_of_users(7, 20, scenario.traffic.mix)
    last: dict[int, str] = {}
    ends = {int(row["index"]): float(row["end"]) for row in ran.rows}
    begins = {int(row["index"]): float(row["sent"]) for row in ran.rows}
    ended: dict[int, float] = {}
    for number, user, _, headers in sorted(asked.heads, key=lambda one: begins[one[0]]):
        attributes = kinds[kind[user]].attributes
        assert headers.get("region") == attributes.get("header.Region")
        assert "browser" not in headers
        assert headers["host"] == "shop.test"
        cookies = dict(pair.split("=") for pair in headers.get("cookie", "").split("; ") if pair)
        assert cookies.pop("beta", None) == attributes.get("cookie.beta")
        if user in ended and begins[number] > ended[user]:
            assert cookies == {"sid": f"u{user}"}
        else:
            assert cookies in ({}, {"sid": f"u{user}"})
        last[user] = cookies.get("sid", "")
        ended[user] = min(ended.get(user, np.inf), ends[number])
    assert {f"u{user}" for user in last} >= set(last.values()) - {""}
    assert len({headers.get("region") for *_, headers in asked.heads}) == 2
    assert ran.sent.notes == {"cookies not kept": len(ran.rows)}


# --- what comes --------------------------------------------------------------------------------------


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(10):
        time.sleep(0.1)
        connection.sendall(f"X-{number}: x\r\n".encode())


def sends(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


POD = "X-Rolloutlab-Pod: candidate-7f-x2"
S, C = VERSION[STABLE], VERSION[CANDIDATE]
FULL = "X-Rolloutlab-Rejected: 1"
Case = tuple[Callable[[socket.socket], None], Status, int, int]
CASES: dict[str, Case] = {
    "stable": (sends(reply(200, S)), Status.OK, STABLE, 200),
    "candidate": (sends(reply(204, C, POD, body=b"")), Status.OK, CANDIDATE, 204),
    "elsewhere": (sends(reply(302, S, "Location: http://127.0.0.1:1/")), Status.OK, STABLE, 302),
    "error": (sends(reply(500, C, body=b"\xff\xfe")), Status.ERROR, CANDIDATE, 500),
    "not found": (sends(reply(404, S)), Status.ERROR, STABLE, 404),
    "full": (sends(reply(503, C, FULL)), Status.REJECTED, CANDIDATE, 503),
    "its own 503": (sends(reply(503, C)), Status.ERROR, CANDIDATE, 503),
    "its own 504": (sends(reply(504, S)), Status.ERROR, STABLE, 504),
    "no endpoint": (sends(reply(503)), Status.UNAVAILABLE, NOBODY, 503),
    "bad gateway": (sends(reply(502)), Status.UNAVAILABLE, NOBODY, 502),
    "gateway timeout": (sends(reply(504)), Status.TIMEOUT, NOBODY, 504),
    "nobody's error": (sends(reply(404)), Status.ERROR, NOBODY, 404),
    "named twice": (sends(reply(200, S, S)), Status.OK, NOBODY, 200),
    "named otherwise": (sends(reply(200, "X-Rolloutlab-Version: third")), Status.OK, NOBODY, 200),
    "long": (sends(reply(200, C, body=b"x" * 300_000)), Status.OK, CANDIDATE, 200),
    "a pod's bad name": (sends(reply(200, S, "X-Rolloutlab-Pod: <b>")), Status.OK, STABLE, 200),
    "eof": (lambda connection: None, Status.RESET, NOBODY, 0),
    "reset": (_reset, Status.RESET, NOBODY, 0),
    "half": (sends(reply(200, S)[:-2]), Status.RESET, NOBODY, 0),
    "no HTTP": (sends(b"220 smtp ready\r\n\r\n"), Status.ERROR, NOBODY, 0),
    "silent": (lambda connection: time.sleep(1.0), Status.TIMEOUT, NOBODY, 0),
    "drips": (_drip, Status.TIMEOUT, NOBODY, 0),
}
NAMES = list(CASES)


def case(number: int) -> str:
    return NAMES[number % len(NAMES)]


def test_every_way_a_request_ends_is_told_as_it_was(tmp_path: Path) -> None:
    with server(lambda connection, number, _user: CASES[case(number)][0](connection)) as (entry, asked):
        ran = run(world(), entry, tmp_path)
    assert Counter(number for number, *_ in asked.heads) == Counter(ran.rows["index"].tolist())
    met = set()
    for row in ran.rows:
        name = case(int(row["index"]))
        _, status, version, code = CASES[name]
        assert (name, row["status"], row["version"], row["code"]) == (name, status, version, code)
        if name in ("silent", "drips"):
            assert 0.4 <= row["end"] - row["due"] < 0.9
        met.add(name)
    assert met == set(NAMES)
    assert ran.pods == ["candidate-7f-x2"]
    podded = {case(int(row["index"])) for row in ran.rows if row["pod"] >= 0}
    assert podded == {"candidate"}
    times = Counter(case(int(row["index"])) for row in ran.rows)
    assert ran.sent.untold == {
        "names a version more than once": times["named twice"],
        "names a version that there is not": times["named otherwise"],
        "names no version": times["nobody's error"],
    }
    assert ran.sent.notes == {
        "longer than is looked at": times["long"], "no HTTP, or without an end": times["no HTTP"],
    }  # fmt: skip
    assert ran.sent.missing == 0


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ran = run(world("traffic.rate=10/s"), Entry("http", "127.0.0.1", port), tmp_path)
    assert set(ran.rows["status"].tolist()) == {Status.REFUSED}
    assert set(ran.rows["version"].tolist()) == {NOBODY}
    assert ran.sent.missing == 0


def test_a_users_own_image_is_known_by_what_it_answers(tmp_path: Path) -> None:
    scenario = world(
        "versions.stable.answers={headers: {Server: nginx/1.22}, body: Welcome}",
        "versions.candidate.answers={headers: {Server: nginx/1.24}, body: Welcome}",
    )
    servers = ["nginx/1.22", "nginx/1.24", "Apache"]

    def answers(connection: socket.socket, number: int, _user: int) -> None:
        status = 503 if number % 2 else 200
        connection.sendall(reply(status, f"Server: {servers[number % 3]}", body=b"<p>Welcome</p>"))

    with server(answers) as (entry, _):
        ran = run(scenario, entry, tmp_path)
    for row in ran.rows:
        number = int(row["index"])
        assert row["version"] == (STABLE, CANDIDATE, NOBODY)[number % 3]
        bad = Status.UNAVAILABLE if number % 3 == 2 else Status.ERROR
        assert row["status"] == (bad if number % 2 else Status.OK)
        assert row["pod"] == -1
    strangers = sum(1 for row in ran.rows if row["index"] % 6 == 2)
    assert ran.sent.untold == {"looks like neither version, or like both": strangers}


def test_an_answer_without_end_is_given_up(tmp_path: Path) -> None:
    def endless(connection: socket.socket, number: int, _user: int) -> None:
        head = b"HTTP/1.1 200 OK\r\n" + (b"X: " if number % 2 else b"\r\n")
        with suppress(OSError):
            connection.sendall(head)
            while True:
                connection.sendall(b"x" * 65536)

    scenario = world("traffic.rate=2/s", "traffic.client.timeout=60s")
    with server(endless) as (entry, _):
        ran = run(scenario, entry, tmp_path)
    assert len({int(number) % 2 for number in ran.rows["index"]}) == 2
    assert set(ran.rows["status"].tolist()) == {Status.ERROR}
    assert ran.sent.notes == {"longer than is read": len(ran.rows)}


def test_certificates_are_not_asked_for_much(tmp_path: Path) -> None:
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    asked = Asked()

    def serves(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            asked.note(asked.opened(), routers.read_head(secured))
            secured.sendall(GOOD)

    folder = tmp_path / "run"
    folder.mkdir()
    with routers.talking(serves) as url:
        entry = Entry("https", "127.0.0.1", int(url.rstrip("/").rpartition(":")[2]), "shop.test")
        ran = run(world("traffic.rate=8/s", "traffic.client.timeout=5s"), entry, folder)
    assert (ran.rows["status"] == Status.OK).all()
    assert (ran.rows["version"] == STABLE).all()
    assert names == ["shop.test"] * len(ran.rows)


# --- connections -------------------------------------------------------------------------------------


def by_connection(asked: Asked) -> dict[int, list[tuple[int, int]]]:
    found = defaultdict(list)
    for number, user, connection, _ in asked.heads:
        found[connection].append((number, user))
    return found


def test_users_keep_connections_and_renew_them(tmp_path: Path) -> None:
    scenario = world("traffic.users={count: 3}", "traffic.connections={per_user: true, requests: 5}")
    with server(good) as (entry, asked):
        ran = run(scenario, entry, tmp_path)
    found = by_connection(asked)
    assert all(len(one) <= 5 and len({user for _, user in one}) == 1 for one in found.values())
    assert len(found) == ran.sent.connections
    users = Counter(ran.rows["user"].tolist())
    least = sum(-(-times // 5) for times in users.values())
    assert least <= len(found) <= least + ran.sent.overlapping
    assert (ran.rows["status"] == Status.OK).all()


def test_a_pool_is_shared_as_the_simulator_shares_it(tmp_path: Path) -> None:
    scenario = world("traffic.connections={pool: 4}")
    with server(good) as (entry, asked):
        ran = run(scenario, entry, tmp_path)
    holders = set()
    for numbers in by_connection(asked).values():
        own = {draws.stream(7, Purpose.CONNECTION): number for number, _ in numbers}
        assert own
        words = draws.words(draws.stream(7, Purpose.CONNECTION), [number for number, _ in numbers])
        held = {(int(word) % 2**24) * 4 // 2**24 for word in words}
        assert len(held) == 1
        holders |= held
    assert holders == {0, 1, 2, 3}
    assert 4 <= asked.connections <= 4 + ran.sent.overlapping


@pytest.mark.parametrize("bound", ["idle: 20ms", "age: 0ms"])
def test_unused_and_old_connections_are_not_used_again(tmp_path: Path, bound: str) -> None:
    scenario = world("traffic.rate=8/s", f"traffic.connections={{pool: 1, {bound}}}")
    with server(good) as (entry, asked):
        ran = run(scenario, entry, tmp_path)
    rows = np.sort(ran.rows, order="sent")
    apart = rows["sent"][1:] - rows["end"][:-1]
    renewed = int((apart > 0.021).sum()) if "idle" in bound else len(rows) - 1
    assert asked.connections >= 1 + renewed
    assert renewed > 0


def test_a_connection_that_the_server_closed_is_not_used_again(tmp_path: Path) -> None:
    scenario = world("traffic.rate=15/s", "traffic.connections={pool: 1}")
    with server(good, most=2) as (entry, asked):
        ran = run(scenario, entry, tmp_path)
    assert all(len(numbers) <= 2 for numbers in by_connection(asked).values())
    assert asked.connections < len(ran.rows)
    assert (ran.rows["status"] == Status.OK).mean() > 0.9  # one may come just as the other side closes


def test_requests_of_a_busy_holder_do_not_wait_for_its_connection(tmp_path: Path) -> None:
    def slow(connection: socket.socket, _number: int, _user: int) -> None:
        time.sleep(0.15)
        connection.sendall(GOOD)

    scenario = world("traffic.users={count: 1}", "traffic.connections={per_user: true}")
    with server(slow) as (entry, asked):
        ran = run(scenario, entry, tmp_path)
    assert (ran.rows["status"] == Status.OK).all()
    assert ran.sent.overlapping > 0
    assert asked.connections == ran.sent.connections < len(ran.rows)


# --- patience and further tries ----------------------------------------------------------------------


def test_further_tries_come_when_the_simulator_would_make_them(tmp_path: Path) -> None:
    backoff = "traffic.client={timeout: 400ms, retries: 2, backoff: {base: 50ms, factor: 3, jitter: 40%}}"
    scenario = world("traffic.rate=15/s", backoff)
    asks: Counter[int] = Counter()

    def third_time(connection: socket.socket, number: int, _user: int) -> None:
        asks[number] += 1
        works = asks[number] > number % 4
        connection.sendall(GOOD if works else reply(500, C))

    with server(third_time) as (entry, asked):
        ran = run(scenario, entry, tmp_path)
    sent = defaultdict(list)
    for number, _, _, headers in asked.heads:
        sent[number].append(headers.get("x-rolloutlab-attempt"))
    tries = defaultdict(list)
    for row in np.sort(ran.rows, order=["index", "attempt"]):
        tries[int(row["index"])].append(row)
    stream = draws.stream(7, Purpose.RETRY)
    for number, rows in tries.items():
        assert [row["attempt"] for row in rows] == list(range(min(number % 4, 2) + 1))
        assert sent[number] == [None, "1", "2"][: len(rows)]
        assert [row["final"] for row in rows] == [0] * (len(rows) - 1) + [1]
        assert rows[-1]["status"] == (Status.ERROR if number % 4 == 3 else Status.OK)
        for before, after in pairwise(rows):
            k = int(after["attempt"])
            chance = float(draws.uniform(draws.again(draws.words(stream, [number]), k))[0])
            pause = 0.05 * 3 ** (k - 1) * (1 + 0.4 * (2 * chance - 1))
            assert after["due"] == pytest.approx(before["end"] + pause, abs=1e-9)
            assert after["first"] == before["first"] == rows[0]["due"]
    assert ran.sent.finished == len(tries) == ran.sent.intended


# --- ends --------------------------------------------------------------------------------------------


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started(entry: Entry, folder: Path, scenario: Scenario, ahead: float = 0.3) -> Generator:
    generator = Generator(scenario, next(iter(scenario.variants)), 7, entry, folder, start=-1.0, horizon=2.0)
    generator.ready(PATIENCE)
    generator.start(time.monotonic() + 1.0 + ahead)
    return generator


def until(found: Callable[[], bool], seconds: float = 20.0) -> bool:
    ends = time.monotonic() + seconds
    while not found() and time.monotonic() < ends:
        time.sleep(0.02)
    return found()


def test_rows_come_while_the_traffic_goes_on_and_never_change(tmp_path: Path) -> None:
    with server(good) as (entry, _), started(entry, tmp_path, world()) as generator:
        assert until(lambda: len(generator.take()) > 5)
        some = generator.take()
        copy = some.copy()
        assert generator.finish(PATIENCE).intended > len(some)
        assert np.array_equal(generator.take()[: len(some)], copy)
        assert np.array_equal(generator.take(len(some)), generator.take()[len(some) :])
        with pytest.raises(ValueError, match="read-only"):
            some["status"] = 0


def test_a_killed_child_leaves_a_run_inconclusive_and_nothing_behind(tmp_path: Path) -> None:
    with server(good) as (entry, _), started(entry, tmp_path, world()) as generator:
        assert until(lambda: len(generator.take()) > 5)
        os.kill(generator.pids[0], signal.SIGKILL)
        sent = generator.finish(PATIENCE)
        rows = generator.take()
    assert 5 < len(rows) == sent.finished < sent.intended
    assert not sent.conclusive
    assert sent.why.startswith("the generator died")
    assert f"{sent.missing:,} of {sent.intended:,} requests have no outcome" in sent.why
    assert list(tmp_path.iterdir()) == []


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_nothing_is_left_of_a_run(tmp_path: Path) -> None:
    before = open_files(), set(threading.enumerate())
    with server(good) as (entry, _):
        generator = started(entry, tmp_path, world())
        pids = generator.pids
        generator.stop()
        generator.stop()
        sent = generator.finish(0.0)
    assert not any(alive(pid) for pid in pids)
    assert not sent.conclusive
    assert "before its time" in sent.why or "died" in sent.why
    assert list(tmp_path.iterdir()) == []
    assert until(lambda: open_files() <= before[0])
    assert until(lambda: not any(t.name == "load" for t in set(threading.enumerate()) - before[1]))


ORPHAN = """
import sys, time
from pathlib import Path
from live.load import Entry, Generator
from scenarios.load import load
scenario = load("quickstart", ["clock.settle=1s", "clock.horizon=60s"])
entry = Entry("http", "127.0.0.1", {port})
g = Generator(scenario, "healthy", 1, entry, Path("{folder}"), start=-1, horizon=60)
g.ready(60)
g.start(time.monotonic() + 1.3)
print(g.pids[0], flush=True)
time.sleep(60)
"""


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    with server(good) as (entry, asked):
        code = ORPHAN.format(port=entry.port, folder=tmp_path)
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert until(lambda: len(asked.heads) > 5)
            assert alive(pid)
            parent.kill()
        assert until(lambda: not alive(pid))


def test_what_this_machine_cannot_send_makes_a_run_inconclusive(tmp_path: Path) -> None:
    import resource

    with server(good) as (entry, _), started(entry, tmp_path, world()) as generator:
        assert until(lambda: len(generator.take()) > 5)
        resource.prlimit(generator.pids[0], resource.RLIMIT_NOFILE, (3, 3))
        sent = generator.finish(PATIENCE)
        rows = generator.take()
    assert (rows["status"] == Status.OK).all()
    assert sent.sent == sent.intended
    assert not sent.conclusive
    assert f"{sent.missing:,} could not be sent: Too many open files" in sent.why


def test_it_raises_when_it_cannot_be_ready_in_time(tmp_path: Path) -> None:
    scenario = world()
    generator = Generator(
        scenario, "healthy", 7, Entry("http", "127.0.0.1", 9), tmp_path, start=-1.0, horizon=2.0
    )
    with pytest.raises(NotReady, match="not ready in time"):
        generator.start(time.monotonic() + 1.0)
    assert not any(alive(pid) for pid in generator.pids)
    assert list(tmp_path.iterdir()) == []


def test_the_environments_proxies_and_locust_are_not_heeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    monkeypatch.setenv("LOCUST_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    with server(good) as (entry, _), started(entry, tmp_path, world()) as generator:
        told = Path(f"/proc/{generator.pids[0]}/environ").read_bytes().decode().split("\0")
        sent = generator.finish(PATIENCE)
        assert (generator.take()["status"] == Status.OK).all()
    assert sent.missing == 0
    names = {one.partition("=")[0].upper() for one in told if one}
    assert not {name for name in names if name.startswith("LOCUST") or name.endswith("PROXY")}


# --- what is refused ---------------------------------------------------------------------------------


def test_traffic_that_cannot_be_replayed_is_refused_by_name(tmp_path: Path) -> None:
    closed = load.load("quickstart", ["traffic={arrivals: closed, think: {exponential: 5s}}"])
    assert unsupported(world()) == []
    [found] = unsupported(closed)
    assert found.startswith("traffic.arrivals: closed")
    with pytest.raises(NotReady, match="arrivals: closed"):
        Generator(closed, "healthy", 1, Entry("http", "127.0.0.1", 9), tmp_path, start=-1.0, horizon=2.0)
    odd = "traffic.mix={header.Connection: {close: 10%}, cookie.a: {'x;y': 5%}, user.name: {'a;b': 5%}}"
    assert unsupported(world(odd)) == [
        "traffic.mix.header.Connection: a header that the generator itself sets",
        "traffic.mix.cookie.a: 'x;y' cannot stand in a cookie",
    ]
    assert unsupported(world('traffic.mix={header.A: {"x\\ny": 5%}}')) == [
        "traffic.mix.header.A: 'x\\ny' cannot stand in a header"
    ]


def test_rate_and_duration_have_bounds() -> None:
    assert caps(world(), 40.0, 3.0) == []
    assert caps(world(), 39.0, 2.9) == [
        "traffic.rate: up to 40 requests per second; allowed: 39",
        "clock: settle and horizon are 3 s together; allowed: 2.9 s",
    ]
    tried = world("traffic.client={timeout: 1s, retries: 2}")
    assert caps(tried, 100.0, 3.0) == [
        "traffic.rate: up to 40 requests per second, tried up to 3 times each; allowed: 100"
    ]
