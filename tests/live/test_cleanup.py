"""Whatever was left is deleted, however often one asks; whatever only looks like ours is not touched."""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live import cleanup, journal, namespaces, runs
from live.api import Refused, Unavailable
from live.cleanup import Waiting
from live.journal import Journal, Run
from live.namespaces import Claim, Foreign, Marks, Ours
from live.runs import Known

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOKEN = "0123456789abcdef" * 2
MARKS = Marks("0a1b2c3d", 0, "ann@desk", NOW + timedelta(hours=1), TOKEN)
RUN = Run(
    "0a1b2c3d", "ann@desk", "kind-try", "cluster-1", "https://127.0.0.1:1", "2026-11-20T10:00:00Z", "desk", 42
)
Object = dict[str, Any]


@dataclass
class Fake:
    """Namespaces and pods as an API server keeps them; a namespace goes one look after its last pod."""

    namespaces: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, dict[str, Object]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    stubborn: set[str] = field(default_factory=set)
    before: Callable[[str, str], None] = lambda _verb, _path: None
    time: float = 0.0

    def add(self, manifest: Object, uid: str, pods: int = 0) -> Object:
        namespace = copy.deepcopy(manifest)
        namespace["metadata"]["uid"] = uid
        name = namespace["metadata"]["name"]
        self.namespaces[name] = namespace
        self.pods[name] = {f"p{i}": {"metadata": {"name": f"p{i}", "uid": f"{uid}-{i}"}} for i in range(pods)}
        return namespace

    def get(self, path: str, **query: str) -> Object:
        self.before("get", path)
        name = path.rpartition("/")[2]
        if name not in self.namespaces:
            raise Refused(404, "NotFound", f"{name} not found")
        self._go_on(name)
        return copy.deepcopy(self.namespaces.get(name) or self._last)

    def list(self, path: str, **query: str) -> Object:
        self.before("list", path)
        if path == cleanup.NAMESPACES:
            key, _, value = query["labelSelector"].partition("=")
            every = self.namespaces.values()
            return {
                "items": [one for one in every if (one["metadata"].get("labels") or {}).get(key) == value]
            }
        return {"items": copy.deepcopy([*self.pods.get(path.split("/")[-2], {}).values()])}

    def delete(self, path: str, *, uid: str, grace: int | None = None) -> bool:
        self.before("delete", path)
        *_, parent, kind, name = path.split("/")
        among = self.namespaces if kind == "namespaces" else self.pods.get(parent, {})
        if name not in among:
            return True
        if among[name]["metadata"]["uid"] != uid:
            return False
        self.deleted.append(path.removeprefix("/api/v1/"))
        if kind == "namespaces":
            among[name]["metadata"]["deletionTimestamp"] = "now"
        elif grace == 0 or name not in self.stubborn:
            del among[name]
        else:
            among[name]["metadata"]["deletionGracePeriodSeconds"] = grace
        return True

    def _go_on(self, name: str) -> None:
        self._last = self.namespaces[name]
        if (
            "deletionTimestamp" in self._last["metadata"]
            and not self.pods[name]
            and name not in self.stubborn
        ):
            del self.namespaces[name]

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    @property
    def waiting(self) -> Waiting:
        return Waiting(60.0, lambda: self.time, self.sleep)


@pytest.fixture
def fake() -> Fake:
    return Fake()


def _claim(marks: Marks = MARKS, uid: str | None = "u1") -> Claim:
    return Claim(marks.name, marks.token, uid)


def _clean(fake: Fake, *claims: Claim, gone: Callable[[str], None] = lambda _: None) -> cleanup.Cleaned:
    return cleanup.clean(fake, claims, gone, fake.waiting)


# --- what is ours -----------------------------------------------------------------------------------


def test_a_manifest_is_recognised() -> None:
    assert namespaces.read(namespaces.manifest(MARKS)) == MARKS


