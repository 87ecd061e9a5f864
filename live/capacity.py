"""How much room a cluster has for pods, and how much a release takes at its largest. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from live.objects import Image, Made, template
from scenarios.plan import STABLE, Plan, Scale, SetVersion, Stage
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import RollingUpdate, resolve_fenceposts

_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d{1,2})|([A-Za-z]{0,2}))")
_TIMES = {"": Fraction(1), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)}
_TIMES |= {unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)}
_TIMES |= {f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)}
_OVER = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Room:
    """Pods, cores and bytes."""

    pods: int = 0
    cpu: float = 0.0
    memory: float = 0.0

    def __add__(self, other: "Room") -> "Room":
        return Room(self.pods + other.pods, self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: "Room") -> "Room":
        return Room(self.pods - other.pods, self.cpu - other.cpu, self.memory - other.memory)

    def __mul__(self, pods: int) -> "Room":
        return Room(self.pods * pods, self.cpu * pods, self.memory * pods)

    def short_of(self, wanted: "Room") -> list[str]:
        """What there is less of than wanted."""
        return [key for key in ("pods", "cpu", "memory") if getattr(self, key) < getattr(wanted, key)]


def quantity(text: object) -> float:
    """A Kubernetes quantity such as 100m, 2 or 64Mi as a number; 0 for one that is none."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None or (found[3] or "") not in _TIMES:
        return 0.0
    return float(Fraction(found[1] + (found[2] or "")) * _TIMES[found[3] or ""])


def ready(node: Mapping[str, Any]) -> bool:
    """Whether a node takes pods: it is ready, and neither cordoned nor tainted against ordinary pods."""
    conditions = node.get("status", {}).get("conditions") or ()
    taints = node.get("spec", {}).get("taints") or ()
    return (
        any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        and not node.get("spec", {}).get("unschedulable")
        and not any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in taints)
    )


def free(nodes: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]) -> Room:
    """What is left on the nodes that take pods, by the requests of the pods that are on them."""
    there = {node["metadata"]["name"]: node for node in nodes if ready(node)}
    room = sum((_allocatable(node) for node in there.values()), Room())
    used = (
        _requested(pod)
        for pod in pods
        if pod.get("spec", {}).get("nodeName") in there and pod.get("status", {}).get("phase") not in _OVER
    )
    return room - sum(used, Room())


def largest(scenario: Scenario, strategies: Iterable[str], image: Image) -> Room:
    """What the largest of these strategies takes at most, by the requests of the pods as they are made."""
    return max((_takes(scenario, name, image) for name in strategies), key=lambda room: room.pods)


def _takes(scenario: Scenario, strategy: str, image: Image) -> Room:
    plan = scenario.plan(strategy)
    made = Made(scenario, next(iter(scenario.variants)), plan, scenario.routers[plan.via], image)
    pods = (_requested(template(made, pool, STABLE)) for pool in plan.pools)
    return max(pods, key=lambda room: room.cpu) * most_pods(plan)


def most_pods(plan: Plan) -> int:
    """The most pods that a plan asks for at once, surge and ways back included, those that end left out."""
    return _most(plan.stages, dict(plan.start))


def _most(stages: Iterable[Stage], sizes: dict[str, int]) -> int:
    most = sum(sizes.values())
    for stage in stages:
        before, surge = dict(sizes), 0
        for timed in stage.enter:
            match timed.action:
                case Scale(pool, pods):
                    sizes = sizes | {pool: pods}
                case SetVersion(pool, _, RollingUpdate(up, down)):
                    surge += resolve_fenceposts(up, down, sizes.get(pool, 0))[0]
        both = sum(max(before.get(pool, 0), sizes.get(pool, 0)) for pool in before.keys() | sizes.keys())
        most = max(most, both + surge, _most(stage.undo, sizes))
    return most


def _allocatable(node: Mapping[str, Any]) -> Room:
    there = node.get("status", {}).get("allocatable") or {}
    return Room(int(quantity(there.get("pods"))), quantity(there.get("cpu")), quantity(there.get("memory")))


def _requested(pod: Mapping[str, Any]) -> Room:
    asked = [each.get("resources", {}).get("requests") or {} for each in pod["spec"].get("containers", ())]
    cpu, memory = (sum(quantity(one.get(key, "0")) for one in asked) for key in ("cpu", "memory"))
    return Room(1, cpu, memory)
