"""Requests to an API server that fails in every way: done once, tried again if it helps, given up in time."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apiserver
import pytest
from apiserver import Handler, Server, having, says, slow

from live.api import CREATED, Api, Refused, Target, Unavailable, apps, core, discovery, networking
from live.exchange import Patience
from live.kubeconfig import Entry
from live.paths import asked, home
from live.retries import Again, Answer, Silence, backoff, passing, pause, retry_after, unauthorized
from live.session import open_session
from live.target import Unsafe, guard

NS = "rolloutlab-0123abcd-0"
PODS = core(NS, "pods")
QUICK = Patience(connect=0.5, read=0.3, budget=2.0)


@dataclass
class Clock:
    """The machine's, but that sleeping takes no time and is remembered."""

    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def server() -> Iterator[Server]:
    with apiserver.serving() as served:
        yield served


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(server: Server, clock: Clock) -> Iterator[Api]:
    opened = opening(server, clock)
    yield opened
    opened.close()


def opening(server: Server, clock: Clock, patience: Patience = QUICK, **user: Any) -> Api:
    entry = Entry("kind-x", server.url, {"server": server.url}, user, "/")
    return Api(
        Target("kind-x", server.url, "u", "v1"),
        lambda: open_session(entry, direct=True),
        guard,
        patience=patience,
        clock=clock,
        sleep=clock.sleep,
        u=lambda: 0.5,
    )


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}}


def method(name: str) -> Any:
    return lambda handler: handler.command == name


def hung(handler: Handler, go: Any) -> None:
    """Done, but the answer comes long after anybody waits for it."""
    handler.silent = True
    go()
    handler.server.stopping.wait(2)


def test_objects_are_made_read_changed_and_deleted(server: Server, api: Api) -> None:
    made = api.create(PODS, pod("a", labels={"k": "1"}))
    assert api.get(core(NS, "pods", "a")) == made
    changed = api.patch(core(NS, "pods", "a"), {"metadata": {"labels": {"k": None, "l": "2"}}})
    assert changed["metadata"]["labels"] == {"l": "2"}
    assert [item["metadata"]["name"] for item in api.list(PODS)["items"]] == ["a"]
    api.delete(core(NS, "pods", "a"), uid=made["metadata"]["uid"])
    with pytest.raises(Refused) as refused:
        api.get(core(NS, "pods", "a"))
    assert (refused.value.status, refused.value.reason) == (404, "NotFound")


def test_requests_share_a_connection(server: Server, api: Api) -> None:
    for number in range(20):
        api.create(PODS, pod(f"p{number}"))
        api.list(PODS)
    assert server.connections == 1


def test_null_in_a_merge_patch_reaches_the_server(server: Server, api: Api) -> None:
    api.create(PODS, pod("a"))
    sent: list[Any] = []
    server.fails(method("PATCH"), lambda handler, go: (sent.append(handler.body), go()))
    api.patch(core(NS, "pods", "a"), {"spec": {"x": None}})
    assert sent == [{"spec": {"x": None}}]


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("merge", "application/merge-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
        ("json", "application/json-patch+json"),
    ],
)
def test_each_kind_of_patch_says_what_it_is(server: Server, api: Api, kind: Any, media: str) -> None:
    api.create(PODS, pod("a"))
    server.fails(method("PATCH"), lambda handler, go: handler.answer(200, {}))
    api.patch(core(NS, "pods", "a"), [] if kind == "json" else {}, kind)
    assert server.asked[-1][2]["Content-Type"] == media


def test_too_many_requests_wait_as_long_as_the_server_says(server: Server, api: Api, clock: Clock) -> None:
    server.fails(method("GET"), says(429, "TooManyRequests", "slow down", {"Retry-After": "1"}))
    assert api.list(PODS)["items"] == []
    assert clock.slept == [1.0]


def test_a_wait_beyond_the_budget_is_not_begun(server: Server, api: Api, clock: Clock) -> None:
    server.fails(method("GET"), says(429, "TooManyRequests", "slow down", {"Retry-After": "60"}))
    with pytest.raises(Unavailable, match="slow down") as unavailable:
        api.list(PODS)
    assert unavailable.value.retry_after == 60
    assert clock.slept == []


