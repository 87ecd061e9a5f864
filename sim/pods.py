"""One pod's life: pending, started, probed, in rotation, crashed and restarted, terminated, gone.

A pod decides nothing about others; it tells its listener what happened. Time is in nanoseconds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scenarios.cluster import Delays
from scenarios.draws import Purpose, draw, u
from scenarios.model import Time
from scenarios.record import PodEvent
from scenarios.semantics.kubelet import ready_at
from scenarios.semantics.replica_set import BACKOFF_CAP, restart_delay
from scenarios.version import Pods as PodSettings
from scenarios.version import Probe, Termination, Version
from sim.clock import SECOND, Clock, Order, nanoseconds
from sim.requests import Requests

RELIST_AT_LEAST = 70_000_000
"""A started container is seen by the kubelet's relist after 0.07 s at the earliest (docs/timing.md)."""

FORGIVEN = 2 * nanoseconds(BACKOFF_CAP)
"""A container that ran for so long before it crashed is restarted at once again."""

LAST_GRACE = 2 * SECOND
"""What the kubelet leaves between SIGTERM and SIGKILL even where preStop used up the grace period."""


def after_sigterm(ends: Termination) -> float:
    """Seconds that a process has from SIGTERM to SIGKILL."""
    hook = min(ends.pre_stop, ends.grace)
    return max(ends.grace, hook + LAST_GRACE / SECOND) - hook


@dataclass(frozen=True, slots=True)
class Kit:
    """What all pods of one version share."""

    seed: int
    index: int
    version: Version
    settings: PodSettings
    delays: Delays
    nodes: int = 1


class Listener(Protocol):
    """Whom a pod tells."""

    def happened(self, pod: "Pod", event: PodEvent) -> None:
        """One of the events that records keep."""

    def address_appeared(self, pod: "Pod") -> None:
        """The pod got an address and stands in the EndpointSlice, not ready."""

    def changed(self, pod: "Pod") -> None:
        """Readiness turned, or the pod is going or gone."""


