"""What a HorizontalPodAutoscaler on a resource's utilisation asks for, as pure functions.

Follows kubernetes/kubernetes `pkg/controller/podautoscaler/replica_calculator.go` (GetResourceReplicas,
groupPods), `metrics/utilization.go` (GetResourceUtilizationRatio) and `horizontal.go` (reconcileAutoscaler,
stabilizeRecommendationWithBehaviors, convertDesiredReplicasWithBehaviorRate) with the behaviour that
`pkg/apis/autoscaling/v2/defaults.go` fills in. Names in brackets are upstream's. Times are seconds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INITIALISING = 300.0
"""So long after a pod's start its samples are doubted [cpuInitializationPeriod]."""

NEVER_READY = 30.0
"""Not Ready since so soon after its start: it was never ready [delayOfInitialReadinessStatus]."""

UP_PODS, UP_FACTOR, UP_PERIOD = 4, 2, 15.0
"""Scale-up by default: 4 pods or 100 % in 15 s, whichever is more; scale-down may remove all at once."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How few and how many pods are allowed, the wanted utilisation, and when a ratio is near enough to 1."""

    least: int
    most: int
    target: float
    tolerance: float
    stabilization: float


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is not being deleted.

    `turned` is when its Ready condition last changed; `usage` is the share of what it asks for that it used
    since the last sample, None if there is no such sample.
    """

    started: float
    turned: float
    ready: bool
    pending: bool
    usage: float | None


@dataclass(frozen=True, slots=True)
class Groups:
    """The usages that count, and how many pods are not ready or have no metric."""

    usages: tuple[float, ...]
    unready: int
    missing: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered between syncs: (when, pods) recommended, and (when, by how many) it rescaled."""

    recommended: tuple[tuple[float, int], ...] = ()
    rescaled: tuple[tuple[float, int], ...] = ()


def grouped(pods: Iterable[Pod], now: float, window: float) -> Groups:
    """Sort the pods into those that count, not ready ones and ones without metric [groupPods]."""
    usages, unready, missing = list[float](), 0, 0
    for pod in pods:
        if pod.pending:
            unready += 1
        elif pod.usage is None:
            missing += 1
        elif _unready(pod, now, window):
            unready += 1
        else:
            usages.append(pod.usage)
    return Groups(tuple(usages), unready, missing)


def _unready(pod: Pod, now: float, window: float) -> bool:
    if now < pod.started + INITIALISING:
        return not pod.ready or now < pod.turned + window
    return not pod.ready and pod.turned < pod.started + NEVER_READY


def ratio(usages: Sequence[float], target: float) -> float:
    """Mean utilisation over the target, both in whole percent [GetResourceUtilizationRatio]."""
    # a mean of exactly 60 % must not become 59 by rounding on the way
    percent = math.floor(100 * math.fsum(usages) / len(usages) + 1e-9)
    return percent / (100 * target)


def proposed(current: int, groups: Groups, target: float, tolerance: float) -> int | None:
    """Pods that the metric asks for [GetResourceReplicas]; None where no pod that counts has one.

    Pods without a metric are taken as fully used before scaling down and as idle before scaling up, pods that
    are not ready as idle before scaling up; neither may turn the direction.
    """
    if not groups.usages:
        return None
    used = ratio(groups.usages, target)
    fill_unready = groups.unready if used > 1 else 0
    if not fill_unready and not groups.missing:
        return current if _near(used, tolerance) else math.ceil(used * len(groups.usages))
    assumed = [1.0 if used < 1 else 0.0] * (groups.missing if used != 1 else 0)
    filled = [*groups.usages, *assumed, *[0.0] * fill_unready]
    again = ratio(filled, target)
    if _near(again, tolerance) or (used - 1) * (again - 1) < 0:
        return current
    wanted = math.ceil(again * len(filled))
    return current if (again - 1) * (wanted - current) < 0 else wanted


def _near(used: float, tolerance: float) -> bool:
    return 1 - tolerance <= used <= 1 + tolerance


def decided(current: int, groups: Groups, bounds: Bounds, memory: Memory, now: float) -> tuple[int, Memory]:
    """The Deployment's new size and what to remember [reconcileAutoscaler].

    0 pods switch it off; a size out of bounds is brought to the bound at once; no metric, no change.
    """
    if current == 0:
        return 0, memory
    memory = memory if memory.recommended else Memory(((now, current),), memory.rescaled)
    if current > bounds.most or current < bounds.least:
        wanted = min(max(current, bounds.least), bounds.most)
    else:
        asked = proposed(current, groups, bounds.target, bounds.tolerance)
        if asked is None:
            return current, memory
        wanted = _stabilized(current, asked, bounds, memory, now)
        wanted = _limited(current, wanted, bounds, memory, now)
        memory = _remembered(memory, asked, bounds, now)
    if wanted == current:
        return current, memory
    return wanted, Memory(memory.recommended, (*memory.rescaled, (now, wanted - current)))


def _stabilized(current: int, asked: int, bounds: Bounds, memory: Memory, now: float) -> int:
    """Up at once; down to the highest of what was recommended in the window."""
    recent = [pods for when, pods in memory.recommended if when > now - bounds.stabilization]
    return min(max(current, asked), max([*recent, asked]))


def _limited(current: int, wanted: int, bounds: Bounds, memory: Memory, now: float) -> int:
    if wanted < current:
        return max(wanted, bounds.least)
    if wanted == current:
        return current
    before = current - sum(by for when, by in memory.rescaled if when > now - UP_PERIOD)
    limit = max(before + UP_PODS, before * UP_FACTOR, current)
    return min(wanted, limit, bounds.most)


def _remembered(memory: Memory, asked: int, bounds: Bounds, now: float) -> Memory:
    recent = tuple(r for r in memory.recommended if r[0] > now - bounds.stabilization)
    rescaled = tuple(r for r in memory.rescaled if r[0] > now - UP_PERIOD)
    return Memory((*recent, (now, asked)), rescaled)
