"""The requests of a trial that asks for more than the fast engine does: `Requests`, run by `sim.general`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios import draws
from scenarios.distributions import Constant
from scenarios.draws import Purpose
from scenarios.tally import HIGH, Grid, Tally
from sim import arrays, general, kernel
from sim.habits import Habits, Keeps
from sim.requests import FIRST_RING, Requests

STREAMS = (
    Purpose.DEMAND, Purpose.CHOICE, Purpose.USER, Purpose.BUG, Purpose.ERROR, Purpose.SIDE, Purpose.THINK,
    Purpose.RETRY, Purpose.CONNECTION, Purpose.POISON, Purpose.MIRROR,
)  # fmt: skip
MODES: dict[Keeps, int] = {
    "no": general.FREELY,
    "hash": general.HASHED,
    "last": general.PINS_LAST,
    "both": general.PINS_BOTH,
    "first": general.PINS_FIRST,
}
FIRST_LATER, MOST_DEATHS = 4096, 256
MOST_TRIES = 255  # of one request


class GeneralRequests(Requests):
    """`Requests` with `Habits`; takes what `Requests` takes, as keywords."""

    def __init__(self, habits: Habits, **usual: Any) -> None:
        _check(habits, **usual)
        self.habits = habits
        usual |= {"resets": True}
        super().__init__(**usual)
        grid, users = self.grid, usual["users"]
        self.tally = Tally.with_tries(grid, users, mirrored=habits.copies is not None)
        self._books = arrays.books_of(self.tally)
        self._clock.counter[2:] = 0, self._books.failed_next.size
        self._seed: int = usual["seed"]
        self._pods = arrays.pods_of(self._pods.since.size, usual["slots"], FIRST_RING, self._tracing)
        self._hold(self._everything(usual))
        if habits.think is not None:
            self._first_thoughts(usual["users"])
        self._bind()

    # --- what only this engine can --------------------------------------------------------------

    def stick(self, proxy: int, how: Keeps, rules: Sequence[int | None], copied: float = 0.0) -> None:
        people = self._general.people
        people.mode[proxy] = MODES[how]
        people.rule[proxy] = [-1 if rule is None else rule for rule in rules]
        people.copied[proxy] = copied

    def slow(self, slot: int, factor: float, extra: float = 0.0) -> None:
        self._general.slots.factor[slot], self._general.slots.added[slot] = factor, extra

    def lose(self, slot: int, t: float) -> None:
        self._end(slot, t, lost=True)
        self.silence(slot)

    def kill(self, slot: int, t: float) -> None:
        """The process dies at `t` ≥ now: every try in it that has not ended ends then, as RESET."""
        self._end(slot, t, lost=False)
        self._general.slots.epoch[slot] += 1

    def busy(self, slot: int, t: float) -> float:
        free = self._pods.free[: self._lanes, slot]
        ahead = np.maximum(0.0, free - t).sum()
        return float(self._general.slots.worked[slot] - ahead)

    def crashed(self, t: float) -> list[tuple[int, float]]:
        self.advance(t)
        return self._take_deaths()

    # --- as `Requests` has it, with more arrays --------------------------------------------------

    def add_pod(self, version: int, error_share: float, listening_since: float) -> int:
        slot = super().add_pod(version, error_share, listening_since)
        mine = self._general.slots
        mine.factor[slot], mine.added[slot], mine.worked[slot] = 1.0, 0.0, 0.0
        return slot

    def serve(self, slot: int, since: float) -> None:
        super().serve(slot, since)
        self._general.slots.epoch[slot] += 1

    def advance(self, t: float) -> None:
        if not self.now <= t < math.inf:
            raise ValueError(f"time cannot go back from {self.now} to {t}")
        while (code := general.advance(t, self._refs, self._more)) != kernel.DONE:
            if code == general.LATER_FULL:
                self._more_later()
            elif code == general.DEATHS_FULL:
                self._more_deaths()
            else:
                self._grow(code)
        self.now = t

    def _end(self, slot: int, t: float, *, lost: bool) -> None:
        if not 0 <= slot < self._used:
            raise ValueError(f"there is no pod in slot {slot}")
        self.advance(t)
        pending = int(self._pods.pending[slot])
        while self._clock.counter[3] < pending:
            self._more_failures()
        while self._general.later.state[2] < 2 * pending:
            self._more_later()
        while lost and self._pods.ring.shape[1] < pending + 2:
            self._grow(kernel.RINGS_FULL)
        general.kill(slot, t, lost, self._refs, self._more)

    def _grow(self, code: int) -> None:
        super()._grow(code)
        if code == kernel.RINGS_FULL:  # and the bags with them
            mine = self._general.slots
            extra = self._pods.bag_end.shape[1] - mine.first.shape[1]
            wider = (arrays.wider(array, extra) if array.ndim > 1 else array for array in mine)
            self._hold(self._general._replace(slots=general.Slots(*wider)))

    def _take_deaths(self) -> list[tuple[int, float]]:
        deaths = self._general.deaths
        n = int(deaths.count[0])
        deaths.count[0] = 0
        return list(zip(deaths.slot[:n].tolist(), deaths.time[:n].tolist(), strict=True))

    def _more_slots(self) -> None:
        extra = self._pods.since.size
        super()._more_slots()
        fresh = _slots_of(extra, self._pods.bag_end.shape[1])
        grown = (np.concatenate(pair) for pair in zip(self._general.slots, fresh, strict=True))
        self._hold(self._general._replace(slots=general.Slots(*grown)))

    def _hold(self, everything: general.General) -> None:
        """Keep these arrays, and tell the kernel where they are."""
        self._general, self._more = everything, general.references(everything)

    def _more_later(self) -> None:
        self._hold(self._general._replace(later=_more_later(self._general.later)))

    def _more_deaths(self) -> None:
        deaths = self._general.deaths
        size = deaths.slot.size
        grown = general.Deaths(arrays.wider(deaths.slot, size), arrays.wider(deaths.time, size), deaths.count)
        self._hold(self._general._replace(deaths=grown))

    # --- how it begins --------------------------------------------------------------------------

    def _everything(self, usual: dict[str, Any]) -> general.General:
        habits, users = self.habits, usual["users"]
        proxies = usual.get("proxies", 1)
        holders = users if habits.kept is None or habits.kept.pool is None else habits.kept.pool
        held = habits.kept is not None or habits.remembers > 0
        return general.General(
            _slots_of(self._pods.since.size, self._pods.bag_end.shape[1]),
            _later_of(max(FIRST_LATER, 2 * users if habits.think is not None else 0)),
            _holders_of(holders if held else 1),
            general.People(
                kind=habits.kind,
                pin=np.full(users, general.UNPINNED, np.uint8),
                rule=np.full((proxies, habits.kinds), -1, np.int64),
                mode=np.zeros(proxies, np.int64),
                copied=np.zeros(proxies),
            ),
            self._chances(usual["slots"], usual.get("user_errors", (0.0, 0.0))),
            general.Tries(
                tries=_or_none(self.tally.tries, np.int64),
                mirrored=_or_none(self.tally.mirrored, np.int64),
                latency=_or_none(self.tally.mirrored_latency, np.uint32),
            ),
            general.Deaths(np.zeros(MOST_DEATHS, np.int64), np.zeros(MOST_DEATHS), np.zeros(1, np.int64)),
            self._limits(holders, usual.get("backends", 1)),
        )

    def _chances(self, slots: int, user_errors: tuple[float, float]) -> general.Chances:
        habits = self.habits
        errors = np.array(habits.errors, np.float64)
        errors[1] = 1 - (1 - errors[1]) * (1 - np.array(user_errors)[:, None])
        return general.Chances(
            errors=errors,
            # a share of busy slots as the number of lanes from which on it is reached
            loaded=np.array([(share, math.ceil(load * slots - 1e-9)) for share, load in habits.loaded]),
            leak=np.array([(slower - 1.0, over) for slower, over in habits.leak]),
            poison=np.array([*habits.poison, 0.0]),
            pauses=np.array(habits.pauses, np.float64),
            think=draws.table(habits.think or Constant(0.0)).copy(),
            streams=np.array([draws.stream(self._seed, purpose) for purpose in STREAMS], np.uint64),
        )

    def _limits(self, holders: int, backends: int) -> general.Settings:
        habits, kept = self.habits, self.habits.kept
        idle, age = (0.0, 0.0) if kept is None else (kept.idle, kept.age)
        who = general.NOT_KEPT if kept is None else general.BY_USER if kept.pool is None else general.POOLED
        return general.Settings(
            np.array([habits.jitter, habits.proxy_backoff, idle, age, habits.remembers]),
            np.array([
                habits.think is None,
                habits.kinds,
                habits.proxy_tries,
                sum(1 << status for status in habits.proxy_on),
                who,
                holders,
                1 << 60 if kept is None else kept.requests,
                habits.layer_7,
                habits.affinity_first,
                -1 if habits.copies is None else habits.copies,
                backends - (habits.copies is not None),
            ], np.int64),
        )  # fmt: skip

    def _first_thoughts(self, users: int) -> None:
        """Each user's first request comes somewhere within a pause of the mean length."""
        assert self.habits.think is not None
        stream = draws.stream(self._seed, Purpose.THINK)
        shares = draws.uniform(draws.words_of(stream, np.arange(users), np.zeros(users, np.int64)))
        due = self.grid.start + shares * self.habits.think.mean()
        order, later = np.argsort(due, kind="stable"), self._general.later
        later.time[:users], later.entry[:users] = due[order], np.arange(users)
        later.kind[:users], later.user[:users] = general.FRESH, order
        later.what[:users] = 1 << general.CLOSED
        later.first[:users], later.deadline[:users] = due[order], np.inf
        later.order[:users] = np.arange(users)
        later.state[:4] = users, users, later.state[2] - users, users


