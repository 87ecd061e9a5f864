"""The general request engine again, slow and obvious: a process per user or request, from the rules alone.

It shares with the engine the schedule, the distributions and the numbers of the streams. Nothing is known
before it happens: no free times, no heap of plans, no bags. `both` drives the two through one script.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import simpy
from twin import ARRIVES, CHANGES, ENDS, GIVES_UP, Clock, Script

from scenarios import draws, tally, traffic
from scenarios.draws import MASK, MIX_1, MIX_2, Purpose
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Grid, Status, Tally
from sim.general_requests import GeneralRequests
from sim.habits import Habits, Kept

Steps = Generator[Any, Any, Any]


def mixed(z: int) -> int:
    z = (z ^ z >> 30) * MIX_1 & MASK
    z = (z ^ z >> 27) * MIX_2 & MASK
    return z ^ z >> 31


def again(word: int, attempt: int) -> int:
    return mixed(word + attempt * MIX_1 & MASK) if attempt else word


def low(word: int, n: int) -> int:
    """One of n, by the low 24 bits."""
    return (word & 0xFFFFFF) * n >> 24


def high(word: int) -> float:
    return (word >> 32) * 2.0**-32


def share(word: int) -> float:
    return (word >> 11) * 2.0**-53


@dataclass(eq=False)
class Request:
    number: int
    user: int
    closed: bool
    first: float


@dataclass(eq=False)
class Try:
    due: float
    user: int
    first: float
    fresh: bool
    copy: bool = False
    start: float = math.nan
    end: float = math.nan
    version: int = NOBODY
    status: int = -1
    slot: int = -1
    final: bool = False


@dataclass(eq=False)
class Work:
    """A try as its pod sees it."""

    row: Try
    request: Request
    done: simpy.Event
    errs: bool
    factor: float
    added: float


@dataclass(eq=False)
class Life:
    """A pod's process, from its start to its death."""

    death: simpy.Event
    over: bool = False
    busy: int = 0
    waiting: deque[Work] = field(default_factory=deque)
    clients: list[Try] = field(default_factory=list)  # who wait for an answer
    vain: list[Try] = field(default_factory=list)  # who wait, but nobody will answer


@dataclass(eq=False)
class Pod:
    version: int
    error: float
    since: float
    life: Life
    mode: str = "serving"
    process: int = 0
    factor: float = 1.0
    added: float = 0.0
    worked: list[list[float]] = field(default_factory=list)


@dataclass(eq=False)
class Connection:
    """The latest connection of a holder, and the pod that its last try went to."""

    number: int
    since: float
    slot: int | None = None
    process: int = -1
    count: int = 0
    last: float = -math.inf


