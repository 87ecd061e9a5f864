"""How kube-proxy (iptables mode) spreads new connections over ready endpoints, and when it may rewrite its
rules.

Pure: chance (`u`) and time (`now`) are arguments. Follows kubernetes/kubernetes
`pkg/proxy/iptables/proxier.go` (computeProbability, writeServiceToEndpointRules) and
`pkg/util/async/bounded_frequency_runner.go`, read as of Kubernetes 1.34. The draw is per new connection,
never per request: connection tracking pins the rest of it.
"""

import math

RULE_ERROR = 5e-11
"""Bound on |share − 1/n|: half a unit of the tenth decimal. Later rules divide what is left, they add no more."""


def rule_probabilities(n: int) -> tuple[str | None, ...]:
    """The `--probability` of each of n rules, as printed: rule i of n has 1/(n − i); the last has none, it
    always matches.
    """
    if n < 0:
        raise ValueError(f"number of endpoints must not be negative, got {n}")
    return tuple(f"{1 / (n - i):.10f}" if i < n - 1 else None for i in range(n))


def shares(n: int) -> tuple[float, ...]:
    """Share of new connections of each endpoint under the printed rules: own probability · Π (1 − those
    before).
    """
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
    """When a change seen at `now` reaches the rules: at once if the last sync is a period ago, else a
    period after it.

    Seconds; −inf: never synced. Changes that come before that instant share the sync. Any change on the
    cluster, an unready endpoint included, uses the slot up. The time a sync takes (milliseconds to seconds)
    is not in it.
    """
    return max(now, last_sync + min_sync_period)
