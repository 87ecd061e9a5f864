"""Rates and measured times as written: what a file says is what comes; mistakes are said with their place."""

from __future__ import annotations

import math

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scenarios import draws
from scenarios.check import check, utilisation
from scenarios.curves import Steady
from scenarios.distributions import Constant, Quantiles, Samples
from scenarios.errors import ScenarioError
from scenarios.load import as_document, digest, from_document, loads
from scenarios.model import MOST_SAMPLES, Time
from scenarios.rate import MOST_INTERVALS, RequestRate
from scenarios.schema import json_schema

WORLD = """\
format: rolloutlab/1
name: shop
service: {replicas: 4}
traffic: {rate: %s}
clock: {settle: 10s, horizon: 1m}
strategies: {rolling: {rolling: {}}}
"""
RATES = {
    "constant": "{constant: 30/m}",
    "ramp": "{ramp: {from: 0/s, to: 200/s, begins: 10s, lasting: 20s}}",
    "spike": "{spike: {base: 100/s, peak: 500/s, at: 20s, lasting: 5s, rise: 2s, fall: 10s}}",
    "daily": "{daily: {mean: 100/s, swing: 60%, peak_at: 14h}}",
    "trace": "{trace: {counts: [30, 0, 50, 7], interval: 15s}}",
}


def rate(text: str) -> RequestRate:
    return loads(WORLD % text).traffic.rate


