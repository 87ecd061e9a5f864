"""What is worth knowing beforehand about what nobody meets, sees or is sent to, though the scenario says so.

Pure arithmetic on the scenario; each finding is the path of what it is about, and a sentence.
"""

from collections.abc import Iterator

from scenarios.plan import Plan, SetRoute
from scenarios.route import lower
from scenarios.routers import IngressNginx, Router
from scenarios.scenario import Scenario
from scenarios.version import Errors, Version
from scenarios.world import Guard

Found = Iterator[tuple[str, str]]


def unseen(scenario: Scenario) -> Found:
    """Errors that nobody can meet, guards that do not see a crash, users whom a weight does not move."""
    yield from _errors(scenario)
    yield from _blind(scenario)
    yield from _pinned(scenario)


def _errors(scenario: Scenario) -> Found:
    """Errors on a condition that no user fulfils, at the version that says so first."""
    versions = scenario.versions
    yield from _nobodys(scenario, "versions.stable", versions.stable, ())
    yield from _nobodys(scenario, "versions.candidate", versions.candidate, versions.stable.errors)
    inherited = (*versions.stable.errors, *versions.candidate.errors)
    for name, version in scenario.candidates.items():
        yield from _nobodys(scenario, f"candidates.{name}", version, inherited)


def _nobodys(scenario: Scenario, path: str, version: Version, inherited: tuple[Errors, ...]) -> Found:
    mix = scenario.traffic.mix
    for index, errors in enumerate(version.errors):
        for attribute, value in errors.when.items():
            if errors not in inherited and not mix.get(attribute, {}).get(value):
                where = f"{path}.errors.{index}.when.{attribute}"
                yield where, f"nobody in traffic.mix carries {attribute} {value}: nobody meets these errors"


def _blind(scenario: Scenario) -> Found:
    """Guards of the candidate's failures where it crashes, unless one of all stands beside each."""
    crashing = [name for name, version in scenario.variants.items() if _crashes(version)]
    if not crashing:
        return
    for name in dict.fromkeys(name for guards in _together(scenario) for name in _alone(scenario, guards)):
        text = (
            f"candidate {crashing[0]} crashes, and requests that are refused or lost reach no version: while "
            "stable answers, this guard does not see them; set one with of: all beside it"
        )
        yield f"guards.{name}", text


def _crashes(version: Version) -> bool:
    return version.crash is not None or (version.leak is not None and version.leak.crash)


def _together(scenario: Scenario) -> Iterator[list[str]]:
    """The guards that each strategy names."""
    for written in scenario.strategies.values():
        yield [name for _, kind, name in written.strategy.mentions() if kind == "guard"]


def _alone(scenario: Scenario, names: list[str]) -> list[str]:
    """Those that judge the candidate's failures, where none judges everybody's."""
    guards: dict[str, Guard] = {
        name: scenario.guards[name] for name in names if scenario.guards[name].metric == "failure_share"
    }
    if any(guard.of == "all" for guard in guards.values()):
        return []
    return list(guards)


def _pinned(scenario: Scenario) -> Found:
    """Weights behind a router whose cookies are older than the release."""
    impossible = scenario.unrealisable()
    for name, written in scenario.strategies.items():
        router = scenario.routers[written.strategy.via]
        if name in impossible or not isinstance(router, IngressNginx) or router.affinity == "none":
            continue
        plan = scenario.plan(name)
        if _weighs(plan, router):
            mismatch = " and an A/B test's groups are not of the sizes meant (sample-ratio mismatch)"
            yield (
                f"strategies.{name}",
                "session cookies from before the release keep everybody seen so far on the primary; only new "
                f"users are split, so shares stay far below the weight{mismatch if plan.tests else ''}: "
                "divide by a header or a cookie, or go via a proxy router",
            )


def _weighs(plan: Plan, router: Router) -> bool:
    """Whether some stage splits users by weight."""
    routes = [t.action.route for s in plan.stages for t in s.enter if isinstance(t.action, SetRoute)]
    return any(0 < weight < 1 for route in routes for weight in lower(route, router).weights)
