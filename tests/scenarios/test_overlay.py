"""An overlay: read strictly, written so that it reads back, and laid over a scenario as exactly as can be."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.errors import ScenarioError
from scenarios.load import library, load
from scenarios.overlay import applied, dumps, loads, quantified

GOOD = """
format: rolloutlab.overlay/1
origin:
  cluster_uid: 4f2c0f8e-5d9c-4b39-9f6f-0d8f5c6d3a10
  context: kind-lab
  versions: {kubernetes: v1.34.3, rolloutlab: 0.1.0}
  made: '2026-11-20T10:00:00+00:00'
  runs: [0a1b2c3d]
delays:
  api: {quantiles: {p0: 1ms, p50: 2ms, p100: 30ms}, samples: 40}
  container: {quantiles: {p0: 100ms, p50: 130ms, p100: 200ms}, samples: 30}
  relist: {quantiles: {p0: 70ms, p100: 870ms}, samples: 30}
  readiness: {quantiles: {p0: 7ms, p100: 20ms}, samples: 30}
  endpoints: {quantiles: {p0: 10ms, p100: 30ms}, samples: 30}
  sigterm: {quantiles: {p0: 10ms, p100: 30ms}, samples: 12}
  address: {quantiles: {p0: 80ms, p100: 120ms}, samples: 12}
  removal: {quantiles: {p0: 600ms, p100: 800ms}, samples: 12}
  start: {quantiles: {p0: 50ms, p50: 60ms, p100: 90ms}, samples: 30}
  service: {quantiles: {p0: 1ms, p50: 2ms, p100: 5ms}, samples: 400}
  proxy_sync: {quantiles: {p0: 1s, p100: 1100ms}, samples: 9}
  ingress_sync: {quantiles: {p0: 3300ms, p100: 3400ms}, samples: 9}
  ingress_poll: {quantiles: {p0: 0s, p100: 1200ms}, samples: 9}
