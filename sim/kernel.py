"""The request engine: one compiled loop over the arrivals between two control events. Long, because it is one loop.

It never allocates, reads a clock or knows a controller. All state is in arrays that the caller owns (`sim.requests`),
grouped in the tuples below; times are seconds as float64. A *slot* is a pod's place in these arrays; the servers that
work in it in parallel are its *lanes*.

Nothing here is an event. First come, first served on c lanes with one timeout makes start, end and outcome of a
request known when it arrives, so it is booked then, in the second in which its outcome will happen. What can still
change that is the death of its pod: the pod's *bag* keeps what is not over yet, and `kill` books it anew.

Why it is written as it is (each measured, see `benchmarks/engine.py --profile`):
- Draws, requests and users are three passes over blocks that stay in the cache.
- Those who wait in a pod leave it in the order they came (a start time and a deadline both only grow), so the waiting
  room is a ring of leaving times, not a heap.
- Outstanding work is counted anew by comparing the lanes' free times with t, vectorised over contiguous slots. Keep
  that loop free of branches and calls; it is half as fast as soon as LLVM cannot vectorise it.
- Numba's cache goes stale when a compiled function of another file changes and misses when a closure holds one. So
  everything compiled is in this file, at module level, and the factory's closure holds one small int.
  Constants of `scenarios` are repeated here; a test compares them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

BLOCK = 1024  # requests per pass
SLACK = 16  # unused slots at the end of the arrays, so that the vectorised loop may run over
CELLS = 4096
MANTISSA, LOW, BUCKETS = 6, -12, 1280
OK, ERROR, TIMEOUT, REJECTED, RESET, REFUSED = 0, 1, 2, 3, 4, 5
NOBODY = 2
MET, HARMED, LAST_CANDIDATE, ONE_REQUEST, MOST_REQUESTS = 3, 4, 8, 256, 0xFFFFFF00
SERVING, REFUSING, SILENT = 0, 1, 2  # modes of a pod
RANDOM, ROUND_ROBIN, LEAST_OUTSTANDING = 0, 1, 2
DONE, RINGS_FULL, FAILURES_FULL, TRACE_FULL = 0, 1, 2, 3  # what `advance` returns
RANK_BITS = 20
ABSENT = 1 << 50  # the rank of a slot that is not in rotation
ARRIVAL, DEMAND, CHOICE, USER, BUG = 0, 1, 2, 3, 4  # rows of Draws.streams
USER_BITS = 25  # of an entry in a bag: user, then 11 bits of bucket, 3 of status, 1 whether users are counted

Array = NDArray[Any]


class Pods(NamedTuple):
    """The pods, a column per slot."""

    free: Array  # f8[lanes rounded up to 4, slots]: when each lane is free; −inf in lanes that do not exist
    since: Array  # f8[slots]: when the process began to listen
    error: Array  # f8[slots]: share of its answers that are errors
    leave: Array  # f8[slots]: when the first of the waiting leaves the waiting room; inf if nobody waits
    version: Array  # i8[slots]
    mode: Array  # i8[slots]
    waiting: Array  # i8[slots]: how many wait, as of the last arrival that looked
    head: Array  # i8[slots]: where the ring begins
    ring: Array  # f8[slots, a power of two]: when each of the waiting leaves
    pending: Array  # i8[slots]: entries of the bag
    bag_end: Array  # f8[slots, n]: when a request ends
    bag_code: Array  # u8[slots, n]: its user and how it was booked
    bag_row: Array  # i8[slots, n]: its row in the trace; empty without one


class Routes(NamedTuple):
    """Where requests go: by proxy, then backend."""

    members: Array  # i4[proxies, backends, slots]: slots in rotation, in order
    size: Array  # i8[proxies, backends]
    turn: Array  # i8[proxies, backends]: round robin's next position
    below: Array  # f8[proxies, backends]: cumulative shares, the last one inf
    rank: Array  # i8[backends, slots]: position in rotation of the only proxy, or ABSENT
    low: Array  # i8[backends]: the first slot in rotation
    span: Array  # i8[backends]: how many slots from there hold all of the rotation


class Draws(NamedTuple):
    """What is drawn from."""

    streams: Array  # u8[5, 2]: key and step
    tables: Array  # f8[3, 8194]: gap, service time of stable, of candidate
    accept: Array  # f4[users] or empty: Walker's table of users
    alias: Array  # i4[users] or empty
    borders: Array  # f8[n]: due time of the first request of block −k, k = 0 …


class Block(NamedTuple):
    """One block of drawn requests."""

    due: Array  # f8[BLOCK]
    demand: Array  # u8[BLOCK]: words
    choice: Array  # u8[BLOCK]
    pick: Array  # i8[BLOCK]: 24 bits
    user: Array  # i4[BLOCK]
    reached: Array  # u1[BLOCK]: the version, for the pass over users


class Books(NamedTuple):
    """The arrays of a `scenarios.tally.Tally`, and failures whose second has not passed."""

    counts: Array  # i8[seconds, 3, 7]
    arrivals: Array  # i4[deciseconds, 3]
    latency: Array  # u4[bins, 2, BUCKETS]
    new_active: Array  # i8[seconds]
    new_harmed: Array  # i8[seconds]
    new_met: Array  # i8[seconds, 2]
    flips: Array  # i8[seconds]
    users: Array  # u4[users]
    bin_of: Array  # i8[seconds]: the row of `latency`
    failed: Array  # i4[seconds]: first of a second's failures, or −1
    failed_next: Array  # i4[n]: the next one of that second, or the next free entry
    failed_user: Array  # i4[n]


class Trace(NamedTuple):
    """Every request, for tests: row i is the i-th since the start."""

    times: Array  # f8[3, n]: due, start (NaN: never), end
    facts: Array  # i4[4, n]: version, status, slot (−1: none), user


class Clock(NamedTuple):
    """Where the kernel is."""

    place: Array  # i8[7]: block, cursor in it, filled, first free failure, seconds settled, requests so far, and how
    #                many more failures fit
    time: (
        Array  # f8[2]: due time of the last request of the last block, earliest leaving time of any who wait
    )


class Settings(NamedTuple):
    """What never changes in a trial."""

    reals: (
        Array  # f8[9]: start, horizon, timeout, (slower − 1) and lasting of both versions, bug share of both
    )
    whole: Array  # i8[9]: lanes, queue, proxies, backends, tries, policy, status if empty, fallback, tracing


@numba.njit(cache=True, nogil=True)
def mix(z):  # type: ignore[no-untyped-def]
    """A word's bits, mixed (`scenarios.draws`)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def quantile(nodes, word):  # type: ignore[no-untyped-def]
    """The value of a table at a word's top 53 bits."""
    x = np.float64(word >> np.uint64(11)) * 2.0**-53 * CELLS
    cell = np.int64(x)
    part = x - cell
    if cell == CELLS - 1:
        x = part * CELLS
        cell = np.int64(x)
        part = x - cell
        cell += CELLS + 1
    return nodes[cell] + part * (nodes[cell + 1] - nodes[cell])


