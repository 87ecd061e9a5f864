"""What the general engine is told beyond what the fast one takes: who retries, keeps connections and so on.

Plain values; `sim.general_requests` makes arrays of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenarios.distributions import Distribution
from scenarios.tally import Status


@dataclass(frozen=True, slots=True)
class Kept:
    """Kept connections: one per user, or a pool of `pool`; closed when unused, old or used so often."""

    pool: int | None = None
    idle: float = 60.0
    age: float = np.inf
    requests: int = 1 << 60


@dataclass(frozen=True, slots=True)
class Habits:
    """Seconds and shares throughout; by version means (stable, candidate), by kind: of users' attributes.

    pauses, jitter      a client's waits before its further tries, each times 1 ± jitter, drawn evenly
    proxy_tries …       tries of a proxy in all, what it tries again, and its wait before
    think               closed loop: the pause of a user between an answer and the next request
    kept                which connections are kept; None: each request has one of its own
    layer_7             whether the proxies end connections, so that pods are chosen per request
    remembers           for how long a proxy sends a user to the pod it had (session affinity); 0: not
    affinity_first      whether pins come before rules
    kinds, kind         how many combinations of attributes there are; uint8[users], which one each user has
    errors              float64[3, 2, kinds]: share of requests (beyond their pod's), of users, and of
                        connections that fail, by version
    loaded              by version: share that fails in a pod with at least so large a share of busy slots
    leak                by version: how many times slower after how long, growing evenly
    poison              by version: share of requests that kill the process that begins them
    copies              the backend that gets copies of requests
    """

    pauses: tuple[float, ...] = ()
    jitter: float = 0.0
    proxy_tries: int = 1
    proxy_on: frozenset[Status] = frozenset()
    proxy_backoff: float = 0.0
    think: Distribution | None = None
    kept: Kept | None = None
    layer_7: bool = False
    remembers: float = 0.0
    affinity_first: bool = False
    kinds: int = 1
    kind: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(1, np.uint8))
    errors: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 2, 1)))
    loaded: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0))
    leak: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 1.0), (1.0, 1.0))
    poison: tuple[float, float] = (0.0, 0.0)
    copies: int | None = None


Keeps = Literal["no", "hash", "last", "both", "first"]
"""How users stay on a side: not, by a hash, once on the last side, wherever first, once on the first side."""
