"""An image as a tar in OCI layout, as `ctr images import` takes it; the same bytes for the same files."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
EPOCH = "1970-01-01T00:00:00Z"
OCI = "application/vnd.oci.image"


@dataclass(frozen=True)
class Image:
    name: str
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def write(image: Image, root: Path, to: Path) -> None:
    """Writes the files under `root`, owned by root and without their times, as `image`."""
    layer = layered(root)
    config = encoded(configuration(image, layer))
    manifest = encoded(
        {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": described(config, f"{OCI}.config.v1+json"),
            "layers": [described(layer, f"{OCI}.layer.v1.tar")],
        }
    )
    names = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name}
    entry = described(manifest, f"{OCI}.manifest.v1+json")
    index = encoded({"schemaVersion": 2, "manifests": [entry | {"annotations": names}]})
    with tarfile.open(to, "w") as tar:
        add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(tar, "index.json", index)
        for blob in (layer, config, manifest):
            add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)


def layered(root: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            entry = tar.gettarinfo(path, arcname=str(path.relative_to(root)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if entry.isreg():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)
    return buffer.getvalue()


def configuration(image: Image, layer: bytes) -> dict[str, object]:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **image.environment}
    return {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "created": EPOCH,
        "config": {
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Entrypoint": list(image.entrypoint),
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created": EPOCH}],
    }


def described(blob: bytes, media: str) -> dict[str, object]:
    return {"mediaType": media, "digest": digest(blob), "size": len(blob)}


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def encoded(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))
