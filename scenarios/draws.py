"""Chance as a function: the draw of (seed, purpose, key), never "the next number". Pure; keeps no state.

A stream belongs to one purpose of one seed. Its word number `index` is a 64-bit mix of key + index · step,
so any word can be had in any order, and one more draw for one purpose moves nothing else. The compiled
kernel of `sim` computes the same words bit for bit; `tests/scenarios/test_draws.py` compares the two.

One word may serve several choices of a request by disjoint bits; these *fields* are named below.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenarios.distributions import Constant, Distribution

Words: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float64]

MASK = (1 << 64) - 1
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # Stafford's variant 13, as in SplitMix64
CELLS = 4096


class Purpose(IntEnum):
    """What a draw is for. The numbers are part of every result: never change or reuse one."""

    ARRIVAL = 1  # the gap before a request (53 bits)
    DEMAND = 2  # how much work it is, a quantile (53 bits); its low 11 bits: which proxy
    CHOICE = 3  # high 32 bits: error; low 32 bits: which backend
    USER = 5  # high 40 bits: whose request; low 24 bits: which pod (pick or tie-break)
    BUG = 6  # by user: membership of a fault
    START = 7
    WARM_UP = 8
    API = 9
    ENDPOINTS = 10
    OPERATOR = 11
    RELIST = 12
    POD_ERROR = 13
    ROUTER = 14
    TIE = 15
    ERROR = 16  # errors of what is not an open request (mirrored or closed-loop ones)
    NODE = 17
    CONTAINER = 18  # by pod: created to process running
    CRASH = 19  # by pod: where in its crash loop it is, and when the kubelet notices
    DELETION = 20  # by pod: its uid, the last word in a ReplicaSet's choice of victims
    ATTRIBUTE = 21  # by user: which combination of attributes it has
    SIDE = 22  # by user: on which side of a split it stays
    THINK = 23  # by user and request: how long before it
    RETRY = 24  # by request: the back-off's jitter, each try anew
    CONNECTION = 25  # by holder and connection: which pod (low 24 bits) and whether it is faulty (high 32)
    POISON = 26  # by request: whether it kills what serves it
    MIRROR = 27  # by request: whether it is copied (high 32 bits), and which pod gets the copy (low 24 bits)
    PROBE = 28  # by number of a probe: which proxy, which side; by its tries: which pod, whether it fails
    CONVERSION = 30  # by user: whether an A/B test's user does what is hoped for
    LIVENESS = 31  # by pod of before the trial: where in its period its liveness probe is
    AUTOSCALER = 32  # by pool: where in its period its first sync is
    PULL = 33  # by version and node: time to pull the image
    EXIT = 34  # by pod and start: when the process exits by chance


class Stream(NamedTuple):
    """An arithmetic sequence of 64-bit counters: key + index · step (mod 2^64), `step` odd."""

    key: int
    step: int


@lru_cache(maxsize=4096)
def stream(seed: int, purpose: int) -> Stream:
    """The stream of one purpose of one seed, with its own odd step."""
    key, step = (int(x) for x in np.random.SeedSequence([seed, purpose]).generate_state(2, np.uint64))
    step |= 1
    if (step ^ step >> 1).bit_count() < 24:  # too regular an increment, as in SplittableRandom
        step ^= 0xAAAAAAAAAAAAAAAA
    return Stream(key, step)


def words(stream: Stream, index: ArrayLike) -> Words:
    """The 64-bit words number `index` (integers, negative ones too)."""
    counter = np.asarray(index, dtype=np.int64).astype(np.uint64)
    return _mixed(np.uint64(stream.key) + counter * np.uint64(stream.step))


def words_of(stream: Stream, thing: ArrayLike, index: ArrayLike) -> Words:
    """Word number `index` of each thing, named by an integer: what `u` draws for the keys (thing, index)."""
    first = words(stream, thing)
    counter = np.asarray(index, dtype=np.int64).astype(np.uint64)
    return _mixed(first + counter * np.uint64(stream.step))


def uniform(words: Words) -> Floats:
    """The top 53 bits as a number in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def user_field(words: Words) -> Floats:
    """The high 40 bits of a USER word, in [0, 1)."""
    return (words >> np.uint64(24)).astype(np.float64) * 2.0**-40