class GeneralTwin:
    """Takes what `GeneralRequests` takes."""

    def __init__(
        self, habits: Habits, seed, rate, users, activity, grid: Grid, slots, queue, timeout, service,
        warm_up=(None, None), user_errors=(0.0, 0.0), balance="random", backends=1, proxies=1, tries=1,
        empty=Status.REFUSED, fallback=True,
    ) -> None:  # fmt: skip
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
        self.env = Clock(initial_time=grid.start)
        self.rows: list[Try] = []
        self.copies: list[Try] = []
        self.pods: list[Pod] = []
        self.deaths: list[tuple[int, float]] = []
        self.members = [[[] for _ in range(backends)] for _ in range(proxies)]
        self.turns = [[0] * backends for _ in range(proxies)]
        self.shares = [[1.0] + [0.0] * (backends - 1) for _ in range(proxies)]
        self.keeps: list[tuple[str, Sequence[int | None], float]] = [
            ("no", [None] * habits.kinds, 0.0) for _ in range(proxies)
        ]
        self.pins: dict[int, int] = {}
        self.held: dict[int, Connection] = {}

    def word(self, purpose: Purpose, *keys: int) -> int:
        word, step = draws.stream(self.seed, purpose)
        for key in keys:
            word = mixed(word + key * step & MASK)
        return word

    def words(self, purpose: Purpose, request: Request, attempt: int = 0) -> int:
        keys = (request.user, request.number) if request.closed else (request.number,)
        return again(self.word(purpose, *keys), attempt)

    # what the script may say

    def add_pod(self, version: int, error: float, since: float) -> None:
        self.pods.append(Pod(version, error, since, Life(self.env.event())))

    def rotate(self, proxy: int, backend: int, slots: Sequence[int]) -> None:
        self.members[proxy][backend] = list(slots)
        self.turns[proxy][backend] %= max(len(slots), 1)

    def weigh(self, proxy: int, shares: Sequence[float]) -> None:
        self.shares[proxy] = list(shares)

    def stick(self, proxy: int, how: str, rules: Sequence[int | None], copied: float = 0.0) -> None:
        self.keeps[proxy] = (how, rules, copied)

    def slow(self, slot: int, factor: float, extra: float = 0.0) -> None:
        self.pods[slot].factor, self.pods[slot].added = factor, extra

    def refuse(self, slot: int) -> None:
        self.pods[slot].mode = "refusing"

    def silence(self, slot: int) -> None:
        self.pods[slot].mode = "silent"

    def serve(self, slot: int, since: float) -> None:
        pod = self.pods[slot]
        self._end(pod)
        pod.mode, pod.since = "serving", since

    def kill(self, slot: int, t: float) -> None:
        pod = self.pods[slot]
        pod.life.death.succeed()
        self._end(pod)

    def lose(self, slot: int, t: float) -> None:
        pod = self.pods[slot]
        process, clients = pod.process, [row for row in pod.life.clients if row.status < 0]
        self._end(pod)
        pod.process, pod.life.vain, pod.mode = process, clients, "silent"

    def _end(self, pod: Pod) -> None:
        """Its process is gone, and with it what it was doing; the next one begins with nothing."""
        for span in pod.worked:
            span[1] = min(span[1], self.env.now)
        pod.life.over = True
        pod.life, pod.process = Life(self.env.event()), pod.process + 1

    # who asks

    def run(self, script: Script) -> None:
        self.env.process(self._control(script))
        if self.habits.think is None:
            self.env.process(self._source())
        else:
            for user in range(self.users):
                self.env.process(self._user(user))
        self.env.run(until=self.grid.end)

    def _control(self, script: Script) -> Steps:
        for t, verb, arguments in script:
            yield self.env.at(t, CHANGES)
            getattr(self, verb)(*arguments)

    def _source(self) -> Steps:
        grid = self.grid
        schedule = traffic.schedule(self.seed, self.rate, self.users, self.activity, grid.start, grid.horizon)
        for number, due, user in zip(*(x.tolist() for x in (schedule.index, schedule.due, schedule.user)),
                                     strict=True):  # fmt: skip
            yield self.env.at(due, ARRIVES)
            self.env.process(self._request(Request(number, user, False, due)))

    def _user(self, user: int) -> Steps:
        think, number = self.habits.think, 0
        yield self.env.at(self.grid.start + share(self.word(Purpose.THINK, user, 0)) * think.mean(), ARRIVES)
        while self.env.now < self.grid.horizon:
            yield from self._request(Request(number, user, True, self.env.now))
            number += 1
            pause = draws.draw(think, share(self.word(Purpose.THINK, user, number)))
            yield self.env.at(self.env.now + pause, ARRIVES)

    def _request(self, request: Request) -> Steps:
        """A client tries, and each time a proxy may try again for it while there is time left."""
        habits, env, attempt = self.habits, self.env, 0
        for pause in (*habits.pauses, None):
            deadline, side = env.now + self.timeout, None
            for tries_left in reversed(range(habits.proxy_tries)):
                row, side, wait = self._try(request, attempt, deadline, side)
                attempt += 1
                yield from wait
                later = env.now + habits.proxy_backoff
                if row.status not in habits.proxy_on or row.status == Status.OK or not later < deadline:
                    break
                if tries_left:
                    yield env.at(later, ARRIVES)
            if row.status == Status.OK or pause is None:
                row.final = True
                return
            jitter = share(self.words(Purpose.RETRY, request, attempt))
            yield env.at(env.now + pause * (1.0 + habits.jitter * (2.0 * jitter - 1.0)), ARRIVES)

    # where a try goes

    def _try(self, request: Request, attempt: int, deadline: float, side: int | None) -> Any:
        """The row, the side, and what remains to be waited for."""
        row = Try(self.env.now, request.user, request.first, attempt == 0)
        self.rows.append(row)
        demand, choice, pick = (
            self.words(p, request, attempt) for p in (Purpose.DEMAND, Purpose.CHOICE, Purpose.USER)
        )
        own = self.words(Purpose.CONNECTION, request, attempt)
        holder = self._holder(request, own)
        entrance = demand if holder is None else self.word(Purpose.CONNECTION, holder)
        proxy = (entrance & 0x7FF) * self.proxies >> 11
        backend = self._side(proxy, request.user, choice, side)
        backend, slots = self._endpoints(proxy, backend)
        if holder is None:
            slot = self._chosen(proxy, backend, slots, pick) if slots else None
            errs, pins = own, True
        else:
            slot, errs, pins = self._through(holder, proxy, backend, slots, pick)
        if slot is not None and pins and self._pinning(proxy, backend):
            self.pins[request.user] = backend
        connection = self._note(holder, slot)
        wait = self._arrive(row, request, slot, deadline, high(choice), errs, connection)
        if attempt == 0 and self.habits.copies is not None:
            self._copy(request, proxy)
        return row, backend, wait

    def _holder(self, request: Request, own: int) -> int | None:
        kept = self.habits.kept
        if kept is None and self.habits.remembers == 0:
            return None
        return request.user if kept is None or kept.pool is None else low(own, kept.pool)

    @property
    def sides(self) -> int:
        return self.backends - (self.habits.copies is not None)

    def _side(self, proxy: int, user: int, choice: int, side: int | None) -> int:
        how, rules, _ = self.keeps[proxy]
        if self.sides == 1:
            return 0
        if side is not None:
            return side
        pinned = self.pins.get(user) if how in ("last", "both", "first") else None
        if pinned is not None and not self.members[proxy][pinned]:
            pinned = None
        rule = rules[self._kind(user)]
        if pinned is not None and (rule is None or self.habits.affinity_first):
            return pinned
        if rule is not None:
            return rule
        part = share(self.word(Purpose.SIDE, user)) if how == "hash" else (choice & 0xFFFFFFFF) * 2.0**-32
        below = np.cumsum(self.shares[proxy])
        some = [b for b in range(self.sides) if self.shares[proxy][b] > 0]
        return next((b for b in some[:-1] if part < below[b]), some[-1])

    def _endpoints(self, proxy: int, backend: int) -> tuple[int, list[int]]:
        members = self.members[proxy]
        if self.fallback and not (members[0] and members[backend]):
            return 0, members[0]
        return backend, members[backend]

    def _pinning(self, proxy: int, backend: int) -> bool:
        how, last = self.keeps[proxy][0], backend == self.sides - 1 and self.sides > 1
        return how == "both" or (how == "last" and last) or (how == "first" and backend == 0)

    def _kind(self, user: int) -> int:
        return int(self.habits.kind[user]) if self.habits.kinds > 1 else 0

    def _chosen(self, proxy: int, backend: int, slots: list[int], word: int) -> int:
        if self.balance == "least_outstanding":
            first = low(word, len(slots))
            return min(slots[first:] + slots[:first], key=self._outstanding)
        for attempt in range(self.tries):
            if self.balance == "random":
                slot = slots[low(again(word & 0xFFFFFF, attempt), len(slots))]
            else:
                slot = slots[self.turns[proxy][backend]]
                self.turns[proxy][backend] = (self.turns[proxy][backend] + 1) % len(slots)
            if self.pods[slot].mode != "refusing":
                break
        return slot

    def _outstanding(self, slot: int) -> int:
        life = self.pods[slot].life
        return life.busy + len(life.waiting) + len(life.vain)

    # connections

    def _through(
        self, holder: int, proxy: int, backend: int, slots: list[int], pick: int
    ) -> tuple[int | None, int, bool]:
        """The pod, the word of the connection, and whether the proxy chose anything."""
        habits, now = self.habits, self.env.now
        old = self.held.get(holder) or Connection(0, now)
        there = old.slot is not None and self._same_process(old)
        usable = habits.kept is not None and self._usable(old, habits.kept, there)
        connection = old
        if not usable:
            connection = Connection(old.number + 1, now, old.slot, old.process, 0, old.last)
        self.held[holder] = connection
        word = self.word(Purpose.CONNECTION, holder, connection.number)
        if usable and not habits.layer_7:
            return connection.slot, word, False
        remembered = habits.remembers > 0 and there and now - old.last <= habits.remembers
        if remembered and old.slot in slots:
            return old.slot, word, True
        pooled = habits.kept is not None and habits.kept.pool is not None
        pick = word if pooled and not habits.layer_7 else pick
        return self._chosen(proxy, backend, slots, pick) if slots else None, word, True

    def _same_process(self, connection: Connection) -> bool:
        pod = self.pods[connection.slot]
        return pod.process == connection.process and pod.mode != "refusing"

    def _usable(self, connection: Connection, kept: Kept, there: bool) -> bool:
        now = self.env.now
        return (
            0 < connection.count < kept.requests
            and now - connection.last <= kept.idle
            and now - connection.since < kept.age
            and (self.habits.layer_7 or there)
        )

    def _note(self, holder: int | None, slot: int | None) -> Connection | None:
        if holder is None:
            return None
        connection = self.held[holder]
        connection.last = self.env.now
        if slot is None or self.pods[slot].mode == "refusing":
            connection.slot, connection.count = None, 0
        else:
            connection.slot, connection.process = slot, self.pods[slot].process
            connection.count += 1
        return connection

    # what becomes of it there

    def _copy(self, request: Request, proxy: int) -> None:
        backend, word = self.habits.copies, self.words(Purpose.MIRROR, request)
        slots = self.members[proxy][backend]
        if high(word) >= self.keeps[proxy][2] or not slots:
            return
        now = self.env.now
        row = Try(now, request.user, now, False, copy=True)
        self.copies.append(row)
        slot = self._chosen(proxy, backend, slots, word)
        chance = high(self.words(Purpose.ERROR, request))
        self.env.process(self._arrive(row, request, slot, now + self.timeout, chance, None, None))

    def _arrive(
        self, row: Try, request: Request, slot: int | None, deadline: float, chance: float,
        own: int | None, connection: Connection | None,
    ) -> Steps:  # fmt: skip
        """Come to a pod, or nowhere, now; returns what remains to be waited for."""
        env = self.env
        if slot is None:
            return self._over(row, self.empty)
        row.slot, pod = slot, self.pods[slot]
        life = pod.life
        if pod.mode == "refusing":
            return self._over(row, Status.REFUSED)
        done, death = env.event(), life.death
        if pod.mode == "silent":
            life.vain.append(row)
            death = env.event()  # nobody tells its client anything any more
        else:
            row.version = pod.version
            if life.busy >= self.slots and len(life.waiting) >= self.queue:
                return self._over(row, Status.REJECTED)
            work = Work(row, request, done, self._errs(pod, row, chance, own), pod.factor, pod.added)
            life.clients.append(row)
            if life.busy < self.slots:
                self._begin(work, pod, life)
            else:
                life.waiting.append(work)
            done.work = work
        return self._wait(row, pod, life, done, death, deadline, connection)

    def _over(self, row: Try, status: int) -> Steps:
        row.end, row.status = self.env.now, status
        return
        yield

    def _wait(
        self, row: Try, pod: Pod, life: Life, done: Any, death: Any, deadline: float,
        connection: Connection | None,
    ) -> Steps:  # fmt: skip
        yield done | self.env.at(deadline, GIVES_UP) | death
        row.end = self.env.now
        if done.triggered:
            row.status = Status.ERROR if done.work.errs else Status.OK
        elif death.triggered:
            row.status = Status.RESET
        else:
            row.status = Status.TIMEOUT
            life.waiting = deque(work for work in life.waiting if work.row is not row)
            for anyone in (life, pod.life):
                anyone.vain = [other for other in anyone.vain if other is not row]
            if connection is not None:
                connection.slot, connection.count = None, 0
        life.clients = [other for other in life.clients if other is not row]

    def _errs(self, pod: Pod, row: Try, chance: float, own: int | None) -> bool:
        habits, version = self.habits, pod.version
        requests, users, connections = habits.errors[:, version, self._kind(row.user)].tolist()
        users = 1 - (1 - users) * (1 - self.user_errors[version])
        faulty = own is not None and high(own) < connections
        doomed = faulty or share(self.word(Purpose.BUG, row.user)) < users
        works = 1.0 - (1.0 if doomed else requests)
        failing, load = habits.loaded[version]
        if pod.life.busy >= math.ceil(load * self.slots - 1e-9):
            works *= 1.0 - failing
        return chance < (1.0 - (1.0 - pod.error) * works if works < 1.0 else pod.error)

    def _begin(self, work: Work, pod: Pod, life: Life) -> None:
        life.busy += 1
        work.row.start = self.env.now
        if share(self.words(Purpose.POISON, work.request)) < self.habits.poison[pod.version]:
            self.env.process(self._die(pod, life))
        self.env.process(self._serve(work, pod, life))

    def _die(self, pod: Pod, life: Life) -> Steps:
        yield self.env.at(self.env.now, ENDS)
        if life.over or pod.mode == "silent":
            return
        life.death.succeed()
        self._end(pod)
        pod.mode = "refusing"
        self.deaths.append((self.pods.index(pod), self.env.now))

    def _serve(self, work: Work, pod: Pod, life: Life) -> Steps:
        now = self.env.now
        end = now + self._lasts(work, pod, max(now - pod.since, 0.0))
        pod.worked.append([now, end])
        yield self.env.at(end, ENDS)
        if life.over:
            return
        work.done.succeed()
        life.busy -= 1
        if life.waiting:
            self._begin(life.waiting.popleft(), pod, life)

    def _lasts(self, work: Work, pod: Pod, age: float) -> float:
        version = pod.version
        seconds = draws.draw(self.service[version], share(self.words(Purpose.DEMAND, work.request)))
        if self.warm_up[version]:
            slower, lasting = self.warm_up[version]
            if age < lasting:
                seconds *= 1.0 + (slower - 1.0) * (1.0 - age / lasting)
        slower, over = self.habits.leak[version]
        seconds *= 1.0 + (slower - 1.0) * min(age / over, 1.0)
        return seconds * work.factor + work.added

    # what is counted

    def busy(self, slot: int, t: float) -> float:
        return sum(min(end, t) - start for start, end in self.pods[slot].worked)

    def tally(self) -> Tally:
        return counted(
            self.grid, self.users, self.rows, self.copies if self.habits.copies is not None else None
        )


