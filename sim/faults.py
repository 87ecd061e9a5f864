"""The faults of a trial, each begun and ended in its time: what is wrong now, and what comes of it.

Order at one instant is the clock's: a fault comes first. Time is in nanoseconds.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scenarios.cluster import Cluster
from scenarios.faults import (
    Fault,
    Happening,
    MetricsGap,
    NodeDown,
    NodeDrain,
    NodeSlow,
    NoRoom,
    RouterStall,
    SlowApi,
    SlowDependency,
)
from scenarios.plan import CANDIDATE, STABLE
from scenarios.semantics.disruption import RETRY, Health, desired_healthy, may_evict
from sim.clock import Clock, Order, nanoseconds
from sim.endpoints import Endpoints
from sim.kit import Pace
from sim.nodes import Node
from sim.pods import Pod

FOR_GOOD = 1 << 62


@dataclass(frozen=True, slots=True)
class Reach:
    """What faults act on. `pods` is the world's own list, `paces` are by version; `health` tells what a
    disruption budget looks at, `room_again` is called when waiting pods may find room."""

    clock: Clock
    cluster: Cluster
    nodes: Sequence[Node]
    pods: Sequence[Pod]
    paces: dict[str, Pace]
    endpoints: Endpoints
    health: Callable[[], Health]
    room_again: Callable[[], None]


class Faults:
    """What happens by itself, and how things stand: the questions of others are answered from `active`."""

    def __init__(self, faults: Iterable[Fault], reach: Reach) -> None:
        self.reach, self.clock = reach, reach.clock
        self.active: list[Happening] = []
        self.happenings = [f.happening for f in faults if f.happening is not None]
        for happening in self.happenings:
            self._schedule(happening)

    def _schedule(self, happening: Happening) -> None:
        begins = nanoseconds(happening.at)
        self.clock.at(begins, Order.FAULT, lambda: self._begin(happening))
        if happening.lasting is not None:
            self.clock.at(begins + nanoseconds(happening.lasting), Order.FAULT, lambda: self._end(happening))

    # --- how things stand ------------------------------------------------------------------------

    @property
    def api(self) -> float:
        """How many times slower than usual the API server is."""
        return math.prod(f.slower for f in self.active if isinstance(f, SlowApi))

    def no_metrics(self, t: float) -> bool:
        """Whether a scrape taken at `t` seconds shows nothing."""
        gaps = (f for f in self.happenings if isinstance(f, MetricsGap))
        return any(f.at <= t and (f.lasting is None or t < f.at + f.lasting) for f in gaps)

    @property
    def no_room(self) -> bool:
        """Whether no pod that waits can start."""
        return any(isinstance(f, NoRoom) for f in self.active)

    # --- begin and end ---------------------------------------------------------------------------

    def _begin(self, happening: Happening) -> None:
        self.active.append(happening)
        match happening:
            case NodeDown(node=number):
                self._power_off(self.reach.nodes[number])
            case NodeDrain(node=number):
                self.reach.nodes[number].cordoned = True
                self._evict(happening)
            case RouterStall(at=at, lasting=lasting):
                self.reach.endpoints.stall(FOR_GOOD if lasting is None else nanoseconds(at + lasting))
            case NodeSlow() | SlowDependency():
                self._set_pace()

    def _end(self, happening: Happening) -> None:
        self.active.remove(happening)
        match happening:
            case NodeDown(node=number):
                if not self._any(NodeDown, number):
                    self._power_on(self.reach.nodes[number])
            case NodeDrain(node=number):
                self.reach.nodes[number].cordoned = self._any(NodeDrain, number)
                self.reach.room_again()
            case NodeSlow() | SlowDependency():
                self._set_pace()
            case NoRoom():
                self.reach.room_again()

    def _any(self, kind: type[NodeDown] | type[NodeDrain], number: int) -> bool:
        return any(isinstance(f, kind) and f.node == number for f in self.active)

    def _on(self, node: Node) -> list[Pod]:
        return [pod for pod in self.reach.pods if pod.node is node and pod.started and not pod.gone]

    # --- slowness --------------------------------------------------------------------------------

    def _set_pace(self) -> None:
        """Nodes and versions as slow as all that is active makes them, and every pod by its own."""
        for node in self.reach.nodes:
            slow = (f.slower for f in self.active if isinstance(f, NodeSlow) and f.node == node.number)
            node.slower = math.prod(slow)
        for version in (STABLE, CANDIDATE):
            late = [f for f in self.active if isinstance(f, SlowDependency) and f.of in ("all", version)]
            pace = self.reach.paces[version]
            pace.slower, pace.adds = math.prod(f.slower for f in late), math.fsum(f.adds for f in late)
        for pod in self.reach.pods:
            pod.keep_pace()

    # --- a node without power --------------------------------------------------------------------

    def _power_off(self, node: Node) -> None:
        if node.down:
            return
        node.down_since = now = self.clock.now
        node.images = {version: there for version, there in node.images.items() if there <= now}
        for pod in self._on(node):
            pod.lose_power()
        self._while_down(node, self.reach.cluster.node_grace, lambda: self._notice(node))

    def _while_down(self, node: Node, after: float, then: Callable[[], None]) -> None:
        """Call it so much later if the node has not been back in between."""
        since = node.down_since

        def happen() -> None:
            if node.down_since == since:
                then()

        self.clock.after(nanoseconds(after), Order.CONTROLLER, happen)

    def _notice(self, node: Node) -> None:
        """The node controller marks the node and its pods as not ready."""
        node.not_ready = True
        for pod in self._on(node):
            pod.not_ready()
        self._while_down(node, self.reach.cluster.eviction, lambda: self._give_up(node))

    def _give_up(self, node: Node) -> None:
        """The pods' toleration is over; no budget is asked."""
        for pod in self._on(node):
            pod.delete()

    def _power_on(self, node: Node) -> None:
        node.down_since, node.not_ready = None, False
        for pod in self._on(node):
            pod.get_power()
        self.reach.room_again()

    # --- a drain ---------------------------------------------------------------------------------

    def _evict(self, drain: NodeDrain) -> None:
        """Evict, one by one, what the budget lets go; ask again for the rest, as `kubectl drain` does."""
        if not any(f is drain for f in self.active):
            return
        staying = [pod for pod in self._on(self.reach.nodes[drain.node]) if not pod.terminating]
        for pod in staying:
            if self._may_evict(pod):
                pod.delete()
        if not all(pod.terminating for pod in staying):
            self.clock.after(nanoseconds(RETRY), Order.CONTROLLER, lambda: self._evict(drain))

    def _may_evict(self, pod: Pod) -> bool:
        budget = self.reach.cluster.disruption_budget
        if budget is None:
            return True
        health = self.reach.health()
        desired = desired_healthy(budget.min_available, budget.max_unavailable, health.expected)
        return may_evict(desired, health, pending=pod.starts == 0, ready=pod.ready)
