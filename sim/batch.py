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
from sim.arms import as_candidate, behaves_as_stable, calm, worlds
from sim.world import simulate

Arms = TypeVar("Arms")
Measured = TypeVar("Measured")
Pair = tuple[Record, Record]


@dataclass(frozen=True, slots=True)
class Work(Generic[Arms, Measured]):
    """What is done for each seed: these strategies with these candidates, measured so.

    `arms` puts a seed's control arms together (all stable, and all that candidate; of a scenario with faults
    also both without them), once per candidate; `measure` is all that is kept of a trial. `first` gets the
    first seed's records, arms included.
    """

    scenario: Scenario
    strategies: tuple[str, ...]
    candidates: tuple[str, ...]
    arms: Callable[[Record, Record, Pair | None], Arms]
    measure: Callable[[Record, Arms], Measured]
    first: Callable[[Sequence[Record]], None] | None = None


Results = dict[tuple[str, str | None], Measured]
"""By strategy and candidate; the arms are (`control`, None) and (`control`, candidate)."""


def one_seed(work: Work[Arms, Measured], seed: int, *, first: bool = False) -> Results[Measured]:
    """All trials of a seed, one by one; but for the first seed no record outlives its measurement."""
    results: Results[Measured] = {}
    kept: list[Record] = []

    def keep(record: Record) -> Record:
        if first:
            kept.append(record)
        return record

    def arm(world: Scenario | None, candidate: str | None) -> Record | None:
        return None if world is None else simulate(Trial(world, ARM, candidate, seed))

    by_router, peaceful = worlds(work.scenario), calm(work.scenario)
    stable, calm_stable = keep(simulate(Trial(work.scenario, ARM, None, seed))), arm(peaceful, None)
    elsewhere = {via: arm(world, None) for via, world in by_router.items() if world is not work.scenario}
    results[ARM, None] = work.measure(stable, work.arms(stable, stable, _pair(calm_stable, calm_stable)))
    for candidate in work.candidates:
        twin = behaves_as_stable(work.scenario, candidate)
        own = (
            as_candidate(stable, candidate) if twin else simulate(Trial(work.scenario, ARM, candidate, seed))
        )
        judged = _pair(calm_stable, arm(peaceful, candidate))
        arms = work.arms(stable, keep(own), judged)
        results[ARM, candidate] = work.measure(own, arms)
        for strategy in work.strategies:
            via = work.scenario.strategies[strategy].strategy.via
            # only what stable would have lost there is asked of another router's arm, not who is bad
            there = elsewhere.get(via)
            beside = arms if there is None else work.arms(there, own, judged or (stable, own))
            trial = Trial(work.scenario, strategy, candidate, seed)
            results[strategy, candidate] = work.measure(keep(simulate(trial)), beside)
    if first and work.first is not None:
        work.first(kept)
    return results


def _pair(stable: Record | None, candidate: Record | None) -> Pair | None:
    return None if stable is None or candidate is None else (stable, candidate)


def run_seeds(
    work: Work[Arms, Measured], seeds: Sequence[int], jobs: int | None = None
) -> Iterator[tuple[int, Results[Measured]]]:
    """Each seed's results, as they are finished. The first seed's records go to `work.first`.

    `jobs` processes, by default one more than cores: seeds end at different times, and something draws
    beside them. Closing the iterator early ends the processes.
    """
    jobs = min(jobs or _cores() + 1, len(seeds))
    if jobs <= 1:
        for seed in seeds:
            yield seed, one_seed(work, seed, first=seed == seeds[0])
        return
    _compile(work, seeds[0])
    method = "fork" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(work, seeds[0])) as pool:
        waiting: Waiting[Measured] = {pool.submit(_one, seed): seed for seed in seeds}
        try:
            yield from _as_finished(waiting)
        except BaseException:
            # a seed may take minutes, and whoever interrupts does not want to wait for it
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    """Cores that this process may use; elsewhere than on Linux, those there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


Waiting = dict[Future[Results[Measured]], int]


def _as_finished(waiting: Waiting[Measured]) -> Iterator[tuple[int, Results[Measured]]]:
    while waiting:
        finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in finished:
            yield waiting.pop(future), future.result()


def _compile(work: Work[Arms, Measured], seed: int) -> None:
    """Load the whole kernel before processes are forked, so that it is compiled or read once."""
    simulate(Trial(work.scenario, (*work.strategies, ARM)[0], work.candidates[0], seed))


_work: Work[Any, Any]
_first: int


def _begin(work: Work[Any, Any], first: int) -> None:
    """In each process: Ctrl-C is for the parent, which lets finished work stand."""
    global _work, _first
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work, _first = work, first


def _one(seed: int) -> Results[Any]:
    return one_seed(_work, seed, first=seed == _first)
