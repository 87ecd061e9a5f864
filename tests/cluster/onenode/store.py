"""What containerd keeps once it has taken the images in, made once: a node starts from a copy of it."""

import tempfile
from pathlib import Path

from onenode.cache import made, place
from onenode.debian import run
from onenode.machine import NAMESPACES
from onenode.settings import SETTINGS, settled


def store(tools: Path, images: Path) -> Path:
    """The folder of containerd's root."""
    inputs = [(SETTINGS / name).read_bytes() for name in ("import.sh", "containerd.toml")]
    folder = place("store", [*inputs, tools.name.encode(), images.name.encode()])

    def make(into: Path) -> None:
        with tempfile.TemporaryDirectory() as node, tempfile.NamedTemporaryFile("w") as configuration:
            configuration.write(settled("containerd.toml", {"NODE": node}))
            configuration.flush()
            given = {"NODE": node, "TOOLS": tools, "IMAGES": images, "INTO": into}
            told = {name: str(value) for name, value in given.items()} | {"CONFIGURATION": configuration.name}
            run(["unshare", *NAMESPACES, "bash", str(SETTINGS / "import.sh")], told)

    return made(folder, make)
