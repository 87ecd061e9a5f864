"""The API client and the watch on a real Kubernetes; a relay cuts connections and swallows answers."""

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from live.api import CREATED, Api, Refused, Target, core
from live.exchange import Patience
from live.kubeconfig import Entry, read_entry
from live.session import open_session
from live.target import connect, guard
from live.watch import Change, Watch


class Relay:
    """Passes bytes on to the API server; `cut` ends all connections, `swallow` what the server says next."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self.swallow = 0
        self.swallowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """How many connections there were."""
        there, self._open = self._open, []
        for one in there:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        return len(there) // 2

    def close(self) -> None:
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._to)
                self._open += [near, far]
                for source, sink, answers in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pass, args=(source, sink, answers), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self.swallow > 0:
                    self.swallow, self.swallowed = self.swallow - 1, self.swallowed + 1
                    break
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        source.close()


@pytest.fixture(scope="module")
def uid(cluster: Any) -> str:
    """As kubectl tells it."""
    found = json.loads(cluster.kubectl("get", "namespace", "kube-system", "-o", "json"))
    return str(found["metadata"]["uid"])


@pytest.fixture(scope="module")
def api(cluster: Any, uid: str) -> Iterator[Api]:
    opened = connect(cluster.context, kubeconfig=Path(cluster.kubeconfig), cluster_uid=uid)
    yield opened
    opened.close()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """One of ours, empty."""
    name = f"rolloutlab-{token_hex(4)}-0"
    made = api.create(core("", "namespaces"), {"metadata": {"name": name}})
    yield name
    api.delete(core("", "namespaces", name), uid=made["metadata"]["uid"])


@pytest.fixture
def entry(cluster: Any) -> Entry:
    return read_entry(cluster.context, Path(cluster.kubeconfig))


@pytest.fixture
def relay(entry: Entry) -> Iterator[Relay]:
    split = urlsplit(entry.server)
    made = Relay(split.hostname or "", split.port or 443)
    yield made
    made.close()


@pytest.fixture
def relayed(entry: Entry, relay: Relay) -> Iterator[Api]:
    """An Api whose connections go through the relay."""
    name = entry.cluster.get("tls-server-name") or urlsplit(entry.server).hostname
    cluster = {**entry.cluster, "server": f"https://127.0.0.1:{relay.port}", "tls-server-name": name}
    through = Entry(entry.context, cluster["server"], cluster, entry.user, entry.folder)
    opened = Api(Target("x", "", "", ""), lambda: open_session(through, direct=True), guard)
    yield opened
    opened.close()


def settings(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def until(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    ends = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.01)


def versions(changes: list[Change]) -> list[str]:
    return [change.object["metadata"]["resourceVersion"] for change in changes]


def test_who_is_there(api: Api, cluster: Any, uid: str) -> None:
    assert api.target.uid == uid
    assert api.target.version.startswith("v1.")
    assert api.target.context == cluster.context


def test_objects_are_made_changed_and_deleted_by_uid(api: Api, namespace: str) -> None:
    maps = core(namespace, "configmaps")
    one = core(namespace, "configmaps", "a")
    made = api.create(maps, settings("a", k="1"))
    with pytest.raises(Refused, match="already exists"):
        api.create(maps, settings("a"))
    assert api.patch(one, {"data": {"k": None, "l": "2"}})["data"] == {"l": "2"}
    assert api.patch(one, {"data": {"m": "3"}}, "strategic")["data"] == {"l": "2", "m": "3"}
    replaced = [{"op": "replace", "path": "/data/l", "value": "4"}]
    assert api.patch(one, replaced, "json")["data"] == {"l": "4", "m": "3"}
    with pytest.raises(Refused, match="modified") as refused:
        api.patch(one, {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}})
    assert refused.value.status == 409
    api.delete(one, uid="another")
    assert api.get(one)["data"] == {"l": "4", "m": "3"}
    api.delete(one, uid=made["metadata"]["uid"])
    api.delete(one, uid=made["metadata"]["uid"])  # is gone: fine
    with pytest.raises(Refused) as missing:
        api.get(one)
    assert missing.value.status == 404


def test_a_create_whose_answer_is_swallowed_is_made_once(relayed: Api, relay: Relay, namespace: str) -> None:
    relayed.list(core(namespace, "configmaps"))
    relay.swallow = 1
    made = relayed.create(core(namespace, "configmaps"), settings("a"))
    assert relay.swallowed == 1
    assert made["metadata"]["annotations"].keys() == {CREATED}
    assert "a" in [item["metadata"]["name"] for item in relayed.list(core(namespace, "configmaps"))["items"]]


def test_a_delete_whose_answer_is_swallowed_is_done(relayed: Api, relay: Relay, namespace: str) -> None:
    one = core(namespace, "configmaps", "a")
    made = relayed.create(core(namespace, "configmaps"), settings("a"))
    relay.swallow = 1
    relayed.delete(one, uid=made["metadata"]["uid"])
    assert relay.swallowed == 1
    with pytest.raises(Refused):
        relayed.get(one)


def test_every_change_is_told_once_though_connections_are_cut(
    api: Api, relayed: Api, relay: Relay, namespace: str
) -> None:
    maps, one = core(namespace, "configmaps"), core(namespace, "configmaps", "a")
    changes: list[Change] = []
    watch = Watch(relayed, maps, changes.append)
    watch.start()
    before = len(changes)  # the cluster's own certificate may be there
    written = [api.create(maps, settings("a", n="0"))["metadata"]["resourceVersion"]]
    cuts = 0
    for number in range(1, 300):
        written.append(api.patch(one, {"data": {"n": str(number)}})["metadata"]["resourceVersion"])
        cuts += relay.cut() if number % 40 == 0 else 0
    of_a = [c for c in changes if c.object["metadata"]["name"] == "a"]
    until(lambda: len([c for c in changes if c.object["metadata"]["name"] == "a"]) >= 300)
    watch.stop()
    of_a = [change for change in changes[before:] if change.object["metadata"]["name"] == "a"]
    assert versions(of_a) == written
    assert [change.kind for change in of_a] == ["added"] + ["modified"] * 299
    assert cuts >= 5
    assert watch.gap < 5.0


@pytest.fixture
def things(cluster: Any, namespace: str) -> Iterator[str]:
    """The path of a kind that is new to the server: it remembers no version of any from before."""
    group = f"x{token_hex(4)}.rolloutlab.dev"
    versions = {"name": "v1", "served": True, "storage": True}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "scope": "Namespaced",
            "versions": [{**versions, "schema": schema}],
        },
    }
    cluster.kubectl("create", "-f", "-", given=json.dumps(definition))
    cluster.kubectl("wait", "--for=condition=Established", f"crd/things.{group}", "--timeout=30s")
    yield f"/apis/{group}/v1/namespaces/{namespace}/things"
    cluster.kubectl("delete", "crd", f"things.{group}")


def test_a_version_that_the_server_has_forgotten_is_listed_again(api: Api, things: str) -> None:
    kind = {"apiVersion": things.removeprefix("/apis/").partition("/namespaces")[0], "kind": "Thing"}
    changes: list[Change] = []
    watch = Watch(api, things, changes.append)
    watch.start()
    written = []
    for name in "abc":
        made = api.create(things, {**kind, "metadata": {"name": name}})
        written.append(made["metadata"]["resourceVersion"])
        # a list or a bookmark may be of a later version than what was written
        until(lambda: len(changes) == len(written) and int(watch._version) >= int(written[-1]))
        if name == "a":
            watch._version = "1"  # as if it had been away for long
            watch._stream.interrupt()  # type: ignore[union-attr]
    until(lambda: len(watch.trouble) >= 2)
    watch.stop()
    assert versions(changes) == written
    assert any("listing again" in text and "too old resource version: 1" in text for text in watch.trouble), (
        watch.trouble
    )


def test_an_event_comes_soon_after_the_answer(api: Api, namespace: str) -> None:
    """From the patch being sent to its event being here: the server's own time in it, so a loose bound."""
    maps, one = core(namespace, "configmaps"), core(namespace, "configmaps", "a")
    changes: list[Change] = []
    watch = Watch(api, maps, changes.append)
    watch.start()
    api.create(maps, settings("a"))
    sent = {}
    for number in range(50):
        began = time.monotonic()
        answer = api.patch(one, {"data": {"n": str(number)}})
        sent[answer["metadata"]["resourceVersion"]] = began
    until(lambda: set(sent) <= set(versions(changes)))
    watch.stop()
    late = [
        change.at - sent[version]
        for change, version in zip(changes, versions(changes), strict=True)
        if version in sent
    ]
    assert len(late) == 50
    assert statistics.median(late) < 0.05


