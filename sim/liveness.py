"""A pod's liveness probe: the kubelet's worker asks every period, and restarts what fails too often.

A probe is a request like others: it waits for a free lane. When it asks is decided in `semantics.kubelet`.
"""

from collections.abc import Callable
from typing import Protocol

from scenarios.semantics.kubelet import Run, next_probe, probes
from scenarios.version import Pods as PodSettings
from scenarios.version import Probe
from sim.clock import SECOND, Clock, nanoseconds
from sim.requests import Requests


class Settings(Protocol):
    """What the pods of a version share."""

    @property
    def settings(self) -> PodSettings:
        """How they are probed."""


class Probed(Protocol):
    """What the worker knows of its pod, and may ask of it."""

    clock: Clock
    requests: Requests
    slot: int
    starts: int
    running_since: int | None
    listening: bool
    terminating: bool

    @property
    def kit(self) -> Settings:
        """What the pods of its version share."""

    def later(self, when: int, then: Callable[[], None]) -> None:
        """Do it then, unless the node has lost power by that time."""

    def restart(self) -> None:
        """Stop the container and start it again."""


class Liveness:
    """The worker of one pod."""

    __slots__ = ("container", "pod", "probe", "run", "since")

    def __init__(self, pod: Probed, probe: Probe) -> None:
        self.pod, self.probe = pod, probe
        self.since = 0
        self.container = 0  # number of the start it watches; 0 while it is on hold
        self.run = Run()

    @staticmethod
    def of(pod: Probed) -> "Liveness | None":
        """The pod's worker, if its settings have such a probe."""
        probe = pod.kit.settings.liveness
        return Liveness(pod, probe) if isinstance(probe, Probe) else None

    @property
    def period(self) -> int:
        """Nanoseconds from tick to tick."""
        return nanoseconds(self.probe.period)

    def tick_since(self, when: int) -> None:
        """The pod came to the node at `when`: the worker's ticks count from there."""
        self.since = when
        now = self.pod.clock.now
        self.pod.later(next_probe(when, now, now, self.period), self._tick)

    def running(self, start: int) -> None:
        """The kubelet sees this container running: it is probed from now on."""
        self.container = start

    def _tick(self) -> None:
        if self.pod.terminating:
            return  # the worker ends with the pod's deletion
        now = self.pod.clock.now
        if not self._probes(now):
            self.pod.later(next_probe(self.since, now, now, self.period), self._tick)
            return
        watched = self.container
        success, takes = self._ask()
        self.pod.later(now + takes, lambda: self._answered(now, watched, success))

    def _probes(self, now: int) -> bool:
        begun = self.pod.running_since
        if begun is None or self.container != self.pod.starts:
            return False
        return probes(now, begun, nanoseconds(self.probe.initial_delay))

    def _ask(self) -> tuple[bool, int]:
        """Whether it answers in time, and after how long that is known."""
        if not self.pod.listening:
            return False, 0  # refused
        self.pod.requests.advance(self.pod.clock.seconds)
        wait = self.pod.requests.delay(self.pod.slot, self.pod.clock.seconds)
        if wait <= self.probe.timeout:
            return True, round(wait * SECOND)
        return False, nanoseconds(self.probe.timeout) if wait < float("inf") else 0  # 503 comes at once

    def _answered(self, asked: int, watched: int, success: bool) -> None:
        pod = self.pod
        if watched == self.container == pod.starts:
            self.run = self.run.after(success)
            if self.run.restarts(self.probe.failure):
                self.container, self.run = 0, Run()  # on hold until it sees a new container
                pod.restart()
        pod.later(next_probe(self.since, asked, pod.clock.now, self.period), self._tick)
