"""The process that owns a node: it starts the node, ends it with its owner, and leaves nothing of it behind.

A node ends when its owner ends, however that ends; when the guardian is told to (SIGTERM); when the first
process of the node ends; and, through the kernel, when the guardian itself is killed. In that last case alone
empty control groups and a folder are left, which the next guardian removes.
"""

import select
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from onenode import certificates, cgroups
from onenode.claims import claim
from onenode.layout import NUMBERS, Layout, Network, layouts
from onenode.machine import Machine, cable, machine
from onenode.parts import Parts
from onenode.settings import NAMES, SETTINGS, settled
from onenode.tools import on_the_host

STAY = b"stay"  # outlive the owner


def guard(layout: Layout, owner: int, parts: Parts) -> None:
    """Holds a node from start to end; `owner` is a pidfd. Says the node's number, or why there is none."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        held = claim(layout.name)
        if held is None:
            print(f"a node named {layout.name} is there already", flush=True)
            return
        stack.enter_context(held)
        stack.callback(remove, layout)
        remove(layout)
        sweep()
        network = stack.enter_context(free_network())
        lay_out(layout, network, parts)
        node = stack.enter_context(
            machine(SETTINGS / "init.sh", given(layout, network, parts), init_log(layout))
        )
        (layout.folder / "first").write_text(f"{node.first}\n")
        stack.enter_context(cable(network, node, on_the_host(parts.tools)))
        stack.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        node.release()
        print(network.number, flush=True)
        print(watch(held, owner, node, init_log(layout)), flush=True)


@contextmanager
def free_network() -> Iterator[Network]:
    """The first network that neither another node nor the host has."""
    for network in map(Network, NUMBERS):
        held = claim(f"network/{network.number}")
        if held is None:
            continue
        with held:
            if not known_to_host(network):
                yield network
                return
    raise OSError("every network from 10.77.0.0/24 to 10.77.255.0/24 is in use")


def known_to_host(network: Network) -> bool:
    prefix = network.node.rpartition(".")[0] + "."
    routes = Path("/proc/net/fib_trie").read_text()
    return f" {prefix}" in routes or Path("/sys/class/net", network.link).exists()


def lay_out(layout: Layout, network: Network, parts: Parts) -> None:
    """All that the node reads: its settings, its keys; and what its users read: kubeconfig and kubectl."""
    folder = layout.folder
    for made in (folder, layout.log, folder / "node"):
        made.mkdir(mode=0o700)
    (folder / "network").write_text(f"{network.number}\n")
    (folder / "resolv.conf").write_text("nameserver 10.96.0.10\n")
    values = {"FOLDER": folder, "NODE": folder / "node", "ADDRESS": network.node, "CGROUP": layout.cgroup}
    for name in NAMES:
        (folder / name).write_text(settled(name, values))
    certificates.issue(folder / "pki", network.node, on_the_host(parts.tools))
    shutil.copy(folder / "pki" / "admin.kubeconfig", layout.kubeconfig)
    layout.kubeconfig.chmod(0o600)
    options = f"--kubeconfig={layout.kubeconfig} --cache-dir={folder}/kubectl-cache"
    layout.kubectl.write_text(f'#!/bin/sh\nexec "{parts.kubernetes}/kubectl" {options} "$@"\n')
    layout.kubectl.chmod(0o755)
    cgroups.make(layout.cgroup)


def given(layout: Layout, network: Network, parts: Parts) -> dict[str, str]:
    """What the node's first process is told."""
    return {
        "FOLDER": str(layout.folder),
        "ADDRESS": network.node,
        "CGROUP": layout.cgroup,
        "TOOLS": str(parts.tools),
        "KUBERNETES": str(parts.kubernetes),
        "STORE": str(parts.store),
    }


def watch(held: socket.socket, owner: int, node: Machine, log: Path) -> str:
    """Until the node has to end; returns why."""
    waiting = {held.fileno(), owner, node.first_pidfd}
    while True:
        ready = select.select(waiting, [], [])[0]
        if node.first_pidfd in ready:
            return f"the node ended by itself: {log.read_text().strip()[-800:]}"
        if owner in ready:
            return "the owner ended"
        if asked(held) == STAY:
            waiting.discard(owner)


def asked(held: socket.socket) -> bytes:
    """What a visitor asks for; most only look who is here."""
    visitor = held.accept()[0]
    with visitor:
        visitor.settimeout(1)
        try:
            said = visitor.recv(16)
            visitor.sendall(said)
        except OSError:
            return b""
    return said


def sweep() -> None:
    """Removes what is left of nodes whose guardians were killed."""
    for layout in layouts():
        if held := claim(layout.name):
            with held:
                remove(layout)


def remove(layout: Layout) -> None:
    cgroups.remove(layout.cgroup)
    shutil.rmtree(layout.folder, ignore_errors=True)


def init_log(layout: Layout) -> Path:
    return layout.log / "init.log"
