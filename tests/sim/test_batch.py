"""Many seeds: the same results for any number of processes, and the first seed's records kept."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from scenarios.backend import replay
from scenarios.load import load, loads
from scenarios.record import ARM, Record, Trial
from scenarios.tally import Status
from sim.batch import Results, Work, one_seed, run_seeds
from sim.world import simulate

WORLD = """
format: rolloutlab/1
name: test
service: {replicas: 4}
versions: {stable: {start: 1s, service_time: {constant: 20ms}}}
candidates: {healthy: {}, errors: {errors: [{share: 10%, of: requests}]}}
traffic: {rate: 50/s, users: {count: 500}}
cluster: {pods: {readiness: {period: 1s}}}
guards: {errors: {metric: failure_share, limit: 2%, window: 20s, min_requests: 50}}
strategies:
  rolling: {rolling: {guards: [errors], rollback: undo}}
  blue-green: {blue_green: {bake: 30s, guards: [errors]}}
clock: {settle: 10s, horizon: 3m}
"""
SCENARIO = loads(WORLD, "test")

Measured = tuple[str, str | None, int, int, int, int, str]


Arms = tuple[Record, Record]


def arms(stable: Record, candidate: Record, _: tuple[Record, Record] | None) -> Arms:
    return stable, candidate


def measure(record: Record, beside: Arms) -> Measured:
    """Enough of a record to tell it from any other; its arms are its own."""
    trial, tally = record.trial, record.truth.tally
    assert [arm.trial.strategy for arm in beside] == [ARM, ARM]
    assert [arm.trial.seed for arm in beside] == [trial.seed, trial.seed]
    assert [arm.trial.candidate for arm in beside] == [None, trial.candidate]
    numbers = (int(np.square(tally.counts).sum()), int(tally.arrivals[::7].sum()), int(tally.users.sum()))
    settled = str(record.outcome and record.outcome.settled_at)
    return (trial.strategy, trial.candidate, trial.seed, *numbers, settled)


def work(first: Callable[[Sequence[Record]], None] | None = None) -> Work[Arms, Measured]:
    return Work(SCENARIO, ("rolling", "blue-green"), ("healthy", "errors"), arms, measure, first)


TRIALS = 1 + 2 * (1 + 2)


@pytest.fixture(scope="module")
def alone() -> dict[int, Results[Measured]]:
    """Three seeds in this very process."""
    return dict(run_seeds(work(), [0, 1, 2], jobs=1))


def test_a_seed_is_its_arms_and_every_strategy_with_every_candidate(
    alone: dict[int, Results[Measured]],
) -> None:
    expected = {(ARM, None)} | {
        (strategy, candidate)
        for strategy in (ARM, "rolling", "blue-green")
        for candidate in ("healthy", "errors")
    }
    assert all(set(results) == expected for results in alone.values())
    assert len(expected) == TRIALS
    for seed, results in alone.items():
        for (strategy, candidate), measured in results.items():
            assert measured[:3] == (strategy, candidate, seed)


def test_two_processes_give_the_same_results_as_one(alone: dict[int, Results[Measured]]) -> None:
    assert dict(run_seeds(work(), [0, 1, 2], jobs=2)) == alone


def test_a_seed_depends_on_nothing_but_itself(alone: dict[int, Results[Measured]]) -> None:
    assert one_seed(work(), 2) == alone[2]
    assert alone[0] != alone[1]


def test_the_first_seeds_records_are_kept_and_no_others() -> None:
    kept = list[Record]()
    list(run_seeds(work(kept.extend), [5, 6], jobs=1))
    assert len(kept) == TRIALS
    assert {record.trial.seed for record in kept} == {5}


def test_no_seeds_is_no_work() -> None:
    assert list(run_seeds(work(), [])) == []


def test_whoever_stops_listening_ends_the_processes(alone: dict[int, Results[Measured]]) -> None:
    running = run_seeds(work(), [0, 1, 2], jobs=2)
    seed, results = next(running)
    running.close()  # type: ignore[attr-defined]
    assert results == alone[seed]


def test_a_trial_that_fails_is_heard_of() -> None:
    def broken(record: Record, beside: Arms) -> Measured:
        raise ArithmeticError(record.trial.strategy)

    with pytest.raises(ArithmeticError, match=ARM):
        list(run_seeds(Work(SCENARIO, (), ("healthy",), arms, broken), [0, 1], jobs=1))


@pytest.mark.parametrize("strategy", ["rolling", "blue-green"])
@pytest.mark.parametrize("candidate", ["healthy", "errors"])
def test_what_a_release_saw_gives_its_decisions_again(strategy: str, candidate: str) -> None:
    record = simulate(Trial(SCENARIO, strategy, candidate, 3))
    decided = replay(SCENARIO.plan(strategy), SCENARIO.guards, record.observed)
    assert decided.outcome == record.outcome
    assert decided.events == record.events
    assert tuple((t, asked.id, asked.action) for t, asked in decided.asked) == record.actions


def test_strategies_of_a_seed_share_their_luck() -> None:
    """Paired: the requests are the same whichever strategy is tried."""
    arm, rolling, green = (
        simulate(Trial(SCENARIO, name, candidate, 3)).truth.tally
        for name, candidate in ((ARM, None), ("rolling", "healthy"), ("blue-green", "healthy"))
    )
    due = arm.arrivals.sum(axis=1)
    assert np.array_equal(rolling.arrivals.sum(axis=1), due)
    assert np.array_equal(green.arrivals.sum(axis=1), due)
    assert int(arm.counts[:, :, Status.ERROR :].sum()) == 0


def test_action_ids_are_answered_in_the_order_they_were_asked() -> None:
    """A pool's version is set before it is scaled: no pod of the old version appears in a new environment."""
    for seed in range(30):
        record = simulate(Trial(SCENARIO, "blue-green", "healthy", seed))
        pods = record.truth.pods
        green = pods.pools.index("green")
        assert set(pods.version[pods.pool == green]) == {1}


def test_in_a_world_with_faults_the_arms_are_there_without_them_too() -> None:
    troubled = load("quickstart", ("faults=[{node_down: {node: 0, at: 1m}}]", "clock.horizon=2m"))
    seen: list[tuple[Record, ...]] = []

    def noted(stable: Record, candidate: Record, calm: tuple[Record, Record] | None) -> None:
        seen.append((stable, candidate, *(calm or ())))

    one_seed(Work(troubled, (), ("errors",), noted, lambda record, arms: None), 0)
    for stable, candidate, calm_stable, calm_candidate in seen:
        assert stable.trial.scenario.faults
        assert not calm_stable.trial.scenario.faults
        assert calm_candidate.trial.candidate == candidate.trial.candidate
    assert [records[1].trial.candidate for records in seen] == [None, "errors"]
