"""Requirements are met, broken, or not decided, by what the runs show for certain."""

from collections.abc import Callable
from typing import Any

import pytest

from reports.compare import comparison
from reports.figures import FIGURES, Figure, Measured, Missing, Value
from reports.require import worst
from scenarios.load import loads
from scenarios.release import Verdict
from scenarios.result import Result, decided
from scenarios.scenario import CONTROL

Of = Callable[[int], Figure]


def judged(
    requirement: str, figures: dict[str, Of], seeds: int = 32, bad: int = 0, problems: Any = None
) -> list[dict[str, Any]]:
    """The requirements of a comparison whose figures depend on the seed; `bad` seeds promote the bad one."""
    world = loads(f"""
format: rolloutlab/1
name: shop
service: {{replicas: 4}}
candidates: {{worse: {{errors: [{{share: 5%, of: requests}}]}}, fine: {{}}}}
traffic: {{rate: 10/s}}
strategies: {{rolling: {{rolling: {{}}}}, canary: {{recreate: {{}}}}}}
require: {{it: {requirement}}}
""")
    trials = []
    for seed in range(seeds):
        found = {(CONTROL, c): measured(CONTROL, c, seed, {}, None) for c in (None, "worse", "fine")}
        for candidate in ("worse", "fine"):
            right = Verdict.PROMOTED if candidate == "fine" or seed < bad else Verdict.ROLLED_BACK
            mine = {k: of(seed) for k, of in figures.items()}
            if candidate == "fine" and "time_to_detect" in mine:
                mine["time_to_detect"] = Missing("not applicable")
            found["rolling", candidate] = measured("rolling", candidate, seed, mine, right)
        trials.append(found)
    document = comparison(world, range(seeds), trials, problems)
    found_ones: list[dict[str, Any]] = document["requirements"]
    assert worst(document) == max(
        (Result(one["result"]) for one in found_ones), key=["met", "undecided", "broken"].index
    )
    return found_ones


def measured(
    strategy: str, candidate: str | None, seed: int, figures: dict[str, Figure], verdict: Verdict | None
) -> Measured:
    every: dict[str, Figure] = dict.fromkeys(FIGURES, Value(0.0))
    return Measured(strategy, candidate, seed, verdict, candidate == "worse", {**every, **figures})


def result(requirement: str, figures: dict[str, Of], **more: Any) -> tuple[str, str]:
    (only,) = judged(f"{{strategy: rolling, candidate: worse, {requirement}}}", figures, **more)
    return only["result"], only["message"]


@pytest.mark.parametrize(
    ("low", "high", "least", "most", "result"),
    [
        (1, 2, None, 2, Result.MET),
        (1, 2, None, 1.5, Result.UNDECIDED),
        (1, 2, None, 0.9, Result.BROKEN),
        (1, 2, 1, None, Result.MET),
        (1, 2, 1.5, None, Result.UNDECIDED),
        (1, 2, 2.5, None, Result.BROKEN),
        (1, 2, 1, 2, Result.MET),
        (1, 2, 0, 1, Result.UNDECIDED),
        (1, 2, 3, 4, Result.BROKEN),
        (2, 2, 2, 2, Result.MET),
    ],
)
def test_an_interval_is_within_outside_or_neither(low, high, least, most, result):
    assert decided(low, high, least, most) is result


# values 0 … 31: mean 15.5, standard deviation 9.38, t(31) = 2.04: the interval is 12.1 to 18.9
@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        ("at_most: 19", "met"),
        ("at_most: 18", "undecided"),
        ("at_most: 13", "undecided"),
        ("at_most: 12", "broken"),
        ("at_least: 12", "met"),
        ("at_least: 15", "undecided"),
        ("at_least: 19", "broken"),
    ],
)
def test_a_mean_is_judged_by_its_interval(limit, wanted):
    found, message = result(f"figure: flips, {limit}", {"flips": lambda seed: Value(float(seed))})
    assert found == wanted
    assert message.startswith(
        f"mean of flips: 15.5 (12.1 to 18.9); required {limit.replace('_', ' ').replace(':', '')}"
    )
    assert ("not decided" in message) == (wanted == "undecided")


def test_few_seeds_decide_no_mean_however_far_the_limit():
    found = result("figure: flips, at_most: 1000", {"flips": lambda seed: Value(float(seed))}, seeds=7)
    assert found == ("undecided", "mean of flips: 3; required at most 1000; too few seeds to tell")


# Wilson: 32 of 32 is 89 % or more, 80 of 80 is 95.4 % or more; 20 of 32 at most 78 %
@pytest.mark.parametrize(
    ("seeds", "above", "wanted"),
    [(32, 0, "undecided"), (80, 0, "met"), (80, 1, "undecided"), (32, 12, "broken")],
)
def test_a_percentile_is_judged_by_the_share_of_runs_within(seeds, above, wanted):
    figures = {"flips": lambda seed: Value(9.0 if seed < above else 1.0)}
    assert result("figure: flips, statistic: p95, at_most: 5", figures, seeds=seeds)[0] == wanted


