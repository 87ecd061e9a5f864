"""The recommendation follows from the stated preferences: costs, what decided, what flips it, by hand."""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from reports.advice import advice
from reports.compare import comparison
from reports.figures import FIGURES, Figure, Measured, Missing, Value
from reports.recommend import recommended
from scenarios.load import loads
from scenarios.prefer import Prefer
from scenarios.release import Verdict
from scenarios.scenario import CONTROL

# a quick and careless strategy, and a slow and careful one: amounts with the bad candidate and the good one
QUICK = (
    {
        "blast_requests_exact": 1000,
        "blast_users_exact": 100,
        "release_duration": 60,
        "ends": Verdict.PROMOTED,
    },
    {"release_duration": 60, "ends": Verdict.PROMOTED},
)
CAREFUL = (
    {
        "blast_requests_exact": 100,
        "blast_users_exact": 10,
        "release_duration": 120,
        "ends": Verdict.ROLLED_BACK,
    },
    {"release_duration": 600, "extra_cost": 1000, "ends": Verdict.PROMOTED},
)
TWO = {"quick": QUICK, "careful": CAREFUL}
Noise = Callable[[str, int], float]


def compared(
    strategies: Mapping[str, Any] = TWO,
    prefer: str = "{}",
    noise: Noise = lambda strategy, seed: 0.0,
    candidates: tuple[str, ...] = ("worse", "fine"),
    seeds: int = 32,
) -> dict[str, Any]:
    """The comparison of strategies that come to the same amounts in every seed, but for noise on requests."""
    named = ", ".join(f"{name}: {{rolling: {{}}}}" for name in strategies)
    world = loads(f"""
format: rolloutlab/1
name: shop
service: {{replicas: 4}}
candidates: {{worse: {{errors: [{{share: 5%, of: requests}}]}}, fine: {{}}}}
traffic: {{rate: 10/s}}
strategies: {{{named}}}
prefer: {prefer}
""")
    trials = []
    for seed in range(seeds):
        found = {(CONTROL, c): trial(CONTROL, c, seed, {}, 0.0) for c in (None, *candidates)}
        for name, amounts in strategies.items():
            for candidate in candidates:
                mine = amounts[0 if candidate == "worse" else 1]
                found[name, candidate] = trial(name, candidate, seed, mine, noise(name, seed))
        trials.append(found)
    return comparison(world, range(seeds), trials)


def trial(
    strategy: str, candidate: str | None, seed: int, amounts: Mapping[str, Any], more: float
) -> Measured:
    figures: dict[str, Figure] = dict.fromkeys(FIGURES, Value(0.0))
    for key, amount in amounts.items():
        if key != "ends":
            figures[key] = amount if isinstance(amount, Missing) else Value(float(amount))
    if more:
        figures["blast_requests_exact"] = Value(float(amounts.get("blast_requests_exact", 0)) + more)
    return Measured(strategy, candidate, seed, amounts.get("ends"), candidate == "worse", figures)


def recommendation(*args: Any, **named: Any) -> dict[str, Any]:
    found: dict[str, Any] = compared(*args, **named)["recommendation"]
    return found


def test_costs_are_prices_times_amounts_weighted_by_the_chance():
    found = recommendation()
    assert [(one["strategy"], one["cost"]) for one in found["strategies"]] == [
        ("careful", pytest.approx(38.2)),
        ("quick", pytest.approx(301)),
    ]
    assert found["strategies"][0]["parts"] == {
        "failed_request": pytest.approx(10), "harmed_user": pytest.approx(10), "pod_second_short": 0,
        "pod_second_extra": pytest.approx(9), "release_minute": pytest.approx(9.2),
        "good_not_promoted": 0, "bad_not_rolled_back": 0,
    }  # fmt: skip
    assert found["strategies"][1]["parts"]["bad_not_rolled_back"] == pytest.approx(100)
    assert found["strategies"][1]["more"] == dict.fromkeys(("mean", "low", "high"), pytest.approx(262.8))
    assert (found["best"], found["alike"]) == ("careful", [])


