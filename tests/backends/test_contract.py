"""What a record promises, whoever made it: the same tests on the simulator and on a real cluster.

The cluster's trials are conducted by the very function that `rolloutlab live run` calls.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import rolloutlab
from reports.figures import Missing, measure
from scenarios import record as records
from scenarios import traffic
from scenarios.load import load
from scenarios.record import PodEvent, Record
from scenarios.release import Kind, Verdict
from scenarios.retrace import first_difference
from scenarios.scenario import Scenario
from scenarios.tally import NOBODY, Status

SEED = 0
TRIALS = {
    "rolling": ("rolling", "healthy", Verdict.PROMOTED),
    "turned back": ("blue-green", "errors", Verdict.ROLLED_BACK),
    "weighed": ("canary-by-weight", "errors", Verdict.ROLLED_BACK),
}
HORIZONS = {"rolling": "20s", "turned back": "20s", "weighed": "32s"}
"""At least twice as long as the simulated release takes: a node may be slow."""


def world(name: str) -> Scenario:
    short = ["clock.settle=4s", "traffic.rate=40/s", "guards.errors.min_requests=20"]
    return load("one-node", [*short, f"clock.horizon={HORIZONS[name]}"])


@pytest.fixture(scope="module", params=["simulator", pytest.param("cluster", marks=pytest.mark.alone)])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Record]]:
    """A record of each trial, by this backend."""
    asked = {name: (strategy, candidate) for name, (strategy, candidate, _) in TRIALS.items()}
    if request.param == "simulator":
        yield {
            name: rolloutlab.simulate(world(name), strategy, candidate=candidate, seed=SEED)
            for name, (strategy, candidate) in asked.items()
        }
        return
    conduct = request.getfixturevalue("conducted")
    folder = tmp_path_factory.mktemp("live")
    yield {name: conduct(world(name), {name: one}, folder)[name].record for name, one in asked.items()}


def named(made: dict[str, Record]) -> Iterator[tuple[str, Record]]:
    yield from made.items()


def test_every_request_of_the_schedule_is_counted_once(made: dict[str, Record]) -> None:
    for _, record in named(made):
        world, grid = record.trial.scenario, record.trial.scenario.grid
        asked = traffic.schedule(
            record.trial.seed,
            world.traffic.intended.curve(),
            world.traffic.users.count,
            world.traffic.users.activity,
            grid.start,
            grid.horizon,
        )
        tally = record.truth.tally
        assert int(tally.counts.sum()) == len(asked.due)
        due = np.floor((asked.due - grid.start) * 10).astype(int)
        assert np.array_equal(tally.arrivals.sum(axis=1), np.bincount(due, minlength=len(tally.arrivals)))
        after = asked.user[asked.due >= 0]
        assert np.array_equal(tally.users >> 8, np.bincount(after, minlength=len(tally.users)))


def test_decisions_follow_from_observations_alone(made: dict[str, Record]) -> None:
    for name, record in named(made):
        assert first_difference(record) is None, name


def test_a_release_ends_as_it_should(made: dict[str, Record]) -> None:
    for name, record in named(made):
        outcome = record.outcome
        assert outcome is not None
        assert outcome.verdict is TRIALS[name][2], (name, record.events)
        assert outcome.decided_at is not None and outcome.settled_at is not None
        assert 0 <= outcome.decided_at <= outcome.settled_at < record.truth.tally.grid.horizon
        assert [e.t for e in record.events] == sorted(e.t for e in record.events)
        assert record.events[0].kind is Kind.STAGE


def test_pods_are_created_turn_and_go_in_order(made: dict[str, Record]) -> None:
    for _, record in named(made):
        pods = record.truth.pods
        assert (np.diff(pods.time) >= 0).all()
        for pod in range(len(pods.pool)):
            mine = pods.kind[pods.pod == pod].tolist()
            assert mine[0] == PodEvent.CREATED
            assert PodEvent.GONE not in mine[:-1]
            turns = [kind for kind in mine if kind in (PodEvent.IN, PodEvent.OUT)]
            assert all(a != b for a, b in pairwise(turns))
            assert not turns or turns[0] == PodEvent.IN
        before = pods.time < 0
        assert (pods.kind[before] == PodEvent.IN).sum() == record.trial.scenario.service.replicas


def test_routes_come_into_force_after_they_were_set(made: dict[str, Record]) -> None:
    for name, record in named(made):
        routes = record.truth.routes
        assert routes[0].t == record.truth.tally.grid.start
        for change in routes[1:]:
            assert change.in_force is not None, name
            assert 0 <= change.in_force - change.t < 15


def test_every_action_was_done_and_is_of_the_plan(made: dict[str, Record]) -> None:
    for _, record in named(made):
        plan = record.trial.scenario.plan(record.trial.strategy)
        wanted = {timed.action for stage in plan.every_stage() for timed in stage.enter}
        assert record.actions
        assert {action for _, _, action in record.actions} <= wanted


def test_a_record_survives_the_disk(made: dict[str, Record], tmp_path: Path) -> None:
    for name, record in named(made):
        records.write(record, tmp_path / name)
        assert records.digest(records.read(tmp_path / name)) == records.digest(record)


def test_figures_have_values(made: dict[str, Record]) -> None:
    for name, record in named(made):
        found = measure(record).figures
        for key in ("failed_requests", "capacity_loss", "worst_capacity", "release_duration", "latency_p50"):
            assert not isinstance(found[key], Missing), (name, key)
        before = found["latency_p50_before"]
        assert not isinstance(before, Missing)
        assert 0.007 < before.value < 0.05  # the median service time is 8 ms, to which a network adds


def test_an_erring_candidate_fails_its_share_whoever_serves_it(made: dict[str, Record]) -> None:
    for name in ("turned back", "weighed"):
        counts = made[name].truth.tally.counts.sum(axis=0)
        errors = int(counts[1, Status.ERROR])
        assert errors > 0
        assert int(counts[0, Status.ERROR]) == 0
        assert 0.1 < errors / counts[1].sum() < 0.32
        assert counts[NOBODY, Status.OK] == counts[NOBODY, Status.ERROR] == 0  # who answers is known
