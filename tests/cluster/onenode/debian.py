"""Packages of Debian 12, fetched and unpacked into a folder; nothing is installed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from onenode.cache import cache, locked

SUITES = (
    ("http://deb.debian.org/debian", "bookworm"),
    ("http://deb.debian.org/debian-security", "bookworm-security"),
)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OF_THE_ROOT = ("bin", "sbin", "lib", "lib64")


def unpack(packages: Sequence[str], root: Path) -> None:
    """The packages' files under `root`, with /bin, /sbin and /lib merged into /usr as Debian 12 has them."""
    for deb in fetched(packages):
        run(["dpkg-deb", "-x", str(deb), str(root)])
        for name in OF_THE_ROOT:
            merge(root / name, root / "usr" / name)


def merge(folder: Path, into: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.copytree(folder, into, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(folder)
    if not folder.is_symlink():
        into.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(f"usr/{folder.name}")


def fetched(packages: Sequence[str]) -> list[Path]:
    """The packages' files, from the cache where it has them."""
    folder = cache() / "debs"
    with locked(folder):
        folder.mkdir(exist_ok=True)
        if missing := [package for package in packages if not there(package, folder)]:
            fetch(missing, folder)
        return [there(package, folder)[-1] for package in packages]


def there(package: str, folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{package}_*.deb"))


def fetch(packages: list[str], folder: Path) -> None:
    """By the system's lists of packages if it is a Debian 12 that has them, else by lists of our own."""
    if bookworm() and download(packages, folder, []).returncode == 0:
        return
    own = own_lists(folder)
    if not (folder / "lists" / "fresh").exists():
        run(["apt-get", *own, "update"])
        (folder / "lists" / "fresh").touch()
    if (tried := download(packages, folder, own)).returncode:
        raise OSError(f"Debian's packages cannot be had: {tried.stderr.strip()[-500:]}")


def download(packages: list[str], folder: Path, options: list[str]) -> subprocess.CompletedProcess[str]:
    command = ["apt-get", *options, "download", *packages]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


def own_lists(folder: Path) -> list[str]:
    """Options for apt-get: lists of packages in our folder; elsewhere than on Debian 12 also its sources."""
    for partial in (folder / "lists" / "partial", folder / "archives" / "partial"):
        partial.mkdir(parents=True, exist_ok=True)
    options = [f"Dir::State::lists={folder}/lists", f"Dir::Cache={folder}/archives"]
    if not bookworm():
        lines = [f"deb [signed-by={KEYRING}] {at} {suite} main\n" for at, suite in SUITES]
        (folder / "sources.list").write_text("".join(lines))
        options += [f"Dir::Etc::sourcelist={folder}/sources.list", "Dir::Etc::sourceparts=/dev/null"]
    return [word for option in options for word in ("-o", option)]


def bookworm() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and "VERSION_CODENAME=bookworm" in release.read_text().splitlines()


def run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Runs a command; what it complained of is in the error."""
    done = subprocess.run(
        command,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise OSError(f"{' '.join(command[:4])} … failed: {(done.stderr or done.stdout).strip()[-800:]}")
