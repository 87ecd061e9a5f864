"""What is worth knowing about a scenario before it runs: what cannot be done, and what will mislead.

Pure arithmetic on the scenario and its plans; nothing is simulated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scenarios.hazards import fights, hazards
from scenarios.plan import (
    Elapsed,
    Match,
    OnInconclusive,
    Passed,
    Plan,
    Rules,
    SetRoute,
    SetVersion,
    Wins,
)
from scenarios.routers import KubeProxy
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import RollingUpdate, resolve_fenceposts
from scenarios.shares import carries
from scenarios.standing import Standing, standings
from scenarios.units import write_duration
from scenarios.unseen import unseen
from scenarios.version import Pods, Version


class Level(StrEnum):
    """A problem stops a strategy; a warning spoils what it tells; a note is good to know."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding, with the path of what it is about."""

    level: Level
    path: str
    message: str


def check(scenario: Scenario) -> tuple[Advice, ...]:
    """Everything found, problems first."""
    found = [*_cannot(scenario), *_load(scenario), *_stable(scenario)]
    found += [*_versions(scenario), *_baseline(scenario), *_requirements(scenario)]
    found += _expectations(scenario)
    found += [Advice(Level.WARNING, *said) for said in (*hazards(scenario), *unseen(scenario))]
    for name in scenario.strategies:
        if name not in scenario.unrealisable():
            found += _strategy(scenario, name, scenario.plan(name))
    order = list(Level)
    return tuple(sorted(found, key=lambda advice: order.index(advice.level)))


def _cannot(scenario: Scenario) -> Iterator[Advice]:
    for name, reason in scenario.unrealisable().items():
        yield Advice(Level.PROBLEM, f"strategies.{name}", reason)


def _requirements(scenario: Scenario) -> Iterator[Advice]:
    """What is required more strictly than so many seeds could show."""
    for name, required in scenario.require.items():
        fewest = required.fewest_runs()
        if fewest is not None and fewest > scenario.seeds:
            text = f"{scenario.seeds} seeds cannot show it, even if all keep to it; it takes {fewest} or more"
            yield Advice(Level.WARNING, f"require.{name}", text)


def _expectations(scenario: Scenario) -> Iterator[Advice]:
    """Answers that are told apart by what no version is said to answer with."""
    runs = (scenario.versions.stable, *scenario.variants.values())
    silent = all(version.answers is None for version in runs)
    for name, expected in scenario.expect.items():
        if silent and (expected.answers.headers or expected.answers.body is not None):
            text = "no version says what its answers are like (answers: …): nobody can say if they fit"
            yield Advice(Level.WARNING, f"expect.{name}", text)


def utilisation(scenario: Scenario) -> float:
    """Share of all slots that stable keeps busy when most requests come."""
    service = scenario.service
    mean = scenario.versions.stable.service_time.distribution().mean()
    peak = scenario.traffic.intended.curve().peak(0.0, scenario.clock.horizon)
    return peak * mean / (service.replicas * service.slots)


def _load(scenario: Scenario) -> Iterator[Advice]:
    load = utilisation(scenario)
    if load >= 1:
        when = "" if scenario.traffic.intended.shape is None else " at the peak"
        text = f"the stable version alone is overloaded{when}: {load:.0%} of its slots are asked for"
        yield Advice(Level.WARNING, "traffic.rate", text)


def _stable(scenario: Scenario) -> Iterator[Advice]:
    """What makes stable miss the objective by itself: no candidate can then be judged by it."""
    stable, timeout = scenario.versions.stable, float(scenario.traffic.client.timeout)
    if stable.start == "never":
        yield Advice(Level.WARNING, "versions.stable.start", "stable never becomes ready itself")
    if stable.share_failing("requests") > 1 - scenario.slo.success:
        text = "stable fails more requests than slo.success allows: no candidate can be judged by it"
        yield Advice(Level.WARNING, "versions.stable.errors", text)
    if stable.service_time.distribution().mean() >= timeout:
        text = f"clients give up after {write_duration(timeout)}, sooner than a request takes on average"
        yield Advice(Level.WARNING, "traffic.client.timeout", text)


def _versions(scenario: Scenario) -> Iterator[Advice]:
    """Pods' settings of stable and of each candidate, said once where they are the cluster's."""
    own = {"cluster.pods": scenario.cluster.pods}
    for name, version in {"versions.stable": scenario.versions.stable, **_candidates(scenario)}.items():
        if version.pods is not None:
            own[f"{name}.pods"] = scenario.pods(version)
        if scenario.pods(version).readiness == "none" and _boots(version):
            text = "no readiness probe: pods get requests as soon as they run, before they can answer"
            yield Advice(Level.WARNING, f"{name}.start", text)
    for path, pods in own.items():
        yield from _pods(scenario, path, pods)


