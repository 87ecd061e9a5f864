"""The Deployment controller's arithmetic: how many pods each ReplicaSet is asked to hold, as pure functions.

It must never read a clock, wait, or know pods one by one. Follows kubernetes/kubernetes
`pkg/controller/deployment`: rolling.go (95f08499), util/deployment_util.go (277391ee), recreate.go
(e8387da7), deployment_controller.go (syncDeployment). Names in brackets are upstream's. The values, scaling
and status have modules of their own and are offered here as well, as one vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.semantics.deployment_scaling import (
    is_saturated,
    is_scaling,
    scale,
    scale_proportionally,
)
from scenarios.semantics.deployment_spec import (
    Deployment,
    FencepostError,
    IntOrPercent,
    Recreate,
    RollingUpdate,
    find_new,
    max_surge,
    max_unavailable,
    min_available,
    resized,
    resolve_fenceposts,
    updated,
)
from scenarios.semantics.deployment_status import (
    Status,
    has_timed_out,
    is_complete,
    is_polled,
    is_progressing,
    status,
)
from scenarios.semantics.replica_set import (
    ReplicaSet,
    active,
    oldest_first,
    total_available,
    total_created,
    total_spec,
)

__all__ = [
    "Cleanup",
    "Deployment",
    "FencepostError",
    "IntOrPercent",
    "Recreate",
    "ReplicaSet",
    "RollingUpdate",
    "Status",
    "cleanup_unhealthy",
    "create_new",
    "find_new",
    "has_timed_out",
    "is_complete",
    "is_polled",
    "is_progressing",
    "is_saturated",
    "is_scaling",
    "max_surge",
    "max_unavailable",
    "min_available",
    "new_replicas",
    "reconcile_new",
    "reconcile_old",
    "recreate",
    "resolve_fenceposts",
    "roll",
    "scale",
    "scale_down_old",
    "scale_proportionally",
    "settle",
    "status",
    "sync",
]


def new_replicas(deployment: Deployment, all_pods: int, new_spec: int) -> int:
    """Size of the new ReplicaSet, given Σ spec of all and its own [NewRSNewReplicas].

    Rolling: as far as n + surge leaves room, n at most. Recreate: n. Not asked for a ReplicaSet above n, see
    `reconcile_new`.
    """
    if isinstance(deployment.strategy, Recreate):
        return deployment.replicas
    room = deployment.replicas + max_surge(deployment) - all_pods
    if room <= 0:
        return new_spec
    return new_spec + min(room, deployment.replicas - new_spec)


def reconcile_new(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> ReplicaSet:
    """The new ReplicaSet after one step: down to n, or up as room allows [reconcileNewReplicaSet]."""
    if new.spec > deployment.replicas:
        return resized(new, deployment.replicas, deployment)
    if new.spec == deployment.replicas:
        return new
    size = new_replicas(deployment, total_spec([new, *old]), new.spec)
    return resized(new, size, deployment)


@dataclass(frozen=True, slots=True)
class Cleanup:
    """Old ReplicaSets without (some of) their unavailable pods; `refused` if a stale status stopped it."""

    old: tuple[ReplicaSet, ...]
    cleaned_up: int
    refused: bool = False


def cleanup_unhealthy(deployment: Deployment, old: Sequence[ReplicaSet], limit: int) -> Cleanup:
    """Drop up to `limit` unavailable pods, those of the oldest ReplicaSet first [cleanupUnhealthyReplicas].

    Lowering spec by the unavailable count removes just those, because of the order of deletion
    (`deletion_order`). A ReplicaSet that reports more available pods than its spec has a status older than
    its last resize: upstream fails there, keeps what it did so far and leaves the rest to the next sync.
    """
    result = list(oldest_first(old))
    used = 0
    for index, rs in enumerate(result):
        if used >= limit:
            break
        if rs.spec == 0:
            continue
        if rs.available > rs.spec:
            return Cleanup(tuple(result), used, refused=True)
        dropped = min(limit - used, rs.spec - rs.available)
        result[index] = resized(rs, rs.spec - dropped, deployment)
        used += dropped
    return Cleanup(tuple(result), used)


def scale_down_old(
    deployment: Deployment, old: Sequence[ReplicaSet], new: ReplicaSet | None = None
) -> tuple[ReplicaSet, ...]:
    """Drop old pods, oldest first, down to the floor [scaleDownOldReplicaSetsForRollingUpdate].

    The floor: n − unavailable pods available, of the ReplicaSets given.
    """
    result = list(oldest_first(old))
    floor = deployment.replicas - max_unavailable(deployment)
    todo = total_available([*result, *([new] if new else [])]) - floor
    for index, rs in enumerate(result):
        if todo <= 0:
            break
        dropped = min(rs.spec, todo)
        result[index] = resized(rs, rs.spec - dropped, deployment)
        todo -= dropped
    return tuple(result)


def reconcile_old(
    deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]
) -> tuple[ReplicaSet, ...]:
    """The old ReplicaSets after one step: unavailable pods go, then available ones [reconcileOldReplicaSets].

    Returned oldest first.
    The new ReplicaSet's unavailable pods are no reason to drop old ones. Available pods of old ReplicaSets
    already at 0 (their status lags) don't count as capacity: upstream passes only active ones on.
    """
    rest = oldest_first(rs for rs in old if rs.spec == 0)
    floor = deployment.replicas - max_unavailable(deployment)
    budget = total_spec([new, *old]) - floor - (new.spec - new.available)
    if budget <= 0:
        return oldest_first(old)
    cleanup = cleanup_unhealthy(deployment, active(old), budget)
    if cleanup.refused:
        return oldest_first([*rest, *cleanup.old])
    return oldest_first([*rest, *scale_down_old(deployment, cleanup.old, new)])


def create_new(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> ReplicaSet:
    """A ReplicaSet for the wanted version, created at its first size, which may be 0 [getNewReplicaSet]."""
    order = 1 + max((rs.created_order for rs in replica_sets), default=-1)
    size = new_replicas(deployment, total_spec(replica_sets), 0)
    limit = deployment.replicas + max_surge(deployment)
    return ReplicaSet(deployment.version, order, spec=size, desired=deployment.replicas, max_replicas=limit)


def roll(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    """One step of a rolling update [rolloutRolling]: the new ReplicaSet, or else the old ones."""
    new = find_new(deployment, replica_sets)
    if new is None:
        return (*replica_sets, create_new(deployment, replica_sets))
    old = [rs for rs in replica_sets if rs is not new]
    grown = reconcile_new(deployment, new, old)
    if grown != new:
        return updated(replica_sets, [grown])
    return updated(replica_sets, reconcile_old(deployment, new, old))


def recreate(
    deployment: Deployment, replica_sets: Sequence[ReplicaSet], old_pods_running: bool
) -> tuple[ReplicaSet, ...]:
    """One step of Recreate [rolloutRecreate]: old to 0; wait for the last old pod; new to n.

    `old_pods_running`: any pod object of an old version that is not Failed or Succeeded, terminating ones
    included.
    """
    new = find_new(deployment, replica_sets)
    old = [rs for rs in replica_sets if rs is not new]
    if active(old):
        return updated(replica_sets, [resized(rs, 0, deployment) for rs in old])
    if old_pods_running or total_created(old) > 0:
        return tuple(replica_sets)
    if new is None:
        return (*replica_sets, create_new(deployment, replica_sets))
    return updated(replica_sets, [resized(new, deployment.replicas, deployment)])


def sync(
    deployment: Deployment, replica_sets: Sequence[ReplicaSet], *, old_pods_running: bool = False
) -> tuple[ReplicaSet, ...]:
    """One sync of the controller [syncDeployment]: at most one kind of change to the ReplicaSets' sizes.

    In order: paused or n changed → scaling only; else the strategy's next step. Returned in the order
    given, a new one last; equal to the input when there is nothing to do until a status changes. The caller
    repeats it to a fixed point (changes trigger the next sync within tens of ms) and keeps the status
    fields up to date.
    """
    if deployment.paused or is_scaling(deployment, replica_sets):
        return scale(deployment, replica_sets)
    if isinstance(deployment.strategy, Recreate):
        return recreate(deployment, replica_sets, old_pods_running)
    return roll(deployment, replica_sets)


def settle(
    deployment: Deployment, replica_sets: Sequence[ReplicaSet], *, old_pods_running: bool = False
) -> tuple[ReplicaSet, ...]:
    """`sync` until it changes nothing: the sizes asked for before any pod has had time to react."""
    current = tuple(replica_sets)
    while (following := sync(deployment, current, old_pods_running=old_pods_running)) != current:
        current = following
    return current