class Pod:
    """A pod of a pool, from creation to gone."""

    __slots__ = (
        "addressed",
        "available_since",
        "backoffs",
        "clock",
        "created_at",
        "gone",
        "kit",
        "listener",
        "number",
        "ordinal",
        "pool",
        "ready_since",
        "requests",
        "restarts",
        "running_since",
        "slot",
        "started",
        "starts",
        "terminating",
    )

    def __init__(
        self,
        pool: str,
        kit: Kit,
        number: int,
        ordinal: int,
        clock: Clock,
        requests: Requests,
        listener: Listener,
    ) -> None:
        self.pool, self.kit, self.number, self.ordinal = pool, kit, number, ordinal
        self.clock, self.requests, self.listener = clock, requests, listener
        self.created_at = clock.now
        self.ready_since: int | None = None
        self.available_since: int | None = None
        self.slot = -1
        self.starts = 0  # containers started so far; what was planned for an earlier one is void
        self.running_since: int | None = None
        self.restarts = self.backoffs = 0
        self.started = self.addressed = self.terminating = self.gone = False
        listener.happened(self, PodEvent.CREATED)

    @property
    def ready(self) -> bool:
        """In the Ready condition's sense; a terminating pod no longer counts."""
        return self.ready_since is not None and not self.terminating

    def start(self) -> None:
        """There is room: schedule, pull up the container."""
        self.started = True
        container = self._draw(Purpose.CONTAINER, self.kit.delays.container, 0)
        self.clock.after(container, Order.POD, self._run)

    def settle_in(self, since: int) -> None:
        """Serving and ready since before the trial began, or crash-looping since then."""
        self.started, self.addressed, self.starts, self.running_since = True, True, 1, since
        if self.kit.version.start == "never":
            return
        if self.kit.version.crash is not None:
            since = self.clock.now - int(self._crash_after() * self._u(Purpose.CRASH, 0))
        self._add_to_kernel(since)
        # nobody has to be told: proxies and controllers start out knowing it
        self.ready_since = self.clock.now
        self.listener.happened(self, PodEvent.IN)
        self._plan_crash(since)

    def delete(self) -> None:
        """The API server marks it deleted: out of rotation, then SIGTERM in its own time."""
        if self.terminating:
            return
        self.terminating = True
        self.listener.happened(self, PodEvent.DELETED)
        if self.ready_since is not None:
            self.listener.happened(self, PodEvent.OUT)
        self.listener.changed(self)
        if not self.started:
            self.clock.after(0, Order.POD, self._vanish)
            return
        ends = self.kit.settings.termination
        seen, grace = self.clock.now + nanoseconds(self.kit.delays.sigterm), nanoseconds(ends.grace)
        # the hook ends with the grace period, and is not run where no container is
        hook = min(nanoseconds(ends.pre_stop), grace) if self.running_since is not None else 0
        kill_at = seen + max(grace, hook + LAST_GRACE)
        self.clock.at(seen + hook, Order.POD, lambda: self._sigterm(kill_at))

    def _run(self) -> None:
        """The process begins; from here on the probes' clock is known."""
        if self.gone or self.terminating:
            return
        self.starts += 1
        begun, now = self.starts, self.clock.now
        self.running_since = now
        seen = self._relist(now + RELIST_AT_LEAST)
        self.clock.at(seen, Order.POD, lambda: self._if_current(begun, self._seen_running))
        start = self.kit.version.start
        if start == "never":
            return
        if self.slot < 0:
            self._add_to_kernel(now)
            self.requests.refuse(self.slot)
        listening = now + self._draw(Purpose.START, start, self.starts)
        self.clock.at(listening, Order.POD, lambda: self._if_current(begun, self._listen))
        self.clock.at(
            self._ready_at(now, seen, listening), Order.POD, lambda: self._if_current(begun, self._ready_now)
        )

    def _ready_at(self, begun: int, seen: int, listening: int) -> int:
        probe = self.kit.settings.readiness
        if not isinstance(probe, Probe):
            return seen
        return ready_at(
            seen,
            begun,
            listening,
            initial_delay=nanoseconds(probe.initial_delay),
            period=nanoseconds(probe.period),
            success=probe.success,
        )

    def _relist(self, earliest: int) -> int:
        """The next look of its node's kubelet: one clock for all pods there, so that a wave shares it."""
        period = nanoseconds(self.kit.delays.relist)
        if period == 0:
            return earliest
        phase = int(u(self.kit.seed, Purpose.RELIST, self.ordinal % self.kit.nodes) * period)
        return earliest + (phase - earliest) % period

    def _if_current(self, start: int, then: Callable[[], None]) -> None:
        if start == self.starts and not self.gone:
            then()

    def _seen_running(self) -> None:
        self.addressed = True
        self.listener.address_appeared(self)

    def _listen(self) -> None:
        self.requests.advance(self.clock.seconds)
        self.requests.serve(self.slot, self.clock.seconds)
        self.listener.happened(self, PodEvent.LISTENING)
        self._plan_crash(self.clock.now)

    def _plan_crash(self, listening: int) -> None:
        if self.kit.version.crash is None:
            return
        begun, when = self.starts, listening + self._crash_after()
        self.clock.at(when, Order.FAULT, lambda: self._if_current(begun, self._crash))

    def _crash_after(self) -> int:
        crash = self.kit.version.crash
        return nanoseconds(crash.after_start) if crash else 0

    def _ready_now(self) -> None:
        if self.terminating:
            return
        self.ready_since = self.clock.now
        self.listener.happened(self, PodEvent.IN)
        self.listener.changed(self)

    def _crash(self) -> None:
        if self.running_since is not None and self.clock.now - self.running_since >= FORGIVEN:
            self.backoffs = 0
        self.running_since = None
        self._kill()
        self.listener.happened(self, PodEvent.CRASHED)
        if self.terminating:
            self._exited()
            return
        self.starts += 1
        self.restarts += 1
        self.backoffs += 1
        # the kubelet acts on what its relist shows: out of rotation first, then the restart
        lag = self._relist(self.clock.now) - self.clock.now
        self.clock.after(lag, Order.POD, self._not_ready)
        self.clock.after(lag + nanoseconds(restart_delay(self.backoffs)), Order.POD, self._run)

    def _not_ready(self) -> None:
        """The kubelet saw the container dead."""
        if self.ready_since is None or self.terminating:
            return
        self.ready_since = self.available_since = None
        self.listener.happened(self, PodEvent.OUT)
        self.listener.changed(self)

    def _sigterm(self, kill_at: int) -> None:
        if self.gone:
            return
        if self.slot < 0:
            self._vanish()
            return
        self.requests.advance(self.clock.seconds)
        self.requests.refuse(self.slot)
        if self.kit.settings.termination.on_sigterm == "exit":
            self._kill()
            self._exited()
            return
        idle = self.requests.busy_until(self.slot)
        # one more nanosecond, so that rounding cannot put the end before the last answer
        ends = self.clock.now if idle <= self.clock.seconds else min(math.ceil(idle * SECOND) + 1, kill_at)
        self.clock.at(ends, Order.POD, self._drained)

    def _drained(self) -> None:
        """Work is done, or SIGKILL ends what is left of it."""
        if not self.gone:
            self._kill()
            self._exited()

    def _kill(self) -> None:
        if self.slot >= 0:
            self.requests.kill(self.slot, self.clock.seconds)
            self.requests.refuse(self.slot)

    def _exited(self) -> None:
        """The process is gone, its address still there: refused until that goes too."""
        self.starts += 1
        self.clock.after(nanoseconds(self.kit.delays.address), Order.POD, self._vanish)

    def _vanish(self) -> None:
        if self.gone:
            return
        self.gone = True
        self.listener.happened(self, PodEvent.GONE)
        if self.slot >= 0:
            self.requests.advance(self.clock.seconds)
            self.requests.silence(self.slot)
            self.requests.remove(self.slot)
        self.listener.changed(self)

    def _add_to_kernel(self, since: int) -> None:
        self.requests.advance(self.clock.seconds)
        broken = self._u(Purpose.POD_ERROR, 0) < self.kit.version.share_failing("pods")
        share = 1.0 if broken else self.kit.version.share_failing("requests")
        self.slot = self.requests.add_pod(self.kit.index, share, since / SECOND)

    def _u(self, purpose: Purpose, what: int) -> float:
        return u(self.kit.seed, purpose, self.kit.index, self.ordinal, what)

    def _draw(self, purpose: Purpose, time: Time, what: int) -> int:
        return nanoseconds(draw(time.distribution(), self._u(purpose, what)))
