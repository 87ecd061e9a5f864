"""kill -9 at random instants of live runs: `live cleanup` leaves nothing of ours and touches nothing else."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from onenode.target import Cluster

KILLS = 10
LONGEST = 11.0  # seconds: namespace, pods, settling in and the beginning of the release
SEED = 20_26
SHORT = ("--set", "clock.settle=3s", "--set", "clock.horizon=20s", "--set", "traffic.rate=40/s")
MARKED = {"app.kubernetes.io/managed-by": "rolloutlab", "rolloutlab.dev/run": "0123abcd"}


@pytest.fixture(scope="module")
def witnesses(cluster: Cluster) -> Iterator[Mapping[str, str]]:
    """A foreign namespace that looks like ours, with objects that do; their UIDs."""
    name = "rolloutlab-0123abcd-0"
    head = {"labels": MARKED, "annotations": {"rolloutlab.dev/expires": "2001-01-01T00:00:00Z"}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **head}}
    note = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "witness", "namespace": name, **head},
        "data": {"whose": "somebody else's"},
    }
    plain = note | {"metadata": {"name": "witness", "namespace": "default", **head}}
    documents = yaml.safe_dump_all([space, note, plain])
    cluster.kubectl("apply", "-f", "-", given=documents)
    try:
        yield uids(cluster, documents)
    finally:
        cluster.kubectl("delete", "-f", "-", given=documents)


def uids(cluster: Cluster, documents: str) -> dict[str, str]:
    found = json.loads(cluster.kubectl("get", "-f", "-", "-o", "json", given=documents))
    return {f"{one['kind']} {one['metadata']['name']}": one["metadata"]["uid"] for one in found["items"]}


def rolloutlab(cluster: Cluster, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"KUBECONFIG": cluster.kubeconfig, "ROLLOUTLAB_APP_IMAGE": cluster.image}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "rolloutlab_cli", *arguments],
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


def with_children(folder: Path) -> list[int]:
    """Processes that work in the folder, generators among them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_nothing_is_left_and_nothing_foreign_is_touched(
    cluster: Cluster, witnesses: Mapping[str, str], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    strategies = ("rolling", "blue-green", "canary-by-weight", "halves")
    seen = 0
    for number in range(KILLS):
        strategy = strategies[number % len(strategies)]
        run = rolloutlab(
            cluster, tmp_path, "live", "run", "one-node", "--context", cluster.context, "-s", strategy,
            "-c", "errors", *SHORT,
        )  # fmt: skip
        time.sleep(chance.uniform(1.0, LONGEST))
        os.kill(run.pid, signal.SIGKILL)
        run.wait(10)
        seen += bool(left(cluster, tmp_path))
        cleaned = rolloutlab(cluster, tmp_path, "live", "cleanup", "--context", cluster.context)
        assert cleaned.wait(120) == 0, (tmp_path / "log").read_text()
        assert left(cluster, tmp_path) == [], f"kill {number}"
    assert seen >= KILLS // 2, "the kills came too early to have left anything"
    until = time.monotonic() + 10
    while with_children(tmp_path) and time.monotonic() < until:
        time.sleep(0.2)
    assert with_children(tmp_path) == []
    assert still_there(cluster, witnesses)


def still_there(cluster: Cluster, witnesses: Mapping[str, str]) -> bool:
    asked = {
        "Namespace rolloutlab-0123abcd-0": ("namespace", "rolloutlab-0123abcd-0", "default"),
        "ConfigMap witness": ("configmap", "witness", "default"),
    }
    for name, (kind, called, where) in asked.items():
        found = json.loads(cluster.kubectl("get", kind, called, "-n", where, "-o", "json"))
        assert found["metadata"]["uid"] == witnesses[name]
    inside = json.loads(
        cluster.kubectl("get", "configmap", "witness", "-n", "rolloutlab-0123abcd-0", "-o", "json")
    )
    return bool(inside["data"] == {"whose": "somebody else's"})


def test_an_interrupted_run_is_resumed(cluster: Cluster, tmp_path: Path) -> None:
    """A run of two trials, killed in the second: resume keeps the first and begins the second again."""
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
    first = (folder / "rolling.healthy.0" / "record.json").read_bytes()
    resumed = rolloutlab(cluster, tmp_path, "live", "resume", folder.name, "--context", cluster.context)
    assert resumed.wait(180) in (0, 3), (tmp_path / "log").read_text()  # 3: this machine was too busy
    assert (folder / "rolling.healthy.0" / "record.json").read_bytes() == first
    assert (folder / "rolling.errors.0" / "record.json").exists()
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
