"""A guard's three answers: pass, fail, and not enough to say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.guard import Judgement, Sample, enough, judge
from scenarios.world import Guard

PASS, FAIL, UNKNOWN = Judgement.PASS, Judgement.FAIL, Judgement.INCONCLUSIVE

LIMIT = Guard(metric="failure_share", limit="1%", min_requests=100)
VERSUS = Guard(metric="failure_share", versus="stable", margin="1%", min_requests=100)
SLOW = Guard(metric="latency_p99", limit="400ms", min_requests=100)
SLOWER = Guard(metric="latency_p99", versus="stable", margin="100ms", min_requests=100)


@pytest.mark.parametrize(
    ("requests", "failures", "judgement"),
    [
        (1000, 10, PASS),  # at the limit is not above it
        (1000, 11, FAIL),
        (1000, 0, PASS),
        (100, 2, FAIL),
        (99, 99, UNKNOWN),  # even if all of them failed
        (0, 0, UNKNOWN),
    ],
)
def test_a_share_of_failures_against_a_limit(requests: int, failures: int, judgement: Judgement) -> None:
    assert judge(LIMIT, Sample(requests, failures), None) is judgement


@pytest.mark.parametrize(
    ("failures", "stable", "judgement"),
    [
        (15, Sample(1000, 5), PASS),
        (16, Sample(1000, 5), FAIL),
        (10, Sample(100, 0), PASS),
        (900, None, UNKNOWN),  # nothing to compare with
    ],
)
def test_a_share_of_failures_against_stable(
    failures: int, stable: Sample | None, judgement: Judgement
) -> None:
    assert judge(VERSUS, Sample(1000, failures), stable) is judgement


@pytest.mark.parametrize(
    ("guard", "seconds", "stable", "judgement"),
    [
        (SLOW, 0.4, None, PASS),
        (SLOW, 0.401, None, FAIL),
        (SLOW, None, None, UNKNOWN),  # all were refused: no answer, so no latency, so no pass
        (SLOWER, 0.29, 0.2, PASS),
        (SLOWER, 0.31, 0.2, FAIL),
        (SLOWER, 0.31, None, UNKNOWN),
    ],
)
def test_a_latency(guard: Guard, seconds: float | None, stable: float | None, judgement: Judgement) -> None:
    assert judge(guard, Sample(1000, 0, seconds), Sample(1000, 0, stable)) is judgement


def test_a_limit_of_zero_lets_no_failure_pass() -> None:
    none = Guard(metric="failure_share", limit="0%", min_requests=1)
    assert judge(none, Sample(1000, 1), None) is FAIL
    assert judge(none, Sample(1000, 0), None) is PASS


@given(st.integers(0, 10_000), st.data())
def test_too_little_traffic_is_never_a_pass_and_more_failures_never_a_better_answer(
    requests: int, data: st.DataObject
) -> None:
    failures = data.draw(st.integers(0, requests))
    answer = judge(LIMIT, Sample(requests, failures), None)
    assert (answer is UNKNOWN) is not enough(LIMIT, Sample(requests, failures))
    if answer is FAIL:
        assert judge(LIMIT, Sample(requests, requests), None) is FAIL
