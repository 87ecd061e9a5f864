"""The traffic generator, seen from its parent: starts the children that send, and collects what came.

The schedule is the simulator's. Children are processes of their own (Locust patches the standard library);
they have a folder each, end with their parent, and know neither the environment's proxies nor its Locust.
"""

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from live import orders, replay
from live.frames import Frames, Garbled, Kind
from live.replay import Entry, caps, unsupported
from live.rows import ROWS, UNKNOWN_POD, Rows, rows_to_tally
from live.sent import Ended, Sent, judged
from scenarios.scenario import Scenario

__all__ = ["ROWS", "Entry", "Generator", "NotReady", "Rows", "Sent", "caps", "rows_to_tally", "unsupported"]

FIRST_ROWS = 4096
MOST_PODS = 32_767
MARGIN = 0.2  # seconds before the first request by which children must be ready
GRACE = 2.0  # seconds to end after the last request could have
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")


class NotReady(Exception):
    """The generator cannot begin in time, or not at all; the text says why."""


@dataclass(slots=True)
class Arrived:
    """Rows in the order they came, and the names of pods; only ever grows. Thread-safe."""

    pods: list[str] = field(default_factory=list)
    _rows: Rows = field(default_factory=lambda: np.zeros(FIRST_ROWS, ROWS))
    _count: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def pod(self, name: str) -> int:
        """The number of a pod, for all children the same."""
        with self._lock:
            if name not in self._numbers:
                if len(self.pods) >= MOST_PODS:
                    return UNKNOWN_POD
                self._numbers[name] = len(self.pods)
                self.pods.append(name)
            return self._numbers[name]

    def add(self, rows: Rows) -> None:
        with self._lock:
            end = self._count + len(rows)
            if end > len(self._rows):
                grown = np.zeros(max(end, 2 * len(self._rows)), ROWS)
                grown[: self._count] = self._rows[: self._count]
                self._rows = grown
            self._rows[self._count : end] = rows
            self._count = end

    def take(self, since: int) -> Rows:
        """A view, not to be written to, of rows number `since` and later."""
        with self._lock:
            view = self._rows[since : self._count]
        view.flags.writeable = False
        return view


