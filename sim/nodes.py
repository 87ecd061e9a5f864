"""The nodes: which of them take pods, how many stay there, how slow they are, which images they hold.

A node decides nothing; faults change it, pods count themselves in and out. Time is in nanoseconds.
"""

from collections.abc import Iterable, Sequence


class Node:
    """One node and what is wrong with it now."""

    __slots__ = ("cordoned", "down_since", "images", "not_ready", "number", "slower", "staying")

    def __init__(self, number: int) -> None:
        self.number = number
        self.slower = 1.0
        self.cordoned = False
        self.down_since: int | None = None  # without power
        self.not_ready = False  # the control plane has noticed
        self.images: dict[int, int] = {}  # by version: on its disk from then on
        self.staying = [0, 0]  # by version: pods placed there that are not terminating

    @property
    def down(self) -> bool:
        """Whether nothing runs on it and nothing answers from it."""
        return self.down_since is not None

    @property
    def takes_pods(self) -> bool:
        """Whether the scheduler sends pods there; it does as long as a silent node is thought ready."""
        return not (self.cordoned or self.not_ready)


def in_turn(nodes: Sequence[Node], ordinal: int) -> Node:
    """The pod's node where nodes differ in nothing but the clocks of their kubelets."""
    return nodes[ordinal % len(nodes)]


def emptiest(nodes: Iterable[Node], version: int) -> Node | None:
    """Fewest pods of the version first, then fewest pods, then the lowest number; None if all are closed.

    As kube-scheduler's default spreading, which counts the pods of the same ReplicaSet that are not
    terminating (`plugins/podtopologyspread`, buildDefaultConstraints and countPodsMatchSelector).
    """
    takes_pods = (node for node in nodes if node.takes_pods)
    return min(takes_pods, key=lambda n: (n.staying[version], sum(n.staying), n.number), default=None)
