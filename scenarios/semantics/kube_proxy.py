"""How kube-proxy (iptables mode) spreads new connections over ready endpoints, and when it rewrites its
rules.

It must never draw or read a clock: chance (`u`) and time (`now`) are arguments. The draw is per new
connection, never per request: connection tracking pins the rest of it. Follows kubernetes/kubernetes
`pkg/proxy/iptables/proxier.go` (computeProbability, with ten decimals; writeServiceToEndpointRules) and
`pkg/util/async/bounded_frequency_runner.go` (d5d3cbf0, less the burst that newer versions dropped).
"""

import math

SLICE = 4_000_000
"""Nanoseconds from a pod's or Service's change to the EndpointSlice that shows it (docs/timing.md)."""

RULE_ERROR = 5e-11
"""Bound on |share − 1/n|: half a unit of the tenth decimal; later rules only divide what is left."""


def rule_probabilities(n: int) -> tuple[str | None, ...]:
    """The `--probability` of each of n rules, as printed: 1/(n − i) for rule i; the last has none."""
    if n < 0:
        raise ValueError(f"number of endpoints must not be negative, got {n}")
    return tuple(f"{1 / (n - i):.10f}" if i < n - 1 else None for i in range(n))


def shares(n: int) -> tuple[float, ...]:
    """Each endpoint's share of new connections by the printed rules: p_i · Π (1 − p_j) over j < i."""
    result: list[float] = []
    left = 1.0
    for printed in rule_probabilities(n):
        probability = 1.0 if printed is None else float(printed)
        result.append(left * probability)
        left *= 1.0 - probability
    return tuple(result)


def pick(u: float, n: int) -> int:
    """Index of the endpoint a new connection goes to, for a uniform draw u in [0, 1): ⌊u·n⌋.

    One draw in place of up to n − 1: the chain of rules gives every endpoint 1/n within `RULE_ERROR`, see
    `shares`, so a simulation cannot tell them apart. Raises ValueError for no endpoints (the connection is
    refused) or u outside [0, 1).
    """
    if n < 1:
        raise ValueError("no endpoint to pick: the connection is refused")
    if not 0.0 <= u < 1.0:
        raise ValueError(f"a draw lies in [0, 1), got {u}")
    # u·n may round up to n for the largest u below 1
    return min(int(u * n), n - 1)


def next_sync(now: float, last_sync: float = -math.inf, min_sync_period: float = 1.0) -> float:
    """When a change seen at `now` reaches the rules: at once, but not within a period of the last sync.

    Seconds; −inf: never synced. Changes that come before that instant share the sync. Any change on the
    cluster, an unready endpoint included, uses the slot up. Upstream the period begins when a sync has ended:
    what a sync takes (milliseconds to seconds) belongs to the period here.
    """
    return max(now, last_sync + min_sync_period)
