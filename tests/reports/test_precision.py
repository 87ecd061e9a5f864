"""How many seeds are enough: intervals within a share of their figure, or within what matters at all."""

import math
from collections.abc import Callable

import pytest

from reports.figures import FIGURES, Figure, Measured, Missing, Value
from reports.precision import Trials, Vague, floor, vague
from scenarios.release import Verdict
from scenarios.scenario import CONTROL, Scenario

NONE = Missing("not applicable")


def wave(seed: int) -> float:
    """1 and −1 in turn: of n seeds, an even number, the deviation is √(n/(n − 1))."""
    return 1.0 if seed % 2 else -1.0


def trials(seeds: int, key: str, of: Callable[[int], Figure]) -> list[Trials]:
    """One strategy with one candidate, and an arm that must not count."""
    nothing = dict.fromkeys(FIGURES, NONE)

    def seed_of(seed: int) -> Trials:
        tried, arm = nothing | {key: of(seed)}, nothing | {key: Value(1e9 * wave(seed))}
        return {
            ("rolling", "worse"): Measured("rolling", "worse", seed, Verdict.PROMOTED, True, tried),
            (CONTROL, None): Measured(CONTROL, None, seed, None, False, arm),
        }

    return [seed_of(seed) for seed in range(seeds)]


def half_width(seeds: int, deviation: float) -> float:
    """Student's t by its printed quantiles, 2.0395 with 31 degrees of freedom and 1.9983 with 63."""
    return {32: 2.0395, 64: 1.9983}[seeds] * deviation / math.sqrt(seeds - 1)


@pytest.mark.parametrize(("seeds", "enough"), [(32, False), (64, True)])
def test_seeds_are_enough_when_half_the_interval_is_within_the_share(
    made_scenario: Scenario, seeds: int, enough: bool
) -> None:
    """A mean of 1,000 and a deviation of 150 is known to 54.9 by 32 seeds and to 37.8 by 64; 50 is asked."""
    found = vague(made_scenario, trials(seeds, "capacity_loss", lambda s: Value(1000 + 150 * wave(s))), 0.05)
    if enough:
        assert found == ()
    else:
        half = pytest.approx(half_width(32, 150), rel=1e-3)
        assert found == (Vague("rolling", "worse", "capacity_loss", half, 50.0),)


def test_what_is_below_the_floor_is_precise_enough(made_scenario: Scenario) -> None:
    """A service of ten pods: a figure around 0 need not be known better than to 10 pod-seconds."""
    assert floor(made_scenario, "capacity_loss") == 10
    assert vague(made_scenario, trials(32, "capacity_loss", lambda s: Value(20 * wave(s))), 0.05) == ()
    (one,) = vague(made_scenario, trials(32, "capacity_loss", lambda s: Value(40 * wave(s))), 0.05)
    assert one.wanted == 10


def test_floors_are_of_the_traffic_and_the_unit(made_scenario: Scenario) -> None:
    assert floor(made_scenario, "blast_requests_exact") == pytest.approx(1e-5 * 200 * 900)
    assert floor(made_scenario, "blast_users_exact") == pytest.approx(1e-4 * 10_000)
    assert floor(made_scenario, "worst_capacity") == 0.005
    assert floor(made_scenario, "rollback_time") == 1.0


def test_a_figure_without_an_interval_is_not_asked_about(made_scenario: Scenario) -> None:
    rare = trials(32, "time_to_detect", lambda s: Value(1000.0 * s) if s < 5 else NONE)
    assert vague(made_scenario, rare, 0.05) == ()


def test_figures_that_are_no_headline_do_not_count(made_scenario: Scenario) -> None:
    assert vague(made_scenario, trials(32, "flips", lambda s: Value(100 * wave(s))), 0.05) == ()
