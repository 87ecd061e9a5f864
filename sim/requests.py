"""The requests of one trial: the control plane's view of the kernel. It owns the arrays and decides nothing.

The caller advances to the time of a change, then makes the change: what is due at that very time already
sees it.

Over 400 lines, most of them what its arguments mean.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios.curves import Curve, curve_of
from scenarios.distributions import Distribution
from scenarios.tally import CANDIDATE, HIGH, STABLE, Grid, Status, Tally, bucket_middle
from scenarios.traffic import Activity
from sim import arrays, kernel
from sim.habits import Keeps

Balance: TypeAlias = Literal["random", "round_robin", "least_outstanding"]
WarmUp: TypeAlias = tuple[float, float] | None

POLICIES: dict[Balance, int] = {
    "random": kernel.RANDOM,
    "round_robin": kernel.ROUND_ROBIN,
    "least_outstanding": kernel.LEAST_OUTSTANDING,
}
MOST_PROXIES = 1 << 11  # what the draw's field can tell apart
MOST_SLOTS = 1 << kernel.SLOT_BITS
FIRST_SLOTS = 48
FIRST_RING = 64


SharedBlocks: TypeAlias = tuple[kernel.Block, kernel.Drawn]
MOST_SHARED = 1 << 20  # requests; 48 bytes each


@lru_cache(maxsize=1)
def shared_blocks(
    seed: int,
    rate: Curve | float,
    users: int,
    activity: Activity,
    service: tuple[Distribution, Distribution],
    start: int,
    horizon: int,
) -> SharedBlocks | None:
    """What trials that differ in nothing of this draw alike, so that only the first one draws it.

    None where it would be too much to keep: memory does not grow with the number of requests.
    """
    curve = curve_of(rate)
    if curve.expected(start, horizon) > MOST_SHARED:
        return None
    spans = ((start, 0), (0, horizon))
    before, after = (1 + math.ceil(1.1 * curve.expected(a, b) / kernel.BLOCK) for a, b in spans)
    return arrays.empty_blocks(-before, after)


class Standing(NamedTuple):
    """A pod's slot as clients find it: what listens there, of which version, and the share that it fails."""

    mode: Literal["serving", "refusing", "silent"]
    version: int
    failing: float


_MODES: dict[int, Literal["serving", "refusing", "silent"]] = {
    kernel.SERVING: "serving",
    kernel.REFUSING: "refusing",
    kernel.SILENT: "silent",
}


