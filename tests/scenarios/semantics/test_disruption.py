"""Evictions under a budget: the rows of upstream's own rules."""

import pytest

from scenarios.semantics.deployment_spec import IntOrPercent
from scenarios.semantics.disruption import Health, desired_healthy, may_evict


@pytest.mark.parametrize(
    ("min_available", "max_unavailable", "expected", "desired"),
    [
        (2, None, 3, 2),
        (0, None, 3, 0),
        ("50%", None, 7, 4),  # 3.5 rounds up
        ("100%", None, 7, 7),
        ("28%", None, 7, 2),  # 1.96
        (5, None, 3, 5),  # more than there are: never satisfied
        (None, 1, 3, 2),
        (None, 0, 3, 3),
        (None, "30%", 7, 4),  # 2.1 unavailable rounds up to 3
        (None, "100%", 7, 0),
        (None, 9, 7, 0),
    ],
)
def test_how_many_must_stay_healthy(
    min_available: IntOrPercent | None, max_unavailable: IntOrPercent | None, expected: int, desired: int
) -> None:
    assert desired_healthy(min_available, max_unavailable, expected) == desired


@pytest.mark.parametrize(
    ("healthy", "desired", "ready", "allowed"),
    [
        (3, 2, True, True),
        (2, 2, True, False),
        (1, 2, True, False),
        (3, 3, True, False),
        (2, 2, False, True),  # it is not healthy itself: the others are enough
        (1, 2, False, False),
        (0, 0, False, False),  # a budget of 0 protects no pod, yet none may be missed below 0
        (1, 0, False, True),
    ],
)
def test_a_running_pod_goes_while_enough_others_are_healthy(
    healthy: int, desired: int, ready: bool, allowed: bool
) -> None:
    assert may_evict(desired, Health(3, healthy), pending=False, ready=ready) is allowed


def test_a_pending_pod_always_goes_and_nothing_while_no_controller_wants_pods() -> None:
    assert may_evict(9, Health(3, 0), pending=True, ready=False)
    assert not may_evict(0, Health(0, 1), pending=False, ready=True)
