"""What a rolling update has done by the time that it is paused: its first batch. Pure.

Measured on one node with 10 replicas and 25 %/25 %: paused at once, 3 pods were created and none deleted;
paused after 50 ms, 5 were created and 2 deleted; then as many as replicas + surge stay (docs/timing.md).
"""

from scenarios.semantics.deployment import Deployment, settle
from scenarios.semantics.deployment_spec import RollingUpdate, max_surge
from scenarios.semantics.replica_set import ReplicaSet

FIRST_BATCH = 0.05
"""After so many seconds the controller has sent out all of it."""

OLD, NEW = "old", "new"


def first_batch(update: RollingUpdate, replicas: int, pause_after: float) -> tuple[int, int]:
    """(new, all) pods of an update that is paused so long after it began, once those have started.

    Before `FIRST_BATCH` only the first sync of the controller is surely out: it creates the surge, or what
    there is instead where there is none.
    """
    deployment = Deployment(NEW, replicas, update)
    old = ReplicaSet(
        OLD, 0, spec=replicas, created=replicas, ready=replicas, available=replicas, desired=replicas,
        max_replicas=replicas + max_surge(deployment),
    )  # fmt: skip
    if pause_after < FIRST_BATCH:
        new = min(max_surge(deployment), replicas)
        return new, replicas + new
    sizes = {rs.version: rs.spec for rs in settle(deployment, (old,))}
    return sizes[NEW], sum(sizes.values())
