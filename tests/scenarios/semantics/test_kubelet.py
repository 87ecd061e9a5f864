"""Readiness by the kubelet's ticks, as a node was seen to make them (docs/timing.md)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.kubelet import REPORT, SECOND, Run, next_probe, probes, ready_at, tick

EARLY = -(10**15)


def ready(
    listening: float,
    *,
    seen: float = 0.0,
    started: float = 0.0,
    period: float = 1.0,
    delay: float = 0.0,
    success: int = 1,
) -> float:
    """Seconds at which a container is reported ready, less the report's own lag."""
    at, begun, answers, every, wait = (round(x * SECOND) for x in (seen, started, listening, period, delay))
    found = ready_at(at, begun, answers, initial_delay=wait, period=every, success=success)
    return (found - REPORT) / SECOND


@pytest.mark.parametrize(
    ("period", "ticks"),
    [(1, [0, 1, 2, 3, 4]), (3, [0, 1, 4, 7, 10]), (5, [0, 1, 6, 11, 16]), (10, [0, 1, 11, 21, 31])],
)
def test_probes_come_when_running_is_seen_a_second_later_and_then_each_period(
    period: int, ticks: list[int]
) -> None:
    seen = 400_000_000
    assert [(tick(seen, k, period * SECOND) - seen) / SECOND for k in range(5)] == ticks


@pytest.mark.parametrize(
    ("period", "listening", "expected"),
    [
        (5, -1.0, 0.0),  # up before Running is seen: ready at once, whatever the period
        (5, 0.0, 0.0),
        (5, 0.001, 1.0),
        (5, 1.0, 1.0),
        (5, 1.001, 6.0),
        (5, 6.0, 6.0),
        (5, 6.001, 11.0),
        (3, 2.0, 4.0),
        (1, 1.5, 2.0),
        (10, 3.0, 11.0),  # three seconds of start cost eleven with the default period
    ],
)
def test_a_pod_is_ready_at_the_first_tick_at_which_it_answers(
    period: float, listening: float, expected: float
) -> None:
    assert ready(listening, period=period) == expected


def test_ticks_before_the_initial_delay_are_skipped_counting_from_the_start_of_the_process() -> None:
    assert ready(0.0, seen=0.5, started=0.0, period=5.0, delay=1.5) == 1.5
    assert ready(0.0, seen=0.5, started=0.0, period=5.0, delay=1.6) == 6.5
    assert ready(0.0, seen=0.5, started=0.0, period=5.0, delay=0.5) == 0.5


def test_several_successes_in_a_row_take_as_many_ticks() -> None:
    assert ready(2.0, period=5.0, success=1) == 6.0
    assert ready(2.0, period=5.0, success=3) == 16.0
    assert ready(EARLY / SECOND, period=5.0, success=2) == 1.0


@given(
    seen=st.integers(0, 10**10),
    answers=st.integers(-(10**10), 10**12),
    period=st.integers(1, 60),
    success=st.integers(1, 5),
)
def test_ready_is_never_before_it_answers_and_at_most_a_period_late(
    seen: int, answers: int, period: int, success: int
) -> None:
    every = period * SECOND
    found = ready_at(seen, 0, answers, initial_delay=0, period=every, success=success) - REPORT
    ticks = {tick(seen, k, every) for k in range(success)}
    assert found >= max(seen, answers)
    assert found in ticks or (found - seen - SECOND) % every == 0
    assert found - max(seen, answers) <= max(every, SECOND) + (success - 1) * max(every, SECOND)


@pytest.mark.parametrize(
    ("asked", "answered", "following"),
    [
        (0, 0, 10),  # the first look, before there is a container
        (10, 10, 20),
        (10, 11, 20),
        (10, 19.9, 20),
        (10, 20, 20),
        (10, 21, 21),  # a tick came while it waited: at once
        (21, 21.5, 30),
        (10, 45, 45),  # a ticker keeps one tick, not three
    ],
)
def test_a_liveness_worker_ticks_from_the_pods_arrival_on(
    asked: float, answered: float, following: float
) -> None:
    since = 3 * SECOND
    found = next_probe(since, since + round(asked * SECOND), since + round(answered * SECOND), 10 * SECOND)
    assert (found - since) / SECOND == following


def test_a_container_younger_than_its_initial_delay_is_not_probed_counting_whole_seconds() -> None:
    ages = [4.0, 4.999, 5.0, 5.5]
    assert [probes(round(age * SECOND), 0, 5 * SECOND) for age in ages] == [False, False, True, True]
    assert not probes(round(5.9 * SECOND), 0, round(5.5 * SECOND))


def test_only_failures_in_a_row_restart() -> None:
    run = Run()
    for success in (False, False, True, False, False):
        run = run.after(success)
        assert not run.restarts(3)
    assert run.after(False).restarts(3)
