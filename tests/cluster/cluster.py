"""A one-node Kubernetes to try things out on: cluster.py up | down | build | check | inside COMMAND…"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from onenode import node, preflight
from onenode.guardian import guard, sweep
from onenode.layout import Layout
from onenode.parts import Parts, parts

NAME = "cluster"


def main(command: str, *arguments: str) -> int:
    commands: dict[str, Callable[..., int]] = {
        "up": up,
        "down": down,
        "build": build,
        "check": check,
        "inside": inside,
        "guard": guardian,
    }
    if command not in commands:
        return refuse(__doc__ or "")
    try:
        return commands[command](*arguments)
    except node.Unavailable as why:
        return refuse(f"no cluster here: {why}")
    except OSError as error:
        return refuse(str(error))


def up() -> int:
    """A node that stays until `down`."""
    there = node.existing(NAME)
    if not there:
        there = node.up(NAME, tell)
        node.stay(there)
    else:
        tell("the cluster is already there")
    tell(reached(there))
    return 0


def down() -> int:
    there = node.existing(NAME)
    if there:
        node.down(there)
    sweep()
    tell("the cluster is gone" if there else "there is no cluster")
    return 0


def build() -> int:
    """Fills the cache, starts nothing."""
    tell("\n".join(f"{name}: {path}" for name, path in parts(tell)._asdict().items()))
    return 0


def check() -> int:
    if reason := preflight.obstacle():
        return refuse(f"no cluster here: {reason}")
    tell("a cluster can be brought up here")
    return 0


def inside(*command: str) -> int:
    """Runs a command in the node's namespaces, where ctr, iptables and the logs of pods are."""
    there = node.existing(NAME)
    if not there:
        return refuse("there is no cluster")
    first = (there.layout.folder / "first").read_text().strip()
    entered = ["nsenter", "-t", first, "-m", "-n", "-p", "--", *(command or ("bash",))]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(entered, env=os.environ | path, check=False).returncode


def guardian(name: str, owner: str, *needed: str) -> int:
    guard(Layout(name), int(owner), Parts(*map(Path, needed)))
    return 0


def reached(there: node.Node) -> str:
    return f"""
API server    https://{there.address}:6443
ingress       http://{there.ingress}/  (IngressClass nginx; by its Host header)
NodePorts     {there.address}:PORT
kubectl       {there.layout.kubectl}
logs          {there.layout.log}

export KUBECONFIG={there.kubeconfig}
export ROLLOUTLAB_APP_IMAGE={there.image}
rolloutlab live doctor --context {there.context}

`make cluster-down` removes it."""


def tell(line: str) -> None:
    print(line, flush=True)


def refuse(why: str) -> int:
    print(why, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["help"])))
