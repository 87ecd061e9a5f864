"""Rates over time: what is expected is the integral of what is said; knots do not depend on who asks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from scenarios.curves import FAR, Changing, Counts, Curve, Line, Steady, Wave, curve_of, outward

RAMP = Line(((10.0, 50.0), (20.5, 200.0)))
SPIKE = Line(((30.0, 100.0), (30.0, 500.0), (60.0, 500.0), (75.0, 100.0)))
DAY = Wave(100.0, 0.6, 14 * 3600.0, 86400.0)
TRACE = Counts((30, 0, 50, 7), 10.0)
CURVES: dict[str, Curve] = {"steady": Steady(3.0), "ramp": RAMP, "spike": SPIKE, "day": DAY, "trace": TRACE}


def ramp(t: float) -> float:
    return 50 + 150 * min(max((t - 10) / 10.5, 0), 1)


def spike(t: float) -> float:
    if 30 <= t < 60:
        return 500
    return 500 - 400 * (t - 60) / 15 if 60 <= t < 75 else 100


def day(t: float) -> float:
    return 100 * (1 + 0.6 * math.cos(2 * math.pi * (t / 86400 - 14 / 24)))


def trace(t: float) -> float:
    return 3.0 if t < 0 else (*TRACE.counts, 0)[min(int(t // 10), 4)] / 10


@pytest.mark.parametrize(("curve", "said"), [(RAMP, ramp), (SPIKE, spike), (DAY, day), (TRACE, trace)])
@pytest.mark.parametrize(("start", "end"), [(-20, 0), (0, 40), (-7, 75), (10, 31), (50, 90)])
def test_what_is_expected_is_the_integral(curve: Curve, said, start: int, end: int) -> None:
    corners = [x for x in (0, 10, 20, 20.5, 30, 40, 60, 75) if start < x < end]
    edges = [start, *corners, end]
    integral = sum(quad(said, a, b)[0] for a, b in pairwise(edges))
    tolerance = 1.0 if curve is DAY else 1e-9  # a day has steps of a minute, which this cuts
    assert curve.expected(start, end) == pytest.approx(integral, abs=tolerance, rel=1e-9)
    assert curve.mean(start, end) == pytest.approx(integral / (end - start), abs=tolerance, rel=1e-9)


@pytest.mark.parametrize(("curve", "said"), [(RAMP, ramp), (SPIKE, spike), (DAY, day), (TRACE, trace)])
def test_the_rate_at_a_time_is_what_is_said_to_a_step(curve: Curve, said) -> None:
    for t in np.arange(-50, 100, 0.25).tolist():
        steps = 2 * {RAMP: 150 / 10.5, SPIKE: 400 / 15, DAY: 0.3, TRACE: 0.0}[curve]
        assert curve.at(t) == pytest.approx(said(t), abs=steps / 2 + 1e-9)


@pytest.mark.parametrize("name", CURVES)
def test_steps_mean_and_peak_agree(name: str) -> None:
    curve = CURVES[name]
    for start, end in ((-15.0, 40.0), (0.0, 1.5), (12.0, 80.0)):
        edges, rates = curve.steps(start, end)
        assert (edges[0], edges[-1], len(edges)) == (start, end, len(rates) + 1)
        assert np.all(np.diff(edges) > 0)
        assert rates @ np.diff(edges) == pytest.approx(curve.expected(start, end))
        assert rates.max() == curve.peak(start, end)
        middles = (edges[1:] + edges[:-1]) / 2
        assert [curve.at(t) for t in middles.tolist()] == pytest.approx(rates.tolist())


def test_a_day_comes_again() -> None:
    assert DAY.at(14 * 3600.0) == pytest.approx(160, rel=1e-4)
    assert DAY.at(14 * 3600.0 - 86400) == pytest.approx(160, rel=1e-4)
    assert DAY.expected(-86400, 0) == pytest.approx(8_640_000)
    assert DAY.expected(0, 3 * 86400) == pytest.approx(3 * 8_640_000)


@pytest.mark.parametrize("name", ["ramp", "spike", "day", "trace"])
@pytest.mark.parametrize("direction", [-1, 1])
def test_knots_do_not_depend_on_how_far_is_asked(name: str, direction: int) -> None:
    curve = CURVES[name]
    near, far = outward(curve, 100.0, direction), outward(curve, 90_000.0, direction)
    size = len(near.times)
    assert size <= len(far.times)
    assert np.array_equal(near.times, far.times[:size])
    assert np.array_equal(near.totals, far.totals[:size])
    assert np.array_equal(near.pace[:-1], far.pace[: size - 1])


@pytest.mark.parametrize("name", ["ramp", "spike", "day", "trace"])
@pytest.mark.parametrize("direction", [-1, 1])
def test_knots_begin_with_0_and_grow(name: str, direction: int) -> None:
    times, totals, pace = outward(CURVES[name], 100.0, direction)
    assert times[0] == totals[0] == 0
    assert times[-1] >= 100.0 or name == "trace"
    assert np.all(np.diff(times) > 0)
    assert np.all(np.diff(totals) >= 0)
    assert np.all(pace >= 0)


rates = st.just(0.0) | st.floats(1e-12, 1e5)


@given(st.lists(st.tuples(st.floats(0, 1e6), rates), min_size=1, max_size=6))
def test_any_line_has_knots_that_grow(points: list[tuple[float, float]]) -> None:
    points.sort(key=lambda point: point[0])
    if max(rate for _, rate in points) <= 0:
        return
    for direction in (-1, 1):
        times, totals, pace = outward(Line(tuple(points)), 50.0, direction)
        assert np.all(np.diff(times) > 0)
        assert np.all(np.diff(totals) >= 0)
        assert np.all(np.isfinite(pace))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Steady(0.0), lambda: Steady(math.inf), lambda: Line(()), lambda: Line(((0.0, 0.0),)),
        lambda: Line(((5.0, 1.0), (4.0, 1.0))), lambda: Line(((-1.0, 1.0),)), lambda: Line(((0.0, -1.0),)),
        lambda: Line(((FAR, 1.0),)), lambda: Wave(0.0, 0.5, 0.0, 9.0), lambda: Wave(1.0, 1.5, 0.0, 9.0),
        lambda: Wave(1.0, 0.5, 0.0, 0.0), lambda: Counts((), 1.0), lambda: Counts((0,), 1.0),
        lambda: Counts((1, -1), 1.0), lambda: Counts((1,), 0.0),
    ],
)  # fmt: skip
def test_what_is_no_rate_cannot_be_made(make) -> None:
    with pytest.raises(ValueError):
        make()


def test_a_number_is_a_constant_rate() -> None:
    assert curve_of(5) == Steady(5.0)
    assert curve_of(DAY) is DAY


@given(st.floats(-1e6, 0), st.floats(0, 1e6))
def test_a_wave_expects_what_its_knots_say(start: float, end: float) -> None:
    assert DAY.expected(start, end) == pytest.approx(Changing.expected(DAY, start, end), rel=1e-9, abs=1e-6)
