"""The confidence sequence holds at every look, and the exact test's regions and power are the binomial's."""

import math
from itertools import pairwise

import numpy as np
import pytest

from scenarios.binomial import exact
from scenarios.sequential import Prior, anytime, around, log_evidence, power, rejected

ALPHA = 0.05


def binomial(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_true_share_is_never_left_out_in_95_of_100(share: float) -> None:
    """By simulation of 400 sequences, each looked at after every one of 120 answers."""
    rng, prior, n = np.random.default_rng(7), around(0.1, 0.05), np.arange(1, 121)
    left_out = 0
    for _ in range(400):
        hits = np.cumsum(rng.random(120) < share)
        left_out += any(
            log_evidence(share, h, k, prior) >= -math.log(ALPHA) for h, k in zip(hits, n, strict=True)
        )
    assert left_out <= 0.05 * 400


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_evidence_against_the_truth_is_a_martingale(share: float) -> None:
    """Worked out: the mean over the next answer is the value before it."""
    prior = Prior(2.5, 7)
    for hits, of in [(0, 0), (1, 3), (5, 9), (0, 20)]:
        now = math.exp(log_evidence(share, hits, of, prior))
        hit = math.exp(log_evidence(share, hits + 1, of + 1, prior))
        miss = math.exp(log_evidence(share, hits, of + 1, prior))
        assert share * hit + (1 - share) * miss == pytest.approx(now, rel=1e-9)


def test_the_whole_tree_of_answers_crosses_with_5_per_cent_at_most() -> None:
    """Exactly, by dynamic programming over the counts of 60 answers: no chance is involved."""
    share, prior = 0.3, around(0.3, 0.2)
    alive = {0: 1.0}
    for n in range(1, 61):
        after: dict[int, float] = {}
        for hits, chance in alive.items():
            after[hits + 1] = after.get(hits + 1, 0.0) + chance * share
            after[hits] = after.get(hits, 0.0) + chance * (1 - share)
        alive = {h: c for h, c in after.items() if log_evidence(share, h, n, prior) < -math.log(ALPHA)}
    assert 0.95 <= sum(alive.values()) < 1


def test_an_interval_holds_just_what_there_is_little_evidence_against() -> None:
    prior = around(0.1, 0.05)
    for hits, of in [(0, 50), (7, 50), (50, 50), (3.5, 40.25)]:
        low, high = anytime(hits, of, ALPHA, prior)
        for share in np.linspace(0, 1, 401):
            if min(abs(share - low), abs(share - high)) > 1e-6:
                held = log_evidence(float(share), hits, of, prior) < -math.log(ALPHA)
                assert held == (low < share < high or share in (low, high))


def test_nothing_seen_says_nothing_and_one_answer_refutes_never() -> None:
    assert anytime(0, 0, ALPHA, Prior(1, 1)) == (0.0, 1.0)
    assert log_evidence(0.0, 1, 100, Prior(1, 1)) == math.inf
    assert log_evidence(1.0, 99, 100, Prior(1, 1)) == math.inf


def test_more_answers_make_a_narrower_interval() -> None:
    widths = [np.ptp(anytime(n / 10, n, ALPHA, around(0.1, 0.05))) for n in (50, 100, 200, 400, 800)]
    assert all(a > b for a, b in pairwise(widths))


@pytest.mark.parametrize(("expected", "n"), [(0.1, 10), (0.1, 100), (0.5, 30), (0.01, 50), (0.9, 40)])
def test_the_test_rejects_where_the_exact_interval_leaves_the_share_out(expected: float, n: int) -> None:
    low, high = rejected(expected, n, ALPHA)
    for k in range(n + 1):
        interval = exact(k, n, 1 - ALPHA)
        assert (k <= low or k >= high) == (not interval[0] <= expected <= interval[1])


@pytest.mark.parametrize(
    ("expected", "actual", "n"), [(0.1, 0.15, 100), (0.5, 0.3, 60), (0.1, 0.1, 200), (0, 0.2, 9)]
)
def test_power_is_the_sum_over_the_region(expected: float, actual: float, n: int) -> None:
    low, high = rejected(expected, n, ALPHA)
    region = [k for k in range(n + 1) if k <= low or k >= high]
    assert power(expected, actual, n, ALPHA) == pytest.approx(sum(binomial(k, n, actual) for k in region))
    if expected == actual:
        assert power(expected, actual, n, ALPHA) <= ALPHA
