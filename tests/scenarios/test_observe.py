"""What a guard's window holds: these seconds, this version, as that vantage counts it."""

import numpy as np
import pytest

from scenarios.observe import window
from scenarios.tally import BUCKETS, CANDIDATE, NOBODY, STABLE, Grid, Status, Tally, bucket
from scenarios.world import Guard

GRID = Grid(-10, 100, 3)
SHARE = Guard(metric="failure_share", limit="1%", window="10s")
ALL = Guard(metric="failure_share", of="all", limit="1%", window="10s")


def tally(*booked: tuple[int, int, Status, int]) -> Tally:
    """A tally with so many outcomes in a second, of a version."""
    empty = Tally.empty(GRID, 1)
    for second, version, status, count in booked:
        empty.counts[second - GRID.start, version, status] += count
    return empty


def test_a_window_ends_before_its_last_second_and_begins_with_its_first() -> None:
    counted = tally(
        (9, CANDIDATE, Status.OK, 1), (10, CANDIDATE, Status.OK, 10), (19, CANDIDATE, Status.OK, 100)
    )
    assert window(counted, SHARE, "client", 20).subject.requests == 110
    assert window(counted, SHARE, "client", 19).subject.requests == 11
    assert window(counted, SHARE, "client", 20).taken_at == 20


def test_the_first_windows_reach_no_further_back_than_the_settling() -> None:
    counted = tally((-10, STABLE, Status.OK, 7))
    long = Guard(metric="failure_share", limit="1%", window="1m")
    assert window(counted, long, "client", 0).stable.requests == 7
    assert window(counted, long, "client", 5).stable.requests == 7


EVERY = tuple((5, CANDIDATE, status, 10**status) for status in Status)


@pytest.mark.parametrize(
    ("vantage", "requests", "failures"),
    [
        ("client", 1_111_111, 1_111_110),
        # the edge sees no failure in a client that went away
        ("edge", 1_111_011, 1_111_010),
        # a server answers with errors and rejections; what it never answered is not there
        ("server", 1_011, 1_010),
    ],
)
def test_what_each_vantage_counts(vantage: str, requests: int, failures: int) -> None:
    seen = window(tally(*EVERY), SHARE, vantage, 10).subject
    assert (seen.requests, seen.failures) == (requests, failures)


def test_of_candidate_and_of_all() -> None:
    counted = tally(
        (5, STABLE, Status.OK, 1), (5, CANDIDATE, Status.OK, 10), (5, NOBODY, Status.REFUSED, 100)
    )
    assert window(counted, SHARE, "client", 10).subject.requests == 10
    everybody = window(counted, ALL, "client", 10)
    assert (everybody.subject.requests, everybody.subject.failures) == (111, 100)
    assert everybody.stable.requests == 1


@pytest.mark.parametrize(("metric", "seconds"), [("latency_p50", 0.1), ("latency_p99", 0.8)])
def test_a_latency_is_that_of_the_judged_version_alone(metric: str, seconds: float) -> None:
    counted = tally((5, CANDIDATE, Status.OK, 100), (5, STABLE, Status.OK, 100))
    histogram = np.zeros(BUCKETS, np.uint32)
    histogram[int(bucket(0.1))], histogram[int(bucket(0.8))] = 98, 2
    counted.latency[15, CANDIDATE] = histogram
    counted.latency[15, STABLE, int(bucket(0.02))] = 100
    guard = Guard.model_validate({"metric": metric, "limit": "1s", "window": "10s"})
    seen = window(counted, guard, "client", 10)
    assert seen.subject.quantile == pytest.approx(seconds, rel=0.01)
    assert seen.stable.quantile == pytest.approx(0.02, rel=0.01)


def test_where_nobody_was_answered_there_is_no_latency() -> None:
    guard = Guard(metric="latency_p99", limit="1s", window="10s")
    seen = window(tally((5, CANDIDATE, Status.REFUSED, 50)), guard, "client", 10).subject
    assert (seen.requests, seen.quantile) == (50, None)


def test_answers_to_copies_are_the_candidate_s_for_guards_and_nobody_s_for_the_whole() -> None:
    copied = Tally.with_tries(GRID, 1, mirrored=True)
    assert copied.mirrored is not None
    assert copied.mirrored_latency is not None
    copied.mirrored[15 - GRID.start, [Status.OK, Status.ERROR]] = 90, 10
    copied.mirrored_latency[(15 - GRID.start) // GRID.step, bucket(0.2)] = 100
    copied.counts[15 - GRID.start, STABLE, Status.OK] = 500
    seen = window(copied, SHARE, "client", 20)
    assert (seen.subject.requests, seen.subject.failures, seen.stable.requests) == (100, 10, 500)
    assert window(copied, ALL, "client", 20).subject.requests == 500
    slow = Guard(metric="latency_p50", limit="100ms", window="10s")
    assert window(copied, slow, "client", 20).subject.quantile == pytest.approx(0.2, rel=0.01)


@pytest.mark.parametrize(("vantage", "requests"), [("client", 10), ("edge", 14), ("server", 14)])
def test_clients_count_requests_the_edge_and_servers_count_tries(vantage: str, requests: int) -> None:
    tried = Tally.with_tries(GRID, 1)
    assert tried.tries is not None
    tried.counts[15 - GRID.start, CANDIDATE, Status.OK] = 10
    tried.tries[15 - GRID.start, CANDIDATE, [Status.OK, Status.ERROR]] = 10, 4
    assert window(tried, SHARE, vantage, 20).subject.requests == requests


def test_what_nobody_answers_once_the_candidate_has_long_been_alone_is_the_candidates() -> None:
    seen = tally(
        *((second, STABLE, Status.OK, 10) for second in range(15)),
        *((second, NOBODY, Status.REFUSED, 7) for second in range(5, 15)),  # beside stable: nobody's
        *((second, CANDIDATE, Status.OK, 10) for second in range(14, 35)),
        *((second, NOBODY, Status.REFUSED, 2) for second in range(15, 18)),  # to a stable pod that is gone
        *((second, NOBODY, Status.REFUSED, 10) for second in range(35, 40)),  # its processes have died
    )
    found = {end: window(seen, SHARE, "client", end).subject for end in (20, 30, 40)}
    assert [(s.requests, s.failures) for s in found.values()] == [(60, 0), (100, 0), (50 + 50, 50)]
    assert window(seen, SHARE, "server", 40).subject.failures == 0


def test_an_outage_before_the_candidate_ever_answered_is_nobodys() -> None:
    seen = tally(*((second, NOBODY, Status.REFUSED, 3) for second in range(20)))
    assert window(seen, SHARE, "client", 20).subject.requests == 0