def _candidates(scenario: Scenario) -> dict[str, Version]:
    return {f"candidates.{name}": version for name, version in scenario.variants.items()}


def _boots(version: Version) -> bool:
    return version.start != "never" and version.start.distribution().mean() > 0


def _pods(scenario: Scenario, path: str, pods: Pods) -> Iterator[Advice]:
    ends = pods.termination
    lag = max((r.min_sync_period for r in scenario.routers.values() if isinstance(r, KubeProxy)), default=0.0)
    if ends.pre_stop >= ends.grace:
        text = f"preStop takes the whole grace period of {write_duration(ends.grace)}: pods are killed"
        yield Advice(Level.WARNING, f"{path}.termination.pre_stop", text)
    elif ends.pre_stop < lag:
        text = (
            f"proxies learn of a removed pod up to {write_duration(lag)} late and preStop waits "
            f"{write_duration(ends.pre_stop)}: expect failed requests at every removed pod"
        )
        yield Advice(Level.WARNING, f"{path}.termination.pre_stop", text)


def _baseline(scenario: Scenario) -> Iterator[Advice]:
    """What p₀, estimated from the settling window, can and cannot tell."""
    rate, clock = scenario.traffic.intended.curve(), scenario.clock
    requests, total = rate.expected(-clock.settle, 0.0), rate.expected(0.0, clock.horizon)
    share = scenario.versions.stable.share_failing("requests")
    if requests == 0:
        text = "no requests in the settling time: there is no p₀, and no estimate of a blast radius"
        yield Advice(Level.WARNING, "clock.settle", text)
    elif share > 0:
        noise = 1.96 * total * (share * (1 - share) / requests) ** 0.5
        text = (
            f"p₀ comes from {requests:,.0f} settling requests: the estimated blast radius is uncertain by "
            f"± {noise:,.0f} requests from that alone; the exact one is not"
        )
        yield Advice(Level.NOTE, "clock.settle", text)


def _strategy(scenario: Scenario, name: str, plan: Plan) -> Iterator[Advice]:
    path = f"strategies.{name}"
    waits = sum(c.seconds for stage in plan.stages for c in stage.until if isinstance(c, Elapsed))
    if waits >= scenario.clock.horizon:
        horizon = write_duration(scenario.clock.horizon)
        text = f"its own waits take {write_duration(waits)}, the horizon is {horizon}: it cannot settle"
        yield Advice(Level.WARNING, path, text)
    yield from _patience(scenario, path, plan)
    yield from _room(scenario, path, plan)
    yield from _capacity(scenario, path, plan)
    yield from _guards(scenario, path, plan)
    yield from _nobody(scenario, path, plan)
    yield from _crowded(scenario, path, plan)
    yield from _conversions(scenario, path, plan)
    strategy = scenario.strategies[name].strategy
    if (fight := fights(scenario, plan)) is not None:
        yield Advice(Level.NOTE, path, fight)
    for note in strategy.notes(scenario.service, scenario.routers[strategy.via]):
        yield Advice(Level.NOTE, path, note)


def _patience(scenario: Scenario, path: str, plan: Plan) -> Iterator[Advice]:
    for timed in (timed for stage in plan.stages for timed in stage.enter):
        if not isinstance(timed.action, SetVersion):
            continue
        min_ready, deadline = scenario.min_ready(timed.action), timed.action.progress_deadline
        if min_ready >= deadline:
            text = (
                f"pods become available {write_duration(min_ready)} after they are ready; Kubernetes wants a "
                f"progress deadline longer than that, so {write_duration(deadline)} is taken as a second more"
            )
            yield Advice(Level.WARNING, path, text)
            return


def _room(scenario: Scenario, path: str, plan: Plan) -> Iterator[Advice]:
    spare = scenario.cluster.spare_pods
    before, peak = dict(plan.start), 0
    for now in standings(plan, scenario.traffic.mix):
        peak = max(peak, sum(now.pods.values()) + _surge(now, before))
        before = dict(now.pods)
    extra = peak - scenario.service.replicas
    if spare is not None and extra > spare:
        text = f"it wants {extra} pods beyond the replicas and the cluster has room for {spare}: it will wait"
        yield Advice(Level.WARNING, path, text)


