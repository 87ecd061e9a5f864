"""The tally: each request once, in the second in which it ended; users by what happened to them first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios import tally
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Grid, Status, Tally, of_rows

GRID = Grid(-2, 10, 3, step=2)


def rows(*given: tuple[float, float, int, Status, int], grid: Grid = GRID, users: int = 3) -> Tally:
    due, end, version, status, user = (np.array(x) for x in zip(*given, strict=True))
    return of_rows(grid, users, due, end, version, status, user)


def test_a_request_is_booked_when_it_ends() -> None:
    t = rows((1.25, 3.5, STABLE, Status.TIMEOUT, 0))
    assert np.argwhere(t.counts).tolist() == [[5, STABLE, Status.TIMEOUT]]
    assert np.argwhere(t.arrivals).tolist() == [[32, STABLE]]
    assert np.argwhere(t.latency).tolist() == [[2, STABLE, int(tally.bucket(2.25))]]


def test_only_those_who_were_answered_or_gave_up_have_a_latency() -> None:
    outcomes = [(1.0, 1.5, NOBODY if s in (5, 6) else STABLE, s, 0) for s in Status]
    assert rows(*outcomes).latency.sum() == 3
    assert rows((1.0, 2.0, NOBODY, Status.TIMEOUT, 0)).latency.sum() == 0


def test_users_are_counted_once_and_not_while_settling() -> None:
    t = rows(
        (-1.0, -0.5, CANDIDATE, Status.ERROR, 0),
        (0.5, 4.5, STABLE, Status.ERROR, 0),
        (1.5, 1.75, CANDIDATE, Status.REJECTED, 0),
        (2.5, 2.5, NOBODY, Status.REFUSED, 1),
        (3.5, 3.75, CANDIDATE, Status.OK, 0),
        (4.5, 4.75, STABLE, Status.OK, 0),
    )
    assert np.flatnonzero(t.new_active).tolist() == [2, 4]
    assert np.flatnonzero(t.new_harmed).tolist() == [
        3,
        4,
    ]  # user 0 by the rejection, though it was asked later
    assert np.argwhere(t.new_met).tolist() == [[2, STABLE], [3, CANDIDATE]]
    assert np.flatnonzero(t.flips).tolist() == [3, 6]
    flags = tally.MET_STABLE | tally.MET_CANDIDATE | tally.HARMED
    assert t.users.tolist() == [4 << 8 | flags, 1 << 8 | tally.HARMED, 0]


@given(st.floats(2.0**-12, 2.0**8, exclude_max=True))
def test_a_bucket_is_within_its_error(latency: float) -> None:
    index = int(tally.bucket(latency))
    assert 0 <= index < tally.BUCKETS
    assert tally.bucket_middle(index) == pytest.approx(latency, rel=tally.RELATIVE_ERROR)


def test_the_shortest_share_a_bucket_and_the_longest_are_refused() -> None:
    assert tally.bucket([0.0, 2.0**-13, 2.0**-12]).tolist() == [0, 0, 0]
    for latency in (256.0, np.inf, np.nan, -1.0):
        with pytest.raises(ValueError, match="a latency must be in"):
            tally.bucket(latency)


@given(st.lists(st.floats(0.001, 100), min_size=1), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_a_quantile_is_that_of_the_values(values: list[float], share: float) -> None:
    histogram = np.bincount(tally.bucket(values), minlength=tally.BUCKETS)
    exact = sorted(values)[max(1, int(np.ceil(share * len(values)))) - 1]
    assert tally.quantile(histogram, share) == pytest.approx(exact, rel=tally.RELATIVE_ERROR)


def test_nothing_has_no_quantile() -> None:
    assert tally.quantile(np.zeros(tally.BUCKETS, np.int64), 0.5) is None


def test_windows() -> None:
    t = rows(
        (0.0, 1.0, STABLE, Status.OK, 0),
        (1.0, 2.0, CANDIDATE, Status.OK, 0),
        (2.0, 4.0, STABLE, Status.OK, 0),
    )
    assert t.window(1, 3).sum(axis=1).tolist() == [1, 1, 0]
    assert t.latencies(0, 4).sum() == 2
    assert t.latencies(0, 4, [CANDIDATE]).sum() == 1
    assert t.latencies(-2, GRID.end).sum() == 3
    for start, end in ((1, 4), (0, 3), (-4, 0), (0, 14), (4, 2)):
        with pytest.raises(ValueError, match="not made of bins"):
            t.latencies(start, end)


def test_merged_parts_add_up_and_keep_their_users_apart() -> None:
    one = rows((0.5, 1.0, STABLE, Status.OK, 0))
    two = rows((0.5, 1.0, STABLE, Status.ERROR, 0), (0.5, 2.0, CANDIDATE, Status.OK, 1))
    both = tally.merge([one, two])
    assert both.counts.sum() == 3
    assert both.new_active.sum() == 3
    assert both.users.tolist() == one.users.tolist() + two.users.tolist()
    for name in ("counts", "arrivals", "latency", "flips"):
        assert getattr(both, name).dtype == getattr(one, name).dtype
    with pytest.raises(ValueError, match="one grid"):
        tally.merge([one, rows((0.5, 1.0, 0, Status.OK, 0), grid=Grid(0, 5, 2))])


@pytest.mark.parametrize("parts", [(1, 5, 1, 1), (0, 0, 1, 1), (0, 5, 0, 1), (0, 5, 1, 0)])
def test_an_impossible_grid_is_refused(parts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="a grid needs"):
        Grid(*parts)


def test_the_usual_grid() -> None:
    assert Grid.of(60, 600, 1.5) == Grid(-60, 600, 3, 1)
    assert Grid.of(60, 86400, 60.0) == Grid(-60, 86400, 61, 144)
