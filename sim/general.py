"""The general request engine: try by try, with all that the fast one (`sim.kernel`) leaves out.

Long, as it is one loop.

It serves retries, closed-loop users, kept connections and affinity, match rules and stickiness, mirrored
copies, pods of unequal speed, and processes that die of a request. What comes later than the arrival
that causes it (a retry, a user's next request, a death) waits in a heap and is merged with the arrivals by
time. Where nothing of this is asked for, its results are those of the fast engine bit for bit; a test
compares them.

Rules that both this and its slow twin in the tests follow:
- The words of try k ≥ 1 of a request are `draws.again(word, k)` of the words of its first try. Work is drawn
  once per request. A request of a closed loop is (user, k) where an open one is its number.
- Attributes never come here: `kind` is a user's combination of them, `rule` the backend it is sent to.
- A *holder* is who keeps a connection or an endpoint: a user, or one of a pool of connections. It enters
  through one proxy, always the same. Its connection number n has a word of its own: faulty or not, and of a
  pool which pod. Which of a pool a try uses is the low 24 bits of its own CONNECTION word.
- A try that times out takes its connection with it, when it times out. A connection of layer 4 carries many
  tries at once, goes where it went, whatever the shares say by then, and pins nobody.
- A proxy's further try has what is left of its client's time, so those who wait in a pod do not leave it in
  the order they came.
- How slow a pod is and how many of its lanes are busy is looked at when a try comes.
- At one time a process dies, and a connection closes, before anybody comes. A silent pod dies of nothing.

Its own arrays are NumPy's; those it shares with the fast engine come as addresses (`kernel.references`).
Functions that call compiled ones of another file are made by a factory that holds that file's checksum:
Numba's cache notices a change of their closure, but none of what they call.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment, call-arg"
# (Numba infers the types of what it compiles; the docstrings and the twin in the tests say what they mean)

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from sim import kernel
from sim.kernel import (
    BAG,
    BLOCK,
    BUCKET_BITS,
    BUCKETS,
    DONE,
    FAILED,
    FAILURES_FULL,
    FREE,
    GOLDEN,
    KEY,
    LEAST_OUTSTANDING,
    LOAD,
    LOW,
    MANTISSA,
    MET,
    MOST_REQUESTS,
    NOBODY,
    NODES,
    OK,
    ONE_REQUEST,
    RANDOM,
    REFUSED,
    REFUSING,
    REJECTED,
    RESET,
    RING,
    RINGS_FULL,
    SILENT,
    STATUS_BITS,
    STATUSES,
    TIMEOUT,
    TIMES,
    TRACE_FULL,
    USER_BITS,
    VERSIONS,
    WAITING,
    block_of,
    books_in,
    clock_in,
    draws_in,
    fail,
    fill,
    least_loaded,
    leave,
    mix,
    opener,
    pods_in,
    quantile,
    routes_in,
    settings_in,
    settle,
    share_of,
    trace_in,
)

LATER_FULL, DEATHS_FULL = 4, 5  # what `advance` may return besides the codes of the fast engine
# Plain ints would be types of their own to Numba, and what is called with them compiled once for each.
RETRY, FRESH, DEATH, VOID, CLOSE = (np.int64(k) for k in range(5))  # what waits in the heap
FIRST_OF_ALL = 1 << 62  # of what is due at one time
UNPINNED = 255
FREELY, HASHED, PINS_LAST, PINS_BOTH, PINS_FIRST = 0, 1, 2, 3, 4  # how a proxy keeps users on a side
NOT_KEPT, BY_USER, POOLED = 0, 1, 2  # who holds connections
# `what` of a try: its number within the request, the client's tries and the proxy's before it, the backend
# + 1 where a proxy tries again, and whether it is of a closed loop
CLIENT, PROXY, BACKEND, CLOSED = 8, 16, 24, 32
COUNTED_BIT = USER_BITS + BUCKET_BITS + STATUS_BITS  # of an entry in a bag, as in the fast engine; then:
FINAL_BIT, COPY_BIT = COUNTED_BIT + 1, COUNTED_BIT + 2
DEMAND, CHOICE, USER, BUG, ERRORS, SIDE, THINK, RETRIES, CONNECTION, POISON, COPIES = (
    np.int64(k) for k in range(11)
)  # streams
ZERO, ONE, NONE = np.int64(0), np.int64(1), np.int64(-1)

Array = NDArray[Any]
STAMP = zlib.crc32(Path(kernel.__file__).read_bytes())


class Slots(NamedTuple):
    """What each pod has beyond `kernel.Pods`; what is by bag entry stands beside `bag_end` there."""

    factor: Array  # f8[slots]: how much longer everything takes
    added: Array  # f8[slots]: seconds on top
    worked: Array  # f8[slots]: lane-seconds given out
    epoch: Array  # i8[slots]: grows when another process is there
    first: Array  # f8[slots, bag]: due time of the request's first try
    deadline: Array  # f8[slots, bag]: when the client gives the try up
    number: Array  # i8[slots, bag]
    what: Array  # i8[slots, bag]
    ticket: Array  # i8[slots, bag]: what it has in `Later`, or −1
    held: Array  # i8[slots, bag]: its holder and, above USER_BITS, the number of the connection; or −1
    closing: Array  # i8[slots, bag]: what closes that in `Later`, or −1


class Later(NamedTuple):
    """A heap of what will happen, and its entries."""

    time: Array  # f8[n]: the heap, by time and then by order
    entry: Array  # i8[n]: which entry
    kind: Array  # i8[n]: RETRY, FRESH, DEATH, CLOSE or VOID
    number: Array  # i8[n]: of the request; of DEATH the slot; of CLOSE as `Slots.held`
    user: Array  # i8[n]
    what: Array  # i8[n]: of DEATH the epoch
    first: Array  # f8[n]
    deadline: Array  # f8[n]
    order: Array  # i8[n]: the how manieth entry ever
    following: Array  # i8[n]: the next free entry
    # i8[5]: entries in the heap, first free entry, how many are free, entries ever, whether rings must grow
    state: Array


class Holders(NamedTuple):
    """Who keeps connections or endpoints, a row each."""

    slot: Array  # i8[holders]: the pod, or −1
    epoch: Array  # i8[holders]
    serial: Array  # i8[holders]: connections so far
    count: Array  # i8[holders]: requests on this one; 0: none is open
    since: Array  # f8[holders]
    last: Array  # f8[holders]


class People(NamedTuple):
    """Users, and what routers make of them."""

    kind: Array  # u1[users, or 1]: combination of attributes
    pin: Array  # u1[users, or 1]: the backend that the user stays with, or UNPINNED
    rule: Array  # i8[proxies, kinds]: the backend that a rule sends them to, or −1
    mode: Array  # i8[proxies]: FREELY …
    copied: Array  # f8[proxies]: share of requests that are copied


class Chances(NamedTuple):
    """What goes wrong by chance, and how long people wait."""

    errors: Array  # f8[3, 2, kinds]: of requests (beyond their pod's), users, connections; by version
    loaded: Array  # f8[2, 2]: by version, share of errors, and from how many busy lanes on
    leak: Array  # f8[2, 2]: by version, slower − 1, over how many seconds
    poison: Array  # f8[2]: by version
    pauses: Array  # f8[retries]: before each further try of a client
    think: Array  # f8[NODES]: a closed-loop user's pause
    streams: Array  # u8[11, 2]: key and step


class Tries(NamedTuple):
    """Books of single tries and of copies."""

    tries: Array  # i8[seconds, 3, 7]
    mirrored: Array  # i8[seconds, 7], or empty
    latency: Array  # u4[bins, BUCKETS], or empty


class Deaths(NamedTuple):
    """Processes that died of a request, until somebody asks."""

    slot: Array  # i8[n]
    time: Array  # f8[n]
    count: Array  # i8[1]


class Settings(NamedTuple):
    """What never changes in a trial."""

    # f8: jitter, the proxy's back-off, idle, age, how long an endpoint is remembered
    reals: Array
    # i8: open, kinds, proxy's tries, statuses they are for (bits), who holds, holders, most requests of a
    # connection, layer 7, affinity first, backend of copies or −1, backends for users
    whole: Array


class General(NamedTuple):
    """All of it."""

    slots: Slots
    later: Later
    holders: Holders
    people: People
    chances: Chances
    tries: Tries
    deaths: Deaths
    settings: Settings


ORDER = (Slots, Later, Holders, People, Chances, Tries, Deaths, Settings)


def references(general: General) -> Array:
    """i8[arrays, 4], as `kernel.references` has them. Who holds it must hold the arrays as well."""
    return kernel.references(general)


PAUSES, DEAD = 37, 43  # rows of `references`: how many tries clients have, and room for deaths
_slots = opener(Slots, "f8 f8 f8 i8 f8 f8 i8 i8 i8 i8 i8", 0)
_later = opener(Later, "f8 i8 i8 i8 i8 i8 f8 f8 i8 i8 i8", 11)
_holders = opener(Holders, "i8 i8 i8 i8 f8 f8", 22)
_people = opener(People, "u1 u1 i8 i8 f8", 28)
_chances = opener(Chances, "f8 f8 f8 f8 f8 f8 u8", 33)
_tries = opener(Tries, "i8 i8 u4", 40)
_deaths = opener(Deaths, "i8 f8 i8", 43)
_settings = opener(Settings, "f8 i8", 46)


def stamped(build: Any) -> Any:
    """The compiled function that the factory builds."""
    return build(STAMP)


@numba.njit(cache=True, nogil=True)
def _before(later, t, order, place):
    """Whether (t, order) comes before what stands at that place of the heap."""
    return t < later.time[place] or (t == later.time[place] and order < later.order[later.entry[place]])


@numba.njit(cache=True, nogil=True)
def push(more, t, kind, number, user, what, first, deadline):
    """Plan something for `t`; returns its entry. There must be a free one."""
    later = _later(more)
    state = later.state
    entry = state[1]
    state[1] = later.following[entry]
    state[2] -= 1
    later.kind[entry], later.number[entry], later.user[entry] = kind, number, user
    later.what[entry], later.first[entry], later.deadline[entry] = what, first, deadline
    order = state[3]
    state[3] += 1
    if kind in (DEATH, CLOSE):
        order -= FIRST_OF_ALL
    later.order[entry] = order
    place = state[0]
    state[0] += 1
    while place > 0:
        above = (place - 1) >> 1
        if not _before(later, t, order, above):
            break
        later.time[place], later.entry[place] = later.time[above], later.entry[above]
        place = above
    later.time[place], later.entry[place] = t, entry
    return entry


@numba.njit(cache=True, nogil=True)
def pop(more):
    """Take the first one out; its entry is free at once but holds its values until the next `push`."""
    later = _later(more)
    state = later.state
    entry = later.entry[0]
    state[0] -= 1
    last = state[0]
    t, moved = later.time[last], later.entry[last]
    order = later.order[moved]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= last:
            break
        right = below + 1
        if right < last and not _before(later, later.time[below], later.order[later.entry[below]], right):
            below = right
        if _before(later, t, order, below):
            break
        later.time[place], later.entry[place] = later.time[below], later.entry[below]
        place = below
    later.time[place], later.entry[place] = t, moved
    later.following[entry] = state[1]
    state[1] = entry
    state[2] += 1
    return entry


@numba.njit(cache=True, nogil=True)
def bucket_of(seconds):
    """The bucket of a latency (`scenarios.tally.bucket`)."""
    bits = np.float64(seconds).view(np.int64) >> (52 - MANTISSA)
    return max(bits - ((1023 + LOW) << MANTISSA), 0)


@numba.njit(cache=True, nogil=True)
def join(pods, more, room, clock, slot, until):
    """One more waits and leaves at `until`, perhaps before some who came earlier. The ring must have room."""
    ring, head, place = slot * room, pods.head[slot], pods.waiting[slot]
    pods.waiting[slot] = place + 1
    if place + 3 > room:  # a try and its copy may come before anybody looks
        _later(more).state[4] = 1
    while place > 0:
        before = pods.ring[ring + ((head + place - 1) & (room - 1))]
        if before <= until:
            break
        pods.ring[ring + ((head + place) & (room - 1))] = before
        place -= 1
    pods.ring[ring + ((head + place) & (room - 1))] = until
    if place == 0:
        pods.leave[slot] = until
        clock.time[1] = min(clock.time[1], until)


@stamped
def word_of(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def word_of(streams, which, number, user, closed):
        """The word of a request's first try; one of a closed loop is told by its user first."""
        stamp  # noqa: B018 - see the module
        key, step = streams[2 * which], streams[2 * which + 1]
        if closed:
            key = mix(key + np.uint64(user) * step)
        return mix(key + np.uint64(number) * step)

    return word_of


