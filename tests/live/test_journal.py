"""What a run is about to do is on disk before it does it, whatever happens to the disk or the process."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from live import journal, runs
from live.journal import Busy, Journal, JournalError, Run
from live.namespaces import Claim
from live.runs import Illegible, Known, Standing

ROOT = Path(__file__).parent.parent.parent
RUN = Run(
    "0a1b2c3d",
    "ann@desk",
    "kind-try",
    "cluster-1",
    "https://127.0.0.1:6443",
    "2026-11-20T10:00:00Z",
    "desk",
    42,
)
NAME, TOKEN = "rolloutlab-0a1b2c3d-0", "f" * 32


@pytest.fixture
def open_(tmp_path: Path) -> Iterator[Journal]:
    with Journal.begin(tmp_path, RUN, lambda: datetime(2026, 11, 20, tzinfo=UTC)) as begun:
        yield begun


def _intend(open_: Journal, name: str = NAME) -> None:
    open_.intend(name, TOKEN, context="kind-try", cluster="cluster-1")


def test_a_line_is_on_disk_when_its_method_returns(open_: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    path = open_.folder / "journal.jsonl"
    monkeypatch.setattr(os, "fsync", lambda _handle: synced.append(path.read_bytes()))
    _intend(open_)
    expected = {
        "at": "2026-11-20T00:00:00+00:00", "what": "namespace", "name": NAME, "token": TOKEN,
        "context": "kind-try", "cluster": "cluster-1",
    }  # fmt: skip
    assert [json.loads(content) for content in synced] == [expected]


def test_the_folder_and_its_parents_are_synced_so_that_the_new_names_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    Journal.begin(tmp_path / "live", RUN).close()
    folder = tmp_path / "live" / RUN.id
    assert synced == [str(one) for one in (folder / ".run.json", folder, folder.parent, tmp_path)]


@pytest.mark.parametrize("at", ["write", "fsync", "rename"])
def test_a_run_killed_before_its_run_file_was_whole_is_none(tmp_path: Path, at: str) -> None:
    """Nobody could say on which cluster it was, and nothing was made there."""
    code = (
        "import os, pathlib, signal; from pathlib import Path; from live.journal import Journal, Run\n"
        "def killed(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{'pathlib.Path' if at == 'rename' else 'os'}.{at} = killed\n"
        f"Journal.begin(Path({str(tmp_path)!r}), {RUN!r})"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / RUN.id).is_dir()
    assert runs.known(tmp_path) == []


def test_what_was_written_is_read_again(open_: Journal) -> None:
    _intend(open_)
    open_.created(NAME, "uid-1")
    open_.note("trigger", t=0.5)
    read = journal.entries(open_.folder)
    assert [one.what for one in read] == ["namespace", "created", "trigger"]
    assert read[2].values == {"t": 0.5}
    assert journal.run_of(open_.folder) == RUN


def test_two_runs_never_share_a_folder(open_: Journal) -> None:
    with pytest.raises(FileExistsError):
        Journal.begin(open_.folder.parent, RUN)


def test_a_torn_last_line_counts_as_never_written_and_the_next_begins_on_its_own(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, RUN) as begun:
        _intend(begun)
    path = begun.folder / "journal.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole + whole[:cut])
        assert len(journal.entries(begun.folder)) == 1
    with Journal.reopen(begun.folder) as again:
        again.created(NAME, "uid-1")
    assert [one.what for one in journal.entries(begun.folder)] == ["namespace", "created"]


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", '{"what": "gone"}', '{"at": "now", "what": "namespace", "name": "x"}', "\xff"]
)
def test_a_broken_line_before_the_last_is_an_error_with_its_place(tmp_path: Path, line: str) -> None:
    with Journal.begin(tmp_path, RUN) as begun:
        _intend(begun)
    path = begun.folder / "journal.jsonl"
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n" + path.read_bytes())
    with pytest.raises(JournalError, match=r"journal\.jsonl:2: not a line"):
        journal.entries(begun.folder)
    with pytest.raises(JournalError):
        Journal.reopen(begun.folder)
    (found,) = runs.known(tmp_path)
    assert isinstance(found, Illegible)


@pytest.mark.parametrize(("key", "value"), [("id", 5), ("started", None), ("pid", "42"), ("context", ["a"])])
def test_a_run_of_the_wrong_kind_keeps_nobody_from_the_others(
    tmp_path: Path, key: str, value: object
) -> None:
    for name in ("0a1b2c3d", "0a1b2c3e"):
        Journal.begin(tmp_path, replace(RUN, id=name)).close()
    path = tmp_path / "0a1b2c3e" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    good, bad = runs.known(tmp_path)
    assert isinstance(good, Known)
    assert isinstance(bad, Illegible)
    assert f"{key}: {value!r}" in bad.why


def test_a_full_disk_is_an_error_and_leaves_no_half_line(
    open_: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _intend(open_)
    before, write = (open_.folder / "journal.jsonl").read_bytes(), os.write

    def full(handle: int, content: bytes) -> int:
        if len(content) > 20:
            return write(handle, content[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"No space left on device.*journal\.jsonl"):
        _intend(open_, "rolloutlab-0a1b2c3d-1")
    monkeypatch.undo()
    assert (open_.folder / "journal.jsonl").read_bytes() == before
    open_.created(NAME, "uid-1")
    assert len(journal.entries(open_.folder)) == 2


def test_what_cannot_be_synced_does_not_count(open_: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        _intend(open_)
    assert journal.entries(open_.folder) == ()


def test_a_device_that_is_really_full_refuses(tmp_path: Path) -> None:
    (tmp_path / RUN.id).mkdir()
    handle = os.open("/dev/full", os.O_RDWR)
    with Journal(tmp_path / RUN.id, handle) as full, pytest.raises(OSError, match="No space left"):
        _intend(full)


def test_only_one_process_writes_and_the_lock_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import time; from pathlib import Path; from live.journal import Journal, Run\n"
        f"begun = Journal.begin(Path({str(tmp_path)!r}), {RUN!r})\n"
        "print('begun', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"begun\n"
        folder = tmp_path / RUN.id
        assert journal.busy(folder)
        with pytest.raises(Busy):
            Journal.reopen(folder)
        other.send_signal(signal.SIGKILL)
    assert not journal.busy(folder)
    Journal.reopen(folder).close()


def test_the_lock_is_not_handed_to_programs_that_a_run_starts(tmp_path: Path) -> None:
    begun = Journal.begin(tmp_path, RUN)
    code = "import time; print('begun', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], close_fds=False, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        begun.close()
        held = journal.busy(begun.folder)
        child.kill()
    assert not held


def _known(root: Path) -> Known:
    (found,) = runs.known(root)
    assert isinstance(found, Known)
    return found


def test_how_a_run_stands_follows_from_its_journal(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, RUN) as begun:
        _intend(begun)
        assert _known(tmp_path).standing is Standing.RUNNING
    assert _known(tmp_path).standing is Standing.INTERRUPTED
    with Journal.reopen(begun.folder) as again:
        again.finished("done")
    assert _known(tmp_path).standing is Standing.FINISHED


def test_what_is_claimed_is_what_nobody_saw_gone(open_: Journal) -> None:
    other = "rolloutlab-0a1b2c3d-1"
    _intend(open_)
    open_.created(NAME, "uid-1")
    open_.gone(NAME)
    _intend(open_, other)
    assert _known(open_.folder.parent).claims == (Claim(other, TOKEN, None),)
    _intend(open_)
    open_.created(NAME, "uid-2")
    again = (Claim(other, TOKEN, None), Claim(NAME, TOKEN, "uid-2"))
    assert _known(open_.folder.parent).claims == again
    assert _known(open_.folder.parent).made == 3


def test_a_run_killed_before_it_had_a_journal_did_nothing(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, RUN) as begun:
        pass
    (begun.folder / "journal.jsonl").unlink()
    assert _known(tmp_path).claims == ()
    assert _known(tmp_path).standing is Standing.INTERRUPTED


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": "rolloutlab.live/2"}', '{"format": "rolloutlab.live/1", "id": "x"}']
)
def test_a_run_file_that_is_no_such_thing_is_told_with_its_path(tmp_path: Path, text: str) -> None:
    with Journal.begin(tmp_path, RUN) as begun:
        pass
    (begun.folder / "run.json").write_text(text)
    (found,) = runs.known(tmp_path)
    assert isinstance(found, Illegible)
    assert str(begun.folder / "run.json") in found.why