def test_what_decided_it_is_what_makes_the_other_dearer():
    assert recommendation()["decided_by"] == {
        "over": "quick",
        "for": {"bad_not_rolled_back": pytest.approx(100), "failed_request": pytest.approx(90),
                "harmed_user": pytest.approx(90)},
        "against": {"pod_second_extra": pytest.approx(-9), "release_minute": pytest.approx(-8.2)},
    }  # fmt: skip


def test_flips_are_where_the_lines_cross_the_nearest_first():
    # 3000 c + 1 = 182 c + 20;  262.8 more for 900 pod-seconds, or for 8.2 minutes
    assert [(f["preference"], f["if"], f["at"], f["cheaper"]) for f in recommendation()["flips"]] == [
        ("bad_releases", "under", pytest.approx(19 / 2818), "quick"),
        ("pod_second_extra", "over", pytest.approx(0.01 + 262.8 / 900), "quick"),
        ("release_minute", "over", pytest.approx(1 + 262.8 / 8.2), "quick"),
    ]


def test_beyond_a_flip_the_other_one_is_recommended_and_before_it_not():
    for flip in recommendation()["flips"]:
        for factor in (0.999, 1.001):
            at = flip["at"] * factor
            written = f"{at * 100:.9f}%" if flip["preference"] == "bad_releases" else f"{at:.9f}"
            beyond = (factor > 1) == (flip["if"] == "over")
            best = recommendation(prefer=f"{{{flip['preference']}: {written}}}")["best"]
            assert best == ("quick" if beyond else "careful"), flip


def test_many_candidates_of_a_kind_count_by_their_mean():
    only_bad = recommendation(candidates=("worse",))
    assert only_bad["chance_used"] is False
    assert [one["cost"] for one in only_bad["strategies"]] == [pytest.approx(202), pytest.approx(3001)]
    assert all(flip["preference"] != "bad_releases" for flip in only_bad["flips"])
    only_good = recommendation(candidates=("fine",))
    assert [one["cost"] for one in only_good["strategies"]] == [pytest.approx(1), pytest.approx(20)]


def test_strategies_within_chance_of_the_cheapest_are_not_told_apart():
    def noise(strategy: str, seed: int) -> float:
        return random.Random(f"{strategy}{seed}").gauss(0, 300) if strategy != "quick" else 0.0

    found = recommendation({**TWO, "twin": CAREFUL}, noise=noise)
    assert {found["best"], *found["alike"]} == {"careful", "twin"}
    assert found["decided_by"]["over"] == "quick"
    alone = recommendation({"careful": CAREFUL, "twin": CAREFUL}, noise=noise)
    assert (alone["decided_by"], alone["flips"]) == (None, [])


def test_few_seeds_tell_nothing_apart():
    found = recommendation(seeds=3)
    assert (found["best"], found["alike"]) == ("careful", ["quick"])
    assert found["strategies"][0]["low"] is None


def test_what_was_not_reached_counts_until_the_horizon_and_what_has_no_value_is_not_priced():
    endless = ({**QUICK[0], "release_duration": Missing("not reached", 1800.0)}, QUICK[1])
    by_name = {one["strategy"]: one for one in recommendation({**TWO, "endless": endless})["strategies"]}
    assert by_name["endless"]["cost"] - by_name["quick"]["cost"] == pytest.approx(0.1 * 29)
    unknown = ({**QUICK[0], "capacity_loss": Missing("not observable")}, QUICK[1])
    assert recommendation({"quick": QUICK, "unknown": unknown}) is None
    assert recommendation({"quick": QUICK}) is None


def test_a_good_release_not_promoted_has_its_price():
    shy = (CAREFUL[0], {**CAREFUL[1], "ends": Verdict.ROLLED_BACK})
    found = recommendation({"careful": CAREFUL, "shy": shy})
    assert found["best"] == "careful"
    assert found["strategies"][1]["parts"]["good_not_promoted"] == pytest.approx(900)
    # without that price there is nothing between them
    assert recommendation({"careful": CAREFUL, "shy": shy}, "{good_not_promoted: 0}")["alike"] == ["shy"]