def test_a_percentile_may_have_a_lower_limit():
    figures = {"flips": lambda seed: Value(9.0 if seed < 30 else 1.0)}
    assert result("figure: flips, statistic: p50, at_least: 5", figures)[0] == "met"
    assert result("figure: flips, statistic: p50, at_least: 10", figures)[0] == "broken"
    assert result("figure: flips, statistic: p5, at_least: 5", figures)[0] == "undecided"


def test_what_was_not_reached_lies_beyond_every_limit():
    figures = {"time_to_detect": lambda seed: Value(5.0) if seed < 16 else Missing("not reached", 60.0)}
    assert result("figure: time_to_detect, statistic: p95, at_most: 100s", figures)[0] == "broken"
    assert result("figure: time_to_detect, statistic: reached, at_least: 90%", figures)[0] == "broken"
    assert result("figure: time_to_detect, statistic: reached, at_least: 50%", figures)[0] == "undecided"


def test_a_mean_that_was_not_always_reached_has_a_lower_end_only():
    figures = {"time_to_detect": lambda seed: Value(50.0) if seed < 16 else Missing("not reached", 60.0)}
    found, message = result("figure: time_to_detect, at_most: 100s", figures)
    assert found == "undecided" and "never reached in 16 of 32 runs" in message and "≥ 55 s" in message
    assert result("figure: time_to_detect, at_most: 40s", figures)[0] == "broken"
    assert result("figure: time_to_detect, at_least: 40s", figures)[0] == "met"


def test_what_no_run_reached_breaks_a_limit_that_was_waited_for():
    figures = {"time_to_detect": lambda seed: Missing("not reached", 60.0)}
    assert result("figure: time_to_detect, at_most: 59s", figures)[0] == "broken"
    assert result("figure: time_to_detect, at_most: 61s", figures)[0] == "undecided"


# Wilson of 2 of 32: 1.7 % to 20.1 %
@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        ("at_most: 21%", "met"),
        ("at_most: 5%", "undecided"),
        ("at_most: 1%", "broken"),
        ("at_most: 0%", "broken"),
    ],
)
def test_a_verdict_is_judged_by_wilsons_interval(limit, wanted):
    found, message = result(f"verdict: promoted, {limit}", {}, bad=2)
    assert found == wanted
    assert "runs that end promoted: 2 of 32 (95 % interval 1.73 % to 20.1 %)" in message


def test_never_and_always_are_about_the_runs_there_were():
    assert result("verdict: promoted, at_most: 0%", {})[0] == "met"
    assert result("verdict: rolled_back, at_least: 100%", {})[0] == "met"
    assert result("verdict: rolled_back, at_least: 100%", {}, bad=1)[0] == "broken"
    assert result("verdict: promoted, at_most: 0%", {}, seeds=7)[0] == "undecided"


def test_without_a_candidate_it_is_about_each_with_which_the_figure_applies():
    figures: dict[str, Of] = {"time_to_detect": lambda seed: Value(5.0)}
    found = judged("{strategy: rolling, figure: time_to_detect, at_most: 9s}", figures)
    assert [(one["candidate"], one["result"]) for one in found] == [("worse", "met")]
    both = judged("{strategy: rolling, figure: flips, at_most: 9}", {})
    assert [one["candidate"] for one in both] == ["worse", "fine"]
    named = judged("{strategy: rolling, candidate: fine, figure: time_to_detect, at_most: 9s}", figures)
    assert [(one["result"], one["n"]) for one in named] == [("undecided", 0)]
    assert "not applicable" in named[0]["message"]


def test_what_was_not_compared_is_not_decided_and_says_why():
    required = "{strategy: canary, candidate: worse, figure: flips, at_most: 9}"
    (left_out,) = judged(required, {})
    assert (left_out["result"], left_out["message"]) == ("undecided", "not compared: this run left it out")
    (impossible,) = judged(required, {}, problems={"canary": "no room"})
    assert impossible["message"] == "not compared: no room"


def test_an_entry_says_what_was_required_and_what_was_found():
    (entry,) = judged("{strategy: rolling, candidate: worse, figure: flips, at_most: 19}", {"flips": Value})
    assert {key: entry[key] for key in entry if key not in ("low", "high", "message")} == {
        "name": "it", "strategy": "rolling", "candidate": "worse", "figure": "flips", "verdict": None,
        "statistic": "mean", "unit": "count", "at_least": None, "at_most": 19, "value": 15.5, "n": 32,
        "result": "met",
    }  # fmt: skip
    assert 12.1 < entry["low"] < entry["high"] < 18.9


def test_nothing_required_is_nothing_broken():
    assert worst({"requirements": []}) is Result.MET
    assert worst({}) is Result.MET
