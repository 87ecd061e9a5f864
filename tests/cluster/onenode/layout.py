"""Names and addresses of a node: all that it has on the host is found by its name and its number."""

from dataclasses import dataclass
from pathlib import Path

RUN = Path("/run")
PREFIX = "rolloutlab-test"
NUMBERS = range(256)
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Network:
    """The node's end (.1) and the host's end (.2) of a cable between their network namespaces."""

    number: int

    @property
    def node(self) -> str:
        return f"10.77.{self.number}.1"

    @property
    def host(self) -> str:
        return f"10.77.{self.number}.2"

    @property
    def link(self) -> str:
        return f"rlab{self.number}"


@dataclass(frozen=True)
class Layout:
    name: str

    @property
    def folder(self) -> Path:
        return RUN / f"{PREFIX}-{self.name}"

    @property
    def cgroup(self) -> str:
        return f"{PREFIX}-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        return self.folder / "kubectl"

    @property
    def log(self) -> Path:
        return self.folder / "log"


def layouts() -> list[Layout]:
    """Of every node that has a folder, its guardian alive or not."""
    return [Layout(path.name.removeprefix(f"{PREFIX}-")) for path in sorted(RUN.glob(f"{PREFIX}-*"))]
