"""The request engine: a compiled loop over the arrivals between two control events. Long, as it is one loop.

It never allocates, reads a clock or knows a controller. All state is in arrays that the caller owns
(`sim.requests`), grouped in the tuples below; times are seconds as float64. A *slot* is a pod's place in
these arrays; the servers that work in it in parallel are its *lanes*.

Nothing here is an event. First come, first served on c lanes with one timeout makes start, end and outcome
of a request known when it arrives, so it is booked then, in the second in which its outcome will happen.
What can still change that is the death of its pod: the pod's *bag* keeps what is not over yet, and `kill`
books it anew.

Why it is written as it is (measured with `benchmarks/engine.py --profile`):
- Draws, requests and users are three passes over blocks that stay in the cache.
- Those who wait in a pod leave it in the order they came (a start time and a deadline both only grow), so the
  waiting room is a ring of leaving times, not a heap.
- Outstanding work is counted anew by comparing the lanes' free times with t, vectorised over contiguous
  slots. Keep that loop free of branches and calls; it takes twice as long once LLVM cannot vectorise it.
- Compiled functions get the addresses of the arrays: 60 arrays as arguments cost 17 µs per call, and as Numba
  arrays in the loop they cost a reference count and a sign check per access. Indices are computed by hand.
- Numba's cache goes stale when a compiled function of another file changes, and misses when a closure holds
  one. So everything compiled is in this file, at module level, and the factory's closure holds one small
  int. Constants of `scenarios` are repeated here; a test compares them.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment, call-arg"
# (Numba infers the types of what it compiles; the docstrings and the twin in the tests say what they mean)

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

BLOCK = 1024  # requests per pass
CELLS = 4096
NODES = 2 * (CELLS + 1)
MANTISSA, LOW, BUCKETS = 6, -12, 1280
OK, ERROR, TIMEOUT, REJECTED, RESET, REFUSED = 0, 1, 2, 3, 4, 5
VERSIONS, STATUSES, NOBODY = 3, 7, 2
MET, HARMED, LAST_CANDIDATE, ONE_REQUEST, MOST_REQUESTS = 3, 4, 8, 256, 0xFFFFFF00
SERVING, REFUSING, SILENT = 0, 1, 2  # modes of a pod
RANDOM, ROUND_ROBIN, LEAST_OUTSTANDING = 0, 1, 2
DONE, RINGS_FULL, FAILURES_FULL, TRACE_FULL = 0, 1, 2, 3  # what `advance` returns
SLOT_BITS = 16
STEADY, BENT, PLACED = 0, 1, 2  # how requests come from 0 on; before it they are bent unless steady
ABSENT = 1 << 61  # the key of a slot that is not in rotation
ARRIVAL, DEMAND, CHOICE, USER, BUG = 0, 2, 4, 6, 8  # where the key stands in Draws.streams; the step is next
USER_BITS = 25  # of an entry in a bag: user, then 11 bits of bucket, 3 of status, 1 whether users are counted
BUCKET_BITS, STATUS_BITS = 11, 3
GOLDEN = 0xBF58476D1CE4E5B9  # parts the words of retries

Array = NDArray[Any]


class Pods(NamedTuple):
    """The pods, a column per slot."""

    free: Array  # f8[lanes rounded up to 4, slots]: when each lane is free; inf in lanes that do not exist
    ring: Array  # f8[slots, a power of two]: when each of the waiting leaves
    bag_end: Array  # f8[slots, n]: when a request ends
    bag_code: Array  # i8[slots, n]: its user and how it was booked
    bag_row: Array  # i8[slots, n]: its row in the trace; empty without one
    since: Array  # f8[slots]: when the process began to listen
    error: Array  # f8[slots]: share of its answers that are errors
    leave: Array  # f8[slots]: when the first of the waiting leaves the waiting room; inf if nobody waits
    version: Array  # i8[slots]
    mode: Array  # i8[slots]
    waiting: Array  # i8[slots]: how many wait, as of the last arrival that looked
    head: Array  # i8[slots]: where the ring begins
    pending: Array  # i8[slots]: entries of the bag
    load: Array  # i8[slots]: room to count in


class Routes(NamedTuple):
    """Where requests go: by proxy, then backend."""

    members: Array  # i4[proxies, backends, slots]: slots in rotation, in order
    size: Array  # i8[proxies, backends]
    turn: Array  # i8[proxies, backends]: round robin's next position
    below: Array  # f8[proxies, backends]: cumulative shares, the last one inf
    key: Array  # i8[backends, slots]: position in rotation of the only proxy << SLOT_BITS | slot, or ABSENT
    low: Array  # i8[backends]: the first slot in rotation
    span: Array  # i8[backends]: how many slots from there hold all of the rotation
    named: Array  # i8[slots]: in how many rotations each is


class Draws(NamedTuple):
    """What is drawn from."""

    streams: Array  # u8[5, 2]: key and step
    tables: Array  # f8[3, NODES]: gap, service time of stable, of candidate
    accept: Array  # f4[users] or empty: Walker's table of users
    alias: Array  # i4[users] or empty
    borders: Array  # f8[n]: own time (below) of the first request of block −k, k = 0 …
    flow: Array  # i8[1]: STEADY, BENT or PLACED
    # f8[3, n]: knots from 0 on: time, Λ, seconds a request (if PLACED, an interval's last moment)
    ahead: Array
    behind: Array  # f8[3, n]: knots from 0 backwards, as distances


class Block(NamedTuple):
    """Drawn requests, block by block: one row that is drawn anew each time, or a row for every block."""

    due: Array  # f8[rows, BLOCK]
    demand: Array  # u8[rows, BLOCK]: words
    work: Array  # f8[rows, 2, BLOCK]: service time of either version; the first serves both if they are alike
    choice: Array  # u8[rows, BLOCK]: words
    pick: Array  # i4[rows, BLOCK]: 24 bits
    user: Array  # i4[rows, BLOCK]
    reached: Array  # u4[BLOCK]: the version, for the pass over users


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

    block: Array  # i8[4]: number of the block, cursor in it, how much of it is filled, its row
    counter: Array  # i8[4]: requests so far, seconds settled, first free failure, how many are free
    time: Array  # f8[2]: own time of the last one drawn, and when the first of all who wait leaves


class Settings(NamedTuple):
    """What never changes in a trial."""

    reals: Array  # f8[9]: start, horizon, timeout; per version slower − 1, lasting; bug share per version
    # kinds of service time, queue, proxies, backends, tries, policy, status if empty, fallback, trace, bags
    whole: Array  # i8[10]


class Drawn(NamedTuple):
    """Which blocks are drawn already. Trials of one seed may share them; row 0 is for any other block."""

    number: Array  # i8[rows]: of the block in the row, or NOT_DRAWN
    first: Array  # i8[1]: number of the block in row 1
    edge: Array  # f8[rows]: own time of the request farthest from 0: the sum of gaps, or the due time


class State(NamedTuple):
    """All of it."""

    pods: Pods
    routes: Routes
    draws: Draws
    block: Block
    books: Books
    trace: Trace
    clock: Clock
    settings: Settings
    drawn: Drawn


NOT_DRAWN = -(1 << 62)
FREE, RING, BAG, WAITING, LOAD, SIZE, KEY, ACCEPT = 0, 1, 2, 10, 13, 15, 18, 24  # rows of `references`
AHEAD, BEHIND = 28, 29
DUE, LATENCY, USERS, FAILED, TIMES, NUMBER = 30, 39, 44, 46, 49, 56


def references(state: Iterable[Iterable[Array]]) -> Array:
    """i8[arrays, 4]: address and shape of each array, in order. Who holds it must hold the arrays as well."""
    arrays = [array for group in state for array in group]
    table = np.ones((len(arrays), 4), np.int64)
    for row, array in zip(table, arrays, strict=True):
        if not (array.flags.c_contiguous and array.flags.aligned):
            raise ValueError("the kernel needs contiguous arrays")
        row[0], row[1 : 1 + array.ndim] = array.__array_interface__["data"][0], array.shape
    return table


def pointer_to(element: Any) -> Any:
    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba names them
        """The address as a pointer to elements of one type."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), generate

    return pointer


