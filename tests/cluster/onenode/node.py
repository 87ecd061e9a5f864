"""A node as its users see it: up, where it is, down."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from onenode import api, preflight
from onenode.builds import Say
from onenode.certificates import CONTEXT
from onenode.claims import holder, visit
from onenode.guardian import STAY
from onenode.images import PYTHON
from onenode.layout import Layout, Network
from onenode.parts import Parts, parts

HERE = Path(__file__).resolve().parents[1]
MANIFEST = HERE / "ingress-nginx" / "ingress-nginx.yaml"
INGRESS_PORT = 30088
PATIENCE = 120.0
NODE = "/api/v1/nodes/node1"
SERVICE_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"

Guardian = subprocess.Popen[str]


class Unavailable(Exception):
    """No node can run here, or what it is made of cannot be had; the message says why."""


@dataclass(frozen=True)
class Node:
    layout: Layout
    network: Network
    guardian: Guardian | None = field(default=None, repr=False, compare=False)  # if it is our child
    context: str = CONTEXT
    image: str = PYTHON.name

    @property
    def kubeconfig(self) -> Path:
        return self.layout.kubeconfig

    @property
    def address(self) -> str:
        return self.network.node

    @property
    def ingress(self) -> str:
        return f"{self.address}:{INGRESS_PORT}"

    def get(self, path: str) -> api.Json:
        return api.get(self.layout, self.network, path)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints. Raises OSError with what it complains of."""
        command = [str(self.layout.kubectl), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"kubectl {' '.join(arguments[:3])} …: {done.stderr.strip()}")
        return done.stdout


def existing(name: str) -> Node | None:
    """The node of this name, if its guardian lives and has started it."""
    layout = Layout(name)
    if holder(name) is None:
        return None
    with suppress(FileNotFoundError, ValueError):
        return Node(layout, Network(int((layout.folder / "network").read_text())))
    return None


def up(name: str, say: Say) -> Node:
    """A node that belongs to this process and ends with it.

    Raises Unavailable where none can run, OSError where one can and yet does not come up.
    """
    needed = prepared(say)
    begun = time.monotonic()
    guardian = employ(name, needed)
    assert guardian.stdout
    line = guardian.stdout.readline()
    if not line.strip().isdigit():
        raise OSError(f"no node: {line}{guardian.communicate()[0]}".strip()[-1500:])
    node = Node(Layout(name), Network(int(line)), guardian)
    try:
        wait_ready(node)
    except BaseException:
        down(node)
        raise
    say(f"the node is ready after {time.monotonic() - begun:.1f} s")
    return node


def prepared(say: Say) -> Parts:
    if reason := preflight.obstacle():
        raise Unavailable(reason)
    try:
        return parts(say)
    except OSError as error:
        raise Unavailable(str(error)) from error


def employ(name: str, needed: Parts) -> Guardian:
    """Starts the guardian of a node of ours."""
    own = os.pidfd_open(os.getpid())
    try:
        return subprocess.Popen(
            [sys.executable, str(HERE / "cluster.py"), "guard", name, str(own), *map(str, needed)],
            pass_fds=[own],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            cwd="/",
        )
    finally:
        os.close(own)


def stay(node: Node) -> None:
    """Lets the node outlive its owner."""
    with visit(node.layout.name) as guardian:
        guardian.sendall(STAY)
        guardian.recv(len(STAY))


def down(node: Node, patience: float = 60.0) -> None:
    """Ends the node; returns when nothing is left of it."""
    process = holder(node.layout.name)
    if process is not None:
        with suppress(ProcessLookupError):
            terminate(process, patience)
    if node.guardian:
        node.guardian.communicate()


def terminate(process: int, patience: float) -> None:
    pidfd = os.pidfd_open(process)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([pidfd], [], [], patience)[0]:
            raise OSError(f"the guardian (process {process}) has not ended after {patience:.0f} s")
    finally:
        os.close(pidfd)


def wait_ready(node: Node) -> None:
    """Until the node takes pods and the ingress controller answers."""
    until(node, "the API server is ready", lambda: node.get("/api/v1/namespaces/kube-system"))
    node.kubectl("apply", "-f", str(MANIFEST))
    until(node, "the node is ready", lambda: is_ready(node.get(NODE)))
    until(node, "there is a default service account", lambda: node.get(SERVICE_ACCOUNT))
    until(node, "ingress-nginx answers", lambda: api.status(node.address, INGRESS_PORT) == 404)


def is_ready(found: api.Json) -> bool:
    conditions = found["status"].get("conditions", []) if found else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def until(node: Node, what: str, true: Callable[[], object]) -> None:
    patience = time.monotonic() + PATIENCE
    while not true():
        if node.guardian and node.guardian.poll() is not None:
            raise OSError(f"before {what}: {node.guardian.communicate()[0].strip()}")
        if time.monotonic() > patience:
            raise OSError(f"not within {PATIENCE:.0f} s: {what}\n{logs(node)}")
        time.sleep(0.05)


def logs(node: Node) -> str:
    """The last lines of every component."""
    return "\n".join(f"{path.name}: {path.read_text()[-300:]}" for path in sorted(node.layout.log.iterdir()))
