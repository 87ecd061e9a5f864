"""What share of requests really breaks what a guard looks at, as a scenario declares it. Pure.

Of a pod that is neither busy nor young nor slowed: what queues, crashes, removals and errors under load add
is not in here. Errors of users, pods or connections count with their share; they come in clumps, which is
not in it either.
"""

import numpy as np

from scenarios.distributions import Constant, Distribution
from scenarios.mix import kinds
from scenarios.scenario import Scenario
from scenarios.version import Version
from scenarios.world import Guard

LEVELS = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
_HALVINGS = 60


def breaking(scenario: Scenario, guard: Guard, version: Version) -> float:
    """The share of a version's requests that count against it: failed, or slower than the guard allows."""
    if guard.metric == "failure_share":
        return failing(scenario, version)
    return slower(version.service_time.distribution(), latency_limit(scenario, guard))


def failing(scenario: Scenario, version: Version) -> float:
    """The share of a version's requests that fails, as the scenario's vantage counts it."""
    right = 0.0
    for kind in kinds(scenario.traffic.mix):
        passed = 1.0
        for of in ("requests", "users", "pods", "connections"):
            passed *= 1 - version.share_failing(of)
            passed *= 1 - version.share_failing_when(of, kind.attributes)
        right += kind.share * passed
    in_time = 1.0
    if scenario.observe.vantage == "client":
        in_time = 1 - slower(version.service_time.distribution(), float(scenario.traffic.client.timeout))
    return min(1.0, max(0.0, 1 - right * in_time))


def latency_limit(scenario: Scenario, guard: Guard) -> float:
    """The latency in seconds that the guard's quantile may have; stable's own quantile is taken as known."""
    if guard.versus is None:
        return float(guard.limit or 0.0)
    stable = scenario.versions.stable.service_time.distribution()
    return float(stable.quantile(np.array([LEVELS[guard.metric]]))[0]) + float(guard.margin or 0.0)


def slower(distribution: Distribution, limit: float) -> float:
    """The share of requests that takes longer than `limit` seconds; by halving: only quantiles are known."""
    if isinstance(distribution, Constant):
        return float(distribution.value > limit)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = float(distribution.quantile(np.array([middle]))[0]) <= limit
        low, high = (middle, high) if below else (low, middle)
    return 1 - low if low > 0 else 1.0
