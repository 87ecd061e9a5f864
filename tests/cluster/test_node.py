"""A node serves pods and routes by weight; when it ends, or its owner is killed, nothing of it is left."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from onenode import cgroups, claims, guardian, layout, node, preflight
from onenode.target import Cluster

HERE = Path(__file__).parent
NAMESPACE = "two-versions"
OWNER = """
import sys, time
from onenode import node
print(node.up(sys.argv[1], lambda line: None).network.number, flush=True)
time.sleep(600)
"""


def quiet(line: str) -> None:
    """What a node says while it comes up is not what is tested."""


@pytest.fixture
def possible() -> None:
    """These tests are about our own node, whatever cluster others use."""
    if reason := preflight.obstacle():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no cluster here: {reason}")


def within(seconds: float, true: Callable[[], object]) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def of(name: str, namespace: str) -> list[str]:
    """The node's processes: those in its network namespace, and its pods', found by control group."""
    own = [path.parts[2] for path in Path("/proc").glob("[0-9]*") if in_network(path) == namespace]
    lists = [path for group in cgroups.groups(name) for path in group.rglob("cgroup.procs")]
    return sorted({*own, *(process for each in lists for process in members(each))})


def members(processes: Path) -> list[str]:
    try:
        return processes.read_text().split()
    except OSError:  # the group went while it was read
        return []


def in_network(process: Path) -> str:
    try:
        return str((process / "ns" / "net").readlink())
    except OSError:
        return ""


def traces(name: str, number: int, namespace: str) -> dict[str, list[str]]:
    """Everything that a node has on its host, by kind; empty lists are left out."""
    own = layout.Layout(name)
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = {
        "processes": of(own.cgroup, namespace),
        "folder": [str(path) for path in (own.folder,) if path.exists()],
        "control groups": [str(group) for group in cgroups.groups(own.cgroup) if group.exists()],
        "links": [path.name for path in Path("/sys/class/net").glob(layout.Network(number).link)],
        "mounts": [line for line in mounts if str(own.folder) in line],
    }
    return {kind: those for kind, those in found.items() if those}


def network_namespace(of_node: layout.Layout) -> str:
    return in_network(Path("/proc", (of_node.folder / "first").read_text().strip()))


def host_wide() -> dict[str, str]:
    """What a node must not change: the host's routes, sysctls that kubelet would set, and mounts."""
    settings = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"]
    settings += ["net/ipv4/ip_forward", "net/netfilter/nf_conntrack_tcp_timeout_syn_sent"]
    files = [Path("/proc/sys", setting) for setting in settings]
    return {str(path): path.read_text() for path in (*files, Path("/proc/self/mounts")) if path.exists()}


def test_two_stand_side_by_side_and_one_that_goes_leaves_nothing(possible: None, cluster: Cluster) -> None:
    before = host_wide()
    own = node.up("trial", quiet)
    try:
        namespace = network_namespace(own.layout)
        there = traces("trial", own.network.number, namespace)
        assert there.keys() == {"processes", "folder", "control groups", "links"}  # its mounts only it sees
        assert len(there["processes"]) > 8
        assert own.address != cluster.address
        assert json.loads(cluster.kubectl("get", "--raw", "/version")) == own.get("/version")
        assert host_wide() == before
    finally:
        node.down(own)
    assert traces("trial", own.network.number, namespace) == {}
    assert host_wide() == before
    assert cluster.kubectl("get", "--raw", "/readyz") == "ok"


