"""The Deployment controller: upstream's tables, the traces they lead to, and what must hold in any world."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.deployment import (
    Deployment,
    Recreate,
    ReplicaSet,
    RollingUpdate,
    Status,
    cleanup_unhealthy,
    find_new,
    has_timed_out,
    is_complete,
    is_polled,
    is_progressing,
    is_saturated,
    max_surge,
    max_unavailable,
    min_available,
    new_replicas,
    reconcile_new,
    reconcile_old,
    resolve_fenceposts,
    scale,
    scale_down_old,
    settle,
    status,
    sync,
)

# --- a world without time: pods are created and deleted at once, unavailable ones are deleted first ---


def running(
    version: str, order: int, pods: int, available: int | None = None, n: int | None = None
) -> ReplicaSet:
    """A ReplicaSet whose status is up to date; by default all pods are available."""
    up = pods if available is None else available
    return ReplicaSet(
        version, order, pods, pods, up, up, desired=n if n is not None else pods, max_replicas=n
    )


def react(sets: Sequence[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    """Every status catches up with its spec."""
    return tuple(
        replace(rs, created=rs.spec, ready=min(rs.ready, rs.spec), available=min(rs.available, rs.spec))
        for rs in sets
    )


def one_more(sets: Sequence[ReplicaSet], version: str) -> tuple[ReplicaSet, ...]:
    """A pod of `version` becomes available, if one is left that is not."""
    return tuple(
        replace(rs, ready=min(rs.ready + 1, rs.spec), available=min(rs.available + 1, rs.spec))
        if rs.version == version
        else rs
        for rs in sets
    )


def steps(deployment: Deployment, sets: Sequence[ReplicaSet]) -> Iterator[tuple[ReplicaSet, ...]]:
    """Every change up to the fixed point, pods following at once."""
    current = tuple(sets)
    while (following := react(sync(deployment, current))) != current:
        yield following
        current = following


def fixed_point(deployment: Deployment, sets: Sequence[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    return [tuple(sets), *steps(deployment, sets)][-1]


def sizes(sets: Sequence[ReplicaSet]) -> str:
    return "/".join(str(rs.spec) for rs in sets)


def rollout(n: int, strategy: RollingUpdate) -> tuple[list[str], list[str], int]:
    """Sizes old/new at once, then after each new pod that becomes available; fewest pods ever available."""
    deployment = Deployment("v2", n, strategy)
    start = [running("v1", 0, n)]
    at_once = [sizes(sets) for sets in steps(deployment, start)]
    sets = fixed_point(deployment, start)
    then, fewest = [], sum(rs.available for rs in sets)
    while find_new(deployment, sets).available < n:  # type: ignore[union-attr]
        sets = fixed_point(deployment, one_more(sets, "v2"))
        then.append(sizes(sets))
        fewest = min(fewest, sum(rs.available for rs in sets))
    return at_once, then, fewest


# --- resolving surge and unavailable ---


@pytest.mark.parametrize(
    ("surge", "unavailable", "desired", "expected"),
    [
        ("0%", "0%", 0, (0, 1)),
        ("39%", "39%", 10, (4, 3)),
        (0, "1%", 2, (0, 1)),
        ("1%", "25%", 2, (1, 0)),
        (1, 1, 0, (1, 1)),
        ("150%", "100%", 3, (5, 3)),
        ("25%", "25%", 1, (1, 0)),
        ("25%", "25%", 2, (1, 0)),
        ("25%", "25%", 3, (1, 0)),
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 5, (2, 1)),
        ("25%", "25%", 8, (2, 2)),
        ("25%", "25%", 10, (3, 2)),
        ("25%", "25%", 100, (25, 25)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(
    surge: int | str, unavailable: int | str, desired: int, expected: tuple[int, int]
) -> None:
    assert resolve_fenceposts(surge, unavailable, desired) == expected


@pytest.mark.parametrize(
    "nonsense", ["oops", "urg", "", "%", "5", "2.5%", "-5%", "25 %", -1, True, 2.5, None]
)
def test_nonsense_is_refused(nonsense: object) -> None:
    with pytest.raises(ValueError, match="percentage such as"):
        resolve_fenceposts(nonsense, "39%", 10)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="percentage such as"):
        RollingUpdate("55%", nonsense)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("replicas", "unavailable", "expected"),
    [(10, 5, 5), (10, 10, 10), (5, 10, 5), (0, 10, 0), (10, "50%", 5), (10, "100%", 10), (5, "100%", 5)],
)
def test_unavailable_is_capped_at_the_size(replicas: int, unavailable: int | str, expected: int) -> None:
    deployment = Deployment("v", replicas, RollingUpdate(1, unavailable))
    assert max_unavailable(deployment) == expected
    assert min_available(deployment) == replicas - expected


def test_recreate_has_no_surge_and_no_limit() -> None:
    deployment = Deployment("v", 10, Recreate())
    assert (max_surge(deployment), max_unavailable(deployment), min_available(deployment)) == (0, 0, 0)


@pytest.mark.parametrize("wrong", [{"replicas": -1}, {"progress_deadline": 30.0, "min_ready": 30.0}])
def test_impossible_deployments_cannot_be_built(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Deployment("v", **wrong)  # type: ignore[arg-type]


# --- sizes: rows of TestNewRSNewReplicas and rolling_test.go ---


@pytest.mark.parametrize(
    ("n", "new_spec", "total", "surge", "expected"),
    [
        (1, 5, 5, 1, 5),
        (6, 2, 5, 10, 6),
        (10, 0, 10, 0, 0),
        (10, 0, 8, 0, 2),
        (10, 4, 12, "25%", 5),
        (2, 5, 0, 1, 2),
    ],
)
def test_new_replicas_fill_the_room(
    n: int, new_spec: int, total: int, surge: int | str, expected: int
) -> None:
    assert new_replicas(Deployment("v", n, RollingUpdate(surge, 0)), total, new_spec) == expected


def test_new_replicas_under_recreate_are_all() -> None:
    assert new_replicas(Deployment("v", 3, Recreate()), all_pods=5, new_spec=1) == 3


@pytest.mark.parametrize(
    ("surge", "old", "new", "expected"),
    [(0, 10, 0, 0), (2, 10, 0, 2), (2, 5, 0, 7), (2, 10, 2, 2), (2, 2, 11, 10), (2, 0, 10, 10)],
)
def test_reconcile_new(surge: int, old: int, new: int, expected: int) -> None:
    deployment = Deployment("new", 10, RollingUpdate(surge, 0))
    assert reconcile_new(deployment, running("new", 1, new), [running("old", 0, old)]).spec == expected


@pytest.mark.parametrize(
    ("unavailable", "old", "new", "old_ready", "new_ready", "expected"),
    [
        (0, 10, 0, 10, 0, 9),
        (2, 10, 0, 10, 0, 8),
        (2, 10, 0, 8, 0, 8),
        (2, 10, 0, 9, 0, 8),
        (2, 8, 2, 8, 0, 8),
    ],
)
def test_reconcile_old(
    unavailable: int, old: int, new: int, old_ready: int, new_ready: int, expected: int
) -> None:
    deployment = Deployment("new", 10, RollingUpdate(0, unavailable))
    sets = running("new", 1, new, new_ready), [running("old", 0, old, old_ready)]
    assert [rs.spec for rs in reconcile_old(deployment, *sets)] == [expected]


@pytest.mark.parametrize(
    ("unavailable", "ready", "old", "expected"),
    [(0, 10, 10, 9), (2, 10, 10, 8), (2, 8, 10, 10), (2, 10, 0, 0), (2, 1, 10, 10)],
)
def test_scale_down_old(unavailable: int, ready: int, old: int, expected: int) -> None:
    deployment = Deployment("new", 10, RollingUpdate(0, unavailable))
    assert [rs.spec for rs in scale_down_old(deployment, [running("old", 0, old, ready)])] == [expected]


def test_unavailable_pods_of_the_oldest_go_first() -> None:
    deployment = Deployment("v3", 10, RollingUpdate(3, 2))
    cleanup = cleanup_unhealthy(deployment, [running("v2", 1, 5, 1), running("v1", 0, 5, 2)], limit=5)
    assert [(rs.version, rs.spec) for rs in cleanup.old] == [("v1", 2), ("v2", 3)]
    assert cleanup.cleaned_up == 5


def test_a_stale_status_stops_the_step() -> None:
    """Old just went from 10 to 8 but still reports 10: upstream fails here rather than count pods that are
    going.
    """
    deployment = Deployment("v2", 10, RollingUpdate(3, 2))
    old = replace(running("v1", 0, 8), available=10)
    assert cleanup_unhealthy(deployment, [old], limit=3).refused
    assert reconcile_old(deployment, running("v2", 1, 5, 2), [old]) == (old,)


def test_lagging_pods_of_a_drained_old_version_are_no_capacity() -> None:
    deployment = Deployment("v3", 10, RollingUpdate(3, 2))
    drained = replace(running("v1", 0, 0), available=2)
    kept = reconcile_old(deployment, running("v3", 2, 5, 2), [drained, running("v2", 1, 6)])
    assert [rs.spec for rs in kept] == [0, 6]


# --- traces ---


def test_ten_pods_at_the_defaults() -> None:
    at_once, then, fewest = rollout(10, RollingUpdate())
    assert at_once == ["10/3", "8/3", "8/5"]
    assert then[:8] == ["7/6", "6/7", "5/8", "4/9", "3/10", "2/10", "1/10", "0/10"]
    assert fewest == 8


def test_four_pods() -> None:
    assert rollout(4, RollingUpdate(1, 1))[:2] == (["4/1", "3/1", "3/2"], ["2/3", "1/4", "0/4", "0/4"])


def test_three_pods_are_never_less_than_three() -> None:
    assert rollout(3, RollingUpdate()) == (["3/1"], ["2/2", "1/3", "0/3"], 3)


def test_a_single_pod_is_replaced_after_its_successor_is_available() -> None:
    assert rollout(1, RollingUpdate()) == (["1/1"], ["0/1"], 1)


def test_without_surge_old_goes_first() -> None:
    assert rollout(2, RollingUpdate(0, "1%"))[:2] == (["2/0", "1/0", "1/1"], ["0/2", "0/2"])


def frozen() -> tuple[ReplicaSet, ...]:
    """Ten pods, and a version of which none ever becomes available."""
    return fixed_point(Deployment("bad", 10), [running("good", 0, 10)])


def test_a_version_that_never_starts_freezes_the_rollout() -> None:
    assert sizes(frozen()) == "8/5"
    assert settle(Deployment("bad", 10), frozen()) == frozen()


def test_undo_removes_the_broken_pods_at_once() -> None:
    assert [sizes(sets) for sets in steps(Deployment("good", 10), frozen())] == ["8/0", "10/0"]


def test_undo_half_way_keeps_what_serves() -> None:
    deployment = Deployment("good", 10)
    sets: tuple[ReplicaSet, ...] = (running("good", 0, 4, n=10), running("bad", 1, 9, 6, n=10))
    assert [sizes(after) for after in steps(deployment, sets)] == ["4/4", "9/4"]
    sets = fixed_point(deployment, sets)
    while sets[0].available < 10:
        assert sum(rs.available for rs in sets) == 8 or sets[1].spec == 0
        sets = fixed_point(deployment, one_more(sets, "good"))
    assert sizes(sets) == "10/0"


def test_a_rollover_starts_at_nothing_and_takes_the_place_of_the_broken() -> None:
    assert [sizes(sets) for sets in steps(Deployment("better", 10), frozen())] == ["8/5/0", "8/0/0", "8/0/5"]


def test_a_deployment_from_nothing_is_created_whole() -> None:
    assert sizes(settle(Deployment("v1", 10), [])) == "10"


# --- Recreate ---


def test_recreate_waits_for_the_last_old_pod() -> None:
    deployment = Deployment("v2", 3, Recreate())
    stopped = sync(deployment, [running("v1", 0, 3)])
    assert sizes(stopped) == "0"
    assert sync(deployment, stopped) == stopped, "created still counts three"
    gone = react(stopped)
    assert sync(deployment, gone, old_pods_running=True) == gone, "terminating pods block"
    assert sizes(settle(deployment, gone)) == "0/3"


def test_recreate_back_to_a_version_resizes_it() -> None:
    sets = (running("v1", 0, 0), running("v2", 1, 3))
    assert (
        sizes(
            react(settle(Deployment("v1", 3, Recreate()), react(sync(Deployment("v1", 3, Recreate()), sets))))
        )
        == "3/0"
    )


# --- scaling ---


def annotated(version: str, order: int, spec: int, desired: int, surge: int = 0) -> ReplicaSet:
    return ReplicaSet(version, order, spec, spec, desired=desired, max_replicas=desired + surge)


@pytest.mark.parametrize(
    ("n", "surge", "before", "expected"),
    [
        (12, 0, [("new", 10, 10)], "12"),
        (5, 0, [("new", 10, 10)], "5"),
        (10, 0, [("old", 3, 5), ("new", 2, 5)], "6/4"),
        (3, 0, [("old", 3, 5), ("new", 2, 5)], "2/1"),
        (4, 0, [("old", 1, 9), ("new", 8, 9)], "0/4"),
        (10, 0, [("v1", 2, 7), ("v2", 3, 7), ("new", 2, 7)], "3/4/3"),
        (8, 0, [("v1", 3, 13), ("v2", 8, 13), ("new", 2, 13)], "2/5/1"),
        (4, 0, [("v1", 1, 3), ("v2", 1, 3), ("new", 1, 3)], "1/1/2"),
        (2, 0, [("v1", 1, 3), ("v2", 1, 3), ("new", 1, 3)], "0/1/1"),
        (5, 0, [("v1", 2, 4), ("v2", 2, 4)], "2/3"),
        (0, 0, [("v1", 1, 6), ("v2", 2, 6), ("new", 3, 6)], "0/0/0"),
        (6, 0, [("v1", 0, 6), ("v2", 0, 6), ("new", 0, 6)], "0/0/6"),
        (5, 0, [("v1", 1, 5), ("v2", 1, 3), ("new", 2, 5)], "1/2/2"),
        (20, 2, [("old", 6, 10), ("new", 6, 10)], "11/11"),
        (14, 0, [("v1", 3, 10), ("v2", 7, 10)], "4/10"),
        (20, 0, [("old", 5, 10), ("new", 5, 10)], "10/10"),
    ],
)
def test_scaling_keeps_proportions(
    n: int, surge: int, before: list[tuple[str, int, int]], expected: str
) -> None:
    """TestScale of sync_test.go."""
    sets = [annotated(version, i, spec, desired, surge) for i, (version, spec, desired) in enumerate(before)]
    assert sizes(scale(Deployment("new", n, RollingUpdate(surge, 0)), sets)) == expected


def test_size_and_surge_change_together() -> None:
    sets = [annotated("old", 0, 8, 10, surge=3), annotated("new", 1, 5, 10, surge=3)]
    assert sizes(scale(Deployment("new", 50, RollingUpdate(6, 0)), sets)) == "34/22"


def test_a_saturated_new_version_empties_the_old() -> None:
    deployment = Deployment("new", 2, RollingUpdate(1, 1), paused=True)
    sets = [running("old", 0, 1, n=2), running("new", 1, 2, n=2)]
    assert is_saturated(deployment, sets[1])
    assert sizes(sync(deployment, sets)) == "0/2"
    broken = [sets[0], replace(sets[1], available=0)]
    assert sizes(sync(deployment, broken)) == "1/2"


def test_without_annotations_the_share_is_of_all_pods_there_are() -> None:
    sets = [ReplicaSet("old", 0, 5, created=5), ReplicaSet("new", 1, 5, created=5)]
    assert sizes(scale(Deployment("new", 20, RollingUpdate(0, 1)), sets)) == "10/10"
    unseen = [replace(rs, created=0) for rs in sets]
    assert sizes(scale(Deployment("new", 20, RollingUpdate(0, 1)), unseen)) == "5/15", (
        "no share: all to the first"
    )


def test_paused_moves_nothing_but_still_scales() -> None:
    half = fixed_point(Deployment("v2", 10), [running("v1", 0, 10)])
    paused = Deployment("v3", 10, paused=True)
    assert sync(paused, half) == half
    assert sizes(settle(replace(paused, replicas=20), half)) == "15/10"


def test_scaling_in_mid_rollout_comes_before_the_rollout_goes_on() -> None:
    half = fixed_point(Deployment("v2", 10), [running("v1", 0, 10)])
    first, *rest = steps(Deployment("v2", 20), half)
    assert sizes(first) == "15/10"
    assert all(rs.desired == 20 for rs in first)
    assert all(sum(rs.spec for rs in sets) <= 25 for sets in rest)


def test_a_lone_replica_set_of_the_right_size_keeps_its_stale_annotation() -> None:
    """Upstream's corner: 12 → 10 just as old, without surge, was drained to 10. Every sync is a scaling
    that does nothing.
    """
    sets = (annotated("old", 0, 10, desired=12), annotated("new", 1, 0, desired=12))
    assert settle(Deployment("new", 10, RollingUpdate(0, 2)), sets) == sets


def test_recreate_does_not_scale_in_proportion() -> None:
    sets = (annotated("old", 0, 3, 5), annotated("new", 1, 2, 5))
    assert scale(Deployment("new", 10, Recreate()), sets) == sets


# --- status: rows of TestDeploymentComplete, TestDeploymentProgressing, TestDeploymentTimedOut ---


@pytest.mark.parametrize(
    ("desired", "total", "updated", "available", "expected"),
    [(5, 5, 5, 4, False), (5, 5, 5, 3, False), (5, 5, 5, 5, True), (5, 5, 4, 5, False), (1, 2, 1, 1, False),
     (1, 1, 1, 0, False), (0, 0, 0, 0, True)],
)  # fmt: skip
def test_complete(desired: int, total: int, updated: int, available: int, expected: bool) -> None:
    now = Status(replicas=total, updated=updated, available=available)
    assert is_complete(desired, now) is expected
    assert not is_complete(desired, now, observed=False)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((10, 4, 4, 4), (10, 6, 4, 4), True),
        ((10, 4, 4, 4), (10, 4, 4, 4), False),
        ((10, 4, 6, 6), (8, 4, 6, 6), True),
        ((10, 7, 3, 3), (10, 6, 3, 3), False),
        ((10, 4, 7, 7), (8, 8, 5, 5), True),
        ((10, 10, 9, 8), (10, 10, 10, 8), True),
        ((10, 10, 10, 9), (10, 10, 10, 10), True),
    ],
)
def test_progressing(before: tuple[int, ...], after: tuple[int, ...], expected: bool) -> None:
    assert is_progressing(Status(*before), Status(*after)) is expected


@pytest.mark.parametrize(
    ("deadline", "since", "reason", "expected"),
    [
        (None, 11, "", False),
        (10, 11, "", True),
        (10, 10, "", False),
        (10, 9, "", False),
        (10, None, "", False),
        (10, 1000, "NewReplicaSetAvailable", False),
        (10, 0, "ProgressDeadlineExceeded", True),
        (2**31 - 1, 1e12, "", False),
    ],
)
def test_timed_out(deadline: float | None, since: float | None, reason: str, expected: bool) -> None:
    assert has_timed_out(deadline, since, reason) is expected


@pytest.mark.parametrize(
    ("deadline", "since", "expected"),
    [
        (10, 9, False),
        (10, 9.01, True),
        (10, 1e9, True),
        (10, float("inf"), True),
        (10, float("-inf"), False),
        (None, 1e9, False),
        (2**31 - 1, float("inf"), False),
    ],
)
def test_polled(deadline: float | None, since: float, expected: bool) -> None:
    assert is_polled(deadline, since) is expected


def test_status_counts_all_versions() -> None:
    sets = [running("v1", 0, 8), running("v2", 1, 5, 2)]
    assert status(Deployment("v2", 10), sets) == Status(replicas=13, updated=5, ready=10, available=10)
    assert status(Deployment("v3", 10), sets).updated == 0


# --- what holds in any world ---

limits = st.one_of(st.integers(0, 12), st.integers(0, 100).map(lambda p: f"{p}%"))
strategies = st.builds(RollingUpdate, limits, limits)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Deployment, tuple[ReplicaSet, ...]]:
    """A Deployment in mid-rollout, its size unchanged since, of up to three old versions; statuses up to
    date.
    """
    n = draw(st.integers(0, 30))
    deployment = Deployment("new", n, draw(strategies))
    left = n + max_surge(deployment)
    sets = []
    for order, version in enumerate(draw(st.permutations(["v1", "v2", "v3", "new"]))):
        pods = draw(st.integers(0, left))
        left -= pods
        sets.append(running(version, order, pods, draw(st.integers(0, pods)), n=n))
    return deployment, tuple(sets)


@given(worlds())
def test_a_sync_never_asks_for_more_than_n_and_surge(
    world: tuple[Deployment, tuple[ReplicaSet, ...]],
) -> None:
    deployment, sets = world
    for after in steps(deployment, sets):
        assert sum(rs.spec for rs in after) <= deployment.replicas + max_surge(deployment)


@given(worlds())
def test_the_controller_never_takes_more_than_unavailable_allows(
    world: tuple[Deployment, tuple[ReplicaSet, ...]],
) -> None:
    deployment, sets = world
    floor = min(sum(rs.available for rs in sets), min_available(deployment))
    for after in steps(deployment, sets):
        assert sum(rs.available for rs in after) >= floor


@given(worlds())
def test_a_sync_changes_the_new_version_or_old_ones_never_both(
    world: tuple[Deployment, tuple[ReplicaSet, ...]],
) -> None:
    deployment, sets = world
    after = sync(deployment, sets)
    changed = {a.version for a, b in zip(after, sets, strict=True) if a != b}
    assert changed <= {"new"} or "new" not in changed


@given(worlds())
def test_a_rollout_whose_pods_start_ends_with_the_new_version_alone(
    world: tuple[Deployment, tuple[ReplicaSet, ...]],
) -> None:
    deployment, sets = world
    for _ in range(3 * deployment.replicas + 3):
        sets = one_more(fixed_point(deployment, sets), "new")
    sets = fixed_point(deployment, sets)
    assert {rs.version: rs.spec for rs in sets if rs.spec} == (
        {"new": deployment.replicas} if deployment.replicas else {}
    )
    assert is_complete(deployment.replicas, status(deployment, sets))


@given(worlds(), st.integers(0, 60))
def test_scaling_ends_within_the_new_limit(world: tuple[Deployment, tuple[ReplicaSet, ...]], n: int) -> None:
    deployment, sets = world
    limit = deployment.replicas + max_surge(deployment)
    sets = tuple(replace(rs, max_replicas=limit) for rs in sets)
    scaled = settle(replace(deployment, replicas=n, paused=True), sets)
    assert sum(rs.spec for rs in scaled) <= n + max_surge(replace(deployment, replicas=n))
    assert all(rs.spec >= 0 for rs in scaled)
