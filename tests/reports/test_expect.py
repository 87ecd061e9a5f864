"""What came of expectations: in the comparison document, in words, beside requirements; what it decides."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import pytest

from reports.demands import demands
from reports.expect import alone, judged, told
from reports.junit import to_junit
from reports.require import worst
from scenarios.answered import Counts, Probed
from scenarios.load import loads
from scenarios.result import Result
from scenarios.scenario import Scenario

BASE = """\
format: rolloutlab/1
name: shop
service: {replicas: 4}
candidates: {good: {}, bad: {}}
traffic: {rate: 10/s}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
strategies:
  canary: {canary: {via: edge, steps: [10%]}}
  rolling: {rolling: {}}
expect:
  it: """
CURLS = "{when: 10%, answers: {version: candidate}, times: 10, at_most: 5}"


def scenario(expected: str) -> Scenario:
    return loads(f"{BASE}{expected}\n")


def runs(*fits: int | None, of: int = 10) -> Sequence[Sequence[Probed]]:
    """A run for each: how many of its answers fitted, None where it did not come there."""
    return [
        [] if k is None else [Probed("it", 62.0, Counts(k, of - k, 0, {"candidate": k, "stable": of - k}))]
        for k in fits
    ]


def entries(expected: str, found: dict[tuple[str, str | None], Any]) -> list[dict[str, Any]]:
    return judged(scenario(expected), found, {"rolling": "cannot be done"})


def test_each_strategy_and_candidate_that_came_there_is_judged() -> None:
    found = entries(
        CURLS,
        {
            ("canary", "good"): runs(0, 1, 1, None),
            ("canary", "bad"): runs(6, 1, 1, 1),
            ("rolling", "good"): runs(None, None, None, None),
            ("rolling", "bad"): runs(None, None, None, None),
        },
    )
    assert [(e["strategy"], e["candidate"], e["result"]) for e in found] == [
        ("canary", "good", "met"),
        ("canary", "bad", "broken"),
    ]
    assert found[0]["fit"] == {"0": 1, "1": 2}
    assert found[0]["by"] == {"candidate": 2, "stable": 28}
    assert (found[0]["runs"], found[0]["requests"]) == (3, 10)
    assert found[0]["message"] == (
        "expected the candidate version 0 to 5 of 10 times; of 10 it was 0 in 1 and 1 in 2 of 3 runs; "
        "1 of 4 runs did not come there"
    )


def test_where_no_run_came_there_it_is_undecided_and_says_so() -> None:
    (never,) = entries(
        CURLS.replace("{when", "{strategy: canary, candidate: bad, when"), {("canary", "bad"): runs(None)}
    )
    assert (never["result"], never["runs"]) == ("undecided", 0)
    assert never["message"] == "no run came to the end of stage 10%"
    (missing,) = entries("{strategy: rolling, candidate: bad, answers: {status: 200}}", {})
    assert missing["message"] == "not compared: cannot be done"
    (left_out,) = entries("{strategy: canary, candidate: bad, answers: {status: 200}}", {})
    assert left_out["message"] == "not compared: this run left it out"


def test_a_share_is_told_with_its_interval() -> None:
    expected = CURLS.replace(
        "times: 10, at_most: 5", "strategy: canary, candidate: good, share: 10%, precision: 2%"
    )
    (entry,) = entries(expected, {("canary", "good"): runs(300, 300, of=3000)})
    assert entry["result"] == "met"
    assert entry["low"] == pytest.approx(0.0925, abs=2e-4)
    assert entry["high"] == pytest.approx(0.1079, abs=2e-4)
    assert entry["message"].startswith(
        "expected the candidate version for 10% ± 2%; it was 10 % of 6,000 (95"
    )


def test_answers_of_which_nobody_can_say_are_told() -> None:
    found = [[Probed("it", 1.0, Counts(2, 0, 1))]]
    (entry,) = entries(
        "{strategy: canary, candidate: good, answers: {body: x}, times: 3}", {("canary", "good"): found}
    )
    assert entry["result"] == "undecided"
    assert entry["message"].endswith("of 1 answers nobody can say whether they fit")


def document(*results: str) -> dict[str, Any]:
    pair = {"strategy": "canary", "candidate": "bad\x1b[31m"}
    found = [{**pair, "name": f"e{at}", "result": r, "message": "it was so"} for at, r in enumerate(results)]
    required = [{**pair, "name": "r", "result": "met", "message": "fine"}]
    return {"scenario": {"name": "shop"}, "requirements": required, "expectations": found}


@pytest.mark.parametrize(
    ("results", "found"),
    [
        ((), "met"),
        (("met",), "met"),
        (("met", "undecided"), "undecided"),
        (("undecided", "broken"), "broken"),
    ],
)
def test_they_count_as_much_as_requirements(results: tuple[str, ...], found: str) -> None:
    assert worst(document(*results)) is Result(found)


def test_they_stand_beside_requirements_and_are_harmless() -> None:
    made = document("met", "broken")
    assert [(d.heading, d.counted) for d in demands(made)] == [
        ("Requirements", "1 met"),
        ("Expectations", "1 met, 1 broken"),
    ]
    assert told(made)[0].pair == "canary with bad\\x1b[31m"
    (suite,) = ElementTree.fromstring(to_junit(made).encode())
    assert [case.get("classname") for case in suite] == ["shop", "shop.expect", "shop.expect"]
    assert suite.get("tests") == "3"
    assert suite.get("failures") == "1"


def test_one_run_alone() -> None:
    expected = scenario(CURLS.replace("at_most: 5", "at_most: 5, in_runs: 90%")).expect["it"]
    one = alone(expected, Probed("it", 62.0, Counts(1, 9)))
    assert (one.result, one.pair) == (Result.MET, "as 10% ends")
    assert one.text.endswith("it was 1 of 10")
