"""One Kubernetes Deployment as facts: what it states, where it stands, and apps/v1's defaults for the rest.

Reads nodes that came from outside: every number is bounded, nothing is executed, templates are refused.
"""

import re
from dataclasses import dataclass

from scenarios.document import Items, Mapping, Scalar, Segment
from scenarios.errors import harmless, shown
from scenarios.look import Fact, Look, template, where
from scenarios.units import CountOrShare

WEEK = 7 * 86400
MAX_REPLICAS = 10_000


@dataclass(frozen=True, slots=True)
class Probe:
    """A readiness or liveness probe's five numbers, in seconds and counts, whatever it asks and how."""

    initial_delay: Fact
    period: Fact
    timeout: Fact
    success: Fact
    failure: Fact


@dataclass(frozen=True, slots=True)
class PreStop:
    """What runs before SIGTERM: seconds of sleep if that is what it is, and a remark if it is not all."""

    sleep: Fact
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a scenario can use of a Deployment. Durations are seconds; surge and unavailable as written."""

    name: str
    namespace: str
    where: str
    labels: dict[str, str]
    image: Fact | None
    replicas: Fact
    recreate: Fact | None
    max_surge: Fact
    max_unavailable: Fact
    min_ready: Fact
    progress_deadline: Fact
    grace: Fact
    readiness: Probe | None
    liveness: Probe | None
    pre_stop: PreStop
    left_alone: tuple[str, ...]

    def __str__(self) -> str:
        return f"Deployment/{self.name}"


def read_deployment(look: Look) -> Deployment:
    """The Deployment that `look` looks into; its problems are noted there."""
    name = look.text(("metadata", "name"))
    if name is None and look.at("metadata", "name") is None:
        look.problem(("metadata", "name"), look.root, "is required")
    namespace = look.text(("metadata", "namespace"))
    labels = {
        **look.labels("metadata", "labels"),
        **look.labels("spec", "template", "metadata", "labels"),
    }
    container = _container(look)
    surge, unavailable, recreate = _strategy(look)
    min_ready, deadline = _times(look)
    return Deployment(
        name=str(name.value) if name else "unnamed",
        namespace=str(namespace.value) if namespace else "",
        where=where(look.root),
        labels=labels,
        image=look.text((*container, "image"), 500),
        replicas=look.whole(("spec", "replicas"), 1, MAX_REPLICAS),
        recreate=recreate,
        max_surge=surge,
        max_unavailable=unavailable,
        min_ready=min_ready,
        progress_deadline=deadline,
        grace=look.whole(("spec", "template", "spec", "terminationGracePeriodSeconds"), 30, WEEK),
        readiness=_probe(look, (*container, "readinessProbe")),
        liveness=_liveness(look, (*container, "livenessProbe")),
        pre_stop=_pre_stop(look, (*container, "lifecycle", "preStop")),
        left_alone=_left_alone(look, container),
    )


_POD: tuple[Segment, ...] = ("spec", "template", "spec")


def _container(look: Look) -> tuple[Segment, ...]:
    """The path of the container that counts: the default container, or the first."""
    containers = look.at(*_POD, "containers")
    if not isinstance(containers, Items) or not containers.items:
        look.problem((*_POD, "containers"), containers or look.root, "expected a list with a container")
        return (*_POD, "containers", 0)
    annotations = look.labels("spec", "template", "metadata", "annotations")
    wanted = annotations.get("kubectl.kubernetes.io/default-container")
    for index in range(len(containers.items)):
        node = look.at(*_POD, "containers", index, "name")
        if wanted and isinstance(node, Scalar) and node.value == wanted:
            return (*_POD, "containers", index)
    return (*_POD, "containers", 0)


def _times(look: Look) -> tuple[Fact, Fact]:
    """minReadySeconds and progressDeadlineSeconds; Kubernetes wants the second to be longer."""
    min_ready = look.whole(("spec", "minReadySeconds"), 0, WEEK)
    deadline = look.whole(("spec", "progressDeadlineSeconds"), 600, WEEK, zero=False)
    node = look.at("spec", "minReadySeconds")
    if node is not None and int(min_ready.value) >= int(deadline.value):
        look.problem(
            ("spec", "minReadySeconds"), node, f"progressDeadlineSeconds ({deadline.value}) must be longer"
        )
    return min_ready, deadline


def _strategy(look: Look) -> tuple[Fact, Fact, Fact | None]:
    """Surge, unavailable, and whether it is Recreate."""
    path: tuple[Segment, ...] = ("spec", "strategy")
    kind = look.at(*path, "type")
    value = kind.value if isinstance(kind, Scalar) else "RollingUpdate"
    if kind is not None and value not in ("RollingUpdate", "Recreate"):
        look.problem((*path, "type"), kind, "expected RollingUpdate or Recreate")
    surge = _count_or_share(look, (*path, "rollingUpdate", "maxSurge"))
    unavailable = _count_or_share(look, (*path, "rollingUpdate", "maxUnavailable"))
    rolling = look.at(*path, "rollingUpdate")
    if rolling is not None and surge.value in (0, "0%") and unavailable.value in (0, "0%"):
        look.problem((*path, "rollingUpdate"), rolling, "maxSurge and maxUnavailable are both 0")
    recreate = Fact("Recreate", where(kind)) if kind is not None and value == "Recreate" else None
    return surge, unavailable, recreate


def _count_or_share(look: Look, path: tuple[Segment, ...]) -> Fact:
    node = look.at(*path)
    if node is None:
        return Fact("25%")
    value: CountOrShare | object = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_REPLICAS:
        return Fact(value, where(node))
    match = re.fullmatch(r"0*(\d{1,3})%", value) if isinstance(value, str) else None
    if match and int(match[1]) <= (100 if path[-1] == "maxUnavailable" else 1000):
        return Fact(f"{int(match[1])}%", where(node))
    look.problem(path, node, "expected a count of pods such as 1, or a percentage such as 25%")
    return Fact("25%")


def _liveness(look: Look, path: tuple[Segment, ...]) -> Probe | None:
    """Kubernetes lets one success be enough for it, and refuses any other number."""
    probe, stated = _probe(look, path), look.at(*path, "successThreshold")
    if probe is not None and stated is not None and probe.success.value != 1:
        look.problem((*path, "successThreshold"), stated, "expected 1 for a liveness probe")
    return probe


def _probe(look: Look, path: tuple[Segment, ...]) -> Probe | None:
    node = look.at(*path)
    if node is None:
        return None
    if not isinstance(node, Mapping):
        look.problem(path, node, "expected keys with values")
        return None
    return Probe(
        look.whole((*path, "initialDelaySeconds"), 0, WEEK),
        look.whole((*path, "periodSeconds"), 10, WEEK, zero=False),
        look.whole((*path, "timeoutSeconds"), 1, WEEK, zero=False),
        look.whole((*path, "successThreshold"), 1, 100, zero=False),
        look.whole((*path, "failureThreshold"), 3, 100, zero=False),
    )


def _pre_stop(look: Look, path: tuple[Segment, ...]) -> PreStop:
    """A sleep action, or a command that sleeps; anything else is of unknown length."""
    node = look.at(*path)
    if node is None:
        return PreStop(Fact(0))
    if look.at(*path, "sleep") is not None:
        return PreStop(look.whole((*path, "sleep", "seconds"), 0, WEEK))
    command = look.at(*path, "exec", "command")
    if not isinstance(command, Items):
        kind = next(iter(look.keys(*path)), "hook")
        return PreStop(Fact(0), f"the preStop hook ({harmless(kind)[:20]}) takes a time nobody states here")
    words = [str(part.value) if isinstance(part, Scalar) else "" for part in command.items]
    text = " ".join(words)[:2000]
    if left := template(text):
        look.problem((*path, "exec", "command"), command, left)
    sleep = re.search(r"(?:^|[\s;&/])sleep\s+(\d{1,6})(?:\.\d+)?s?(?=$|[\s;&])", text)
    if sleep is None:
        return PreStop(Fact(0), f"the preStop hook runs {shown(text)}, which takes a time nobody states here")
    alone = re.fullmatch(r"(?:\S*sh -\w*c )?\S*sleep\s+[\d.]+s?\s*;?", text)
    remark = None if alone else f"the preStop hook does more than sleep: {shown(text)}"
    return PreStop(Fact(min(int(sleep[1]), WEEK), where(command)), remark)


_USED: dict[tuple[Segment, ...], frozenset[str]] = {
    ("spec",): frozenset(
        ["replicas", "selector", "strategy", "template", "minReadySeconds", "progressDeadlineSeconds"]
    ),
    _POD: frozenset({"containers", "terminationGracePeriodSeconds"}),
}
_USED_OF_CONTAINER = frozenset({"name", "image", "readinessProbe", "livenessProbe", "lifecycle", "ports"})


def _left_alone(look: Look, container: tuple[Segment, ...]) -> tuple[str, ...]:
    """Keys that say something a scenario does not use, and the other containers."""
    found = [key for path, used in _USED.items() for key in look.keys(*path) if key not in used]
    found += [key for key in look.keys(*container) if key not in _USED_OF_CONTAINER]
    containers = look.at(*_POD, "containers")
    for index in range(len(containers.items) if isinstance(containers, Items) else 0):
        if (*_POD, "containers", index) != container:
            name = look.at(*_POD, "containers", index, "name")
            found.append(f"container {harmless(str(name.value))[:60] if isinstance(name, Scalar) else index}")
    return tuple(harmless(key)[:80] for key in found)
