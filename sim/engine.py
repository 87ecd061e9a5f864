"""Which engine a trial needs, and what it is told: a scenario's requests, pods and routers in its terms."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scenarios.faults import NodeDown, NodeSlow, SlowDependency
from scenarios.mix import Kind, kind_of_users, kinds
from scenarios.plan import Route
from scenarios.record import Trial
from scenarios.route import Lowered, lower, sides
from scenarios.routers import IngressNginx, KubeProxy, LayerSevenProxy, Router
from scenarios.scenario import Scenario
from scenarios.tally import Grid, Status
from scenarios.version import Probe, Version
from sim.endpoints import Sides, proxies
from sim.general_requests import GeneralRequests
from sim.habits import Habits, Kept
from sim.kit import Kit, after_sigterm
from sim.requests import Balance, Requests, shared_blocks

FOREVER = 1e12  # seconds
CLIENT_IP = 10_800.0
"""A Service with affinity forgets an address that it has not seen for three hours."""

_AGAIN = {"refused": Status.REFUSED, "unavailable": Status.REJECTED, "error": Status.ERROR}
_BALANCE: dict[str, Balance] = {
    "random": "random",
    "round_robin": "round_robin",
    "least_request": "least_outstanding",
}


def requests_of(
    trial: Trial, kits: Sequence[Kit], router: Router, routes: Sequence[Route], grid: Grid
) -> tuple[Requests, Sides]:
    """The requests of a trial that will use these routes; `kits` are those of stable and candidate."""
    lowered = [lower(route, router) for route in routes]
    versions = [kit.version for kit in kits]
    copies = any(route.copies is not None for route in lowered)
    users, scenario = sides(router, routes), trial.scenario
    usual = _usual(trial, kits, router, grid) | {"backends": users + copies}
    if not _needs_more(scenario, versions, router, lowered):
        return Requests(**usual), Sides(users)
    told = _attributes(scenario, versions, lowered)
    habits = _habits(trial, versions, router, told, copies=users if copies else None)
    return GeneralRequests(habits, **usual), Sides(users, copies, told)


def _usual(trial: Trial, kits: Sequence[Kit], router: Router, grid: Grid) -> dict[str, Any]:
    """What both engines are told."""
    scenario, service = trial.scenario, trial.scenario.service
    versions = [kit.version for kit in kits]
    layer_7 = not isinstance(router, KubeProxy)
    traffic = scenario.traffic
    drawn = {
        "seed": trial.seed,
        "rate": traffic.intended.curve(),
        "users": traffic.users.count,
        "activity": traffic.users.activity,
        "service": tuple(version.service_time.distribution() for version in versions),
    }
    return drawn | {
        "grid": grid,
        "slots": service.slots,
        "queue": service.queue,
        "timeout": float(traffic.client.timeout),
        "warm_up": tuple(_warm_up(version) for version in versions),
        "user_errors": tuple(version.share_failing("users") for version in versions),
        "balance": _balance(router),
        "proxies": proxies(router, scenario.cluster.nodes),
        "tries": 3 if isinstance(router, IngressNginx) else 1,
        "empty": Status.UNAVAILABLE if layer_7 else Status.REFUSED,
        "fallback": not isinstance(router, LayerSevenProxy),
        "resets": may_reset(kits, float(traffic.client.timeout)),
        "shared": shared_blocks(**drawn, start=grid.start, horizon=grid.horizon),
    }


def _warm_up(version: Version) -> tuple[float, float] | None:
    return (float(version.warm_up.slower), float(version.warm_up.lasting)) if version.warm_up else None


def _balance(router: Router) -> Balance:
    match router:
        case KubeProxy():
            return "round_robin" if router.mode == "ipvs" else "random"
        case IngressNginx():
            return "round_robin"
        case LayerSevenProxy():
            return _BALANCE[router.balance]


def may_reset(kits: Sequence[Kit], timeout: float) -> bool:
    """Whether a process can die while a client waits for it: by a crash, at SIGTERM, or at SIGKILL before the
    longest wait that began just before SIGTERM is over."""
    return any(
        kit.version.crash is not None
        or (kit.version.leak is not None and kit.version.leak.crash)
        or isinstance(kit.settings.liveness, Probe)
        or kit.settings.termination.on_sigterm == "exit"
        or after_sigterm(kit.settings.termination) < timeout
        for kit in kits
    )


# --- what the fast engine does not do ------------------------------------------------------------


def _needs_more(
    scenario: Scenario, versions: Sequence[Version], router: Router, routes: Sequence[Lowered]
) -> bool:
    traffic, faults = scenario.traffic, scenario.faults
    return (
        traffic.client.retries > 0
        or traffic.connections is not None
        or traffic.think is not None
        or _remembers(router) > 0
        or (isinstance(router, LayerSevenProxy) and router.retries.tries > 1)
        or any(route.general for route in routes)
        or any(_general(version) for version in versions)
        or any(isinstance(fault.happening, NodeDown | NodeSlow | SlowDependency) for fault in faults)
        or scenario.cluster.autoscaler is not None
    )


def _general(version: Version) -> bool:
    odd = any(error.when or error.load is not None or error.of == "connections" for error in version.errors)
    poison = version.crash is not None and version.crash.on_request is not None
    return odd or poison or version.leak is not None


def _attributes(
    scenario: Scenario, versions: Sequence[Version], routes: Sequence[Lowered]
) -> tuple[Kind, ...]:
    """The kinds of users, where anything tells them apart; else one."""
    ruled = any(route.rules or route.policy is not None for route in routes)
    apart = ruled or any(error.when for version in versions for error in version.errors)
    return kinds(scenario.traffic.mix if apart else {})


def _habits(
    trial: Trial,
    versions: Sequence[Version],
    router: Router,
    told: tuple[Kind, ...],
    copies: int | None,
) -> Habits:
    traffic = trial.scenario.traffic
    client, users = traffic.client, traffic.users.count
    mix = traffic.mix if len(told) > 1 else {}
    backoff, again = client.backoff, router.retries if isinstance(router, LayerSevenProxy) else None
    return Habits(
        pauses=tuple(backoff.pause(k) for k in range(1, client.retries + 1)),
        jitter=float(backoff.jitter),
        proxy_tries=again.tries if again else 1,
        proxy_on=frozenset(_AGAIN[what] for what in again.when) if again else frozenset(),
        proxy_backoff=float(again.backoff) if again else 0.0,
        think=traffic.think.distribution() if traffic.think else None,
        kept=_kept(trial.scenario),
        layer_7=not isinstance(router, KubeProxy),
        remembers=_remembers(router),
        affinity_first=isinstance(router, IngressNginx),
        kinds=len(told),
        kind=kind_of_users(trial.seed, users, mix) if mix else np.zeros(1, np.uint8),
        errors=np.array([_errors(of, versions, told) for of in ("requests", "users", "connections")]),
        loaded=tuple(_loaded(version) for version in versions),  # type: ignore[arg-type]
        leak=tuple(_leak(version) for version in versions),  # type: ignore[arg-type]
        poison=tuple(_poison(version) for version in versions),  # type: ignore[arg-type]
        copies=copies,
    )


def _kept(scenario: Scenario) -> Kept | None:
    kept = scenario.traffic.connections
    if kept is None:
        return None
    age = FOREVER if kept.age is None else float(kept.age)
    return Kept(kept.pool, float(kept.idle), age, kept.requests or 1 << 60)


def _remembers(router: Router) -> float:
    """How long the router sends a user to the pod it had: by address, or by session cookie."""
    if isinstance(router, KubeProxy):
        return CLIENT_IP if router.affinity == "client_ip" else 0.0
    return FOREVER if isinstance(router, IngressNginx) and router.affinity != "none" else 0.0


def _errors(of: str, versions: Sequence[Version], told: tuple[Kind, ...]) -> list[list[float]]:
    """By version and kind; what needs no attribute is told otherwise, but for connections."""
    return [
        [
            1
            - (1 - version.share_failing_when(of, kind.attributes))
            * (1 - (version.share_failing(of) if of == "connections" else 0.0))
            for kind in told
        ]
        for version in versions
    ]


def _loaded(version: Version) -> tuple[float, float]:
    loaded = [error for error in version.errors if error.load is not None]
    return (float(loaded[0].share), float(loaded[0].load or 0.0)) if loaded else (0.0, 1.0)


def _leak(version: Version) -> tuple[float, float]:
    return (1.0, 1.0) if version.leak is None else (version.leak.slower, float(version.leak.over))


def _poison(version: Version) -> float:
    return float(version.crash.on_request or 0.0) if version.crash else 0.0