def test_bookmarks_are_asked_for_and_the_server_ends_in_silence(api: Api, namespace: str) -> None:
    """A connection of one second: what the server sends at its end, and that the next goes on from there."""
    changes: list[Change] = []
    watch = Watch(api, core(namespace, "configmaps"), changes.append, lifetime=1.0)
    watch.start()
    time.sleep(3.5)
    api.create(core(namespace, "configmaps"), settings("a"))
    until(lambda: any(change.object["metadata"]["name"] == "a" for change in changes))
    watch.stop()
    assert watch.trouble == []
    assert watch.gap < 0.5


def restricted(api: Api, namespace: str) -> str:
    """The token of an account that may do nothing."""
    api.create(core(namespace, "serviceaccounts"), {"metadata": {"name": "nobody"}})
    path = core(namespace, "serviceaccounts", "nobody") + "/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return str(api.create(path, asked)["status"]["token"])


def test_what_is_forbidden_names_verb_and_resource(
    api: Api, entry: Entry, namespace: str, tmp_path: Path, uid: str
) -> None:
    user = {"token": restricted(api, namespace)}
    poor = Api(
        api.target,
        lambda: open_session(Entry("x", entry.server, entry.cluster, user, ""), direct=True),
        guard,
    )
    with pytest.raises(Refused) as refused:
        poor.list(core(namespace, "pods"))
    assert refused.value.status == 403
    assert str(refused.value).startswith(f"cannot list pods in namespace {namespace}: pods is forbidden: ")
    assert not poor.may("list", "pods", namespace)
    assert api.may("list", "pods", namespace)
    assert api.may("patch", "deployments/scale", namespace, "apps")
    poor.close()
    file = tmp_path / "config"
    document = {
        "contexts": [{"name": "kind-x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": dict(entry.cluster)}],
        "users": [{"name": "u", "user": user}],
    }
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(Refused, match="cannot get namespaces kube-system"):
        connect("kind-x", kubeconfig=file, cluster_uid=uid)


def test_a_token_that_is_replaced_is_read_again(
    api: Api, entry: Entry, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("expired")
    user = {"tokenFile": str(file)}
    opened = Api(
        api.target,
        lambda: open_session(Entry("x", entry.server, entry.cluster, user, ""), direct=True),
        guard,
        patience=Patience(budget=5.0),
    )
    with pytest.raises(Refused) as refused:
        opened.get("/version")
    assert refused.value.status == 401
    file.write_text(restricted(api, namespace))
    assert opened.get("/version")["gitVersion"] == api.target.version
    opened.close()
