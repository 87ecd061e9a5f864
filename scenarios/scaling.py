"""HorizontalPodAutoscalers and PodDisruptionBudgets of a manifest as facts.

Reads nodes that came from outside: every number is bounded, and what cannot be used is said with its line.
"""

import re
from dataclasses import dataclass

from scenarios.deployments import MAX_REPLICAS
from scenarios.document import Scalar, Segment
from scenarios.errors import Problem
from scenarios.look import Fact, Look, where


@dataclass(frozen=True, slots=True)
class HorizontalPodAutoscaler:
    """Bounds, and the wanted utilisation of the CPU in percent of what pods request, if it says one."""

    name: str
    namespace: str
    where: str
    target: str
    least: Fact
    most: Fact
    utilisation: Fact | None
    stabilization: Fact
    others: tuple[str, ...]
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return f"HorizontalPodAutoscaler/{self.name}"


@dataclass(frozen=True, slots=True)
class PodDisruptionBudget:
    """Pods that must stay, or may be away, at an eviction; exactly one of the two."""

    name: str
    namespace: str
    where: str
    selector: dict[str, str]
    min_available: Fact | None
    max_unavailable: Fact | None
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return f"PodDisruptionBudget/{self.name}"


def read_autoscaler(look: Look) -> HorizontalPodAutoscaler | None:
    """The autoscaler that `look` looks into, with its problems; None where it scales no Deployment."""
    target = look.said("spec", "scaleTargetRef", "name")
    if not target or look.said("spec", "scaleTargetRef", "kind") != "Deployment":
        return None
    least, most = _bounds(look)
    utilisation, others = _metrics(look)
    window = ("spec", "behavior", "scaleDown", "stabilizationWindowSeconds")
    return HorizontalPodAutoscaler(
        name=look.said("metadata", "name") or "unnamed",
        namespace=look.said("metadata", "namespace"),
        where=where(look.root),
        target=target,
        least=least,
        most=most,
        utilisation=utilisation,
        stabilization=look.whole(window, 300, 3600),
        others=others,
        problems=tuple(look.problems),
    )


def read_budget(look: Look) -> PodDisruptionBudget | None:
    """The budget that `look` looks into, with its problems; None where a scenario cannot use it."""
    selector = look.labels("spec", "selector", "matchLabels")
    least = _count_or_share(look, ("spec", "minAvailable"))
    most = _count_or_share(look, ("spec", "maxUnavailable"))
    node = look.at("spec", "maxUnavailable")
    if node is not None and look.at("spec", "minAvailable") is not None:
        look.problem(("spec", "maxUnavailable"), node, "minAvailable is set too; expected one of the two")
    expressions = look.at("spec", "selector", "matchExpressions")
    if expressions is not None or not selector or not (least or most or look.problems):
        return None
    return PodDisruptionBudget(
        name=look.said("metadata", "name") or "unnamed",
        namespace=look.said("metadata", "namespace"),
        where=where(look.root),
        selector=selector,
        min_available=least,
        max_unavailable=most,
        problems=tuple(look.problems),
    )


def _bounds(look: Look) -> tuple[Fact, Fact]:
    """minReplicas (1 unless said) and maxReplicas, which Kubernetes wants to be said."""
    least = look.whole(("spec", "minReplicas"), 1, MAX_REPLICAS, zero=False)
    most = look.whole(("spec", "maxReplicas"), 0, MAX_REPLICAS)
    if not look.problems and int(most.value) < int(least.value):
        node = look.at("spec", "maxReplicas") or look.root
        look.problem(("spec", "maxReplicas"), node, f"expected {least.value} or more")
    return least, most


def _metrics(look: Look) -> tuple[Fact | None, tuple[str, ...]]:
    """The CPU's wanted utilisation (autoscaling/v1 or v2), and what else it scales by."""
    if look.at("spec", "targetCPUUtilizationPercentage") is not None:
        return look.whole(("spec", "targetCPUUtilizationPercentage"), 80, 10_000, zero=False), ()
    utilisation, others = None, []
    for path in look.each("spec", "metrics"):
        name = look.said(*path, "resource", "name")
        wanted: tuple[Segment, ...] = (*path, "resource", "target", "averageUtilization")
        if name == "cpu" and look.at(*wanted) is not None:
            utilisation = look.whole(wanted, 80, 10_000, zero=False)
        else:
            others.append(name or look.said(*path, "type") or "a metric")
    return utilisation, tuple(others)


def _count_or_share(look: Look, path: tuple[Segment, ...]) -> Fact | None:
    node = look.at(*path)
    value = node.value if isinstance(node, Scalar) else None
    if node is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_REPLICAS:
        return Fact(value, where(node))
    match = re.fullmatch(r"0*(\d{1,3})%", value) if isinstance(value, str) else None
    if match and int(match[1]) <= 100:
        return Fact(f"{int(match[1])}%", where(node))
    look.problem(path, node, "expected a count of pods such as 1, or a percentage such as 50%")
    return None
