"""How many requests a guard may expect to see of each side, by stage, if nothing turns it back. Pure.

An outline, from the plan alone: a hold lasts as long as it says, and what waits for pods lasts as long as
the slowest pod of stable takes on average; while they come, the shares are midway between before and after.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

import numpy as np
from numpy.typing import NDArray

from scenarios.plan import CANDIDATE, Elapsed, Plan, Ready, SetVersion, Stage
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import RollingUpdate, resolve_fenceposts
from scenarios.standing import Standing, standings

_TIMES = 240
_PROPAGATION = 1.0  # seconds until a route, or a pod that is ready, is known where requests are sent


@dataclass(frozen=True, slots=True)
class Phase:
    """A stage that a guard judges: how long it lasts, and the candidate's share of what the guard sees.

    `held`: it waits on purpose, so that its time is known.
    """

    name: str
    seconds: float
    share: float
    stable_share: float
    held: bool


@dataclass(frozen=True, slots=True)
class Exposure:
    """Phases one after the other from 0, after a time of stable alone; `rate` requests a second.

    `begins` are times after the trigger, all as likely, at which the first of them may begin.
    """

    rate: float
    phases: tuple[Phase, ...]
    begins: tuple[float, ...] = (0.0,)

    @property
    def seconds(self) -> float:
        """How long all phases take together."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def ends(self) -> tuple[float, ...]:
        """When each phase ends."""
        return tuple(accumulate(phase.seconds for phase in self.phases))

    def candidate(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """The candidate's expected requests up to each time; none before 0."""
        return self._until(t, [phase.share for phase in self.phases], before=0.0)

    def stable(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Stable's, counted from 0: negative before it."""
        return self._until(t, [phase.stable_share for phase in self.phases], before=1.0)

    def in_window(self, end: float, window: float) -> tuple[float, float]:
        """The expected requests of the candidate and of stable in the window that ends at `end`."""
        ends = np.array([end - window, end])
        (a, b), (c, d) = self.candidate(ends), self.stable(ends)
        return float(b - a), float(d - c)

    def _until(self, t: NDArray[np.float64], shares: Sequence[float], before: float) -> NDArray[np.float64]:
        times = np.array([0.0, *self.ends])
        sums = np.concatenate(
            ([0.0], np.cumsum([s * p.seconds for s, p in zip(shares, self.phases, strict=True)]))
        )
        inside = np.interp(t, times, sums)
        return self.rate * (inside + before * np.minimum(t, 0.0))


def exposure(scenario: Scenario, strategy: str, guard: str, rate: float | None = None) -> Exposure:
    """What the guard may expect to see of that strategy; `rate` in place of the scenario's average one."""
    plan = scenario.plan(strategy)
    own = scenario.traffic.intended.curve().mean(0.0, scenario.clock.horizon)
    phases = tuple(_phases(scenario, plan, guard))
    before = list(
        takewhile(lambda now: phases and now.stage.name != phases[0].name, _standings(scenario, plan))
    )
    return Exposure(own if rate is None else rate, phases, _begins(scenario, before))


def _standings(scenario: Scenario, plan: Plan) -> Iterator[Standing]:
    return standings(plan, scenario.traffic.mix)


def _begins(scenario: Scenario, before: Sequence[Standing]) -> tuple[float, ...]:
    """Times at which the stages before the first phase are over: their holds, and pods that must come first.

    A stage's last pod is the slowest of all its pods, and becomes ready at a probe.
    """
    total = np.full(_TIMES, _PROPAGATION)
    even = (np.arange(_TIMES) + 0.5) / _TIMES
    for place, now in enumerate(before):
        pools = [c.pool for c in now.stage.until if isinstance(c, Ready)]
        pods = max((now.pods.get(pool, 0) for pool in pools), default=0)
        if pods:
            # each stage in an order of its own: how long one takes says nothing of the next
            shares = np.random.default_rng(place).permutation(even) ** (1 / pods)
            total += _PROPAGATION + _ready_at(scenario, shares)
        total += _held(now)
    return tuple(total.tolist())


def _ready_at(scenario: Scenario, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """When so large a share of stable's pods has been found ready by a probe, after they began to start."""
    version = scenario.versions.stable
    pods = scenario.pods(version)
    started = (
        np.zeros(len(shares)) if version.start == "never" else version.start.distribution().quantile(shares)
    )
    if pods.readiness != "none":
        first, period = float(pods.readiness.initial_delay), float(pods.readiness.period)
        started = first + np.ceil(np.maximum(started - first, 0.0) / period) * period
    return np.asarray(started + pods.min_ready)


def _held(now: Standing) -> float:
    """How long a stage waits on purpose."""
    return max((c.seconds for c in now.stage.until if isinstance(c, Elapsed)), default=0.0)


def _phases(scenario: Scenario, plan: Plan, guard: str) -> Iterator[Phase]:
    """From the first stage in which the guard can see the candidate to the last that it judges."""
    before, begun = 0.0, False
    for now in _standings(scenario, plan):
        held = _held(now)
        share = now.judged_share if held else (before + now.judged_share) / 2
        before = now.judged_share
        begun = begun or (share > 0 and guard in now.stage.guards)
        if begun and guard in now.stage.guards:
            seconds = held or _without_hold(scenario, now, plan)
            # copies leave stable all of its own requests
            stable = 1 - (now.candidate_share if now.candidate_share < now.judged_share else share)
            yield Phase(now.stage.name, seconds, share, stable, held > 0)


def _without_hold(scenario: Scenario, now: Standing, plan: Plan) -> float:
    """About how long a stage takes that waits for the slowest pod of each round, or for a route alone."""
    pools = [c.pool for c in now.stage.until if isinstance(c, Ready)]
    if not pools:
        return _PROPAGATION
    rounds = _rounds(now.stage, dict(plan.start))
    at_once = max(1, math.ceil(max(now.pods.get(pool, 0) for pool in pools) / rounds))
    slowest = _ready_at(scenario, ((np.arange(_TIMES) + 0.5) / _TIMES) ** (1 / at_once))
    return _PROPAGATION + rounds * (_PROPAGATION + float(slowest.mean()))


def _rounds(stage: Stage, sizes: dict[str, int]) -> int:
    """In how many rounds a pool in place is replaced; 1 where pods only come."""
    rounds = 1
    for action in (timed.action for timed in stage.enter):
        if isinstance(action, SetVersion) and action.version == CANDIDATE and sizes.get(action.pool):
            n = sizes[action.pool]
            at_once = n
            if isinstance(action.update, RollingUpdate):
                at_once = sum(resolve_fenceposts(action.update.surge, action.update.unavailable, n))
            rounds = max(rounds, math.ceil(n / at_once))
    return rounds
