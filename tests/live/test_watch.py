"""Watching through all that ends a watch: no change is lost or told twice, and it says what happened."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import apiserver
import pytest
from apiserver import Handler, Server, having, says, slow

from live.api import Api, Refused, Target, Unavailable, core
from live.exchange import Patience
from live.kubeconfig import Entry
from live.session import open_session
from live.target import guard
from live.watch import Change, Watch

NS = "rolloutlab-0123abcd-0"
PODS = core(NS, "pods")
QUICK = Patience(connect=0.5, read=0.5, budget=2.0)


class Told:
    """What a watch told, for a test to wait for."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._more = threading.Condition()

    def __call__(self, change: Change) -> None:
        with self._more:
            self.changes.append(change)
            self._more.notify_all()

    def wait(self, count: int, timeout: float = 10.0) -> list[tuple[str, str]]:
        """What kind of change of which object, once there are so many."""
        with self._more:
            self._more.wait_for(lambda: len(self.changes) >= count, timeout)
        return self.seen

    @property
    def seen(self) -> list[tuple[str, str]]:
        return [(change.kind, change.object["metadata"]["name"]) for change in self.changes]

    @property
    def versions(self) -> list[int]:
        return [int(change.object["metadata"]["resourceVersion"]) for change in self.changes]


@pytest.fixture
def server() -> Iterator[Server]:
    with apiserver.serving() as served:
        yield served


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    entry = Entry("kind-x", server.url, {"server": server.url}, {}, "/")
    opened = Api(
        Target("kind-x", server.url, "u", "v1"),
        lambda: open_session(entry, direct=True),
        guard,
        patience=QUICK,
    )
    yield opened
    opened.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watching(api: Api, told: Told) -> Iterator[Callable[..., Watch]]:
    """Starts a watch of the pods, that the test's end stops."""
    started: list[Watch] = []

    def start(**options: Any) -> Watch:
        watch = Watch(api, PODS, told, u=lambda: 0.5, **options)
        watch.start()
        started.append(watch)
        return watch

    yield start
    for watch in started:
        watch.stop()
        assert not watch._thread.is_alive()


def pod(name: str, phase: str = "Pending") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": NS}, "status": {"phase": phase}}


def watches(handler: Handler) -> bool:
    return handler.watching


def lists(handler: Handler) -> bool:
    return handler.command == "GET" and not handler.watching


def until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    ends = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.005)


def relists(server: Server) -> int:
    return server.count("GET", "pods") - server.count("GET", "watch=1")


