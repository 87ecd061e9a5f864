"""A cache of folders that are made once: one is there whole, made from just these inputs, or not at all."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache() -> Path:
    base = (
        os.environ.get("ROLLOUTLAB_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    )
    return Path(base).resolve() / "rolloutlab-tests" / "cluster"


def place(name: str, inputs: Iterable[bytes]) -> Path:
    """Where what is made from `inputs` lies once it is made."""
    key = hashlib.sha256()
    for part in inputs:
        key.update(hashlib.sha256(part).digest())
    return cache() / f"{name}-{key.hexdigest()[:12]}"


def made(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` if it is not there yet; what killed makers left beside it goes.

    One process makes it, others wait for it.
    """
    if folder.exists():
        return folder
    with locked(folder):
        if not folder.exists():
            for left in (path for path in folder.parent.glob(f"{folder.name}.*") if path.is_dir()):
                shutil.rmtree(left, ignore_errors=True)
            partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
            try:
                partial.chmod(0o755)  # its content may become the root of an image
                make(partial)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