"""


def test_what_was_measured_stands_in_place_of_what_the_scenario_says():
    world, there = load("quickstart"), applied(load("quickstart"), loads(GOOD))
    delays = there.cluster.delays
    assert delays.api.quantiles == {"p0": 0.001, "p50": 0.002, "p100": 0.03}
    assert delays.container.distribution().quantile(np.array([0.5])) == pytest.approx(0.13)
    assert delays.endpoints.quantiles == {"p0": 0.01, "p100": 0.03}
    assert (delays.sigterm, delays.address) == (0.02, 0.1)
    assert there.traffic == world.traffic
    assert there.strategies == world.strategies


def test_routers_are_replaced_by_their_kind():
    there = applied(load("ingress-weight-header-cookie"), loads(GOOD))
    (ingress,) = [r for r in there.routers.values() if r.kind == "ingress-nginx"]
    assert (ingress.sync_period, ingress.poll) == (3.35, 1.0)  # nine lags of 0.6 s on average are no news
    assert applied(load("quickstart"), loads(GOOD)).routers["service"].min_sync_period == 1.05


@pytest.mark.parametrize(
    ("least", "most", "samples", "said", "period"),
    [
        ("70ms", "870ms", 30, "1s", 1.0),  # a lag evenly spread over [0.07, 0.87] s is a clock of 0.8 s,
        ("70ms", "870ms", 300, "1s", 0.8),  # which takes more samples to tell from one of 1 s
        ("70ms", "2070ms", 20, "1s", 2.0),
        ("70ms", "870ms", 2, "0s", 0.8),
        ("10ms", "20ms", 20, "1s", 0.0),
    ],
)
def test_a_clocks_period_is_kept_unless_what_was_measured_contradicts_it(least, most, samples, said, period):
    lags = f"relist: {{quantiles: {{p0: {least}, p100: {most}}}, samples: {samples}}}"
    measured = loads(re.sub(r"relist: .*", lags, GOOD))
    world = load("quickstart", [f"cluster.delays.relist={said}"])
    assert applied(world, measured).cluster.delays.relist == pytest.approx(period)


def laid_over(world, **lags):
    """The delays of a cluster where these lags were measured."""
    of = {key: quantified(values) for key, values in lags.items()}
    measured = loads(GOOD)
    measured = measured.model_copy(update={"delays": measured.delays.model_copy(update=of)})
    return applied(world, measured).cluster.delays


def test_a_clock_as_stated_is_rarely_contradicted():
    rng, world = np.random.default_rng(1), load("quickstart")
    found = []
    for _ in range(60):
        looks = rng.random(20)
        cleaned = np.maximum(looks, 0.35)
        found.append(laid_over(world, relist=(0.07 + looks).tolist(), removal=cleaned.tolist()))
    assert sum(delays.relist == 1.0 for delays in found) >= 58
    assert sum(delays.removal == 0.35 for delays in found) >= 58


@pytest.mark.parametrize("clean_up", [0.6, 0.9, 3.0])
@pytest.mark.parametrize("said", ["350ms", "0s", "2s"])
def test_a_clean_up_that_takes_longer_is_found(clean_up, said):
    looks = np.random.default_rng(2).random(1000)
    world = load("quickstart", [f"cluster.delays.removal={said}"])
    found = laid_over(world, relist=(0.07 + looks).tolist(), removal=np.maximum(looks, clean_up).tolist())
    assert found.removal == pytest.approx(clean_up, rel=0.1)


@pytest.mark.parametrize("name", ["quickstart", "crash-on-start", "errors-at-once", "latency-regression"])
def test_start_and_service_take_longer_by_what_was_measured(name):
    world, there = load(name), applied(load(name), loads(GOOD))
    for before, after in zip(
        (world.versions.stable, *world.variants.values()),
        (there.versions.stable, *there.variants.values()),
        strict=True,
    ):
        extra = loads(GOOD).delays.service.distribution().mean()
        declared = before.service_time.distribution().mean()
        assert after.service_time.distribution().mean() == pytest.approx(declared + extra, rel=0.01)
        if before.start == "never":
            assert after.start == "never"
        else:
            least = before.start.distribution().mean() + 0.05
            assert least < after.start.distribution().mean() < least + 0.05


@pytest.mark.parametrize("name", sorted(library()))
def test_it_can_be_laid_over_every_world(name):
    there = applied(load(name), loads(GOOD))
    assert there.unrealisable() == {}
    assert applied(there, loads(GOOD)).cluster == there.cluster


def test_a_key_that_is_left_out_changes_nothing():
    only = re.sub(
        r"delays:\n(.|\n)*", "delays: {readiness: {quantiles: {p0: 1ms, p100: 2ms}, samples: 5}}", GOOD
    )
    assert applied(load("quickstart"), loads(only)) == load("quickstart")


def test_it_reads_back_as_it_was_written():
    assert loads(dumps(loads(GOOD))) == loads(GOOD)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=400))
@settings(max_examples=60, deadline=None)
def test_quantiles_of_samples_read_back_and_keep_their_mean_and_ends(values):
    made = quantified(values)
    assert (
        loads(
            dumps(
                loads(GOOD).model_copy(update={"delays": loads(GOOD).delays.model_copy(update={"api": made})})
            )
        ).delays.api
        == made
    )
    distribution = made.distribution()
    low, high = distribution.quantile(np.array([0.0, 1.0]))
    assert (low, high) == (pytest.approx(min(values), abs=1e-6), pytest.approx(max(values), abs=1e-6))
    assert abs(distribution.mean() - np.mean(values)) <= 0.26 * (max(values) - min(values)) + 1e-6
    assert made.samples == len(values)


@pytest.mark.parametrize("values", [[], [-1.0, 2.0]])
def test_no_samples_or_negative_ones_are_refused(values):
    with pytest.raises(ValueError, match="0 s or more, at least one"):
        quantified(values)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rolloutlab.overlay/1", "rolloutlab/1", "overlay:2: format: expected rolloutlab.overlay/1; got"),
        ("runs: [0a1b2c3d]", "runs: [0A1B]", "overlay:8: origin.runs.0: expected a run id: eight hex digits"),
        ("runs: [0a1b2c3d]", "runs: []", "overlay:8: origin.runs: expected at least 1"),
        ("+00:00'", "'", "overlay:7: origin.made: expected a time with its zone"),
        ("api:", "apis:", "overlay:10: delays.apis: unknown key 'apis'; did you mean 'api'?"),
        ("p50: 2ms, p100: 30ms", "p50: 2ms", "overlay:10: delays.api.quantiles: expected p0 and p100 too"),
        ("p50: 2ms, p100: 30ms", "p50: 2ms, p100: 1.5ms", "a higher quantile must not be a smaller value"),
        ("p0: 1ms, p50: 2ms,", "p0: 1, p50: 2ms,", "overlay:10: delays.api.quantiles.p0: expected"),
        ("samples: 40", "samples: 0", "overlay:10: delays.api.samples: expected at least 1; got 0"),
        ("samples: 40", "samples: many", "delays.api.samples: expected a whole number; got 'many'"),
        ("  context: kind-lab\n", "", "origin.context: is required"),
        ("4f2c0f8e-5d9c-4b39-9f6f-0d8f5c6d3a10", "'?'", "overlay:4: origin.cluster_uid: expected the UID of"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(old, new, said):
    assert old in GOOD
    with pytest.raises(ScenarioError) as told:
        loads(GOOD.replace(old, new, 1))
    assert said in str(told.value)


@pytest.mark.parametrize("text", ["", "- a", "just text", "format: rolloutlab.overlay/1\n---\na: b", "a: ["])
def test_other_texts_are_refused(text):
    with pytest.raises(ScenarioError, match="overlay"):
        loads(text)
