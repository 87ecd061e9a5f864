"""What a Deployment asks for: its values, and how surge and unavailable resolve to numbers of pods.

Pure. Follows kubernetes/kubernetes `pkg/controller/deployment/util/deployment_util.go` (277391ee) and
apimachinery `pkg/util/intstr` (GetScaledValueFromIntOrPercent). Names in brackets are upstream's.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from scenarios.semantics.replica_set import ReplicaSet, oldest_first

IntOrPercent = int | str
"""A number of pods, or a percentage of the Deployment's replicas such as "25%"."""


class FencepostError(ValueError):
    """A surge or unavailable value that is neither a number of pods nor a percentage."""


def resolve(value: IntOrPercent, desired: int, *, round_up: bool) -> int:
    """`value` as a number of pods [GetScaledValueFromIntOrPercent]; an int is one already."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]+%", value):
        scaled = int(value[:-1]) * desired
        return -(-scaled // 100) if round_up else scaled // 100
    raise FencepostError(f'expected a number of pods or a percentage such as "25%", got {value!r}')


@lru_cache(maxsize=1024, typed=True)  # True is not 1 here
def resolve_fenceposts(
    max_surge: IntOrPercent, max_unavailable: IntOrPercent, desired: int
) -> tuple[int, int]:
    """(surge, unavailable) in pods [ResolveFenceposts]: a percentage rounds up and down, respectively.

    0 and 0 becomes 0 and 1, or the rollout could not move: surge might be what a quota forbids. Neither is
    capped at `desired`; `max_unavailable` does that. Raises FencepostError.
    """
    surge = resolve(max_surge, desired, round_up=True)
    unavailable = resolve(max_unavailable, desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


@dataclass(frozen=True, slots=True)
class RollingUpdate:
    """Replace pods in steps. Defaults are those of apps/v1; a percentage is of the Deployment's replicas."""

    surge: IntOrPercent = "25%"
    unavailable: IntOrPercent = "25%"

    def __post_init__(self) -> None:
        resolve_fenceposts(self.surge, self.unavailable, 1)


@dataclass(frozen=True, slots=True)
class Recreate:
    """Remove every old pod, wait until the last is gone, then create the new ones."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is wanted. `version` stands for the pod template: the ReplicaSet of that version is the new one.

    `min_ready` and `progress_deadline` are seconds; a deadline of None never passes. The deadline must
    exceed `min_ready`, as the API server demands.
    """

    version: str
    replicas: int = 1
    strategy: RollingUpdate | Recreate = field(default_factory=RollingUpdate)
    paused: bool = False
    min_ready: float = 0.0
    progress_deadline: float | None = 600.0

    def __post_init__(self) -> None:
        if self.replicas < 0:
            raise ValueError(f"replicas must not be negative, got {self.replicas}")
        if self.progress_deadline is not None and self.progress_deadline <= self.min_ready:
            raise ValueError(
                f"progress_deadline ({self.progress_deadline} s) must exceed min_ready ({self.min_ready} s)"
            )


def max_surge(deployment: Deployment) -> int:
    """Pods allowed above n [MaxSurge]; 0 unless rolling."""
    match deployment.strategy:
        case RollingUpdate(surge, unavailable):
            return resolve_fenceposts(surge, unavailable, deployment.replicas)[0]
        case Recreate():
            return 0


def max_unavailable(deployment: Deployment) -> int:
    """Pods that may be missing from n [MaxUnavailable]: never more than n; 0 for n = 0 and unless rolling."""
    match deployment.strategy:
        case RollingUpdate(surge, unavailable):
            resolved = resolve_fenceposts(surge, unavailable, deployment.replicas)[1]
            return min(resolved, deployment.replicas)
        case Recreate():
            return 0


def min_available(deployment: Deployment) -> int:
    """Pods a rolling update keeps available [MinAvailable]; 0 unless rolling."""
    if isinstance(deployment.strategy, Recreate):
        return 0
    return deployment.replicas - max_unavailable(deployment)


def resized(rs: ReplicaSet, size: int, deployment: Deployment) -> ReplicaSet:
    """`rs` at `size`, annotated for the present n; left alone if it has that size [scaleReplicaSet]."""
    if rs.spec == size:
        return rs
    limit = deployment.replicas + max_surge(deployment)
    return replace(rs, spec=size, desired=deployment.replicas, max_replicas=limit)


def find_new(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the wanted version, the oldest if several [FindNewReplicaSet]."""
    return next((rs for rs in oldest_first(replica_sets) if rs.version == deployment.version), None)


def updated(replica_sets: Sequence[ReplicaSet], changed: Iterable[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    """`replica_sets` in their order, with those that `changed` holds newer values of."""
    newer = {(rs.version, rs.created_order): rs for rs in changed}
    return tuple(newer.get((rs.version, rs.created_order), rs) for rs in replica_sets)
