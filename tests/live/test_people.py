"""Who answers the calls of a live release: what is said counts from the trial on that it was said in."""

from pathlib import Path

from live.people import ABORT, Callers, approval, promised
from scenarios.load import load
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


def test_who_acts_after_a_time_does_so_in_the_prediction_too() -> None:
    world = load("on-call-instead-of-guards")
    assert promised(world, {}) is world
    on_call = promised(world, {"on_call": 2.5}).operators["on_call"]
    drawn = [
        getattr(on_call, part).distribution().quantile([0.0, 1.0]).tolist() for part in ("notices", "acts")
    ]
    assert drawn == [[0.0, 0.0], [2.5, 2.5]]
