"""What the commands that conduct trials refuse before they reach a cluster, and how they say it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from live.api import Api
from live.journal import Journal, Run
from live.objects import Image
from live.people import ABORT, approval
from live.run import Asked, Unfit, conduct_all, place, store, stored
from live.trial import Shown
from scenarios.load import load

Call = Callable[..., Any]
RUN = Run(
    "0a1b2c3d", "me@here", "kind-lab", "uid", "https://127.0.0.1:6443", "2026-01-01T00:00:00+00:00", "h", 1
)
CALLED = "on-call-instead-of-guards"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--approve", "bob"], "--approve: expected NAME=after:DURATION"),
        (["--approve", "bob=after:soon"], "--approve: expected a duration such as 150ms"),
        (["--approve", "bob=after:3s"], "--approve: there is no 'bob'; there is none"),
        (["-s", "nosuch"], "--strategy: there is no 'nosuch'; there is recreate, rolling, blue-green"),
        (["-c", "nosuch"], "--candidate: there is no 'nosuch'; there is healthy, errors, crash"),
        (["--image", ""], "--image: expected the name of an image"),
        (["--own-images", "--ready-path", "ready"], "--ready-path: expected a path from / on; got 'ready'"),
        (["--own-images"], "versions.stable.image: --own-images needs one"),
        (["--ingress-address", "here"], "--ingress-address: expected HOST:PORT; got 'here'"),
        (["--time-scale", "2"], "'--time-scale': Input should be less than or equal to 1"),
        (["--max-rate", "10/s"], "traffic.rate: up to 80 requests per second; allowed: 10"),
        (["--max-time", "5s"], "clock: settle and horizon are 31 s together; allowed: 5 s"),
    ],
)
def test_a_run_refuses(called: Call, options: list[str], said: str) -> None:
    answer = called("live", "run", "one-node", "--context", "kind-lab", *options)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


@pytest.mark.parametrize(
    ("world", "said"),
    [
        ("slow-dependency", "faults: live mode causes none"),
        (
            "sticky-sessions -s both-sides-stick",
            "affinity: live mode sets none on the Ingresses that it makes",
        ),
        ("autoscaler-in-the-middle", "cluster.autoscaler: live mode starts none"),
    ],
)
def test_manifests_of_what_cannot_be_run_are_not_printed(called: Call, world: str, said: str) -> None:
    answer = called("live", "manifests", *world.split())
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


COPIES = """
format: rolloutlab/1
name: copies
service: {replicas: 4, slots: 8}
versions: {stable: {}, candidate: {}}
routers: {edge: {kind: ingress-nginx}}
traffic: {rate: 50/s}
strategies: {copied: {shadow: {via: edge}}}
"""


def test_copies_of_requests_are_not_sent(called: Call, tmp_path: Path) -> None:
    (tmp_path / "copies.yaml").write_text(COPIES)
    answer = called("live", "manifests", str(tmp_path / "copies.yaml"))
    assert (answer.code, answer.out) == (2, "")
    assert "strategies.copied: live mode sends no copies of requests" in answer.err


NAMES = ["a.b", "a-b", "canary 5%/10%", "/tmp/x", "../../x", "..", "名" * 80]


def test_names_of_any_kind_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = load(CALLED)
    one = next(iter(world.strategies.values()))
    named = world.model_copy(update={"strategies": dict.fromkeys(NAMES, one)})
    asked = Asked(named, tuple(NAMES), ("c", "b.c"), 2, 1.0, Image("python"))
    with Journal.begin(tmp_path, RUN) as journal:
        here = place(cast(Api, Mock()), journal, asked, provenance={})
        monkeypatch.setattr("live.run.conduct", lambda _place, _trial, _number, folder, _shown: folder)
        folders = [*conduct_all(here, asked, lambda *_: Shown())]
    assert len(set(folders)) == len(asked.trials) == len(NAMES) * 4
    assert {folder.parent for folder in folders} == {journal.folder}
    assert all(len(f"{folder.name}.12.rows.npz".encode()) < 250 for folder in folders)


def test_the_doctor_refuses_what_a_run_refuses(called: Call) -> None:
    options = ("--context", "kind-lab", "--scenario", "slow-dependency")
    answer = called("live", "doctor", *options)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == called("live", "run", "slow-dependency", "--context", "kind-lab").err


def test_an_operator_of_the_scenario_is_taken(called: Call, tmp_path: Path) -> None:
    absent = tmp_path / "none"
    options = ("--context", "kind-lab", "--kubeconfig", str(absent), "--approve", "on_call=after:3s")
    answer = called("live", "run", CALLED, *options)
    assert answer.code == 2
    assert answer.err.startswith(f"{absent}: cannot be read")


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.chdir(tmp_path)
    journal = Journal.begin(Path("runs/live"), RUN)
    world = load(CALLED)
    store(
        Asked(world, tuple(world.strategies), tuple(world.variants), 1, 1.0, Image("python")), journal.folder
    )
    return journal


def test_what_was_asked_for_is_kept(tmp_path: Path) -> None:
    world = load(CALLED)
    asked = Asked(
        world,
        tuple(world.strategies),
        tuple(world.variants),
        3,
        0.5,
        Image("python"),
        "x.yaml",
        9.0,
        {"on_call": 3.0},
    )
    store(asked, tmp_path)
    assert stored(tmp_path) == asked
    document = json.loads((tmp_path / "asked.json").read_text())
    (tmp_path / "asked.json").write_text(json.dumps(document | {"approvals": {"bob": 3.0}}))
    with pytest.raises(Unfit, match="approvals: expected some of on_call; got bob"):
        stored(tmp_path)


def test_a_run_that_goes_on_is_approved_and_aborted(called: Call, journal: Journal) -> None:
    with journal:
        assert called("live", "approve", RUN.id, "on_call").code == 0
        assert (journal.folder / approval("on_call")).exists()
        nobody = called("live", "approve", RUN.id, "bob")
        assert (nobody.code, "NAME: there is no 'bob'; there is on_call" in nobody.err) == (2, True)
        assert called("live", "abort", RUN.id).code == 0
        assert (journal.folder / ABORT).exists()


@pytest.mark.parametrize("command", [["abort", RUN.id], ["approve", RUN.id, "on_call"]])
def test_nobody_reads_what_is_said_to_a_run_that_is_over(
    called: Call, journal: Journal, command: list[str]
) -> None:
    journal.close()
    answer = called("live", *command)
    assert (answer.code, f"RUN: run {RUN.id} is not going on" in answer.err) == (2, True)
    assert not (journal.folder / ABORT).exists()
    assert not (journal.folder / approval("on_call")).exists()


@pytest.mark.parametrize("command", [["abort", "other"], ["approve", "../..", "bob"]])
def test_a_run_that_is_not_there(called: Call, journal: Journal, command: list[str]) -> None:
    with journal:
        answer = called("live", *command)
    assert (answer.code, f"in runs/live; there is {RUN.id}" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("strategies", ["nosuch"], "strategies: expected some of recreate, rolling"),
        ("strategies", "rolling", "got r, o, l"),
        ("candidates", [], "got none"),
        ("repeats", -5, "repeats -5"),
        ("time_scale", "nan", "time_scale nan"),
        ("lifetime", "inf", "lifetime inf"),
        ("image", {"demo": 5}, "image: "),
        ("image", {"demo": "x", "port": "y"}, "image: "),
        ("image", {"demon": "x"}, "unexpected keyword argument"),
        ("scenario", 5, "cannot be read"),
    ],
)
def test_what_a_run_was_asked_is_read_strictly(tmp_path: Path, key: str, value: Any, said: str) -> None:
    store(Asked(load("one-node"), ("rolling",), ("errors",), 1, 1.0, Image("x")), tmp_path)
    assert stored(tmp_path).strategies == ("rolling",)
    path = tmp_path / "asked.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(Unfit, match=re.escape(said)):
        stored(tmp_path)
