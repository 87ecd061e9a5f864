"""The programs that are built from modules of Go's proxy, checked against the go.sum files beside them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from onenode.cache import made, place

MODULES = Path(__file__).resolve().parents[1] / "modules"
KUBERNETES = "1.34.3"
COMPONENTS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"),
    "kubectl",
)
VERSIONED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
Say = Callable[[str], None]


def kubernetes(say: Say) -> Path:
    """The folder with one program that is all components, each of them as a link to it, and `pause`."""
    folder = place("kubernetes", [*sources("kubernetes"), stamp().encode()])
    if not folder.exists():
        say(f"building Kubernetes {KUBERNETES} (once; about five minutes on two cores)")
    return made(folder, build_kubernetes)


def ingress_nginx(say: Say) -> Path:
    """The folder with the controller and, in nginx/, that release's own template and Lua."""
    folder = place("ingress-nginx", sources("ingress-nginx"))
    if not folder.exists():
        say("building the ingress-nginx controller (once; about a minute)")
    return made(folder, build_ingress_nginx)


def shop(_say: Say) -> Path:
    """The folder with a small service that stands for a user's own."""
    return made(place("shop", sources("shop")), lambda folder: build("shop", ".", folder / "shop"))


def built() -> bool:
    """Whether nothing is left to build."""
    folders = (
        place("kubernetes", [*sources("kubernetes"), stamp().encode()]),
        place("ingress-nginx", sources("ingress-nginx")),
        place("shop", sources("shop")),
    )
    return all(folder.exists() for folder in folders)


def build_kubernetes(folder: Path) -> None:
    build("kubernetes", ".", folder / "kubernetes", stamp())
    build("kubernetes", "./pause", folder / "pause")
    for component in COMPONENTS:
        (folder / component).symlink_to("kubernetes")


def build_ingress_nginx(folder: Path) -> None:
    build("ingress-nginx", "k8s.io/ingress-nginx/cmd/nginx", folder / "nginx-ingress-controller")
    module = Path(go("ingress-nginx", "list", "-m", "-f", "{{.Dir}}", "k8s.io/ingress-nginx").strip())
    shutil.copytree(module / "rootfs" / "etc" / "nginx", folder / "nginx", copy_function=shutil.copyfile)
    for path in (folder / "nginx", *(folder / "nginx").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # Go's cache of modules is read-only


def stamp() -> str:
    """Linker flags: a component that does not know its version is refused by others."""
    major, minor, _ = KUBERNETES.split(".")
    known = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(f"-X {package}.{key}={value}" for package in VERSIONED for key, value in known.items())


def sources(module: str) -> list[bytes]:
    files = sorted(path for path in (MODULES / module).rglob("*") if path.is_file())
    return [part for path in files for part in (str(path.relative_to(MODULES)).encode(), path.read_bytes())]


def build(module: str, package: str, into: Path, flags: str = "") -> None:
    go(module, "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(into), package)


def go(module: str, *arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments],
        cwd=MODULES / module,
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    if done.returncode:
        raise OSError(f"go {arguments[0]} in modules/{module} failed: {done.stderr.strip()[-800:]}")
    return done.stdout