def test_in_words_it_says_what_it_rests_on():
    said = advice(compared(prefer="{harmed_user: 10}"))
    assert said is not None and said.strategy == "careful"
    why = dict(said.why)
    assert why["cost"] == (
        "careful costs 38.2 a release by the preferences below; next is quick (263 ± 0 more)"
    )
    assert why["decided by"] == (
        "careful costs less than quick in bad releases not rolled back (100), failed requests (90) and "
        "users harmed (90), but more in extra pods (9) and time to release (8.20)"
    )
    assert why["would flip"].startswith(
        "quick if less than 0.67 % of releases were bad (not 10 %); quick if a pod-second"
    )
    assert why["preferring"].startswith(
        "stated: user harmed 10; assumed: 10 % of releases are bad, failed request 1, "
    )
    assert why["preferring"].endswith("bad release not rolled back 1,000; state your own under prefer:")


def test_names_in_it_are_harmless_and_without_one_nothing_is_said():
    document = compared()
    found = document["recommendation"]
    document["recommendation"] = {**found, "best": "c\x1b[31m", "strategies": [
        {**one, "strategy": "c\x1b[31m" if one["strategy"] == "careful" else one["strategy"]}
        for one in found["strategies"]
    ]}  # fmt: skip
    said = advice(document)
    assert said is not None
    assert "\x1b" not in said.strategy + "".join(text for _, text in said.why)
    assert advice({**document, "recommendation": None}) is None
    assert advice({}) is None


def test_prices_of_nothing_leave_nothing_to_decide():
    zero = ", ".join(f"{price}: 0" for price in found_prices())
    found = recommendation(prefer=f"{{{zero}}}")
    assert all(one["cost"] == 0 for one in found["strategies"])
    assert found["decided_by"] is None
    assert not any(math.isnan(one["cost"]) for one in found["strategies"])


def found_prices() -> list[str]:
    return [name for name in recommendation()["preferences"] if name != "bad_releases"]


@pytest.mark.parametrize("case", range(40))
def test_of_any_three_strategies_the_nearest_flip_is_the_first_change_of_the_cheapest(case: int) -> None:
    rng = random.Random(case)
    keys = ("blast_requests_exact", "blast_users_exact", "capacity_loss", "extra_cost", "release_duration")

    def amounts(name: str) -> dict[tuple[str, str | None], list[Measured]]:
        found: dict[tuple[str, str | None], list[Measured]] = {}
        for candidate in ("worse", "fine"):
            mine = {key: rng.choice([0, 1, 10, 100]) * rng.random() for key in keys}
            ends = {"ends": rng.choice([Verdict.PROMOTED, Verdict.ROLLED_BACK])}
            found[name, candidate] = [
                trial(name, candidate, seed, {**mine, **ends}, 0.0) for seed in range(16)
            ]
        return found

    trials = {**amounts("a"), **amounts("b"), **amounts("c")}
    arms = {"control": {"candidates": {"worse": {"bad": 1.0}, "fine": {"bad": 0.0}}}}
    now = Prefer().model_copy(update={"good_not_promoted": 3.0, "bad_not_rolled_back": 3.0})

    def best(**changed: float) -> str:
        return str(recommended(now.model_copy(update=changed), arms, trials)["best"])

    here = recommended(now, arms, trials)
    for name in here["preferences"]:
        value, flips = getattr(now, name), {f["if"]: f for f in here["flips"] if f["preference"] == name}
        for word, far in (
            ("under", value * 1e-6),
            ("over", 0.999999 if name == "bad_releases" else value * 1e9),
        ):
            if word not in flips:
                assert best(**{name: far}) == here["best"], (name, word)
                continue
            at, who = flips[word]["at"], flips[word]["cheaper"]
            assert best(**{name: at + (value - at) * 1e-6}) == here["best"]
            assert best(**{name: at - (value - at) * 1e-6}) == who
