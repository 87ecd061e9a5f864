"""Which way of releasing your service should you use, and what will it cost when the new version is bad?

import rolloutlab
scenario = rolloutlab.load("quickstart")
record = rolloutlab.simulate(scenario, "canary", candidate="errors", seed=1)
comparison = rolloutlab.compare(scenario, seeds=32)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from reports.compare import comparison as _comparison
from reports.figures import Arms, Measured, measure
from reports.folder import kept
from scenarios.errors import ScenarioError
from scenarios.load import load
from scenarios.names import file_name
from scenarios.record import ARM, Record, Trial, write
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
    records: Path | None = None
    interrupted: bool = False

    def first_records(self) -> list[Record]:
        """The records of the first seed, arms included; empty where none were kept."""
        return [] if self.records is None else kept(self.records)


def compare(
    scenario: Scenario,
    *,
    seeds: int | Sequence[int] | None = None,
    strategies: Sequence[str] | None = None,
    candidates: Sequence[str] | None = None,
    jobs: int | None = None,
    records: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Comparison:
    """Compare strategies, each with every candidate, paired by seed.

    `seeds` is a number (0 … N − 1) or the seeds themselves, by default the scenario's. With `records`, the
    first seed's records are written below that folder. `progress(done, total)` is told of finished seeds.
    Strategies that this world cannot do are listed in the document's problems. An interrupt (Ctrl-C) ends
    the work and returns what was finished; KeyboardInterrupt is raised only if nothing was.
    """
    wanted = list(
        range(seeds if seeds is not None else scenario.seeds) if not isinstance(seeds, Sequence) else seeds
    )
    problems = {n: why for n, why in scenario.unrealisable().items() if strategies is None or n in strategies}
    chosen = tuple(n for n in strategies or scenario.strategies if n not in problems)
    variants = tuple(candidates or scenario.variants)
    keep = None if records is None else partial(_keep, folder=records)
    work = Work(scenario, chosen, variants, _measure, keep)
    finished: dict[int, Results[Measured]] = {}
    interrupted = False
    progress(0, len(wanted))
    try:
        for seed, results in run_seeds(work, wanted, jobs):
            finished[seed] = results
            progress(len(finished), len(wanted))
    except KeyboardInterrupt:
        if not finished:
            raise
        interrupted = True
    done = [seed for seed in wanted if seed in finished]
    document = _comparison(scenario, done, [finished[seed] for seed in done], problems)
    return Comparison(scenario, document, records, interrupted)


def _measure(record: Record, stable: Record, candidate: Record) -> Measured:
    return measure(record, Arms(stable, candidate))


def _keep(record: Record, folder: Path) -> None:
    trial = record.trial
    name = "--".join((trial.strategy, trial.candidate or "stable", f"seed-{trial.seed}"))
    write(record, folder / file_name(name))