def test_a_burst_of_server_errors_passes(server: Server, api: Api, clock: Clock) -> None:
    server.fails(method("GET"), says(500), says(502), says(503), says(504))
    assert api.list(PODS)["items"] == []
    assert server.count("GET") == 5
    assert clock.slept == sorted(clock.slept)  # longer each time


def test_errors_without_end_are_given_up_within_the_budget(server: Server, api: Api, clock: Clock) -> None:
    server.fails(method("GET"), *[says(503, "ServiceUnavailable", "etcd is down")] * 100)
    with pytest.raises(Unavailable, match=r"cannot list pods in namespace .*: 503 .*etcd is down"):
        api.list(PODS)
    assert 3 <= server.count("GET") < 20
    assert sum(clock.slept) <= QUICK.budget


def test_an_error_that_does_not_pass_is_not_tried_again(server: Server, api: Api) -> None:
    server.fails(method("GET"), says(501, "NotImplemented", "no such thing"))
    with pytest.raises(Unavailable, match="no such thing"):
        api.list(PODS)
    assert server.count("GET") == 1


def test_conflicts_of_a_patch_are_tried_again(server: Server, api: Api) -> None:
    api.create(PODS, pod("a"))
    server.fails(method("PATCH"), *[says(409, "Conflict", "the object has been modified")] * 4)
    assert api.patch(core(NS, "pods", "a"), {"spec": {"x": 1}})["spec"] == {"x": 1}
    assert server.count("PATCH") == 5


def test_a_patch_for_a_version_that_is_gone_is_refused_at_once(server: Server, api: Api) -> None:
    api.create(PODS, pod("a"))
    server.fails(method("PATCH"), says(409, "Conflict", "the object has been modified"))
    with pytest.raises(Refused, match="modified"):
        api.patch(core(NS, "pods", "a"), {"metadata": {"resourceVersion": "1"}})
    assert server.count("PATCH") == 1


def test_a_slow_answer_is_not_waited_for(server: Server, api: Api) -> None:
    server.fails(method("GET"), slow(30))
    began = time.monotonic()
    assert api.list(PODS)["items"] == []
    assert time.monotonic() - began < 1.5
    assert server.count("GET") == 2


def test_a_server_that_stays_slow_costs_no_more_than_the_budget(server: Server) -> None:
    api = opening(server, Clock(), Patience(connect=0.5, read=0.2, budget=0.9))
    server.fails(method("GET"), *[slow(30)] * 20)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no whole answer in time") as unavailable:
        api.list(PODS)
    assert unavailable.value.timeout
    assert time.monotonic() - began < 1.5
    api.close()


