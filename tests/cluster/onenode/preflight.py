"""Whether a node can run here, before anything is fetched or built."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from onenode import builds, cgroups
from onenode.layout import CGROUPS, PREFIX
from onenode.oci import ARCHITECTURES

PROGRAMS = {
    "apt-get": "Debian's packages are fetched with it",
    "dpkg-deb": "Debian's packages are unpacked with it",
    "unshare": "it is util-linux's",
    "nsenter": "it is util-linux's",
    "setpriv": "it is util-linux's",
    "bash": "the node's first process runs in it",
}
BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def obstacle() -> str | None:
    """Why no node can run here, or None."""
    if sys.platform != "linux":
        return "containers need Linux"
    if platform.machine() not in ARCHITECTURES:
        return f"no packages are known for {platform.machine()}"
    if os.geteuid() != 0:
        return "not root: a node makes namespaces, mounts and control groups"
    for program, why in PROGRAMS.items():
        if not shutil.which(program):
            return f"{program} is missing: {why}"
    if not builds.built() and not shutil.which("go"):
        return "go is missing: Kubernetes is built with it"
    return kernel()


def kernel() -> str | None:
    if "overlay" not in Path("/proc/filesystems").read_text().split():
        return "no overlayfs (modprobe overlay)"
    if not BRIDGED.exists():
        return "bridged packets do not pass iptables (modprobe br_netfilter)"
    namespaces = ["unshare", "--net", "--pid", "--mount", "--fork", "--mount-proc", "true"]
    tried = subprocess.run(namespaces, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no namespaces: {tried.stderr.strip()}"
    return control_groups()


def control_groups() -> str | None:
    hierarchies = [group.parent for group in cgroups.groups("any")]
    if not hierarchies:
        return f"no control groups under {CGROUPS}"
    for hierarchy in hierarchies:
        trial = hierarchy / f"{PREFIX}-trial-{os.getpid()}"
        try:
            trial.mkdir()
            trial.rmdir()
        except OSError as error:
            return f"no control group can be made in {hierarchy}: {error.strerror}"
    return None