def pick_field(words: Words) -> Words:
    """The low 24 bits of a USER word: pick · n >> 24 chooses among n pods."""
    return words & np.uint64(0xFFFFFF)


def error_field(words: Words) -> Floats:
    """The high 32 bits of a CHOICE word, in [0, 1)."""
    return (words >> np.uint64(32)).astype(np.float64) * 2.0**-32


def backend_field(words: Words) -> Floats:
    """The low 32 bits of a CHOICE word, in [0, 1)."""
    return (words & np.uint64(0xFFFFFFFF)).astype(np.float64) * 2.0**-32


def proxy_field(words: Words) -> Words:
    """The low 11 bits of a DEMAND word: proxy · n >> 11 chooses among n proxies."""
    return words & np.uint64(0x7FF)


def again(words: Words, attempt: int) -> Words:
    """A further word for the same choice: the pick of the `attempt`-th retry."""
    return _mixed(words + np.uint64(attempt * MIX_1 & MASK))


def u(seed: int, purpose: int, *keys: int) -> float:
    """One number in [0, 1) for one thing, named by one or more integers."""
    key, step = stream(seed, purpose)
    word = key
    for k in keys:
        word = word + k * step & MASK
        word = (word ^ word >> 30) * MIX_1 & MASK
        word = (word ^ word >> 27) * MIX_2 & MASK
        word ^= word >> 31
    return (word >> 11) * 2.0**-53


@lru_cache(maxsize=256)
def table(distribution: Distribution) -> Floats:
    """The inverse distribution function at 2 · 4097 nodes, read-only.

    The first 4097 nodes divide [0, 1) evenly; the last of those cells is divided evenly again by the other
    4097 (one linear cell for the whole upper tail would inflate the standard deviation by 4 %). Linear in
    between, and scaled so that its exact mean is the distribution's.
    """
    shares = np.arange(CELLS + 1) / CELLS
    tail = (CELLS - 1 + shares) / CELLS
    tail[-1] = 1 - 2.0**-27
    nodes = np.concatenate((distribution.quantile(np.minimum(shares, tail[-1])), distribution.quantile(tail)))
    if not isinstance(distribution, Constant):
        nodes *= distribution.mean() / table_mean(nodes)
    nodes.flags.writeable = False
    return nodes


def table_mean(nodes: Floats) -> float:
    """The exact mean of what `quantile` returns for a uniform share."""
    body, tail = nodes[:CELLS], nodes[CELLS + 1 :]
    inside = (body[:-1] + body[1:]).sum() / 2
    beyond = (tail[:-1] + tail[1:]).sum() / 2
    return float((inside + beyond / CELLS) / CELLS)


def quantile(nodes: Floats, u: Floats) -> Floats:
    """The table's value at each share in [0, 1), bit-equal to the kernel's."""
    x = u * CELLS
    cell = x.astype(np.int64)
    part = x - cell
    x = np.where(cell == CELLS - 1, part * CELLS, x)
    refined = x.astype(np.int64)
    part = x - refined
    cell = np.where(cell == CELLS - 1, refined + CELLS + 1, refined)
    return np.asarray(nodes[cell] + part * (nodes[cell + 1] - nodes[cell]))


def draw(distribution: Distribution, share: float) -> float:
    """The table's value at one share in [0, 1): what the control plane draws, in seconds."""
    nodes = table(distribution)
    x = share * CELLS
    cell = int(x)
    if cell == CELLS - 1:
        x = (x - cell) * CELLS
        cell = int(x)
        return float(
            nodes[CELLS + 1 + cell] + (x - cell) * (nodes[CELLS + 2 + cell] - nodes[CELLS + 1 + cell])
        )
    return float(nodes[cell] + (x - cell) * (nodes[cell + 1] - nodes[cell]))


def _mixed(z: Words) -> Words:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX_2)
    return z ^ (z >> np.uint64(31))
