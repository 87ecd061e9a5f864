"""What a request costs as worlds grow, and how long many replications take on two cores.

    python benchmarks/scale.py [--json] [--runs N]

Three tables. A request's CPU time against the number of pods, at 70 % of their capacity, and against the
number of users, with 20 pods; for the fast engine and the general one in the same world, with nothing asked
for that only the general one can. And 32 trials of ten minutes at 500 requests a second (a canary in
`quickstart`), dealt out to two processes, warm. The worlds are those of `engine.py`: 4 slots a pod,
lognormal service of 50 ms. Building a trial is not in a request's time. Each figure is the median of
interleaved runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its idle threads would count as our CPU time

from scenarios.distributions import LogNormal
from scenarios.load import load
from scenarios.record import Trial
from scenarios.scenario import Scenario
from scenarios.tally import Grid
from sim.general_requests import GeneralRequests
from sim.habits import Habits
from sim.requests import Balance, Requests
from sim.world import simulate

SLOTS, MEAN, LOAD = 4, 0.05, 0.7
SERVICE = LogNormal.of(mean=MEAN, cv=1.0)
PODS, FEW_PODS = (10, 100, 1_000, 10_000), 20
USERS, SOME_USERS = (100_000, 1_000_000, 10_000_000, 20_000_000), 1_000_000
REQUESTS = 300_000
REPLICATIONS, PROCESSES = 32, 2
WORLD = ("traffic.rate=500/s", "clock.horizon=10m", "clock.settle=1s")
ENGINES: dict[str, Balance] = {"random": "random", "least": "least_outstanding"}
Row = dict[str, float]


def cost(pods: int, users: int, balance: Balance, *, general: bool) -> float:
    """Nanoseconds of CPU time per request."""
    rate = LOAD * pods * SLOTS / MEAN
    usual: dict[str, Any] = {
        "seed": 1, "rate": rate, "users": users, "activity": "even", "slots": SLOTS, "queue": 50,
        "timeout": 1.0, "service": (SERVICE, SERVICE), "balance": balance,
        "grid": Grid.of(0, max(1, round(REQUESTS / rate)), 1.0),
    }  # fmt: skip
    requests = GeneralRequests(Habits(), **usual) if general else Requests(**usual)
    requests.rotate(0, 0, [requests.add_pod(0, 0.001, 0.0) for _ in range(pods)])
    gc.collect()
    before = time.process_time()
    tally = requests.finish()
    return (time.process_time() - before) * 1e9 / float(tally.counts.sum())


def costs(pods: int, users: int, runs: int) -> Row:
    """Of both engines under both policies, and what the general one costs more."""
    found: dict[str, list[float]] = {}
    for run in range(runs + 1):
        for name, balance in ENGINES.items():
            for engine in ("fast", "general"):
                value = cost(pods, users, balance, general=engine == "general")
                if run:  # the first one is for caches
                    found.setdefault(f"{engine}_{name}", []).append(value)
    row = {name: round(statistics.median(values), 1) for name, values in found.items()}
    ratios = {f"ratio_{name}": round(row[f"general_{name}"] / row[f"fast_{name}"], 2) for name in ENGINES}
    return row | ratios


def _replication(given: tuple[Scenario, int]) -> int:
    scenario, seed = given
    return int(simulate(Trial(scenario, "canary", "errors", seed)).truth.tally.counts.sum())


def replications(runs: int) -> Row:
    """Seconds on the clock for all of them, and the CPU seconds of one in this process."""
    scenario = load("quickstart", WORLD)
    work = [(scenario, seed) for seed in range(REPLICATIONS)]
    _replication(work[0])
    before = time.process_time()
    for given in work[1:5]:
        _replication(given)
    one = (time.process_time() - before) / 4
    elapsed, requests = [], 0
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        pool.map(_replication, work[:PROCESSES], chunksize=1)
        for _ in range(runs):
            before = time.perf_counter()
            requests = sum(pool.imap_unordered(_replication, work))
            elapsed.append(time.perf_counter() - before)
    return {
        "replications": REPLICATIONS,
        "processes": PROCESSES,
        "requests": requests,
        "seconds": round(statistics.median(elapsed), 3),
        "cpu_seconds_each": round(one, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, nothing else")
    parser.add_argument("--runs", type=int, default=3, help="interleaved runs of which the median is taken")
    options = parser.parse_args()
    tables = {
        "pods": {pods: costs(pods, SOME_USERS, options.runs) for pods in PODS},
        "users": {users: costs(FEW_PODS, users, options.runs) for users in USERS},
    }
    together = replications(options.runs)
    if options.json:
        print(json.dumps(tables | {"replications": together}))
        return
    for what, table in tables.items():
        print(f"{'ns of CPU a request':22}{'random':>24}{'least outstanding':>30}")
        print(f"{what:>14}" + 2 * f"{'fast':>12}{'general':>10}{'×':>7}")
        for size, row in table.items():
            cells = (
                f"{row[f'fast_{n}']:12.1f}{row[f'general_{n}']:10.1f}{row[f'ratio_{n}']:7.2f}"
                for n in ENGINES
            )
            print(f"{size:14,}" + "".join(cells))
        print()
    print(
        f"{together['replications']} replications of 10 min at 500 requests/s in {together['processes']} "
        f"processes: {together['seconds']} s; {together['cpu_seconds_each']} CPU-seconds each"
    )


if __name__ == "__main__":
    main()