class Requests:
    """Every request due in [grid.start, grid.horizon), and what became of it.

    seed, rate          arrivals as in `scenarios.traffic`; a number is a constant rate per second
    users, activity     whose they are
    slots, queue        how many requests a pod serves at once, and how many may wait in it
    timeout             after how many seconds a client gives up; at most 255
    service             distribution of the service time of stable and of candidate
    warm_up             per version (slower, lasting): a service that starts when its pod has listened for
                        less than `lasting` seconds takes longer, by a factor falling from `slower` to 1
    user_errors         per version the share of users to whom every answer is an error; always the same
    balance             how a proxy chooses among endpoints; least outstanding needs one proxy and one try
    backends, proxies   how many there are; a request goes through one proxy to one backend
    tries               how many endpoints a proxy tries while they refuse
    empty               what the client sees where no endpoint is: REFUSED or UNAVAILABLE
    fallback            backend 0 is the primary one: without its endpoints nobody is served, and it stands in
                        for a backend without endpoints. If False each backend stands for itself
    trace               keep every request (`rows`), for tests
    shared              `shared_blocks` of the same seed, rate, users, activity and service
    resets              whether a pod may be killed while a client waits for it. If False it is not written
                        down who does, which saves time, and `kill` resets nobody
    """

    def __init__(
        self,
        seed: int,
        rate: Curve | float,
        users: int,
        activity: Activity,
        grid: Grid,
        slots: int,
        queue: int,
        timeout: float,
        service: tuple[Distribution, Distribution],
        warm_up: tuple[WarmUp, WarmUp] = (None, None),
        user_errors: tuple[float, float] = (0.0, 0.0),
        balance: Balance = "random",
        backends: int = 1,
        proxies: int = 1,
        tries: int = 1,
        empty: Status = Status.REFUSED,
        fallback: bool = True,
        trace: bool = False,
        shared: SharedBlocks | None = None,
        resets: bool = True,
    ) -> None:
        curve = curve_of(rate)
        _check(slots, queue, timeout, grid, backends, proxies, tries, empty)
        for slower, lasting in filter(None, warm_up):
            if not (1 <= slower < math.inf and 0 <= lasting < math.inf):
                raise ValueError(f"warm_up must be (slower ≥ 1, lasting ≥ 0), not {(slower, lasting)}")
        least = balance == "least_outstanding"
        if least and (proxies != 1 or tries != 1):
            raise ValueError(f"least_outstanding needs proxies = 1 and tries = 1, not {proxies} and {tries}")
        self.grid = grid
        self.now = float(grid.start)
        self.tally = Tally.empty(grid, users)
        self._tracing = trace
        self._lanes = slots
        self._advance = kernel.advance_least if least else kernel.advance_any
        self._unused: list[int] = []
        self._leaving: set[int] = set()
        self._used = 0
        ring = min(FIRST_RING, 1 << max(queue - 1, 0).bit_length())
        self._pods = arrays.pods_of(FIRST_SLOTS, slots, ring, trace)
        self._routes = arrays.routes_of(proxies, backends, FIRST_SLOTS)
        self._trace = arrays.empty_trace(4096 if trace else 0)
        self._books = arrays.books_of(self.tally)
        self._block, self._drawn = arrays.empty_blocks() if shared is None else shared
        self._clock = kernel.Clock(np.zeros(4, np.int64), np.zeros(4, np.int64), np.array([0.0, np.inf]))
        self._clock.counter[3] = self._books.failed_next.size
        excess = [(0.0, 0.0) if w is None else (w[0] - 1.0, w[1]) for w in warm_up]
        reals = [grid.start, grid.horizon, timeout, *excess[0], *excess[1], *user_errors]
        whole = [
            len(set(service)),
            queue,
            proxies,
            backends,
            tries,
            POLICIES[balance],
            empty,
            fallback,
            trace,
            resets,
        ]
        self._settings = kernel.Settings(np.array(reals, np.float64), np.array(whole, np.int64))
        self._draws = arrays.draws_of(seed, curve, users, activity, service, -grid.start, grid.horizon)
        self._begin()

    def add_pod(self, version: int, error_share: float, listening_since: float) -> int:
        """A new pod that serves; in no rotation yet. Returns its slot, the lowest unused one."""
        if version not in (STABLE, CANDIDATE):
            raise ValueError(f"version must be {STABLE} or {CANDIDATE}, not {version}")
        self._reclaim()
        if self._unused:
            slot = heapq.heappop(self._unused)
        else:
            slot = self._used
            if slot == MOST_SLOTS:
                raise ValueError(f"at most {MOST_SLOTS} pods at once, terminating ones included")
            if slot == self._pods.since.size:
                self._more_slots()
            self._used += 1
        pods = self._pods
        pods.version[slot] = version
        pods.error[slot] = error_share
        pods.pending[slot] = 0
        self.serve(slot, listening_since)
        return slot

    def rotate(self, proxy: int, backend: int, slots: Sequence[int]) -> None:
        """From now on this proxy believes that these are the backend's endpoints, in this order."""
        chosen = np.array(slots, np.int64)
        if len(slots) and not 0 <= min(slots) <= max(slots) < self._used:
            raise ValueError(f"slots must be from 0 to {self._used - 1}, not {list(slots)}")
        if len(slots) > self._used:
            raise ValueError(f"more slots than pods: {list(slots)}")
        if not (0 <= proxy < self._routes.size.shape[0] and 0 <= backend < self._routes.size.shape[1]):
            raise ValueError(f"there is no backend {backend} of proxy {proxy}")
        kernel.rotate(proxy, backend, chosen, self._refs)

    def weigh(self, proxy: int, shares: Sequence[float]) -> None:
        """From now on this proxy sends these shares of its requests to its backends; they sum to 1."""
        below = self._routes.below[proxy]
        if len(shares) != below.size or min(shares) < 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
            raise ValueError(f"shares must be {below.size} numbers ≥ 0 that sum to 1, not {list(shares)}")
        below[:] = np.cumsum(shares)
        below[np.flatnonzero(shares)[-1] :] = np.inf

    def refuse(self, slot: int) -> None:
        """Nothing listens there any more: new connections are refused at once. Work in it goes on."""
        self._pods.mode[slot] = kernel.REFUSING

    def silence(self, slot: int) -> None:
        """Its address is gone: who tries it waits in vain, outstanding meanwhile. Work in it goes on."""
        self._pods.mode[slot] = kernel.SILENT

    def serve(self, slot: int, since: float) -> None:
        """Its container started anew: empty, listening since `since`. Call `kill` first if work is in it."""
        self._pods.mode[slot] = kernel.SERVING
        self._pods.since[slot] = since
        self._clear(slot)

    def kill(self, slot: int, t: float) -> None:
        """The process dies at `t` ≥ now: every request in it that has not ended ends then, as RESET."""
        if not 0 <= slot < self._used:
            raise ValueError(f"there is no pod in slot {slot}")
        self.advance(t)
        while self._clock.counter[3] < self._pods.pending[slot]:
            self._more_failures()
        kernel.kill(slot, t, self._refs)
        self._clear(slot)

    def busy_until(self, slot: int) -> float:
        """When the last of the work in it ends; −inf if it never had any."""
        last: float = max(self._pods.free[: self._lanes, slot].tolist())
        waiting, head = int(self._pods.waiting[slot]), int(self._pods.head[slot])
        if waiting:
            last = max(last, float(self._pods.ring[slot, (head + waiting - 1) % self._pods.ring.shape[1]]))
        return last

    def outstanding(self, slot: int, t: float) -> int:
        """How many requests are in it at `t` ≥ now, served or waiting, given no arrivals since now."""
        ring, waiting, head = self._pods.ring[slot], int(self._pods.waiting[slot]), int(self._pods.head[slot])
        queued = ring[(head + np.arange(waiting)) % ring.size] > t
        served = self._pods.free[: self._lanes, slot] > t
        return int(np.count_nonzero(served) + np.count_nonzero(queued))

    def delay(self, slot: int, t: float) -> float:
        """How long one that came at `t` ≥ now would wait for a lane; infinity if it would be turned away."""
        free = self._pods.free[: self._lanes, slot]
        wait = max(0.0, float(free.min()) - t)
        queued = self.outstanding(slot, t) - int(np.count_nonzero(free > t))
        return math.inf if wait > 0 and queued >= int(self._settings.whole[1]) else wait

    def standing(self, slot: int) -> Standing:
        """What a request that came to that slot now would find there, however busy it is."""
        mode = _MODES[int(self._pods.mode[slot])]
        return Standing(mode, int(self._pods.version[slot]), float(self._pods.error[slot]))

    # what only `sim.general_requests.GeneralRequests` can

    def stick(self, proxy: int, how: Keeps, rules: Sequence[int | None], copied: float = 0.0) -> None:
        """From now on this proxy keeps users so, sends each kind of user by its rule (None: by the shares),
        and copies that share of requests."""
        raise NotImplementedError

    def slow(self, slot: int, factor: float, extra: float = 0.0) -> None:
        """What comes to this pod from now on takes `factor` times as long and `extra` seconds more."""
        raise NotImplementedError

    def lose(self, slot: int, t: float) -> None:
        """Its node falls silent at `t` ≥ now: nobody is answered, and nobody is told."""
        raise NotImplementedError

    def busy(self, slot: int, t: float) -> float:
        """Lane-seconds worked in this slot up to `t` ≥ now, since the pod was added."""
        raise NotImplementedError

    def crashed(self, t: float) -> list[tuple[int, float]]:
        """The processes that died of a request since last asked, and when. Advances to `t`."""
        raise NotImplementedError

    def remove(self, slot: int) -> None:
        """The pod is gone. Its slot is used again once it is in no rotation and its work has ended."""
        self._leaving.add(slot)

    def advance(self, t: float) -> None:
        """Process every arrival due before `t` ≥ now. Seconds of the tally before `t` are then final."""
        if not self.now <= t < math.inf:
            raise ValueError(f"time cannot go back from {self.now} to {t}")
        while True:
            code = self._advance(t, self._refs)
            if code == kernel.DONE:
                break
            self._grow(code)
        self.now = t

    def quantile(
        self, share: float, start: int, end: int, versions: Sequence[int] = (STABLE, CANDIDATE)
    ) -> float | None:
        """The latency that `share` of what ended in [start, end) did not exceed, to `tally.RELATIVE_ERROR`.

        The same as from `tally.latencies`, in 2 µs: for who asks at every tick. None if nothing ended.
        """
        first, last = self.tally.bins(start, end)
        found = kernel.quantile_of(share, first, last, sum(1 << v for v in set(versions)), self._refs)
        return None if found < 0 else bucket_middle(found)

    def finish(self) -> Tally:
        """Process all that is left; the tally is then final."""
        self.advance(max(self.now, float(self.grid.end)))
        return self.tally

    def rows(self) -> dict[str, NDArray[np.float64] | NDArray[np.int32]]:
        """The trace: due, start (NaN: never served), end, version, status, slot (−1: none), user."""
        count = int(self._clock.counter[0])
        times, facts = self._trace.times[:, :count], self._trace.facts[:, :count]
        named = dict(zip(("due", "start", "end"), times, strict=True))
        return named | dict(zip(("version", "status", "slot", "user"), facts, strict=True))

    def _bind(self) -> None:
        """Tell the kernel where the arrays are; after any of them was replaced."""
        self._refs = kernel.references(
            kernel.State(
                self._pods,
                self._routes,
                self._draws,
                self._block,
                self._books,
                self._trace,
                self._clock,
                self._settings,
                self._drawn,
            )
        )

    def _begin(self) -> None:
        """Go back to the first request of the settling time, noting where its blocks begin."""
        start, place, count, first = self.grid.start, self._clock.block, 0, 0.0
        self._bind()
        while start < 0 and first >= start:
            count += 1
            if count == self._draws.borders.size:
                self._draws = self._draws._replace(borders=arrays.wider(self._draws.borders, count))
                self._bind()
            place[0] = -count
            kernel.fill(self._refs)
            self._draws.borders[count] = self._drawn.edge[place[3]]
            first = self._block.due[place[3], 0]
        if count:
            place[1], place[2] = np.searchsorted(self._block.due[place[3]], start), kernel.BLOCK
        else:
            place[0] = -1

    def _clear(self, slot: int) -> None:
        """No work is left in it."""
        pods = self._pods
        pods.free[: self._lanes, slot] = -np.inf
        pods.waiting[slot] = pods.head[slot] = pods.pending[slot] = 0
        pods.leave[slot] = np.inf

    def _reclaim(self) -> None:
        """Free the slots of pods that are gone and that nothing refers to."""
        for slot in sorted(self._leaving):
            if self._routes.named[slot] == 0 and self.busy_until(slot) <= self.now:
                self._leaving.remove(slot)
                heapq.heappush(self._unused, slot)

    def _grow(self, code: int) -> None:
        """Make the room that the kernel asked for."""
        if code == kernel.RINGS_FULL:
            self._pods = arrays.longer_rings(self._pods)
        elif code == kernel.FAILURES_FULL:
            self._more_failures()
        else:
            times, facts = (arrays.wider(a, a.shape[1]) for a in self._trace)
            self._trace = kernel.Trace(times, facts)
        self._bind()

    def _more_slots(self) -> None:
        extra = self._pods.since.size
        self._pods = arrays.more_slots(self._pods, self._lanes, self._tracing)
        routes = self._routes
        self._routes = routes._replace(
            members=arrays.wider(routes.members, extra),
            key=arrays.wider(routes.key, extra, kernel.ABSENT),
            named=arrays.wider(routes.named, extra),
        )
        self._bind()

    def _more_failures(self) -> None:
        counter, size = self._clock.counter, self._books.failed_next.size
        self._books = arrays.more_failures(self._books, int(counter[2]) if counter[3] else -1)
        counter[2] = size
        counter[3] += size
        self._bind()


def _check(
    slots: int, queue: int, timeout: float, grid: Grid, backends: int, proxies: int, tries: int,
    empty: Status,
) -> None:  # fmt: skip
    if not (slots >= 1 and queue >= 0 and backends >= 1 and tries >= 1):
        raise ValueError(f"{slots=}, {backends=}, {tries=} must be positive and {queue=} not negative")
    if not 1 <= proxies <= MOST_PROXIES:
        raise ValueError(f"proxies must be from 1 to {MOST_PROXIES}, not {proxies}")
    if not 0 < timeout <= 2**HIGH - 1 or grid.tail <= timeout:
        raise ValueError(f"timeout must be in (0, {2**HIGH - 1}] and less than {grid.tail=}, not {timeout}")
    if empty not in (Status.REFUSED, Status.UNAVAILABLE):
        raise ValueError(f"empty must be REFUSED or UNAVAILABLE, not {empty.name}")
