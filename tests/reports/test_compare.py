"""Many seeds put together: the comparison document, what is best in it, and its other writings."""

import csv
import io
import json
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from reports.compare import Best, comparison, dumps, significant
from reports.figures import FIGURES, HEADLINES, Figure, Measured, Missing, Value
from reports.formats import to_csv, to_markdown
from scenarios import load
from scenarios.release import Verdict
from scenarios.scenario import CONTROL, Scenario

SEEDS = 20
FIGURE = {
    "unit", "mean", "low", "high", "p5", "p50", "p95", "predict_low", "predict_high", "reached", "n",
}  # fmt: skip


def scenario(*strategies: str) -> Scenario:
    text = """
format: rolloutlab/1
name: shop
service: {replicas: 10}
versions: {stable: {}}
candidates: {worse: {from: stable, errors: [{share: 5%, of: requests}]}, fine: {from: stable}}
traffic: {rate: 100/s}
strategies:
"""
    kinds = ("rolling: {}", "recreate: {}", "blue_green: {}")
    names = strategies or ("rolling", "recreate", "blue-green")
    lines = [f"  {json.dumps(name)}: {{{kind}}}\n" for name, kind in zip(names, kinds, strict=False)]
    return load.loads(text + "".join(lines))


def measured(
    strategy: str,
    candidate: str | None,
    seed: int,
    figures: Mapping[str, Figure],
    verdict: Verdict | None = None,
) -> Measured:
    every: dict[str, Figure] = dict.fromkeys(FIGURES, Value(0.0))
    return Measured(strategy, candidate, seed, verdict, candidate == "worse", {**every, **figures})


def made(
    world: Scenario, of: Callable[[str, str, int], Mapping[str, Figure]], seeds: int = SEEDS
) -> dict[str, Any]:
    """A comparison whose figures are a function of strategy, candidate and seed; the rest are 0."""
    trials = []
    for seed in range(seeds):
        found: dict[tuple[str, str | None], Measured] = {(CONTROL, None): measured(CONTROL, None, seed, {})}
        for candidate in world.variants:
            found[CONTROL, candidate] = measured(CONTROL, candidate, seed, {})
            for name in world.strategies:
                verdict = Verdict.ROLLED_BACK if candidate == "worse" else Verdict.PROMOTED
                found[name, candidate] = measured(name, candidate, seed, of(name, candidate, seed), verdict)
        trials.append(found)
    return comparison(world, range(seeds), trials, {"canary": "cannot"})


def only(
    key: str, values: Mapping[str, Callable[[int], Figure]]
) -> Callable[[str, str, int], Mapping[str, Figure]]:
    return lambda strategy, candidate, seed: {key: values[strategy](seed)} if strategy in values else {}


def row(document: dict[str, Any], strategy: str, candidate: str = "worse") -> dict[str, Any]:
    return next(r for r in document["rows"] if (r["strategy"], r["candidate"]) == (strategy, candidate))


def noise(seed: int, salt: int = 0) -> float:
    return random.Random(1000 * salt + seed).gauss(0, 1)


def test_the_document_is_of_the_frozen_format() -> None:
    world = scenario()
    document = made(world, lambda *_: {})
    assert set(document) == {
        "format", "scenario", "seeds", "horizon", "control", "rows", "differences", "expectations",
        "requirements", "recommendation", "problems",
    }  # fmt: skip
    assert document["format"] == "rolloutlab.comparison/1"
    assert document["scenario"] == {"name": "shop", "digest": load.digest(world)}
    assert document["seeds"] == list(range(SEEDS)) and document["horizon"] == 1800.0
    assert set(document["control"]) == {"stable", "candidates"}
    assert list(document["control"]["stable"]["figures"]) == list(FIGURES)
    assert {n: a["bad"] for n, a in document["control"]["candidates"].items()} == {"worse": 1.0, "fine": 0.0}
    assert document["expectations"] == document["requirements"] == []
    assert document["problems"] == [{"strategy": "canary", "message": "cannot"}]
    assert len(document["rows"]) == 6
    assert all(set(r) == {"strategy", "kind", "candidate", "verdicts", "figures"} for r in document["rows"])
    assert row(document, "blue-green")["kind"] == "blue_green"
    assert set(row(document, "rolling")["verdicts"]) == {verdict.value for verdict in Verdict}
    assert row(document, "rolling")["verdicts"]["rolled_back"]["share"] == 1.0
    assert set(row(document, "rolling")["figures"]["capacity_loss"]) == FIGURE