@numba.njit(cache=True, nogil=True)
def bucket(latency):  # type: ignore[no-untyped-def]
    """The histogram bucket; `Requests` sees to it that no latency is too long for one."""
    return max((np.float64(latency).view(np.int64) >> (52 - MANTISSA)) - ((1023 + LOW) << MANTISSA), 0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill(number, draws, block, clock, users):  # type: ignore[no-untyped-def]
    """Draw block `number`, requests [number · BLOCK, (number + 1) · BLOCK). Blocks below 0 are summed backwards."""
    due, demand, choice, pick, user = block.due, block.demand, block.choice, block.pick, block.user
    first = number * BLOCK
    key, step = draws.streams[ARRIVAL, 0], draws.streams[ARRIVAL, 1]
    for k in range(BLOCK):
        demand[k] = mix(key + np.uint64(first + k) * step)
    nodes = draws.tables[0]
    if number >= 0:
        t = clock.time[0]
        for k in range(BLOCK):
            t += quantile(nodes, demand[k])
            due[k] = t
        clock.time[0] = t
    else:
        t = draws.borders[-number - 1]
        for k in range(BLOCK - 1, -1, -1):
            t -= quantile(nodes, demand[k])
            due[k] = t
    key, step = draws.streams[DEMAND, 0], draws.streams[DEMAND, 1]
    for k in range(BLOCK):
        demand[k] = mix(key + np.uint64(first + k) * step)
    key, step = draws.streams[CHOICE, 0], draws.streams[CHOICE, 1]
    for k in range(BLOCK):
        choice[k] = mix(key + np.uint64(first + k) * step)
    key, step = draws.streams[USER, 0], draws.streams[USER, 1]
    if draws.accept.size == 0:
        for k in range(BLOCK):
            word = mix(key + np.uint64(first + k) * step)
            pick[k] = np.int64(word & np.uint64(0xFFFFFF))
            user[k] = np.int32(np.float64(word >> np.uint64(24)) * 2.0**-40 * users)
    else:
        for k in range(BLOCK):
            word = mix(key + np.uint64(first + k) * step)
            pick[k] = np.int64(word & np.uint64(0xFFFFFF))
            x = np.float64(word >> np.uint64(24)) * 2.0**-40 * users
            cell = np.int32(x)
            user[k] = cell if x - cell < draws.accept[cell] else draws.alias[cell]


@numba.njit(cache=True, nogil=True)
def fail(books, clock, second, user):  # type: ignore[no-untyped-def]
    """Remember that a user's request fails in `second`."""
    entry = clock.place[3]
    clock.place[3] = books.failed_next[entry]
    clock.place[6] -= 1
    books.failed_next[entry] = books.failed[second]
    books.failed_user[entry] = user
    books.failed[second] = entry


@numba.njit(cache=True, nogil=True)
def settle(books, clock, second):  # type: ignore[no-untyped-def]
    """Count the users harmed in the seconds before `second`, which are over."""
    for s in range(clock.place[4], min(second, books.failed.size)):
        entry = books.failed[s]
        while entry >= 0:
            user = books.failed_user[entry]
            if not books.users[user] & np.uint32(HARMED):
                books.users[user] |= np.uint32(HARMED)
                books.new_harmed[s] += 1
            following = books.failed_next[entry]
            books.failed_next[entry] = clock.place[3]
            clock.place[3] = entry
            clock.place[6] += 1
            entry = following
        books.failed[s] = -1
    clock.place[4] = max(clock.place[4], second)


@numba.njit(cache=True, nogil=True)
def meet(books, block, first, end, start):  # type: ignore[no-untyped-def]
    """The users of requests [first, end) of the block: who is active, met whom, and changed version."""
    for k in range(first, end):
        t = block.due[k]
        if t < 0.0:
            continue
        second = np.int64(t - start)
        user = block.user[k]
        flags = books.users[user]
        version = np.int64(block.reached[k])
        if flags < ONE_REQUEST:
            books.new_active[second] += 1
        if version != NOBODY:
            bit = np.uint32(1 << version)
            last = np.uint32(version * LAST_CANDIDATE)
            if not flags & bit:
                books.new_met[second, version] += 1
            if flags & np.uint32(MET) and (flags & np.uint32(LAST_CANDIDATE)) != last:
                books.flips[second] += 1
            flags = (flags & np.uint32(0xFFFFFFFF - LAST_CANDIDATE)) | bit | last
        if flags < np.uint32(MOST_REQUESTS):
            flags += np.uint32(ONE_REQUEST)
        books.users[user] = flags


@numba.njit(cache=True, nogil=True)
def leave(pods, slot, t):  # type: ignore[no-untyped-def]
    """Drop those who have left a waiting room by `t`."""
    ring, mask = pods.ring, pods.ring.shape[1] - 1
    head, waiting = pods.head[slot], pods.waiting[slot]
    while waiting > 0 and ring[slot, head] <= t:
        head = (head + 1) & mask
        waiting -= 1
    pods.head[slot], pods.waiting[slot] = head, waiting
    pods.leave[slot] = ring[slot, head] if waiting > 0 else np.inf


@numba.njit(cache=True, nogil=True)
def wait(pods, clock, slot, until):  # type: ignore[no-untyped-def]
    """One more waits, and leaves at `until`; the ring must have room."""
    place = (pods.head[slot] + pods.waiting[slot]) & (pods.ring.shape[1] - 1)
    pods.ring[slot, place] = until
    if pods.waiting[slot] == 0:
        pods.leave[slot] = until
        clock.time[1] = min(clock.time[1], until)
    pods.waiting[slot] += 1


def make(least: int) -> Any:
    """`advance`, compiled for least outstanding (1) or for random and round robin (0)."""

    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def advance(until, pods, routes, draws, block, books, trace, clock, settings):  # type: ignore[no-untyped-def]
        """Process every arrival due before `until`. Returns DONE, or what must grow before it is called again."""
        start, horizon, timeout = settings.reals[0], settings.reals[1], settings.reals[2]
        lanes, queue, proxies, backends, tries = settings.whole[0:5]
        policy, empty, fallback, tracing = settings.whole[5:9]
        due, demand, choice, pick, user = block.due, block.demand, block.choice, block.pick, block.user
        free, ring, waiting = pods.free, pods.ring, pods.waiting
        free0, free1, free2, free3 = free[0], free[1], free[2], free[3]
        slots = free.shape[1]
        bag = pods.bag_end.shape[1]
        bugged = settings.reals[7] > 0.0 or settings.reals[8] > 0.0
        bug_key, bug_step = draws.streams[BUG, 0], draws.streams[BUG, 1]
        load = np.empty(slots if least and lanes > 4 else 0, np.int64)
        stop = min(until, horizon)
        while True:
            if clock.place[1] == clock.place[2]:
                clock.place[0] += 1
                fill(clock.place[0], draws, block, clock, books.users.size)
                clock.place[1], clock.place[2] = 0, BLOCK
            first, filled = clock.place[1], clock.place[2]
            row = clock.place[5] - first
            code = -1
            i = first
            while i < filled:
                t = due[i]
                if t >= stop:
                    code = DONE
                    break
                if clock.place[6] == 0:
                    code = FAILURES_FULL
                    break
                if tracing and row + i >= trace.times.shape[1]:
                    code = TRACE_FULL
                    break
                # the route
                proxy = 0
                if proxies > 1:
                    proxy = np.int64(demand[i] & np.uint64(0x7FF)) * proxies >> 11
                backend = 0
                if backends > 1:
                    share = np.float64(choice[i] & np.uint64(0xFFFFFFFF)) * 2.0**-32
                    for k in range(backends - 1):
                        backend += np.int64(share >= routes.below[proxy, k])
                size = routes.size[proxy, backend]
                if fallback:
                    if routes.size[proxy, 0] == 0:
                        size = 0
                    elif size == 0:
                        backend = 0
                        size = routes.size[proxy, 0]
                version, status, slot = NOBODY, empty, -1
                begin, end = np.nan, t
                deadline = t + timeout
                if size > 0:
                    # the endpoint
                    turn = routes.turn[proxy, backend]
                    if least:
                        if clock.time[1] <= t:
                            earliest = np.inf
                            for p in range(slots):
                                if pods.leave[p] <= t:
                                    leave(pods, p, t)
                                earliest = min(earliest, pods.leave[p])
                            clock.time[1] = earliest
                        turned = pick[i] * size >> 24
                        low, span = routes.low[backend], routes.span[backend]
                        ranks, queued = routes.rank[backend, low : low + span], waiting[low : low + span]
                        best = np.int64(1) << 62
                        if lanes <= 4:
                            a0, a1 = free0[low : low + span], free1[low : low + span]
                            a2, a3 = free2[low : low + span], free3[low : low + span]
                            for x in range(a0.size):
                                busy = queued[x] + (
                                    np.int64(a0[x] > t)
                                    + np.int64(a1[x] > t)
                                    + np.int64(a2[x] > t)
                                    + np.int64(a3[x] > t)
                                )
                                rank = ranks[x] - turned
                                rank += (rank >> 63) & size
                                best = min(best, (busy << RANK_BITS) + rank)
                        else:
                            for x in range(span):
                                load[x] = queued[x]
                            for lane in range(0, free.shape[0], 4):
                                b0, b1 = free[lane, low : low + span], free[lane + 1, low : low + span]
                                b2, b3 = free[lane + 2, low : low + span], free[lane + 3, low : low + span]
                                for x in range(b0.size):
                                    load[x] += (
                                        np.int64(b0[x] > t)
                                        + np.int64(b1[x] > t)
                                        + np.int64(b2[x] > t)
                                        + np.int64(b3[x] > t)
                                    )
                            for x in range(span):
                                rank = ranks[x] - turned
                                rank += (rank >> 63) & size
                                best = min(best, (load[x] << RANK_BITS) + rank)
                        position = (best & ((1 << RANK_BITS) - 1)) + turned
                        if position >= size:
                            position -= size
                        slot = np.int64(routes.members[0, backend, position])
                    else:
                        word = np.uint64(pick[i])
                        attempt = 0
                        while True:
                            if policy == RANDOM:
                                slot = np.int64(
                                    routes.members[
                                        proxy, backend, np.int64(word & np.uint64(0xFFFFFF)) * size >> 24
                                    ]
                                )
                            else:
                                position = routes.turn[proxy, backend]
                                slot = np.int64(routes.members[proxy, backend, position])
                                routes.turn[proxy, backend] = position + 1 if position + 1 < size else 0
                            attempt += 1
                            if pods.mode[slot] != REFUSING or attempt == tries:
                                break
                            word = mix(
                                np.uint64(pick[i]) + np.uint64(attempt) * np.uint64(0xBF58476D1CE4E5B9)
                            )
                    mode = pods.mode[slot]
                    if mode == SERVING:
                        # the pod: its earliest lane
                        version = pods.version[slot]
                        lane = 0
                        begin = free[0, slot]
                        for k in range(1, lanes):
                            if free[k, slot] < begin:
                                begin = free[k, slot]
                                lane = k
                        queues = begin > t
                        rejected = False
                        if queues:
                            if not least:
                                leave(pods, slot, t)
                            if waiting[slot] >= queue:
                                rejected = True
                            elif waiting[slot] == ring.shape[1]:
                                routes.turn[proxy, backend] = turn
                                code = RINGS_FULL
                                break
                        else:
                            begin = t
                        if rejected:
                            status = REJECTED
                            begin = np.nan
                        else:
                            if begin > deadline:
                                status = TIMEOUT
                                begin = np.nan
                                end = deadline
                                wait(pods, clock, slot, deadline)
                            else:
                                work = quantile(draws.tables[1 + version], demand[i])
                                lasting = settings.reals[4 + 2 * version]
                                age = begin - pods.since[slot]
                                if age < lasting:
                                    work *= 1.0 + settings.reals[3 + 2 * version] * (1.0 - age / lasting)
                                end = begin + work
                                free[lane, slot] = end
                                if queues:
                                    wait(pods, clock, slot, begin)
                                status = np.int64(
                                    np.float64(choice[i] >> np.uint64(32)) * 2.0**-32 < pods.error[slot]
                                )
                                if bugged:
                                    word = mix(bug_key + np.uint64(user[i]) * bug_step)
                                    if (
                                        np.float64(word >> np.uint64(11)) * 2.0**-53
                                        < settings.reals[7 + version]
                                    ):
                                        status = ERROR
                                if end > deadline:  # its client has gone; the lane works on
                                    end = deadline
                                    status = TIMEOUT
                            entry = pods.pending[slot]
                            if entry == bag:
                                entry = 0
                                for k in range(bag):
                                    if pods.bag_end[slot, k] > t:
                                        pods.bag_end[slot, entry] = pods.bag_end[slot, k]
                                        pods.bag_code[slot, entry] = pods.bag_code[slot, k]
                                        if tracing:
                                            pods.bag_row[slot, entry] = pods.bag_row[slot, k]
                                        entry += 1
                            which = bucket(end - t)
                            books.latency[books.bin_of[np.int64(end - start)], version, which] += 1
                            pods.bag_end[slot, entry] = end
                            pods.bag_code[slot, entry] = np.uint64(
                                np.int64(user[i])
                                | which << USER_BITS
                                | status << (USER_BITS + 11)
                                | np.int64(t >= 0.0) << (USER_BITS + 14)
                            )
                            if tracing:
                                pods.bag_row[slot, entry] = row + i
                            pods.pending[slot] = entry + 1
                    elif mode == REFUSING:
                        status = REFUSED
                    else:
                        if least:  # the balancer counts what it waits for
                            if waiting[slot] == ring.shape[1]:
                                code = RINGS_FULL
                                break
                            wait(pods, clock, slot, deadline)
                        status = TIMEOUT
                        end = deadline
                second = np.int64(end - start)
                books.counts[second, version, status] += 1
                books.arrivals[np.int64((t - start) * 10.0), version] += 1
                block.reached[i] = version
                if status != OK and t >= 0.0:
                    fail(books, clock, second, user[i])
                if tracing:
                    trace.times[0, row + i] = t
                    trace.times[1, row + i] = begin
                    trace.times[2, row + i] = end
                    trace.facts[0, row + i] = version
                    trace.facts[1, row + i] = status
                    trace.facts[2, row + i] = slot
                    trace.facts[3, row + i] = user[i]
                i += 1
            meet(books, block, first, i, start)
            clock.place[1] = i
            clock.place[5] += i - first
            if code == DONE:
                settle(books, clock, np.int64(until - start))
                return code
            if i > first:
                settle(books, clock, np.int64(due[i - 1] - start))
            if code > 0:
                return code

    return advance


advance_any = make(0)
advance_least = make(1)


@numba.njit(cache=True, nogil=True)
def kill(slot, t, pods, books, trace, clock, settings):  # type: ignore[no-untyped-def]
    """The pod in `slot` dies at `t`: what would have ended later is booked as reset. There must be room to fail."""
    start = settings.reals[0]
    version = pods.version[slot]
    now = np.int64(t - start)
    for k in range(pods.pending[slot]):
        end = pods.bag_end[slot, k]
        if end <= t:
            continue
        code = np.int64(pods.bag_code[slot, k])
        user = code & ((1 << USER_BITS) - 1)
        which = (code >> USER_BITS) & 0x7FF
        status = (code >> (USER_BITS + 11)) & 7
        second = np.int64(end - start)
        books.counts[second, version, status] -= 1
        books.latency[books.bin_of[second], version, which] -= 1
        books.counts[now, version, RESET] += 1
        if code >> (USER_BITS + 14):
            fail(books, clock, now, user)
        if settings.whole[8]:
            row = pods.bag_row[slot, k]
            trace.times[2, row] = t
            trace.facts[1, row] = RESET
            if trace.times[1, row] > t:
                trace.times[1, row] = np.nan
    pods.pending[slot] = 0
    clear(slot, pods)


@numba.njit(cache=True, nogil=True)
def clear(slot, pods):  # type: ignore[no-untyped-def]
    """No work is left in `slot`."""
    pods.free[:, slot] = -np.inf
    pods.waiting[slot] = 0
    pods.head[slot] = 0
    pods.leave[slot] = np.inf
