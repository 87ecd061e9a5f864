"""What a node is made of: made once and whole, the same bytes from the same files; why it cannot be made."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from onenode import debian, oci, preflight
from onenode.cache import cache, made, place

INPUTS = [b"one", b"two"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUTLAB_TEST_CACHE", str(tmp_path))


def test_the_place_tells_inputs_apart() -> None:
    assert place("it", INPUTS) == place("it", INPUTS)
    assert len({place("it", parts) for parts in (INPUTS, [b"onetwo"], [b"one"], [b"two", b"one"])}) == 4


def test_several_who_need_it_make_it_once() -> None:
    begun = []

    def make(folder: Path) -> None:
        begun.append(folder)
        (folder / "made").write_text("whole")

    needed = [threading.Thread(target=made, args=(place("it", INPUTS), make)) for _ in range(8)]
    for thread in needed:
        thread.start()
    for thread in needed:
        thread.join()
    assert len(begun) == 1
    assert (place("it", INPUTS) / "made").read_text() == "whole"


def test_what_fails_or_was_killed_half_way_does_not_count() -> None:
    folder = place("it", INPUTS)
    killed = cache() / f"{folder.name}.killed"
    killed.mkdir(parents=True)

    def fails(partial: Path) -> None:
        (partial / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        made(folder, fails)
    assert [path.name for path in cache().iterdir()] == [f"{folder.name}.lock"]
    made(folder, lambda partial: (partial / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_an_image_is_the_same_bytes_whenever_its_files_were_written(tmp_path: Path) -> None:
    for name, when in (("a", 1), ("b", 2_000_000_000)):
        root = tmp_path / name
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "run").write_text("#!/bin/true")
        (root / "bin" / "also").symlink_to("run")
        os.utime(root / "bin" / "run", (when, when))
        oci.write(oci.Image("registry.local/it:1", ("/bin/run",)), root, tmp_path / f"{name}.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    (tmp_path / "b" / "bin" / "run").chmod(0o755)
    oci.write(oci.Image("registry.local/it:1", ("/bin/run",)), tmp_path / "b", tmp_path / "c.tar")
    assert (tmp_path / "a.tar").read_bytes() != (tmp_path / "c.tar").read_bytes()


def test_a_merge_keeps_what_was_there(tmp_path: Path) -> None:
    for name in ("bin/from-bin", "usr/bin/from-usr"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    debian.merge(tmp_path / "bin", tmp_path / "usr" / "bin")
    assert (tmp_path / "bin").readlink() == Path("usr/bin")
    assert {path.name for path in (tmp_path / "bin").iterdir()} == {"from-bin", "from-usr"}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sys.platform", "darwin", "containers need Linux"),
        ("platform.machine", lambda: "riscv64", "no packages are known for riscv64"),
        ("os.geteuid", lambda: 1000, "not root"),
        ("shutil.which", lambda program: None if program == "go" else program, "go is missing"),
        ("shutil.which", lambda program: None if program == "apt-get" else program, "apt-get is missing"),
    ],
)
def test_where_no_node_can_run_the_reason_is_said(
    name: str, value: str | Callable[..., object], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fine, found in (("sys.platform", "linux"), ("os.geteuid", lambda: 0), ("shutil.which", str)):
        monkeypatch.setattr(f"onenode.preflight.{fine}", found)
    monkeypatch.setattr(f"onenode.preflight.{name}", value)
    said = preflight.obstacle()
    assert said is not None
    assert reason in said
