"""An A/B test's figures, from what a release counted."""

import pytest
from scipy import stats

from reports.conversions import conversions, difference
from reports.facts import Facts
from reports.values import NOT_APPLICABLE, TOO_FEW, Value
from scenarios.conversion import Group, Groups
from scenarios.load import loads
from scenarios.observe import Observation
from scenarios.plan import whole
from scenarios.record import Record, RouteChange, Trial, Truth
from scenarios.release import Event, Kind, Outcome, Verdict

WORLD = """
format: rolloutlab/1
name: test
service: {replicas: 4}
traffic: {rate: 100/s, mix: {header.Region: {shenzhen: 10%}}}
routers: {mesh: {kind: proxy}}
strategies:
  test: {ab_test: {via: mesh, by: {users: 30%}}}
  by-region: {ab_test: {via: mesh, by: {header: Region, value: shenzhen}}}
  rolling: {rolling: {via: mesh}}
"""
FOUND = Groups(Group(7000, 210), Group(3000, 120))


def facts(
    strategy: str, found: Groups | None, until: float = 602.0, verdict: Verdict = Verdict.REPORTED
) -> Facts:
    """A release whose test began at 2 s, lasts for 10 min and was counted at `until`, and once before."""
    early = Observation(100.0, groups=Groups(Group(1, 0), Group(1, 0)))
    observed = (early, Observation(until, groups=found))
    stages = ((0.0, "variant pods"), (2.0, "test"), (until, "all to main"), (until + 1, "remove variant"))
    events = tuple(Event(t, Kind.STAGE, name) for t, name in stages)
    outcome = Outcome(verdict, until, until + 5, "", "")
    truth = Truth(None, None, (RouteChange(0.0, whole("main"), 0.0),))  # type: ignore[arg-type]
    trial = Trial(loads(WORLD), strategy, "candidate", 0)
    return Facts(Record(trial, truth, observed, events=events, outcome=outcome), None)


def test_rates_and_their_difference_with_intervals() -> None:
    found = conversions(facts("test", FOUND))
    stable = found["conversion_stable"]
    assert isinstance(stable, Value)
    assert (stable.value, stable.low, stable.high) == pytest.approx((0.03, 0.02625, 0.03426), abs=1e-4)
    rate, gain = found["conversion_candidate"], found["conversion_difference"]
    assert isinstance(rate, Value)
    assert rate.value == 0.04
    assert isinstance(gain, Value)
    assert gain.value == pytest.approx(0.01)


def test_newcombe_s_own_example() -> None:
    # 56/70 against 48/80: Newcombe 1998, table II, method 10
    found = difference(Groups(Group(80, 48), Group(70, 56)))
    assert isinstance(found, Value)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


@pytest.mark.parametrize(("strategy", "expected"), [("test", 0.3), ("by-region", 0.1)])
def test_the_sizes_of_the_groups_are_held_against_what_was_meant(strategy: str, expected: float) -> None:
    p = conversions(facts(strategy, Groups(Group(9000, 0), Group(1050, 0))))["sample_ratio_p"]
    wanted = stats.chisquare([9000, 1050], [10050 * (1 - expected), 10050 * expected]).pvalue
    assert isinstance(p, Value)
    assert p.value == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_without_a_test_that_ended_there_is_nothing_to_say() -> None:
    assert set(conversions(facts("rolling", FOUND)).values()) == {NOT_APPLICABLE}
    stopped = facts("test", FOUND, until=300.0, verdict=Verdict.ROLLED_BACK)
    assert set(conversions(stopped).values()) == {NOT_APPLICABLE}
    assert set(conversions(facts("test", None)).values()) == {NOT_APPLICABLE}


def test_nobody_in_a_group_is_too_few() -> None:
    found = conversions(facts("test", Groups(Group(0, 0), Group(3, 1))))
    assert [found[key] for key in ("conversion_stable", "conversion_difference", "sample_ratio_p")] == [
        TOO_FEW
    ] * 3
