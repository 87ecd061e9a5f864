"""A trial's simulated world: pools of pods behind a router, requests in the kernel, the release that sees it.

It obeys: actions become changes after the API's delay; pods and controllers tell what comes of them.

Long, as it is where everything of a trial meets; what can be told apart is in modules of its own.
"""

import math
from dataclasses import replace

import numpy as np

from scenarios.backend import drive
from scenarios.draws import Purpose, draw, u
from scenarios.faults import NodeDown, NodeDrain, NodeSlow, SlowDependency
from scenarios.observe import Observation, PoolSeen
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    ByReplicas,
    Call,
    Command,
    Plan,
    Route,
    Scale,
    SetRoute,
    SetVersion,
    Verb,
)
from scenarios.record import ARM, PodEvent, Record, RouteChange, Trial, Truth
from scenarios.record import Pods as PodHistory
from scenarios.release import Asked
from scenarios.route import Unrealisable, lower
from scenarios.routers import Router
from scenarios.semantics.deployment import Deployment, RollingUpdate
from scenarios.semantics.disruption import Health
from sim.autoscaler import Autoscaler, bounds_of
from sim.clock import SECOND, Clock, Order, nanoseconds, on_grid
from sim.controllers import PoolController
from sim.endpoints import Endpoints, Serving, Sides
from sim.engine import requests_of
from sim.expectations import Expectations, Routing
from sim.faults import Faults, Reach
from sim.kit import Kit, Pace
from sim.nodes import Node
from sim.people import People
from sim.pods import Pod
from sim.room import Room
from sim.scrapes import Scrapes

WARM = 3600 * SECOND
"""Pods that serve before the trial have been listening for an hour."""

POLL = 50_000_000
"""How often the world asks the kernel whose process died of a request."""


def simulate(trial: Trial, *, every_tick: bool = False) -> Record:
    """Run one trial. Same trial, same record; `every_tick` steps the release at idle ticks too.

    Raises Unrealisable where this world cannot do the strategy.
    """
    world = World(trial, every_tick=every_tick)
    return world.arm() if world.plan is None else world.release(world.plan)


class World:
    """Everything of one trial; `look` and `ask` are the release's port to it."""

    def __init__(self, trial: Trial, *, every_tick: bool = False) -> None:
        scenario = trial.scenario
        self.trial, self.scenario, self.every_tick = trial, scenario, every_tick
        self.grid = scenario.grid
        self.horizon, self.tick = self.grid.horizon * SECOND, nanoseconds(scenario.clock.tick)
        self.clock = Clock(self.grid.start * SECOND)
        self.router = self._router()
        self.nodes = [Node(number) for number in range(scenario.cluster.nodes)]
        self.kits = {v: self._kit(v) for v in (STABLE, CANDIDATE)}
        self.plan = None if trial.strategy == ARM else scenario.plan(trial.strategy)
        routes = () if self.plan is None else self.plan.routes
        kits = (self.kits[STABLE], self.kits[CANDIDATE])
        self.requests, sides = requests_of(trial, kits, self.router, routes, self.grid)
        self.endpoints = self._endpoints(sides)
        runs = [kit.version for kit in kits]
        self.expected = Expectations(trial, runs)
        self.pools: dict[str, PoolController] = {}
        self.pods: list[Pod] = []
        self.ordinals = {STABLE: 0, CANDIDATE: 0}
        self.history: list[tuple[int, int, int]] = []
        self.routes: list[RouteChange] = []
        self.pool_names: list[str] = []
        self.noticed_at: int | None = None
        self.seen: dict[str, tuple[int, PoolSeen]] = {}
        self.answered_at = self.clock.now
        self.done: set[str] = set()
        self.refused: dict[str, str] = {}
        self.people = People(scenario.operators, trial.seed, self.clock, self.notice)
        self.faults = self._faults()
        self.scrapes = self._scrapes()
        self.room = self._room()

    # --- what a trial is -------------------------------------------------------------------------

    def arm(self) -> Record:
        """A control arm: one version everywhere, from before the trial on, and no release."""
        version = STABLE if self.trial.candidate is None else CANDIDATE
        self._start((("main", self.scenario.service.replicas),), ByReplicas(("main",)), version)
        return Record(self.trial, self._finish())

    def release(self, plan: Plan) -> Record:
        """The strategy's plan, driven to its end or to the horizon."""
        guards = {name: self.scenario.guards[name] for name in plan.guards}
        self._start(plan.start, plan.route, STABLE)
        self.clock.at(0, Order.TICK, _nothing)
        self.clock.run(0)
        self.scrapes.watch(plan, guards)
        self.notice()
        observed, decisions = drive(plan, guards, self.look, self.ask, self._stage_ends)
        self.scrapes.end()
        truth = self._finish()
        asked = tuple((t, a.id, a.action) for t, a in decisions.asked)
        found = tuple(self.expected.found)
        return Record(self.trial, truth, observed, asked, decisions.events, decisions.outcome, found)

    def _stage_ends(self, stage: str) -> None:
        self.expected.stage_ends(stage, self.clock.seconds, self._routing())

    def _routing(self) -> Routing:
        return Routing(self.router, self.endpoints.proxies, self.requests)

    # --- the release's port ----------------------------------------------------------------------

    def look(self, wake: float | None, due: float | None) -> Observation | None:
        """Go on until something may have changed, the tick after `wake`, or `due`; None at the horizon."""
        following = (self.clock.now // self.tick + 1) * self.tick
        limit = self.horizon if wake is None else min(max(on_grid(wake, self.tick), following), self.horizon)
        if self.every_tick:
            limit = min(limit, following)
        if due is not None:
            limit = min(limit, nanoseconds(due))
        self.clock.at(limit, Order.TICK, _nothing)
        while True:
            upcoming = self.clock.upcoming()
            if upcoming > (limit if self.noticed_at is None else self.noticed_at):
                break
            self.clock.step()
        self.noticed_at = None
        return self._observation() if self.clock.now < self.horizon else None

    def ask(self, asked: Asked) -> None:
        """Send an action to the API server once the one before is answered; it is done a moment later."""
        lag = self.scenario.cluster.delays.api.distribution()
        share = u(self.trial.seed, Purpose.API, *asked.id.encode())
        delay = nanoseconds(draw(lag, share) * self.faults.api)
        self.answered_at = max(self.answered_at, self.clock.now) + delay
        self.clock.at(self.answered_at, Order.CONTROLLER, lambda: self._do(asked))

    def notice(self) -> None:
        """Something changed that the release may act on."""
        self.noticed_at = self.clock.now

    def _observation(self) -> Observation:
        windows, groups = self.scrapes.take()
        return Observation(
            self.clock.seconds,
            {name: self._pool_seen(pool) for name, pool in self.pools.items()},
            self.endpoints.settled,
            frozenset(self.done),
            dict(self.refused),
            windows,
            self.people.abort,
            frozenset(self.people.approved),
            groups,
        )

    def _pool_seen(self, pool: PoolController) -> PoolSeen:
        changes, seen = self.seen.get(pool.pool, (-1, None))
        if seen is None or changes != pool.changes:
            seen = _look_at(pool)
            self.seen[pool.pool] = (pool.changes, seen)
        return seen

    def _do(self, asked: Asked) -> None:
        refused = self._command(asked.action) if isinstance(asked.action, Command) else None
        match asked.action:
            case Scale(pool, pods):
                self._pool(pool).change(replicas=pods)
            case SetVersion() as action:
                self._set_version(action)
            case SetRoute(_, route):
                self._set_route(route)
            case Call() as call:
                self.people.call(asked.id, call)
        if refused is None:
            self.done.add(asked.id)
        else:
            self.refused[asked.id] = refused
        self.notice()

    def _command(self, command: Command) -> str | None:
        """Do it, or say why it is refused."""
        pool = self._pool(command.pool)
        match command.verb:
            case Verb.PAUSE:
                pool.pause()
            case Verb.RESUME:
                pool.resume()
            case Verb.UNDO:
                return pool.undo()
        return None

    def _set_version(self, action: SetVersion) -> None:
        min_ready = self._min_ready(action.version) if action.min_ready is None else float(action.min_ready)
        self._pool(action.pool).change(
            version=action.version,
            strategy=action.update,
            min_ready=min_ready,
            # Kubernetes refuses a deadline that pods could not meet; `check` says so
            progress_deadline=max(float(action.progress_deadline), min_ready + 1),
        )

    def _set_route(self, route: Route) -> None:
        self.scrapes.route_set()
        self.routes.append(RouteChange(self.clock.seconds, route, None))
        self.endpoints.set_route(lower(route, self.router))

    # --- what pods tell --------------------------------------------------------------------------

    def happened(self, pod: Pod, event: PodEvent, when: int | None = None) -> None:
        """Keep it for the record."""
        self.history.append((self.clock.now if when is None else when, pod.number, event))

    def address_appeared(self, pod: Pod) -> None:
        """An entry that is not ready: no traffic, but a change that proxies sync."""
        self.endpoints.pod(pod, Serving.NOT_READY)

    def address_gone(self, pod: Pod) -> None:
        """Not even proxies that know no ready pod send anything there; a change that they sync."""
        if pod.addressed:
            self.endpoints.pod(pod, Serving.NOT_READY)
        self.pools[pod.pool].ended()

    def changed(self, pod: Pod) -> None:
        """Readiness turned, or the pod is going or gone: tell proxies, its controller and the release."""
        if pod.gone:
            self._room_again()
            entry = Serving.GONE
        elif pod.terminating:
            entry = Serving.TERMINATING if pod.ready_since is not None else Serving.NOT_READY
        else:
            entry = Serving.READY if pod.ready else Serving.NOT_READY
            if pod.ready:
                self._await_availability(pod)
        if pod.addressed:
            self.endpoints.pod(pod, entry)
        self.pools[pod.pool].poke()
        self.notice()

    def _await_availability(self, pod: Pod) -> None:
        min_ready = nanoseconds(self.pools[pod.pool].deployment.min_ready)
        since = pod.ready_since
        if min_ready == 0:
            pod.available_since = since
            return

        def available() -> None:
            if pod.ready and pod.ready_since == since:
                pod.available_since = self.clock.now
                self.pools[pod.pool].poke()
                self.notice()

        # available once it has been ready for longer than min_ready, to the nanosecond
        self.clock.after(min_ready + 1, Order.POD, available)

    # --- pods and room ---------------------------------------------------------------------------

    def create(self, pool: str, version: str) -> Pod:
        """A new pod; it starts when the cluster has room for it."""
        pod = self._new_pod(pool, version)
        self.room.wait(pod)
        return pod

    def _new_pod(self, pool: str, version: str) -> Pod:
        ordinal = self.ordinals[version]
        self.ordinals[version] += 1
        pod = Pod(pool, self.kits[version], len(self.pods), ordinal, self.clock, self.requests, self)
        self.pods.append(pod)
        return pod

    def _room_again(self) -> None:
        """A pod is gone, or a fault over."""
        self.room.again(self.pods)

    def _pool(self, name: str) -> PoolController:
        if name not in self.pools:
            self._add_pool(name, Deployment(STABLE, 0, RollingUpdate()))
        return self.pools[name]

    def _add_pool(self, name: str, deployment: Deployment) -> PoolController:
        self.pool_names.append(name)
        self.pools[name] = PoolController(
            name, deployment, self.trial.seed, self.clock, self.create, self.notice, lambda: self.faults.api
        )
        return self.pools[name]

    # --- what goes wrong, and who helps ----------------------------------------------------------

    def _scrapes(self) -> Scrapes:
        conversions = [self.kits[version].version.conversion or 0.0 for version in (STABLE, CANDIDATE)]
        return Scrapes(
            self.scenario.observe,
            self.trial.seed,
            self.clock,
            self.requests,
            self.faults.no_metrics,
            self.notice,
            (conversions[0], conversions[1]),
        )

    def _faults(self) -> Faults:
        paces = {version: kit.pace or Pace() for version, kit in self.kits.items()}
        reach = Reach(
            self.clock,
            self.scenario.cluster,
            self.nodes,
            self.pods,
            paces,
            self.endpoints,
            self._health,
            self._room_again,
        )
        return Faults(self.scenario.faults, reach)

    def _room(self) -> Room:
        cluster, kinds = self.scenario.cluster, (NodeDown, NodeSlow, NodeDrain)
        spare, replicas = cluster.spare_pods, self.scenario.service.replicas
        faulty = any(isinstance(fault.happening, kinds) for fault in self.scenario.faults)
        pulls = any(kit.version.pull is not None for kit in self.kits.values())
        places = math.inf if spare is None else replicas + spare
        return Room(self.nodes, places, lambda: self.faults.no_room, alike=not (faulty or pulls))

    def _health(self) -> Health:
        """What a disruption budget over all pods of the service looks at."""
        wanted = sum(pool.deployment.replicas for pool in self.pools.values())
        return Health(wanted, sum(pod.ready for pod in self.pods))

    def _autoscale(self) -> None:
        """Each Deployment of the start has an autoscaler; of two, each with its share of the bounds."""
        wanted, service = self.scenario.cluster.autoscaler, self.scenario.service
        if wanted is None:
            return
        total = sum(pool.deployment.replicas for pool in self.pools.values())
        for place, pool in enumerate(self.pools.values()):
            bounds = bounds_of(wanted, pool.deployment.replicas / total)
            scaler = Autoscaler(wanted, bounds, pool, service.slots, self.clock, self.requests, self.notice)
            scaler.start(place)

    def _poll_for_deaths(self) -> None:
        """Processes that died of a request live on from there as the kubelet sees it."""
        for slot, when in self.requests.crashed(self.clock.seconds):
            for pod in self.pods:
                if pod.slot == slot and not pod.gone:
                    pod.died(round(when * SECOND))
        self.clock.after(POLL, Order.POD, self._poll_for_deaths)

    @property
    def _dies_of_requests(self) -> bool:
        crashes = (kit.version.crash for kit in self.kits.values())
        return any(crash is not None and crash.on_request is not None for crash in crashes)

    # --- beginning and end -----------------------------------------------------------------------

    def _start(self, pools: tuple[tuple[str, int], ...], route: Route, version: str) -> None:
        for name, replicas in pools:
            # no deadline: nobody waits for a rollout that has not begun
            min_ready = self._min_ready(version)
            deployment = Deployment(version, replicas, min_ready=min_ready, progress_deadline=None)
            controller = self._add_pool(name, deployment)
            pods = [self._new_pod(name, version) for _ in range(replicas)]
            controller.start(pods)
            for pod in pods:
                pod.settle_in(self.clock.now - WARM, self.room.settle(pod))
                pod.available_since = pod.ready_since
            controller.start(pods)
        self.routes.append(RouteChange(self.clock.seconds, route, self.clock.seconds))
        self.endpoints.start(lower(route, self.router), self.pods)
        self._autoscale()
        if self._dies_of_requests:
            self._poll_for_deaths()

    def _finish(self) -> Truth:
        self.clock.run(self.horizon - 1)
        self.expected.trial_ends(float(self.grid.horizon), self._routing())
        tally = self.requests.finish()
        history = sorted(self.history, key=lambda event: event[0])
        time, pod, kind = (np.array(column) for column in zip(*history, strict=True))
        index = {name: place for place, name in enumerate(self.pool_names)}
        pods = PodHistory(
            tuple(self.pool_names),
            np.array([index[pod.pool] for pod in self.pods], np.int32),
            np.array([pod.kit.index for pod in self.pods], np.int32),
            time.astype(np.int64),
            pod.astype(np.int32),
            kind.astype(np.int32),
        )
        return Truth(tally, pods, tuple(self.routes))

    def _route_in_force(self) -> None:
        if self.routes and self.routes[-1].in_force is None:
            self.routes[-1] = replace(self.routes[-1], in_force=self.clock.seconds)
            self.scrapes.route_in_force(self.routes[-1].route)
        self.notice()

    # --- what the scenario says ------------------------------------------------------------------

    def _router(self) -> Router:
        scenario, strategy = self.scenario, self.trial.strategy
        if strategy == ARM:
            return next(iter(scenario.routers.values()))
        return scenario.routers[scenario.strategies[strategy].strategy.via]

    def _kit(self, version: str) -> Kit:
        runs = self.scenario.version(version, self.trial.candidate or next(iter(self.scenario.variants)))
        index = 0 if version == STABLE else 1
        delays = self.scenario.cluster.delays
        slowed = any(isinstance(f.happening, NodeSlow | SlowDependency) for f in self.scenario.faults)
        pace = Pace() if slowed else None
        return Kit(self.trial.seed, index, runs, self.scenario.pods(runs), delays, pace)

    def _min_ready(self, version: str) -> float:
        return float(self.kits[version].settings.min_ready)

    def _endpoints(self, sides: Sides) -> Endpoints:
        cluster = self.scenario.cluster
        return Endpoints(
            self.router,
            cluster.nodes,
            cluster.delays.endpoints,
            self.trial.seed,
            self.clock,
            self.requests,
            self._route_in_force,
            sides,
        )


def _look_at(pool: PoolController) -> PoolSeen:
    """The pool as a release sees it."""
    wanted, terminating = pool.deployment, sum(pod.terminating and not pod.gone for pod in pool.pods)
    counts = {version: n for version, n in pool.counts().items() if n[0]}
    return PoolSeen(wanted.replicas, wanted.version, counts, terminating, pool.overdue)


def _nothing() -> None:
    """A tick at which only time has passed."""


__all__ = ["Unrealisable", "World", "simulate"]
