"""When a measured mean is said to be as predicted: the rule's parts, and how often it errs."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st

from reports.nearness import FEWEST, Nearness, chance, endings, fisher, near

SEEDS, REPEATS, TIMES = 32, 5, 400
DRAWS = {
    "normal, spread 10 %": lambda r, n: r.normal(100, 10, n),
    "normal, spread 30 %": lambda r, n: r.normal(100, 30, n),
    "lognormal, σ = 0.5": lambda r, n: r.lognormal(0, 0.5, n),
    "lognormal, σ = 1": lambda r, n: r.lognormal(0, 1, n),
    "exponential": lambda r, n: r.exponential(1, n),
    "Poisson, mean 3": lambda r, n: r.poisson(3, n).astype(float),
    "Poisson, mean 0.5": lambda r, n: r.poisson(0.5, n).astype(float),
    "one in ten far off": lambda r, n: np.where(r.random(n) < 0.1, 300.0, 1.0 + r.normal(0, 0.1, n)),
    "either of two": lambda r, n: np.where(r.random(n) < 0.5, 100.0, 200.0),
}


# --- how often it errs --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("repeats", [5, 12])
def test_chance_holds_the_difference_of_equal_means_in_nine_of_ten(name, repeats):
    random = np.random.default_rng(4)
    held = 0
    for _ in range(TIMES):
        simulated, live = DRAWS[name](random, SEEDS), DRAWS[name](random, repeats)
        reach = chance(simulated.tolist(), live.tolist())
        held += -reach.below <= live.mean() - simulated.mean() <= reach.above
    assert held / TIMES >= 0.9 - 1.64 * math.sqrt(0.09 / TIMES)


def test_it_holds_where_the_cluster_varies_more_than_the_simulation():
    random, held = np.random.default_rng(5), 0
    for _ in range(TIMES):
        simulated, live = random.normal(100, 2, SEEDS), random.normal(100, 12, REPEATS)
        reach = chance(simulated.tolist(), live.tolist())
        held += abs(live.mean() - simulated.mean()) <= reach.half
    assert held / TIMES >= 0.9 - 1.64 * math.sqrt(0.09 / TIMES)


def test_nothing_but_equal_values_varies_by_nothing():
    assert chance([3.0] * SEEDS, [3.0] * REPEATS).half == 0


@pytest.mark.parametrize("name", DRAWS)
def test_what_is_as_predicted_is_rarely_said_to_differ(name):
    assert _said(name, 1.0).get(Nearness.DIFFERS, 0) <= 0.1 + 1.64 * math.sqrt(0.09 / TIMES)


def test_what_is_as_predicted_and_hardly_varies_agrees():
    assert _said("normal, spread 10 %", 1.0)[Nearness.AGREES] >= 0.9


def test_a_shift_of_30_percent_is_found_as_often_as_the_power_says():
    random = np.random.default_rng(7)
    for spread, repeats in ((10, 5), (20, 5), (20, 12), (30, 12)):
        found, told = 0, []
        for _ in range(TIMES):
            simulated = random.normal(100, spread, SEEDS).tolist()
            one = near(simulated, (random.normal(130, spread, repeats)).tolist(), 0.1, 0.0)
            found += one.nearness is Nearness.DIFFERS
            told.append(one.power)
        assert np.mean(told) == pytest.approx(found / TIMES, abs=0.1), (spread, repeats)


def _said(name, shift):
    random, said = np.random.default_rng(6), {}
    for _ in range(TIMES):
        simulated, live = DRAWS[name](random, SEEDS), shift * DRAWS[name](random, REPEATS)
        word = near(simulated.tolist(), live.tolist(), 0.1, 0.0).nearness
        said[word] = said.get(word, 0) + 1 / TIMES
    return said


# --- the rule -----------------------------------------------------------------------------------------

TIGHT = [100.0 + 0.1 * (i % 5 - 2) for i in range(SEEDS)]
WIDE = [100.0 + 40.0 * (i % 5 - 2) for i in range(SEEDS)]


@pytest.mark.parametrize(
    ("simulated", "live", "margin", "floor", "said"),
    [
        (TIGHT, [104.0] * 5, 0.10, 0, Nearness.AGREES),  # within the margin
        (TIGHT, [104.0] * 5, 0.01, 0, Nearness.DIFFERS),  # beyond it, and beyond chance
        (TIGHT, [104.0] * 5, 0.01, 5, Nearness.AGREES),  # below the floor
        (TIGHT, [96.0] * 5, 0.01, 0, Nearness.DIFFERS),  # the other way
        (TIGHT, [104.0] * 4, 0.10, 0, Nearness.TOO_FEW),  # four repeats never say anything
        (TIGHT, [904.0] * 4, 0.10, 0, Nearness.TOO_FEW),
        (WIDE, [100.0, 60.0, 140.0, 180.0, 20.0], 0.10, 0, Nearness.TOO_FEW),  # equal, but by luck
        (WIDE, [100.0, 60.0, 140.0, 180.0, 20.0], 0.90, 0, Nearness.TOO_FEW),  # whatever the margin
        (WIDE, [100.0, 60.0, 140.0, 180.0, 20.0], 0.10, 80, Nearness.AGREES),  # nobody cares so much
        (WIDE, [400.0, 360.0, 440.0, 380.0, 420.0], 0.10, 0, Nearness.DIFFERS),  # far, though wide
        ([0.0] * SEEDS, [0.0] * 5, 0.1, 1, Nearness.AGREES),
        ([0.0] * SEEDS, [0.0, 0.0, 0.0, 1.0, 0.0], 0.1, 1, Nearness.AGREES),  # less than one a run
        ([0.0] * SEEDS, [9.0, 8.0, 7.0, 9.0, 8.0], 0.1, 1, Nearness.DIFFERS),
        ([-10.0] * SEEDS, [-10.5] * 5, 0.1, 0, Nearness.AGREES),  # of negative figures too
    ],
)
def test_the_rule(simulated, live, margin, floor, said):
    assert near(simulated, live, margin, floor).nearness is said


def test_so_many_repeats_as_it_asks_for_do():
    random = np.random.default_rng(8)
    simulated = random.normal(100, 45, 400)
    few = near(simulated.tolist(), random.choice(simulated, 5).tolist(), 0.1, 0.0)
    assert few.nearness is Nearness.TOO_FEW
    enough = [
        near(simulated.tolist(), random.choice(simulated, few.repeats + 2).tolist(), 0.1, 0.0).chance.half
        for _ in range(60)
    ]
    assert np.median(enough) <= 25 * 1.1


def test_no_number_of_repeats_makes_up_for_too_few_seeds():
    assert near([0.0, 0.0, 900.0], [300.0] * 5, 0.1, 0.0).repeats is None


@pytest.mark.parametrize(("simulated", "live"), [([1.0], [1.0]), ([1.0, 2.0], [])])
def test_nothing_can_be_said_of_nothing(simulated, live):
    with pytest.raises(ValueError, match="two simulated values or more"):
        near(simulated, live, 0.1, 0.0)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12),
)
@example([0.0, 0.0], [0.0, 1.8e-122])
def test_it_says_one_thing_and_never_agrees_on_too_little(simulated, live):
    found = near(simulated, live, 0.1, 1.0)
    assert found.chance.below >= 0
    assert found.chance.above >= 0
    if found.nearness is Nearness.AGREES:
        assert len(live) >= FEWEST
        assert found.chance.half <= found.widest
        assert abs(found.difference) <= max(found.chance.below, found.chance.above, found.allowed)


# --- how runs end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("simulated", "live", "said"),
    [
        (["promoted"] * 32, ["promoted"] * 5, Nearness.AGREES),
        (["promoted"] * 32, ["rolled_back"] * 5, Nearness.DIFFERS),
        (["promoted"] * 32, ["promoted"] * 3 + ["rolled_back"] * 2, Nearness.DIFFERS),
        (["promoted"] * 16 + ["rolled_back"] * 16, ["promoted"] * 3 + ["rolled_back"] * 2, Nearness.TOO_FEW),
        (["promoted"] * 160 + ["stuck"] * 160, ["promoted"] * 30 + ["stuck"] * 30, Nearness.AGREES),
        (["promoted"] * 32, ["promoted"] * 4, Nearness.TOO_FEW),
    ],
)
def test_how_runs_end(simulated, live, said):
    assert endings(simulated, live).nearness is said


def test_runs_that_end_alike_are_rarely_said_to_differ():
    random = np.random.default_rng(9)
    for shares in ((0.5, 0.5), (0.9, 0.1), (0.6, 0.3, 0.1)):
        names = np.array(["promoted", "rolled_back", "stuck"])[: len(shares)]
        wrong = sum(
            endings(
                random.choice(names, SEEDS, p=shares).tolist(), random.choice(names, 8, p=shares).tolist()
            ).nearness
            is Nearness.DIFFERS
            for _ in range(TIMES)
        )
        assert wrong / TIMES <= 0.1


@given(st.integers(0, 12), st.integers(1, 12), st.integers(0, 40), st.integers(1, 40))
def test_fishers_test_is_fishers(a, n, b, m):
    a, b = min(a, n), min(b, m)
    expected = scipy.stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
    assert fisher(a, n, b, m) == pytest.approx(expected, abs=1e-9)
