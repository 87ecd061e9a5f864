"""The cluster that tests use: a node of the test run's own, or the one that ROLLOUTLAB_TEST_CONTEXT names."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onenode import builds, node
from onenode.builds import Say
from onenode.node import Node

INGRESS = (
    "ingress-nginx",
    "ingress-nginx-controller",
)  # the Service's namespace and name, as upstream installs it
ELSEWHERE = "python:3.13-slim"  # the image where nothing is said, as the command line has it


@dataclass(frozen=True)
class Cluster:
    """`address` is where NodePorts answer, `ingress` is ingress-nginx's host:port, `program` is kubectl.

    `program` may have options, but none that says whose kubeconfig is used: tests put another user's there.
    """

    kubeconfig: str
    context: str
    address: str
    ingress: str | None
    image: str
    program: tuple[str, ...]

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints; `given` is its standard input. Raises OSError with what it complains of."""
        command = [*self.program, f"--context={self.context}", *arguments]
        environment = os.environ | {"KUBECONFIG": self.kubeconfig}
        done = subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise OSError(f"kubectl {' '.join(arguments[:3])} …: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def cluster(say: Say) -> Iterator[Cluster]:
    """Up for as long as the context. Raises Unavailable where there can be none."""
    if context := os.environ.get("ROLLOUTLAB_TEST_CONTEXT"):
        yield named(context, say)
        return
    own = node.up(f"tests-{os.getpid()}", say)
    try:
        yield of_node(own, say)
    finally:
        node.down(own)


def of_node(own: Node, say: Say) -> Cluster:
    program = str(builds.kubernetes(say) / "kubectl"), f"--cache-dir={own.layout.folder}/kubectl-cache"
    return Cluster(str(own.kubeconfig), own.context, own.address, own.ingress, own.image, program)


def named(context: str, say: Say) -> Cluster:
    """A context of the user's; its image is ROLLOUTLAB_APP_IMAGE's."""
    kubeconfig = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    program = (shutil.which("kubectl") or str(builds.kubernetes(say) / "kubectl"),)
    image = os.environ.get("ROLLOUTLAB_APP_IMAGE", ELSEWHERE)
    found = Cluster(kubeconfig, context, "", None, image, program)
    address = internal_address(found)
    port = ingress_port(found)
    return Cluster(kubeconfig, context, address, f"{address}:{port}" if port else None, image, program)


def internal_address(found: Cluster) -> str:
    nodes = json.loads(found.kubectl("get", "nodes", "-o", "json"))["items"]
    addresses = [each for one in nodes for each in one["status"]["addresses"]]
    return next(str(each["address"]) for each in addresses if each["type"] == "InternalIP")


def ingress_port(found: Cluster) -> int | None:
    namespace, name = INGRESS
    asked = ["get", "service", name, "--namespace", namespace, "--ignore-not-found", "-o", "json"]
    if not (answer := found.kubectl(*asked)):
        return None
    ports = json.loads(answer)["spec"]["ports"]
    return next((each.get("nodePort") for each in ports if each["port"] == 80), None)
