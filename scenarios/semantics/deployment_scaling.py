"""What a Deployment does when its size changes in mid-rollout or while paused: it scales, in proportion.

Pure. Follows kubernetes/kubernetes `pkg/controller/deployment/sync.go` (737067c1: scale, isScalingEvent)
and `util/deployment_util.go` (277391ee: FindActiveOrLatest, IsSaturated, GetProportion). Names in brackets
are upstream's.
"""

from collections.abc import Sequence
from dataclasses import replace

from scenarios.semantics.deployment_spec import (
    Deployment,
    RollingUpdate,
    find_new,
    max_surge,
    resized,
    updated,
)
from scenarios.semantics.replica_set import ReplicaSet, active, oldest_first, total_created, total_spec


def is_scaling(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> bool:
    """Whether n changed since an active ReplicaSet was last sized [isScalingEvent]."""
    return any(rs.desired not in (None, deployment.replicas) for rs in active(replica_sets))


def is_saturated(deployment: Deployment, rs: ReplicaSet) -> bool:
    """Whether `rs` holds all n pods, was sized for n, and all are available [IsSaturated]."""
    return rs.spec == rs.desired == rs.available == deployment.replicas


def active_or_latest(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The only active ReplicaSet; with none active the new one, or else the youngest [FindActiveOrLatest]."""
    running = active(replica_sets)
    if len(running) > 1 or not replica_sets:
        return None
    if running:
        return running[0]
    return find_new(deployment, replica_sets) or oldest_first(replica_sets)[-1]


def share(deployment: Deployment, rs: ReplicaSet, all_created: int) -> int:
    """Pods `rs` should gain (lose, if < 0) to keep its part of the whole [getReplicaSetFraction].

    round_half_up(spec · (n + surge) / M) − spec, M being n + surge when `rs` was last sized, or all
    pods created if that is unknown. In whole numbers, so that halves are exact.
    """
    if deployment.replicas == 0:
        return -rs.spec
    whole = rs.max_replicas or all_created
    if whole == 0:
        return 0
    part = rs.spec * (deployment.replicas + max_surge(deployment))
    return (2 * part + whole) // (2 * whole) - rs.spec


def by_size(replica_sets: Sequence[ReplicaSet], *, growing: bool) -> tuple[ReplicaSet, ...]:
    """Largest first; of equals the youngest if growing, else the oldest [ReplicaSetsBySizeNewer, …Older]."""
    by_age = oldest_first(replica_sets)
    # a stable sort keeps the order by age among equals
    return tuple(sorted(reversed(by_age) if growing else by_age, key=lambda rs: -rs.spec))


def portions(to_add: int, shares: Sequence[int]) -> list[int]:
    """`to_add` pods (to remove, if < 0) dealt out by `shares`, the rest to the first [GetProportion]."""
    result: list[int] = []
    left = to_add
    for share_of_one in shares:
        within = min(share_of_one, left) if to_add > 0 else max(share_of_one, left)
        result.append(within if left != 0 else 0)
        left -= result[-1]
    return [result[0] + left, *result[1:]] if result else []


def scale_proportionally(
    deployment: Deployment, replica_sets: Sequence[ReplicaSet]
) -> tuple[ReplicaSet, ...]:
    """Bring Σ spec to n + surge (0 for n = 0), each active ReplicaSet by its share [scale, its third part].

    Every one takes the new annotations, resized or not; none goes below 0. Returned in the order given.
    """
    limit = deployment.replicas + max_surge(deployment)
    to_add = (limit if deployment.replicas > 0 else 0) - total_spec(replica_sets)
    running = by_size(active(replica_sets), growing=to_add > 0)
    created = total_created(replica_sets)
    added = portions(to_add, [share(deployment, rs, created) for rs in running])
    scaled = (
        replace(rs, spec=max(rs.spec + more, 0), desired=deployment.replicas, max_replicas=limit)
        for rs, more in zip(running, added, strict=True)
    )
    return updated(replica_sets, scaled)


def scale(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    """All a paused Deployment does, and all an unpaused one does in the sync that sees n changed [scale].

    One active ReplicaSet (or none): that one, or the latest, to n. New one saturated: the old ones to 0.
    Several active under RollingUpdate: in proportion; under Recreate nothing. A single ReplicaSet that
    already has n pods is left alone, stale annotation and all, as upstream does.
    """
    only = active_or_latest(deployment, replica_sets)
    if only is not None:
        return updated(replica_sets, [resized(only, deployment.replicas, deployment)])
    new = find_new(deployment, replica_sets)
    if new is not None and is_saturated(deployment, new):
        old = (rs for rs in replica_sets if rs is not new)
        return updated(replica_sets, [resized(rs, 0, deployment) for rs in old])
    if isinstance(deployment.strategy, RollingUpdate):
        return scale_proportionally(deployment, replica_sets)
    return tuple(replica_sets)
