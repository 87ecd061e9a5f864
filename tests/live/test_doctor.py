"""What the doctor says of a cluster, sound or not; and that what it demands is what a run needs, no more."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import yaml
from onenode.target import Cluster

import rolloutlab
from live import capacity, cleanup, examine, namespaces, permissions
from live.api import Api, Refused, Target, Unavailable
from live.capacity import Room, free, most_pods, quantity
from live.doctor import (
    Clock,
    Examined,
    Finding,
    Level,
    Nginx,
    Node,
    Reached,
    Unknown,
    Wanted,
    full_name,
    judge,
    obstacles,
)
from live.namespaces import Claim
from live.objects import Image
from live.permissions import TABLE, Denied, Use
from live.target import connect
from scenarios.load import load
from scenarios.record import PodEvent

Called = Callable[..., Any]
SOUND = Examined(
    Target("kind-try", "https://127.0.0.1:6443", "uid-1", "v1.34.3"),
    "37.0.2",
    (),
    (Node("one", True, "10.0.0.1", ("docker.io/library/python:3.13-slim",)),),
    Room(100, 4.0, 8e9),
    Nginx(("nginx",), ("10.0.0.1", 30080)),
    (Reached("10.0.0.1", 10250), Reached("10.0.0.1", 30080)),
    "",
    Clock(0.3, 0.5),
    None,
)


def _said(found: Examined, about: str, wanted: Wanted = Wanted()) -> Finding:  # noqa: B008 (frozen)
    (finding,) = (one for one in judge(found, wanted) if one.about == about)
    return finding


def test_a_sound_cluster_needs_nothing() -> None:
    wanted = Wanted(Room(20, 0.2, 1e9), ("python:3.13-slim",), ingress=True)
    findings = judge(SOUND, wanted)
    assert {one.level for one in findings} == {Level.GOOD}
    assert not any(one.advice for one in findings)
    assert "archived in March 2026" in _said(SOUND, "ingress-nginx").text


OLD = replace(SOUND.target, version="v1.29.9-gke.1")
SAID = {"ingress": True, "said": frozenset({permissions.INGRESS})}
RUNS, INGRESS, ADVICE = (next(one for one in TABLE if one.use is use) for use in Use)


@pytest.mark.parametrize(
    ("change", "wanted", "about", "level", "text"),
    [
        ({"target": OLD}, {}, "version", Level.BAD, "v1.29.9"),
        ({"target": OLD}, {"pre_stop": False}, "version", Level.WARNING, "v1.29.9"),
        ({"target": replace(SOUND.target, version="v1.99.0")}, {}, "version", Level.WARNING, "v1.99"),
        ({"target": replace(SOUND.target, version="?")}, {}, "version", Level.WARNING, "?"),
        ({"denied": (Denied(RUNS, "create"),)}, {}, "permissions", Level.BAD, "create namespaces"),
        ({"denied": (Denied(INGRESS, "patch"),)}, {}, "permissions", Level.WARNING, "patch ingresses"),
        ({"denied": (Denied(INGRESS, "patch"),)}, {"ingress": True}, "permissions", Level.BAD, "patch"),
        ({"denied": (Denied(ADVICE, "list"),)}, {"ingress": True}, "permissions", Level.WARNING, "list"),
        ({"denied": Unknown("401")}, {}, "permissions", Level.BAD, "401"),
        ({"admitted": "policy says no"}, {}, "admission", Level.BAD, "policy says no"),
        ({"nodes": (Node("one", False, None),)}, {}, "nodes", Level.BAD, "0 of 1 nodes take pods; not one"),
        ({"nodes": Unknown("403")}, {}, "nodes", Level.WARNING, "403"),
        ({}, {"images": ("python:3.12",)}, "image", Level.WARNING, "python:3.12 is not listed by one"),
        ({}, {"room": Room(101, 0.1, 0)}, "room", Level.BAD, "free: 100 pods"),
        ({}, {"room": Room(1, 4.5, 0)}, "room", Level.BAD, "4.50 cores"),
        ({}, {"room": Room(1, 0, 9e9)}, "room", Level.BAD, "MiB"),
        ({"room": Unknown("403")}, {"room": Room(1, 0, 0)}, "room", Level.WARNING, "403"),
        ({"nginx": Nginx((), "none")}, {}, "ingress-nginx", Level.WARNING, "no IngressClass"),
        ({"nginx": Nginx((), "none")}, {"ingress": True}, "ingress-nginx", Level.BAD, "no IngressClass"),
        ({"nginx": Nginx(("public",), "")}, {"ingress": True}, "ingress-nginx", Level.BAD, "there is public"),
        ({"nginx": Nginx(("nginx",), "no way")}, {"ingress": True}, "ingress-nginx", Level.BAD, "no way"),
        ({"nginx": Nginx(("nginx",), "no way")}, SAID, "ingress-nginx", Level.GOOD, "IngressClass nginx"),
        ({"nginx": Unknown("403")}, {"ingress": True}, "ingress-nginx", Level.WARNING, "403"),
        ({"clock": Clock(-90.0, 0.5)}, {}, "clock", Level.WARNING, "90.0 s behind"),
        ({"clock": Clock(3.0, 0.5)}, {}, "clock", Level.WARNING, "3.0 s ahead"),
        ({"clock": Clock(3.0, 1.5)}, {}, "clock", Level.GOOD, "± 1.5 s"),
        ({"clock": Unknown("403")}, {}, "clock", Level.WARNING, "403"),
        ({"syn_sent": 120}, {}, "conntrack", Level.WARNING, "120 s on this node"),
        ({"syn_sent": 2}, {}, "conntrack", Level.GOOD, "2 s"),
    ],
)  # fmt: skip
def test_whatever_is_unsound_is_said_with_what_to_do(
    change: dict[str, Any], wanted: dict[str, Any], about: str, level: Level, text: str
) -> None:
    finding = _said(replace(SOUND, **change), about, Wanted(**wanted))
    assert (finding.level, text in finding.text) == (level, True), finding
    assert level is not Level.BAD or finding.advice


def test_a_node_that_cannot_be_reached_is_named_with_its_port() -> None:
    found = replace(SOUND, reached=(Reached("10.0.0.1", 30080, "timed out"),))
    assert _said(found, "reachable").text == "10.0.0.1:30080 cannot be reached from here: timed out"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3", "docker.io/library/python:3"),
        ("me/app:1", "docker.io/me/app:1"),
        ("ghcr.io/me/app", "ghcr.io/me/app:latest"),
        ("localhost/app:1", "localhost/app:1"),
        ("registry:5000/app", "registry:5000/app:latest"),
        ("python@sha256:00", "docker.io/library/python@sha256:00"),
    ],
)
def test_images_are_compared_by_their_whole_names(name: str, full: str) -> None:
    assert full_name(name) == full


# --- room -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2), ("100m", 0.1), ("1500m", 1.5), ("64Mi", 64 * 2**20), ("1Gi", 2**30), ("1k", 1000),
        ("1M", 1e6), ("0.5", 0.5), ("1e3", 1000), ("1E", 1e18), ("5u", 5e-6), ("24635548Ki", 24635548 * 1024),
        ("", 0), ("many", 0), (None, 0),
    ],
)  # fmt: skip
def test_quantities(text: object, number: float) -> None:
    assert quantity(text) == pytest.approx(number, rel=1e-12)


def _node(name: str, **spec: Any) -> dict[str, Any]:
    allocatable = {"cpu": "2", "memory": "1Gi", "pods": "110"}
    conditions = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {"name": name},
        "spec": spec,
        "status": {"allocatable": allocatable, "conditions": conditions},
    }


def _pod(node: str | None, phase: str = "Running") -> dict[str, Any]:
    requests = {"requests": {"cpu": "500m", "memory": "256Mi"}}
    spec = {"nodeName": node, "containers": [{"resources": requests}, {}]}
    return {"spec": spec, "status": {"phase": phase}}


def test_room_is_what_nodes_that_take_pods_have_and_pods_there_do_not_ask_for() -> None:
    tainted = _node("tainted", taints=[{"effect": "NoSchedule"}])
    nodes = [_node("a"), _node("b"), _node("cordoned", unschedulable=True), tainted]
    pods = [_pod("a"), _pod("a", "Succeeded"), _pod("tainted"), _pod(None)]
    assert free(nodes, pods) == Room(219, 3.5, 2 * 2**30 - 256 * 2**20)


@pytest.mark.parametrize("candidate", ["healthy", "errors"])
@pytest.mark.parametrize("strategy", load("quickstart").strategies)
def test_no_simulated_release_has_more_pods_than_its_plan_is_said_to_take(
    strategy: str, candidate: str
) -> None:
    world = load("quickstart")
    pods = rolloutlab.simulate(world, strategy, candidate=candidate).truth.pods
    change = np.select([pods.kind == PodEvent.CREATED, pods.kind == PodEvent.DELETED], [1, -1], 0)
    most, said = int(np.cumsum(change).max()), most_pods(world.plan(strategy))
    assert world.service.replicas <= most <= said
    if candidate == "healthy" and strategy in ("rolling", "blue-green"):
        assert most == said


def test_the_largest_strategy_decides_what_a_scenario_takes() -> None:
    world = load("quickstart")
    assert capacity.largest(world, world.strategies, Image("python:3")).pods == 20
    assert capacity.largest(world, ["rolling"], Image("python:3")) == Room(13, 0.13, 13 * 32 * 2**20)


# --- looking ----------------------------------------------------------------------------------------


@dataclass
class Fake:
    """An API that answers lists from a table, refuses the rest, and stamps with a clock of its own."""

    lists: dict[str, list[dict[str, Any]]]
    ahead: timedelta = timedelta()
    target: Target = SOUND.target

    def list(self, path: str, **query: str) -> dict[str, Any]:
        if path not in self.lists:
            raise Refused(403, "Forbidden", f"may not list {path}")
        return {"items": self.lists[path]}

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path.endswith("?dryRun=All")
        stamp = (datetime.now(UTC) + self.ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"metadata": body["metadata"] | {"creationTimestamp": stamp}}

    def may(self, verb: str, resource: str, namespace: str, group: str = "") -> bool:
        if resource == "services":
            raise Unavailable("connection reset")
        return verb != "delete"


def test_what_cannot_be_looked_at_is_unknown_and_keeps_nothing_else_from_being_seen() -> None:
    found = examine.examine(cast(Api, Fake({}, timedelta(minutes=-2))))
    assert isinstance(found.nodes, Unknown)
    assert isinstance(found.nginx, Unknown)
    assert isinstance(found.denied, Unknown)
    assert isinstance(found.clock, Clock)
    assert found.clock.ahead == pytest.approx(-120, abs=1.1)
    assert found.reached == ()
    assert _said(found, "clock").level is Level.WARNING
    assert "may not list /api/v1/nodes" in _said(found, "nodes").text


class _Closing(BaseHTTPRequestHandler):
    pass


def test_a_refused_connection_is_an_answer_and_a_name_of_nobody_is_none() -> None:
    with HTTPServer(("127.0.0.1", 0), _Closing) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        port = server.server_port
        assert examine._connection("127.0.0.1", port) == Reached("127.0.0.1", port)
        thread.join()
    assert examine._connection("127.0.0.1", port) == Reached("127.0.0.1", port)
    assert examine._connection("nobody.invalid", 80).why


def test_only_one_s_own_addresses_are_here() -> None:
    assert examine._is_here("127.0.0.1")
    assert not examine._is_here("192.0.2.1")  # reserved for documentation (RFC 5737)
    assert not examine._is_here(None)


# --- on a real cluster ------------------------------------------------------------------------------


@pytest.fixture
def api(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
    uid = cluster.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    return connect(cluster.context, cluster_uid=uid)


def test_the_doctor_finds_a_real_cluster_fit_and_changes_nothing(
    api: Api, cluster: Cluster, called: Called
) -> None:
    names = ["get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}"]
    target = api.target
    where = ["--context", target.context, "--cluster-uid", target.uid, "--image", cluster.image]
    answer = called("live", "doctor", *where, "--scenario", "quickstart", "--set", "service.replicas=2")
    assert answer.code == 0, answer.out
    assert "✗" not in answer.out
    assert f"UID {target.uid}" in answer.out
    assert "rehearsal" not in cluster.kubectl(*names)
    told = json.loads(called("live", "doctor", *where, "-o", "json").out)
    levels = {one["about"]: one["level"] for one in told["findings"]}
    assert levels["permissions"] == levels["admission"] == levels["room"] == levels["clock"] == "good"
    assert (levels["ingress-nginx"] == "good") is (cluster.ingress is not None)


def test_a_scenario_that_is_too_large_for_it_is_told_so(api: Api, called: Called) -> None:
    target = api.target
    where = ["--context", target.context, "--cluster-uid", target.uid]
    answer = called("live", "doctor", *where, "--scenario", "quickstart", "--set", "service.replicas=9999")
    assert answer.code == 5
    assert "too little pods" in answer.out


def test_a_cluster_that_is_not_there_is_exit_5(called: Called, cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "yaml"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    answer = called(
        "live", "doctor", "--context", cluster.context, "--cluster-uid", "any", "--kubeconfig", str(path)
    )
    assert answer.code == 5
    assert "The cluster failed: " in answer.err


NAME = "rolloutlab-test-permissions"
OUTSIDE = "may only change namespaces of live runs"


@dataclass
class Granted:
    """A user of a real cluster who has what the table says, and nothing else."""

    cluster: Cluster
    user: str
    kubeconfig: Path

    def grant(self, documents: list[dict[str, Any]]) -> None:
        self.cluster.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(documents))

    def told(self, command: tuple[str, ...]) -> str:
        """What the user is told who would do that."""
        theirs = replace(self.cluster, kubeconfig=str(self.kubeconfig))
        try:
            return theirs.kubectl(*command, "--dry-run=server")
        except OSError as error:
            return str(error)


@pytest.fixture
def granted(api: Api, cluster: Cluster, tmp_path: Path) -> Iterator[Granted]:
    config = yaml.safe_load(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "yaml"))
    cluster.kubectl("create", "serviceaccount", NAME, "--namespace", "default")
    try:
        token = cluster.kubectl("create", "token", NAME, "--namespace", "default", "--duration=10m").strip()
        config["users"][0]["user"] = {"token": token}
        path = tmp_path / "granted"
        path.write_text(yaml.safe_dump(config))
        yield Granted(cluster, f"system:serviceaccount:default:{NAME}", path)
    finally:
        cluster.kubectl("delete", "serviceaccount", NAME, "--namespace", "default")
        kinds = "clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding"
        cluster.kubectl("delete", kinds, NAME, "--ignore-not-found")


def _within(seconds: float, true: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not (done := true()) and time.monotonic() < until:
        time.sleep(0.2)
    return done


def _connected(api: Api, granted: Granted) -> Api:
    """As that user; a grant takes effect a moment after it was written."""
    found: list[Api] = []

    def connects() -> bool:
        try:
            found.append(
                connect(api.target.context, kubeconfig=granted.kubeconfig, cluster_uid=api.target.uid)
            )
        except Refused:
            return False
        return True

    assert _within(10, connects)
    return found[0]


def test_the_printed_rights_are_enough_and_reach_no_further_than_namespaces_of_ours(
    api: Api, granted: Granted
) -> None:
    granted.grant(permissions.rbac(granted.user, NAME))
    own = _connected(api, granted)
    assert _within(10, lambda: examine.examine(own).denied == ())
    assert examine.examine(own).admitted == ""
    marks = examine.rehearsal(datetime.now(UTC))
    uid = own.create(cleanup.NAMESPACES, namespaces.manifest(marks))["metadata"]["uid"]
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
    own.create(f"{cleanup.NAMESPACES}/{marks.name}/configmaps", thing)
    cleaned = cleanup.clean(own, [Claim(marks.name, marks.token, uid)])
    assert (cleaned.gone, cleaned.remains) == ((marks.name,), ())
    for attempt in (
        ("create", "configmap", "mine", "--namespace=default"),
        ("create", "namespace", "shop"),
        ("create", "namespace", f"{marks.name}-copy"),
        ("delete", "namespace", "kube-node-lease"),
    ):
        assert _within(10, lambda attempt=attempt: OUTSIDE in granted.told(attempt)), granted.told(attempt)


def test_a_verb_that_is_not_granted_is_named_with_its_resource(api: Api, granted: Granted) -> None:
    role, *others = permissions.rbac(granted.user, NAME)
    for rule in role["rules"]:
        if rule["resources"] == ["deployments"]:
            rule["verbs"].remove("patch")
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != ["nodes"]]
    granted.grant([role, *others])
    own = _connected(api, granted)
    lacking = [
        "list nodes in the whole cluster (where NodePorts are reached, how much room there is)",
        "patch deployments.apps in namespaces rolloutlab-* (the release itself)",
    ]
    assert _within(10, lambda: [*map(str, permissions.denied(own, "rolloutlab-0123abcd-0"))] == lacking)
    found = examine.examine(own)
    assert isinstance(found.nodes, Unknown)
    for said, left in ((frozenset[str](), lacking), (frozenset({permissions.NODE}), lacking[1:])):
        bad = [one.text for one in obstacles(found, Wanted(said=said))]
        assert bad == [f"not granted: {one}" for one in left]


def test_a_run_that_may_not_do_all_it_must_makes_nothing(
    api: Api,
    granted: Granted,
    called: Called,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Above all none that may make namespaces and not delete them."""
    monkeypatch.chdir(tmp_path)
    role, *others = permissions.rbac(granted.user, NAME)
    for rule in role["rules"]:
        if rule["resources"] == ["namespaces"]:
            rule["verbs"].remove("delete")
    granted.grant([role, *others])
    _connected(api, granted)
    where = (
        "--context",
        cluster.context,
        "--cluster-uid",
        api.target.uid,
        "--kubeconfig",
        str(granted.kubeconfig),
    )
    for more in ((), ("--dry-run",)):
        answer = called("live", "run", "one-node", *where, "--image", cluster.image, *more)
        assert answer.code == 5, answer.err
        assert "not granted: delete namespaces in the whole cluster" in " ".join(answer.err.split())
        assert "Nothing was made" in answer.err
    assert not (tmp_path / "runs").exists()


def test_a_foreign_host_is_loaded_with_its_owners_word_only(
    api: Api, called: Called, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
    host = "203.0.113.7"  # kept for documentation (RFC 5737); a dry run sends nothing there
    where = ("--context", cluster.context, "--cluster-uid", api.target.uid, "--ingress-address", f"{host}:80")
    dry = ("live", "run", "one-node", *where, "--image", cluster.image, "--dry-run")
    refused = called(*dry)
    assert refused.code == 4, refused.err
    assert f"--yes-i-may-load {host}" in " ".join(refused.err.split())
    assert called(*dry, "--yes-i-may-load", host).code == 0
