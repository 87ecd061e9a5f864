"""On a real cluster: what killed runs left goes, quickly; witnesses that look like it stay as they were."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from onenode.target import Cluster

from live import namespaces
from live.api import Api, Refused
from live.journal import Journal, Run
from live.namespaces import Marks
from live.target import connect

ROOT = Path(__file__).parent.parent.parent
NAMESPACES = "/api/v1/namespaces"
Called = Callable[..., Any]


@pytest.fixture
def api(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Api:
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
    monkeypatch.chdir(tmp_path)
    uid = cluster.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    return connect(cluster.context, cluster_uid=uid)


@pytest.fixture
def cleanup(api: Api, called: Called) -> Called:
    def clean(*arguments: str) -> Any:
        target = api.target
        return called("live", "cleanup", "--context", target.context, "--cluster-uid", target.uid, *arguments)

    return clean


@pytest.fixture
def left(api: Api, cluster: Cluster) -> Iterator[Callable[..., Marks]]:
    """Makes a namespace as a run does; those still there at the end are removed, whatever was tested."""
    made: list[str] = []

    def leave(
        run: str = "", number: int = 0, expires: timedelta = timedelta(hours=1), journal: str = "created"
    ) -> Marks:
        run = run or secrets.token_hex(4)
        when = datetime.now(UTC).replace(microsecond=0) + expires
        marks = Marks(run, number, "tests@here", when, secrets.token_hex(16))
        made.append(marks.name)
        if journal:
            _journal(api, run, marks, journal)
        return marks

    yield leave
    for name in made:
        cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def _journal(api: Api, run: str, marks: Marks, until: str) -> None:
    """A run that was killed when its journal had come to `until`: intended, made or created."""
    target = api.target
    about = Run(
        run, "tests@here", target.context, target.uid, target.server, "2026-11-20T10:00:00Z", "here", 1
    )
    with Journal.begin(Path("runs/live"), about) as journal:
        journal.intend(marks.name, marks.token, context=target.context, cluster=target.uid)
        if until != "intended":
            uid = api.create(NAMESPACES, namespaces.manifest(marks))["metadata"]["uid"]
            if until == "created":
                journal.created(marks.name, uid)


def _pods(cluster: Cluster, namespace: str, replicas: int = 2) -> None:
    """Pods that would take their time: half a minute of grace, of which preStop sleeps 20 s."""
    container = {
        "name": "app",
        "image": cluster.image,
        "command": ["python3", "-c", "import time; time.sleep(3600)"],
        "lifecycle": {"preStop": {"sleep": {"seconds": 20}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    template = {"metadata": {"labels": {"app": "slow"}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "slow"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "slow"}, "spec": spec}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", given=json.dumps(deployment))
    cluster.kubectl("rollout", "status", "-n", namespace, "deployment/slow", "--timeout=60s")


@pytest.fixture
def witnesses(cluster: Cluster) -> Iterator[Callable[[Marks], Callable[[], bool]]]:
    """Puts look-alikes of a run's namespace there; what it returns says whether all are untouched."""
    made: list[str] = []

    def call(marks: Marks) -> Callable[[], bool]:
        manifest = namespaces.manifest(marks)
        own: dict[str, dict[str, Any]] = {
            f"shop-{marks.run}": {"labels": marks.labels},
            f"rolloutlab-{marks.run}-7": {},
            f"rolloutlab-{marks.run}-8": manifest["metadata"] | {"name": f"rolloutlab-{marks.run}-8"},
            f"rolloutlab-{marks.run}-0-copy": manifest["metadata"]
            | {"name": f"rolloutlab-{marks.run}-0-copy"},
        }
        for name, metadata in own.items():
            made.append(name)
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata | {"name": name}}
            inside = {
                "name": "mine",
                "namespace": name,
                "labels": marks.labels,
                "annotations": marks.annotations,
            }
            thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": inside}
            cluster.kubectl("apply", "-f", "-", given=json.dumps(namespace))
            cluster.kubectl("apply", "-f", "-", given=json.dumps(thing))
        before = _seen(cluster, own)
        return lambda: _seen(cluster, own) == before

    yield call
    for name in made:
        cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def _seen(cluster: Cluster, names: dict[str, Any]) -> dict[str, Any]:
    """UID and resourceVersion of the namespaces and of what is in them: any touch would change one."""
    found = {}
    for name in names:
        things = [
            json.loads(cluster.kubectl("get", "namespace", name, "-o", "json")),
            json.loads(cluster.kubectl("get", "configmap", "mine", "-n", name, "-o", "json")),
        ]
        found[name] = [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in things]
    return found


def _there(api: Api, name: str) -> bool:
    try:
        api.get(f"{NAMESPACES}/{name}")
    except Refused as refused:
        assert refused.status == 404
        return False
    return True


