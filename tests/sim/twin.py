"""The request engine again, slow and obvious: a process per request. The kernel must equal it bit for bit.

It shares with the kernel the schedule and the draws, and nothing else: no free times, no rings, no bags,
and outcomes are noted when they happen. A script of control events, (time, verb, arguments), drives either
of the two.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from scenarios import draws, traffic
from scenarios.draws import Purpose
from scenarios.tally import NOBODY, Grid, Status
from sim.requests import Requests

Script = Sequence[tuple[float, str, tuple[Any, ...]]]
ENDS, GIVES_UP, CHANGES, ARRIVES = 1, 2, 3, 4  # the order of what happens at one time


class Clock(simpy.Environment):
    """SimPy with events at a time, not after a delay: now + (t − now) need not be t."""

    def at(self, t: float, order: int) -> simpy.Event:
        event = simpy.Event(self)
        event._ok, event._value = True, None
        heapq.heappush(self._queue, (t, order, next(self._eid), event))
        return event


@dataclass
class Row:
    due: float
    user: int
    start: float = math.nan
    end: float = math.nan
    version: int = NOBODY
    status: int = -1
    slot: int = -1


@dataclass
class Life:
    """A pod's process from its start to its death."""

    death: simpy.Event
    busy: int = 0
    waiting: deque[Any] = field(default_factory=deque)
    unanswered: int = 0  # connections to nowhere, for the balancer


@dataclass
class Pod:
    version: int
    error: float
    since: float
    life: Life
    mode: str = "serving"