CHANGES: list[tuple[str, Callable[[Object], object]]] = [
    ("no labels", lambda m: m.pop("labels")),
    ("no annotations", lambda m: m.pop("annotations")),
    ("null annotations", lambda m: m.update(annotations=None)),
    ("another manager", lambda m: m["labels"].update({namespaces.MANAGED_BY: "helm"})),
    ("another run", lambda m: m["labels"].update({namespaces.RUN: "ffffffff"})),
    ("no run's id", lambda m: m["labels"].update({namespaces.RUN: "../../etc"})),
    ("another owner", lambda m: m["annotations"].update({namespaces.OWNER: "bob"})),
    ("earlier expiry", lambda m: m["annotations"].update({namespaces.EXPIRES: "2026-11-20T01:00:00Z"})),
    ("no date", lambda m: m["annotations"].update({namespaces.EXPIRES: "soon"})),
    ("another token", lambda m: m["annotations"].update({namespaces.TOKEN: "f" * 32})),
    ("another seal", lambda m: m["annotations"].update({namespaces.SEAL: "0" * 64})),
    ("no seal", lambda m: m["annotations"].pop(namespaces.SEAL)),
    ("another number", lambda m: m.update(name="rolloutlab-0a1b2c3d-1")),
    ("a system's name", lambda m: m.update(name="kube-system")),
    ("a name in capitals", lambda m: m.update(name="Rolloutlab-0a1b2c3d-0")),
    ("a longer name", lambda m: m.update(name="rolloutlab-0a1b2c3d-0-prod")),
]


@pytest.mark.parametrize(("_what", "change"), CHANGES, ids=[what for what, _ in CHANGES])
def test_whatever_is_changed_makes_it_foreign(_what: str, change: Callable[[Object], object]) -> None:
    namespace = namespaces.manifest(MARKS)
    namespace["metadata"]["uid"] = "u1"
    change(namespace["metadata"])
    assert isinstance(namespaces.read(namespace), Foreign)
    assert isinstance(namespaces.claimed(_claim(uid=None), namespace), Foreign)
    assert isinstance(namespaces.expired(namespace, NOW + timedelta(days=9)), Foreign)


@pytest.mark.parametrize(
    "name", ["kube-system", "Kube-System ", "default", "rolloutlab", "rolloutlab-0a1b2c3d-0x"]
)
def test_a_journal_that_names_another_namespace_is_not_believed(fake: Fake, name: str) -> None:
    fake.namespaces[name] = {"metadata": {"name": name, "uid": "u1"}}
    fake.pods[name] = {"p": {"metadata": {"name": "p", "uid": "u2"}}}
    cleaned = _clean(fake, Claim(name, TOKEN, "u1"))
    assert [one.name for one in cleaned.foreign] == [name]
    assert fake.deleted == []