def test_what_a_killed_run_left_goes_quickly_and_witnesses_stay(
    api: Api,
    cluster: Cluster,
    cleanup: Called,
    left: Callable[..., Marks],
    witnesses: Callable[[Marks], Callable[[], bool]],
) -> None:
    marks = left()
    untouched = witnesses(marks)
    _pods(cluster, marks.name)
    began = time.monotonic()
    first = cleanup()
    took = time.monotonic() - began
    assert (first.code, first.out) == (0, f"gone: {marks.name}\n")
    assert not _there(api, marks.name)
    assert took < 15  # the namespace controller waits for 5 s before it looks; the pods alone would take 20
    second = cleanup()
    assert (second.code, second.out) == (0, "nothing of ours to delete\n")
    assert untouched()


@pytest.mark.parametrize("until", ["intended", "made"])
def test_killed_between_the_intent_and_the_journal_of_the_answer(
    api: Api, cleanup: Called, left: Callable[..., Marks], until: str
) -> None:
    marks = left(journal=until)
    assert _there(api, marks.name) is (until == "made")
    assert cleanup("--run", marks.run).code == 0
    assert not _there(api, marks.name)


def test_a_namespace_made_anew_under_the_name_is_left_alone_and_named(
    api: Api, cluster: Cluster, cleanup: Called, left: Callable[..., Marks]
) -> None:
    marks = left()
    cluster.kubectl("delete", "namespace", marks.name)
    cluster.kubectl("apply", "-f", "-", given=json.dumps(namespaces.manifest(marks)))
    answer = cleanup()
    assert answer.code == 0
    assert f"left alone: {marks.name}: has another UID than ours had" in answer.out
    assert _there(api, marks.name)


def test_what_a_foreign_finalizer_holds_is_named_and_goes_once_it_is_let_go(
    api: Api, cluster: Cluster, cleanup: Called, left: Callable[..., Marks]
) -> None:
    marks = left()
    held = {"name": "held", "namespace": marks.name, "finalizers": ["example.org/hold"]}
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": held}
    cluster.kubectl("apply", "-f", "-", given=json.dumps(thing))
    stuck = cleanup("--timeout", "12s")
    assert stuck.code == 6
    assert f"still there: {marks.name}: " in stuck.out
    assert "configmaps. has 1 resource instances" in stuck.out
    assert "example.org/hold in 1 resource instances" in stuck.out
    patch = '{"metadata": {"finalizers": null}}'
    cluster.kubectl("patch", "configmap", "held", "-n", marks.name, "--type=merge", "-p", patch)
    assert cleanup().code == 0
    assert not _there(api, marks.name)


RUNNING = """
import sys, time
from pathlib import Path
from live.journal import Journal, Run
run, name, uid, token, cluster = sys.argv[1:]
about = Run(run, "tests@here", "c", cluster, "s", "2026-11-20T10:00:00Z", "here", 1)
with Journal.begin(Path("runs/live"), about) as journal:
    journal.intend(name, token, context="c", cluster=cluster)
    journal.created(name, uid)
    print("begun", flush=True)
    time.sleep(600)
"""


