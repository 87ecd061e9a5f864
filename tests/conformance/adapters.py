"""One adapter per kind of case: from the case's inputs to the figures our functions give for them.

An adapter only translates words; every figure comes from the functions the simulator itself calls. Keys
that a case leaves out, or gives as null, take the value the upstream test would have had. Modules named
`adapters*.py` in this folder are read one by one, each with its own `ADAPTERS`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from scenarios.semantics import deployment as k8s
from scenarios.semantics import kube_proxy, replica_set

Inputs = Mapping[str, Any]
Figures = dict[str, Any]


def given(inputs: Inputs, *keys: str, default: Any = None) -> Any:
    """The first of `keys` that is present and not null."""
    return next((inputs[key] for key in keys if inputs.get(key) is not None), default)


def deployment(inputs: Inputs, **changes: Any) -> k8s.Deployment:
    """The Deployment a case speaks of; its version is "new"."""
    rolling = k8s.RollingUpdate(
        given(inputs, "max_surge", default=0), given(inputs, "max_unavailable", default=0)
    )
    strategy = k8s.Recreate() if given(inputs, "strategy", "strategy_type") == "Recreate" else rolling
    replicas = given(inputs, "deployment_replicas", "replicas", "desired", default=0)
    return k8s.Deployment("new", **{"replicas": replicas, "strategy": strategy, **changes})


def one(inputs: Inputs, which: str, order: int) -> k8s.ReplicaSet:
    """The old or the new ReplicaSet of a case that gives its size and available count."""
    spec = given(inputs, f"{which}_replicas", default=0)
    available = given(inputs, f"{which}_available", default=0)
    return k8s.ReplicaSet(which, order, spec=spec, created=spec, ready=available, available=available)


def fenceposts(inputs: Inputs) -> Figures:
    surge, unavailable = given(inputs, "max_surge", default=0), given(inputs, "max_unavailable", default=0)
    try:
        resolved = k8s.resolve_fenceposts(surge, unavailable, given(inputs, "desired", "replicas", default=0))
    except ValueError:
        # what upstream returns beside its error
        return {"surge": 0, "unavailable": 0, "error": True}
    return {"surge": resolved[0], "unavailable": resolved[1], "error": False}


def limits(inputs: Inputs) -> Figures:
    wanted = deployment(inputs)
    return {
        "surge": k8s.max_surge(wanted),
        "unavailable": k8s.max_unavailable(wanted),
        "min_available": k8s.min_available(wanted),
    }


def new_replicas(inputs: Inputs) -> Figures:
    total, new = given(inputs, "total_pods_all_rs", default=0), given(inputs, "new_rs_replicas", default=0)
    size = k8s.new_replicas(deployment(inputs), total, new)
    return {"new_rs_replicas": size, "new_replicas": size}


def reconcile_new(inputs: Inputs) -> Figures:
    old, new = one(inputs, "old", 0), one(inputs, "new", 1)
    after = k8s.reconcile_new(deployment(inputs), new, [old])
    return {"scaled": after.spec != new.spec, "new_replicas": after.spec, "old_replicas": old.spec}


def reconcile_old(inputs: Inputs) -> Figures:
    old, new = one(inputs, "old", 0), one(inputs, "new", 1)
    (after,) = k8s.reconcile_old(deployment(inputs), new, [old])
    return {"scaled": after.spec != old.spec, "old_replicas": after.spec, "new_replicas": new.spec}


def cleanup_unhealthy(inputs: Inputs) -> Figures:
    size = given(inputs, "old_replicas", default=0)
    available = given(inputs, "old_available", default=size - given(inputs, "unhealthy", default=0))
    old = one({"old_replicas": size, "old_available": available}, "old", 0)
    cleanup = k8s.cleanup_unhealthy(deployment(inputs), [old], given(inputs, "max_cleanup", default=0))
    return {"cleaned_up": cleanup.cleaned_up, "old_replicas": cleanup.old[0].spec}


def scale_down_old(inputs: Inputs) -> Figures:
    old = one(inputs, "old", 0)
    (after,) = k8s.scale_down_old(deployment(inputs), [old])
    return {
        "scaled": after.spec != old.spec,
        "old_replicas": after.spec,
        "scaled_down": old.spec - after.spec,
    }


def proportional_scaling(inputs: Inputs) -> Figures:
    """Annotations tell of the last time a ReplicaSet was sized: at the previous size and surge."""
    previous = given(inputs, "previous_deployment_replicas", "deployment_replicas", default=0)
    overrides = given(inputs, "annotation_overrides_desired", default={})
    earlier = deployment(
        {**inputs, "max_surge": given(inputs, "previous_max_surge", "max_surge", default=0)},
        replicas=previous,
    )

    def sized(row: Inputs, version: str, age_rank: int) -> k8s.ReplicaSet:
        desired = given(row, "desired", "desired_replicas", default=overrides.get(row["name"], previous))
        spec, available = given(row, "replicas", default=0), given(row, "available", default=0)
        return k8s.ReplicaSet(
            version,
            created_order=-given(row, "age_rank", default=age_rank),
            spec=spec,
            created=given(row, "created", "status_replicas", default=spec),
            ready=available,
            available=available,
            desired=desired,
            max_replicas=given(row, "max_replicas", default=desired + k8s.max_surge(earlier)),
        )

    new, old = given(inputs, "new_rs"), given(inputs, "old_rs", default=[])
    before = [sized(row, f"old {row['name']}", rank) for rank, row in enumerate(old, start=1)]
    before += [sized(new, "new", 0)] if new else []
    after = {rs.version: rs.spec for rs in k8s.scale(deployment(inputs), before)}
    sizes = {row["name"]: after[f"old {row['name']}"] for row in old}
    return {"new_rs": after.get("new"), "old_rs": sizes, "total": sum(after.values())}


def status(row: Inputs) -> k8s.Status:
    names = ("updated", "ready", "available")
    counts = {name: given(row, name, f"{name}_replicas", default=0) for name in names}
    return k8s.Status(replicas=given(row, "status_replicas", "replicas", default=0), **counts)


def complete(inputs: Inputs) -> Figures:
    desired = given(inputs, "desired", "deployment_replicas", default=0)
    return {
        "complete": k8s.is_complete(desired, status(inputs), observed=given(inputs, "observed", default=True))
    }


def progressing(inputs: Inputs) -> Figures:
    return {"progressing": k8s.is_progressing(status(inputs["before"]), status(inputs["after"]))}


def timed_out(inputs: Inputs) -> Figures:
    late = k8s.has_timed_out(
        given(inputs, "progress_deadline_seconds"),
        given(inputs, "seconds_since_last_update"),
        given(inputs, "reason", default=""),
    )
    return {"timed_out": late}


def slow_start(inputs: Inputs) -> Figures:
    count, initial = given(inputs, "count", default=0), given(inputs, "initial_batch", default=1)
    run = replica_set.slow_start(count, given(inputs, "successes_before_failure"), initial)
    batches = list(replica_set.slow_start_batches(count, initial))
    return {"successes": run.successes, "error": run.failed, "calls": run.calls, "batches": batches}


def rule_probabilities(inputs: Inputs) -> Figures:
    n = given(inputs, "endpoints", "n", default=0)
    errors = [abs(share - 1 / n) for share in kube_proxy.shares(n)]
    return {
        "rule_probabilities": list(kube_proxy.rule_probabilities(n)),
        "shares": list(kube_proxy.shares(n)),
        "share_each": 1 / n if n else None,
        "max_share_error": max(errors, default=0.0),
    }


ADAPTERS: dict[str, Callable[[Inputs], Figures]] = {
    "ResolveFenceposts": fenceposts,
    "MaxUnavailable": limits,
    "MaxSurge": limits,
    "MinAvailable": limits,
    "new_rs_new_replicas": new_replicas,
    "reconcile_new": reconcile_new,
    "reconcile_old": reconcile_old,
    "cleanup_unhealthy": cleanup_unhealthy,
    "scale_down_old": scale_down_old,
    "proportional_scaling": proportional_scaling,
    "complete": complete,
    "progressing": progressing,
    "timed_out": timed_out,
    "slow_start": slow_start,
    "NewRSNewReplicas": new_replicas,
    "reconcileNewReplicaSet": reconcile_new,
    "reconcileOldReplicaSets": reconcile_old,
    "cleanupUnhealthyReplicas": cleanup_unhealthy,
    "scaleDownOldReplicaSetsForRollingUpdate": scale_down_old,
    "scale": proportional_scaling,
    "DeploymentComplete": complete,
    "DeploymentProgressing": progressing,
    "DeploymentTimedOut": timed_out,
    "slowStartBatch": slow_start,
    "writeServiceToEndpointRules / computeProbability": rule_probabilities,
    "writeServiceToEndpointRules": rule_probabilities,
    "computeProbability": rule_probabilities,
}
