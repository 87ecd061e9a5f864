"""What a live run is about to do on a cluster, on disk before it does it, so that anybody can undo it.

A run has a folder of its own with `run.json` (who, where, since when) and `journal.jsonl`, one JSON document
per line. A line is on the disk when its method returns; where that fails, OSError is raised and nothing may
be done on the cluster. Whoever writes holds a lock on the journal, which ends with the process however that
ends.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

RUN_FILE, JOURNAL_FILE = "run.json", "journal.jsonl"
NAMESPACE, CREATED, GONE, FINISHED = "namespace", "created", "gone", "finished"
FORMAT = "rolloutlab.live/1"
PATIENCE, EVERY = 0.5, 0.02  # seconds: whoever only looks whether a journal is held has its lock for a moment
_NEEDED = {NAMESPACE: ("name", "token", "context", "cluster"), CREATED: ("name", "uid"), GONE: ("name",)}


class JournalError(ValueError):
    """A journal or run.json cannot be read; the text says file, line and what is wrong."""


class Busy(Exception):
    """The run that this journal belongs to is going on."""


@dataclass(frozen=True, slots=True)
class Run:
    """Who runs what where: identity of a run, its cluster and its process."""

    id: str
    owner: str
    context: str
    cluster: str
    """UID of the cluster's namespace kube-system."""
    server: str
    started: str
    host: str
    pid: int
    command: str = ""
    scenario: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a journal: when (RFC 3339), what, and the rest of it."""

    at: str
    what: str
    values: Mapping[str, Any]


def _now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """The journal of one run, open for writing by this process alone. To be closed, or used by `with`."""

    def __init__(self, folder: Path, handle: int, now: Callable[[], datetime] = _now) -> None:
        self.folder, self._handle, self._now = folder, handle, now
        self._one_by_one = threading.Lock()

    @classmethod
    def begin(cls, root: Path, run: Run, now: Callable[[], datetime] = _now) -> Self:
        """Start one in a new folder below `root`. Raises FileExistsError where that run is there already."""
        root.mkdir(parents=True, exist_ok=True)
        folder = root / run.id
        folder.mkdir()
        _put(folder / RUN_FILE, json.dumps({"format": FORMAT, **asdict(run)}, indent=2) + "\n")
        handle = os.open(folder / JOURNAL_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        _lock(folder, handle, PATIENCE)
        for made in (folder, root, root.absolute().parent):
            _sync_folder(made)
        return cls(folder, handle, now)

    @classmethod
    def reopen(cls, folder: Path, now: Callable[[], datetime] = _now) -> Self:
        """Go on with one whose process has ended. Raises Busy where it has not, JournalError, OSError."""
        handle = os.open(folder / JOURNAL_FILE, os.O_RDWR | os.O_APPEND)
        try:
            _lock(folder, handle, PATIENCE)
            entries(folder)
            _cut_torn(folder / JOURNAL_FILE, handle)
        except BaseException:
            os.close(handle)
            raise
        return cls(folder, handle, now)

    def intend(self, name: str, token: str, *, context: str, cluster: str) -> None:
        """A namespace is about to be created."""
        self.note(NAMESPACE, name=name, token=token, context=context, cluster=cluster)

    def created(self, name: str, uid: str) -> None:
        """The API's answer: it is there, under this UID."""
        self.note(CREATED, name=name, uid=uid)

    def gone(self, name: str) -> None:
        """It was deleted and is no longer there, or was never made."""
        self.note(GONE, name=name)

    def finished(self, how: str) -> None:
        """The run has come to its own end; `how` in a word."""
        self.note(FINISHED, how=how)

    def note(self, what: str, **values: Any) -> None:
        """Append a line and see it onto the disk. Raises OSError; then the line does not count."""
        line = json.dumps({"at": self._now().isoformat(), "what": what, **values}) + "\n"
        with self._one_by_one:
            self._append(line.encode())

    def _append(self, line: bytes) -> None:
        before = os.fstat(self._handle).st_size
        try:
            _write(self._handle, line)
            os.fsync(self._handle)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._handle, before)
            raise _at(self.folder / JOURNAL_FILE, error) from error

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def busy(folder: Path) -> bool:
    """Whether a process holds this run's journal; False where there is none yet or any more."""
    try:
        handle = os.open(folder / JOURNAL_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        _lock(folder, handle, 0.0)
    except Busy:
        return True
    finally:
        os.close(handle)
    return False


def run_of(folder: Path) -> Run:
    """What `run.json` says. Raises JournalError, OSError."""
    path = folder / RUN_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT}")
        run = Run(**document)
        for key, value in asdict(run).items():
            if type(value) is not (int if key == "pid" else str):
                raise ValueError(f"{key}: {value!r}")
        return run
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise JournalError(f"{path}: not a live run's: {error}") from None


def entries(folder: Path) -> tuple[Entry, ...]:
    """All lines; a last one that was not finished counts as never written. Raises JournalError, OSError.

    A run that ended before it had a journal has none: nothing was done then.
    """
    path = folder / JOURNAL_FILE
    *lines, _torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
    return tuple(_entry(path, number, line) for number, line in enumerate(lines, 1))


def folders(root: Path) -> Iterator[Path]:
    """The folders of all runs below `root`, by name."""
    if root.is_dir():
        yield from sorted(one for one in root.iterdir() if (one / RUN_FILE).is_file())


def _entry(path: Path, number: int, line: bytes) -> Entry:
    try:
        document = json.loads(line)
        at, what = document.pop("at"), document.pop("what")
        if missing := [key for key in _NEEDED.get(what, ()) if not isinstance(document.get(key), str)]:
            raise ValueError(f"{what} without {missing[0]}")
        return Entry(at, what, document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise JournalError(f"{path}:{number}: not a line of a journal: {error}") from None


def _lock(folder: Path, handle: int, patience: float) -> None:
    ends = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                raise Busy(f"{folder.name}: this run is going on") from None
        time.sleep(EVERY)


def _cut_torn(path: Path, handle: int) -> None:
    """Drop a last line without its end, so that the next one starts on its own."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(handle, whole)
        os.fsync(handle)


def _put(path: Path, text: str) -> None:
    """Write a new file and see it onto the disk; it has its name once it is whole."""
    made = path.with_name(f".{path.name}")
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        _write(handle, text.encode())
        os.fsync(handle)
    except OSError as error:
        raise _at(path, error) from error
    finally:
        os.close(handle)
    made.rename(path)


def _write(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _at(path: Path, error: OSError) -> OSError:
    return OSError(error.errno, error.strerror, str(path))
