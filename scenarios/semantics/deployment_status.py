"""When a rollout counts as moving, done or stuck. Pure: time comes in as seconds since the last progress.

Follows kubernetes/kubernetes `pkg/controller/deployment/util/deployment_util.go` (277391ee) and
`progress.go` (c91999ae). Names in brackets are upstream's. Being stuck is a report only: nothing is rolled
back, and it may complete later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.semantics.deployment_spec import Deployment, find_new
from scenarios.semantics.replica_set import ReplicaSet, total_available, total_created

NO_DEADLINE = 2**31 - 1
"""A progressDeadlineSeconds of MaxInt32 means none [HasProgressDeadline]."""

COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
"""Reasons of the Progressing condition that settle the matter [NewRSAvailableReason, TimedOutReason]."""


@dataclass(frozen=True, slots=True)
class Status:
    """Pods: all (`replicas`), those of the new version (`updated`), and of all those ready and available."""

    replicas: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0


def status(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> Status:
    """The Deployment's status from its ReplicaSets' [calculateStatus]."""
    new = find_new(deployment, replica_sets)
    return Status(
        replicas=total_created(replica_sets),
        updated=new.created if new else 0,
        ready=sum(rs.ready for rs in replica_sets),
        available=total_available(replica_sets),
    )


def is_complete(desired: int, now: Status, *, observed: bool = True) -> bool:
    """Whether all `desired` pods are updated and available and no other exists [DeploymentComplete].

    `observed`: the controller has seen the latest change of the Deployment's spec.
    """
    return observed and now.updated == now.replicas == now.available == desired


def is_progressing(before: Status, after: Status) -> bool:
    """Whether something got better [DeploymentProgressing]: more updated, ready or available pods, or fewer
    old ones.
    """
    return (
        after.updated > before.updated
        or after.replicas - after.updated < before.replicas - before.updated
        or after.ready > before.ready
        or after.available > before.available
    )


def is_polled(deadline: float | None, since_update: float) -> bool:
    """Whether a sync that changes nothing causes the next one at once [requeueStuckDeployment].

    `since_update`: seconds since the Progressing condition was last updated. Upstream asks as much only where
    nothing is complete.
    """
    return deadline is not None and deadline != NO_DEADLINE and deadline - since_update < 1


def has_timed_out(deadline: float | None, since_progress: float | None, reason: str = "") -> bool:
    """Whether the rollout counts as stuck [DeploymentTimedOut]: strictly more than `deadline` s without
    progress.

    `since_progress`: seconds since the Progressing condition was last updated, None if there is no such
    condition (nothing to measure from). `reason`: that condition's; a completed rollout is never late, a
    late one stays late.
    """
    if deadline is None or deadline == NO_DEADLINE or reason == COMPLETE:
        return False
    if reason == TIMED_OUT:
        return True
    return since_progress is not None and since_progress > deadline