def said(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(WORLD % text, "f.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("kind", RATES)
def test_a_record_keeps_the_rate(kind: str) -> None:
    scenario = loads(WORLD % RATES[kind])
    again = from_document(as_document(scenario))
    assert again == scenario
    assert digest(again) == digest(scenario)
    assert again.traffic.rate.curve() == scenario.traffic.rate.curve()


def test_a_plain_rate_is_constant() -> None:
    assert rate("30/m").curve() == rate(RATES["constant"]).curve() == Steady(0.5)


def test_the_shapes_are_what_is_written() -> None:
    ramp, spike = rate(RATES["ramp"]).curve(), rate(RATES["spike"]).curve()
    assert [ramp.at(t) for t in (-5, 9, 30, 59)] == [0, 0, 200, 200]
    assert ramp.expected(0, 60) == pytest.approx(20 * 100 + 30 * 200)
    assert [spike.at(t) for t in (-5, 19, 22, 26.5, 37, 59)] == [100, 100, 500, 500, 100, 100]
    assert spike.expected(0, 60) == pytest.approx(60 * 100 + 400 * (1 + 5 + 5))
    daily, trace = rate(RATES["daily"]).curve(), rate(RATES["trace"]).curve()
    assert daily.at(0) == pytest.approx(100 * (1 + 0.6 * math.cos(2 * math.pi * 14 / 24)), rel=1e-2)
    assert [trace.at(t) for t in (-1, 0, 15, 30, 45)] == pytest.approx([2, 2, 0, 50 / 15, 7 / 15])


def test_without_rise_and_fall_a_spike_has_edges() -> None:
    spike = rate("{spike: {base: 1/s, peak: 9/s, at: 20s, lasting: 5s}}").curve()
    assert [spike.at(t) for t in (19.9, 20, 24.9, 25)] == [1, 9, 9, 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0/s", "traffic.rate: expected more than 0 requests, such as 200/s; got '0/s'"),
        ("{}", "traffic.rate: expected a rate such as 200/s, or one of ramp, spike, daily, trace"),
        (
            "{constant: 5/s, ramp: {from: 1/s, to: 2/s, lasting: 1s}}",
            "traffic.rate: expected a rate such as 200/s, or one of ramp, spike, daily, trace",
        ),
        ("{ramp: {from: 1/s, to: 2/s}}", "traffic.rate.ramp.lasting: is required"),
        ("{ramp: {from: 1/s, to: fast, lasting: 1s}}",
         "traffic.rate.ramp.to: expected a rate such as 200/s; got 'fast'"),
        ("{ramp: {from: 0/s, to: 0/s, lasting: 1s}}",
         "traffic.rate: expected more than 0 requests at some time"),
        ("{ramp: {form: 1/s, to: 2/s, lasting: 1s}}",
         "traffic.rate.ramp.form: unknown key 'form'; did you mean 'from'?"),
        ("{ramp: {from: 1/s, to: -2/s, lasting: 1s}}",
         "traffic.rate.ramp.to: expected a rate such as 200/s; got '-2/s'"),
        ("{spike: {base: 1/s, peak: 9/s, at: soon, lasting: 5s}}",
         "traffic.rate.spike.at: expected a duration such as 150ms, 2s or 10m; got 'soon'"),
        ("{daily: {mean: 1/s, swing: 110%}}",
         "traffic.rate.daily.swing: a share is at most 100%; got '110%'"),
        ("{daily: {mean: 0/s}}", "traffic.rate: expected more than 0 requests at some time"),
        ("{daily: {mean: 1/s, period: 5m}}", "traffic.rate.daily.period: expected 1h or more; got '5m'"),
        ("{trace: {interval: 10s}}", "traffic.rate.trace: expected counts: [12, 15, …] or csv: a file"),
        ("{trace: {counts: [], interval: 10s}}", "traffic.rate: expected more than 0 requests at some time"),
        ("{trace: {counts: [0, 0], interval: 30s}}",
         "traffic.rate: expected more than 0 requests at some time"),
        ("{trace: {counts: [1, -2], interval: 30s}}",
         "traffic.rate.trace.counts.1: expected at least 0; got -2"),
        ("{trace: {counts: [1, 2.5], interval: 30s}}",
         "traffic.rate.trace.counts.1: expected a whole number; got 2.5"),
        ("{trace: {counts: [1, null], interval: 30s}}",
         "traffic.rate.trace.counts.1: expected a whole number; got nothing"),
        ("{trace: {counts: [1, 2], interval: 500ms}}",
         "traffic.rate.trace.interval: expected 1s or more; got '500ms'"),
        ("{trace: {counts: [1, 2], csv: a.csv, interval: 30s}}",
         "traffic.rate.trace.csv: expected either counts or csv; got 'a.csv'"),
        ("{trace: {csv: a.csv, interval: 30s}}",
         "traffic.rate.trace.csv: can be read only beside a scenario that is a file; got 'a.csv'"),
        ("{trace: {counts: [9, 9], interval: 20s}}",
         "traffic.rate.trace: it ends at 40s, before the horizon of 1m; give more, or set clock.horizon"),
        ("{trace: {counts: [1000000000, 1000000000], interval: 30d}}",
         None),
        ("{ramp: {from: 1/s, to: 900000000/s, lasting: 1s}}",
         "traffic.rate: 5.36e+10 requests in one trial; at most 1e+10 are simulated"),
    ],
)  # fmt: skip
def test_what_is_no_rate_is_refused(text: str, line: str | None) -> None:
    if line is None:
        assert rate(text).curve().expected(0, 60) > 0
    else:
        assert said(text) == [f"f.yaml:4: {line}"]


def test_a_trace_is_bounded() -> None:
    many = ", ".join(["1"] * (MOST_INTERVALS // 2))
    assert len(rate(f"{{trace: {{counts: [{many}], interval: 1s}}}}").curve().counts) == MOST_INTERVALS // 2
    with pytest.raises(ValueError, match="at most"):
        RequestRate.model_validate({"trace": {"counts": [1] * (MOST_INTERVALS + 1), "interval": "1s"}})


def test_check_warns_of_the_peak() -> None:
    """4 pods of 4 slots: 16 slots at 40 ms are 400 requests a second."""
    world = WORLD + "versions: {stable: {service_time: 40ms}}\n"
    scenario = loads(world % RATES["spike"])
    assert utilisation(scenario) == pytest.approx(500 / 400)
    warned = [str(a.message) for a in check(scenario) if a.path == "traffic.rate"]
    assert warned == ["the stable version alone is overloaded at the peak: 125% of its slots are asked for"]
    assert utilisation(loads(world % RATES["ramp"])) == pytest.approx(200 / 400)


def test_check_warns_where_nothing_settles() -> None:
    found = {a.path: a.message for a in check(loads(WORLD % RATES["ramp"]))}
    assert "no requests in the settling time" in found["clock.settle"]
    assert "clock.settle" not in {a.path for a in check(loads(WORLD % RATES["trace"]))}


@pytest.mark.parametrize("kind", RATES)
def test_a_rate_has_words(kind: str) -> None:
    words = {
        "constant": "30/m requests",
        "ramp": "0/s to 200/s requests (a ramp)",
        "spike": "100/s requests, in a spike 500/s,",
        "daily": "100/s requests on average (a daily wave of ± 60%)",
        "trace": "87/m requests on average (a trace)",
    }
    assert rate(RATES[kind]).words() == words[kind]


TIMES = ("5ms", "{quantiles: {p0: 1ms, p99.9: 4ms, p100: 5ms}}", "{samples: [3ms, 4ms]}", "{csv: a.csv}")
NO_TIMES = ("5", "{quantiles: {q0: 1ms}}", "{samples: 3ms}", "{samples: [3]}", "{csv: 3}")
NO_RATES = (
    "5",
    "{ramp: {from_: 1/s, to: 1/s, lasting: 1s}}",
    "{trace: {counts: [-1], interval: 1s}}",
    "{dayly: {}}",
)
READ_BY_CSV = "{trace: {csv: a.csv, interval: 1s}}"


def test_editors_know_the_words() -> None:
    validator = Draft202012Validator(json_schema())
    good = [(rate, TIMES[0]) for rate in (*RATES.values(), READ_BY_CSV)] + [("5/s", time) for time in TIMES]
    bad = [(rate, TIMES[0]) for rate in NO_RATES] + [("5/s", time) for time in NO_TIMES]
    for pairs, valid in ((good, True), (bad, False)):
        for written, time in pairs:
            text = WORLD % written + f"versions: {{stable: {{service_time: {time}}}}}\n"
            assert validator.is_valid(yaml.safe_load(text)) == valid, text


# measured times

CELL = 1 / draws.CELLS
QUANTILES = "{quantiles: {p0: 5ms, p50: 40ms, p90: 90ms, p99.9: 300ms, p100: 2s}}"


def time(text: str) -> Time:
    world = WORLD % "3/s" + f"versions: {{stable: {{start: {text}, service_time: {text}}}}}\n"
    scenario = loads(world)
    assert from_document(as_document(scenario)) == scenario
    stable = scenario.versions.stable
    assert stable.start == stable.service_time
    assert hash(stable.start) == hash(stable.service_time)
    return stable.service_time


def test_quantiles_are_linear_in_between() -> None:
    found = time(QUANTILES).distribution()
    assert isinstance(found, Quantiles)
    shares = np.array([0, 0.25, 0.5, 0.9, 0.999, 1])
    assert found.quantile(shares) == pytest.approx([0.005, 0.0225, 0.04, 0.09, 0.3, 2])
    assert found.mean() == pytest.approx(0.5 * 0.0225 + 0.4 * 0.065 + 0.099 * 0.195 + 0.001 * 1.15)
    table = draws.table(found)
    assert draws.table_mean(table) == pytest.approx(found.mean(), rel=1e-12)
    for share in (0.25, 0.5, 0.9, 0.999):  # to one cell of the table
        below, above = draws.quantile(table, np.array([share - CELL, share + CELL]))
        assert below * 0.999 <= found.quantile(np.array(share)) <= above * 1.001


def test_samples_are_equally_likely() -> None:
    found = time("{samples: [14ms, 12ms, 2s, 12ms]}").distribution()
    assert found == Samples((0.012, 0.012, 0.014, 2.0))
    assert found.mean() == pytest.approx(2.038 / 4)
    assert found.quantile(np.array([0, 0.25, 0.5, 0.51, 0.75, 0.76, 1])).tolist() == [
        0.012, 0.012, 0.012, 0.014, 0.014, 2.0, 2.0,
    ]  # fmt: skip
    drawn = draws.quantile(draws.table(found), (np.arange(100_000) + 0.5) / 100_000)
    assert drawn.mean() == pytest.approx(found.mean(), rel=1e-3)
    shares = [np.mean(np.abs(drawn / value - 1) < 1e-3) for value in (0.012, 0.014, 2.0)]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=1e-3)


@pytest.mark.parametrize(
    "text", ["{samples: [12ms]}", "{samples: [12ms, 12ms]}", "{quantiles: {p0: 12ms, p100: 12ms}}"]
)
def test_what_never_varies_is_constant(text: str) -> None:
    assert time(text).distribution() == Constant(0.012)
    assert time(text.replace("12ms", "0s")).distribution() == Constant(0.0)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=200))
