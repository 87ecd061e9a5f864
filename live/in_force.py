"""When a changed route is in force, told from the answers that users get. Pure.

A cumulative sum of log likelihood ratios (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954):
each answer says how much likelier it is under the new shares than under the old ones. The sum is never let
fall below 0; above a threshold the change has happened, where the sum last was 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from scenarios.plan import Pool

SURE = math.log(10_000)
"""Above this the new shares are so much likelier; where nothing changed, it takes some 10,000 answers."""

LEAK = 1e-3
"""Share of answers that may come from where no share leads: stragglers, retransmissions."""

ALIKE = 0.02
"""Shares nearer to each other than this are not told apart."""


def by_pool(targets: Mapping[tuple[Pool, ...], float], ready: Mapping[Pool, int]) -> dict[Pool, float]:
    """The share of each pool: within a target by its ready pods, alike where none is ready just now."""
    found: dict[Pool, float] = {}
    for target, share in targets.items():
        pods = {pool: ready.get(pool, 0) for pool in target}
        if not any(pods.values()):
            pods = dict.fromkeys(target, 1)
        for pool, number in pods.items():
            found[pool] = found.get(pool, 0.0) + share * number / sum(pods.values())
    return found


def alike(one: Mapping[Pool, float], other: Mapping[Pool, float]) -> bool:
    """Whether answers cannot tell these shares apart."""
    return all(abs(one.get(pool, 0.0) - other.get(pool, 0.0)) < ALIKE for pool in {*one, *other})


@dataclass
class Turning:
    """One change of route. `seen` takes answers in order of when they were sent; `at` is when it turned."""

    old: Mapping[Pool, float]
    new: Mapping[Pool, float]
    asked_at: float
    at: float | None = None
    _sum: float = 0.0
    _since: float | None = field(default=None)

    def __post_init__(self) -> None:
        if alike(self.old, self.new):
            self.at = self.asked_at

    def followed_by(self, new: Mapping[Pool, float], asked_at: float) -> "Turning":
        """Another change, asked for while this one is not in force: if to the same, it is awaited still."""
        return Turning(self.old if alike(self.new, new) else self.new, new, asked_at)

    def seen(self, pool: Pool, sent: float) -> None:
        """An answer of a request sent at that time, by a pod of that pool."""
        if self.at is not None or sent < self.asked_at:
            return
        ratio = math.log(self._share(self.new, pool) / self._share(self.old, pool))
        if self._sum <= 0:
            self._since = sent
        self._sum = max(0.0, self._sum + ratio)
        if self._sum >= SURE:
            self.at = self._since

    def _share(self, shares: Mapping[Pool, float], pool: Pool) -> float:
        return LEAK + (1 - LEAK) * shares.get(pool, 0.0)