class Twin:
    """Takes what `Requests` takes."""

    def __init__(
        self, seed, rate, users, activity, grid: Grid, slots, queue, timeout, service, warm_up=(None, None),
        user_errors=(0.0, 0.0), balance="random", backends=1, proxies=1, tries=1, empty=Status.REFUSED,
        fallback=True,
    ) -> None:  # fmt: skip
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
        self.env = Clock(initial_time=grid.start)
        self.schedule = traffic.schedule(seed, rate, users, activity, grid.start, grid.horizon)
        index = self.schedule.index
        self.words = {
            p: draws.words(draws.stream(seed, p), index)
            for p in (Purpose.DEMAND, Purpose.CHOICE, Purpose.USER)
        }
        shares = draws.uniform(self.words[Purpose.DEMAND])
        self.work = [draws.quantile(draws.table(s), shares).tolist() for s in service]
        self.rows = [
            Row(*x) for x in zip(self.schedule.due.tolist(), self.schedule.user.tolist(), strict=True)
        ]
        self.pods: list[Pod] = []
        self.members = [[[] for _ in range(backends)] for _ in range(proxies)]
        self.turns = [[0] * backends for _ in range(proxies)]
        self.shares = [[1.0] + [0.0] * (backends - 1) for _ in range(proxies)]
        self.inside, self.area, self.looked = 0, 0.0, float(grid.start)

    # what the script may say

    def add_pod(self, version: int, error: float, since: float) -> None:
        self.pods.append(Pod(version, error, since, Life(self.env.event())))

    def rotate(self, proxy: int, backend: int, slots: Sequence[int]) -> None:
        self.members[proxy][backend] = list(slots)
        self.turns[proxy][backend] %= max(len(slots), 1)

    def weigh(self, proxy: int, shares: Sequence[float]) -> None:
        self.shares[proxy] = list(shares)

    def refuse(self, slot: int) -> None:
        self.pods[slot].mode = "refusing"

    def silence(self, slot: int) -> None:
        self.pods[slot].mode = "silent"

    def serve(self, slot: int, since: float) -> None:
        pod = self.pods[slot]
        pod.mode, pod.since, pod.life = "serving", since, Life(self.env.event())

    def kill(self, slot: int, t: float) -> None:
        pod = self.pods[slot]
        pod.life.death.succeed()
        pod.life = Life(self.env.event())

    # what happens by itself

    def run(self, script: Script) -> list[Row]:
        self.env.process(self._control(script))
        self.env.process(self._source())
        self.env.run(until=self.grid.end)
        return self.rows

    def _control(self, script: Script) -> Generator[Any, Any, None]:
        for t, verb, arguments in script:
            yield self.env.at(t, CHANGES)
            getattr(self, verb)(*arguments)

    def _source(self) -> Generator[Any, Any, None]:
        for i, row in enumerate(self.rows):
            yield self.env.at(row.due, ARRIVES)
            self.env.process(self._request(i, row))

    def _request(self, i: int, row: Row) -> Generator[Any, Any, None]:
        self._count(+1)
        outcome = yield from self._outcome(i, row)
        row.end, row.status = self.env.now, outcome
        self._count(-1)

    def _outcome(self, i: int, row: Row) -> Generator[Any, Any, int]:
        deadline = row.due + self.timeout
        slot = self._endpoint(i)
        if slot is None:
            return self.empty
        row.slot, pod = slot, self.pods[slot]
        if pod.mode == "refusing":
            return Status.REFUSED
        life = pod.life
        if pod.mode == "silent":
            life.unanswered += 1
            yield self.env.at(deadline, GIVES_UP)
            life.unanswered -= 1
            return Status.TIMEOUT
        row.version = pod.version
        if life.busy >= self.slots and len(life.waiting) >= self.queue:
            return Status.REJECTED
        ticket = (i, row, done := self.env.event())
        if life.busy < self.slots:
            self._begin(ticket, pod, life)
        else:
            life.waiting.append(ticket)
        yield done | self.env.at(deadline, GIVES_UP) | life.death
        if life.death.triggered:
            return Status.RESET
        if not done.triggered:
            if ticket in life.waiting:
                life.waiting.remove(ticket)
            return Status.TIMEOUT
        return Status.ERROR if self._errs(i, row, pod) else Status.OK

    def _begin(self, ticket: Any, pod: Pod, life: Life) -> None:
        life.busy += 1
        self.env.process(self._serve(ticket, pod, life))

    def _serve(self, ticket: Any, pod: Pod, life: Life) -> Generator[Any, Any, None]:
        i, row, done = ticket
        row.start = self.env.now
        work = self.work[pod.version][i]
        if self.warm_up[pod.version]:
            slower, lasting = self.warm_up[pod.version]
            age = max(row.start - pod.since, 0.0)
            if age < lasting:
                work *= 1.0 + (slower - 1.0) * (1.0 - age / lasting)
        yield self.env.at(row.start + work, ENDS)
        if life.death.triggered:
            return
        done.succeed()
        life.busy -= 1
        if life.waiting:
            self._begin(life.waiting.popleft(), pod, life)

    def _endpoint(self, i: int) -> int | None:
        """The slot a request goes to."""
        demand, choice, word = (int(self.words[p][i]) for p in (Purpose.DEMAND, Purpose.CHOICE, Purpose.USER))
        proxy = (demand & 0x7FF) * self.proxies >> 11
        share = (choice & 0xFFFFFFFF) * 2.0**-32
        below = np.cumsum(self.shares[proxy])
        some = [b for b in range(self.backends) if self.shares[proxy][b] > 0]
        backend = next((b for b in some[:-1] if share < below[b]), some[-1])
        members = self.members[proxy]
        if self.fallback:
            if not members[0]:
                return None
            if not members[backend]:
                backend = 0
        slots = members[backend]
        if not slots:
            return None
        pick = word & 0xFFFFFF
        if self.balance == "least_outstanding":
            first = pick * len(slots) >> 24
            return min(slots[first:] + slots[:first], key=self._outstanding)
        for attempt in range(self.tries):
            if self.balance == "random":
                again = (
                    int(draws.again(np.array([pick], np.uint64), attempt)[0]) & 0xFFFFFF if attempt else pick
                )
                slot = slots[again * len(slots) >> 24]
            else:
                slot = slots[self.turns[proxy][backend]]
                self.turns[proxy][backend] = (self.turns[proxy][backend] + 1) % len(slots)
            if self.pods[slot].mode != "refusing":
                break
        return slot

    def _outstanding(self, slot: int) -> int:
        life = self.pods[slot].life
        return life.busy + len(life.waiting) + life.unanswered

    def _errs(self, i: int, row: Row, pod: Pod) -> bool:
        if (int(self.words[Purpose.CHOICE][i]) >> 32) * 2.0**-32 < pod.error:
            return True
        return draws.u(self.seed, Purpose.BUG, row.user) < self.user_errors[pod.version]

    def _count(self, change: int) -> None:
        """How many are in the system, integrated over time by this clock alone."""
        self.area += self.inside * (self.env.now - self.looked)
        self.inside, self.looked = self.inside + change, self.env.now


def both(script: Script, **world: Any) -> tuple[Requests, Twin]:
    """Run the kernel and the twin through one script."""
    twin = Twin(**world)
    twin.run(script)
    requests = Requests(**world, trace=True)
    for t, verb, arguments in script:
        requests.advance(t)
        getattr(requests, verb)(*arguments)
    requests.finish()
    return requests, twin
