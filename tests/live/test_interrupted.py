"""Live runs that are cut short: resumed after a kill -9, cleaned up after an interrupt."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from onenode.target import Cluster

SHORT = ("--set", "clock.settle=3s", "--set", "clock.horizon=20s", "--set", "traffic.rate=40/s")


def rolloutlab(cluster: Cluster, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"KUBECONFIG": cluster.kubeconfig, "ROLLOUTLAB_APP_IMAGE": cluster.image}
    # what a shell starts in the background ignores Ctrl-C, and so would this
    heeds = "import signal, rolloutlab_cli; signal.signal(signal.SIGINT, signal.default_int_handler); "
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", heeds + "rolloutlab_cli.main()", *arguments],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def left(cluster: Cluster, folder: Path) -> list[str]:
    """Namespaces of runs of this folder; others may be at work on the same cluster."""
    runs = {one.name for one in folder.glob("runs/live/*")}
    found: list[dict[str, Any]] = json.loads(
        cluster.kubectl("get", "namespaces", "-l", "app.kubernetes.io/managed-by=rolloutlab", "-o", "json")
    )["items"]
    return [one["metadata"]["name"] for one in found if one["metadata"]["name"].split("-")[1] in runs]


def resumed(cluster: Cluster, folder: Path, run: Path, *options: str) -> int:
    command = ("live", "resume", run.name, "--context", cluster.context, *options)
    return rolloutlab(cluster, folder, *command).wait(180)


def records(run: Path) -> set[str]:
    return {path.parent.name for path in run.glob("*/record.json")}


def test_an_interrupted_run_is_resumed(cluster: Cluster, tmp_path: Path) -> None:
    """A run of two trials, killed in the second, which resume begins again; the first was inconclusive."""
    run = rolloutlab(
        cluster, tmp_path, "live", "run", "one-node", "--context", cluster.context, "-s", "rolling",
        "-c", "healthy", "-c", "errors", "--set", "clock.settle=2s", "--set", "clock.horizon=8s",
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(tmp_path.glob("runs/live/*/rolling.healthy.0/record.json")):
        assert run.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
        time.sleep(0.2)
    time.sleep(4.0)
    os.kill(run.pid, signal.SIGKILL)
    run.wait(10)
    (folder,) = (tmp_path / "runs" / "live").iterdir()
    first = folder / "rolling.healthy.0"
    told = json.loads((first / "provenance.json").read_text())
    (first / "provenance.json").write_text(json.dumps(told | {"conclusive": False, "why": "a busy machine"}))
    before = (first / "record.json").read_bytes()
    assert resumed(cluster, tmp_path, folder) == 3, (tmp_path / "log").read_text()
    both = {"rolling.healthy.0", "rolling.errors.0"}
    assert records(folder) == both
    # 3: this machine is too busy
    assert resumed(cluster, tmp_path, folder, "--again") in (0, 3), (tmp_path / "log").read_text()
    assert records(folder) >= {*both, "rolling.healthy.0.1"}
    assert (first / "record.json").read_bytes() == before
    assert left(cluster, tmp_path) == []


def test_an_interrupt_cleans_up_and_says_so(cluster: Cluster, tmp_path: Path) -> None:
    run = rolloutlab(
        cluster, tmp_path, "live", "run", "one-node", "--context", cluster.context, "-s", "rolling",
        "-c", "healthy", *SHORT,
    )  # fmt: skip
    time.sleep(8.0)
    os.kill(run.pid, signal.SIGINT)
    assert run.wait(60) == 130, (tmp_path / "log").read_text()
    assert "Interrupted" in (tmp_path / "log").read_text()
    assert left(cluster, tmp_path) == []
