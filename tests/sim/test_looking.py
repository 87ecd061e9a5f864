"""Rules before weights, A/B tests, shadows and sequences, simulated from end to end."""

import numpy as np
import pytest

from reports.conversions import conversions
from reports.facts import Facts
from reports.values import Value
from scenarios.backend import replay
from scenarios.conversion import sample_ratio
from scenarios.load import loads
from scenarios.mix import kind_of_users, kinds
from scenarios.record import Record, Trial, digest, read, write
from scenarios.release import Kind, Verdict
from scenarios.tally import CANDIDATE, FLAG_BITS, MET_CANDIDATE, Status
from sim.world import simulate

WORLD = """
format: rolloutlab/1
name: test
service: {replicas: 10}
versions:
  stable: {start: 1s, service_time: {median: 20ms, p95: 60ms}, conversion: 3%}
candidates:
  better: {conversion: 5%}
  errors: {errors: [{share: 5%, of: requests}]}
traffic: {rate: 200/s, client: {timeout: 2s}, users: {count: 8000}, mix: {header.Region: {shenzhen: 10%}}}
cluster: {pods: {readiness: {period: 1s}, termination: {pre_stop: 5s}}}
routers: {edge: {kind: ingress-nginx}, mesh: {kind: proxy}}
guards: {errors: {metric: failure_share, limit: 1%, window: 30s, min_requests: 100}}
strategies:
  matched: {canary: {via: mesh, steps: [50%], hold: 2m, match: [{header: Region, value: shenzhen}]}}
  matched-edge: {canary: {via: edge, steps: [50%], hold: 2m, match: [{header: Region, value: shenzhen}]}}
  winner: {ab_test: {via: mesh, by: {users: 30%}, lasting: 6m, then: promote_winner}}
  report: {ab_test: {via: mesh, by: {users: 30%}, lasting: 4m}}
  by-region: {ab_test: {via: mesh, by: {header: Region, pattern: ^shen}, lasting: 4m}}
  sticky: {ab_test: {via: mesh, by: {sticky: 20%}, lasting: 4m}}
  shadow: {shadow: {via: mesh, share: 20%, lasting: 3m, guards: [errors]}}
  row:
    sequence:
      - {shadow: {via: mesh, share: 20%, lasting: 1m, guards: [errors]}}
      - {ab_test: {via: mesh, by: {users: 50%}, lasting: 1m}}
      - {blue_green: {via: mesh, bake: 1m, guards: [errors]}}
clock: {settle: 10s, horizon: 12m}
"""


def trial(strategy: str, candidate: str = "better", seed: int = 0) -> Record:
    return simulate(Trial(loads(WORLD), strategy, candidate, seed))


def entered(record: Record, stage: str) -> int:
    """The second after a stage was entered."""
    return int(next(e.t for e in record.events if e.kind is Kind.STAGE and e.text == stage)) + 1


def ended(record: Record) -> Verdict:
    assert record.outcome is not None
    return record.outcome.verdict


# --- rules before weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["matched", "matched-edge"])
def test_at_first_only_those_who_match_meet_the_candidate_then_half_of_the_others_too(strategy: str) -> None:
    record = trial(strategy)
    tally = record.truth.tally
    shares = []
    for begun, over in (("match only", "50% pods"), ("50%", "roll main")):
        counts = tally.window(entered(record, begun) + 5, entered(record, over) - 1)
        shares.append(counts[CANDIDATE].sum() / counts.sum())
    assert shares == [pytest.approx(0.1, abs=0.01), pytest.approx(0.1 + 0.9 * 0.5, abs=0.015)]
    assert ended(record) is Verdict.PROMOTED


def test_in_a_test_by_header_exactly_its_carriers_are_the_group() -> None:
    record = trial("by-region")
    scenario, users = record.trial.scenario, record.truth.tally.users
    mix = scenario.traffic.mix
    carrier = np.array(["header.Region" in kind.attributes for kind in kinds(mix)])
    region = carrier[kind_of_users(0, len(users), mix)]
    met = users & np.uint32(MET_CANDIDATE) > 0
    assert not (met & ~region).any()
    assert met[region & (users >> np.uint32(FLAG_BITS) > 20)].all()


# --- A/B tests -----------------------------------------------------------------------------------------