def test_differences_are_of_every_pair_candidate_and_headline() -> None:
    document = made(scenario(), lambda *_: {})
    found = {(d["a"], d["b"], d["candidate"], d["figure"]) for d in document["differences"]}
    assert len(found) == len(document["differences"]) == 3 * 2 * len(HEADLINES)
    assert set(document["differences"][0]) == {
        "a",
        "b",
        "candidate",
        "figure",
        "mean",
        "low",
        "high",
        "n",
        "unit",
    }


def test_the_text_is_canonical() -> None:
    document = made(scenario(), only("capacity_loss", {"rolling": lambda s: Value(0.1 + 0.2 + s * 1e-20)}))
    text = dumps(document)
    assert text.endswith("}\n")
    assert json.loads(text) == document
    assert list(json.loads(text)) == sorted(document)
    assert '"mean": 0.3,' in text
    assert "NaN" not in text and "Infinity" not in text


def test_the_order_in_which_trials_were_finished_does_not_show() -> None:
    world = scenario()
    trials = []
    for seed in range(SEEDS):
        names = [(CONTROL, None), *((s, c) for s in (CONTROL, *world.strategies) for c in world.variants)]
        trials.append({key: measured(*key, seed, {"extra_cost": Value(noise(seed))}) for key in names})
    backwards = [dict(reversed(seed.items())) for seed in trials]
    assert dumps(comparison(world, range(SEEDS), trials)) == dumps(comparison(world, range(SEEDS), backwards))


def test_a_part_of_strategies_and_candidates_is_a_comparison_too() -> None:
    world = scenario()
    keys: list[tuple[str, str | None]] = [(CONTROL, None), (CONTROL, "fine"), ("rolling", "fine")]
    document = comparison(world, [7], [{key: measured(*key, 7, {}) for key in keys}])
    assert [(r["strategy"], r["candidate"]) for r in document["rows"]] == [("rolling", "fine")]
    assert list(document["control"]["candidates"]) == ["fine"]


def test_every_seed_needs_its_trials() -> None:
    with pytest.raises(ValueError, match="2 seeds"):
        comparison(scenario(), [0, 1], [{}])
    with pytest.raises(ValueError, match="at least one"):
        comparison(scenario(), [], [])


def test_mean_and_interval_of_a_figure() -> None:
    document = made(scenario(), only("capacity_loss", {"rolling": lambda s: Value(float(s))}))
    found = row(document, "rolling")["figures"]["capacity_loss"]
    assert found["unit"] == "pod-seconds"
    assert found["mean"] == 9.5
    assert found["low"] == pytest.approx(6.731189) and found["high"] == pytest.approx(12.268811)
    assert (found["p5"], found["p50"], found["p95"]) == (0.0, 9.0, 18.0)
    assert (found["predict_low"], found["predict_high"]) == (0.0, 19.0)
    assert (found["reached"], found["n"]) == (1.0, 20)
    assert "why" not in found


def test_what_was_not_reached_counts_at_the_horizon_and_never_disappears() -> None:
    def detect(seed: int) -> Figure:
        return Missing("not reached", 1000.0) if seed % 4 == 0 else Value(10.0 + seed)

    found = row(made(scenario(), only("time_to_detect", {"rolling": detect})), "rolling")["figures"][
        "time_to_detect"
    ]
    reached = [10.0 + seed for seed in range(20) if seed % 4]
    assert found["mean"] == pytest.approx((sum(reached) + 5 * 1000) / 20)
    assert found["reached"] == 0.75 and found["n"] == 20
    assert found["p50"] == sorted([*reached, *[math.inf] * 5])[9]
    assert found["p95"] is None and found["predict_high"] is None
    assert found["predict_low"] == 11.0
    assert found["why"] == {"not reached": 5}


