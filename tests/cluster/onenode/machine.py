"""The node's processes in namespaces of their own, and the cable that joins its network with the host's."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onenode.debian import run
from onenode.layout import Network

NICENESS = "10"  # whoever sends requests to the node from the host comes first
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "nice", "-n", NICENESS)
NAMESPACES = (
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount",
    "--propagation",
    "private",
    "--mount-proc",
)


@dataclass(frozen=True)
class Machine:
    """`outer` waits for the first process; it is outside of its PID namespace, inside of the others."""

    outer: "subprocess.Popen[bytes]"
    first: int
    first_pidfd: int

    def release(self) -> None:
        """The first process waits for this before it does anything."""
        assert self.outer.stdin
        with self.outer.stdin as waiting:
            waiting.write(b"\n")


@contextmanager
def machine(init: Path, settings: Mapping[str, str], log: Path) -> Iterator[Machine]:
    """Runs `init` as the first process; at the end no process is left of it or of what it started."""
    path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    with log.open("wb") as written:
        outer = subprocess.Popen(
            [*DIES_WITH_US, "unshare", *NAMESPACES, "bash", str(init)],
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=subprocess.STDOUT,
            env={"PATH": path, **settings},
        )
    pidfd = None
    try:
        first = first_child(outer, log)
        pidfd = os.pidfd_open(first)
        yield Machine(outer, first, pidfd)
    finally:
        if pidfd is not None:
            end(pidfd)
            os.close(pidfd)
        outer.kill()
        outer.wait()


def first_child(parent: "subprocess.Popen[bytes]", log: Path) -> int:
    while parent.poll() is None:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents = int(stat.read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parents == parent.pid:
                return int(stat.parent.name)
        time.sleep(0.005)
    raise OSError(f"no namespaces for a node: {log.read_text().strip()[-500:]}")


def end(pidfd: int, patience: float = 20.0) -> None:
    """The kernel ends a first process only after all others of its PID namespace."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
    if not select.select([pidfd], [], [], patience)[0]:
        raise OSError(f"the node's processes are still there {patience:.0f} s after they were killed")


@contextmanager
def cable(network: Network, into: Machine, environment: Mapping[str, str]) -> Iterator[None]:
    """Joins the host with the machine's namespace, where the end is named `uplink`."""
    link, netns = network.link, str(into.outer.pid)
    peer = ["type", "veth", "peer", "name", "uplink", "netns", netns]
    run(["ip", "link", "add", link, *peer], environment)
    try:
        run(["ip", "address", "add", f"{network.host}/24", "dev", link], environment)
        run(["ip", "link", "set", link, "up"], environment)
        yield
    finally:
        if Path("/sys/class/net", link).exists():
            run(["ip", "link", "delete", link], environment)
