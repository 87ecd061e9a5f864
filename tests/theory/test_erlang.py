"""One pod is an M/M/c queue: waits against Erlang's formula (Kleinrock, "Queueing Systems" I, 3.5)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from scenarios.distributions import Exponential
from scenarios.tally import Grid
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
