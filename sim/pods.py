"""One pod's life: pending, started, probed, in rotation, crashed and restarted, terminated, gone.

A pod decides nothing about others; it tells its listener what happened. What its node's kubelet or its
process would do is void once the node has lost power. Time is in nanoseconds.

Long, as it is one life: each of its turns is a few lines.
"""

import math
from collections.abc import Callable
from typing import Protocol

from scenarios.draws import Purpose, draw, u
from scenarios.model import Time
from scenarios.record import PodEvent
from scenarios.semantics.kubelet import RELIST_AT_LEAST, ready_at
from scenarios.semantics.replica_set import BACKOFF_CAP, restart_delay
from scenarios.version import Probe
from sim.clock import SECOND, Clock, Order, nanoseconds
from sim.kit import LAST_GRACE, Kit, Pace
from sim.liveness import Liveness
from sim.nodes import Node
from sim.requests import Requests

YOUNG = 3
"""So many looks after the one that found it running a pod is ended at once."""

FORGIVEN = 2 * nanoseconds(BACKOFF_CAP)
"""A container that ran for so long before it crashed is restarted at once again."""


class Listener(Protocol):
    """Whom a pod tells."""

    def happened(self, pod: "Pod", event: PodEvent, when: int | None = None) -> None:
        """One of the events that records keep; just now, unless it was found out about later."""

    def address_appeared(self, pod: "Pod") -> None:
        """The pod got an address and stands in the EndpointSlice, not ready."""

    def address_gone(self, pod: "Pod") -> None:
        """Nothing answers there any more; the pod is reported as ended, and still to be removed."""

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
        "ended",
        "gone",
        "kit",
        "listener",
        "listening",
        "liveness",
        "lost",
        "node",
        "number",
        "ordinal",
        "outages",
        "pool",
        "ready_since",
        "requests",
        "restarts",
        "running_since",
        "seen_at",
        "silent",
        "slot",
        "started",
        "starts",
        "terminating",
        "turned_at",
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
        self.node = Node(0)  # until it is placed
        self.created_at = self.turned_at = clock.now
        self.ready_since: int | None = None
        self.available_since: int | None = None
        self.slot = -1
        self.starts = 0  # containers started so far; what was planned for an earlier one is void
        self.running_since: int | None = None
        self.seen_at: int | None = None  # when the kubelet first saw its container run
        self.restarts = self.backoffs = 0
        self.outages = 0  # of its node; what was planned before one is void
        self.started = self.addressed = self.terminating = self.ended = self.gone = False
        self.listening = self.lost = self.silent = False
        self.liveness = Liveness.of(self)
        listener.happened(self, PodEvent.CREATED)

    @property
    def ready(self) -> bool:
        """In the Ready condition's sense; a terminating pod no longer counts."""
        return self.ready_since is not None and not self.terminating

    def start(self, node: Node | None = None) -> None:
        """There is room for it on this node: schedule, pull up the container."""
        self._place(node)
        if not self.node.down:
            self._boot()

    def _place(self, node: Node | None) -> None:
        self.node = node or self.node
        self.node.staying[self.kit.index] += 1
        self.started = True

    def _boot(self) -> None:
        """The kubelet brings up sandbox, image, container."""
        if self.liveness is not None:
            self.liveness.tick_since(self.clock.now)
        container = self._draw(Purpose.CONTAINER, self.kit.delays.container, self.starts)
        sandbox = self.clock.now + round(container * self.node.slower)
        if self.kit.version.pull is None:
            self.later(sandbox, self._run)
            return
        if not self.addressed:
            seen, begun = self._relist(sandbox + RELIST_AT_LEAST), self.starts
            self.later(seen, lambda: self._if_current(begun, self._seen_waiting))
        if (there := self._image_there(sandbox)) is not None:
            self.later(max(sandbox, there), self._run)

    def _image_there(self, now: int) -> int | None:
        """When the image is on the node; None: never. The first pod there that wants it has it pulled."""
        pull, index = self.kit.version.pull, self.kit.index
        if pull is None or pull == "never":
            return now if pull is None else None
        if index not in self.node.images:
            share = u(self.kit.seed, Purpose.PULL, index, self.node.number)
            takes = nanoseconds(draw(pull.distribution(), share))
            self.node.images[index] = now + round(takes * self.node.slower)
        return self.node.images[index]

    def settle_in(self, since: int, node: Node | None = None) -> None:
        """Serving and ready since before the trial began, or crash-looping since then."""
        self._place(node)
        self.addressed = True
        if self.kit.version.pull == "never":
            return
        self.node.images[self.kit.index] = since
        self.starts, self.running_since = 1, since
        if self.liveness is not None:
            self.liveness.running(self.starts)
            phase = int(self._u(Purpose.LIVENESS, 0) * self.liveness.period)
            self.liveness.tick_since(self.clock.now - phase)
        if self.kit.version.start == "never":
            return
        if (most := self._longest_life()) is not None:
            since = self.clock.now - int(most * self._u(Purpose.CRASH, 0))
        self._add_to_kernel(since)
        self.listening = True
        # nobody has to be told: proxies and controllers start out knowing it
        self.ready_since, self.turned_at = self.clock.now, since
        self.listener.happened(self, PodEvent.IN)
        self._plan_exit(since)

    def delete(self) -> None:
        """The API server marks it deleted: out of rotation, then SIGTERM in its own time."""
        if self.terminating:
            return
        self.terminating = True
        if self.started:
            self.node.staying[self.kit.index] -= 1
        self.listener.happened(self, PodEvent.DELETED)
        if self.ready_since is not None:
            self.listener.happened(self, PodEvent.OUT)
        self.listener.changed(self)
        if not self.started:
            self.clock.after(0, Order.POD, self._vanish)
            return
        if not self.node.down:  # or else nobody there hears of it
            self._plan_end()

    def _plan_end(self) -> None:
        ends = self.kit.settings.termination
        seen, grace = self._heard(), nanoseconds(ends.grace)
        # the hook ends with the grace period, and is not run where no container is
        hook = min(nanoseconds(ends.pre_stop), grace) if self.running_since is not None else 0
        kill_at = seen + max(grace, hook + LAST_GRACE)
        self.later(seen + hook, lambda: self._sigterm(kill_at, self._exited))

    def _heard(self) -> int:
        """When its kubelet begins to end it: soon, but not while it is still busy with its start.

        Each change of a pod (seen running, ready, deleted) waits for a look at the containers that is younger
        than the change before [pod_workers.go podWorkerLoop]. It takes three: measured (docs/timing.md).
        """
        busy = 0 if self.seen_at is None else self.seen_at + YOUNG * nanoseconds(self.kit.delays.relist)
        return max(self.clock.now + nanoseconds(self.kit.delays.sigterm), busy)

    def _run(self) -> None:
        """The process begins; from here on the probes' clock is known."""
        if self.terminating:
            return
        self.starts += 1
        begun, now = self.starts, self.clock.now
        self.running_since = now
        seen = self._relist(now + RELIST_AT_LEAST)
        self.later(seen, lambda: self._if_current(begun, self._seen_running))
        start = self.kit.version.start
        if start == "never":
            return
        if self.slot < 0:
            self._add_to_kernel(now)
            self.requests.refuse(self.slot)
        elif self.lost:
            self.requests.advance(self.clock.seconds)
            self.requests.refuse(self.slot)
        self.lost = False
        listening = now + round(self._draw(Purpose.START, start, self.starts) * self.node.slower)
        self.later(listening, lambda: self._if_current(begun, self._listen))
        self.later(self._ready_at(now, seen, listening), lambda: self._if_current(begun, self._ready_now))

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
        phase = int(u(self.kit.seed, Purpose.RELIST, self.node.number) * period)
        return earliest + (phase - earliest) % period

    def later(self, when: int, then: Callable[[], None]) -> None:
        """Have its node do something, if the node lives to see it."""
        outages = self.outages

        def happen() -> None:
            if outages == self.outages and not self.gone:
                then()

        self.clock.at(when, Order.POD, happen)

    def _if_current(self, start: int, then: Callable[[], None]) -> None:
        if start == self.starts and not self.gone:
            then()

    def _seen_running(self) -> None:
        if self.seen_at is None:
            self.seen_at = self.clock.now
        if self.liveness is not None:
            self.liveness.running(self.starts)
        if self.kit.version.pull is not None and self.addressed:
            return  # it got its address with the sandbox
        self._seen_waiting()

    def _seen_waiting(self) -> None:
        self.addressed = True
        self.listener.address_appeared(self)

    def _listen(self) -> None:
        self.requests.advance(self.clock.seconds)
        self.requests.serve(self.slot, self.clock.seconds)
        self.listening = True
        self.listener.happened(self, PodEvent.LISTENING)
        self._plan_exit(self.clock.now)

    def _plan_exit(self, listening: int) -> None:
        """The process exits by itself: at its age, or by chance at any time."""
        most, rate = self._longest_life(), self._exits_per_second()
        ends = [listening + most] if most is not None else []
        if rate > 0:
            u_exit = self._u(Purpose.EXIT, self.starts)
            ends.append(self.clock.now + nanoseconds(-math.log1p(-u_exit) / rate))
        if ends:
            begun = self.starts
            self.clock.at(min(ends), Order.FAULT, lambda: self._if_current(begun, self._crash))

    def _longest_life(self) -> int | None:
        """From listening to the exit that its age brings."""
        version, ends = self.kit.version, list[float]()
        if version.crash is not None and version.crash.after_start is not None:
            ends.append(version.crash.after_start)
        if version.leak is not None and version.leak.crash:
            ends.append(version.leak.over)
        return nanoseconds(min(ends)) if ends else None

    def _exits_per_second(self) -> float:
        crash = self.kit.version.crash
        return (crash.per_hour or 0.0) / 3600 if crash is not None else 0.0

    def _ready_now(self) -> None:
        if self.terminating:
            return
        self.ready_since = self.turned_at = self.clock.now
        self.listener.happened(self, PodEvent.IN)
        self.listener.changed(self)

    def _crash(self) -> None:
        self._kill()
        self._died(self.clock.now, self._relist(self.clock.now))

    def died(self, when: int) -> None:
        """A request killed its process at `when`, a moment ago; what was in it is reset already."""
        if self.gone or not self.listening:
            return
        self.requests.refuse(self.slot)
        self._died(when, self._relist(when))

    def _died(self, when: int, seen: int) -> None:
        """The process ended at `when`; the kubelet sees it at `seen`: out of rotation, then the restart."""
        if self.running_since is not None and when - self.running_since >= FORGIVEN:
            self.backoffs = 0
        self._stopped(when)
        if self.terminating:
            self._exited()
            return
        self.starts += 1
        self.restarts += 1
        self.backoffs += 1
        self.later(seen, self.not_ready)
        self.later(seen + nanoseconds(restart_delay(self.backoffs)), self._run)

    def _stopped(self, when: int) -> None:
        self.running_since, self.listening = None, False
        self.listener.happened(self, PodEvent.CRASHED, *(() if when == self.clock.now else (when,)))

    def not_ready(self) -> None:
        """The control plane hears that it is not ready: from the kubelet, or of a node that fell silent."""
        if self.ready_since is None or self.terminating:
            return
        self.ready_since = self.available_since = None
        self.turned_at = self.clock.now
        self.listener.happened(self, PodEvent.OUT)
        self.listener.changed(self)

    def restart(self) -> None:
        """Its liveness probe failed too often: the kubelet stops the container and starts it again."""
        ends, now, begun = self.kit.settings.termination, self.clock.now, self.starts
        grace = nanoseconds(ends.grace)
        hook = min(nanoseconds(ends.pre_stop), grace)
        kill_at = now + max(grace, hook + LAST_GRACE)

        def stopped() -> None:
            self._if_current(begun, lambda: self._died(self.clock.now, self.clock.now))

        self.later(now + hook, lambda: self._if_current(begun, lambda: self._sigterm(kill_at, stopped)))

    def lose_power(self) -> None:
        """Its node fell silent: nothing of it runs or answers, and nobody has been told."""
        self.outages += 1
        self.starts += 1 if self.starts else 0
        self.lost = True
        if self.running_since is not None:
            self._stopped(self.clock.now)
        if self.slot >= 0:
            self.requests.advance(self.clock.seconds)
            self.requests.lose(self.slot, self.clock.seconds)

    def get_power(self) -> None:
        """Its node is back: what was deleted goes, what was not starts anew, without back-off."""
        if self.terminating:
            self.later(self.clock.now + nanoseconds(self.kit.delays.sigterm), self._vanish)
            return
        self.restarts += 1 if self.starts else 0
        self.backoffs = 0
        self.not_ready()
        self._boot()

    def keep_pace(self) -> None:
        """Requests that begin from now on take as long as node and dependency make them."""
        if self.slot < 0 or self.kit.pace is None or self.gone:
            return
        self.requests.advance(self.clock.seconds)
        self._slow_down(self.kit.pace)

    def _slow_down(self, pace: Pace) -> None:
        self.requests.slow(self.slot, self.node.slower * pace.slower, pace.adds)

    def _sigterm(self, kill_at: int, then: Callable[[], None]) -> None:
        if self.slot < 0:
            (self._vanish if self.terminating else then)()
            return
        self.requests.advance(self.clock.seconds)
        self.requests.refuse(self.slot)
        if self.kit.settings.termination.on_sigterm == "exit":
            self._kill()
            then()
            return
        idle = self.requests.busy_until(self.slot)
        # one more nanosecond, so that rounding cannot put the end before the last answer
        ends = self.clock.now if idle <= self.clock.seconds else min(math.ceil(idle * SECOND) + 1, kill_at)
        self.later(ends, lambda: self._drained(then))

    def _drained(self, then: Callable[[], None]) -> None:
        """Work is done, or SIGKILL ends what is left of it."""
        self._kill()
        then()

    def _kill(self) -> None:
        if self.slot >= 0:
            self.requests.kill(self.slot, self.clock.seconds)
            self.requests.refuse(self.slot)

    def _exited(self) -> None:
        """The process is gone, its address still there: refused until that goes too."""
        self.starts += 1
        self.listening = False
        self.later(self.clock.now + nanoseconds(self.kit.delays.address), self._vanish)

    def _vanish(self) -> None:
        """Its address goes, and the pod with it, or once the kubelet has looked again and cleaned up.

        Its phase becomes Succeeded or Failed at once [kubelet.go SyncTerminatingPod]; all else waits for the
        kubelet's next look at the containers [pod_workers.go podWorkerLoop, SyncTerminatedPod].
        """
        if self.gone:
            return
        removal, now = nanoseconds(self.kit.delays.removal), self.clock.now
        if not self.started or not removal:
            self._remove()
            return
        self.ended = True
        self._fall_silent()
        self.listener.address_gone(self)
        self.later(max(self._relist(now), now + removal), self._remove)

    def _remove(self) -> None:
        if self.gone:
            return
        self.gone = True
        self.listener.happened(self, PodEvent.GONE)
        self._fall_silent()
        self.listener.changed(self)

    def _fall_silent(self) -> None:
        if self.slot >= 0 and not self.silent:
            self.silent = True
            self.requests.advance(self.clock.seconds)
            self.requests.silence(self.slot)
            self.requests.remove(self.slot)

    def _add_to_kernel(self, since: int) -> None:
        self.requests.advance(self.clock.seconds)
        broken = self._u(Purpose.POD_ERROR, 0) < self.kit.version.share_failing("pods")
        share = 1.0 if broken else self.kit.version.share_failing("requests")
        self.slot = self.requests.add_pod(self.kit.index, share, since / SECOND)
        if self.kit.pace is not None:
            self._slow_down(self.kit.pace)

    def _u(self, purpose: Purpose, what: int) -> float:
        return u(self.kit.seed, purpose, self.kit.index, self.ordinal, what)

    def _draw(self, purpose: Purpose, time: Time, what: int) -> int:
        return nanoseconds(draw(time.distribution(), self._u(purpose, what)))
