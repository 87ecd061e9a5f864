"""A ReplicaSet as a value, and what happens to its pods: made in batches, deleted in an order, restarted.

It must never read a clock: `now` is an argument. Follows kubernetes/kubernetes
`pkg/controller/replicaset/replica_set.go` (3e4a7900: slowStartBatch), `pkg/controller/controller_utils.go`
(ActivePodsWithRanks with the logarithmic comparison, on by default since 1.22) and
`pkg/kubelet/kubelet.go` (backOffPeriod, MaxContainerBackOff). Names in brackets are upstream's.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cmp_to_key

BACKOFF_BASE = 10.0
BACKOFF_CAP = 300.0
"""Seconds: kubelet.go backOffPeriod and MaxContainerBackOff."""


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """The pods of one version: those asked for (`spec`) and those there (`created`, `ready`, `available`).

    `created_order` stands for the creation time: smaller is older. `desired` and `max_replicas` are the two
    annotations the Deployment controller leaves when it sizes a ReplicaSet (the Deployment's n, and n +
    surge); None if it never did. `created` counts neither terminating nor finished pods. The status may lag
    behind `spec` on either side.
    """

    version: str
    created_order: int
    spec: int = 0
    created: int = 0
    ready: int = 0
    available: int = 0
    desired: int | None = None
    max_replicas: int | None = None

    def __post_init__(self) -> None:
        counts = (self.spec, self.created, self.ready, self.available)
        if min(counts) < 0:
            raise ValueError(f"ReplicaSet {self.version}: counts must not be negative, got {counts}")


def total_spec(replica_sets: Iterable[ReplicaSet]) -> int:
    """Σ spec: pods asked for. Terminating pods are in no ReplicaSet's spec, so nodes may hold more."""
    return sum(rs.spec for rs in replica_sets)


def total_created(replica_sets: Iterable[ReplicaSet]) -> int:
    """Σ created: what becomes status.replicas of the Deployment."""
    return sum(rs.created for rs in replica_sets)


def total_available(replica_sets: Iterable[ReplicaSet]) -> int:
    """Σ available, as last reported."""
    return sum(rs.available for rs in replica_sets)


