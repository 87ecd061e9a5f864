"""The ReplicaSet controller: batches of creation, the order of deletion, and the back-off of crash loops."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.replica_set import (
    Phase,
    PodRank,
    ReplicaSet,
    SlowStart,
    age_bucket,
    compare_for_deletion,
    crash_loop_restarts,
    deletion_order,
    is_available,
    restart_delay,
    slow_start,
    slow_start_batches,
)

NOW = 10_000.0
POD = PodRank("m", created_at=0.0, ready_since=100.0)


def test_negative_counts_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="negative"):
        ReplicaSet("v1", 0, spec=-1)


@pytest.mark.parametrize(
    ("count", "initial", "batches"),
    [(10, 1, (1, 2, 4, 3)), (0, 1, ()), (1, 1, (1,)), (7, 1, (1, 2, 4)), (10, 4, (4, 6)), (3, 5, (3,))],
)
def test_batches_double(count: int, initial: int, batches: tuple[int, ...]) -> None:
    assert slow_start_batches(count, initial) == batches


@pytest.mark.parametrize(
    ("count", "allowed", "expected"),
    [
        (10, 0, SlowStart(calls=1, successes=0, failed=True)),
        (10, 5, SlowStart(calls=7, successes=5, failed=True)),
        (10, 7, SlowStart(calls=10, successes=7, failed=True)),
        (10, 10, SlowStart(calls=10, successes=10, failed=False)),
        (10, None, SlowStart(calls=10, successes=10, failed=False)),
        (0, 0, SlowStart(calls=0, successes=0, failed=False)),
    ],
)
def test_a_failing_batch_is_the_last(count: int, allowed: int | None, expected: SlowStart) -> None:
    assert slow_start(count, allowed) == expected


@given(st.integers(0, 600), st.integers(1, 16), st.integers(0, 700))
def test_slow_start_totals(count: int, initial: int, allowed: int) -> None:
    assert sum(slow_start_batches(count, initial)) == count
    run = slow_start(count, allowed, initial)
    assert run.successes == min(count, allowed)
    assert run.successes <= run.calls <= count
    assert run.failed == (allowed < count)


@pytest.mark.parametrize(
    "first",
    [
        replace(POD, assigned=False, deletion_cost=9),
        replace(POD, phase=Phase.PENDING, deletion_cost=9),
        replace(POD, phase=Phase.UNKNOWN, deletion_cost=9),
        replace(POD, ready_since=None, deletion_cost=9),
        replace(POD, deletion_cost=-1, related=0),
        replace(POD, related=2, ready_since=0.0),
        replace(POD, ready_since=NOW - 1, restarts=0, uid="z"),
        replace(POD, restarts=1, created_at=-1e6),
        replace(POD, created_at=NOW - 1, uid="z"),
    ],
    ids=["unassigned", "pending", "unknown", "not ready", "cheap", "doubled up", "young", "restarted", "new"],
)
def test_who_goes_first(first: PodRank) -> None:
    """Each differs in one thing that speaks for it, and mostly in a later one that speaks against."""
    assert deletion_order([POD, first], NOW) == (first, POD)
    assert deletion_order([first, POD], NOW) == (first, POD)


def test_pods_of_like_age_go_by_uid() -> None:
    """Ready for 9000 s and 9600 s: one bucket, so neither the younger nor the one with restarts is
    preferred.
    """
    older, younger = PodRank("a", 0.0, NOW - 9600), PodRank("b", 0.0, NOW - 9000, restarts=3)
    assert age_bucket(NOW - 9600, NOW) == age_bucket(NOW - 9000, NOW)
    assert deletion_order([younger, older], NOW) == (older, younger)
    same = PodRank("c", 0.0, NOW - 9600, restarts=3)
    assert deletion_order([older, same], NOW) == (same, older), "the very same time: restarts decide"


def test_buckets_are_powers_of_two_of_nanoseconds() -> None:
    assert [age_bucket(0.0, age) for age in (-1.0, 0.0, 1e-9, 2e-9, 1.0, 2.0, 4.0)] == [
        -1,
        -1,
        0,
        1,
        29,
        30,
        31,
    ]


pods = st.builds(
    PodRank, uid=st.uuids().map(str), created_at=st.integers(0, 9), ready_since=st.none() | st.integers(0, 9),
    assigned=st.booleans(), phase=st.sampled_from(Phase), deletion_cost=st.integers(0, 1),
    related=st.integers(0, 2), restarts=st.integers(0, 1),
)  # fmt: skip


@given(pods, pods, st.integers(0, 20))
def test_the_comparison_has_one_answer(a: PodRank, b: PodRank, now: int) -> None:
    forth, back = compare_for_deletion(a, b, now), compare_for_deletion(b, a, now)
    assert (forth > 0) == (back < 0)


@given(st.lists(pods), st.integers(0, 20))
def test_unready_pods_go_before_ready_ones_of_the_same_phase(some: list[PodRank], now: int) -> None:
    alike = [replace(pod, assigned=True, phase=Phase.RUNNING) for pod in some]
    ready = [pod.ready_since is not None for pod in deletion_order(alike, now)]
    assert ready == sorted(ready)


def test_availability_takes_strictly_longer_than_min_ready() -> None:
    assert is_available(0.0, 0.0)
    assert not is_available(30.0, 30.0)
    assert is_available(30.001, 30.0)


def test_restart_delays_double_up_to_five_minutes() -> None:
    assert [restart_delay(k) for k in range(1, 9)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert restart_delay(10**6) == 300
    with pytest.raises(ValueError, match="counted from 1"):
        restart_delay(0)


def test_a_crash_loop() -> None:
    """With a crash c seconds after every start: c, 2c + 10, 3c + 30, 4c + 70, 5c + 150, 6c + 310, then c +
    300 each.
    """
    times = crash_loop_restarts(5.0, 8)
    assert times[:6] == (5, 20, 45, 90, 175, 340)
    assert times[7] - times[6] == 305
