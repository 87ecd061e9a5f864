"""Whether a PodDisruptionBudget lets a pod be evicted, as pure functions of counts.

Follows kubernetes/kubernetes `pkg/controller/disruption/disruption.go` (policy/v1: getExpectedPodCount,
countHealthyPods, updatePdbStatus) and `pkg/registry/core/pod/storage/eviction.go` (Create, canIgnorePDB,
checkAndDecrement) with the default `unhealthyPodEvictionPolicy`; the retry is that of `pkg/drain/drain.go`
(evictPods). Names in brackets are upstream's. A budget is asked by the eviction API alone: a Deployment's own
update, its scaling and a node that died never ask.
"""

from dataclasses import dataclass

from scenarios.semantics.deployment_spec import IntOrPercent, resolve

RETRY = 5.0
"""Seconds after which `kubectl drain` asks again where it was refused."""


@dataclass(frozen=True, slots=True)
class Health:
    """The pods that a budget covers: how many their controllers want, and how many are Ready and stay."""

    expected: int
    healthy: int


def desired_healthy(
    min_available: IntOrPercent | None, max_unavailable: IntOrPercent | None, expected: int
) -> int:
    """Healthy pods that must remain [getExpectedPodCount]; percentages round up, of either key."""
    if max_unavailable is not None:
        return max(expected - resolve(max_unavailable, expected, round_up=True), 0)
    return resolve(min_available or 0, expected, round_up=True)


def may_evict(desired: int, health: Health, *, pending: bool, ready: bool) -> bool:
    """Whether the API evicts this pod now, or answers 429 [EvictionREST.Create].

    A pending pod always; one that runs and is not Ready while enough others are healthy; else only where one
    may be missed.
    """
    if pending:
        return True
    if not ready and health.healthy >= desired > 0:
        return True
    return health.expected > 0 and health.healthy - desired > 0