def active(replica_sets: Iterable[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    """Those with a spec above 0 [FilterActiveReplicaSets], in the order given."""
    return tuple(rs for rs in replica_sets if rs.spec > 0)


def oldest_first(replica_sets: Iterable[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    """By creation, then by name [ReplicaSetsByCreationTimestamp]."""
    return tuple(sorted(replica_sets, key=lambda rs: (rs.created_order, rs.version)))


def is_available(ready_for: float, min_ready: float) -> bool:
    """Whether a pod Ready for `ready_for` s counts as available: strictly longer [IsPodAvailable]."""
    return min_ready == 0 or ready_for > min_ready


def slow_start_batches(count: int, initial: int = 1) -> tuple[int, ...]:
    """Sizes of the parallel batches in which `count` pods are created: 1, 2, 4, … and the rest
    [slowStartBatch].
    """
    sizes: list[int] = []
    size = min(count, initial)
    while size > 0:
        sizes.append(size)
        size = min(2 * size, count - sum(sizes))
    return tuple(sizes)


@dataclass(frozen=True, slots=True)
class SlowStart:
    """One creation run: how many calls were made, how many succeeded, and whether a failing one ended it."""

    calls: int
    successes: int
    failed: bool


def slow_start(count: int, allowed: int | None = None, initial: int = 1) -> SlowStart:
    """Create `count` pods where only the first `allowed` calls succeed (None: all, e.g. no quota in the way).

    A batch with any failing call is the last one [slowStartBatch], so that a full quota costs few calls.
    """
    calls = 0
    for size in slow_start_batches(count, initial):
        calls += size
        if allowed is not None and calls > allowed:
            return SlowStart(calls, max(allowed, 0), failed=True)
    return SlowStart(calls, calls, failed=False)


class Phase(IntEnum):
    """Pod phases in the order in which they are given up [podPhaseToOrdinal]."""

    PENDING = 0
    UNKNOWN = 1
    RUNNING = 2


@dataclass(frozen=True, slots=True)
class PodRank:
    """What the choice of pods to delete looks at.

    Times are seconds on the caller's clock; `ready_since` is None for a pod that is not ready. The API
    keeps whole seconds: who wants that effect truncates before. `related` is the number of active pods of
    the same Deployment on the pod's node, itself included. `uid` is the last word between pods of about the
    same age.
    """

    uid: str
    created_at: float
    ready_since: float | None = None
    assigned: bool = True
    phase: Phase = Phase.RUNNING
    deletion_cost: int = 0
    related: int = 1
    restarts: int = 0


def age_bucket(since: float, now: float) -> int:
    """⌊log2(age in ns)⌋, or −1 if the age is not positive [logarithmicRankDiff]: like ages share a bucket."""
    nanoseconds = round((now - since) * 1e9)
    return int(math.log2(nanoseconds)) if nanoseconds > 0 else -1


def _by_age(a: PodRank, b: PodRank, a_since: float, b_since: float, now: float) -> int:
    """Negative if `a` is younger by a bucket; within a bucket the uid decides, which is as good as a draw."""
    buckets = age_bucket(a_since, now) - age_bucket(b_since, now)
    return buckets or (-1 if a.uid < b.uid else 1)


def compare_for_deletion(a: PodRank, b: PodRank, now: float) -> int:
    """Negative if `a` is deleted before `b` [ActivePodsWithRanks.Less, rules 1 to 8].

    Equal times skip an age rule, times in one bucket end in the uid: so the relation need not be transitive
    when some pods share the very second and others only the bucket. Upstream sorts with it all the same.
    """
    for left, right in (
        (a.assigned, b.assigned),
        (a.phase, b.phase),
        (a.ready_since is not None, b.ready_since is not None),
        (a.deletion_cost, b.deletion_cost),
        (-a.related, -b.related),
    ):
        if left != right:
            return -1 if left < right else 1
    if a.ready_since is not None and b.ready_since is not None and a.ready_since != b.ready_since:
        return _by_age(a, b, a.ready_since, b.ready_since, now)
    if a.restarts != b.restarts:
        return b.restarts - a.restarts
    if a.created_at != b.created_at:
        return _by_age(a, b, a.created_at, b.created_at, now)
    return 0


def deletion_order(pods: Iterable[PodRank], now: float) -> tuple[PodRank, ...]:
    """The pods in the order in which a shrinking ReplicaSet gives them up; ties keep the order given."""

    def compare(a: PodRank, b: PodRank) -> int:
        return compare_for_deletion(a, b, now)

    return tuple(sorted(pods, key=cmp_to_key(compare)))


def restart_delay(restart: int) -> float:
    """Seconds from a crash to the container's restart, by its number from 1: 0, 10, 20, 40, 80, 160, 300, …

    Source: kubelet.go backOffPeriod 10 s, doubled up to MaxContainerBackOff 300 s. The count starts anew
    after the container ran for twice the cap without failing, which is the caller's to know.
    """
    if restart < 1:
        raise ValueError(f"restarts are counted from 1, got {restart}")
    if restart == 1:
        return 0.0
    # 2.0 ** 5 · 10 s is past the cap: no need to raise 2 to the number of a long crash loop
    return min(BACKOFF_BASE * 2.0 ** min(restart - 2, 5), BACKOFF_CAP)


def crash_loop_restarts(runs_for: float, count: int) -> tuple[float, ...]:
    """Times of the first `count` restarts of a container that always crashes `runs_for` s after a start."""
    times = [0.0]
    for restart in range(1, count + 1):
        times.append(times[-1] + runs_for + restart_delay(restart))
    return tuple(times[1:])
