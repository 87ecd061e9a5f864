"""Sizes that an autoscaler asks for, worked out by hand from upstream's algorithm."""

import pytest

from scenarios.semantics.autoscaler import Bounds, Groups, Memory, Pod, decided, grouped, proposed, ratio

BOUNDS = Bounds(least=2, most=40, target=0.6, tolerance=0.1, stabilization=300.0)


def all_at(usage: float, n: int, unready: int = 0, missing: int = 0) -> Groups:
    return Groups((usage,) * n, unready, missing)


@pytest.mark.parametrize(
    ("groups", "current", "wanted"),
    [
        (all_at(0.60, 10), 10, 10),
        (all_at(0.65, 10), 10, 10),  # 65 / 60 = 1.083, within 10 %
        (all_at(0.67, 10), 10, 12),  # 1.1167 · 10 = 11.17
        (all_at(0.90, 10), 10, 15),
        (all_at(0.55, 10), 10, 10),  # 0.9167, within
        (all_at(0.53, 10), 10, 9),  # 0.883 · 10 = 8.83
        (all_at(0.30, 10), 10, 5),
        (all_at(0.0, 10), 10, 0),
        # going up, pods that are not ready count as idle: (5 · 0.9 + 5 · 0) / 10 = 45 %, which would go down
        (all_at(0.90, 5, unready=5), 10, 10),
        (all_at(0.90, 8, unready=2), 10, 12),  # 72 / 60 = 1.2 · 10
        (all_at(0.30, 5, unready=5), 10, 3),  # going down they are left out: 0.5 · 5 = 2.5
        # without a metric: fully used before going down, idle before going up
        (all_at(0.30, 8, missing=2), 10, 8),  # (2.4 + 2) / 10 = 44 %, 0.7333 · 10
        (all_at(0.45, 5, missing=5), 10, 10),  # (2.25 + 5) / 10 = 72 %: the direction would turn
        (all_at(0.90, 9, missing=1), 10, 14),  # 8.1 / 10 = 81 %: 1.35 · 10 = 13.5
        (all_at(0.90, 3, unready=1), 10, 10),  # 67 % (67.5 cut off): 1.117 · 4 = 4.5, but up must not be down
    ],
)
def test_pods_that_the_metric_asks_for(groups: Groups, current: int, wanted: int) -> None:
    assert proposed(current, groups, 0.6, 0.1) == wanted


def test_without_a_pod_that_counts_nothing_is_asked_for() -> None:
    assert proposed(10, Groups((), 10, 0), 0.6, 0.1) is None
    assert proposed(10, Groups((), 0, 10), 0.6, 0.1) is None
    assert decided(10, Groups((), 10, 0), BOUNDS, Memory(), 0.0)[0] == 10


def test_utilisation_is_in_whole_percent_cut_off() -> None:
    assert ratio((0.669,), 0.6) == 66 / 60
    assert ratio((0.6,), 0.6) == 1.0
    assert ratio((0.1, 0.2), 0.15) == 1.0  # 0.1 + 0.2 is not less than 0.3


@pytest.mark.parametrize(
    ("pod", "group"),
    [
        (Pod(started=0, turned=10, ready=True, pending=False, usage=0.5), "counts"),
        (Pod(started=0, turned=90, ready=True, pending=False, usage=0.5), "unready"),  # ready for 10 s only
        (Pod(started=0, turned=50, ready=False, pending=False, usage=0.5), "unready"),
        (Pod(started=0, turned=10, ready=True, pending=False, usage=None), "missing"),
        (Pod(started=0, turned=0, ready=False, pending=True, usage=None), "unready"),
        # older than five minutes: only one that was never ready is left out
        (Pod(started=-400, turned=90, ready=True, pending=False, usage=0.5), "counts"),
        (Pod(started=-400, turned=50, ready=False, pending=False, usage=0.5), "counts"),
        (Pod(started=-400, turned=-380, ready=False, pending=False, usage=0.5), "unready"),
    ],
)
def test_who_counts(pod: Pod, group: str) -> None:
    found = grouped([pod], now=100.0, window=15.0)
    counts = {"counts": len(found.usages), "unready": found.unready, "missing": found.missing}
    assert counts == {"counts": 0, "unready": 0, "missing": 0} | {group: 1}


def run(usages: list[float], start: int, bounds: Bounds = BOUNDS, every: float = 15.0) -> list[int]:
    """Sizes after each sync, where all pods are ready and as busy as said."""
    current, memory, sizes = start, Memory(), list[int]()
    for k, usage in enumerate(usages):
        current, memory = decided(current, all_at(usage, current), bounds, memory, k * every)
        sizes.append(current)
    return sizes


def test_up_by_four_pods_or_double_in_15_seconds() -> None:
    assert run([1.0, 1.0], 3) == [5, 9]  # 1.667 · 3 = 5, then 8.33
    wide = Bounds(1, 100, 0.1, 0.1, 300.0)
    assert run([1.0] * 4, 3, wide) == [7, 14, 28, 56]  # + 4, then double
    # twice within a period: what was added in it counts
    assert run([1.0] * 4, 3, wide, every=5.0) == [7, 7, 7, 14]


def test_down_only_to_the_highest_of_five_minutes() -> None:
    sizes = run([0.6] + [0.3] * 25, 10)
    assert sizes[:20] == [10] * 20  # the 10 of t = 0 is not older than 300 s before sync 20
    assert sizes[20] == 5
    assert sizes[21] == 5  # half of 5 would be 3, but 5 was recommended in the window


def test_a_busy_moment_in_between_holds_the_size() -> None:
    sizes = run([0.3] * 10 + [0.6] + [0.3] * 15, 10)
    assert sizes == [10] * 26


def test_bounds_hold_at_once_and_no_pods_switch_it_off() -> None:
    assert decided(50, all_at(0.6, 50), BOUNDS, Memory(), 0.0)[0] == 40
    assert decided(1, all_at(0.6, 1), BOUNDS, Memory(), 0.0)[0] == 2
    assert decided(0, all_at(0.6, 0), BOUNDS, Memory(), 0.0) == (0, Memory())
    assert run([1.0] * 6, 30)[-1] == 40