def counted(grid: Grid, users: int, rows: Sequence[Try], copies: Sequence[Try] | None) -> Tally:
    """The tally of tries given one by one, in the order they came."""
    found = Tally.with_tries(grid, users, mirrored=copies is not None)
    last: dict[int, int] = {}
    for row in rows:
        found.tries[grid.second(row.end), row.version, row.status] += 1
        found.arrivals[math.floor((row.due - grid.start) * 10), row.version] += 1
        if row.final:
            found.counts[grid.second(row.end), row.version, row.status] += 1
            if row.status <= Status.TIMEOUT and row.version != NOBODY:
                where = grid.second(row.end) // grid.step, row.version, tally.bucket(row.end - row.first)
                found.latency[where] += 1
        if row.first < 0:
            continue
        if row.fresh:
            found.new_active[grid.second(row.due)] += found.users[row.user] >> 8 == 0
            found.users[row.user] += 256
        if row.version != NOBODY:
            flag = (tally.MET_STABLE, tally.MET_CANDIDATE)[row.version]
            found.new_met[grid.second(row.due), row.version] += not found.users[row.user] & flag
            found.users[row.user] |= flag
            found.flips[grid.second(row.due)] += last.get(row.user, row.version) != row.version
            last[row.user] = row.version
    for user, version in last.items():
        found.users[user] |= tally.LAST_CANDIDATE if version == CANDIDATE else STABLE
    for row in sorted(
        (r for r in rows if r.final and r.status != Status.OK and r.first >= 0), key=lambda r: r.end
    ):
        found.new_harmed[grid.second(row.end)] += not found.users[row.user] & tally.HARMED
        found.users[row.user] |= tally.HARMED
    for row in copies or ():
        found.mirrored[grid.second(row.end), row.status] += 1
        if row.status <= Status.TIMEOUT and row.version != NOBODY:
            where = grid.second(row.end) // grid.step, tally.bucket(row.end - row.due)
            found.mirrored_latency[where] += 1
    return found


def both(script: Script, habits: Habits, **world: Any) -> tuple[GeneralRequests, GeneralTwin]:
    """Run the engine and the twin through one script."""
    twin = GeneralTwin(habits, **world)
    twin.run(script)
    requests = GeneralRequests(replace(habits), **world, trace=True)
    for t, verb, arguments in script:
        requests.advance(t)
        getattr(requests, verb)(*arguments)
    requests.finish()
    return requests, twin
