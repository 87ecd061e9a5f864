"""ingress-nginx: what a weight comes to, and when a change is acted on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.ingress_nginx import next_poll, next_sync, share, weight


@pytest.mark.parametrize(
    ("written", "realised"),
    [
        ((0, 100), 0.0),
        ((5, 100), 0.05),
        ((100, 100), 1.0),
        ((5, 50), 0.05),  # a total of 100 or less is ignored
        ((100, 1), 1.0),
        ((1, 1000), 0.001),
        ((2000, 1000), 1.0),
        ((-1, 100), 0.0),
    ],
)
def test_the_share_that_annotations_come_to(written: tuple[int, int], realised: float) -> None:
    assert share(*written) == realised


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (0.1, (10, 100)),
        (0.005, (5, 1000)),
        (0.0625, (625, 10_000)),
        (1 / 3, (333_333, 1_000_000)),
        (1.0, (100, 100)),
    ],
)
def test_the_annotations_that_realise_a_share(wanted: float, written: tuple[int, int]) -> None:
    assert weight(wanted) == written


@given(st.floats(0, 1))
def test_a_share_survives_the_annotations_to_a_millionth(wanted: float) -> None:
    assert abs(share(*weight(wanted)) - wanted) <= 1e-6


@pytest.mark.parametrize(
    ("now", "last", "expected"), [(50, None, 50), (50, 10, 60), (60, 10, 60), (500, 10, 500)]
)
def test_a_sync_comes_at_once_after_a_quiet_time_and_else_a_period_after_the_last(
    now: int, last: int | None, expected: int
) -> None:
    assert next_sync(now, last, 50) == expected


@pytest.mark.parametrize(("now", "expected"), [(0, 3), (3, 3), (4, 13), (13, 13), (-8, -7)])
def test_a_worker_finds_it_at_its_next_look(now: int, expected: int) -> None:
    assert next_poll(now, 3, 10) == expected