class Child:
    """One process that sends, and the thread that hears it."""

    def __init__(self, folder: Path, arrived: Arrived) -> None:
        self.folder, self._arrived = folder, arrived
        self.ready, self.ended = threading.Event(), None  # type: tuple[threading.Event, Ended | None]
        self._numbers: list[int] = []
        orders, self._orders = os.pipe()
        self._rows, rows = os.pipe()
        try:
            with (folder / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    _command(folder, orders, rows), cwd=folder, env=_environment(folder),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(orders, rows),
                    start_new_session=True,
                )  # fmt: skip
        except BaseException:
            os.close(self._orders)
            os.close(self._rows)
            raise
        finally:
            os.close(orders)
            os.close(rows)
        self._thread = threading.Thread(target=self._hear, name="load", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_ready(self, until: float) -> None:
        """Return when it is ready. Raises NotReady if it is not by then, or has ended."""
        if not self.ready.wait(max(0.0, until - time.monotonic())) or time.monotonic() > until:
            raise NotReady("the generator was not ready in time to send the first request")
        if not self._thread.is_alive():
            raise NotReady(f"the generator has ended: {self.said() or 'it said nothing'}")

    def begin(self, t0: float) -> None:
        """The order to begin. Raises NotReady if nobody is there to hear it."""
        try:
            os.write(self._orders, struct.pack("<d", t0))
        except OSError as error:
            raise NotReady(f"the generator has ended: {self.said()}") from error

    def wait(self, until: float) -> bool:
        """Whether it ended by itself by then."""
        self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End it, by its own handle, and all that belongs to it. More than once is fine."""
        if self._orders >= 0:
            os.close(self._orders)
            self._orders = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if self.ended is None else GRACE)
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def said(self) -> str:
        """The last line of its own words; empty where it said none."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "log").read_text(errors="replace").strip().splitlines()
            return lines[-1][:300] if lines else ""
        return ""

    def _hear(self) -> None:
        frames = Frames()
        try:
            with os.fdopen(self._rows, "rb", buffering=0) as pipe, contextlib.suppress(Garbled):
                while data := pipe.read(1 << 20):
                    for kind, content in frames.feed(data):
                        self._told(kind, content)
        finally:
            self.ready.set()

    def _told(self, kind: Kind, content: bytes) -> None:
        match kind:
            case Kind.READY:
                self.ready.set()
            case Kind.POD:
                self._numbers.append(self._arrived.pod(content.decode("ascii")))
            case Kind.ROWS:
                self._arrived.add(self._numbered(np.frombuffer(content, ROWS).copy()))
            case Kind.END:
                self.ended = Ended(**json.loads(content))

    def _numbered(self, rows: Rows) -> Rows:
        """Rows with the numbers of pods that all children share."""
        numbers = np.array([*self._numbers, UNKNOWN_POD], np.int16)
        rows["pod"] = numbers[rows["pod"]]
        return rows


def _command(folder: Path, orders: int, rows: int) -> list[str]:
    flags = ["-P", "-B", "-m", "live.locustfile"]
    return [sys.executable, *flags, str(folder), str(orders), str(rows), str(os.getpid())]


def _environment(folder: Path) -> Mapping[str, str]:
    """Nothing that Locust, gevent or a proxy would heed."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return kept | {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "TMPDIR": str(folder)}


class Generator:
    """Sends a trial's requests, due in [start, horizon) seconds after the trigger, from child processes.

    The children are started at once, and wait. `folder` must exist; what it is used for is gone in the end,
    but for what children said of themselves. Raises NotReady for traffic that cannot be replayed, and for an
    entry without an address.
    """

    def __init__(
        self, scenario: Scenario, candidate: str, seed: int, entry: Entry, folder: Path, *,
        start: float, horizon: float, processes: int = 1,
    ) -> None:  # fmt: skip
        if refused := unsupported(scenario):
            raise NotReady("; ".join(refused))
        try:
            told = replay.settings(scenario, candidate, entry, start)
        except OSError as error:
            raise NotReady(f"{entry.host} has no address: {error.strerror}") from error
        self._start, self._told = start, told
        self._arrived, self._children = Arrived(), []  # type: tuple[Arrived, list[Child]]
        self._folder = folder.resolve()
        whole = replay.requests(scenario, seed, start, horizon)
        self._due = whole.due
        try:
            for number in range(processes):
                self._children.append(self._child(number, replay.part(whole, number, processes)))
        except BaseException:
            self.stop()
            raise

    def _child(self, number: int, mine: orders.Requests) -> Child:
        own = self._folder / f"load-{number}"
        own.mkdir()
        orders.write(own, self._told, mine)
        return Child(own, self._arrived)

    def __enter__(self) -> "Generator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pods(self) -> list[str]:
        """The names that the rows' `pod` indexes."""
        return self._arrived.pods

    @property
    def pids(self) -> list[int]:
        """Of the children."""
        return [child.pid for child in self._children]

    def ready(self, timeout: float) -> None:
        """Return when all children are ready to begin. Raises NotReady, and ends them, if not in time."""
        until = time.monotonic() + timeout
        try:
            for child in self._children:
                child.await_ready(until)
        except NotReady:
            self.stop()
            raise

    def start(self, t0: float) -> None:
        """Let it begin; `t0` is the monotonic time of the trigger. Waits until the children are ready.

        Raises NotReady, and ends them, if one is not ready when the first requests are nearly due.
        """
        self.ready(t0 + self._start - MARGIN - time.monotonic())
        try:
            for child in self._children:
                child.begin(t0)
        except NotReady:
            self.stop()
            raise

    def take(self, since: int = 0) -> Rows:
        """All rows that have come so far, in the order they came, from number `since` on; a view."""
        return self._arrived.take(since)

    def finish(self, timeout: float) -> Sent:
        """Wait until all requests have ended, at most so long, and say whether they were sent as intended."""
        until = time.monotonic() + timeout
        unfinished = [child for child in self._children if not child.wait(until)]
        self.stop()
        return judged(self._due, self.take(), [child.ended for child in self._children], bool(unfinished))

    @property
    def longest(self) -> float:
        """Seconds after the last request is due by which all have ended."""
        return self._told.patience + GRACE

    def stop(self) -> None:
        """End at once, and leave nothing. More than once is fine."""
        for child in self._children:
            child.stop()
            for name in (orders.SCHEDULE, orders.SETTINGS):
                (child.folder / name).unlink(missing_ok=True)
            if not child.said():
                shutil.rmtree(child.folder, ignore_errors=True)
