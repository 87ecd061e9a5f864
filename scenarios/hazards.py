"""What is worth knowing beforehand about what goes wrong by itself: faults, budgets, autoscalers, probes.

Pure arithmetic on the scenario; each finding is the path of what it is about, and a sentence.
"""

from collections.abc import Iterator

from scenarios.faults import Happening, NodeDown, NodeDrain
from scenarios.plan import Plan, Scale
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import Recreate
from scenarios.semantics.disruption import desired_healthy
from scenarios.units import write_duration
from scenarios.version import Pods, Probe, Version

Found = Iterator[tuple[str, str]]


def hazards(scenario: Scenario) -> Found:
    """What spoils a comparison, or is hardly meant."""
    yield from _faults(scenario)
    yield from _budget(scenario)
    yield from _autoscaler(scenario)
    for name, version in {"versions.stable": scenario.versions.stable, **_candidates(scenario)}.items():
        yield from _liveness(name, scenario.pods(version), version)
    if scenario.versions.stable.pull == "never":
        yield "versions.stable.pull", "stable's image cannot be pulled: no pod of it ever runs"


def fights(scenario: Scenario, plan: Plan) -> str | None:
    """What is said of a plan that sets the size of a Deployment which has an autoscaler."""
    if scenario.cluster.autoscaler is None:
        return None
    scaled = {
        timed.action.pool
        for stage in plan.every_stage()
        for timed in stage.enter
        if isinstance(timed.action, Scale)
    }
    both = [pool for pool, _ in plan.start if pool in scaled]
    if not both:
        return None
    return f"it sets the size of {' and '.join(both)}, and so does the autoscaler: whoever came last wins"


def _candidates(scenario: Scenario) -> dict[str, Version]:
    return {f"candidates.{name}": version for name, version in scenario.variants.items()}


def _faults(scenario: Scenario) -> Found:
    for index, fault in enumerate(scenario.faults):
        happening, path = fault.happening, f"faults.{index}"
        if happening is None:
            continue
        if happening.at >= scenario.clock.horizon:
            yield path, f"it comes after the horizon of {write_duration(scenario.clock.horizon)}: never"
        yield from _node(scenario, path, happening)


def _node(scenario: Scenario, path: str, happening: Happening) -> Found:
    alone = scenario.cluster.nodes == 1
    if isinstance(happening, NodeDown) and alone:
        yield path, "it is the only node: the whole service is down, whatever the strategy"
    if isinstance(happening, NodeDrain) and alone:
        yield path, "it is the only node: evicted pods wait for it, whatever the strategy"
    if isinstance(happening, NodeDown) and happening.lasting is None:
        waits = [name for name in scenario.strategies if _waits_for_last(scenario, name)]
        if waits:
            text = "nobody can stop the pods of a node that stays down, and what waits for the last pod waits"
            yield path, f"{text} for good: {', '.join(waits)}"


def _waits_for_last(scenario: Scenario, name: str) -> bool:
    """Whether the strategy replaces a Deployment's pods only once all are gone."""
    if name in scenario.unrealisable():
        return False
    actions = (timed.action for stage in scenario.plan(name).every_stage() for timed in stage.enter)
    return any(isinstance(getattr(action, "update", None), Recreate) for action in actions)


def _budget(scenario: Scenario) -> Found:
    budget, replicas = scenario.cluster.disruption_budget, scenario.service.replicas
    if budget is None:
        return
    desired = desired_healthy(budget.min_available, budget.max_unavailable, replicas)
    if desired >= replicas:
        text = f"{desired} of {replicas} pods must stay healthy: it never lets one be evicted, drains hang"
        yield "cluster.disruption_budget", text


def _autoscaler(scenario: Scenario) -> Found:
    scaler, replicas = scenario.cluster.autoscaler, scenario.service.replicas
    if scaler is None:
        return
    path = "cluster.autoscaler"
    if not scaler.min <= replicas <= scaler.max:
        text = f"the service has {replicas} replicas, which {scaler.min} to {scaler.max} leave out"
        yield path, f"{text}: its first look changes them"
    if scaler.stabilization > scenario.clock.horizon:
        yield f"{path}.stabilization", "longer than the horizon: nothing is ever scaled down"


def _liveness(name: str, pods: Pods, version: Version) -> Found:
    alive, ready = pods.liveness, pods.readiness
    if not isinstance(alive, Probe):
        return
    path = f"{name}.pods.liveness"
    patience = _patience(alive)
    if version.start != "never" and version.start.distribution().mean() >= alive.initial_delay + patience:
        begins = write_duration(version.start.distribution().mean())
        text = f"a process that takes {begins} to listen is killed after {write_duration(patience)}"
        yield path, f"{text}, before it is up: give an initial_delay"
    if isinstance(ready, Probe) and patience < _patience(ready):
        sooner, later = write_duration(patience), write_duration(_patience(ready))
        text = f"it gives up after {sooner}, readiness after {later}"
        yield path, f"{text}: a busy pod is killed before it would be left alone"


def _patience(probe: Probe) -> float:
    """The shortest time in which so many probes in a row can fail, in seconds."""
    return float(probe.period) * (probe.failure - 1) + float(probe.timeout)