def _surge(now: Standing, before: Mapping[str, int]) -> int:
    """Pods above its size that a pool in place gets while its version changes."""
    changes = [t.action for t in now.stage.enter if isinstance(t.action, SetVersion)]
    return sum(
        resolve_fenceposts(change.update.surge, change.update.unavailable, before[change.pool])[0]
        for change in changes
        if isinstance(change.update, RollingUpdate) and before.get(change.pool)
    )


def _capacity(scenario: Scenario, path: str, plan: Plan) -> Iterator[Advice]:
    load, n = utilisation(scenario), scenario.service.replicas
    worst = min(standings(plan, scenario.traffic.mix), key=lambda now: now.serving)
    if load < 1 <= load * n / max(worst.serving, 0.001):
        text = (
            f"in {worst.stage.name}, {worst.serving:.3g} pods' worth of capacity would have to work at "
            f"{load * n / max(worst.serving, 0.001):.0%}: expect a queue and failures"
        )
        yield Advice(Level.WARNING, path, text)


def _guards(scenario: Scenario, path: str, plan: Plan) -> Iterator[Advice]:
    """Guards that can hardly ever have enough requests, at the share that a stage gives the candidate."""
    said, rate = set[str](), scenario.traffic.intended.curve()
    for now in standings(plan, scenario.traffic.mix):
        for condition in (c for c in now.stage.until if isinstance(c, Passed)):
            for name in condition.guards:
                guard = scenario.guards[name]
                share = 1.0 if guard.of == "all" else now.judged_share
                expected = rate.mean(0.0, scenario.clock.horizon) * share * guard.window
                if expected < guard.min_requests and name not in said:
                    said.add(name)
                    text = (
                        f"in {now.stage.name}, guard {name} sees about {expected:,.0f} requests in "
                        f"{write_duration(guard.window)} and wants {guard.min_requests:,}: "
                        f"it stays inconclusive, and {_INCONCLUSIVE[condition.inconclusive]}"
                    )
                    yield Advice(Level.WARNING, path, text)


_INCONCLUSIVE = {
    OnInconclusive.WAIT: "an inconclusive guard never passes",
    OnInconclusive.PROCEED: "the release goes on without its word",
    OnInconclusive.UNDO: "the release goes back for that",
}


def _nobody(scenario: Scenario, path: str, plan: Plan) -> Iterator[Advice]:
    """Rules that no user of the declared traffic can match."""
    routes = [timed.action for stage in plan.stages for timed in stage.enter]
    rules = [r.route for r in routes if isinstance(r, SetRoute) and isinstance(r.route, Rules)]
    for match in dict.fromkeys(match for route in rules for match, _ in route.rules):
        if not _carried(scenario, match):
            text = f"nobody in traffic.mix carries {match}: that rule sends nobody to the candidate"
            yield Advice(Level.WARNING, path, text)


def _crowded(scenario: Scenario, path: str, plan: Plan) -> Iterator[Advice]:
    """Rules that send more to a pool than its part of the pods, so that it caps the service."""
    n = scenario.service.replicas
    ruled = (
        now
        for now in standings(plan, scenario.traffic.mix)
        if isinstance(now.route, Rules) and now.route.rules
    )
    worst = min(ruled, key=lambda now: now.serving, default=None)
    if worst is not None and worst.serving < 0.8 * n:
        text = (
            f"in {worst.stage.name}, {worst.candidate_share:.0%} of requests meet the candidate, whose pods "
            f"then cap the service at the worth of {worst.serving:.3g} of {n}: give it more pods"
        )
        yield Advice(Level.WARNING, path, text)


def _carried(scenario: Scenario, match: Match) -> bool:
    mix = scenario.traffic.mix.items()
    return any(carries(match, {attribute: value}) for attribute, values in mix for value in values)


def _conversions(scenario: Scenario, path: str, plan: Plan) -> Iterator[Advice]:
    """A test of conversions in a world where nobody is said to convert."""
    if not plan.tests:
        return
    wins = any(isinstance(c, Wins) for stage in plan.stages for c in stage.until)
    runs = {"versions.stable": scenario.versions.stable, **_candidates(scenario)}
    silent = [name for name, version in runs.items() if version.conversion is None]
    if silent:
        text = f"no conversion is stated for {', '.join(silent)}: none of its users converts"
        yield Advice(Level.WARNING if wins else Level.NOTE, path, text)
