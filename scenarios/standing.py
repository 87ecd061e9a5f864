"""How things stand in each stage of a plan, by its actions alone: pods, versions, route. For advice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scenarios.mix import Mix
from scenarios.plan import (
    CANDIDATE,
    Command,
    Plan,
    Pool,
    Route,
    Rules,
    Scale,
    SetRoute,
    SetVersion,
    Stage,
    Update,
    Verb,
)
from scenarios.semantics.deployment_spec import RollingUpdate
from scenarios.semantics.first_batch import first_batch
from scenarios.shares import Target, shares


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand once a stage's actions are done: pods and the candidate's share of them by pool."""

    stage: Stage
    pods: Mapping[Pool, int]
    new: Mapping[Pool, float]
    route: Route
    mix: Mix

    @property
    def serving(self) -> float:
        """Pods' worth of capacity under the route: the scarcest target's, by its share of requests."""
        by_target = {
            target: sum(self.pods.get(pool, 0) for pool in target) / share
            for target, share in shares(self.route, self.mix).items()
            if share > 0
        }
        return min(by_target.values())

    @property
    def candidate_share(self) -> float:
        """The share of requests that reaches the candidate."""
        of_route = shares(self.route, self.mix).items()
        return sum(share * self._candidate(target) for target, share in of_route)

    @property
    def judged_share(self) -> float:
        """The same, as guards see it: with copies that no user sees."""
        mirror = self.route.mirror if isinstance(self.route, Rules) else None
        return self.candidate_share + (0.0 if mirror is None else mirror[1])

    def _candidate(self, target: Target) -> float:
        """The candidate's share of a target's pods."""
        new = sum(self.pods.get(pool, 0) * self.new.get(pool, 0.0) for pool in target)
        return new / max(sum(self.pods.get(pool, 0) for pool in target), 1)


def standings(plan: Plan, mix: Mix) -> Iterator[Standing]:
    """The way forward, stage by stage, with users of that mix."""
    pods, new = dict(plan.start), dict.fromkeys(dict(plan.start), 0.0)
    route = plan.route
    for stage in plan.stages:
        for timed in stage.enter:
            match timed.action:
                case Scale(pool, n):
                    pods[pool] = n
                case SetVersion(pool, wanted, update):
                    new[pool] = _paused(stage, pool, update, pods) if wanted == CANDIDATE else 0.0
                case Command(Verb.RESUME, pool):
                    new[pool] = 1.0 if new[pool] else 0.0
                case SetRoute(_, wanted_route):
                    route = wanted_route
        yield Standing(stage, dict(pods), dict(new), route, mix)


def _paused(stage: Stage, pool: Pool, update: Update, pods: Mapping[Pool, int]) -> float:
    """The share of the new version that a change of a pool's template comes to, in this stage."""
    for timed in stage.enter:
        if timed.action == Command(Verb.PAUSE, pool) and isinstance(update, RollingUpdate):
            new, there = first_batch(update, pods[pool], timed.after)
            return new / there
    return 1.0