def test_a_body_that_drips_is_not_waited_for(server: Server, api: Api) -> None:
    def drips(handler: Handler, go: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    server.fails(method("GET"), *[drips] * 20)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        api.list(PODS)
    assert time.monotonic() - began < 3.5


@pytest.mark.parametrize(
    "fault",
    [
        having(cut=5),
        having(silent=True),
        lambda handler, go: handler.answer(200, b"{garbage"),
        lambda handler, go: handler.answer(200, b"[1, 2]"),
        lambda handler, go: handler.answer(200, b"[" * 100_000),
        lambda handler, go: handler.answer(200, b"\xff\xfe"),
        lambda handler, go: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n") and handler.connection.close(),
    ],
    ids=["cut", "closed", "garbage", "list", "deep", "binary", "another protocol"],
)
def test_an_answer_that_is_none_is_asked_for_again(server: Server, api: Api, fault: Any) -> None:
    server.fails(method("GET"), fault)
    assert api.list(PODS)["items"] == []
    assert server.count("GET") == 2


def test_nobody_listens(clock: Clock) -> None:
    with apiserver.serving() as gone:
        api = opening(gone, clock)
    with pytest.raises(Unavailable, match=r"no connection: Connection refused \(\d+ tries\)"):
        api.list(PODS)


def test_what_is_forbidden_names_verb_and_resource(server: Server, api: Api) -> None:
    said = 'pods is forbidden: User "me" cannot list resource "pods" in API group ""'
    server.fails(method("GET"), says(403, "Forbidden", said))
    with pytest.raises(Refused) as refused:
        api.list(PODS)
    assert refused.value.status == 403
    assert str(refused.value) == f"cannot list pods in namespace {NS}: {said}"
    assert server.count("GET") == 1


def test_a_proxy_that_forbids_is_told_too_and_commands_no_terminal(server: Server, api: Api) -> None:
    server.fails(method("DELETE"), lambda handler, go: handler.answer(403, b"<h1>\x1b[2J no</h1>"))
    with pytest.raises(Refused, match="cannot delete deployments/scale app") as refused:
        api.delete(apps(NS, "deployments", "app") + "/scale", uid="u")
    assert "\x1b" not in str(refused.value)
    assert "<h1>" in str(refused.value)


def test_a_redirect_is_not_followed(server: Server, api: Api) -> None:
    server.fails(
        method("GET"), lambda handler, go: handler.answer(302, b"", {"Location": f"{server.url}/elsewhere"})
    )
    with pytest.raises(Refused):
        api.list(PODS)
    assert server.count("GET", "elsewhere") == 0


# made exactly once


def test_a_create_whose_answer_is_lost_is_made_once(server: Server, api: Api) -> None:
    server.fails(method("POST"), having(silent=True), hung)
    made = api.create(PODS, pod("a"))
    assert [p for m, p, _ in server.asked if m == "POST"] == [PODS] * 3
    assert made == server.store.objects[PODS]["a"]
    assert [version.kind for version in server.store.log] == ["ADDED"]


def test_a_create_that_timed_out_but_was_done_is_made_once(server: Server, api: Api) -> None:
    server.fails(method("POST"), hung)
    made = api.create(PODS, pod("a"))
    assert made["metadata"]["annotations"].keys() == {CREATED}
    assert [version.kind for version in server.store.log] == ["ADDED"]


def test_what_another_made_is_not_taken_for_ours(server: Server, api: Api) -> None:
    api.create(PODS, pod("a", annotations={"rolloutlab.dev/token": "t"}))
    with pytest.raises(Refused, match="already exists") as refused:
        api.create(PODS, pod("a", annotations={"rolloutlab.dev/token": "t"}))
    assert refused.value.status == 409


def test_what_another_made_while_our_request_was_lost_is_not_taken_for_ours(server: Server, api: Api) -> None:
    def beaten(handler: Handler, go: Any) -> None:
        server.store.put(PODS, pod("a"))
        handler.server.stopping.wait(1)

    server.fails(method("POST"), beaten)
    with pytest.raises(Refused, match="already exists"):
        api.create(PODS, pod("a"))


def test_a_generated_name_is_asked_for_again_only_if_nothing_was_made(server: Server, api: Api) -> None:
    body = {"metadata": {"generateName": "a-"}}
    server.fails(method("POST"), says(429), having(silent=True))
    with pytest.raises(Unavailable, match="cannot create pods"):
        api.create(PODS, body)
    assert server.count("POST") == 2
    assert len(server.store.objects[PODS]) == 1


def test_a_json_patch_is_not_sent_twice_where_it_may_have_been_done(server: Server, api: Api) -> None:
    api.create(PODS, pod("a"))
    server.fails(method("PATCH"), says(429), having(silent=True))
    with pytest.raises(Unavailable):
        api.patch(core(NS, "pods", "a"), [{"op": "add", "path": "/x/-", "value": 1}], "json")
    assert server.count("PATCH") == 2


def test_the_caller_s_body_is_left_as_it_is(api: Api) -> None:
    body = pod("a")
    api.create(PODS, body)
    assert body == pod("a")


# deleted only if it is that one


def test_a_delete_whose_answer_is_lost_is_done(server: Server, api: Api) -> None:
    made = api.create(PODS, pod("a"))
    server.fails(method("DELETE"), hung)
    api.delete(core(NS, "pods", "a"), uid=made["metadata"]["uid"], grace=0)
    assert server.store.objects[PODS] == {}


def test_another_object_of_that_name_is_left_alone(server: Server, api: Api) -> None:
    other = api.create(PODS, pod("a"))
    api.delete(core(NS, "pods", "a"), uid="the-one-before")
    assert server.store.objects[PODS] == {"a": other}


def test_a_conflict_about_the_very_object_is_told(server: Server, api: Api) -> None:
    made = api.create(PODS, pod("a"))
    server.fails(method("DELETE"), says(409, "Conflict", "not now"))
    with pytest.raises(Refused, match="not now"):
        api.delete(core(NS, "pods", "a"), uid=made["metadata"]["uid"])


# credentials that expire


def test_a_token_that_is_replaced_in_its_file_is_read_again(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    server.tokens = {"first"}
    clock = Clock()
    api = opening(server, clock, tokenFile=str(file))
    api.list(PODS)
    server.tokens = {"second"}
    file.write_text("second")
    assert api.list(PODS)["items"] == []
    assert clock.slept == [0.0]
    assert [headers["Authorization"] for _, _, headers in server.asked][-2:] == [
        "Bearer first",
        "Bearer second",
    ]
    api.close()


def test_a_token_that_is_replaced_late_is_waited_for(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    server.tokens = {"first"}
    clock = Clock()
    api = opening(server, clock, tokenFile=str(file))
    api.list(PODS)
    server.tokens = {"second"}

    def replaced(handler: Handler, go: Any) -> None:
        file.write_text("second")
        handler.refuse(401, "Unauthorized", "Unauthorized")

    unauthorized = says(401, "Unauthorized", "Unauthorized")
    server.fails(method("GET"), unauthorized, unauthorized, unauthorized, replaced)
    assert api.list(PODS)["items"] == []
    assert len(clock.slept) == 4
    api.close()


def test_credentials_that_never_worked_are_refused_soon(server: Server, tmp_path: Path) -> None:
    server.tokens = {"another"}
    clock = Clock()
    api = opening(server, clock, token="mine")
    with pytest.raises(Refused) as refused:
        api.list(PODS)
    assert refused.value.status == 401
    assert server.count("GET") == 2
    api.close()


def test_a_credential_that_cannot_be_read_again_is_named(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    api = opening(server, Clock(), tokenFile=str(file))
    server.tokens = {"second"}
    file.unlink()
    with pytest.raises(Refused, match=r"could not be renewed: .*token"):
        api.list(PODS)
    api.close()


def test_of_many_threads_one_renews(server: Server) -> None:
    server.tokens = {"token 2"}
    opened: list[int] = []

    def reopen() -> Any:
        opened.append(1)
        user = {"token": f"token {len(opened)}"}
        return open_session(Entry("kind-x", server.url, {"server": server.url}, user, "/"), direct=True)

    api = Api(Target("x", server.url, "", ""), reopen, guard)
    together = threading.Barrier(8)
    got: list[Any] = []

    def ask() -> None:
        together.wait()
        got.append(api.list(PODS))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(opened) == 2
    api.close()


# nothing that is not ours


@pytest.mark.parametrize(
    "path",
    [
        core("kube-system", "pods"),
        core("default", "configmaps"),
        core("", "nodes"),
        core("", "namespaces"),
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/api/v1/namespaces/kube-system",
        f"/api/v1/namespaces/{NS}/../kube-system/pods",
        "/version",
        "/",
    ],
)
def test_nothing_outside_our_namespaces_is_changed(server: Server, api: Api, path: str) -> None:
    for change in (
        lambda: api.create(path, pod("a")),
        lambda: api.patch(path, {}),
        lambda: api.delete(path, uid="u"),
    ):
        with pytest.raises(Unsafe):
            change()
    assert server.asked == []


def test_a_namespace_of_ours_may_be_made(server: Server, api: Api) -> None:
    made = api.create(core("", "namespaces"), {"metadata": {"name": NS}})
    api.delete(core("", "namespaces", NS), uid=made["metadata"]["uid"])
    assert server.store.objects["/api/v1/namespaces"] == {}


def test_permissions_are_asked_of_the_server(server: Server, api: Api) -> None:
    server.reviews = lambda attributes: (
        attributes
        == {
            "verb": "get",
            "resource": "pods",
            "subresource": "log",
            "namespace": "n",
            "group": "",
        }
    )
    assert api.may("get", "pods/log", "n")
    assert not api.may("get", "pods", "n")
    assert not api.may("patch", "deployments", "n", "apps")


# decisions


def test_paths() -> None:
    assert core("n", "pods") == "/api/v1/namespaces/n/pods"
    assert core("", "namespaces", "n") == "/api/v1/namespaces/n"
    assert apps("n", "deployments", "d") == "/apis/apps/v1/namespaces/n/deployments/d"
    assert discovery("n") == "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices"
    assert networking("", "ingressclasses") == "/apis/networking.k8s.io/v1/ingressclasses"
    assert core("n", "pods", "a/../b") == "/api/v1/namespaces/n/pods/a%2F..%2Fb"
    with pytest.raises(ValueError, match="no name"):
        core("n", "pods", "..")


@pytest.mark.parametrize(
    ("verb", "path", "words", "where"),
    [
        ("GET", "/api/v1/namespaces/n/pods", "list pods in namespace n", "n"),
        ("GET", "/api/v1/namespaces/n/pods?watch=1", "watch pods in namespace n", "n"),
        ("GET", "/api/v1/namespaces/n/pods/p/log", "get pods/log p in namespace n", "n"),
        ("PATCH", "/apis/apps/v1/namespaces/n/deployments/d", "patch deployments d in namespace n", "n"),
        ("DELETE", "/api/v1/namespaces/n", "delete namespaces n", "n"),
        ("GET", "/api/v1/nodes/x", "get nodes x", ""),
        ("POST", "/api/v1/namespaces", "create namespaces", ""),
        ("GET", "/version", "GET /version", ""),
        ("PATCH", "/api/v1/namespaces/n/../m/pods", "PATCH /api/v1/namespaces/n/../m/pods", ""),
        ("PATCH", "/api/v1/namespaces/n/finalize", "patch finalize in namespace n", "n"),
    ],
)
def test_what_a_path_is_about(verb: str, path: str, words: str, where: str) -> None:
    assert asked(verb, path) == words
    assert home(path) == where


@pytest.mark.parametrize(
    ("outcome", "again", "may"),
    [
        (Silence("x"), Again(), True),
        (Silence("x"), Again(harmless=False), False),
        (Silence("x", reached=False), Again(harmless=False), True),
        (Silence("untrusted", reached=False, lasting=True), Again(), False),
        (Answer(429, "", b""), Again(harmless=False), True),
        (Answer(503, "", b""), Again(harmless=False), False),
        (Answer(503, "", b""), Again(), True),
        (Answer(501, "", b""), Again(), False),
        (Answer(409, "", b""), Again(), False),
        (Answer(409, "", b""), Again(harmless=False, conflicts=True), True),
        (Answer(404, "", b""), Again(conflicts=True), False),
        (Answer(200, "", b""), Again(conflicts=True), False),
    ],
)
def test_what_may_be_sent_again(outcome: Any, again: Again, may: bool) -> None:
    assert passing(outcome, again) is may
    assert (pause(outcome, again, 1, 30.0, 0.0) is not None) is may


def test_waits_double_with_half_by_chance_and_stay_bounded() -> None:
    assert [backoff(tries, 0.0) for tries in (1, 2, 3)] == pytest.approx([0.05, 0.1, 0.2])
    assert [backoff(tries, 0.999) for tries in (1, 2, 3)] == pytest.approx([0.1, 0.2, 0.4], rel=1e-2)
    assert all(2.5 <= backoff(tries, 0.3) <= 5.0 for tries in (7, 100, 10**9))


def test_credentials_that_worked_are_renewed_until_the_budget_ends() -> None:
    assert unauthorized(1, False, 30, 0.5) == 0.0
    assert unauthorized(2, False, 30, 0.5) is None
    assert unauthorized(2, True, 30, 0.5) == pytest.approx(0.075)
    assert unauthorized(9, True, 0.01, 0.5) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1", 1.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("nan", None),
        ("inf", None),
        ("9" * 400, None),
        ("²", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_whole_seconds_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds
