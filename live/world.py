"""A trial's world on a cluster: what `sim.world` is for a simulated one, behind the same port.

It does not obey: actions become writes to the API server, and what comes of them is watched. `look` waits for
news, `ask` hands an action to the one thread that writes. Times are seconds of the trial.

Long, as it is where watches, writes, answers and people of a trial meet; what they mean is judged elsewhere.
"""

import math
import queue
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Thread
from typing import Any, Protocol

import numpy as np

from live import objects
from live.api import Api, Refused, Unavailable
from live.expectations import Expectations
from live.in_force import Turning, by_pool
from live.objects import Made
from live.paths import apps, core, networking
from live.routers import ingress_nginx, kube_proxy
from live.rows import Rows
from live.scrapes import Scrapes
from live.sight import Sight
from live.watch import Change as News
from live.watch import Watch
from scenarios.backend import Decisions, drive
from scenarios.conversion import Groups
from scenarios.guard import Seen
from scenarios.observe import Observation, PoolSeen
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    Call,
    Command,
    Plan,
    Pool,
    Route,
    Scale,
    SetRoute,
    SetVersion,
    Verb,
)
from scenarios.record import Pods, Record, RouteChange, Trial, Truth
from scenarios.release import Asked, Event
from scenarios.routers import KubeProxy
from scenarios.shares import shares
from scenarios.tally import Tally

POLL = 0.05
"""Seconds after which answers of requests are looked at again, though nothing was told."""

BLIND = 0.5
"""Seconds without a watch, at a stretch, after which times of pods are not measured any more."""

SHOW = 0.2
"""Seconds from glance to glance."""


class Traffic(Protocol):
    """Where requests come from; `live.load.Generator` is one."""

    @property
    def pods(self) -> list[str]:
        """The names that rows index."""

    def take(self, since: int = 0) -> Rows:
        """The rows that have arrived, from number `since` on, in order of arrival."""


class People(Protocol):
    """Who answers calls: names of calls approved so far, and whether the way back is asked for."""

    def call(self, name: str, call: Call, t: float) -> None:
        """Somebody is called."""

    def approved(self, t: float) -> frozenset[str]:
        """Calls that were approved by then."""

    def abort(self, t: float) -> bool:
        """Whether somebody asked for the way back by then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An action was done, or refused with a reason; `t` is when the API server had answered."""

    asked: Asked
    t: float
    refused: str | None = None
    written: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Glance:
    """What a person who follows a trial wants to see now; `t` is None before users are on their way."""

    t: float | None
    pools: Mapping[Pool, PoolSeen]
    waiting: Mapping[str, int]
    routed: bool


@dataclass
class LiveWorld:
    """Everything of one trial on a cluster. `start` watches, `release` drives a plan to the horizon."""

    trial: Trial
    api: Api
    namespace: str
    made: Made
    traffic: Traffic
    people: People
    follow: Callable[[Glance], None] = lambda _glance: None
    tell: Callable[[float, str], None] = lambda _t, _text: None
    expected: Expectations | None = None
    clock: Callable[[], float] = time.monotonic
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        scenario, plan = self.trial.scenario, self.made.plan
        self.grid, self.plan = scenario.grid, plan
        self.horizon, self.tick = float(self.grid.horizon), float(scenario.clock.tick)
        self.t0 = self.clock()
        self.sight = Sight(plan.pools)
        self.routes = [RouteChange(float(self.grid.start), plan.route, float(self.grid.start))]
        self.turning: Turning | None = None
        self.guards = {name: scenario.guards[name] for name in plan.guards}
        self.scrapes = Scrapes(self.trial, plan, self.guards)
        self._news: queue.SimpleQueue[tuple[str, News] | Answer] = queue.SimpleQueue()
        self._to_do: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._watches: list[Watch] = []
        self._writer = Thread(target=self._write, name="writes", daemon=True)
        self._done: set[str] = set()
        self._refused: dict[str, str] = {}
        self._looked_at = 0  # rows
        self._noticed = False
        self._pool_of: dict[str, Pool] = {}
        self._shown_at = -math.inf
        self._last: Observation | None = None
        self._begun = False

    # --- what stands there ------------------------------------------------------------------------

    def start(self) -> None:
        """Watch the namespace's pods and Deployments; returns with both lists in."""
        for what, path in (
            ("pod", core(self.namespace, "pods")),
            ("deployment", apps(self.namespace, "deployments")),
        ):
            self._watches.append(Watch(self.api, path, partial(self._told, what)))
            self._watches[-1].start()
        self._writer.start()
        self._drain(0.0)

    def _told(self, what: str, news: News) -> None:
        self._news.put((what, news))

    def begins_at(self, t0: float) -> None:
        """The trigger's time on the clock; what was seen before becomes negative time."""
        moved = self.t0 - t0
        self.sight.events = [(t + moved, pod, kind) for t, pod, kind in self.sight.events]
        for pod in self.sight.pods.values():
            if pod.ready_since is not None:
                pod.ready_since += moved
        self.t0, self._begun = t0, True
        self._shown_at = -math.inf

    def all_ready(self) -> bool:
        """Whether the pools of the start are as the plan wants them."""
        self._drain(POLL)
        seen = self._pools(self.t)
        wanted = dict(self.plan.start)
        return all(
            name in seen and seen[name].pods.get(STABLE, (0, 0, 0))[2] == pods
            for name, pods in wanted.items()
        )

    def stuck_for(self) -> str:
        """Why pods are not ready, as far as their containers say."""
        reasons = sorted({pod.waiting for pod in self.sight.pods.values() if pod.exists and pod.waiting})
        return ", ".join(reasons) or "their pods are not ready"

    def wait_until(self, t: float) -> None:
        """Let time pass; news are taken in."""
        while (left := t - self.t) > 0:
            self._drain(min(left, POLL))
            self._read_answers()

    def release(self) -> Record:
        """Drive the plan from t = 0 to its end, stay until the horizon, and give the record without rows."""
        self.wait_until(0.0)
        observed, decisions = drive(
            self.plan, self.guards, self.look, self.ask, self._stage_ends, self._event
        )
        self.wait_until(self.horizon)
        if self.expected is not None:
            self.expected.trial_ends(self.horizon)
        return self._record(observed, decisions)

    def _stage_ends(self, stage: str) -> None:
        if self.expected is not None:
            self.expected.stage_ends(stage, self.t)

    def _event(self, event: Event) -> None:
        self.tell(event.t, f"{event.kind.value}: {event.text}")

    def stop(self, patient: bool = True) -> None:
        """End the writing thread and the watches, then judge what came from somebody else.

        A write's event may come before its answer: that it is ours is known once all of them are answered.
        Unless `patient`, nothing is waited for: the trial has ended before its time.
        """
        self._to_do.put(None)
        answered = patient and self._answers_in()
        for watch in self._watches:
            if not watch.alive:
                self.trouble.append("a watch of the cluster ended")
            watch.stop()
            self.trouble += _blind(watch)
        self._take_in_all(0.0)
        unanswered = ["a write was not answered before the trial ended"]
        self.trouble += self.sight.meddled if answered else unanswered

    def _answers_in(self) -> bool:
        """Whether the writing thread has ended, with the answers to all its writes in the news."""
        if self._writer.ident is not None:
            self._writer.join(self.api.patience.connect + self.api.patience.read + 1.0)
        return not self._writer.is_alive()

    @property
    def t(self) -> float:
        """Now, in seconds of the trial; whole nanoseconds, in which releases count."""
        return round(self.clock() - self.t0, 9)

    # --- the release's port -----------------------------------------------------------------------

    def look(self, wake: float | None, due: float | None) -> Observation | None:
        """Wait until something may have changed, the tick after `wake`, or `due`; None at the horizon."""
        limit = self._limit(wake, due)
        while True:
            now = self.t
            if now >= self.horizon:
                return None
            windows: Mapping[str, Seen] = {}
            groups: Groups | None = None
            if now >= self.scrapes.due:
                windows, groups = self.scrapes.take(self.traffic.take())
                self._noticed = True
            seen = self._observation(windows, groups)
            if self._noticed or now >= limit or self._is_news(seen):
                self._noticed, self._last = False, seen
                return seen
            ends = min(limit, self.horizon, self.scrapes.due)
            self._drain(min(max(ends - now, 0.0), POLL))
            self._read_answers()

    def _is_news(self, seen: Observation) -> bool:
        """Whether time alone, or a person, has changed something: pods are available, calls answered."""
        last = self._last
        if last is None:
            return True
        return (seen.pools, seen.approved, seen.abort) != (last.pools, last.approved, last.abort)

    def _limit(self, wake: float | None, due: float | None) -> float:
        following = (self.t // self.tick + 1) * self.tick
        limit = self.horizon
        if wake is not None:
            limit = max(-(-wake // self.tick) * self.tick, following)
        return min(limit, due) if due is not None else limit

    def ask(self, asked: Asked) -> None:
        """Hand an action to the writing thread; its answer comes in a later observation."""
        self.tell(self.t, str(asked.action))
        self._to_do.put(asked)

    def _observation(self, windows: Mapping[str, Seen], groups: Groups | None) -> Observation:
        t = self.t
        pools, approved = self._pools(t), self.people.approved(t)
        return Observation(
            t,
            pools,
            self.turning is None,
            frozenset(self._done),
            dict(self._refused),
            windows,
            self.people.abort(t),
            approved,
            groups,
        )

    def _show(self) -> None:
        """Let whoever follows have a look, now and then."""
        if (t := self.t) < self._shown_at + SHOW:
            return
        self._shown_at = t
        waiting = Counter(pod.waiting for pod in self.sight.pods.values() if pod.exists and pod.waiting)
        self.follow(Glance(t if self._begun else None, self._pools(t), waiting, self.turning is None))

    def _pools(self, t: float) -> dict[Pool, PoolSeen]:
        min_ready = {version: float(self.made.settings(version).min_ready) for version in (STABLE, CANDIDATE)}
        found = {name: self.sight.pool(name, t, min_ready) for name in self.plan.pools}
        return {name: pool for name, pool in found.items() if pool is not None}

    # --- news ---------------------------------------------------------------------------------------

    def _drain(self, timeout: float) -> None:
        """Take in what was told, waiting for the first of it for at most so long."""
        self._show()
        self._take_in_all(timeout)

    def _take_in_all(self, timeout: float) -> None:
        try:
            news = self._news.get(timeout=timeout) if timeout > 0 else self._news.get_nowait()
            while True:
                self._take_in(news)
                news = self._news.get_nowait()
        except queue.Empty:
            return

    def _take_in(self, news: tuple[str, News] | Answer) -> None:
        if isinstance(news, Answer):
            self._answered(news)
            return
        what, change = news
        if what == "pod":
            self._noticed |= self.sight.pod(change.kind, change.object, change.at - self.t0)
        elif change.kind == "deleted":
            self.sight.removed(change.object)
        else:
            self._noticed |= self.sight.deployment(change.object)

    def _answered(self, answer: Answer) -> None:
        self._noticed = True
        for written in answer.written:
            if written.get("kind") == "Deployment":
                self.sight.wrote(written)
        if answer.refused is not None:
            self._refused[answer.asked.id] = answer.refused
            return
        self._done.add(answer.asked.id)
        match answer.asked.action:
            case SetRoute(_, route):
                self._route_set(route, answer.t)
            case Call() as call:
                self.people.call(answer.asked.id, call, answer.t)
            case _:
                pass

    def _route_set(self, route: Route, t: float) -> None:
        self._read_answers()
        before, shares_now = self._shares(self.routes[-1].route), self._shares(route)
        self.routes.append(RouteChange(t, route, None))
        self.scrapes.route_set()
        pending = self.turning
        self.turning = (
            Turning(before, shares_now, t) if pending is None else pending.followed_by(shares_now, t)
        )
        self._turned()

    def _shares(self, route: Route) -> dict[Pool, float]:
        """The share of each pool, as its pods are ready now."""
        ready = Counter(pod.pool for pod in self.sight.ready(self.plan.pools))
        return by_pool(shares(route, self.trial.scenario.traffic.mix), ready)

    def _read_answers(self) -> None:
        """Answers of requests tell when a route is in force."""
        if self.turning is None:
            return
        rows = self.traffic.take(self._looked_at)
        self._looked_at += len(rows)
        rows = rows[rows["sent"] >= self.turning.asked_at]  # there may be very many from before
        named = rows[rows["pod"] >= 0] if self.made.image.demo is not None else rows[rows["version"] < 2]
        for row in named[np.argsort(named["sent"], kind="stable")]:
            pool = self._whose(row)
            if pool is not None:
                self.turning.seen(pool, float(row["sent"]))
        self._turned()

    def _whose(self, row: Any) -> Pool | None:
        """The pool whose pod answered; of the user's own image the first pool that runs that version."""
        if row["pod"] >= 0:
            name = self.traffic.pods[int(row["pod"])]
            if name not in self._pool_of:
                self._pool_of = {pod.name: pod.pool for pod in self.sight.pods.values()}
            return self._pool_of.get(name)
        version = (STABLE, CANDIDATE)[int(row["version"])]
        return next((name for name, pool in self.sight.wanted.items() if pool.version == version), None)

    def _turned(self) -> None:
        if self.turning is None or self.turning.at is None:
            return
        self.routes[-1] = replace(self.routes[-1], in_force=max(self.turning.at, self.routes[-1].t))
        self.scrapes.route_in_force(self.routes[-1].route, self.traffic.take())
        self.tell(self.t, f"the route is in force since {self.routes[-1].in_force:.2f} s")
        self.turning, self._noticed = None, True

    # --- writes -------------------------------------------------------------------------------------

    def _write(self) -> None:
        """The writing thread: one action after the other, each answered."""
        while (asked := self._to_do.get()) is not None:
            try:
                written = tuple(self._do(asked.action))
            except Refused as refused:
                self._news.put(Answer(asked, self.t, refused.message or str(refused)))
            except Unavailable as lost:
                self._news.put(Answer(asked, self.t, f"the API server did not answer: {lost}"))
            else:
                self._news.put(Answer(asked, self.t, written=written))

    def _do(self, action: Any) -> Sequence[Mapping[str, Any]]:
        match action:
            case Scale(pool, pods):
                return [self._patch_pool(pool, {"replicas": pods})]
            case SetVersion() as change:
                return [self._patch_pool(change.pool, self._spec(change))]
            case SetRoute(_, route):
                return self._set_route(route)
            case Command() as command:
                return [self._command(command)]
            case _:
                return []

    def _spec(self, change: SetVersion) -> Mapping[str, Any]:
        return objects.version_of(
            self.made, change.pool, change.version, change.update, change.min_ready, change.progress_deadline
        )

    def _patch_pool(self, pool: Pool, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.api.patch(apps(self.namespace, "deployments", pool), {"spec": dict(spec)})

    def _set_route(self, route: Route) -> Sequence[Mapping[str, Any]]:
        told = kube_proxy if isinstance(self.made.router, KubeProxy) else ingress_nginx
        written = []
        for change in told.changes(self.made, route):
            of = networking if change.group else core
            written.append(self.api.patch(of(self.namespace, change.plural, change.name), change.body))
        return written

    def _command(self, command: Command) -> Mapping[str, Any]:
        """As `kubectl rollout` does it."""
        match command.verb:
            case Verb.PAUSE:
                return self._patch_pool(command.pool, {"paused": True})
            case Verb.RESUME:
                return self._patch_pool(command.pool, {"paused": False})
            case Verb.UNDO:
                return self._undo(command.pool)

    def _undo(self, pool: Pool) -> Mapping[str, Any]:
        """Back to the template of the ReplicaSet before the newest one; refused while paused."""
        deployment = self.api.get(apps(self.namespace, "deployments", pool))
        if deployment["spec"].get("paused"):
            raise Refused(
                422, "Invalid", f"{pool} is paused, and a paused Deployment is not undone: resume it first"
            )
        uid = deployment["metadata"]["uid"]
        sets = self.api.list(apps(self.namespace, "replicasets"))["items"]
        mine = [rs for rs in sets if any(o["uid"] == uid for o in rs["metadata"].get("ownerReferences", ()))]
        mine.sort(key=_revision)
        if len(mine) < 2:
            raise Refused(422, "Invalid", f"{pool} has had no other template to go back to")
        template = mine[-2]["spec"]["template"]
        template["metadata"]["labels"].pop("pod-template-hash", None)
        return self._patch_pool(pool, {"template": template})

    # --- the record ---------------------------------------------------------------------------------

    def _record(self, observed: tuple[Observation, ...], decisions: Decisions) -> Record:
        scenario = self.trial.scenario
        asked = tuple((t, a.id, a.action) for t, a in decisions.asked)
        nothing = Tally.empty(self.grid, scenario.traffic.users.count)
        truth = Truth(nothing, self.history(), tuple(self.routes))
        found = () if self.expected is None else tuple(self.expected.found)
        return Record(self.trial, truth, observed, asked, decisions.events, decisions.outcome, found)

    def history(self) -> Pods:
        """Every pod and what happened to it."""
        return self.sight.history(float(self.grid.start), self.horizon)


def _blind(watch: Watch) -> list[str]:
    """What a watch may have missed or told late: a connection that is resumed at once has lost nothing."""
    missed = [text for text in watch.trouble if text.startswith("listing again")]
    if watch.longest > BLIND:
        missed.append(f"the cluster was not seen for {watch.longest:.1f} s: {'; '.join(watch.trouble[:3])}")
    return missed


def _revision(replica_set: Mapping[str, Any]) -> int:
    notes = replica_set["metadata"].get("annotations") or {}
    return int(notes.get("deployment.kubernetes.io/revision", 0))


__all__ = ["Glance", "LiveWorld", "People", "Plan", "Traffic"]
