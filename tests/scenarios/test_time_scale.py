"""A scaled scenario waits a part of the time, and is otherwise the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.load import as_document, library, load, loads
from scenarios.scenario import Scenario
from scenarios.time_scale import KEPT, SCALED, matches, notes, scaled
from scenarios.units import DURATION

NAMES = sorted(library())

SMALL = """
format: rolloutlab/1
name: small
service: {replicas: 4}
traffic: {rate: %s}
guards: {errors: {metric: failure_share, limit: 5%%, window: 1m}}
strategies:
  blue: {blue_green: {bake: 10m, keep_old: 30s, guards: [errors]}}
  roll: {rolling: {min_ready: 5s}}
  both:
    sequence:
      - shadow: {lasting: 2m, via: proxy}
      - canary: {steps: [25%%], hold: 5m, via: proxy}
  halves: {in_place_halves: {drain: 20s, soak: 3m}}
routers: {service: {kind: kube-proxy}, proxy: {kind: proxy}}
operators: {anna: {notices: {median: 1m, p95: 5m}, acts: {samples: [30s, 40s]}}}
faults: [{metrics_gap: {at: 2m, lasting: 1m}}]
clock: {settle: 1m, tick: 1s, horizon: 20m}
"""


def small(rate: str = "40/s") -> Scenario:
    return loads(SMALL % rate)


# --- every key that holds a time ---------------------------------------------------------------------


def _durations() -> list[tuple[str, ...]]:
    """The path of every duration and distribution that a scenario can hold, from its JSON Schema."""
    schema = Scenario.model_json_schema()
    found: list[tuple[str, ...]] = []

    def walk(node, path):
        name = node.get("$ref", "").rpartition("/")[2]
        if name == "Time" or DURATION in node.get("pattern", ""):
            found.append(path)
            return
        if name:
            walk(schema["$defs"][name], path)
        for option in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("prefixItems", ())):
            walk(option, path)
        for key, inner in node.get("properties", {}).items():
            walk(inner, (*path, key))
        for inner in (*node.get("patternProperties", {}).values(), node.get("additionalProperties")):
            if isinstance(inner, dict):
                walk(inner, (*path, "a name"))
        if isinstance(node.get("items"), dict):
            walk(node["items"], (*path, "0"))

    walk(schema, ())
    return sorted(set(found))


DURATIONS = _durations()


def test_there_are_durations_to_be_named():
    assert len(DURATIONS) > 100
    assert ("strategies", "a name", "sequence", "0", "canary", "hold") in DURATIONS


@pytest.mark.parametrize("path", DURATIONS, ids=".".join)
def test_every_key_that_holds_a_time_is_said_to_be_scaled_or_kept(path):
    named = [pattern for table in (SCALED, KEPT) for pattern in table if matches(pattern, path)]
    assert len(named) == 1, f"{'.'.join(path)} is named by {named or 'none'} of SCALED and KEPT"


@pytest.mark.parametrize("pattern", [*SCALED, *KEPT])
def test_every_rule_is_about_a_key_that_there_is(pattern):
    assert any(matches(pattern, path) for path in DURATIONS)


# --- what comes of it -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(factor=st.floats(0.005, 0.99))
@settings(max_examples=4, deadline=None)
def test_scaled_worlds_are_valid_and_differ_in_what_is_scaled_only(name, factor):
    world = load(name)
    there = scaled(world, factor)
    assert there.unrealisable() == {}
    assert len(list(_changed(as_document(world), as_document(there)))) > 0
    for path in _changed(as_document(world), as_document(there)):
        head = [path[:end] for end in range(len(path) + 1)]
        counted = path[:4] == ("traffic", "rate", "trace", "counts")
        assert counted or any(matches(pattern, part) for pattern in SCALED for part in head), path


def _changed(before, after, path=()):
    if isinstance(before, dict) and isinstance(after, dict):
        assert before.keys() == after.keys()
        for key in before:
            yield from _changed(before[key], after[key], (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changed(one, other, (*path, place))
    elif before != after:
        yield path


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_of_1_is_the_same_scenario(name):
    world = load(name)
    assert scaled(world, 1) == world
    assert notes(world, 1) == ()


def test_waits_windows_and_deadlines_are_a_part_of_what_they_were():
    there = scaled(small(), 0.1)
    blue, roll = there.strategies["blue"].strategy, there.strategies["roll"].strategy
    assert (blue.bake, blue.keep_old, blue.deadline) == (60, 3, 60)
    assert (roll.progress_deadline, roll.min_ready) == (60, 5)
    assert [part.deadline for part in there.strategies["both"].strategy.parts] == [60, 60]
    assert there.strategies["both"].strategy.parts[1].hold == 30
    assert (there.strategies["halves"].strategy.drain, there.strategies["halves"].strategy.soak) == (20, 18)
    assert there.guards["errors"].window == 6
    assert (there.observe.every, there.observe.delay) == (2, pytest.approx(0.2))
    assert (there.clock.settle, there.clock.tick, there.clock.horizon) == (6, 1, 120)
    assert there.operators["anna"].acts.samples == (3, 4)
    assert there.operators["anna"].notices.median == 6
    assert (there.faults[0].happening.at, there.faults[0].happening.lasting) == (12, 6)


def test_what_machines_do_takes_as_long_as_before():
    world, there = small(), scaled(small(), 0.1)
    for part in ("cluster", "routers", "versions", "slo"):
        assert getattr(world, part) == getattr(there, part)
    assert world.traffic == there.traffic


@pytest.mark.parametrize("factor", [0, -1, 1.5, float("nan")])
def test_other_factors_are_refused(factor):
    with pytest.raises(ValueError, match=r"more than 0 and at most 1"):
        scaled(small(), factor)


@given(
    counts=st.lists(st.integers(0, 5000), min_size=20, max_size=40).filter(lambda c: c[0] > 0),
    factor=st.floats(0.004, 0.999),
)
@settings(max_examples=60, deadline=None)
def test_a_trace_keeps_its_rate(counts, factor):
    world = small(f"{{trace: {{counts: {counts}, interval: 60s}}}}")
    there = scaled(world, factor)
    curve, shorter = world.traffic.intended.curve(), there.traffic.intended.curve()
    assert shorter.end >= there.clock.horizon
    for t in (60.0, 300.0, 1200.0):
        whole_intervals = t * factor // shorter.interval * shorter.interval
        expected = factor * curve.expected(0, whole_intervals / factor)
        assert shorter.expected(0, whole_intervals) == pytest.approx(expected, abs=1.01)


def test_a_trace_of_seconds_is_counted_in_seconds():
    there = scaled(small(f"{{trace: {{counts: {[10, 20] * 700}, interval: 1s}}}}"), 0.1)
    trace = there.traffic.intended.trace
    assert trace.interval == 1
    assert set(trace.counts) == {15}


def test_a_spike_stays_where_it_is_in_the_release():
    there = scaled(small("{spike: {base: 20/s, peak: 90/s, at: 5m, lasting: 2m, rise: 10s}}"), 0.1)
    spike = there.traffic.intended.spike
    assert (spike.at, spike.lasting, spike.rise, spike.peak) == (30, 12, 1, 90)


def test_a_guard_that_gets_too_few_requests_is_noted():
    said = notes(small("10/s"), 0.05)
    assert any("guard errors sees about 30 requests in 3s and wants 100" in note for note in said)
    assert not any("guard errors" in note for note in notes(small("200/s"), 0.5))


def test_a_deadline_shorter_than_a_pod_takes_is_noted():
    assert any("strategies.blue: a deadline of 6s is shorter" in note for note in notes(small(), 0.01))
    assert not any("a deadline of" in note for note in notes(small(), 0.5))


def test_a_leak_that_comes_after_the_horizon_is_noted():
    assert any("leak.over" in note for note in notes(load("memory-leak"), 0.1))


def test_a_wave_is_no_shorter_than_an_hour_and_that_is_noted():
    world = small("{daily: {mean: 50/s}}")
    assert scaled(world, 0.01).traffic.intended.daily.period == 3600
    assert any("traffic.rate.daily.period" in note for note in notes(world, 0.01))


def test_a_node_that_is_back_before_anybody_noticed_is_noted():
    said = notes(load("node-goes-down"), 0.02)
    fault = load("node-goes-down").faults[0].happening
    assert any("node_grace" in note for note in said) == (fault.lasting is not None and fault.lasting >= 40)
