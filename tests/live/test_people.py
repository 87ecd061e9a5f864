"""Who answers the calls of a live release: what is said counts from the trial on that it was said in."""

from pathlib import Path

from live.people import ABORT, Callers, approval
from scenarios.plan import Call


def test_an_abort_is_of_one_trial(tmp_path: Path) -> None:
    first = Callers(tmp_path, {})
    assert not first.abort(0.0)
    (tmp_path / ABORT).touch()
    assert first.abort(1.0)
    assert not Callers(tmp_path, {}).abort(0.0)


def test_an_approval_counts_from_the_call_on(tmp_path: Path) -> None:
    people = Callers(tmp_path, {"lead": 30.0})
    (tmp_path / approval("on_call")).touch()
    people.call("a", Call("on_call", "go on?"), 5.0)
    people.call("b", Call("lead", "go on?"), 5.0)
    assert people.approved(6.0) == frozenset()
    (tmp_path / approval("on_call")).touch()
    assert people.approved(34.9) == {"a"}
    assert people.approved(35.0) == {"a", "b"}