def _check(habits: Habits, *, grid: Grid, timeout: float, backends: int = 1, **_: object) -> None:
    tries = len(habits.pauses) + 1
    longest = tries * timeout + sum(habits.pauses) * (1 + habits.jitter)
    if longest >= min(grid.tail, 2**HIGH):
        raise ValueError(
            f"{tries} tries of {timeout} s and the pauses between them take up to {longest} s, "
            f"which must be less than {grid.tail=} and less than {2**HIGH} s"
        )
    if tries * habits.proxy_tries > MOST_TRIES:
        raise ValueError(f"at most {MOST_TRIES} tries per request, not {tries} times {habits.proxy_tries}")
    if habits.think is not None and not habits.think.mean() > 0:
        raise ValueError("users of a closed loop must pause: who is refused at once would ask without end")
    if habits.copies not in (None, backends - 1):
        raise ValueError(f"copies go to the last backend, {backends - 1}, not to {habits.copies}")


def _or_none(array: NDArray[Any] | None, kind: type[np.generic]) -> NDArray[Any]:
    """An array of no length stands for none."""
    return np.zeros((0, 0), kind) if array is None else array


def _slots_of(slots: int, bag: int) -> general.Slots:
    return general.Slots(
        factor=np.ones(slots),
        added=np.zeros(slots),
        worked=np.zeros(slots),
        epoch=np.zeros(slots, np.int64),
        first=np.zeros((slots, bag)),
        deadline=np.zeros((slots, bag)),
        number=np.zeros((slots, bag), np.int64),
        what=np.zeros((slots, bag), np.int64),
        ticket=np.zeros((slots, bag), np.int64),
        held=np.zeros((slots, bag), np.int64),
        closing=np.zeros((slots, bag), np.int64),
    )


