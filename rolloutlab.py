"""Which way of releasing your service should you use, and what will it cost when the new version is bad?

import rolloutlab
scenario = rolloutlab.load("quickstart")
record = rolloutlab.simulate(scenario, "canary", candidate="errors", seed=1)
comparison = rolloutlab.compare(scenario, seeds=32)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from reports import spread
from reports.compare import comparison
from reports.figures import Arms, Measured, measure
from reports.precision import BLOCK, MOST_SEEDS, Vague, vague
from scenarios.errors import ScenarioError
from scenarios.load import load
from scenarios.record import ARM, Record, Trial
from scenarios.retrace import Retraced, known, retrace
from scenarios.scenario import Scenario
from sim.arms import calm, worlds
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
    "replay",
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


def _arms(scenario: Scenario, candidate: str, seed: int, via: str | None) -> Arms:
    """The control arms of a candidate and a seed: all stable (via that router), and all candidate."""

    def both(world: Scenario) -> tuple[Record, Record]:
        return simulate(world, ARM, seed=seed), simulate(world, ARM, candidate=candidate, seed=seed)

    stable, own = both(scenario)
    peaceful, there = calm(scenario), worlds(scenario).get(via or "", scenario)
    judged = None if peaceful is None else both(peaceful)
    if there is scenario:
        return Arms(stable, own, judged)
    return Arms(simulate(there, ARM, seed=seed), own, judged or (stable, own))


def measured(record: Record) -> Measured:
    """A trial's figures; its seed's arms are simulated for them."""
    trial = record.trial
    candidate = trial.candidate or next(iter(trial.scenario.variants))
    via = None if trial.strategy == ARM else trial.scenario.strategies[trial.strategy].strategy.via
    return measure(record, _arms(trial.scenario, candidate, trial.seed, via))


def replay(record: Record) -> Retraced:
    """Make a record's decisions again from its observations, and run its trial again.

    Raises RecordError where there is no such trial: its scenario does not know its strategy or candidate.
    """
    known(record.trial)
    return retrace(record, _simulate(record.trial))


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """Strategies crossed with candidates over seeds: the document of format rolloutlab.comparison/1.

    `interrupted` tells that fewer seeds than asked for were finished; the document holds those that were.
    `values` has what every seed came to (rolloutlab.values/1, `reports.spread`).
    `vague` are the headline figures that are not known as precisely as `until` asked for.
    """

    scenario: Scenario
    document: Document
    interrupted: bool = False
    vague: tuple[Vague, ...] = ()
    values: Document = field(default_factory=dict)

    def __repr__(self) -> str:
        from reports.notebook import summary  # only who looks waits for it

        return summary(self.document)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from reports.notebook import html

        return html(self.document, self.scenario)


def compare(
    scenario: Scenario,
    *,
    seeds: int | Sequence[int] | None = None,
    until: float | None = None,
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

    With `until` (such as 0.05) seeds are added in blocks of 32 until every headline figure is known to that
    share of itself or to its floor (`reports.precision`); `seeds` is then the most, 1,024 unless said. Which
    seeds are tried depends on what they showed, never on `jobs`. ValueError if it is not between 0 and 1.
    """
    if until is not None and not 0 < until < 1:
        raise ValueError(f"until is a share between 0 and 1, such as 0.05; got {until}")
    if seeds is None or isinstance(seeds, int):
        few = scenario.seeds if until is None else MOST_SEEDS
        seeds = range(few if seeds is None else seeds)
    seeds = tuple(dict.fromkeys(seeds))
    impossible = scenario.unrealisable()
    names = list(strategies or scenario.strategies)
    chosen = tuple(name for name in names if name not in impossible)
    variants = tuple(candidates or scenario.variants)
    work = Work(scenario, chosen, variants, Arms, measure, first)
    finished, interrupted = _finished(work, _blocks(scenario, seeds, until), jobs, progress)
    done = [seed for seed in seeds if seed in finished]
    trials = [finished[seed] for seed in done]
    problems = {name: impossible[name] for name in names if name in impossible}
    document = comparison(scenario, done, trials, problems)
    unsure = () if until is None else vague(scenario, trials, until)
    return Comparison(scenario, document, interrupted, unsure, spread.values(scenario, done, trials))


Finished = dict[int, Results[Measured]]
Blocks = Callable[[Finished], Sequence[int]]


def _blocks(scenario: Scenario, seeds: Sequence[int], until: float | None) -> Blocks:
    """Which seeds to try next, given those that were: all at once, or block by block until they suffice."""

    def next_block(finished: Finished) -> Sequence[int]:
        if not finished:
            return seeds if until is None else seeds[:BLOCK]
        if until is None:
            return ()
        tried = [finished[seed] for seed in seeds[: len(finished)]]
        return seeds[len(tried) : len(tried) + BLOCK] if vague(scenario, tried, until) else ()

    return next_block


def _finished(
    work: Work[Arms, Measured],
    blocks: Blocks,
    jobs: int | None,
    progress: Callable[[int, int], None],
) -> tuple[Finished, bool]:
    """Results by seed, and whether an interrupt came before all were there."""
    finished: Finished = {}
    try:
        while seeds := blocks(finished):
            total = len(finished) + len(seeds)
            progress(len(finished), total)
            for seed, results in run_seeds(work, seeds, jobs):
                if not finished:
                    import_module("scipy.special")  # for the comparison; it loads while the processes work
                finished[seed] = results
                progress(len(finished), total)
            work = replace(work, first=None)
    except KeyboardInterrupt:
        if not finished:
            raise
        return finished, True
    return finished, False
