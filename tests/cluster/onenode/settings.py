"""The node's settings: files with @NAMES@ to be filled in."""

from collections.abc import Mapping
from pathlib import Path

SETTINGS = Path(__file__).resolve().parents[1] / "node"
NAMES = ("cni.conflist", "containerd.toml", "etcd.yaml", "kube-proxy.yaml", "kubelet.yaml")


def settled(name: str, values: Mapping[str, object]) -> str:
    text = (SETTINGS / name).read_text()
    for each, value in values.items():
        text = text.replace(f"@{each}@", str(value))
    return text