def test_what_no_seed_reached_has_no_mean() -> None:
    never = only("time_to_detect", {"rolling": lambda s: Missing("not reached", 1000.0)})
    found = row(made(scenario(), never), "rolling")["figures"]["time_to_detect"]
    assert found["mean"] is found["low"] is found["p5"] is found["predict_low"] is None
    assert found["reached"] == 0 and found["why"] == {"not reached": 20}


def test_what_does_not_apply_is_left_out_and_told() -> None:
    def rollback(seed: int) -> Figure:
        return Missing("not applicable") if seed % 2 else Value(float(seed))

    found = row(made(scenario(), only("rollback_time", {"rolling": rollback})), "rolling")["figures"][
        "rollback_time"
    ]
    assert found["mean"] == 9.0
    assert found["n"] == 10 and found["reached"] == 0.5
    assert found["why"] == {"not applicable": 10, "too few": 10}, "ten values are too few for an interval"


def test_too_few_seeds_have_a_mean_and_no_interval() -> None:
    noisy = only("capacity_loss", {"rolling": lambda s: Value(noise(s))})
    document = made(scenario(), noisy, seeds=7)
    found = row(document, "rolling")["figures"]["capacity_loss"]
    assert found["mean"] is not None and found["low"] is found["high"] is None
    assert found["predict_low"] is None and found["why"] == {"too few": 7}
    assert all(
        d["low"] is None for d in document["differences"] if d["figure"] == "capacity_loss" and d["mean"]
    )


def test_differences_are_paired_by_seed() -> None:
    """What seeds have in common cancels: alone they overlap by far, together they are surely apart."""
    values = {
        "rolling": lambda s: Value(100 * noise(s)),
        "recreate": lambda s: Value(100 * noise(s) + 1 + 0.1 * noise(s, 1)),
    }
    document = made(scenario(), only("capacity_loss", values))
    found = next(
        d
        for d in document["differences"]
        if (d["a"], d["b"], d["candidate"], d["figure"]) == ("rolling", "recreate", "worse", "capacity_loss")
    )
    assert found["mean"] == pytest.approx(-1, abs=0.1)
    assert found["low"] < found["mean"] < found["high"] < -0.85
    assert found["n"] == SEEDS and found["unit"] == "pod-seconds"


def test_differences_of_what_was_not_reached_are_restricted_and_those_of_nothing_left_out() -> None:
    values: dict[str, Callable[[int], Figure]] = {
        "rolling": lambda s: Missing("not reached", 500.0),
        "recreate": lambda s: Value(20.0 + noise(s)),
        "blue-green": lambda s: Missing("not applicable"),
    }
    document = made(scenario(), only("time_to_detect", values))
    found = {(d["a"], d["b"]): d for d in document["differences"] if d["figure"] == "time_to_detect"}
    assert set(found) == {("rolling", "recreate")}
    assert found["rolling", "recreate"]["mean"] == pytest.approx(480, abs=1)


def test_a_few_odd_seeds_do_not_hide_a_difference_of_one_sign() -> None:
    """Two of 20 seeds are far off, so the mean has no interval; that rolling costs more is sure anyway."""
    values = {
        "rolling": lambda s: Value(221.0 if s > 1 else 372.0),
        "recreate": lambda s: Value(0.0),
        "blue-green": lambda s: Value(0.0 if s > 1 else 372.0),
    }
    document = made(scenario(), only("extra_cost", values))
    found = row(document, "rolling")["figures"]["extra_cost"]
    assert found["low"] is None and found["why"] == {"too few": SEEDS}
    found = {
        (d["a"], d["b"]): d
        for d in document["differences"]
        if d["candidate"] == "worse" and d["figure"] == "extra_cost"
    }
    assert 0 < found["rolling", "recreate"]["low"] < found["rolling", "recreate"]["mean"]
    assert next(d["low"] for pair, d in found.items() if set(pair) == {"recreate", "blue-green"}) is None