@intrinsic
def prefetch(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba names them
    """Ask for the cache line at an address that will be written soon."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, i32(1), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.none(types.int64), generate


_f8, _f4 = pointer_to(types.float64), pointer_to(types.float32)
_i8, _i4 = pointer_to(types.int64), pointer_to(types.int32)
_u8, _u4 = pointer_to(types.uint64), pointer_to(types.uint32)


def opener(group: Any, kinds: str, first: int) -> Any:
    """A compiled function that gives a group's arrays as pointers, from rows `first` on of `references`.

    An intrinsic, as one call is compiled much faster than a call for each array.
    """
    elements = {"f8": types.float64, "f4": types.float32, "i8": types.int64, "i4": types.int32,
                "u8": types.uint64, "u4": types.uint32, "u1": types.uint8}  # fmt: skip
    pointers = [types.CPointer(elements[kind]) for kind in kinds.split()]
    held = types.BaseTuple.from_types(pointers, pyclass=group)

    def pointers_in(typing_context: Any, refs: Any) -> Any:  # noqa: ARG001 - Numba names them
        """The group's arrays."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            table = context.make_array(signature.args[0])(context, builder, arguments[0])
            rows = range(first, first + len(pointers))
            found = [builder.load(builder.gep(table.data, [ir.IntType(64)(4 * row)])) for row in rows]
            kinds = [context.get_value_type(pointer) for pointer in pointers]
            values = [builder.inttoptr(*pair) for pair in zip(found, kinds, strict=True)]
            return context.make_tuple(builder, signature.return_type, values)

        return held(refs), generate

    compiled: Any = intrinsic(pointers_in)
    compiled.kinds, compiled.first = kinds.split(), first
    return compiled


pods_in = opener(Pods, "f8 f8 f8 i8 i8 f8 f8 f8 i8 i8 i8 i8 i8 i8", 0)
routes_in = opener(Routes, "i4 i8 i8 f8 i8 i8 i8 i8", 14)
draws_in = opener(Draws, "u8 f8 f4 i4 f8 i8 f8 f8", 22)
block_in = opener(Block, "f8 u8 f8 u8 i4 i4 u4", 30)
books_in = opener(Books, "i8 i4 u4 i8 i8 i8 i8 u4 i8 i4 i4 i4", 37)
trace_in = opener(Trace, "f8 i4", 49)
clock_in = opener(Clock, "i8 i8 f8", 51)
settings_in = opener(Settings, "f8 i8", 54)
drawn_in = opener(Drawn, "i8 i8 f8", 56)


@numba.njit(cache=True, nogil=True)
def opened(refs):
    """The state again, as pointers, in the order of `references`; a test compares the types."""
    return State(
        pods_in(refs),
        routes_in(refs),
        draws_in(refs),
        block_in(refs),
        books_in(refs),
        trace_in(refs),
        clock_in(refs),
        settings_in(refs),
        drawn_in(refs),
    )


@numba.njit(cache=True, nogil=True)
def block_of(row, refs):
    """The block in a row, as pointers to its first request; `reached` has one row for all."""
    a, at = refs[:, 0], row * BLOCK
    return Block(
        _f8(a[DUE] + 8 * at), _u8(a[DUE + 1] + 8 * at), _f8(a[DUE + 2] + 16 * at), _u8(a[DUE + 3] + 8 * at),
        _i4(a[DUE + 4] + 4 * at), _i4(a[DUE + 5] + 4 * at), _u4(a[DUE + 6]),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def mix(z):
    """A word's bits, mixed (`scenarios.draws`)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def share_of(word):
    """A word's top 53 bits as a number in [0, 1)."""
    return np.float64(np.int64(word >> np.uint64(11))) * 2.0**-53


@numba.njit(cache=True, nogil=True, error_model="numpy")
def quantile(nodes, at, word):
    """The value of the table that begins at nodes[at], at a word's top 53 bits."""
    x = share_of(word) * CELLS
    cell = np.int64(x)
    part = x - cell
    if cell == CELLS - 1:
        x = part * CELLS
        cell = np.int64(x)
        part = x - cell
        cell += CELLS + 1
    cell += at
    return nodes[cell] + part * (nodes[cell + 1] - nodes[cell])


@numba.njit(cache=True, nogil=True)
def words(stream, draws, first, to):
    """The words of requests first … first + BLOCK − 1."""
    key, step = draws.streams[stream], draws.streams[stream + 1]
    for k in range(BLOCK):
        to[k] = mix(key + np.uint64(first + k) * step)


@numba.njit(cache=True, nogil=True)
def knot_before(knots, size, row, value):
    """The last k with knots[row, k] ≤ value; the first one is."""
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        if knots[row * size + middle] <= value:
            low = middle
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def bend(due, knots, size, direction):
    """Own times, outwards from 0, become due times; infinite beyond the last knot (`traffic.bent`)."""
    first = 0 if direction > 0 else BLOCK - 1
    at = knot_before(knots, size, 1, direction * due[first])
    for k in range(first, first + direction * BLOCK, direction):
        own = direction * due[k]
        while at < size - 1 and knots[size + at + 1] <= own:
            at += 1
        if at == size - 1:
            due[k] = direction * np.inf
        else:
            t = knots[at] + (own - knots[size + at]) * knots[2 * size + at]
            due[k] = direction * min(t, knots[at + 1])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def place(due, words, tables, knots, size, first, t):
    """Due times of requests from number `first` on, evenly at random in their intervals (`traffic._placed`).

    `t` is when the one before was due. Returns when the last one is.
    """
    at = knot_before(knots, size, 1, np.float64(first))
    for k in range(BLOCK):
        number = np.float64(first + k)
        while at < size - 1 and knots[size + at + 1] <= number:
            at += 1
        if at == size - 1:
            due[k] = np.inf
            continue
        if number == knots[size + at]:
            t = knots[at]
        y = quantile(tables, 0, words[k]) / (knots[size + at + 1] - number) * 2.0**-10
        part = y * (1.0 - y / 2.0 * (1.0 - y / 3.0 * (1.0 - y / 4.0 * (1.0 - y / 5.0 * (1.0 - y / 6.0)))))
        for _ in range(10):
            part = part * (2.0 - part)
        t = min(t + (knots[at + 1] - t) * part, knots[2 * size + at])
        due[k] = t
    return t


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill(refs):
    """Draw the block of the clock's number: requests number · BLOCK on. Blocks below 0 are summed back.

    A block that is there already stays; the clock is put where drawing it would have put it.
    """
    _, _, draws, _, _, _, clock, settings, drawn = opened(refs)
    users, zipf = refs[USERS, 1], refs[ACCEPT, 1] > 0
    number = clock.block[0]
    row = number - drawn.first[0] + 1
    if row < 1 or row >= refs[NUMBER, 1]:
        row = 0
    clock.block[3] = row
    block = block_of(row, refs)
    due, demand, choice, pick, user = block.due, block.demand, block.choice, block.pick, block.user
    if drawn.number[row] == number:
        if number >= 0:
            clock.time[0] = drawn.edge[row]
        return
    drawn.number[row] = number
    first = number * BLOCK
    words(ARRIVAL, draws, first, demand)
    flow = draws.flow[0]
    if number >= 0 and flow == PLACED:
        t = place(due, demand, draws.tables, draws.ahead, refs[AHEAD, 2], first, clock.time[0])
        clock.time[0] = t
    elif number >= 0:
        t = clock.time[0]
        for k in range(BLOCK):
            t += quantile(draws.tables, 0, demand[k])
            due[k] = t
        clock.time[0] = t
    else:
        t = draws.borders[-number - 1]
        for k in range(BLOCK - 1, -1, -1):
            t -= quantile(draws.tables, 0, demand[k])
            due[k] = t
    drawn.edge[row] = t
    if number >= 0 and flow == BENT:
        bend(due, draws.ahead, refs[AHEAD, 2], 1)
    elif number < 0 and flow != STEADY:
        bend(due, draws.behind, refs[BEHIND, 2], -1)
    words(USER, draws, first, demand)
    for k in range(BLOCK):
        pick[k] = np.int32(demand[k] & np.uint64(0xFFFFFF))
        user[k] = np.int32(np.float64(np.int64(demand[k] >> np.uint64(24))) * 2.0**-40 * users)
    if zipf:
        for k in range(BLOCK):
            x = np.float64(np.int64(demand[k] >> np.uint64(24))) * 2.0**-40 * users
            if x - user[k] >= draws.accept[user[k]]:
                user[k] = draws.alias[user[k]]
    words(DEMAND, draws, first, demand)
    for version in range(settings.whole[0]):
        for k in range(BLOCK):
            block.work[version * BLOCK + k] = quantile(draws.tables, (1 + version) * NODES, demand[k])
    words(CHOICE, draws, first, choice)


@numba.njit(cache=True, nogil=True)
def fail(books, count, second, user):
    """Remember that a user's request fails in `second`."""
    entry = count[2]
    count[2] = books.failed_next[entry]
    count[3] -= 1
    books.failed_next[entry] = books.failed[second]
    books.failed_user[entry] = user
    books.failed[second] = entry


@numba.njit(cache=True, nogil=True)
def settle(books, count, end):
    """Count the users harmed in the seconds before `end`, which are over."""
    for second in range(count[1], end):
        entry = books.failed[second]
        while entry >= 0:
            user = books.failed_user[entry]
            flags = books.users[user]
            if not flags & np.uint32(HARMED):
                books.users[user] = flags | np.uint32(HARMED)
                books.new_harmed[second] += 1
            following = books.failed_next[entry]
            books.failed_next[entry] = count[2]
            count[2] = entry
            count[3] += 1
            entry = following
        books.failed[second] = -1
    count[1] = max(count[1], end)


@numba.njit(cache=True, nogil=True)
def meet(books, block, first, end, start):
    """The users of requests [first, end) of the block: who is active, met whom, and changed version."""
    due, user, reached, users = block.due, block.user, block.reached, books.users
    while first < end and due[first] < 0.0:
        first += 1
    while first < end:
        second = np.int64(due[first] - start)
        active, stable, candidate, flips = 0, 0, 0, 0
        k = first
        while k < end and np.int64(due[k] - start) == second:
            flags = users[user[k]]
            version = reached[k]
            active += np.int64(flags < np.uint32(ONE_REQUEST))
            bit = np.uint32(1 - (version >> np.uint32(1))) << version  # 0 for nobody
            fresh = bit & ~flags
            stable += np.int64(fresh & np.uint32(1))
            candidate += np.int64(fresh >> np.uint32(1))
            met = np.uint32((flags & np.uint32(MET)) != np.uint32(0)) & np.uint32(bit != np.uint32(0))
            flips += np.int64(met & ((flags >> np.uint32(3)) ^ version))
            last = (flags & np.uint32(0xFFFFFFFF - LAST_CANDIDATE)) | bit | (version << np.uint32(3))
            flags = last if bit != np.uint32(0) else flags
            users[user[k]] = flags + np.uint32(ONE_REQUEST) if flags < np.uint32(MOST_REQUESTS) else flags
            k += 1
        books.new_active[second] += active
        books.new_met[2 * second] += stable
        books.new_met[2 * second + 1] += candidate
        books.flips[second] += flips
        first = k


@numba.njit(cache=True, nogil=True)
def leave(pods, room, slot, t):
    """Drop those who have left a waiting room by `t`."""
    head, waiting = pods.head[slot], pods.waiting[slot]
    while waiting > 0 and pods.ring[slot * room + head] <= t:
        head = (head + 1) & (room - 1)
        waiting -= 1
    pods.head[slot] = head
    pods.waiting[slot] = waiting
    pods.leave[slot] = pods.ring[slot * room + head] if waiting > 0 else np.inf


@numba.njit(cache=True, nogil=True)
def wait(pods, room, clock, slot, until):
    """One more waits, and leaves at `until`; the ring must have room."""
    waiting = pods.waiting[slot]
    pods.ring[slot * room + ((pods.head[slot] + waiting) & (room - 1))] = until
    if waiting == 0:
        pods.leave[slot] = until
        clock.time[1] = min(clock.time[1], until)
    pods.waiting[slot] = waiting + 1


@numba.njit(cache=True, nogil=True)
def compact(pods, bag, slot, t, tracing):
    """Keep in the bag what ends after `t`; returns how many those are. Half of it is empty then."""
    kept = slot * bag
    for k in range(slot * bag, slot * bag + bag):
        if pods.bag_end[k] > t:
            pods.bag_end[kept] = pods.bag_end[k]
            pods.bag_code[kept] = pods.bag_code[k]
            if tracing:
                pods.bag_row[kept] = pods.bag_row[k]
            kept += 1
    return kept - slot * bag


@numba.njit(cache=True, nogil=True, inline="always")
def least_loaded(free, keys, waiting, load, slots, rows, span, turned, size, t):
    """The slot with least outstanding at `t`; ties go to the first in rotation from position `turned` on.

    `free`, `keys`, `waiting`, `load`: addresses of the first slot's. A key holds a slot's position and the
    slot. Inlined as source: called as a function, already vectorised, it costs 20 ns more.
    """
    f0, f1, f2, f3 = _f8(free), _f8(free + 8 * slots), _f8(free + 16 * slots), _f8(free + 24 * slots)
    positions, queued = _i8(keys), _i8(waiting)
    best = np.int64(1) << 62
    back, around = turned << SLOT_BITS, size << SLOT_BITS
    if rows == 4:
        for x in range(span):
            busy = (
                queued[x]
                + np.int64(f0[x] > t)
                + np.int64(f1[x] > t)
                + np.int64(f2[x] > t)
                + np.int64(f3[x] > t)
            )
            key = positions[x] - back
            key += (key >> 63) & around
            best = min(best, (busy << (2 * SLOT_BITS)) + key)
    else:
        sums = _i8(load)
        for x in range(span):
            sums[x] = queued[x]
        for lane in range(0, rows, 4):
            above = free + 8 * slots * lane
            f0, f1 = _f8(above), _f8(above + 8 * slots)
            f2, f3 = _f8(above + 16 * slots), _f8(above + 24 * slots)
            for x in range(span):
                sums[x] += (
                    np.int64(f0[x] > t) + np.int64(f1[x] > t) + np.int64(f2[x] > t) + np.int64(f3[x] > t)
                )
        for x in range(span):
            key = positions[x] - back
            key += (key >> 63) & around
            best = min(best, (sums[x] << (2 * SLOT_BITS)) + key)
    return best & ((1 << SLOT_BITS) - 1)


def make(least: int) -> Any:
    """`advance`, compiled for least outstanding (1) or for random and round robin (0)."""

    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def advance(until, refs):
        """Process every arrival due before `until`. Returns DONE, or what must grow before the next call."""
        pods, routes, draws, _, books, trace, clock, settings, _ = opened(refs)
        lane_rows = refs[FREE, 1]
        slots, room, bag, rows = refs[FREE, 2], refs[RING, 2], refs[BAG, 2], refs[TIMES, 2]
        reals, whole, count = settings.reals, settings.whole, clock.counter
        start, horizon, timeout = reals[0], reals[1], reals[2]
        queue, proxies, backends, tries = whole[1], whole[2], whole[3], whole[4]
        policy, empty, fallback, tracing = whole[5], whole[6], whole[7], whole[8]
        bags = whole[9]
        free, waiting, bag_end, bag_code = pods.free, pods.waiting, pods.bag_end, pods.bag_code
        counts, arrivals, latency, bin_of = books.counts, books.arrivals, books.latency, books.bin_of
        free_at, waiting_at, load_at = refs[FREE, 0], refs[WAITING, 0], refs[LOAD, 0]
        key_at, users_at = refs[KEY, 0], refs[USERS, 0]
        bugged = reals[7] > 0.0 or reals[8] > 0.0
        version_row = (whole[0] - 1) * BLOCK
        stop = min(until, horizon)
        while True:
            if clock.block[1] == clock.block[2]:
                clock.block[0] += 1
                fill(refs)
                clock.block[1] = 0
                clock.block[2] = BLOCK
            block = block_of(clock.block[3], refs)
            due, demand, choice, pick, user = block.due, block.demand, block.choice, block.pick, block.user
            first, filled = clock.block[1], clock.block[2]
            row = count[0] - first
            code = -1
            i = first
            while i < filled:
                t = due[i]
                if t >= stop:
                    code = DONE
                    break
                if count[3] == 0:
                    code = FAILURES_FULL
                    break
                if tracing and row + i >= rows:
                    code = TRACE_FULL
                    break
                prefetch(users_at + 4 * np.int64(user[i]))
                # the route
                proxy, backend = 0, 0
                if proxies > 1:
                    proxy = np.int64(demand[i] & np.uint64(0x7FF)) * proxies >> 11
                if backends > 1:
                    share = np.float64(np.int64(choice[i] & np.uint64(0xFFFFFFFF))) * 2.0**-32
                    for k in range(backends - 1):
                        backend += np.int64(share >= routes.below[proxy * backends + k])
                entry = proxy * backends + backend
                size = routes.size[entry]
                if fallback:
                    primary = routes.size[entry - backend]
                    if primary == 0 or size == 0:
                        size = primary
                        entry -= backend
                        backend = 0
                version, status, slot = NOBODY, empty, -1
                begin, end, deadline = np.nan, t, t + timeout
                if size > 0:
                    # the endpoint
                    turn = routes.turn[entry]
                    if least:
                        if clock.time[1] <= t:
                            earliest = np.inf
                            for p in range(slots):
                                if pods.leave[p] <= t:
                                    leave(pods, room, p, t)
                                earliest = min(earliest, pods.leave[p])
                            clock.time[1] = earliest
                        turned = np.int64(pick[i]) * size >> 24
                        low = routes.low[backend]
                        slot = least_loaded(
                            free_at + 8 * low,
                            key_at + 8 * (backend * slots + low),
                            waiting_at + 8 * low,
                            load_at,
                            slots,
                            lane_rows,
                            routes.span[backend],
                            turned,
                            size,
                            t,
                        )
                    else:
                        word = np.uint64(pick[i])
                        attempt = 1
                        while True:
                            if policy == RANDOM:
                                position = np.int64(word & np.uint64(0xFFFFFF)) * size >> 24
                            else:
                                position = routes.turn[entry]
                                routes.turn[entry] = position + 1 if position + 1 < size else 0
                            slot = np.int64(routes.members[entry * slots + position])
                            if pods.mode[slot] != REFUSING or attempt == tries:
                                break
                            word = mix(np.uint64(pick[i]) + np.uint64(attempt) * np.uint64(GOLDEN))
                            attempt += 1
                    mode = pods.mode[slot]
                    if mode == SERVING:
                        # the pod
                        version = pods.version[slot]
                        lane = slot
                        begin = free[slot]
                        for k in range(0, lane_rows, 4):  # in pairs and without branches
                            one = k * slots + slot
                            a, b = free[one], free[one + slots]
                            c, d = free[one + 2 * slots], free[one + 3 * slots]
                            three = one + slots * (2 + np.int64(d < c))
                            one += slots * np.int64(b < a)
                            a, c = min(a, b), min(c, d)
                            one += (three - one) * np.int64(c < a)
                            a = min(a, c)
                            lane += (one - lane) * np.int64(a < begin)
                            begin = min(a, begin)
                        queues = begin > t
                        status = OK
                        if queues:
                            if not least:
                                leave(pods, room, slot, t)
                            if waiting[slot] >= queue:
                                status = REJECTED
                                begin = np.nan
                            elif waiting[slot] == room:
                                routes.turn[entry] = turn
                                code = RINGS_FULL
                                break
                        else:
                            begin = t
                        if status == OK:
                            if begin > deadline:
                                status = TIMEOUT
                                begin = np.nan
                                end = deadline
                                wait(pods, room, clock, slot, deadline)
                            else:
                                work = block.work[version * version_row + i]
                                lasting = reals[4 + 2 * version]
                                age = max(begin - pods.since[slot], 0.0)
                                if age < lasting:
                                    work *= 1.0 + reals[3 + 2 * version] * (1.0 - age / lasting)
                                end = begin + work
                                free[lane] = end
                                if queues:
                                    wait(pods, room, clock, slot, begin)
                                share = np.float64(np.int64(choice[i] >> np.uint64(32))) * 2.0**-32
                                status = np.int64(share < pods.error[slot])
                                if bugged:
                                    word = draws.streams[BUG] + np.uint64(user[i]) * draws.streams[BUG + 1]
                                    if share_of(mix(word)) < reals[7 + version]:
                                        status = ERROR
                                if end > deadline:  # its client has gone; the lane works on
                                    end = deadline
                                    status = TIMEOUT
                            bits = np.float64(end - t).view(np.int64) >> (52 - MANTISSA)
                            which = max(bits - ((1023 + LOW) << MANTISSA), 0)
                            latency[(bin_of[np.int64(end - start)] * 2 + version) * BUCKETS + which] += (
                                np.uint32(1)
                            )
                            if bags:
                                held = pods.pending[slot]
                                if held == bag:
                                    held = compact(pods, bag, slot, t, tracing)
                                pods.pending[slot] = held + 1
                                held += slot * bag
                                bag_end[held] = end
                                bag_code[held] = (
                                    np.int64(user[i])
                                    | which << USER_BITS
                                    | status << (USER_BITS + BUCKET_BITS)
                                    | np.int64(t >= 0.0) << (USER_BITS + BUCKET_BITS + STATUS_BITS)
                                )
                                if tracing:
                                    pods.bag_row[held] = row + i
                    elif mode == REFUSING:
                        status = REFUSED
                    else:
                        if least:  # the balancer counts what it waits for
                            if waiting[slot] == room:
                                code = RINGS_FULL
                                break
                            wait(pods, room, clock, slot, deadline)
                        status = TIMEOUT
                        end = deadline
                second = np.int64(end - start)
                counts[(second * VERSIONS + version) * STATUSES + status] += 1
                arrivals[np.int64((t - start) * 10.0) * VERSIONS + version] += np.int32(1)
                block.reached[i] = np.uint32(version)
                if status != OK and t >= 0.0:
                    fail(books, count, second, user[i])
                if tracing:
                    at = row + i
                    trace.times[at] = t
                    trace.times[rows + at] = begin
                    trace.times[2 * rows + at] = end
                    trace.facts[at] = np.int32(version)
                    trace.facts[rows + at] = np.int32(status)
                    trace.facts[2 * rows + at] = np.int32(slot)
                    trace.facts[3 * rows + at] = user[i]
                i += 1
            meet(books, block, first, i, start)
            clock.block[1] = i
            count[0] += i - first
            if code == DONE:
                settle(books, count, min(np.int64(until - start), refs[FAILED, 1]))
                return code
            if i > first:
                settle(books, count, np.int64(due[i - 1] - start))
            if code > 0:
                return code

    return advance


advance_any = make(0)
advance_least = make(1)


@numba.njit(cache=True, nogil=True)
def kill(slot, t, refs):
    """The pod in `slot` dies at `t`: what would end later is booked as reset. There must be room to fail."""
    pods, _, _, _, books, trace, clock, settings, _ = opened(refs)
    bag, rows = refs[BAG, 2], refs[TIMES, 2]
    start, tracing = settings.reals[0], settings.whole[8]
    version = pods.version[slot]
    now = np.int64(t - start)
    for k in range(slot * bag, slot * bag + pods.pending[slot]):
        end = pods.bag_end[k]
        if end <= t:
            continue
        code = pods.bag_code[k]
        which = (code >> USER_BITS) & ((1 << BUCKET_BITS) - 1)
        status = (code >> (USER_BITS + BUCKET_BITS)) & ((1 << STATUS_BITS) - 1)
        second = np.int64(end - start)
        books.counts[(second * VERSIONS + version) * STATUSES + status] -= 1
        books.counts[(now * VERSIONS + version) * STATUSES + RESET] += 1
        books.latency[(books.bin_of[second] * 2 + version) * BUCKETS + which] -= np.uint32(1)
        if code >> (USER_BITS + BUCKET_BITS + STATUS_BITS):
            fail(books, clock.counter, now, code & ((1 << USER_BITS) - 1))
        if tracing:
            row = pods.bag_row[k]
            trace.times[2 * rows + row] = t
            trace.facts[rows + row] = np.int32(RESET)
            if trace.times[rows + row] > t:
                trace.times[rows + row] = np.nan


@numba.njit(cache=True, nogil=True)
def counted(latency, first, last, versions, bucket, end):
    """How many are in buckets [bucket, end) of bins [first, last). `versions`: 1, 2, or 3 for both."""
    total = 0
    for row in range(2 * first, 2 * last):
        if versions >> (row & 1) & 1:
            for k in range(row * BUCKETS + bucket, row * BUCKETS + end):
                total += np.int64(latency[k])
    return total


@numba.njit(cache=True, nogil=True)
def quantile_of(share, first, last, versions, refs):
    """The bucket that `scenarios.tally.quantile` reads from bins [first, last), or −1 if they are empty."""
    latency = _u4(refs[LATENCY, 0])
    total = counted(latency, first, last, versions, 0, BUCKETS)
    rank = max(1, np.int64(np.ceil(share * total)))
    octave = 1 << MANTISSA
    below = 0
    for bucket in range(0, BUCKETS, octave):
        here = counted(latency, first, last, versions, bucket, bucket + octave)
        if below + here >= rank:
            for k in range(bucket, bucket + octave):
                below += counted(latency, first, last, versions, k, k + 1)
                if below >= rank:
                    return k
        below += here
    return -1


@numba.njit(cache=True, nogil=True)
def rotate(proxy, backend, chosen, refs):
    """From now on `chosen` (i8[n]) are the slots in rotation, in order."""
    _, routes, _, _, _, _, _, _, _ = opened(refs)
    slots, entry = refs[FREE, 2], proxy * refs[SIZE, 2] + backend
    for k in range(entry * slots, entry * slots + routes.size[entry]):
        before = np.int64(routes.members[k])
        routes.named[before] -= 1
        routes.key[backend * slots + before] = ABSENT
    low, high = slots, 0
    for k in range(chosen.size):
        slot = chosen[k]
        routes.members[entry * slots + k] = np.int32(slot)
        routes.named[slot] += 1
        routes.key[backend * slots + slot] = k << SLOT_BITS | slot
        low, high = min(low, slot), max(high, slot + 1)
    routes.size[entry] = chosen.size
    routes.turn[entry] %= max(chosen.size, 1)
    routes.low[backend], routes.span[backend] = low, max(high - low, 0)
