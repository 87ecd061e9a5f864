"""The kernel's arrays: how they are made, and how they grow. Pure functions; nothing is changed in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios import draws, traffic
from scenarios.curves import Counts, Curve, Steady, outward
from scenarios.distributions import Distribution, Exponential
from scenarios.draws import Purpose
from scenarios.tally import Tally
from scenarios.traffic import Activity
from sim import kernel

STREAMS = (Purpose.ARRIVAL, Purpose.DEMAND, Purpose.CHOICE, Purpose.USER, Purpose.BUG)


def pods_of(slots: int, lanes: int, ring: int, trace: bool) -> kernel.Pods:
    rows = -(-lanes // 4) * 4
    bag = 2 * (lanes + ring)
    return kernel.Pods(
        free=np.full((rows, slots), np.inf),
        ring=np.full((slots, ring), np.inf),
        bag_end=np.zeros((slots, bag)),
        bag_code=np.zeros((slots, bag), np.int64),
        bag_row=np.zeros((slots, bag if trace else 0), np.int64),
        since=np.zeros(slots),
        error=np.zeros(slots),
        leave=np.full(slots, np.inf),
        version=np.zeros(slots, np.int64),
        mode=np.zeros(slots, np.int64),
        waiting=np.zeros(slots, np.int64),
        head=np.zeros(slots, np.int64),
        pending=np.zeros(slots, np.int64),
        load=np.zeros(slots, np.int64),
    )


def routes_of(proxies: int, backends: int, slots: int) -> kernel.Routes:
    return kernel.Routes(
        members=np.zeros((proxies, backends, slots), np.int32),
        size=np.zeros((proxies, backends), np.int64),
        turn=np.zeros((proxies, backends), np.int64),
        below=np.full((proxies, backends), np.inf),
        key=np.full((backends, slots), kernel.ABSENT, np.int64),
        low=np.zeros(backends, np.int64),
        span=np.zeros(backends, np.int64),
        named=np.zeros(slots, np.int64),
    )


def draws_of(
    seed: int,
    rate: Curve,
    users: int,
    activity: Activity,
    service: tuple[Distribution, Distribution],
    settling: float,
    horizon: float,
) -> kernel.Draws:
    chosen = traffic.alias_table(users, activity)
    gap = Exponential(1.0 / rate.per_second if isinstance(rate, Steady) else 1.0)
    return kernel.Draws(
        streams=np.array([draws.stream(seed, purpose) for purpose in STREAMS], np.uint64),
        tables=np.stack([draws.table(d) for d in (gap, *service)]),
        accept=chosen.accept,
        alias=chosen.alias,
        # room for the settling time's requests, some more than there will be
        borders=np.zeros(8 + int(1.1 * rate.expected(-settling, 0.0) / kernel.BLOCK)),
        flow=np.array([_flow(rate)], np.int64),
        ahead=_knots(rate, horizon, +1),
        behind=_knots(rate, settling, -1),
    )


def _flow(rate: Curve) -> int:
    if isinstance(rate, Steady):
        return kernel.STEADY
    return kernel.PLACED if isinstance(rate, Counts) else kernel.BENT


def _knots(rate: Curve, distance: float, direction: int) -> NDArray[np.float64]:
    """What the kernel needs of a rate in one direction; nothing of a constant one."""
    if isinstance(rate, Steady):
        return np.zeros((3, 0))
    times, totals, pace = outward(rate, distance, direction)
    if isinstance(rate, Counts) and direction > 0:
        pace = np.nextafter(np.append(times[1:], np.inf), -np.inf)
    return np.stack((times, totals, pace))


def empty_blocks(first: int = 0, end: int = 0) -> tuple[kernel.Block, kernel.Drawn]:
    """Room for the blocks from number `first` up to `end`, and a row that is drawn anew for any other."""
    n, rows = kernel.BLOCK, 1 + end - first
    block = kernel.Block(
        due=np.zeros((rows, n)),
        demand=np.zeros((rows, n), np.uint64),
        work=np.zeros((rows, 2, n)),
        choice=np.zeros((rows, n), np.uint64),
        pick=np.zeros((rows, n), np.int32),
        user=np.zeros((rows, n), np.int32),
        reached=np.zeros((1, n), np.uint32),
    )
    return block, kernel.Drawn(np.full(rows, kernel.NOT_DRAWN), np.array([first], np.int64), np.zeros(rows))


def books_of(tally: Tally) -> kernel.Books:
    seconds, failures = tally.grid.seconds, 2 * kernel.BLOCK
    following = np.arange(1, failures + 1, dtype=np.int32)
    following[-1] = -1
    return kernel.Books(
        counts=tally.counts,
        arrivals=tally.arrivals,
        latency=tally.latency,
        new_active=tally.new_active,
        new_harmed=tally.new_harmed,
        new_met=tally.new_met,
        flips=tally.flips,
        users=tally.users,
        bin_of=np.arange(seconds) // tally.grid.step,
        failed=np.full(seconds, -1, np.int32),
        failed_next=following,
        failed_user=np.zeros(failures, np.int32),
    )


def empty_trace(rows: int) -> kernel.Trace:
    return kernel.Trace(np.zeros((3, rows)), np.zeros((4, rows), np.int32))


def wider(array: NDArray[Any], extra: int, value: float = 0) -> NDArray[Any]:
    """`array` with `extra` more columns of `value`."""
    new = np.full((*array.shape[:-1], extra), value, array.dtype)
    return np.concatenate((array, new), axis=-1)


def more_slots(pods: kernel.Pods, lanes: int, trace: bool) -> kernel.Pods:
    """Twice as many slots."""
    fresh = pods_of(pods.since.size, lanes, pods.ring.shape[1], trace)
    grown = {
        name: np.concatenate((a, b))
        for name, a, b in zip(pods._fields, pods, fresh, strict=True)
        if name != "free"
    }
    return kernel.Pods(free=np.concatenate((pods.free, fresh.free), axis=1), **grown)


def longer_rings(pods: kernel.Pods) -> kernel.Pods:
    """Twice the waiting room, and bags to match; the rings are unrolled so that they begin at 0."""
    size, bag = pods.ring.shape[1], pods.bag_end.shape[1]
    order = (pods.head[:, None] + np.arange(size)) % size
    return pods._replace(
        ring=wider(np.take_along_axis(pods.ring, order, axis=1), size, np.inf),
        head=np.zeros_like(pods.head),
        bag_end=wider(pods.bag_end, bag),
        bag_code=wider(pods.bag_code, bag),
        bag_row=wider(pods.bag_row, pods.bag_row.shape[1]),
    )


def more_failures(books: kernel.Books, free: int) -> kernel.Books:
    """Room for twice as many failures; the new entries are free, and after them comes entry `free` or −1."""
    size = books.failed_next.size
    following = np.arange(size + 1, 2 * size + 1, dtype=np.int32)
    following[-1] = free
    return books._replace(
        failed_next=np.concatenate((books.failed_next, following)), failed_user=wider(books.failed_user, size)
    )
