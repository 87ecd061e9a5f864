"""Room for pods: which of them wait for it, and which node they then get."""

from collections.abc import Callable, Iterable, Sequence

from sim.nodes import Node, emptiest, in_turn
from sim.pods import Pod


class Room:
    """So many `places` in the whole cluster, first come, first served; none while `closed` says so.

    `alike` says that nodes differ in nothing but the clocks of their kubelets: pods are then placed in turn.
    """

    def __init__(
        self, nodes: Sequence[Node], places: float, closed: Callable[[], bool], *, alike: bool
    ) -> None:
        self.nodes, self.places, self.alike = nodes, places, alike
        self._closed = closed
        self.waiting: list[Pod] = []
        self.taken = 0

    def settle(self, pod: Pod) -> Node | None:
        """The node of a pod that was there before the trial."""
        self.taken += 1
        return self._node_for(pod)

    def wait(self, pod: Pod) -> None:
        """The pod starts as soon as there is room for it."""
        self.waiting.append(pod)
        self._start_waiting()

    def again(self, pods: Iterable[Pod]) -> None:
        """Some of these, all pods there ever were, are gone, or a fault is over."""
        self.taken = sum(pod.started and not pod.gone for pod in pods)
        self._start_waiting()

    def _start_waiting(self) -> None:
        self.waiting = [pod for pod in self.waiting if not pod.terminating]
        while self.waiting and self.taken < self.places and not self._closed():
            node = self._node_for(self.waiting[0])
            if node is None:
                break
            self.taken += 1
            self.waiting.pop(0).start(node)

    def _node_for(self, pod: Pod) -> Node | None:
        """Where the pod goes; None while no node takes pods."""
        return in_turn(self.nodes, pod.ordinal) if self.alike else emptiest(self.nodes, pod.kit.index)
