"""What the API tells of pods and Deployments, folded: the events of a record, the pools of an observation."""

from typing import Any

from live.objects import POOL, VERSION
from live.sight import Sight
from scenarios.record import PodEvent

MIN_READY = {"stable": 0.0, "candidate": 2.0}


def pod(
    uid: str,
    version: str = "stable",
    *,
    ready: bool = False,
    going: bool = False,
    restarts: int = 0,
    state: dict[str, Any] | None = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"uid": uid, "name": f"pod-{uid}", "labels": {POOL: "main", VERSION: version}}
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [{"restartCount": restarts, "state": state or {"running": {}}}],
    }
    return {"metadata": metadata, "status": status}


def deployment(
    generation: int, replicas: int = 2, version: str = "stable", reason: str = ""
) -> dict[str, Any]:
    return {
        "metadata": {"name": "main", "generation": generation},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {VERSION: version}}}},
        "status": {
            "observedGeneration": generation,
            "conditions": [{"type": "Progressing", "status": "False", "reason": reason}] if reason else [],
        },
    }


def kinds(sight: Sight) -> list[tuple[float, PodEvent]]:
    return [(t, kind) for t, _, kind in sight.events]


def test_a_life() -> None:
    sight = Sight(("main",))
    sight.pod("added", pod("a"), 1.0)
    assert sight.pod("modified", pod("a"), 1.5) is False
    sight.pod("modified", pod("a", ready=True), 2.0)
    sight.pod("modified", pod("a", ready=True, going=True), 5.0)
    sight.pod("modified", pod("a", going=True, state={"terminated": {}}), 6.0)
    sight.pod("deleted", pod("a", going=True), 7.0)
    assert kinds(sight) == [
        (1.0, PodEvent.CREATED),
        (2.0, PodEvent.LISTENING),
        (2.0, PodEvent.IN),
        (5.0, PodEvent.DELETED),
        (5.0, PodEvent.OUT),
        (7.0, PodEvent.GONE),
    ]


def test_each_exit_is_one_crash_however_much_of_it_is_seen() -> None:
    sight = Sight(("main",))
    sight.pod("added", pod("a", ready=True), 0.0)
    exited = {"terminated": {"exitCode": 1}}
    sight.pod("modified", pod("a", state=exited), 1.0)  # seen to exit
    sight.pod("modified", pod("a", state={"waiting": {"reason": "CrashLoopBackOff"}}), 1.1)
    sight.pod("modified", pod("a", restarts=1, ready=True), 2.0)
    sight.pod("modified", pod("a", restarts=2), 3.0)  # the exit between the two was not seen
    sight.pod("modified", pod("a", restarts=2, state=exited), 4.0)
    crashes = [t for t, kind in kinds(sight) if kind is PodEvent.CRASHED]
    assert crashes == [1.0, 3.0, 4.0]


def test_a_pool_counts_what_is_not_going() -> None:
    sight = Sight(("main",))
    sight.deployment(deployment(1))
    sight.pod("added", pod("a", ready=True), 0.0)
    sight.pod("added", pod("b", "candidate", ready=True), 1.0)
    sight.pod("added", pod("c", ready=True, going=True), 1.0)
    seen = sight.pool("main", 2.5, MIN_READY)
    assert seen is not None
    assert (seen.desired, seen.version, seen.terminating) == (2, "stable", 1)
    assert seen.pods == {"stable": (1, 1, 1), "candidate": (1, 1, 0)}
    later = sight.pool("main", 3.0, MIN_READY)
    assert later is not None
    assert later.pods["candidate"] == (1, 1, 1)
    assert sight.pool("other", 3.0, MIN_READY) is None


def test_an_answer_to_a_write_counts_before_the_watch_tells_of_it() -> None:
    sight = Sight(("main",))
    sight.deployment(deployment(1))
    sight.wrote(deployment(2, version="candidate"))
    sight.deployment(deployment(1))  # late news
    seen = sight.pool("main", 0.0, MIN_READY)
    assert seen is not None
    assert seen.version == "candidate"
    sight.deployment(deployment(2, version="candidate"))
    assert not sight.meddled


def test_somebody_elses_change_is_noted() -> None:
    sight = Sight(("main",))
    sight.deployment(deployment(1))
    sight.deployment(deployment(2, version="candidate"))  # told of before it is answered
    sight.wrote(deployment(2, version="candidate"))
    assert sight.meddled == []
    sight.deployment(deployment(3, replicas=7))
    assert sight.meddled == ["Deployment main was changed by somebody else (generation 3)"]
    sight.wrote(deployment(5))  # 4 came and went unseen
    assert sight.meddled == ["Deployment main was changed by somebody else (generation 3, 4)"]


def test_a_clean_up_by_somebody_else_is_noted() -> None:
    sight = Sight(("main",))
    sight.deployment(deployment(1))
    sight.removed(deployment(1))
    assert sight.meddled == ["Deployment main was deleted by somebody else"]


def test_a_deadline_exceeded_counts_once_the_controller_has_seen_the_change() -> None:
    sight = Sight(("main",))
    sight.deployment(deployment(1, reason="ProgressDeadlineExceeded"))
    seen = sight.pool("main", 0.0, MIN_READY)
    assert seen is not None
    assert seen.overdue
    stale = deployment(2, reason="ProgressDeadlineExceeded")
    stale["status"]["observedGeneration"] = 1
    sight.deployment(stale)
    seen = sight.pool("main", 0.0, MIN_READY)
    assert seen is not None
    assert not seen.overdue


def test_pods_of_others_are_none_of_ours() -> None:
    sight = Sight(("main",))
    stranger = pod("x")
    stranger["metadata"]["labels"] = {POOL: "main"}
    assert sight.pod("added", stranger, 0.0) is False
    assert not sight.pods


def test_history_is_sorted_and_begins_where_counting_does() -> None:
    sight = Sight(("main",))
    sight.pod("added", pod("a", ready=True), -9.0)
    sight.pod("added", pod("b"), 3.0)
    sight.pod("modified", pod("b", ready=True), 99.0)
    history = sight.history(-5.0, 30.0)
    assert history.time.tolist() == [-5_000_000_000] * 3 + [3_000_000_000]
    assert history.kind.tolist() == [PodEvent.CREATED, PodEvent.LISTENING, PodEvent.IN, PodEvent.CREATED]