def test_the_best_and_those_like_it() -> None:
    values = {
        "rolling": lambda s: Value(5 + 0.1 * noise(s)),
        "recreate": lambda s: Value(5.001 + 0.1 * noise(s, 1)),
        "blue-green": lambda s: Value(9 + 0.1 * noise(s, 2)),
    }
    document = made(scenario(), only("capacity_loss", values))
    found = significant(document, "worse", "capacity_loss")
    assert found is not None
    assert {found.strategy, *found.alike} == {"rolling", "recreate"}


def test_more_is_better_of_the_worst_capacity() -> None:
    values = {
        "rolling": lambda s: Value(0.8),
        "recreate": lambda s: Value(0.0),
        "blue-green": lambda s: Value(1.0),
    }
    document = made(scenario(), only("worst_capacity", values))
    assert significant(document, "worse", "worst_capacity") == Best("blue-green", ())


def test_without_values_nothing_is_best() -> None:
    missing = {n: lambda s: Missing("not applicable") for n in ("rolling", "recreate", "blue-green")}
    document = made(scenario(), only("rollback_time", missing))
    assert significant(document, "worse", "rollback_time") is None


def test_too_few_seeds_tell_nobody_apart() -> None:
    values = {"rolling": lambda s: Value(1.0 + noise(s)), "recreate": lambda s: Value(100 + noise(s, 1))}
    document = made(scenario("rolling", "recreate"), only("capacity_loss", values), seeds=5)
    assert significant(document, "worse", "capacity_loss") == Best("rolling", ("recreate",))


def test_csv_has_a_line_for_each_strategy_candidate_and_figure() -> None:
    document = made(scenario(), only("time_to_detect", {"rolling": lambda s: Missing("not reached", 9.0)}))
    lines = list(csv.DictReader(io.StringIO(to_csv(document))))
    assert len(lines) == 6 * (len(FIGURES) + len(Verdict))
    found = {(line["strategy"], line["candidate"], line["figure"]): line for line in lines}
    detect = found["rolling", "worse", "time_to_detect"]
    assert (detect["mean"], detect["why"], detect["unit"], detect["kind"]) == (
        "",
        "not reached 20",
        "s",
        "rolling",
    )
    assert found["rolling", "worse", "rolled_back"]["mean"] == "1.0"
    assert {line["bad"] for line in lines if line["candidate"] == "worse"} == {"1.0"}


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "  =1+1"])
def test_no_spreadsheet_runs_a_name(name: str) -> None:
    lines = list(csv.reader(io.StringIO(to_csv(made(scenario(name), lambda *_: {}, seeds=1)))))
    assert {line[2] for line in lines[1:]} == {f"'{name}"}


def test_negative_numbers_stay_numbers() -> None:
    document = made(scenario("rolling"), only("blast_requests", {"rolling": lambda s: Value(-2.5)}))
    lines = csv.DictReader(io.StringIO(to_csv(document)))
    assert {line["mean"] for line in lines if line["figure"] == "blast_requests"} == {"-2.5"}


def test_markdown_has_a_table_for_each_candidate() -> None:
    values = {"rolling": lambda s: Value(float(s)), "recreate": lambda s: Missing("not reached", 9.0)}
    text = to_markdown(made(scenario(), only("time_to_detect", values)))
    assert "## worse (bad in 20 of 20 seeds)" in text and "## fine (good in 20 of 20 seeds)" in text
    assert "never" in text and "10 s ± 3 s" in text
    assert "- canary: cannot" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {3 + len(HEADLINES)}


def test_markdown_lets_no_name_break_out() -> None:
    nasty = "a|b `c` <script> *d*"
    text = to_markdown(made(scenario(nasty), lambda *_: {}, seeds=1))
    assert "a\\|b \\`c\\` &lt;script&gt; \\*d\\*" in text
    assert "<script>" not in text