def _later_of(size: int) -> general.Later:
    following = np.arange(1, size + 1)
    following[-1] = -1
    whole: list[NDArray[np.int64]] = [np.zeros(size, np.int64) for _ in range(6)]
    entry, kind, number, user, what, order = whole
    return general.Later(
        time=np.zeros(size), entry=entry, kind=kind, number=number, user=user, what=what,
        first=np.zeros(size), deadline=np.zeros(size), order=order, following=following,
        state=np.array([0, 0, size, 0, 0]),
    )  # fmt: skip


def _more_later(later: general.Later) -> general.Later:
    """Twice as much room; the new entries are free, and after them come those that were."""
    size = later.time.size
    fresh = _later_of(size)
    grown = {n: np.concatenate(pair) for n, *pair in zip(later._fields, later, fresh, strict=True)}
    grown["following"][size:] += size
    grown["following"][-1] = later.state[1] if later.state[2] else -1
    heap, _, free, ever, full = later.state
    return general.Later(**grown | {"state": np.array([heap, size, free + size, ever, full])})


def _holders_of(count: int) -> general.Holders:
    serial, count_, epoch = (np.zeros(count, np.int64) for _ in range(3))
    return general.Holders(
        slot=np.full(count, -1, np.int64), epoch=epoch, serial=serial, count=count_,
        since=np.zeros(count), last=np.full(count, -np.inf),
    )  # fmt: skip