@pytest.mark.parametrize(
    "change",
    [
        {"run": "0A1B2C3D"}, {"token": "secret"}, {"number": -1}, {"owner": ""}, {"owner": "a\nb"},
        {"expires": datetime(2026, 1, 1)}, {"expires": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
    ],
)  # fmt: skip
def test_marks_that_could_not_be_recognised_cannot_be_made(change: Object) -> None:
    fields = {key: getattr(MARKS, key) for key in ("run", "number", "owner", "expires", "token")}
    with pytest.raises(ValueError, match=r"."):
        Marks(**(fields | change))


# --- deleting ---------------------------------------------------------------------------------------


def test_the_namespace_goes_before_its_pods_and_twice_is_as_good_as_once(fake: Fake) -> None:
    fake.add(namespaces.manifest(MARKS), "u1", pods=2)
    gone: list[str] = []
    assert _clean(fake, _claim(), gone=gone.append).gone == (MARKS.name,) == tuple(gone)
    assert fake.deleted == [
        f"namespaces/{MARKS.name}",
        *(f"namespaces/{MARKS.name}/pods/p{i}" for i in range(2)),
    ]
    again = _clean(fake, _claim())
    assert (again.gone, again.remains) == ((MARKS.name,), ())
    assert len(fake.deleted) == 3


def test_killed_between_intent_and_request_nothing_is_there(fake: Fake) -> None:
    assert _clean(fake, _claim(uid=None)).gone == (MARKS.name,)
    assert fake.time >= cleanup.LATE


def test_a_request_that_arrives_after_its_sender_was_killed_is_waited_for(fake: Fake) -> None:
    def arrives(seconds: float) -> None:
        if fake.time == 0:
            fake.add(namespaces.manifest(MARKS), "u1")
        fake.sleep(seconds)

    cleanup.clean(fake, [_claim(uid=None)], waiting=Waiting(60.0, lambda: fake.time, arrives))
    assert fake.deleted == [f"namespaces/{MARKS.name}"]


def test_killed_between_answer_and_journal_it_is_known_by_its_token(fake: Fake) -> None:
    fake.add(namespaces.manifest(MARKS), "u1", pods=1)
    assert _clean(fake, _claim(uid=None)).gone == (MARKS.name,)
    assert fake.namespaces == {}


def test_a_copy_with_all_our_marks_but_another_uid_is_left_alone_and_named(fake: Fake) -> None:
    fake.add(namespaces.manifest(MARKS), "restored", pods=1)
    cleaned = _clean(fake, _claim(uid="u1"))
    assert cleaned.foreign == (Foreign(MARKS.name, "has another UID than ours had"),)
    assert fake.deleted == []


def test_what_is_replaced_while_it_is_deleted_is_not_touched(fake: Fake) -> None:
    fake.add(namespaces.manifest(MARKS), "u1", pods=1)
    looks = 0

    def replace(verb: str, path: str) -> None:
        nonlocal looks
        looks += verb == "list"
        if verb == "list" and looks == 1:
            fake.add(namespaces.manifest(MARKS), "another", pods=3)

    fake.before = replace
    assert _clean(fake, _claim()).remains == ()
    assert fake.deleted == [f"namespaces/{MARKS.name}"]
    assert len(fake.pods[MARKS.name]) == 3


@given(replaced_at=st.integers(0, 12), pods=st.integers(0, 3))
def test_at_whatever_moment_it_is_replaced(replaced_at: int, pods: int) -> None:
    fake, calls = Fake(), 0
    fake.add(namespaces.manifest(MARKS), "u1", pods=pods)

    def replace(_verb: str, _path: str) -> None:
        nonlocal calls
        if calls == replaced_at:
            fake.add(namespaces.manifest(MARKS), "another", pods=2)
        calls += 1

    fake.before = replace
    _clean(fake, _claim())
    if calls > replaced_at:
        assert "deletionTimestamp" not in fake.namespaces[MARKS.name]["metadata"]
        assert len(fake.pods[MARKS.name]) == 2
    else:
        assert fake.namespaces == {}


def test_pods_that_do_not_confirm_are_forgotten_in_the_end(fake: Fake) -> None:
    fake.add(namespaces.manifest(MARKS), "u1", pods=1)
    fake.stubborn = {"p0"}
    assert _clean(fake, _claim()).gone == (MARKS.name,)
    assert fake.deleted.count(f"namespaces/{MARKS.name}/pods/p0") == 2
    assert fake.time >= cleanup.HARD


def test_stuck_it_remains_and_its_conditions_say_why(fake: Fake) -> None:
    text = "Some content in the namespace has finalizers remaining: example.org/hold in 1 resource instances"
    there = fake.add(namespaces.manifest(MARKS), "u1")
    other = Marks("0a1b2c3d", 1, "ann@desk", MARKS.expires, TOKEN)
    fake.add(namespaces.manifest(other), "u2")
    there["status"] = {
        "conditions": [
            {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content deleted"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "message": text},
        ]
    }
    fake.stubborn = {MARKS.name}
    cleaned = _clean(fake, _claim(), _claim(other, "u2"))
    assert cleaned.remains == (cleanup.Remains(MARKS.name, text),)
    assert cleaned.gone == (other.name,)
    assert fake.time >= 60.0
    fake.stubborn = set()
    assert _clean(fake, _claim()).gone == (MARKS.name,)


def test_who_may_not_delete_is_told_so(fake: Fake) -> None:
    fake.add(namespaces.manifest(MARKS), "u1")

    def forbidden(verb: str, _path: str) -> None:
        if verb == "delete":
            raise Refused(403, "Forbidden", "may not delete namespaces")

    fake.before = forbidden
    assert _clean(fake, _claim()).remains == (cleanup.Remains(MARKS.name, "may not delete namespaces"),)


def test_a_server_that_cannot_be_reached_leaves_everything_named(fake: Fake) -> None:
    def dead(_verb: str, _path: str) -> None:
        raise Unavailable("connection refused")

    fake.before = dead
    cleaned = _clean(fake, _claim(), _claim(uid=None))
    assert {one.why for one in cleaned.remains} == {"connection refused"}
    assert cleaned.gone == ()


def test_a_server_that_comes_back_is_asked_on(fake: Fake) -> None:
    fake.add(namespaces.manifest(MARKS), "u1", pods=1)

    def away(_verb: str, _path: str) -> None:
        if 1.0 < fake.time < 5.0 or (fake.time < 1.0 and fake.deleted):
            raise Unavailable("connection refused")

    fake.before = away
    assert _clean(fake, _claim()).gone == (MARKS.name,)


# --- runs and their journals ------------------------------------------------------------------------


def _interrupted(tmp_path: Path, run: Run = RUN) -> Known:
    with Journal.begin(tmp_path, run) as begun:
        begun.intend(MARKS.name, TOKEN, context="kind-try", cluster=run.cluster)
        begun.created(MARKS.name, "u1")
    (found,) = runs.known(tmp_path)
    assert isinstance(found, Known)
    return found


def test_the_journal_learns_what_is_gone(fake: Fake, tmp_path: Path) -> None:
    fake.add(namespaces.manifest(MARKS), "u1")
    run = _interrupted(tmp_path)
    assert cleanup.clean_run(fake, run, fake.waiting).gone == (MARKS.name,)
    assert runs.claims(journal.entries(run.folder)) == ()
    (after,) = runs.known(tmp_path)
    assert isinstance(after, Known)
    assert cleanup.clean_run(fake, after, fake.waiting) == cleanup.Cleaned()


def test_a_full_disk_keeps_nothing_from_being_deleted(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(namespaces.manifest(MARKS), "u1")
    run = _interrupted(tmp_path)

    def full(_handle: int, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert cleanup.clean_run(fake, run, fake.waiting).gone == (MARKS.name,)
    assert fake.namespaces == {}


def test_runs_of_other_clusters_and_runs_that_go_on_are_left_alone(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, RUN):
        (running,) = runs.known(tmp_path)
        assert isinstance(running, Known)
    (over,) = runs.known(tmp_path)
    assert isinstance(over, Known)
    assert cleanup.chosen([running, over], "cluster-1", force=False) == (
        [over],
        [(running, "is going on, as process 42 of desk")],
    )
    assert cleanup.chosen([running], "cluster-1", force=True) == ([running], [])
    for force in (False, True):
        taken, ((_, why),) = cleanup.chosen([over], "cluster-2", force)
        assert (taken, why) == ([], "belongs to another cluster, of context kind-try")


def test_expired_ones_of_unknown_runs_go_and_all_others_are_named(fake: Fake) -> None:
    def made(run: str, hours: int, uid: str) -> Marks:
        marks = Marks(run, 0, "bob@there", NOW + timedelta(hours=hours), TOKEN)
        fake.add(namespaces.manifest(marks), uid)
        return marks

    old, young, spared = made("aaaaaaaa", -1, "u1"), made("bbbbbbbb", 1, "u2"), made("cccccccc", -1, "u3")
    fake.add({"metadata": {"name": "shop", "labels": {namespaces.MANAGED_BY: "rolloutlab"}}}, "u4")
    fake.add({"metadata": {"name": "rolloutlab-dddddddd-0"}}, "u5")
    ours, others = cleanup.overdue(fake, NOW, {"cccccccc"})
    assert ours == (Ours(old.name, "u1"),)
    assert {one.name: one.why for one in others} == {
        young.name: "expires at 2026-11-20T13:00:00Z",
        spared.name: "has expired, but its run is going on here",
        "shop": f"has no {namespaces.RUN}",
    }
    cleanup.end(fake, ours, waiting=fake.waiting)
    assert fake.deleted == [f"namespaces/{old.name}"]