def test_a_run_that_is_going_on_is_left_alone_until_it_is_killed(
    api: Api, cleanup: Called, left: Callable[..., Marks], monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = left(journal="")
    uid = api.create(NAMESPACES, namespaces.manifest(marks))["metadata"]["uid"]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-c", RUNNING, marks.run, marks.name, uid, marks.token, api.target.uid]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline() == b"begun\n"
            every, one = cleanup("--expired"), cleanup("--run", marks.run)
            assert (every.code, one.code) == (0, 4)
            assert f"left alone: run {marks.run}: is going on, as process 1 of here" in every.out
            assert _there(api, marks.name)
        finally:
            run.send_signal(signal.SIGKILL)
    assert cleanup().code == 0
    assert not _there(api, marks.name)


def test_a_run_that_is_going_on_goes_by_force(api: Api, cleanup: Called, left: Callable[..., Marks]) -> None:
    marks = left()
    with Journal.reopen(Path("runs/live") / marks.run):
        assert cleanup("--run", marks.run).code == 4
        assert _there(api, marks.name)
        assert cleanup("--run", marks.run, "--force").code == 0
    assert not _there(api, marks.name)


def test_a_run_of_another_cluster_is_refused(api: Api, cleanup: Called, left: Callable[..., Marks]) -> None:
    marks = left()
    path = Path("runs/live") / marks.run / "run.json"
    path.write_text(path.read_text().replace(api.target.uid, "another"))
    one, every = cleanup("--run", marks.run, "--force"), cleanup()
    assert (one.code, every.code) == (4, 0)
    assert "belongs to another cluster" in one.err
    assert f"left alone: run {marks.run}: belongs to another cluster" in every.out
    assert _there(api, marks.name)


def test_without_a_journal_only_what_has_expired_goes(
    api: Api,
    cleanup: Called,
    left: Callable[..., Marks],
    witnesses: Callable[[Marks], Callable[[], bool]],
) -> None:
    old = left(journal="", expires=timedelta(hours=-1))
    young = left(journal="")
    for marks in (old, young):
        api.create(NAMESPACES, namespaces.manifest(marks))
    untouched = witnesses(replace(old, number=3))
    assert cleanup().out == "nothing of ours to delete\n"
    answer = cleanup("--expired")
    assert answer.code == 0
    assert f"gone: {old.name}\n" in answer.out
    assert f"left alone: {young.name}: expires at " in answer.out
    assert f"left alone: rolloutlab-{old.run}-8: its seal does not fit" in answer.out
    assert not _there(api, old.name)
    assert _there(api, young.name)
    assert untouched()


def test_status_tells_the_runs_here_from_the_namespaces_there(
    api: Api, called: Called, left: Callable[..., Marks]
) -> None:
    known, unknown = left(), left(journal="", expires=timedelta(hours=-1))
    api.create(NAMESPACES, namespaces.manifest(unknown))
    target = api.target
    answer = called("live", "status", "--context", target.context, "--cluster-uid", target.uid, "-o", "json")
    document = json.loads(answer.out)
    (run,) = document["runs"]
    assert (run["run"], run["state"], run["left"]) == (known.run, "interrupted", known.name)
    states = {one["namespace"]: one["state"] for one in document["namespaces"]}
    assert states[known.name] == "interrupted"
    assert states[unknown.name] == "of no run in this folder, expired"
    table = called("live", "status", "--context", target.context, "--cluster-uid", target.uid)
    assert table.code == 0
    assert known.name in table.out


def test_another_cluster_than_the_named_one_is_refused(api: Api, called: Called) -> None:
    answer = called("live", "cleanup", "--context", api.target.context, "--cluster-uid", "another")
    assert answer.code == 4
    assert f"is cluster {api.target.uid}" in answer.err


# --- runs that are killed -----------------------------------------------------------------------------

KILLS, AT_ONCE, LONGEST = 10, 5, 22.0
"""Runs that are killed, so many going on at a time, by so many seconds after their start."""


def _started(api: Api, cluster: Cluster, folder: Path) -> subprocess.Popen[bytes]:
    """A live run of some half a minute: its namespace, pods, traffic, release, and end."""
    target = api.target
    where = ["--context", target.context, "--cluster-uid", target.uid, "--image", cluster.image]
    small = ["--set", "service.replicas=2", "--set", "traffic.rate=20/s", "--time-scale", "0.3"]
    command = [
        sys.executable,
        "-m",
        "rolloutlab_cli",
        "live",
        "run",
        "one-node",
        "-s",
        "rolling",
        "-c",
        "healthy",
    ]
    with (folder / f"log-{secrets.token_hex(4)}").open("wb") as log:
        own = os.environ | {"TMPDIR": str(folder)}  # what a killed one leaves there goes with the test
        return subprocess.Popen([*command, *where, *small], cwd=folder, env=own, stdout=log, stderr=log)


def _of_folder(folder: Path) -> list[str]:
    """Command lines of processes that were started in a folder; ours is there too, and not meant."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder and process.name != str(os.getpid()):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def _ours(api: Api, runs: set[str]) -> set[str]:
    found = api.list(NAMESPACES, labelSelector=namespaces.SELECTOR)["items"]
    return {one["metadata"]["name"] for one in found if one["metadata"]["labels"][namespaces.RUN] in runs}


def test_runs_killed_at_random_instants_leave_nothing_after_a_cleanup(
    api: Api,
    cluster: Cluster,
    cleanup: Called,
    left: Callable[..., Marks],
    witnesses: Callable[[Marks], Callable[[], bool]],
    tmp_path: Path,
) -> None:
    untouched = witnesses(left(journal=""))
    instants, reached = Random(seed := secrets.randbits(32)), set[str]()
    for _ in range(KILLS // AT_ONCE):
        started, began = [_started(api, cluster, tmp_path) for _ in range(AT_ONCE)], time.monotonic()
        for run, instant in zip(started, sorted(instants.uniform(0, LONGEST) for _ in started), strict=True):
            time.sleep(max(0.0, began + instant - time.monotonic()))
            run.kill()
            run.wait()
        runs = {folder.name for folder in Path("runs/live").glob("*")}
        reached |= _ours(api, runs)
        answer = cleanup()
        assert answer.code == 0, (seed, answer)
        assert _ours(api, runs) == set(), seed
    assert reached, seed  # some were killed while their namespace was there
    assert untouched(), seed
    until = time.monotonic() + 10
    while _of_folder(tmp_path) and time.monotonic() < until:
        time.sleep(0.2)
    assert _of_folder(tmp_path) == [], seed


def test_a_cleanup_leaves_a_run_that_is_going_on_beside_it_alone(
    api: Api, cluster: Cluster, cleanup: Called, left: Callable[..., Marks], tmp_path: Path
) -> None:
    killed = left()
    run = _started(api, cluster, tmp_path)
    try:
        until = time.monotonic() + 30
        while len(_ours(api, {folder.name for folder in Path("runs/live").glob("*")})) < 2:
            assert time.monotonic() < until
            time.sleep(0.2)
        answer = cleanup("--expired")
        assert f"gone: {killed.name}\n" in answer.out
        assert run.wait(120) in (0, 3), [log.read_text() for log in tmp_path.glob("log-*")]
    finally:
        run.kill()
        run.wait()
    assert cleanup().out == "nothing of ours to delete\n"
