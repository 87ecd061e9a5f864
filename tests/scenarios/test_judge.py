"""Verdicts on answers made to order; how often they are wrong is measured in `tests/live/test_runs.py`."""

import numpy as np
import pytest

from scenarios.judge import Answers, Claim, Detect, End, Judgement, Precision, Verdict, chances, gap, judge
from scenarios.sequential import power
from scenarios.split_asked import claim

TEN = Claim({"candidate": 0.1}, Detect(0.05))


def answers(hits: int, n: int, untold: int = 0, per: int = 1, seed: int = 1) -> Answers:
    """So many hits of n, scattered, and answers of unknown version; `per` through each connection."""
    versions = np.array([0] * hits + [1] * (n - hits) + [-1] * untold)
    np.random.default_rng(seed).shuffle(versions)
    return Answers(("candidate", "stable"), versions, np.arange(len(versions)) // per)


def verdict(hits: int, n: int, end: End = End.NOT_YET, untold: int = 0) -> Verdict | None:
    return judge(TEN, answers(hits, n, untold), end).verdict


def test_the_plan_keeps_what_it_promises() -> None:
    assert TEN.textbook == 438
    assert TEN.requests < 1.15 * TEN.textbook
    assert power(0.1, 0.15, TEN.requests, 0.035) >= 0.9
    assert Claim({"a": 0.1}, Precision(0.01)).textbook == 3458


def test_at_the_planned_number() -> None:
    n = TEN.requests
    assert verdict(round(0.1 * n), n) is Verdict.ACCURATE
    assert verdict(round(0.15 * n), n) is Verdict.INACCURATE
    assert verdict(round(0.05 * n), n) is Verdict.INACCURATE


def test_before_it_only_what_is_far_off() -> None:
    assert verdict(10, 100) is None
    assert verdict(16, 100) is None
    assert verdict(50, 100) is Verdict.INACCURATE
    assert verdict(16, 100, End.STOPPED) is Verdict.TOO_FEW


def test_ten_requests_are_too_few_whatever_they_show() -> None:
    for hits in range(4):
        assert verdict(hits, 10, End.CAP) is Verdict.TOO_FEW
    assert verdict(8, 10, End.CAP) is Verdict.INACCURATE


def test_ten_requests_at_weight_ten() -> None:
    by = chances(0.1, 10)
    assert (round(by.none, 3), round(by.one, 3)) == (0.349, 0.387)
    assert by.none + by.one + by.more == pytest.approx(1)


def test_too_few_says_how_many_it_takes() -> None:
    assert judge(TEN, answers(1, 10), End.CAP).needed == TEN.requests
    pure = Answers(("candidate", "stable"), np.repeat([0, 1, 1, 1, 1], 20), np.repeat(np.arange(5), 20))
    found = judge(TEN, pure, End.CAP)
    assert found.verdict is Verdict.TOO_FEW
    assert found.needed == 20 * TEN.requests


def test_a_split_by_connection_is_not_condemned() -> None:
    """2 of 10 connections, 100 requests each: 20 % of the requests, and nothing unusual."""
    split = Answers(("candidate", "stable"), np.repeat([0, 0] + [1] * 8, 100), np.repeat(np.arange(10), 100))
    assert judge(TEN, split, End.NOT_YET).verdict is None
    assert judge(TEN, answers(200, 1000), End.NOT_YET).verdict is Verdict.INACCURATE


@pytest.mark.parametrize(
    ("untold", "wanted"), [(0, Verdict.ACCURATE), (4, Verdict.ACCURATE), (30, Verdict.TOO_FEW)]
)
def test_unknown_answers_forbid_accurate(untold: int, wanted: Verdict) -> None:
    n = TEN.requests + 10
    assert verdict(round(0.1 * n), n, untold=untold) is wanted


def test_unknown_answers_may_be_of_any_version() -> None:
    n = TEN.requests
    assert verdict(round(0.16 * n), n) is Verdict.INACCURATE
    assert verdict(round(0.16 * n), n, untold=n // 2) is not Verdict.INACCURATE
    assert verdict(round(0.5 * n), n, untold=n // 2) is Verdict.INACCURATE


def test_no_answer_that_tells_ends_it() -> None:
    assert verdict(0, 0, untold=19) is None
    assert verdict(0, 0, untold=20) is Verdict.TOO_FEW


def judged(shares: dict[str, float], counts: dict[str, int]) -> Judgement:
    asked = Claim(shares, Detect(0.05))
    versions = np.repeat(np.arange(len(counts)), list(counts.values()))
    np.random.default_rng(2).shuffle(versions)
    return judge(asked, Answers(tuple(counts), versions, np.arange(len(versions))), End.NOT_YET)


def test_several_shares_are_each_judged() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    n = Claim(shares, Detect(0.05)).requests
    good = {name: round(share * n) + 2 for name, share in shares.items()}
    assert judged(shares, good).verdict is Verdict.ACCURATE
    found = judged(shares, good | {"c": good["c"] + n // 8, "b": good["b"] - n // 8})
    assert found.verdict is Verdict.INACCURATE
    assert [one.version for one in found.shares if one.verdict is Verdict.INACCURATE] == ["b", "c"]


def test_a_version_that_the_claim_leaves_nothing_to() -> None:
    shares = {"a": 0.9, "b": 0.1}
    found = judged(shares, {"a": 900, "b": 100, "old": 1})
    assert found.verdict is Verdict.INACCURATE
    assert "leaves nothing to other versions" in found.why
    assert judged({"b": 0.1}, {"a": 900, "b": 100, "old": 1}).verdict is Verdict.ACCURATE


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_of_all_or_nothing_one_other_answer_is_enough(share: float) -> None:
    n = Claim({"a": share}, Detect(0.01)).requests
    mine, others = (n, 0) if share else (0, n)
    assert judged({"a": share}, {"a": mine, "b": others}).verdict is not Verdict.INACCURATE
    other = {"a": mine - 1, "b": 1} if share else {"a": 1, "b": others - 1}
    assert judged({"a": share}, other).verdict is Verdict.INACCURATE


def test_what_must_not_go_unseen_where_nobody_says() -> None:
    assert [gap(share) for share in (0.1, 0.5, 0.01, 0.98, 0.0)] == pytest.approx(
        [0.05, 0.05, 0.005, 0.01, 0.01]
    )
    assert claim({"a": 0.1}, None, None, None).aim == Detect(pytest.approx(0.05))


def test_answers_that_are_alike_in_part_raise_no_more_alarms() -> None:
    """Beta-binomial connections, ρ = 0.2: with 5 % just so, more than 8 of 60 come in one of 250 tries."""
    rng, asked = np.random.default_rng(11), Claim({"candidate": 0.5}, Detect(0.15))
    verdicts = []
    for _ in range(60):
        odds = rng.beta(2, 2, 200)
        versions = (rng.random((200, 10)) >= odds[:, None]).astype(int).ravel()
        looks = range(asked.every, len(versions), asked.every)
        found = (judge(asked, _first(versions, n), End.NOT_YET).verdict for n in looks)
        verdicts.append(next(verdict for verdict in found if verdict is not None))
    assert verdicts.count(Verdict.INACCURATE) <= 8


def _first(versions: np.ndarray, n: int) -> Answers:
    return Answers(("candidate", "stable"), versions[:n], np.arange(n) // 10)
