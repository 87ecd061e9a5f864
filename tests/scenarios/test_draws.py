"""Draws and distributions: fixed words, independent streams and fields, tables true to their distribution."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios import draws
from scenarios.distributions import Constant, Exponential, LogNormal
from scenarios.draws import Purpose

DISTRIBUTIONS = [
    Constant(0.3), Exponential(2.0), LogNormal.of(mean=0.05, cv=1.0), LogNormal.of(median=1.0, p99=30.0),
    LogNormal(0.0, 0.0),
]  # fmt: skip
MANY = np.arange(-500_000, 500_000)


def test_words_never_change() -> None:
    stream = draws.stream(7, Purpose.DEMAND)
    assert (stream.key, stream.step) == (18279110831140952437, 10100442772938007519)
    assert draws.words(stream, [-1, 0, 1]).tolist() == [
        1508710689182791880, 5931147753604136443, 6846052218686517892,
    ]  # fmt: skip


@given(st.integers(0, 2**63), st.sampled_from(Purpose), st.integers(-(2**62), 2**62))
def test_one_draw_equals_its_word(seed: int, purpose: Purpose, index: int) -> None:
    stream = draws.stream(seed, purpose)
    assert stream.step % 2 == 1
    assert draws.u(seed, purpose, index) == draws.uniform(draws.words(stream, [index]))[0]


def test_draws_of_several_keys_differ() -> None:
    values = {draws.u(1, Purpose.ENDPOINTS, node, pod) for node in range(100) for pod in range(100)}
    assert len(values) == 10_000
    assert stats.kstest(sorted(values), "uniform").pvalue > 0.001


def fields() -> dict[str, np.ndarray]:
    words = {
        p: draws.words(draws.stream(3, p), MANY)
        for p in (Purpose.ARRIVAL, Purpose.DEMAND, Purpose.CHOICE, Purpose.USER)
    }
    return {
        "gap": draws.uniform(words[Purpose.ARRIVAL]),
        "demand": draws.uniform(words[Purpose.DEMAND]),
        "proxy": draws.proxy_field(words[Purpose.DEMAND]) / 2.0**11,
        "error": draws.error_field(words[Purpose.CHOICE]),
        "backend": draws.backend_field(words[Purpose.CHOICE]),
        "user": draws.user_field(words[Purpose.USER]),
        "pick": draws.pick_field(words[Purpose.USER]) / 2.0**24,
        "again": draws.pick_field(draws.again(draws.pick_field(words[Purpose.USER]), 1)) / 2.0**24,
    }


def test_every_field_is_uniform_and_every_two_are_independent() -> None:
    """χ² over 32 cells, and over 16 × 16 cells of each pair, also of a request and the next."""
    cells = {name: (values * 32).astype(int) for name, values in fields().items()}
    expected = len(MANY)
    worst = 1.0
    for name, cell in cells.items():
        worst = min(worst, stats.chisquare(np.bincount(cell, minlength=32)).pvalue)
        for other, shift in [(o, s) for o in cells for s in (0, 1) if o < name or (s and o == name)]:
            pair = np.bincount((cell >> 1) * 16 + (np.roll(cells[other], shift) >> 1), minlength=256)
            assert pair.sum() == expected
            worst = min(worst, stats.chisquare(pair).pvalue)
    assert worst > 1e-5  # of about 70 tests


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_a_table_has_the_mean_and_the_quantiles(distribution: Constant | Exponential | LogNormal) -> None:
    table = draws.table(distribution)
    assert draws.table_mean(table) == pytest.approx(distribution.mean(), rel=1e-12)
    shares = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999])
    assert draws.quantile(table, shares) == pytest.approx(distribution.quantile(shares), rel=2e-3)
    top = np.array([0.0, np.nextafter(1, 0)])
    assert np.all(np.isfinite(draws.quantile(table, top)))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS[1:3], ids=str)
def test_a_table_has_the_standard_deviation(distribution: Exponential | LogNormal) -> None:
    table = draws.table(distribution)
    nodes = [(table[k], table[k + 1], 1 / draws.CELLS) for k in range(draws.CELLS - 1)]
    nodes += [
        (table[k], table[k + 1], draws.CELLS**-2.0) for k in range(draws.CELLS + 1, 2 * draws.CELLS + 1)
    ]
    square = sum(weight * (a * a + a * b + b * b) / 3 for a, b, weight in nodes)
    deviation = math.sqrt(square - distribution.mean() ** 2)
    assert deviation == pytest.approx(distribution.mean(), rel=2e-3)  # both have cv 1


def test_the_quantile_of_a_table_grows() -> None:
    table = draws.table(LogNormal.of(mean=0.05, cv=1.0))
    shares = np.sort(np.concatenate((np.linspace(0, 1, 9999, endpoint=False), 1 - np.logspace(-12, -1, 999))))
    assert np.all(np.diff(draws.quantile(table, shares)) >= 0)


@pytest.mark.parametrize(
    "facts",
    [
        {"median": 0.05, "p95": 0.2}, {"mean": 0.05, "p99": 0.4}, {"mean": 0.05, "cv": 1.0},
        {"mean": 2.0, "median": 1.0}, {"p50": 0.1, "p99_9": 1.0}, {"median": 3.0, "cv": 0.0},
        {"p95": 1.0, "cv": 2.0}, {"mean": 1.0, "p10": 0.2},
    ],
    ids=str,
)  # fmt: skip
def test_a_lognormal_has_the_facts_it_was_made_of(facts: dict[str, float]) -> None:
    made = LogNormal.of(**facts)
    shares = {"median": 0.5, "p50": 0.5, "p10": 0.1, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
    for name, value in facts.items():
        if name == "mean":
            assert made.mean() == pytest.approx(value)
        elif name == "cv":
            assert math.sqrt(math.expm1(made.sigma**2)) == pytest.approx(value)
        else:
            assert made.quantile(np.array([shares[name]]))[0] == pytest.approx(value)


@pytest.mark.parametrize(
    "facts",
    [
        {"mean": 1.0}, {"mean": 1.0, "p99": 1000.0}, {"median": 2.0, "p95": 1.0},
        {"mean": 1.0, "median": 2.0}, {"p50": 1.0, "median": 1.0}, {"mean": -1.0, "cv": 1.0},
        {"mean": 1.0, "p0": 1.0}, {"mean": 1.0, "q9": 1.0},
        {"mean": 1.0, "cv": 1.0, "p99": 9.0}, {"mean": math.nan, "cv": 1.0}, {"mean": 1.0, "p100": 2.0},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_facts_are_refused(facts: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        LogNormal.of(**facts)


def test_an_exponential_from_one_fact() -> None:
    assert Exponential.of(mean=2.0).mean() == 2.0
    assert Exponential.of(median=1.0).mean() == pytest.approx(1 / math.log(2))
    assert Exponential.of(p99=1.0).quantile(np.array([0.99]))[0] == pytest.approx(1.0)
    with pytest.raises(ValueError):
        Exponential.of(mean=1.0, median=1.0)


def test_the_language_starts_without_heavy_libraries() -> None:
    code = "import sys, scenarios.traffic, scenarios.tally; print({'scipy', 'numba'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
