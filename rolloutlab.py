"""Which way of releasing your service should you use, and what will it cost when the new version is bad?

import rolloutlab
scenario = rolloutlab.load("quickstart")
record = rolloutlab.simulate(scenario, "canary", candidate="errors", seed=1)
comparison = rolloutlab.compare(scenario, seeds=32)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from reports.compare import comparison
from reports.figures import Arms, Measured, measure
from scenarios.errors import ScenarioError
from scenarios.load import load
from scenarios.record import ARM, Record, Trial
from scenarios.scenario import Scenario
from sim.batch import Results, Work, run_seeds
from sim.world import Unrealisable
from sim.world import simulate as _simulate

__all__ = [
    "Comparison",
    "Record",
    "Scenario",
    "ScenarioError",
    "Unrealisable",
    "compare",
    "load",
    "measured",
    "simulate",
]

Document = dict[str, Any]


def simulate(scenario: Scenario, strategy: str, *, candidate: str | None = None, seed: int = 0) -> Record:
    """One trial. `strategy` is a name of the scenario, or `control` for an arm; the candidate defaults to the
    first variant (`control` without a candidate: all stable).

    Raises KeyError for an unknown name, Unrealisable where this world cannot do the strategy.
    """
    if strategy != ARM:
        scenario.strategies[strategy]
        candidate = candidate or next(iter(scenario.variants))
    if candidate is not None:
        scenario.variants[candidate]
    return _simulate(Trial(scenario, strategy, candidate, seed))


def _arms(scenario: Scenario, candidate: str, seed: int) -> Arms:
    """The control arms of a candidate and a seed: all stable, and all candidate."""
    return Arms(simulate(scenario, ARM, seed=seed), simulate(scenario, ARM, candidate=candidate, seed=seed))


def measured(record: Record) -> Measured:
    """A trial's figures; its seed's arms are simulated for them."""
    trial = record.trial
    candidate = trial.candidate or next(iter(trial.scenario.variants))
    return measure(record, _arms(trial.scenario, candidate, trial.seed))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Strategies crossed with candidates over seeds: the document of format rolloutlab.comparison/1.

    `interrupted` tells that fewer seeds than asked for were finished; the document holds those that were.
    """

    scenario: Scenario
    document: Document
    interrupted: bool = False


def compare(
    scenario: Scenario,
    *,
    seeds: int | Sequence[int] | None = None,
    strategies: Sequence[str] | None = None,
    candidates: Sequence[str] | None = None,
    jobs: int | None = None,
    first: Callable[[Sequence[Record]], None] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Comparison:
    """Compare strategies, each with every candidate, paired by seed.

    `seeds` is a number (0 … N − 1) or the seeds themselves, by default the scenario's. `first` is given the
    first seed's records, arms included, in the process that made them; `progress(done, total)` is told of
    finished seeds. Strategies that this world cannot do are listed in the document's problems. An interrupt
    (Ctrl-C) ends the work and returns what was finished; KeyboardInterrupt is raised only if nothing was.
    """
    if seeds is None or isinstance(seeds, int):
        seeds = range(scenario.seeds if seeds is None else seeds)
    impossible = scenario.unrealisable()
    names = list(strategies or scenario.strategies)
    chosen = tuple(name for name in names if name not in impossible)
    variants = tuple(candidates or scenario.variants)
    work = Work(scenario, chosen, variants, Arms, measure, first)
    finished, interrupted = _finished(work, seeds, jobs, progress)
    done = [seed for seed in seeds if seed in finished]
    problems = {name: impossible[name] for name in names if name in impossible}
    document = comparison(scenario, done, [finished[seed] for seed in done], problems)
    return Comparison(scenario, document, interrupted)


def _finished(
    work: Work[Arms, Measured],
    seeds: Sequence[int],
    jobs: int | None,
    progress: Callable[[int, int], None],
) -> tuple[dict[int, Results[Measured]], bool]:
    """Results by seed, and whether an interrupt came before all were there."""
    finished: dict[int, Results[Measured]] = {}
    progress(0, len(seeds))
    try:
        for seed, results in run_seeds(work, seeds, jobs):
            if not finished:
                import_module("scipy.special")  # for the comparison; it loads while the processes work
            finished[seed] = results
            progress(len(finished), len(seeds))
    except KeyboardInterrupt:
        if not finished:
            raise
        return finished, True
    return finished, False
