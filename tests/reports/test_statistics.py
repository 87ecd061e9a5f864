"""Intervals against SciPy, printed tables and their own promise: that they cover."""

import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports import statistics
from reports.statistics import (
    bca_interval,
    clopper_pearson,
    enough,
    mean_interval,
    percentile,
    prediction,
    restricted_mean,
    skewness,
    studentised_interval,
    t_interval,
    wilson,
)

Sample = list[float]
numbers = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


def drawn(seed: int, n: int = 32) -> Sample:
    return np.random.default_rng(seed).lognormal(0, 0.7, n).tolist()


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_t_is_that_of_scipy(confidence: float) -> None:
    values = drawn(1)
    found = stats.t.interval(confidence, len(values) - 1, np.mean(values), stats.sem(values))
    assert t_interval(values, confidence) == pytest.approx(found, rel=1e-12)


def test_t_of_differences_is_the_paired_test() -> None:
    """Student's own sleep data (1908): ten patients, two drugs: 0.70 … 2.46 in every textbook."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = t_interval([b - a for a, b in zip(first, second, strict=True)])
    assert found is not None
    assert (round(found.low, 2), round(found.high, 2)) == (0.70, 2.46)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [20, 32, 100])
def test_bca_is_that_of_scipy(seed: int, n: int) -> None:
    values = drawn(seed, n)
    found = stats.bootstrap((np.array(values),), np.mean, method="BCa", n_resamples=20_000, rng=1)
    ours = bca_interval(values)
    assert ours is not None
    width = ours.high - ours.low
    assert ours == pytest.approx(tuple(found.confidence_interval), abs=0.08 * width)


def test_the_bootstrap_draws_the_same_each_time() -> None:
    first = bca_interval(drawn(3))
    statistics._resamples.cache_clear()
    assert bca_interval(drawn(3)) == first


@pytest.mark.parametrize("interval", [t_interval, bca_interval, studentised_interval, mean_interval])
def test_what_never_varies_is_certain(interval: Callable[[Sequence[float]], object]) -> None:
    for value in (0.0, 0.1, -7.25, 1e9 / 3):
        assert interval([value] * 32) == pytest.approx((value, value))
    assert interval([1.0]) is None
    assert interval([]) is None


@given(numbers)
def test_intervals_are_finite_and_t_holds_the_mean(values: Sample) -> None:
    found, resampled = t_interval(values), bca_interval(values)
    assert found is not None and resampled is not None
    slack = 1e-9 * max(map(abs, values))
    assert found.low - slack <= math.fsum(values) / len(values) <= found.high + slack
    assert min(values) - slack <= resampled.low <= resampled.high <= max(values) + slack


@pytest.mark.parametrize("n", [16, 32, 100])
def test_the_studentised_bootstrap_is_the_obvious_one(n: int) -> None:
    """Resample by resample: the distance of its mean in its own standard errors."""
    values, rng = drawn(4, n), np.random.default_rng(9)
    mean, error = np.mean(values), stats.sem(values)
    again = rng.choice(values, (20_000, n))
    distances = (again.mean(axis=1) - mean) / (again.std(axis=1, ddof=1) / math.sqrt(n))
    high, low = np.quantile(distances, [0.025, 0.975])
    ours = studentised_interval(values)
    assert ours is not None
    assert ours == pytest.approx((mean - low * error, mean - high * error), abs=0.1 * (ours.high - ours.low))


@pytest.mark.parametrize("interval", [t_interval, bca_interval, studentised_interval, mean_interval])
def test_intervals_move_with_the_values(interval: Callable[[Sequence[float]], tuple[float, float]]) -> None:
    for seed, scale, shift in ((1, 3.0, 0.0), (2, 0.01, 5.0), (3, 1e6, -1e6)):
        values = drawn(seed)
        expected = [scale * end + shift for end in interval(values)]
        assert interval([scale * value + shift for value in values]) == pytest.approx(expected, rel=1e-6)


def test_very_many_values_are_not_resampled() -> None:
    values = drawn(1, statistics.MOST_RESAMPLED + 1)
    assert bca_interval(values) == t_interval(values)


def test_a_skewed_sample_reaches_as_far_as_any_of_the_three() -> None:
    values = drawn(1)
    assert skewness(values) > statistics.SKEWED
    found, straight = mean_interval(values), t_interval(values)
    each = [straight, bca_interval(values), studentised_interval(values)]
    assert found is not None and straight is not None
    assert found.low <= min(interval.low for interval in each if interval is not None)
    assert found.high >= max(interval.high for interval in each if interval is not None)
    assert found.low == straight.low and found.high > straight.high, "the tail is above"


def test_odd_runs_do_not_make_an_interval_endless() -> None:
    """Resamples without the two odd runs hardly vary, which says nothing of the mean."""
    values = [22 + i / 1000 for i in range(30)] + [30.0] * 2
    found, straight, wild = mean_interval(values), t_interval(values), studentised_interval(values)
    assert found is not None and straight is not None and wild is not None
    assert wild.high - wild.low > 10 * (straight.high - straight.low)
    assert found.high - found.low < 2 * (straight.high - straight.low)


def test_a_sample_that_is_not_skewed_has_the_interval_of_t() -> None:
    values = np.random.default_rng(2).normal(size=32).tolist()
    assert abs(skewness(values)) <= statistics.SKEWED
    assert mean_interval(values) == t_interval(values)


COVERAGE: list[tuple[str, Callable[[np.random.Generator, int], np.ndarray], float]] = [
    ("normal", lambda rng, n: rng.normal(3, 2, n), 3.0),
    ("uniform", lambda rng, n: rng.random(n), 0.5),
    ("Poisson of 3", lambda rng, n: rng.poisson(3, n).astype(float), 3.0),
    ("exponential", lambda rng, n: rng.exponential(1, n), 1.0),
    ("lognormal, σ = 0.5", lambda rng, n: rng.lognormal(0, 0.5, n), math.exp(0.125)),
    ("lognormal, σ = 1", lambda rng, n: rng.lognormal(0, 1, n), math.exp(0.5)),
    ("half are 0", lambda rng, n: rng.exponential(1, n) * (rng.random(n) < 0.5), 0.5),
    ("a difference", lambda rng, n: rng.lognormal(0, 1, n) - rng.exponential(1, n), math.exp(0.5) - 1),
]


@pytest.mark.parametrize(("name", "draw", "mean"), COVERAGE, ids=[row[0] for row in COVERAGE])
def test_intervals_of_32_seeds_cover(
    name: str, draw: Callable[[np.random.Generator, int], np.ndarray], mean: float
) -> None:
    """1,500 samples with a known mean: the 95 % interval holds it in 93–97 %, and chance moves that by 1."""
    rng = np.random.default_rng(7)
    samples = [draw(rng, 32).tolist() for _ in range(1500)]
    found = [mean_interval(sample) for sample in samples if enough(sample)]
    covered = sum(i is not None and i.low <= mean <= i.high for i in found) / len(found)
    assert len(found) > 1400
    assert 0.92 <= covered <= 0.98


def test_rare_events_are_too_few_where_they_would_not_cover() -> None:
    """One value in ten is not zero: what is let through covers, and what would not is mostly refused."""
    rng = np.random.default_rng(11)
    samples = [(rng.exponential(1, 64) * (rng.random(64) < 0.1)).tolist() for _ in range(1500)]
    told = [mean_interval(sample) for sample in samples if enough(sample)]
    assert 0.1 < len(told) / len(samples) < 0.5
    assert sum(i is not None and i.low <= 0.1 <= i.high for i in told) / len(told) > 0.93
    thirty_two = [(rng.exponential(1, 32) * (rng.random(32) < 0.1)).tolist() for _ in range(1000)]
    assert sum(map(enough, thirty_two)) / 1000 < 0.05


def test_too_few_seeds() -> None:
    assert not enough([float(i) for i in range(15)])
    assert enough([float(i) for i in range(16)])
    assert enough([0.0] * 16), "what never varies needs no interval"
    assert not enough([0.0] * 28 + [5.0] * 4)
    assert enough([0.0] * 24 + [5.0] * 8)
    assert not enough([22 + i / 1000 for i in range(30)] + [37.0] * 2), "almost one number is one number"
    assert enough([22 + i / 1000 for i in range(24)] + [37.0] * 8)
    assert enough([15.0] * 28 + [14.0] * 4), "rare, but hardly different"
    assert not enough([])


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 32), (31, 32), (32, 32), (5, 20), (37, 12_345)])
def test_wilson_is_that_of_scipy(k: int, n: int, confidence: float) -> None:
    found = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx((found.low, found.high), rel=1e-9, abs=1e-12)


def test_wilson_of_a_printed_example() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I: 81/263 → 0.2553 … 0.3662; 0/20 → 0 … 0.1611."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(0, 0) is None


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 32), (31, 32), (32, 32), (5, 20), (37, 12_345)])
def test_the_exact_interval_of_a_share_is_that_of_scipy(k: int, n: int, confidence: float) -> None:
    found = stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    assert clopper_pearson(k, n, confidence) == pytest.approx((found.low, found.high), rel=1e-9, abs=1e-12)
    assert clopper_pearson(0, 0) is None


def test_clusters_count_as_fewer_requests() -> None:
    assert clopper_pearson(100, 1000, design_effect=10) == pytest.approx(clopper_pearson(10, 100))


def test_prediction_needs_19_runs() -> None:
    assert prediction([float(i) for i in range(18)]) is None
    assert prediction([float(i) for i in range(19)]) == (0.0, 18.0)
    assert prediction([float(i) for i in range(38)]) == (0.0, 37.0)
    assert prediction([float(i) for i in range(39)]) == (1.0, 37.0)


@pytest.mark.parametrize("n", [19, 32, 100])
def test_one_more_run_falls_into_the_prediction_nine_times_in_ten(n: int) -> None:
    rng = np.random.default_rng(5)
    runs = np.sort(rng.lognormal(0, 1, (20_000, n)), axis=1)
    one_more = rng.lognormal(0, 1, 20_000)
    spans = [prediction(row.tolist()) for row in runs[:1]]
    rank = runs[0].tolist().index(spans[0].low) if spans[0] else 0
    covered = ((runs[:, rank] <= one_more) & (one_more <= runs[:, n - 1 - rank])).mean()
    assert 0.9 - 0.006 <= covered <= 0.96


def test_prediction_knows_what_was_not_reached() -> None:
    assert prediction([1.0] * 18 + [math.inf]) == (1.0, math.inf)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.sampled_from([0.05, 0.5, 0.95]))
def test_percentiles_are_values_and_those_of_numpy(values: Sample, share: float) -> None:
    assert percentile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_percentiles_among_the_unreached_are_unknown() -> None:
    values = [1.0, 2.0, 3.0, math.inf]
    assert percentile(values, 0.5) == 2.0
    assert percentile(values, 0.95) is None
    assert percentile([], 0.5) is None


def test_the_restricted_mean_never_forgets_those_that_were_not_reached() -> None:
    assert restricted_mean([10.0, 20.0], [300.0]) == 110
    assert restricted_mean([], [300.0, 200.0]) == 250
    assert restricted_mean([], []) is None


def test_skewness_is_that_of_scipy() -> None:
    assert skewness(drawn(2)) == pytest.approx(float(stats.skew(drawn(2))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert skewness([4.0] * 10) == 0
        assert skewness([]) == 0


def test_scipy_stats_is_not_loaded_for_it() -> None:
    """It takes half a second to import; special functions give the same."""
    code = "import sys, reports.statistics; sys.exit('scipy.stats' in sys.modules)"
    root = Path(statistics.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
