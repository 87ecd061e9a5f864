"""The namespace of a trial is gone afterwards, whatever becomes of those who are told of it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import rolloutlab_cli
from live import runs
from live.api import Refused
from live.calibrate import calibrate
from live.entry import NoEntry
from live.journal import Journal, Run
from live.namespaces import Marks, read
from live.objects import Image
from live.own_namespace import own_namespace
from live.runs import Known
from live.site import Asked
from live.target import Target

RUN = Run("0a1b2c3d", "ann@desk", "kind-try", "c1", "https://127.0.0.1:1", "2026-11-20T10:00:00Z", "desk", 42)
MARKS = Marks(RUN.id, 0, RUN.owner, datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(hours=1), "f" * 32)


@dataclass
class Cluster:
    """Namespaces as an API server keeps them."""

    there: dict[str, Any] = field(default_factory=dict)
    made: list[Any] = field(default_factory=list)
    interrupts: int = 0
    target: Target = field(default_factory=lambda: Target("kind-try", RUN.server, RUN.cluster, "v1"))

    def create(self, _path: str, manifest: Any) -> Any:
        self.made.append(manifest)
        name = manifest["metadata"]["name"]
        self.there[name] = {**manifest, "metadata": {**manifest["metadata"], "uid": "u1"}}
        return self.there[name]

    def get(self, path: str, **_query: str) -> Any:
        if (name := path.rpartition("/")[2]) not in self.there:
            raise Refused(404, "NotFound", f"{name} not found")
        return self.there[name]

    def list(self, _path: str, **_query: str) -> Any:
        return {"items": []}

    def delete(self, path: str, *, uid: str, grace: int | None = None) -> None:
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        assert (uid, grace) == ("u1", None)
        del self.there[path.rpartition("/")[2]]


@pytest.mark.parametrize("broken", [BrokenPipeError, SystemExit, KeyboardInterrupt])
def test_it_is_deleted_though_nobody_reads_what_is_told(tmp_path: Path, broken: type[BaseException]) -> None:
    """An interrupt ends a whole pipeline, as of `live run 2>&1 | tee log`: what is told next cannot be."""
    cluster, told = Cluster(), list[str]()

    def tell(text: str) -> None:
        told.append(text)
        if text.startswith("delete"):
            raise broken

    with Journal.begin(tmp_path, RUN) as journal:
        api: Any = cluster
        with pytest.raises(broken), own_namespace(api, journal, MARKS, tell):
            assert [*cluster.there] == [MARKS.name]
            raise KeyboardInterrupt
    assert len(told) == 2
    assert cluster.there == {}
    (known,) = runs.known(tmp_path)
    assert isinstance(known, Known)
    assert known.claims == ()


@pytest.mark.parametrize(("interrupts", "left"), [(1, []), (2, [MARKS.name])])
def test_the_first_interrupt_cleans_up_though_it_comes_in_the_clean_up(
    tmp_path: Path, interrupts: int, left: list[str]
) -> None:
    cluster = Cluster(interrupts=interrupts)
    with Journal.begin(tmp_path, RUN) as journal:
        api: Any = cluster
        with pytest.raises(KeyboardInterrupt), own_namespace(api, journal, MARKS, lambda _text: None):
            pass
    assert [*cluster.there] == left


def test_the_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    cluster = Cluster(interrupts=1)
    with Journal.begin(tmp_path, RUN) as journal:
        api: Any = cluster
        with pytest.raises(KeyboardInterrupt), own_namespace(api, journal, MARKS, lambda _text: None):
            raise KeyboardInterrupt
    assert [*cluster.there] == [MARKS.name]


# --- signals ----------------------------------------------------------------------------------------

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
ROOT = Path(rolloutlab_cli.__file__).parent
PROGRAM = """
import signal, sys, time
from pathlib import Path
import typer
import rolloutlab_cli
from rolloutlab_cluster import failures
from live.journal import Journal
from live.own_namespace import own_namespace
from test_own_namespace import MARKS, RUN, Cluster

class Slow(Cluster):
    def delete(self, *path, **asked):
        print("deletes", flush=True)
        time.sleep(1.0)
        super().delete(*path, **asked)

app, root = typer.Typer(help="A trial."), Path(sys.argv.pop())

@app.command()
def trial() -> None:
    with failures("live cleanup RUN"), Journal.begin(root, RUN) as journal:
        with own_namespace(Slow(), journal, MARKS, lambda _text: None):
            print("begun", flush=True)
            time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
signal.signal(signal.SIGHUP, signal.SIG_DFL)
rolloutlab_cli.app = app
rolloutlab_cli.main()
"""


@pytest.mark.parametrize(
    ("first", "more", "code", "cleaned"),
    [
        (TERM, [HUP, TERM], 143, True),
        (HUP, [HUP, HUP], 143, True),  # a terminal that is closed
        (INT, [HUP, TERM], 130, True),
        (INT, [INT], 130, False),
        (TERM, [INT], 130, False),
    ],
)
def test_only_a_ctrl_c_that_comes_later_ends_the_clean_up(
    tmp_path: Path, first: signal.Signals, more: list[signal.Signals], code: int, cleaned: bool
) -> None:
    """And says how it is finished."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(first)
        assert process.stdout.readline() == "deletes\n"
        for one in more:
            time.sleep(0.1)
            process.send_signal(one)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    (known,) = runs.known(tmp_path)
    assert isinstance(known, Known)
    assert (known.claims == ()) is cleaned
    assert cleaned or "live cleanup RUN" in err


# --- calibration's ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "takes"), [(20, 3), (500, 15 + 24 + 22)])
def test_nobody_cleans_up_after_a_calibration_that_goes_on(
    tmp_path: Path, samples: int, takes: float
) -> None:
    """`takes` minutes on one node: pods, the Service, the Ingress; half an hour is for what takes longer."""
    cluster = Cluster()
    api: Any = cluster
    asked = Asked(samples, 80.0, Image("python"))
    with Journal.begin(tmp_path, RUN) as journal, pytest.raises(NoEntry, match="no node is ready"):
        calibrate(api, journal, RUN.id, RUN.owner, asked, lambda *_: None)
    (made,) = cluster.made
    marks = read({**made, "metadata": {**made["metadata"], "uid": "u1"}})
    assert isinstance(marks, Marks)
    left = (marks.expires - datetime.now(UTC)).total_seconds() / 60
    assert takes + 30 < left < 4 * takes + 60
    assert cluster.there == {}
