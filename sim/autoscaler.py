"""The HorizontalPodAutoscaler of one pool, on its own events: it samples the pods and sets replicas.

What it decides is in `scenarios.semantics.autoscaler`; what the release sets meanwhile, it overrules.
"""

import math
from collections.abc import Callable

from scenarios.cluster import Autoscaler as Wanted
from scenarios.draws import Purpose, u
from scenarios.semantics.autoscaler import Bounds, Memory, Pod, decided, grouped
from sim import pods as life
from sim.clock import SECOND, Clock, Order, nanoseconds
from sim.controllers import PoolController
from sim.requests import Requests


def bounds_of(wanted: Wanted, share: float) -> Bounds:
    """The bounds for a Deployment that runs this share of the service's pods."""
    least = max(1, math.ceil(wanted.min * share))
    most = max(least, math.floor(wanted.max * share))
    numbers = (wanted.target, wanted.tolerance, wanted.stabilization)
    return Bounds(least, most, *(float(number) for number in numbers))


class Autoscaler:
    """Syncs every so often, from a phase of its own on; a pod counts once it was sampled twice."""

    def __init__(
        self,
        wanted: Wanted,
        bounds: Bounds,
        pool: PoolController,
        slots: int,
        clock: Clock,
        requests: Requests,
        changed: Callable[[], None],
    ) -> None:
        self.bounds, self.pool, self.slots = bounds, pool, slots
        self.clock, self.requests, self._changed = clock, requests, changed
        self.every = nanoseconds(wanted.every)
        self.memory = Memory()
        self.sampled_at = clock.now
        self.worked: dict[int, tuple[int, float]] = {}  # by pod: its slot and lane-seconds when last sampled

    def start(self, place: int) -> None:
        """The first sync comes within a period, by the pool's place among the pools; it has no metric yet."""
        phase = int(u(self.pool.seed, Purpose.AUTOSCALER, place) * self.every)
        self.clock.after(phase, Order.CONTROLLER, self._sync)

    def _sync(self) -> None:
        now, window = self.clock.seconds, (self.clock.now - self.sampled_at) / SECOND
        usages = self._sample()
        pods = [_seen(pod, usages.get(pod.number)) for pod in self.pool.pods if not pod.terminating]
        current = self.pool.deployment.replicas
        wanted, self.memory = decided(current, grouped(pods, now, window), self.bounds, self.memory, now)
        if wanted != current:
            self.pool.change(replicas=wanted)
            self._changed()
        self.clock.after(self.every, Order.CONTROLLER, self._sync)

    def _sample(self) -> dict[int, float]:
        """The share of each pod's slots that was busy since the last sample, where there was one."""
        self.requests.advance(self.clock.seconds)
        span, before = (self.clock.now - self.sampled_at) / SECOND * self.slots, self.worked
        pods = [pod for pod in self.pool.pods if pod.slot >= 0 and not pod.gone]
        self.worked = {
            pod.number: (pod.slot, self.requests.busy(pod.slot, self.clock.seconds)) for pod in pods
        }
        self.sampled_at = self.clock.now
        return {
            number: (worked - before[number][1]) / span
            for number, (slot, worked) in self.worked.items()
            if number in before and before[number][0] == slot
        }


def _seen(pod: life.Pod, usage: float | None) -> Pod:
    started, turned = pod.created_at / SECOND, pod.turned_at / SECOND
    return Pod(started, turned, pod.ready, pod.starts == 0, usage)