def test_tables_of_samples_keep_the_mean_and_grow(values: list[float]) -> None:
    values = [round(value, 3) for value in values]
    made = time("{samples: [" + ", ".join(f"{value:.3f}ms" for value in values) + "]}").distribution()
    table = draws.table(made)
    assert draws.table_mean(table) == pytest.approx(sum(values) / len(values) / 1000, rel=1e-9)
    assert np.all(np.diff(table[: draws.CELLS]) >= 0)


FORMS = (
    "expected a duration such as 50ms, {exponential: 50ms}, two of mean, median, p90, p95, p99, "
    "or one of quantiles, samples, csv"
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{quantiles: {p50: 40ms, p100: 1s}}",
         ".quantiles: expected p0 and p100 too: the least and the most"),
        ("{quantiles: {}}", ".quantiles: expected p0 and p100 too: the least and the most"),
        ("{quantiles: {p0: 1ms, p1: 1ms, p1.0: 2ms, p100: 3ms}}", ".quantiles: one of them is given twice"),
        ("{quantiles: {p0: 9ms, p100: 1ms}}", ": a higher quantile must not be a smaller value"),
        ("{quantiles: {p0: 1, p100: 1ms}}",
         ".quantiles.p0: expected a duration such as 150ms, 2s or 10m; got 1"),
        ("{quantiles: {p0: 1ms, p101: 1s}}",
         ".quantiles.p101: expected the name of a quantile, such as p0, p50, p99.9 or p100; got '1s'"),
        ("{samples: []}", ".samples: expected one or more"),
        ("{samples: [4]}", ".samples.0: expected a duration such as 150ms, 2s or 10m; got 4"),
        ("{samples: [4ms], mean: 4ms}", f": {FORMS}"),
        ("{csv: a.csv}", ".csv: can be read only beside a scenario that is a file; got 'a.csv'"),
        ("{csv: a.csv, mean: 5ms}", f": {FORMS}"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str, line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(WORLD % "3/s" + f"versions: {{stable: {{service_time: {text}}}}}\n", "f.yaml")
    assert str(caught.value) == f"f.yaml:7: versions.stable.service_time{line}"


def test_samples_are_bounded() -> None:
    assert Time.model_validate({"samples": ["1ms", "2ms"] * (MOST_SAMPLES // 2)}).distribution().mean() > 0
    with pytest.raises(ValueError, match="at most"):
        Time.model_validate({"samples": ["1ms"] * (MOST_SAMPLES + 1)})