def test_the_better_version_wins_and_takes_over_and_the_figures_say_what_was_counted() -> None:
    record = trial("winner")
    assert ended(record) is Verdict.PROMOTED
    found = conversions(Facts(record, None))
    counted = [seen.groups for seen in record.observed if seen.groups is not None][-1]
    gain, ratio = found["conversion_difference"], found["sample_ratio_p"]
    assert isinstance(gain, Value)
    assert gain.value == counted.candidate.rate - counted.stable.rate
    assert gain.low is not None
    assert gain.low < 0.02 < gain.high  # type: ignore[operator]
    assert isinstance(ratio, Value)
    assert ratio.value > 0.001


def test_a_version_that_converts_no_better_does_not_win() -> None:
    record = trial("winner", "errors")
    assert ended(record) is Verdict.ROLLED_BACK
    assert record.outcome is not None
    assert record.outcome.reason.startswith("no better")


@pytest.mark.parametrize("strategy", ["report", "sticky"])
def test_users_keep_to_their_version_while_the_test_lasts(strategy: str) -> None:
    record = trial(strategy)
    tally = record.truth.tally
    # only who came before the test and again for the first time now may change: 5 % of some 100 users
    first, last = entered(record, "test") + 120, entered(record, "all to main") - 2
    span = slice(first - tally.grid.start, last - tally.grid.start)
    assert tally.flips[span].sum() <= 15
    assert tally.arrivals[first * 10 : last * 10, CANDIDATE].sum() > 3000
    assert ended(record) is Verdict.REPORTED


def test_the_groups_have_the_sizes_that_were_meant() -> None:
    found = []
    for seed in range(8):
        counted = [s.groups for s in trial("report", seed=seed).observed if s.groups is not None][-1]
        found.append(sample_ratio(counted, 0.3))
    assert min(p for p in found if p is not None) > 0.001
    assert len({round(p or 0, 6) for p in found}) == 8


# --- shadows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("candidate", ["better", "errors"])
def test_nobody_sees_a_shadow_but_its_guards_do(candidate: str) -> None:
    record = trial("shadow", candidate)
    tally = record.truth.tally
    assert tally.counts[:, CANDIDATE].sum() == 0
    assert not (tally.users & np.uint32(MET_CANDIDATE)).any()
    assert tally.mirrored is not None
    assert ended(record) is (Verdict.REPORTED if candidate == "better" else Verdict.ROLLED_BACK)
    copies, failed = int(tally.mirrored.sum()), int(tally.mirrored[:, Status.ERROR].sum())
    assert copies > 0
    assert (failed > 0) == (candidate == "errors")


def test_a_shadow_gets_its_share_of_the_requests() -> None:
    record = trial("shadow")
    tally = record.truth.tally
    first, last = entered(record, "copies") + 5, entered(record, "no more copies") - 2
    assert tally.mirrored is not None
    copies = tally.mirrored[first - tally.grid.start : last - tally.grid.start].sum()
    assert copies / tally.window(first, last).sum() == pytest.approx(0.2, abs=0.01)


# --- sequences -----------------------------------------------------------------------------------------


def test_a_sequence_goes_through_all_its_parts_and_ends_as_the_last_does() -> None:
    record = trial("row")
    named = [event.text for event in record.events if event.kind is Kind.STAGE]
    assert [name for name in named if name in ("copies", "test", "switch to green")] == [
        "copies",
        "test",
        "switch to green",
    ]
    assert ended(record) is Verdict.PROMOTED
    assert [event.text for event in record.events if event.kind is Kind.DECIDED] == ["promote"]


def test_a_failing_guard_ends_the_sequence_by_the_way_back_of_its_part() -> None:
    record = trial("row", "errors")
    named = [event.text for event in record.events if event.kind is Kind.STAGE]
    assert named == ["shadow pods", "copies", "no more copies", "remove shadow"]
    assert ended(record) is Verdict.ROLLED_BACK


@pytest.mark.parametrize("strategy", ["winner", "row", "shadow", "matched"])
def test_records_of_them_survive_the_disk_and_replay(
    strategy: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = trial(strategy)
    folder = tmp_path_factory.mktemp("records") / strategy
    write(record, folder)
    again = read(folder)
    assert digest(again) == digest(record)
    chosen = again.trial.scenario
    decided = replay(chosen.plan(strategy), chosen.guards, again.observed)
    assert (decided.outcome, decided.events) == (record.outcome, record.events)
