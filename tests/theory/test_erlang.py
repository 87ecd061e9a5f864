"""One pod is an M/M/c queue: waits against Erlang's formula (Kleinrock, "Queueing Systems" I, 3.5)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from scenarios.distributions import Exponential
from scenarios.tally import CANDIDATE, STABLE, Grid
from sim.general_requests import GeneralRequests
from sim.habits import Habits
from sim.requests import Requests

BATCHES = 25  # per seed
REQUESTS = 24_000_000  # the mean wait at the highest load needs this many for an interval under 0.5 %
SEEDS = range(12)


def erlang_c(load: float, servers: int) -> float:
    """The share of requests that wait, at `load` per server."""
    offered = load * servers
    others = sum(offered**k / math.factorial(k) for k in range(servers))
    full = offered**servers / math.factorial(servers) / (1 - load)
    return full / (others + full)


def waits(seed: int, load: float, servers: int, requests: int) -> np.ndarray:
    """The wait of each request in units of the mean service time, settled in."""
    rate = 1000.0 * load * servers
    grid = Grid(-1, round(requests / rate), 256)
    one = Exponential(0.001)
    world = Requests(seed, rate, 10, "even", grid, servers, 1 << 40, 255.0, (one, one), trace=True)
    world.rotate(0, 0, [world.add_pod(0, 0.0, -1.0)])
    world.finish()
    rows = world.rows()
    return (rows["start"] - rows["due"])[rows["due"] >= 0] * 1000.0


@pytest.mark.parametrize(("load", "servers"), [(0.5, 4), (0.7, 4), (0.85, 2)])
def test_waits_are_erlangs(load: float, servers: int) -> None:
    share = erlang_c(load, servers)
    mean = share / (servers * (1 - load))
    found = []
    for seed in SEEDS:
        wait = waits(seed, load, servers, REQUESTS // len(SEEDS))
        parts = wait[: wait.size // BATCHES * BATCHES].reshape(BATCHES, -1)
        found.append(np.stack((parts.mean(axis=1), (parts > 0).mean(axis=1))))
    batches = np.concatenate(found, axis=1)
    half = (
        stats.t.ppf(0.9995, batches.shape[1] - 1) * batches.std(axis=1, ddof=1) / math.sqrt(batches.shape[1])
    )
    error = batches.mean(axis=1) - [mean, share]
    assert np.all(np.abs(error) < half), (error, half)
    assert np.all(np.abs(error) < 0.005 * np.array([mean, share])), error / [mean, share]


SIDE_LANES, SIDE_SEEDS, SIDE_SECONDS = 2, 6, 300
USERS = 100


def waits_by_version(seed: int, share: int) -> tuple[np.ndarray, np.ndarray]:
    """(wait in units of the mean service time, version) of a pod of each version; `share` users in 100 carry
    what the rule for the candidate asks."""
    kind = (np.arange(USERS) < share).astype(np.uint8)
    rate = 1000.0 * SIDE_LANES
    requests = GeneralRequests(
        Habits(kinds=2, kind=kind, errors=np.zeros((3, 2, 2))), seed=seed, rate=rate, users=USERS,
        activity="even", grid=Grid(-1, SIDE_SECONDS, 101), slots=SIDE_LANES, queue=10_000, timeout=100.0,
        service=(Exponential(0.001),) * 2, backends=2, trace=True,
    )  # fmt: skip
    for version in (STABLE, CANDIDATE):
        requests.rotate(0, version, [requests.add_pod(version, 0.0, -1.0)])
    requests.stick(0, "no", [None, 1])
    requests.finish()
    rows = requests.rows()
    kept = rows["due"] >= 0
    return (rows["start"] - rows["due"])[kept] * 1000.0, rows["version"][kept]


@pytest.mark.parametrize("share", [20, 45])
def test_each_side_of_a_rule_waits_as_erlang_says(share: int) -> None:
    """Rules by user split a Poisson stream into Poisson streams: each side is an M/M/c queue of its own."""
    found: dict[int, list[np.ndarray]] = {STABLE: [], CANDIDATE: []}
    for seed in range(SIDE_SEEDS):
        wait, version = waits_by_version(seed, share)
        for side, batches in found.items():
            mine = wait[version == side]
            parts = mine[: mine.size // BATCHES * BATCHES].reshape(BATCHES, -1)
            batches.append(np.stack((parts.mean(axis=1), (parts > 0).mean(axis=1))))
    for side, load in ((STABLE, 1 - share / 100), (CANDIDATE, share / 100)):
        batches = np.concatenate(found[side], axis=1)
        wait_share = erlang_c(load, SIDE_LANES)
        expected = np.array([wait_share / (SIDE_LANES * (1 - load)), wait_share])
        n = batches.shape[1]
        half = stats.t.ppf(0.9995, n - 1) * batches.std(axis=1, ddof=1) / math.sqrt(n)
        assert np.all(np.abs(batches.mean(axis=1) - expected) < half)
        assert np.all(half < 0.05 * expected)
