"""The control groups in which a node's pods live: one of each hierarchy (v1), or one (v2, not tried)."""

import time
from pathlib import Path

from onenode.layout import CGROUPS

V1 = (
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "pids",
    "devices",
    "freezer",
    "blkio",
    "hugetlb",
    "systemd",
    "unified",
)
V2 = ("cpu", "cpuset", "memory", "pids")


def unified() -> bool:
    return (CGROUPS / "cgroup.controllers").exists()


def groups(name: str) -> list[Path]:
    """Where the node's groups are or would be."""
    if unified():
        return [CGROUPS / name]
    return [CGROUPS / controller / name for controller in V1 if (CGROUPS / controller).is_dir()]


def make(name: str) -> None:
    for group in groups(name):
        group.mkdir()
        if group.parent.name == "cpuset":
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((group.parent / setting).read_text())
    if unified():
        for group in (CGROUPS, CGROUPS / name):
            (group / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in V2))


def remove(name: str, patience: float = 10.0) -> None:
    """Removes them with all below them; a group is busy for a moment after its last process."""
    until = time.monotonic() + patience
    for group in groups(name):
        while group.exists():
            try:
                for below in sorted(group.rglob("*/"), reverse=True):
                    below.rmdir()
                group.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
