"""The public functions, and what they must show of the world."""

import pytest

import rolloutlab
from scenarios.load import loads
from scenarios.plan import Split
from scenarios.record import ARM

HELD = """
format: rolloutlab/1
name: held canary
service: {replicas: 10}
versions: {stable: {start: 1s, service_time: {median: 20ms, p95: 60ms}}}
candidates: {errors: {errors: [{share: 5%, of: requests}]}}
traffic: {rate: 200/s, client: {timeout: 2s}}
cluster: {pods: {readiness: {period: 1s}, termination: {pre_stop: 5s}}}
routers: {edge: {kind: ingress-nginx}}
strategies: {canary: {canary: {via: edge, steps: [10%], hold: 1h}}}
clock: {settle: 10s, horizon: 10m}
seeds: 32
"""


def test_the_blast_of_a_held_canary_is_weight_times_errors_times_rate_times_time() -> None:
    scenario = loads(HELD, "held")
    record = rolloutlab.simulate(scenario, "canary", candidate="errors")
    in_force = next(r.in_force for r in record.truth.routes if isinstance(r.route, Split))
    assert in_force is not None
    expected = 0.10 * 0.05 * 200 * (600 - in_force)
    (row,) = rolloutlab.compare(scenario).document["rows"]
    figure = row["figures"]["blast_requests_exact"]
    assert figure["high"] - figure["low"] < 0.10 * expected
    assert figure["low"] < expected < figure["high"]
    assert row["verdicts"]["out_of_time"]["share"] == 1.0


def test_the_same_comparison_for_any_number_of_processes() -> None:
    scenario = loads(HELD.replace("horizon: 10m", "horizon: 1m"), "held")
    documents = [rolloutlab.compare(scenario, seeds=5, jobs=jobs).document for jobs in (1, 2)]
    assert documents[0] == documents[1]


def test_seeds_are_added_until_the_figures_are_known_well_enough() -> None:
    """How precisely is the data's say; how many processes is not."""
    scenario = loads(HELD.replace("horizon: 10m", "horizon: 1m"), "held")
    told: list[tuple[int, int]] = []
    rough = rolloutlab.compare(scenario, until=0.5, jobs=1)
    fine = rolloutlab.compare(
        scenario, until=0.01, seeds=70, jobs=2, progress=lambda done, total: told.append((done, total))
    )
    assert rough.document["seeds"] == list(range(32)) and rough.vague == ()
    assert fine.document["seeds"] == list(range(70)), "the most that was allowed"
    assert {one.figure for one in fine.vague} >= {"blast_requests_exact"}
    assert [total for done, total in told if done == total] == [32, 64, 70]
    one = rolloutlab.compare(scenario, until=0.01, seeds=70, jobs=1)
    assert one.document == fine.document
    assert rolloutlab.compare(scenario, seeds=70).document == fine.document, "and the same as by number"


@pytest.mark.parametrize("until", [0.0, 1.0, -0.05, 5])
def test_a_precision_is_a_share(until: float) -> None:
    with pytest.raises(ValueError, match="until is a share between 0 and 1"):
        rolloutlab.compare(loads(HELD, "held"), until=until)


def test_arms_are_simulated_by_name() -> None:
    scenario = loads(HELD.replace("horizon: 10m", "horizon: 1m"), "held")
    stable = rolloutlab.simulate(scenario, ARM)
    assert stable.outcome is None
    assert stable.trial.candidate is None
    assert stable.truth.tally.counts[:, 1].sum() == 0


def test_a_strategy_that_cannot_be_done_is_a_problem_and_no_row() -> None:
    text = HELD.replace("replicas: 10", "replicas: 1").replace(
        "strategies: {", "strategies: {halves: {in_place_halves: {via: edge}}, "
    )
    document = rolloutlab.compare(loads(text, "one"), seeds=1, jobs=1).document
    assert [problem["strategy"] for problem in document["problems"]] == ["halves"]
    assert {row["strategy"] for row in document["rows"]} == {"canary"}