@pytest.fixture
def owned() -> Iterator[tuple["subprocess.Popen[str]", int, str]]:
    """A node whose owner is another process: that process, the node's number and its namespace."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, "owned"], cwd=HERE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    number = owner.stdout.readline().strip()
    try:
        assert number, "the owner has no node"
        yield owner, int(number), network_namespace(layout.Layout("owned"))
    finally:
        owner.kill()
        owner.communicate()


def test_a_node_goes_with_its_owner(possible: None, owned: tuple["subprocess.Popen[str]", int, str]) -> None:
    owner, number, namespace = owned
    assert len(traces("owned", number, namespace)["processes"]) > 8
    owner.send_signal(signal.SIGKILL)
    assert within(10, lambda: not traces("owned", number, namespace)), traces("owned", number, namespace)


def test_a_node_goes_with_its_guardian(
    possible: None, owned: tuple["subprocess.Popen[str]", int, str]
) -> None:
    """Processes, mounts and network at once; the folder and the empty control groups with the next start."""
    _, number, namespace = owned
    keeper = claims.holder("owned")
    assert keeper
    os.kill(keeper, signal.SIGKILL)
    left = {"folder", "control groups"}
    assert within(10, lambda: traces("owned", number, namespace).keys() == left), traces(
        "owned", number, namespace
    )
    guardian.sweep()
    assert traces("owned", number, namespace) == {}


APP = """
import http.server, os
class Version(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = os.environ["VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *what): pass
http.server.ThreadingHTTPServer(("", 8080), Version).serve_forever()
"""


def version(name: str, image: str) -> list[dict[str, object]]:
    """A Deployment that answers with its name, and a Service of type NodePort."""
    container = {
        "name": "app",
        "image": image,
        "command": ["python3", "-S", "-u", "-c", APP],
        "env": [{"name": "VERSION", "value": name}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    deployment = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template}
    service = {"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    ]


def route(name: str, annotations: dict[str, str]) -> dict[str, object]:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rule = {
        "host": "two.test",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    prefixed = {f"nginx.ingress.kubernetes.io/{key}": value for key, value in annotations.items()}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": prefixed},
        "spec": {"ingressClassName": "nginx", "rules": [rule]},
    }


@pytest.fixture(scope="module")
def two_versions(cluster: Cluster) -> Iterator[None]:
    """stable and candidate, each with two ready pods, behind an Ingress that gives half to the candidate."""
    objects = [*version("stable", cluster.image), *version("candidate", cluster.image)]
    objects += [route("stable", {}), route("candidate", {"canary": "true", "canary-weight": "50"})]
    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        cluster.kubectl("apply", "--namespace", NAMESPACE, "-f", "-", given=listed)
        for name in ("stable", "candidate"):
            cluster.kubectl(
                "rollout", "status", "--namespace", NAMESPACE, "--timeout=60s", f"deployment/{name}"
            )
        yield
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE)


def answer(address: str, host: str = "") -> str:
    """The version that answers, or "" if none does."""
    connection = http.client.HTTPConnection(address, timeout=3)
    try:
        connection.request("GET", "/", headers={"Host": host} if host else {})
        answered = connection.getresponse()
        said = answered.read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return said if answered.status == 200 else ""


def test_a_pod_answers_on_the_host_by_its_nodeport(cluster: Cluster, two_versions: None) -> None:
    asked = ["get", "service", "stable", "--namespace", NAMESPACE, "-o", "jsonpath={.spec.ports[0].nodePort}"]
    at = f"{cluster.address}:{cluster.kubectl(*asked)}"
    assert within(10, lambda: answer(at) == "stable")
    assert [answer(at) for _ in range(20)] == ["stable"] * 20


def test_ingress_nginx_splits_by_weight(cluster: Cluster, two_versions: None) -> None:
    """Half and half of 400, drawn one by one: five standard deviations are 50."""
    if cluster.ingress is None:
        pytest.skip("this cluster has no ingress-nginx")
    at = cluster.ingress
    assert within(20, lambda: answer(at, "two.test") == "candidate")
    # one in a hundred first packets to a single ingress pod is lost, and a busy machine answers too late
    asked = (answer(at, "two.test") for _ in range(600))
    answers = [*islice((one for one in asked if one), 400)]
    assert len(answers) == 400 and set(answers) == {"stable", "candidate"}
    assert 150 <= answers.count("candidate") <= 250