@stamped
def again(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def again(word, attempt):
        """The word of a further try (`scenarios.draws.again`)."""
        stamp  # noqa: B018 - see the module
        return mix(word + np.uint64(attempt) * np.uint64(GOLDEN)) if attempt else word

    return again


@numba.njit(cache=True, nogil=True)
def high(word):
    """A word's high 32 bits as a number in [0, 1)."""
    return np.float64(np.int64(word >> np.uint64(32))) * 2.0**-32


@stamped
def conclude(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def conclude(refs, more, status, version, end, user, number, what, first, deadline):
        """A try ends at `end`: it is counted, and what follows is planned.

        Returns what that has in `Later`, or −1, and whether this was the request's last try.
        """
        stamp  # noqa: B018 - see the module
        books, clock, settings = books_in(refs), clock_in(refs), settings_in(refs)
        chances, limits = _chances(more), _settings(more)
        reals, whole = limits.reals, limits.whole
        second, closed = np.int64(end - settings.reals[0]), what >> CLOSED
        row = (second * VERSIONS + version) * STATUSES + status
        _tries(more).tries[row] += 1
        if status != OK:
            by_proxy, tried = (what >> PROXY) & 0xFF, (what >> CLIENT) & 0xFF
            if by_proxy + 1 < whole[2] and (whole[3] >> status) & 1 and end + reals[1] < deadline:
                what += 1 + (1 << PROXY)
                return push(more, end + reals[1], RETRY, number, user, what, first, deadline), False
            if tried < more[PAUSES, 1]:
                attempt = (what & 0xFF) + 1
                chance = share_of(again(word_of(chances.streams, RETRIES, number, user, closed), attempt))
                after = end + chances.pauses[tried] * (1.0 + reals[0] * (2.0 * chance - 1.0))
                what = attempt | (tried + 1) << CLIENT | closed << CLOSED
                return push(more, after, RETRY, number, user, what, first, np.inf), False
        books.counts[row] += 1
        if status <= TIMEOUT and version != NOBODY:
            which = (books.bin_of[second] * 2 + version) * BUCKETS + bucket_of(end - first)
            books.latency[which] += np.uint32(1)
        if status != OK and first >= 0.0:
            fail(books, clock.counter, second, user)
        if closed:
            word = word_of(chances.streams, THINK, number + 1, user, closed)
            after = end + quantile(chances.think, ZERO, word)
            return push(more, after, FRESH, number + 1, user, closed << CLOSED, after, np.inf), True
        return -1, True

    return conclude


@numba.njit(cache=True, nogil=True)
def copy_booked(books, more, start, status, version, end, first, sign):
    """A copy ends at `end`, unseen by users: booked, or with −1 booked out."""
    second, tries = np.int64(end - start), _tries(more)
    tries.mirrored[second * STATUSES + status] += sign
    if status <= TIMEOUT and version != NOBODY:
        tries.latency[books.bin_of[second] * BUCKETS + bucket_of(end - first)] += np.uint32(sign)


@numba.njit(cache=True, nogil=True)
def clear(pods, more, lanes, slots, slot, t):
    """No work is left in a pod; what it was given and did not do is not counted as done."""
    for lane in range(lanes):
        left = pods.free[lane * slots + slot]
        if left < np.inf:
            if left > t:
                _slots(more).worked[slot] -= left - t
            pods.free[lane * slots + slot] = -np.inf
    pods.waiting[slot] = pods.head[slot] = pods.pending[slot] = 0
    pods.leave[slot] = np.inf


@numba.njit(cache=True, nogil=True)
def forgive(books, count, second, user):
    """A user's request does not fail in `second` after all."""
    before, entry = -1, np.int64(books.failed[second])
    while books.failed_user[entry] != user:
        before, entry = entry, np.int64(books.failed_next[entry])
    if before < 0:
        books.failed[second] = books.failed_next[entry]
    else:
        books.failed_next[before] = books.failed_next[entry]
    books.failed_next[entry] = count[2]
    count[2] = entry
    count[3] += 1


@stamped
def kill(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def kill(slot, t, lost, refs, more):
        """The pod dies at `t`: what would end later is reset. If it is `lost`, nobody tells its clients.

        There must be room to fail, to plan twice and, if lost, to wait for all of it.
        """
        stamp  # noqa: B018 - see the module
        pods, books, trace, settings = pods_in(refs), books_in(refs), trace_in(refs), settings_in(refs)
        clock = clock_in(refs)
        bag, rows = refs[BAG, 2], refs[TIMES, 2]
        start, tracing = settings.reals[0], settings.whole[8]
        mine, later, version = _slots(more), _later(more), pods.version[slot]
        pending = range(slot * bag, slot * bag + pods.pending[slot])
        for k in pending:
            end, deadline, first = pods.bag_end[k], mine.deadline[k], mine.first[k]
            if end <= t:
                continue
            code = pods.bag_code[k]
            copy = (code >> COPY_BIT) & 1
            if tracing and not copy and trace.times[rows + pods.bag_row[k]] > t:
                trace.times[rows + pods.bag_row[k]] = np.nan
            if lost and end == deadline:
                continue
            user = code & ((1 << USER_BITS) - 1)
            status = (code >> (USER_BITS + BUCKET_BITS)) & ((1 << STATUS_BITS) - 1)
            second = np.int64(end - start)
            after, fate = (deadline, TIMEOUT) if lost else (t, RESET)
            if copy:
                copy_booked(books, more, start, status, version, end, first, NONE)
                copy_booked(books, more, start, fate, version, after, first, ONE)
                continue
            row = (second * VERSIONS + version) * STATUSES + status
            _tries(more).tries[row] -= 1
            if (code >> FINAL_BIT) & 1:
                books.counts[row] -= 1
                which = (books.bin_of[second] * 2 + version) * BUCKETS + bucket_of(end - first)
                books.latency[which] -= np.uint32(1)
                if status != OK and first >= 0.0:
                    forgive(books, clock.counter, second, user)
            if mine.ticket[k] >= 0:
                later.kind[mine.ticket[k]] = VOID
            if mine.closing[k] >= 0:
                later.kind[mine.closing[k]] = VOID
            if lost and mine.held[k] >= 0:
                push(more, deadline, CLOSE, mine.held[k], ZERO, ZERO, 0.0, 0.0)
            conclude(refs, more, fate, version, after, user, mine.number[k], mine.what[k], first, deadline)
            if tracing:
                row = pods.bag_row[k]
                trace.times[2 * rows + row] = after
                trace.facts[rows + row] = np.int32(fate)
        clear(pods, more, refs[FREE, 1], refs[FREE, 2], slot, t)
        if lost and settings.whole[5] == LEAST_OUTSTANDING:  # the balancer counts what it waits for
            for k in pending:
                if pods.bag_end[k] > t:
                    join(pods, more, refs[RING, 2], clock, slot, mine.deadline[k])

    return kill


@stamped
def chosen(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def chosen(refs, entry, backend, size, pick, t):
        """The pod that the proxy chooses among the `size` ones of that entry, as in the fast engine."""
        stamp  # noqa: B018 - see the module
        pods, routes, clock, settings = pods_in(refs), routes_in(refs), clock_in(refs), settings_in(refs)
        slots, policy, tries = refs[FREE, 2], settings.whole[5], settings.whole[4]
        if policy == LEAST_OUTSTANDING:
            if clock.time[1] <= t:
                earliest = np.inf
                for p in range(slots):
                    if pods.leave[p] <= t:
                        leave(pods, refs[RING, 2], p, t)
                    earliest = min(earliest, pods.leave[p])
                clock.time[1] = earliest
            turned, low = np.int64(pick) * size >> 24, routes.low[backend]
            return least_loaded(
                refs[FREE, 0] + 8 * low,
                refs[KEY, 0] + 8 * (backend * slots + low),
                refs[WAITING, 0] + 8 * low,
                refs[LOAD, 0],
                slots,
                refs[FREE, 1],
                routes.span[backend],
                turned,
                size,
                t,
            )
        word, attempt = np.uint64(pick), 1
        while True:
            if policy == RANDOM:
                position = np.int64(word & np.uint64(0xFFFFFF)) * size >> 24
            else:
                position = routes.turn[entry]
                routes.turn[entry] = position + 1 if position + 1 < size else 0
            slot = np.int64(routes.members[entry * slots + position])
            if pods.mode[slot] != REFUSING or attempt == tries:
                return slot
            word = again(np.uint64(pick), attempt)
            attempt += 1

    return chosen


@stamped
def served(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def served(refs, more, slot, t, deadline, demand, chance, doomed_stable, doomed_candidate):
        """What becomes of a try in a pod: status, version, begin (NaN: never), end, and whether it kills it.

        `chance` is below the share of what fails if the try does; who else makes it fail is said by `doomed`,
        by version.
        """
        stamp  # noqa: B018 - see the module
        pods, draws, clock, settings = pods_in(refs), draws_in(refs), clock_in(refs), settings_in(refs)
        reals, whole = settings.reals, settings.whole
        slots, room = refs[FREE, 2], refs[RING, 2]
        mode = pods.mode[slot]
        if mode == REFUSING:
            return REFUSED, NOBODY, np.nan, t
        if mode == SILENT:
            if whole[5] == LEAST_OUTSTANDING:  # the balancer counts it
                join(pods, more, room, clock, slot, deadline)
            return TIMEOUT, NOBODY, np.nan, deadline
        version = pods.version[slot]
        lane, begin, busy = slot, pods.free[slot], 0
        for k in range(refs[FREE, 1]):
            one = pods.free[k * slots + slot]
            busy += np.int64(one > t) & np.int64(one < np.inf)
            if one < begin:
                lane, begin = k * slots + slot, one
        queues = begin > t
        if queues:
            leave(pods, room, slot, t)
            if pods.waiting[slot] >= whole[1]:
                return REJECTED, version, np.nan, t
        else:
            begin = t
        if begin > deadline:
            join(pods, more, room, clock, slot, deadline)
            return TIMEOUT, version, np.nan, deadline
        chances, mine = _chances(more), _slots(more)
        age, work = max(begin - pods.since[slot], 0.0), quantile(draws.tables, (1 + version) * NODES, demand)
        if age < reals[4 + 2 * version]:
            work *= 1.0 + reals[3 + 2 * version] * (1.0 - age / reals[4 + 2 * version])
        if chances.leak[2 * version] > 0.0:
            work *= 1.0 + chances.leak[2 * version] * min(age / chances.leak[2 * version + 1], 1.0)
        work = work * mine.factor[slot] + mine.added[slot]
        end = begin + work
        pods.free[lane] = end
        mine.worked[slot] += work
        if queues:
            join(pods, more, room, clock, slot, begin)
        works = 1.0 - (doomed_candidate if version == 1 else doomed_stable)
        if chances.loaded[2 * version] > 0.0 and busy >= chances.loaded[2 * version + 1]:
            works *= 1.0 - chances.loaded[2 * version]
        fails = pods.error[slot]
        if works < 1.0:
            fails = 1.0 - (1.0 - fails) * works
        status = np.int64(chance < fails)
        if end > deadline:  # its client has gone; the lane works on
            return TIMEOUT, version, begin, deadline
        return status, version, begin, end

    return served


@numba.njit(cache=True, nogil=True)
def place_in_bag(pods, mine, bag, slot, t, tracing):
    """A free place in the pod's bag; what is over is dropped once it is full."""
    held = pods.pending[slot]
    if held == bag:
        to = slot * bag
        for k in range(slot * bag, slot * bag + bag):
            if pods.bag_end[k] > t:
                pods.bag_end[to], pods.bag_code[to] = pods.bag_end[k], pods.bag_code[k]
                mine.first[to], mine.deadline[to] = mine.first[k], mine.deadline[k]
                mine.number[to], mine.what[to], mine.ticket[to] = mine.number[k], mine.what[k], mine.ticket[k]
                mine.held[to], mine.closing[to] = mine.held[k], mine.closing[k]
                if tracing:
                    pods.bag_row[to] = pods.bag_row[k]
                to += 1
        held = to - slot * bag
    pods.pending[slot] = held + 1
    return slot * bag + held


@numba.njit(cache=True, nogil=True)
def met(books, user, version, t, start, fresh):
    """A try of a user at `t` ≥ 0 reached a version, or nobody; `fresh`: it is the request's first one."""
    second, flags = np.int64(t - start), books.users[user]
    if fresh:
        if flags < np.uint32(ONE_REQUEST):
            books.new_active[second] += 1
        if flags < np.uint32(MOST_REQUESTS):
            flags += np.uint32(ONE_REQUEST)
    if version != NOBODY:
        bit = np.uint32(1) << np.uint32(version)
        if not flags & bit:
            books.new_met[2 * second + version] += 1
        if flags & np.uint32(MET) and (flags >> np.uint32(3)) & np.uint32(1) != np.uint32(version):
            books.flips[second] += 1
        flags = (flags & np.uint32(0xFFFFFFF7)) | bit | np.uint32(version) << np.uint32(3)
    books.users[user] = flags


@numba.njit(cache=True, nogil=True)
def in_rotation(routes, slots, entry, slot):
    """Whether a proxy has this pod among the endpoints of that entry."""
    found = False
    for k in range(entry * slots, entry * slots + routes.size[entry]):
        found |= routes.members[k] == slot
    return found


@numba.njit(cache=True, nogil=True)
def let_go(holders, held):
    """A try on a connection timed out: its holder closes it, if it has no newer one, and forgets the pod."""
    holder = held & ((1 << USER_BITS) - 1)
    if holders.serial[holder] == held >> USER_BITS:
        holders.slot[holder], holders.count[holder] = -1, 0


@stamped
def doom(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def doom(more, version, user, kind, word):
        """The share of a user's requests that fails with a version, beyond what the pod fails."""
        stamp  # noqa: B018 - see the module
        chances, kinds = _chances(more), _settings(more).whole[1]
        of_requests, of_users = (
            chances.errors[version * kinds + kind],
            chances.errors[(2 + version) * kinds + kind],
        )
        if high(word) < chances.errors[(4 + version) * kinds + kind]:
            return 1.0
        if of_users > 0.0:
            key, step = chances.streams[2 * BUG], chances.streams[2 * BUG + 1]
            if share_of(mix(key + np.uint64(user) * step)) < of_users:
                return 1.0
        return of_requests

    return doom


@stamped
def side(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def side(refs, more, proxy, user, kind, what, choice):
        """The backend that a try goes to, whether or not it has endpoints."""
        stamp  # noqa: B018 - see the module
        routes, people, whole = routes_in(refs), _people(more), _settings(more).whole
        mode, entry = people.mode[proxy], proxy * settings_in(refs).whole[3]
        pinned = np.int64(UNPINNED)
        if mode >= PINS_LAST:
            pinned = np.int64(people.pin[user])
            if pinned != UNPINNED and routes.size[entry + pinned] == 0:
                pinned = UNPINNED
        rule = people.rule[proxy * whole[1] + kind]
        if (what >> BACKEND) & 0xFF:
            return ((what >> BACKEND) & 0xFF) - 1
        if pinned != UNPINNED and (whole[8] or rule < 0):
            return pinned
        if rule >= 0:
            return rule
        share = np.float64(np.int64(choice & np.uint64(0xFFFFFFFF))) * 2.0**-32
        if mode == HASHED:
            streams = _chances(more).streams
            share = share_of(mix(streams[2 * SIDE] + np.uint64(user) * streams[2 * SIDE + 1]))
        backend = 0
        for k in range(whole[10] - 1):
            backend += np.int64(share >= routes.below[entry + k])
        return backend

    return side


@stamped
def book_pending(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def book_pending(refs, more, slot, t, end, code, first, deadline, number, what, ticket, held, closing):
        """Write down what is not over yet, for the case that its pod dies."""
        stamp  # noqa: B018 - see the module
        pods, clock, settings = pods_in(refs), clock_in(refs), settings_in(refs)
        mine, tracing = _slots(more), settings.whole[8]
        k = place_in_bag(pods, mine, refs[BAG, 2], slot, t, tracing)
        pods.bag_end[k], pods.bag_code[k] = end, code
        mine.first[k], mine.deadline[k] = first, deadline
        mine.number[k], mine.what[k], mine.ticket[k] = number, what, ticket
        mine.held[k], mine.closing[k] = held, closing
        if tracing:
            pods.bag_row[k] = clock.counter[0]

    return book_pending


@stamped
def die(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def die(refs, more, entry, t):
        """A process dies of the request that it begins now. Returns DONE, or what must grow first."""
        stamp  # noqa: B018 - see the module
        pods, clock = pods_in(refs), clock_in(refs)
        later, mine, deaths = _later(more), _slots(more), _deaths(more)
        slot = later.number[entry]
        if mine.epoch[slot] != later.what[entry] or pods.mode[slot] == SILENT:
            pop(more)
            return DONE
        if clock.counter[3] < pods.pending[slot]:
            return FAILURES_FULL
        if later.state[2] < 2 * pods.pending[slot]:
            return LATER_FULL
        if deaths.count[0] == more[DEAD, 1]:
            return DEATHS_FULL
        pop(more)
        kill(slot, t, np.bool_(False), refs, more)
        pods.mode[slot] = REFUSING
        mine.epoch[slot] += 1
        deaths.slot[deaths.count[0]] = slot
        deaths.time[deaths.count[0]] = t
        deaths.count[0] += 1
        return DONE

    return die


@stamped
def poisoned(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def poisoned(more, slot, version, begin, number, user, closed):
        """Plan the death of the process, if it dies of what it begins at `begin`."""
        stamp  # noqa: B018 - see the module
        chances = _chances(more)
        share = share_of(word_of(chances.streams, POISON, number, user, closed))
        if share < chances.poison[version]:
            push(more, begin, DEATH, slot, ZERO, _slots(more).epoch[slot], 0.0, 0.0)

    return poisoned


@stamped
def copied(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True)
    def copied(refs, more, proxy, t, demand, number, user, kind, closed):
        """Send a copy of a request to who gets copies, if its draw says so."""
        stamp  # noqa: B018 - see the module
        routes, streams, whole = routes_in(refs), _chances(more).streams, _settings(more).whole
        backend = whole[9]
        entry = proxy * settings_in(refs).whole[3] + backend
        word, size = word_of(streams, COPIES, number, user, closed), routes.size[entry]
        if high(word) >= _people(more).copied[proxy] or size == 0:
            return
        slot = chosen(refs, entry, backend, size, np.int64(word & np.uint64(0xFFFFFF)), t)
        none = ~np.uint64(0)  # on no faulty connection
        stable, candidate = doom(more, ZERO, user, kind, none), doom(more, ONE, user, kind, none)
        chance, deadline = (
            high(word_of(streams, ERRORS, number, user, closed)),
            t + settings_in(refs).reals[2],
        )
        status, version, begin, end = served(refs, more, slot, t, deadline, demand, chance, stable, candidate)
        copy_booked(books_in(refs), more, settings_in(refs).reals[0], status, version, end, t, ONE)
        if begin >= t:
            poisoned(more, slot, version, begin, number, user, closed)
        if end > t and version != NOBODY:
            code = user | status << (USER_BITS + BUCKET_BITS) | np.int64(1) << COPY_BIT
            book_pending(refs, more, slot, t, end, code, t, deadline, number, ZERO, NONE, NONE, NONE)

    return copied


@stamped
def advance(stamp: int) -> Any:
    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def advance(until, refs, more):
        """Process everything due before `until`. Returns DONE, or what must grow before the next call."""
        stamp  # noqa: B018 - see the module
        pods, routes, books = pods_in(refs), routes_in(refs), books_in(refs)
        trace, clock, settings = trace_in(refs), clock_in(refs), settings_in(refs)
        slots, rows = refs[FREE, 2], refs[TIMES, 2]
        reals, whole, count = settings.reals, settings.whole, clock.counter
        start, horizon, timeout = reals[0], reals[1], reals[2]
        proxies, backends, empty, fallback, tracing = whole[2], whole[3], whole[6], whole[7], whole[8]
        mine, later, holders, people = _slots(more), _later(more), _holders(more), _people(more)
        streams, limits, flags = _chances(more).streams, _settings(more).reals, _settings(more).whole
        open_loop, kinds, holding, most_holders, most = flags[0], flags[1], flags[4], flags[5], flags[6]
        layer_7, copies, sides, remembered = flags[7], flags[9], flags[10], limits[4]
        while True:
            # what comes next
            t_open, i = np.inf, 0
            if open_loop:
                if clock.block[1] == clock.block[2]:
                    clock.block[0] += 1
                    fill(refs)
                    clock.block[1] = 0
                    clock.block[2] = BLOCK
                i = clock.block[1]
                t_open = block_of(clock.block[3], refs).due[i]
                if t_open >= horizon:
                    t_open = np.inf
            from_heap = later.state[0] > 0 and later.time[0] < t_open
            t = later.time[0] if from_heap else t_open
            if t >= until:
                settle(books, count, min(np.int64(until - start), refs[FAILED, 1]))
                return DONE
            if np.int64(t - start) > count[1]:
                settle(books, count, np.int64(t - start))
            if count[3] == 0:
                return FAILURES_FULL
            if later.state[2] < 4:
                return LATER_FULL
            if later.state[4]:
                later.state[4] = 0
                return RINGS_FULL
            if tracing and count[0] >= rows:
                return TRACE_FULL
            if from_heap:
                entry = later.entry[0]
                kind = later.kind[entry]
                if kind == DEATH:
                    code = die(refs, more, entry, t)
                    if code != DONE:
                        return code
                    continue
                pop(more)
                if kind == CLOSE:
                    let_go(holders, later.number[entry])
                    continue
                if kind == VOID or (kind == FRESH and t >= horizon):
                    continue
                number, user, what = later.number[entry], later.user[entry], later.what[entry]
                first, deadline = later.first[entry], min(later.deadline[entry], t + timeout)
            else:
                number, user, what = (
                    clock.block[0] * BLOCK + i,
                    np.int64(block_of(clock.block[3], refs).user[i]),
                    0,
                )
                first, deadline = t, t + timeout
                clock.block[1] = i + 1
            # the words of this try
            attempt, closed = what & 0xFF, what >> CLOSED
            demand = word_of(streams, DEMAND, number, user, closed)
            choice = again(word_of(streams, CHOICE, number, user, closed), attempt)
            pick = again(word_of(streams, USER, number, user, closed), attempt) & np.uint64(0xFFFFFF)
            kind = np.int64(people.kind[user]) if kinds > 1 else 0
            # the proxy
            holder, base, held, closing = -1, np.uint64(0), -1, -1
            word = again(word_of(streams, CONNECTION, number, user, closed), attempt)
            if holding == NOT_KEPT and remembered == 0.0:
                proxy = np.int64(again(demand, attempt) & np.uint64(0x7FF)) * proxies >> 11
            else:
                holder = (
                    np.int64(word & np.uint64(0xFFFFFF)) * most_holders >> 24 if holding == POOLED else user
                )
                base = mix(streams[2 * CONNECTION] + np.uint64(holder) * streams[2 * CONNECTION + 1])
                proxy = np.int64(base & np.uint64(0x7FF)) * proxies >> 11
            # the side
            backend = side(refs, more, proxy, user, kind, what, choice) if sides > 1 else 0
            entry = proxy * backends + backend
            size = routes.size[entry]
            if fallback:
                primary = routes.size[entry - backend]
                if primary == 0 or size == 0:
                    size, entry, backend = primary, entry - backend, 0
            what = (what & ~(0xFF << BACKEND)) | (backend + 1) << BACKEND
            # the connection, and the pod
            slot, goes_on = -1, False
            if holder >= 0:
                at, since = holders.slot[holder], holders.last[holder]
                there = at >= 0 and holders.epoch[holder] == mine.epoch[at] and pods.mode[at] != REFUSING
                is_open = (
                    holding != NOT_KEPT
                    and holders.count[holder] > 0
                    and holders.count[holder] < most
                    and t - since <= limits[2]
                    and t - holders.since[holder] < limits[3]
                    and (layer_7 or there)
                )
                goes_on = is_open and not layer_7
                if goes_on or (
                    remembered > 0.0
                    and there
                    and t - since <= remembered
                    and in_rotation(routes, slots, entry, at)
                ):
                    slot = at
                if not is_open:
                    holders.serial[holder] += 1
                    holders.count[holder] = 0
                    holders.since[holder] = t
                word = mix(base + np.uint64(holders.serial[holder]) * streams[2 * CONNECTION + 1])
                if holding == POOLED and not layer_7:
                    pick = word & np.uint64(0xFFFFFF)
                held = holder | holders.serial[holder] << USER_BITS
            if slot < 0 and size > 0:
                slot = chosen(refs, entry, backend, size, np.int64(pick), t)
            # what becomes of it there
            version, status, begin, end = NOBODY, empty, np.nan, t
            if slot >= 0:
                stable, candidate = doom(more, ZERO, user, kind, word), doom(more, ONE, user, kind, word)
                status, version, begin, end = served(
                    refs, more, slot, t, deadline, demand, high(choice), stable, candidate
                )
                mode = people.mode[proxy]
                last = backend == sides - 1 and sides > 1
                pins = (
                    mode == PINS_BOTH or (mode == PINS_LAST and last) or (mode == PINS_FIRST and backend == 0)
                )
                if pins and not goes_on:
                    people.pin[user] = np.uint8(backend)
                if begin >= t:
                    poisoned(more, slot, version, begin, number, user, closed)
            if holder >= 0:
                lost = slot < 0 or status == REFUSED
                holders.slot[holder] = -1 if lost else slot
                holders.count[holder] = 0 if lost else holders.count[holder] + 1
                holders.epoch[holder] = 0 if lost else mine.epoch[slot]
                holders.last[holder] = t
                if status == TIMEOUT:
                    closing = push(more, end, CLOSE, held, ZERO, ZERO, 0.0, 0.0)
            # the books
            ticket, final = conclude(refs, more, status, version, end, user, number, what, first, deadline)
            books.arrivals[np.int64((t - start) * 10.0) * VERSIONS + version] += np.int32(1)
            if first >= 0.0:
                met(books, user, version, t, start, attempt == 0)
            if end > t and version != NOBODY:
                code = (
                    user
                    | status << (USER_BITS + BUCKET_BITS)
                    | np.int64(first >= 0.0) << COUNTED_BIT
                    | np.int64(final) << FINAL_BIT
                )
                book_pending(
                    refs, more, slot, t, end, code, first, deadline, number, what, ticket, held, closing
                )
            if tracing:
                row = count[0]
                trace.times[row], trace.times[rows + row], trace.times[2 * rows + row] = t, begin, end
                trace.facts[row], trace.facts[rows + row] = np.int32(version), np.int32(status)
                trace.facts[2 * rows + row], trace.facts[3 * rows + row] = np.int32(slot), np.int32(user)
            if copies >= 0 and attempt == 0 and people.copied[proxy] > 0.0:
                copied(refs, more, proxy, t, demand, number, user, kind, closed)
            count[0] += 1

    return advance
