"""Many seeds of a comparison on all cores. A unit of work is one seed: the control arms and every strategy.

Results are the same for any number of processes: a seed's work depends on nothing but its arguments.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from scenarios.record import ARM, Record, Trial
from scenarios.scenario import Scenario
from sim.world import simulate

Measured = TypeVar("Measured")
Measure = Callable[[Record, Record, Record], Measured]
"""What is kept of a trial, given its record and its seed's arms: all stable, and all that candidate."""


@dataclass(frozen=True, slots=True)
class Work(Generic[Measured]):
    """What is done for each seed: these strategies with these candidates, measured so."""

    scenario: Scenario
    strategies: tuple[str, ...]
    candidates: tuple[str, ...]
    measure: Measure[Measured]
    keep: Callable[[Record], None] | None = None

    @property
    def trials(self) -> int:
        """Trials per seed, arms included."""
        return 1 + len(self.candidates) * (1 + len(self.strategies))


Results = dict[tuple[str, str | None], Measured]
"""By strategy and candidate; the arms are (`control`, None) and (`control`, candidate)."""


def one_seed(work: Work[Measured], seed: int, *, keep: bool = False) -> Results[Measured]:
    """All trials of a seed, one after the other; no record outlives its measurement."""
    results: Results[Measured] = {}

    def run(strategy: str, candidate: str | None) -> Record:
        record = simulate(Trial(work.scenario, strategy, candidate, seed))
        if keep and work.keep is not None:
            work.keep(record)
        return record

    stable = run(ARM, None)
    results[ARM, None] = work.measure(stable, stable, stable)
    for candidate in work.candidates:
        arm = run(ARM, candidate)
        results[ARM, candidate] = work.measure(arm, stable, arm)
        for strategy in work.strategies:
            results[strategy, candidate] = work.measure(run(strategy, candidate), stable, arm)
    return results


def run_seeds(
    work: Work[Measured], seeds: Sequence[int], jobs: int | None = None
) -> Iterator[tuple[int, Results[Measured]]]:
    """Each seed's results, as they are finished. The first seed's records go to `work.keep`.

    `jobs` processes, by default one per core. Closing the iterator early ends the processes.
    """
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(seeds))
    if jobs <= 1:
        for seed in seeds:
            yield seed, one_seed(work, seed, keep=seed == seeds[0])
        return
    _compile(work, seeds[0])
    method = "fork" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(work, seeds[0])) as pool:
        waiting: Waiting[Measured] = {pool.submit(_one, seed): seed for seed in seeds}
        try:
            yield from _as_finished(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


Waiting = dict[Future[Results[Measured]], int]


def _as_finished(waiting: Waiting[Measured]) -> Iterator[tuple[int, Results[Measured]]]:
    while waiting:
        finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in finished:
            yield waiting.pop(future), future.result()


def _compile(work: Work[Measured], seed: int) -> None:
    """Load the whole kernel before processes are forked, so that it is compiled or read once."""
    simulate(Trial(work.scenario, (*work.strategies, ARM)[0], work.candidates[0], seed))


_work: Work[Any]
_first: int


def _begin(work: Work[Any], first: int) -> None:
    """In each process: Ctrl-C is for the parent, which lets finished work stand."""
    global _work, _first
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work, _first = work, first


def _one(seed: int) -> Results[Any]:
    return one_seed(_work, seed, keep=seed == _first)