def test_the_first_list_is_told_before_start_returns(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    for name in "ab":
        server.store.put(PODS, pod(name))
    watching()
    assert told.seen == [("added", "a"), ("added", "b")]


def test_changes_are_told_as_they_come(server: Server, told: Told, watching: Callable[..., Watch]) -> None:
    watch = watching()
    server.store.put(PODS, pod("a"))
    server.store.put(PODS, pod("a", "Running"))
    server.store.take(PODS, "a")
    assert told.wait(3) == [("added", "a"), ("modified", "a"), ("deleted", "a")]
    assert told.changes[1].object["status"] == {"phase": "Running"}
    assert watch.trouble == []
    assert watch.alive


def test_only_what_is_selected_is_asked_for(server: Server, watching: Callable[..., Watch]) -> None:
    watching(selector="a=b,c!=d")
    until(lambda: server.count("GET", "watch=1") == 1)
    assert all("labelSelector=a%3Db%2Cc%21%3Dd" in path for _, path, _ in server.asked)


def test_an_event_is_told_within_milliseconds_of_being_sent(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    watching()
    until(lambda: server.count("GET", "watch=1") == 1)
    for number in range(50):
        server.store.put(PODS, pod("a"))
        told.wait(number + 1)
    late = sorted(
        change.at - server.sent_at[change.object["metadata"]["resourceVersion"]] for change in told.changes
    )
    assert len(late) == 50
    assert (
        late[25] < 0.01
    )  # benchmarks/watching.py measures it; what is buffered would come with the next event


def test_closed_in_silence_again_and_again(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    """T14: every connection ends after a short while; nothing is listed again, nothing lost."""
    server.fails(watches, *[having(lifetime=0.1)] * 1000)
    watch = watching()
    for number in range(40):
        server.store.put(PODS, pod(f"p{number}"))
        time.sleep(0.02)
    assert told.wait(40) == [("added", f"p{number}") for number in range(40)]
    assert server.count("GET", "watch=1") > 4
    assert relists(server) == 1
    assert watch.trouble == []
    assert 0 < watch.gap < 0.5
    assert 0 < watch.longest < watch.gap / 2  # of many: none of them was long


def test_a_connection_that_always_ends_at_once_is_not_hammered(
    server: Server, watching: Callable[..., Watch]
) -> None:
    server.fails(watches, *[having(lifetime=0.0)] * 10_000)
    watching()
    time.sleep(1.0)
    assert server.count("GET", "watch=1") < 12


def test_a_version_that_is_forgotten_is_listed_again(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    """T13, as a status: what differs is told as changes, each once."""
    for name in "abc":
        server.store.put(PODS, pod(name))

    def meanwhile(handler: Handler, go: Any) -> None:
        server.store.take(PODS, "a")
        server.store.put(PODS, pod("b", "Running"))
        server.store.put(PODS, pod("d"))
        server.store.forget()
        go()

    server.fails(watches, having(lifetime=0.1), meanwhile)
    watch = watching()
    assert told.wait(6)[3:] == [("deleted", "a"), ("modified", "b"), ("added", "d")]
    server.store.put(PODS, pod("e"))
    assert told.wait(7)[6:] == [("added", "e")]
    assert relists(server) == 2
    assert len(watch.trouble) == 1
    assert "listing again" in watch.trouble[0]
    assert "too old resource version" in watch.trouble[0]


def test_a_version_that_is_forgotten_while_watching_is_listed_again(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    """T13, as an event."""
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
    server.fails(watches, having(spoiled=gone))
    watch = watching()
    until(lambda: relists(server) == 2)
    server.store.put(PODS, pod("a"))
    assert told.wait(1) == [("added", "a")]
    assert watch.trouble == ["listing again: the server has forgotten the version: too old"]


def test_bookmarks_alone_carry_the_version_on(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    """T15: after bookmarks, a watch goes on from the last, though older versions are forgotten."""

    def marks(handler: Handler, go: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for number in (50, 60, 70):
            handler.event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(number)}})
        server.store.number = server.store.oldest = 70
        handler.wfile.write(b"0\r\n\r\n")

    server.fails(watches, marks)
    watch = watching()
    until(lambda: server.count("GET", "resourceVersion=70") == 1)
    server.store.put(PODS, pod("a"))
    assert told.wait(1) == [("added", "a")]
    assert relists(server) == 1
    assert watch.trouble == []
    assert all("allowWatchBookmarks=true" in path for _, path, _ in server.asked if "watch" in path)


@pytest.mark.parametrize(
    "spoiled",
    [
        b"{garbage\n",
        b"\xff\xfe\x00\n",
        b"[1]\n",
        b"null\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n',
        b'{"type":"ADDED","object":{"metadata":null}}\n',
        b'{"type":"EXPLODED","object":{"metadata":{"name":"x","uid":"u","resourceVersion":"9"}}}\n',
        b'{"type":"BOOKMARK","object":{"metadata":{}}}\n',
        b'{"type":"ERROR","object":{"code":500,"message":"etcd is tired"}}\n',
        b'{"type":7,"object":[]}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_garbage_is_noted_and_everything_listed_again(
    server: Server, told: Told, watching: Callable[..., Watch], spoiled: bytes
) -> None:
    server.store.put(PODS, pod("a"))
    server.fails(watches, having(spoiled=spoiled))
    watch = watching()
    until(lambda: relists(server) == 2)
    server.store.put(PODS, pod("b"))
    assert told.wait(2) == [("added", "a"), ("added", "b")]
    assert len(watch.trouble) == 1
    assert watch.trouble[0].startswith("listing again: ")


def test_a_connection_cut_within_an_event_loses_nothing(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    def cut(handler: Handler, go: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        item = server.store.put(PODS, pod("a"))
        whole = b'{"type":"ADDED","object":' + apiserver.json.dumps(item).encode() + b"}\n"
        handler.chunk(whole[:40])
        handler.close_connection = True

    server.fails(watches, cut)
    watch = watching()
    assert told.wait(1) == [("added", "a")]
    server.store.put(PODS, pod("b"))
    assert told.wait(2) == [("added", "a"), ("added", "b")]
    assert relists(server) == 1
    assert len(watch.trouble) == 1


def test_lines_in_pieces_and_many_at_once_are_events_all_the_same(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    def pieces(handler: Handler, go: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        items = [server.store.put(PODS, pod(f"é{number}")) for number in range(20)]
        lines = [apiserver.json.dumps({"type": "ADDED", "object": i}, ensure_ascii=False) for i in items]
        data = "\r\n\n".join(lines).encode() + b"\n"
        for start in range(0, len(data), 97):
            handler.chunk(data[start : start + 97])
        handler.wfile.write(b"0\r\n\r\n")

    server.fails(watches, pieces)
    watch = watching()
    assert told.wait(20) == [("added", f"é{number}") for number in range(20)]
    assert watch.trouble == []


def test_a_stream_without_chunks_is_read_as_it_comes(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    """As an HTTP/1.0 proxy would pass it on."""
    ends = threading.Event()

    def plain(handler: Handler, go: Any) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        item = server.store.put(PODS, pod("a"))
        handler.wfile.write(apiserver.json.dumps({"type": "ADDED", "object": item}).encode() + b"\n")
        ends.wait(5)

    server.fails(watches, plain)
    watching()
    assert told.wait(1, timeout=2) == [("added", "a")]
    ends.set()


def test_server_errors_and_refusals_pass(server: Server, told: Told, watching: Callable[..., Watch]) -> None:
    """T16, T17, T20, T21 at a watch: each noted, none the end of it."""
    server.fails(
        watches,
        says(429, "TooManyRequests", "slow down", {"Retry-After": "1"}),
        says(500, "InternalError", "etcd is tired"),
        says(403, "Forbidden", 'pods is forbidden: User "me" cannot watch'),
        lambda handler, go: setattr(handler, "close_connection", True),
    )
    watch = watching()
    server.store.put(PODS, pod("a"))
    assert told.wait(1) == [("added", "a")]
    assert relists(server) == 1
    expected = ["slow down", "etcd is tired", "cannot watch pods", "the connection broke"]
    assert len(watch.trouble) == 4
    assert all(part in text for part, text in zip(expected, watch.trouble, strict=True))
    assert watch.gap > 1.0


def test_a_list_again_that_fails_is_tried_until_it_works(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    server.fails(watches, says(410, "Expired", "too old"))
    watch = watching()
    server.fails(lists, says(403, "Forbidden", "no"), says(404, "NotFound", "no"))
    server.store.put(PODS, pod("a"))
    assert told.wait(1) == [("added", "a")]
    assert len(watch.trouble) == 3


def test_credentials_that_expire_are_read_again(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    server.fails(watches, having(lifetime=0.1), says(401, "Unauthorized", "Unauthorized"))
    watch = watching()
    until(lambda: server.count("GET", "watch=1") == 3)
    server.store.put(PODS, pod("a"))
    assert told.wait(1) == [("added", "a")]
    assert watch.trouble == []


def test_a_watch_that_is_answered_by_nothing_is_given_up(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    """T19: headers do not come; the gap says for how long it was blind."""
    server.fails(watches, slow(30))
    watch = watching()
    server.store.put(PODS, pod("a"))
    assert told.wait(1, timeout=3) == [("added", "a")]
    assert 0.4 < watch.gap < 1.5


def test_a_connection_that_went_dead_is_noticed_and_its_gap_counted(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    def dead(handler: Handler, go: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.server.stopping.wait(30)

    server.fails(watches, dead)
    watch = watching(lifetime=1.0)
    server.store.put(PODS, pod("a"))
    assert told.wait(1, timeout=4) == [("added", "a")]
    assert 1.4 < watch.longest <= watch.gap < 2.5  # from the last sign of life
    assert len(watch.trouble) == 1


def test_a_server_that_is_away_for_a_while_and_comes_back_with_another_past(told: Told) -> None:
    with apiserver.serving() as before:
        for name in "ab":
            before.store.put(PODS, pod(name))
        entry = Entry("kind-x", before.url, {"server": before.url}, {}, "/")
        target = Target("kind-x", before.url, "u", "v1")
        api = Api(target, lambda: open_session(entry, direct=True), guard, patience=QUICK)
        watch = Watch(api, PODS, told, u=lambda: 0.5)
        watch.start()
        until(lambda: before.count("GET", "watch=1") == 1)
    until(lambda: len(watch.trouble) >= 3)
    assert "refused" in watch.trouble[-1]
    assert watch.alive
    with apiserver.serving(port=before.server_port) as after:
        after.store.put(PODS, pod("c"))
        assert told.wait(5)[2:] == [("deleted", "a"), ("deleted", "b"), ("added", "c")]
        assert any("Too large resource version" in text for text in watch.trouble)
        assert watch.gap > 0.1
        watch.stop()
    api.close()


def test_stop_ends_it_at_once_and_nothing_is_told_after(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    watch = watching()
    until(lambda: server.count("GET", "watch=1") == 1)
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 0.3
    assert not watch.alive
    server.store.put(PODS, pod("a"))
    time.sleep(0.1)
    assert told.seen == []
    assert watch.trouble == []


def test_stop_while_it_waits_to_try_again(server: Server, watching: Callable[..., Watch]) -> None:
    server.fails(watches, *[says(429, "", "", {"Retry-After": "60"})] * 10)
    watch = watching()
    until(lambda: watch.trouble != [])
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 0.3


def test_it_may_be_stopped_by_what_it_tells(server: Server, api: Api) -> None:
    stopped = threading.Event()
    seen = []

    def tell(change: Change) -> None:
        seen.append(change)
        watch.stop()
        stopped.set()

    watch = Watch(api, PODS, tell)
    watch.start()
    server.store.put(PODS, pod("a"))
    server.store.put(PODS, pod("b"))
    assert stopped.wait(5)
    watch._thread.join(5)
    assert len(seen) == 1
    assert not watch.alive


def test_stop_before_start_is_harmless(api: Api, told: Told) -> None:
    Watch(api, PODS, told).stop()


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (says(403, "Forbidden", "no"), Refused),
        (lambda handler, go: handler.answer(200, {"items": 7}), Unavailable),
        (lambda handler, go: handler.answer(200, {"items": []}), Unavailable),
    ],
)
def test_a_first_list_that_fails_is_told_to_who_starts(
    server: Server, api: Api, told: Told, fault: Any, raised: type[Exception]
) -> None:
    server.fails(lists, fault)
    watch = Watch(api, PODS, told)
    with pytest.raises(raised):
        watch.start()
    assert not watch.alive


def test_ten_thousand_changes_through_connections_that_end(
    server: Server, told: Told, watching: Callable[..., Watch]
) -> None:
    """Every version is told once and in order, though connections end every 50 ms."""
    server.fails(watches, *[having(lifetime=0.05)] * 1000)
    watching()
    for number in range(10_000):
        server.store.put(PODS, pod(f"p{number % 7}"))
    told.wait(10_000, timeout=60)
    assert told.versions == list(range(2, 10_002))
