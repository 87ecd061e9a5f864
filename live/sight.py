"""What the cluster tells of a trial's pods and Deployments, folded into what a release and a record want.

No clock and no API in here: changes come with the time at which they were received, in seconds of the trial.
A pod is in rotation from its Ready condition to its deletion, as the EndpointSlice has it a few ms later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from live.objects import POOL, VERSION
from scenarios.observe import PoolSeen
from scenarios.plan import CANDIDATE, STABLE, Pool
from scenarios.record import PodEvent, Pods

Object = Mapping[str, Any]
NUMBER = {STABLE: 0, CANDIDATE: 1}


@dataclass(slots=True)
class SeenPod:
    """A pod as last seen; times in seconds of the trial."""

    name: str
    pool: Pool
    version: str
    number: int
    ready_since: float | None = None
    terminating: bool = False
    gone: bool = False
    restarts: int = 0
    waiting: str = ""

    @property
    def exists(self) -> bool:
        """Counted by its pool: neither going nor gone."""
        return not (self.terminating or self.gone)


@dataclass(slots=True)
class Wanted:
    """A Deployment as last seen."""

    replicas: int
    version: str
    generation: int
    overdue: bool = False


@dataclass
class Sight:
    """The fold. `pod` and `deployment` take changes, the rest asks."""

    pools: tuple[Pool, ...]
    pods: dict[str, SeenPod] = field(default_factory=dict)
    wanted: dict[Pool, Wanted] = field(default_factory=dict)
    events: list[tuple[float, int, PodEvent]] = field(default_factory=list)
    _own: dict[Pool, set[int]] = field(default_factory=dict)
    _removed: list[Pool] = field(default_factory=list)

    # --- what is told ----------------------------------------------------------------------------

    def pod(self, kind: str, seen: Object, t: float) -> bool:
        """A pod was added, modified or deleted; whether that matters to anyone."""
        before = len(self.events)
        uid, labels = str(seen["metadata"]["uid"]), seen["metadata"].get("labels") or {}
        if labels.get(POOL) not in self.pools or labels.get(VERSION) not in NUMBER:
            return False
        if uid not in self.pods:
            name = str(seen["metadata"]["name"])
            self.pods[uid] = SeenPod(name, labels[POOL], labels[VERSION], len(self.pods))
            self._happened(t, self.pods[uid], PodEvent.CREATED)
        self._follow(self.pods[uid], kind, seen, t)
        return len(self.events) > before

    def _follow(self, pod: SeenPod, kind: str, seen: Object, t: float) -> None:
        if pod.gone:
            return
        status = seen.get("status") or {}
        restarts = sum(int(c.get("restartCount", 0)) for c in status.get("containerStatuses") or ())
        pod.waiting = _why_waiting(status)
        if not seen["metadata"].get("deletionTimestamp"):
            self._count_crashes(pod, status, restarts, t)
        elif not pod.terminating:
            pod.terminating = True
            self._happened(t, pod, PodEvent.DELETED)
            self._turn(pod, None, t)
        if not pod.terminating:
            self._turn(pod, t if _ready(status) else None, t)
        if kind == "deleted":
            self._turn(pod, None, t)
            if not pod.terminating:
                self._happened(t, pod, PodEvent.DELETED)
            pod.gone = True
            self._happened(t, pod, PodEvent.GONE)

    def _count_crashes(self, pod: SeenPod, status: Object, restarts: int, t: float) -> None:
        """An exit is seen before the restart is counted, or only the restart is."""
        if _exited(status) and restarts >= pod.restarts:
            self._happened(t, pod, PodEvent.CRASHED)
            pod.restarts = restarts + 1
        elif restarts > pod.restarts:
            self._happened(t, pod, PodEvent.CRASHED)
            pod.restarts = restarts

    def _turn(self, pod: SeenPod, ready_since: float | None, t: float) -> None:
        if (pod.ready_since is None) == (ready_since is None):
            return
        pod.ready_since = ready_since
        if ready_since is not None:
            # the process has listened since some moment before; nearer than this it cannot be seen from here
            self._happened(t, pod, PodEvent.LISTENING)
        self._happened(t, pod, PodEvent.IN if ready_since is not None else PodEvent.OUT)

    def _happened(self, t: float, pod: SeenPod, event: PodEvent) -> None:
        self.events.append((t, pod.number, event))

    def deployment(self, seen: Object) -> bool:
        """A Deployment changed; whether that matters. A generation that nobody here asked for is noted."""
        name, generation = str(seen["metadata"]["name"]), int(seen["metadata"]["generation"])
        if name not in self.pools:
            return False
        before = self.wanted.get(name)
        if before is not None and generation < before.generation:
            return False  # older than what an answer to a write has told already
        spec, status = seen["spec"], seen.get("status") or {}
        now = Wanted(
            int(spec["replicas"]),
            str(spec["template"]["metadata"]["labels"][VERSION]),
            generation,
            _overdue(status, generation),
        )
        self.wanted[name] = now
        self._own.setdefault(name, {generation})
        return now != before

    def wrote(self, answer: Object) -> None:
        """The API server's answer to a write of this trial's own to a Deployment."""
        name, generation = str(answer["metadata"]["name"]), int(answer["metadata"]["generation"])
        self._own.setdefault(name, set()).add(generation)
        self.deployment(answer)

    def removed(self, seen: Object) -> None:
        """A Deployment is gone, which no release deletes: somebody cleaned up while it went on."""
        self._removed.append(str(seen["metadata"]["name"]))

    @property
    def meddled(self) -> list[str]:
        """What somebody else changed: generations of Deployments between the first seen and the last that no
        write of this trial led to. To be asked when all writes are answered: news may overtake an answer.
        """
        found = [f"Deployment {name} was deleted by somebody else" for name in self._removed]
        for name, own in self._own.items():
            strange = set(range(min(own), self.wanted[name].generation + 1)) - own
            if strange:
                which = ", ".join(map(str, sorted(strange)))
                found.append(f"Deployment {name} was changed by somebody else (generation {which})")
        return found

    # --- what is asked ---------------------------------------------------------------------------

    def pool(self, name: Pool, t: float, min_ready: Mapping[str, float]) -> PoolSeen | None:
        """The pool as a release sees it at `t`; None if it does not exist."""
        wanted = self.wanted.get(name)
        if wanted is None:
            return None
        mine = [pod for pod in self.pods.values() if pod.pool == name]
        counts = {version: _counted(mine, version, t, min_ready[version]) for version in NUMBER}
        terminating = sum(pod.terminating and not pod.gone for pod in mine)
        seen = {version: found for version, found in counts.items() if found[0]}
        return PoolSeen(wanted.replicas, wanted.version, seen, terminating, wanted.overdue)

    def ready(self, pools: Iterable[Pool]) -> list[SeenPod]:
        """The ready pods of these pools."""
        wanted = set(pools)
        return [p for p in self.pods.values() if p.pool in wanted and p.exists and p.ready_since is not None]

    def history(self, start: float, horizon: float) -> Pods:
        """All pods and their events up to the horizon, as a record has them; before `start` is at `start`."""
        told = sorted(
            ((max(t, start), pod, kind) for t, pod, kind in self.events if t <= horizon),
            key=lambda event: event[0],
        )
        numbered = sorted(self.pods.values(), key=lambda pod: pod.number)
        return Pods(
            self.pools,
            np.array([self.pools.index(pod.pool) for pod in numbered], np.int32),
            np.array([NUMBER[pod.version] for pod in numbered], np.int32),
            np.array([round(t * 1e9) for t, _, _ in told], np.int64),
            np.array([pod for _, pod, _ in told], np.int32),
            np.array([int(kind) for _, _, kind in told], np.int32),
        )


def _counted(pods: list[SeenPod], version: str, t: float, min_ready: float) -> tuple[int, int, int]:
    """(existing, ready, available) of a version."""
    mine = [pod for pod in pods if pod.version == version and pod.exists]
    since = [pod.ready_since for pod in mine if pod.ready_since is not None]
    return len(mine), len(since), sum(t - ready >= min_ready for ready in since)


def _ready(status: Object) -> bool:
    conditions = status.get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _exited(status: Object) -> bool:
    states = (c.get("state") or {} for c in status.get("containerStatuses") or ())
    return any("terminated" in state for state in states)


def _why_waiting(status: Object) -> str:
    states = (c.get("state") or {} for c in status.get("containerStatuses") or ())
    return next((str(s["waiting"].get("reason", "")) for s in states if "waiting" in s), "")


def _overdue(status: Object, generation: int) -> bool:
    if int(status.get("observedGeneration", 0)) < generation:
        return False
    conditions = status.get("conditions") or ()
    return any(
        c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded" for c in conditions
    )
