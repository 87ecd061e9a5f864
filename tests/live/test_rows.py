"""Rows are counted as the tally says, tries included; and how they were sent is judged by numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.frames import Frames, Garbled, Kind, frame
from live.rows import LAYOUT, ROWS, Rows, UnfitRows, load, rows_to_tally, save
from live.sent import LATE, Ended, Sent, judged, unattributed
from scenarios import tally
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Grid, Status, Tally, of_rows

GRID = Grid(-2, 5, 3)
USERS = 4

# --- rows and the tally ------------------------------------------------------------------------------


def row(index: int, due: float, **more: Any) -> tuple[Any, ...]:
    usual = {"user": 0, "first": due, "sent": due, "end": due + 0.1, "status": Status.OK, "version": STABLE}
    told = usual | {"pod": -1, "code": 200, "attempt": 0, "final": 1} | more | {"index": index, "due": due}
    return tuple(told[name] for name in ROWS.names)


def rows(*told: tuple[Any, ...]) -> Rows:
    return np.array(list(told), ROWS)


@st.composite
def some_rows(draw: st.DrawFn, most_tries: int) -> Rows:
    """Requests with tries one after another, in any order."""
    outcomes = st.sampled_from([
        (Status.OK, STABLE), (Status.OK, CANDIDATE), (Status.OK, NOBODY), (Status.ERROR, CANDIDATE),
        (Status.TIMEOUT, NOBODY), (Status.TIMEOUT, STABLE), (Status.REFUSED, NOBODY),
    ])  # fmt: skip
    found = []
    for index in range(draw(st.integers(0, 25))):
        due = first = draw(st.floats(-2, 4.99))
        user, tries = draw(st.integers(0, USERS - 1)), draw(st.integers(1, most_tries))
        for attempt in range(tries):
            status, version = draw(outcomes)
            end = due + draw(st.floats(0, 0.6))
            found.append(row(
                index, due, user=user, first=first, end=end, status=status, version=version,
                attempt=attempt, final=attempt == tries - 1,
            ))  # fmt: skip
            due = end + draw(st.floats(0.001, 0.2))
    return rows(*draw(st.permutations(found)))


def equal(one: Tally, other: Tally) -> None:
    for each in fields(Tally):
        if each.name != "grid":
            assert np.array_equal(getattr(one, each.name), getattr(other, each.name)), each.name


@given(some_rows(1))
def test_requests_of_one_try_are_what_the_tally_makes_of_them(found: Rows) -> None:
    ordered = found[np.argsort(found["due"], kind="stable")]
    columns = (ordered[name] for name in ("due", "end", "version", "status", "user"))
    made = rows_to_tally(found, GRID, USERS)
    assert made.tries is None
    equal(made, of_rows(GRID, USERS, *columns))


def counted(found: Rows) -> Tally:
    """One by one, in order of due time: slow and obvious."""
    made, last = Tally.with_tries(GRID, USERS), dict[int, int]()
    assert made.tries is not None
    for one in sorted(found, key=lambda r: r["due"]):
        version, status, user = int(one["version"]), int(one["status"]), int(one["user"])
        at, due_at = GRID.second(one["end"]), GRID.second(one["due"])
        made.tries[at, version, status] += 1
        made.arrivals[math.floor((one["due"] - GRID.start) * 10), version] += 1
        if one["final"]:
            made.counts[at, version, status] += 1
            if status <= Status.TIMEOUT and version != NOBODY:
                made.latency[at // GRID.step, version, tally.bucket(one["end"] - one["first"])] += 1
        if one["first"] < 0:
            continue
        if version != NOBODY:
            flag = (tally.MET_STABLE, tally.MET_CANDIDATE)[version]
            made.new_met[due_at, version] += not made.users[user] & flag
            made.users[user] |= flag
            made.flips[due_at] += last.get(user, version) != version
            last[user] = version
    for user, version in last.items():
        made.users[user] |= tally.LAST_CANDIDATE if version == CANDIDATE else 0
    final = [r for r in found if r["final"] and r["first"] >= 0]
    for one in sorted(final, key=lambda r: r["first"]):
        made.new_active[GRID.second(one["first"])] += made.users[one["user"]] >> 8 == 0
        made.users[one["user"]] += 256
    for one in sorted((r for r in final if r["status"] != Status.OK), key=lambda r: r["end"]):
        made.new_harmed[GRID.second(one["end"])] += not made.users[one["user"]] & tally.HARMED
        made.users[one["user"]] |= tally.HARMED
    return made


@given(some_rows(3))
def test_tries_are_counted_as_the_simulators_are(found: Rows) -> None:
    made, expected = rows_to_tally(found, GRID, USERS), counted(found)
    if made.tries is None:
        assert (found["final"] == 1).all()
        made = Tally(**{f.name: getattr(made, f.name) for f in fields(Tally)} | {"tries": expected.tries})
    equal(made, expected)


def test_tries_of_a_request_that_never_ended_are_left_out() -> None:
    lost = row(2, 0.5, final=0, status=Status.ERROR)
    equal(rows_to_tally(rows(row(1, 0.2), lost), GRID, USERS), rows_to_tally(rows(row(1, 0.2)), GRID, USERS))


def test_what_was_noted_late_stands_in_the_last_second() -> None:
    made = rows_to_tally(rows(row(1, 4.9, end=300.0, status=Status.TIMEOUT)), GRID, USERS)
    assert made.counts[-1, STABLE, Status.TIMEOUT] == made.counts.sum() == 1


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ([row(1, -2.5)], "due from -2.5"),
        ([row(1, 5.0)], "due from 5.0"),
        ([row(1, 0.0), row(1, 1.0)], "ended twice"),
        ([row(1, 0.0, user=4)], "a user that is none of 4"),
        ([row(1, 0.0, version=3)], "a version that is none"),
    ],
)
def test_rows_that_cannot_be_counted_are_refused(odd: list[tuple[Any, ...]], why: str) -> None:
    with pytest.raises(UnfitRows, match=why):
        rows_to_tally(rows(*odd), GRID, USERS)


def test_a_file_holds_rows_and_names(tmp_path: Path) -> None:
    file, some = tmp_path / "rows.npz", rows(row(1, 0.0, pod=1), row(2, 1.0))
    save(file, some, ["a", "b"], extra=np.arange(3))
    found, pods = load(file)
    assert np.array_equal(found, some)
    assert pods == ["a", "b"]
    np.savez(tmp_path / "other.npz", rows=np.arange(3), pods=np.array(["a"]))
    with pytest.raises(UnfitRows, match="holds no rows"):
        load(tmp_path / "other.npz")


def test_the_layout_is_that_of_the_rows() -> None:
    import struct

    one = rows(row(-5, 0.25, user=3, pod=2, code=503, status=Status.REJECTED, version=CANDIDATE, attempt=1))
    assert struct.pack(LAYOUT, *one[0].item()) == one.tobytes()
    assert struct.calcsize(LAYOUT) == ROWS.itemsize


# --- the verdict -------------------------------------------------------------------------------------


def sent_late(late: Sequence[float]) -> Rows:
    return rows(*(row(i, i / 100, sent=i / 100 + by, end=i / 100 + by + 1) for i, by in enumerate(late)))


def whole(sent: int, **more: Any) -> Ended:
    usual: dict[str, Any] = {
        "sent": sent, "finished": sent, "broken": {}, "untold": {}, "notes": {}, "connections": sent,
        "overlapping": 0, "cpu": 0.1, "counted": sent,
    }  # fmt: skip
    return Ended(**usual | more)


def verdict(late: Sequence[float], **more: Any) -> Sent:
    found = sent_late(late)
    return judged(found["due"], found, [whole(len(found), **more)])


def test_one_in_a_hundred_may_be_late() -> None:
    assert verdict([LATE + 0.001] * 10 + [0.0] * 990).conclusive
    over = verdict([LATE + 0.001] * 11 + [0.0] * 989)
    assert not over.conclusive
    assert over.why == "1.1% of requests were sent more than 50 ms late; at most 1% may be"
    assert over.share_late == 0.011


def test_lateness_is_told() -> None:
    found = verdict([i / 100_000 for i in range(1001)])
    assert found.conclusive
    assert (found.median, found.p99, found.most) == pytest.approx((0.005, 0.0099, 0.01))


def test_lateness_is_of_first_tries() -> None:
    again = row(0, 1.0, first=0.0, attempt=1, sent=3.0, end=3.1)
    found = rows(row(0, 0.0, final=0), again)
    assert judged(np.array([0.0]), found, [whole(1, counted=2)]).conclusive


def test_answers_that_tell_no_version_make_it_inconclusive() -> None:
    errors = [row(i, i / 100, code=500, status=Status.ERROR, version=NOBODY) for i in range(100)]
    told = [row(i, i / 100, code=200) for i in range(100, 297)]
    untold = [row(i, i / 100, code=200, version=NOBODY) for i in range(297, 300)]
    assert list(unattributed(rows(*errors))) == []
    assert list(unattributed(rows(*errors, *told, *untold[:1]))) == []
    (why,) = unattributed(rows(*errors, *told, *untold))
    assert why == "1.5% of good answers tell no version; at most 1% may"


def test_missing_requests_make_it_inconclusive() -> None:
    found = sent_late([0.0] * 100)
    one = judged(np.arange(101) / 100, found, [whole(101, finished=100, counted=100)])
    assert (one.missing, one.conclusive) == (1, False)
    assert one.why == "1 of 101 requests have no outcome"


def test_a_child_that_died_makes_it_inconclusive() -> None:
    found = sent_late([0.0] * 100)
    one = judged(found["due"], found, [whole(50, counted=100), None])
    assert (one.conclusive, one.why) == (False, "the generator died")
    assert judged(found["due"], found, [None], unfinished=True).why == (
        "the generator was ended before its time"
    )


def test_nothing_sent_is_inconclusive() -> None:
    none = judged(np.arange(3.0), rows(), [whole(0)])
    assert (none.conclusive, none.why) == (False, "nothing was sent")
    assert judged(np.zeros(0), rows(), [whole(0)]).why == "nothing was to be sent"


def test_another_pace_is_inconclusive() -> None:
    assert verdict([0.02 * i / 1000 for i in range(1000)]).conclusive
    slow = verdict([0.0] * 999 + [1.0])
    assert slow.why == "the requests were sent in 110.0% of the time that was intended"


def test_what_the_machine_could_not_send_is_told_by_reason() -> None:
    found = sent_late([0.0] * 10)
    one = judged(np.arange(12) / 100, found, [whole(12, counted=10, broken={"Too many open files": 2})])
    assert one.why == "2 of 12 requests have no outcome; 2 could not be sent: Too many open files"


def test_locusts_own_count_must_agree() -> None:
    assert verdict([0.0] * 10, counted=9).why == "Locust counted 9 tries, and 10 were noted"


# --- frames ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.binary(max_size=40))), st.integers(1, 17))
def test_frames_come_out_whole_however_they_are_cut(told: list[tuple[Kind, bytes]], piece: int) -> None:
    data = b"".join(frame(*one) for one in told)
    frames = Frames()
    pieces = (data[i : i + piece] for i in range(0, len(data), piece))
    assert [one for part in pieces for one in frames.feed(part)] == told


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(Garbled):
        list(Frames().feed(b"Traceback (most recent call last)"))
