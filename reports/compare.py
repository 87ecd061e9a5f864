"""A comparison: figures of many seeds put together, and how strategies differ, paired by seed.

It sees `Measured` values only. The document it makes is plain JSON, the same for the same trials: no times,
no host, numbers to ten digits, so that the processor's last bit does not show.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from reports import expect
from reports.digits import tidied
from reports.digits import tidy as _tidy
from reports.figures import FIGURES, HEADLINES, Figure, Measured, Missing, Value
from reports.recommend import recommended
from reports.require import judged
from reports.statistics import (
    FEWEST_SEEDS,
    enough,
    mean_interval,
    percentile,
    prediction,
    restricted_mean,
    wilson,
)
from scenarios import load
from scenarios.release import Verdict
from scenarios.scenario import CONTROL, Scenario

FORMAT = "rolloutlab.comparison/1"
Json = Any
Trials = Mapping[tuple[str, str | None], Measured]
Rows = Mapping[tuple[str, str | None], Sequence[Measured]]


@dataclass(frozen=True, slots=True)
class Best:
    """The strategy with the best mean of a figure, and those that differ from it by no more than chance."""

    strategy: str
    alike: tuple[str, ...]


def comparison(
    scenario: Scenario,
    seeds: Sequence[int],
    trials: Sequence[Trials],
    problems: Mapping[str, str] | None = None,
) -> dict[str, Json]:
    """The comparison as JSON (`rolloutlab.comparison/1`).

    `trials` has one entry for each seed: every trial of that seed by strategy and candidate, the arms as
    `control` (all stable: candidate None). A strategy and candidate that a seed lacks is left out for all.
    `problems` says by strategy why it could not be tried. Raises ValueError without one entry for each seed.
    """
    if len(trials) != len(seeds) or not seeds:
        raise ValueError(f"expected the trials of {len(seeds)} seeds, at least one; got {len(trials)}")
    rows = _rows(scenario, trials)
    arms = {candidate: row for (strategy, candidate), row in rows.items() if strategy == CONTROL}
    tried = {key: row for key, row in rows.items() if key[0] != CONTROL}
    probed = {key: [trial.expected for trial in row] for key, row in tried.items()}
    document: dict[str, Json] = {
        "format": FORMAT,
        "scenario": {"name": scenario.name, "digest": load.digest(scenario)},
        "seeds": [int(seed) for seed in seeds],
        "horizon": float(scenario.clock.horizon),
        "control": {
            "stable": _arm(arms[None]),
            "candidates": {name: _arm(row) for name, row in arms.items() if name is not None},
        },
        "rows": [_row(scenario, strategy, candidate, row) for (strategy, candidate), row in tried.items()],
        "differences": _differences(scenario, tried),
        "expectations": expect.judged(scenario, probed, problems or {}),
        "problems": [{"strategy": name, "message": text} for name, text in (problems or {}).items()],
    }
    figures = {key: [trial.figures for trial in row] for key, row in tried.items()}
    return document | {
        "requirements": judged(scenario, document, figures),
        "recommendation": tidied(recommended(scenario.prefer, document, tried)),
    }


def _rows(scenario: Scenario, trials: Sequence[Trials]) -> Rows:
    """Trials of all seeds by strategy and candidate, in the order in which the scenario names them."""
    order = [
        (strategy, name)
        for name in (None, *scenario.variants)
        for strategy in (CONTROL, *scenario.strategies)
    ]
    return {key: [seed[key] for seed in trials] for key in order if all(key in seed for seed in trials)}


def dumps(document: Mapping[str, Json]) -> str:
    """The document as text: sorted keys, shortest floats, no NaN, one newline at the end."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def significant(document: Mapping[str, Json], candidate: str, figure: str) -> Best | None:
    """The best strategy by a figure, and those not distinguishable from it; None where none has a value.

    A strategy differs if the 95 % interval of its difference to the best one, seed by seed, leaves out 0.
    Where there is no such interval, it is not known to differ.
    """
    sign = -1 if FIGURES[figure].better == "more" else 1
    means = {
        row["strategy"]: sign * row["figures"][figure]["mean"]
        for row in document["rows"]
        if row["candidate"] == candidate and row["figures"].get(figure, {}).get("mean") is not None
    }
    if not means:
        return None
    best = min(means, key=lambda name: means[name])
    differing = {
        other
        for difference in document["differences"]
        if difference["candidate"] == candidate and difference["figure"] == figure
        for one, other in (("a", "b"), ("b", "a"))
        if difference[one] == best and _leaves_out_zero(difference)
        for other in (difference[other],)
    }
    return Best(best, tuple(name for name in means if name != best and name not in differing))


def _leaves_out_zero(difference: Mapping[str, Json]) -> bool:
    low, high = difference["low"], difference["high"]
    return low is not None and high is not None and not low <= 0 <= high


def _arm(trials: Sequence[Measured]) -> Json:
    return {"bad": _tidy(sum(bool(trial.bad) for trial in trials) / len(trials)), "figures": _figures(trials)}


def _row(scenario: Scenario, strategy: str, candidate: str | None, trials: Sequence[Measured]) -> Json:
    return {
        "strategy": strategy,
        "kind": scenario.strategies[strategy].kind,
        "candidate": candidate,
        "verdicts": _verdicts(trials),
        "figures": _figures(trials),
    }


def _verdicts(trials: Sequence[Measured]) -> Json:
    """Shares of seeds, Wilson's interval."""
    counts = Counter(trial.verdict for trial in trials)
    found = {}
    for verdict in Verdict:
        share = counts[verdict] / len(trials)
        limits = wilson(counts[verdict], len(trials))
        low, high = (None, None) if limits is None else limits
        found[verdict.value] = {"share": _tidy(share), "low": _tidy(low), "high": _tidy(high)}
    return found


def _figures(trials: Sequence[Measured]) -> Json:
    return {key: summary(key, [trial.figures[key] for trial in trials]) for key in FIGURES}


def summary(key: str, figures: Sequence[Figure]) -> Json:
    """One figure of many seeds.

    Not reached counts as waited until the horizon in the mean and as beyond it in percentiles; where no seed
    reached it there is no mean. What does not apply is left out of both. `why` counts all that have no value.
    """
    values = [figure.value for figure in figures if isinstance(figure, Value)]
    waited = [figure.at for figure in figures if isinstance(figure, Missing) and figure.at is not None]
    why = Counter(figure.why for figure in figures if isinstance(figure, Missing))
    ranked, together = values + [math.inf] * len(waited), values + waited
    certain = mean_interval(together) if values and enough(together) else None
    expected = prediction(ranked) if values else None
    found: dict[str, Json] = {
        "unit": FIGURES[key].unit,
        "mean": _tidy(restricted_mean(values, waited)) if values else None,
        "low": _tidy(certain.low) if certain else None,
        "high": _tidy(certain.high) if certain else None,
        "p5": _tidy(percentile(ranked, 0.05)),
        "p50": _tidy(percentile(ranked, 0.5)),
        "p95": _tidy(percentile(ranked, 0.95)),
        "predict_low": _tidy(expected.low) if expected else None,
        "predict_high": _tidy(expected.high) if expected else None,
        "reached": _tidy(len(values) / len(figures)) if figures else 0.0,
        "n": len(together),
    }
    if values and not enough(together):
        why["too few"] += len(together)
    return {**found, "why": dict(sorted(why.items()))} if why else found


def _differences(scenario: Scenario, rows: Rows) -> list[Json]:
    """a − b by seed, for every two strategies, each candidate and each headline figure."""
    found = []
    for candidate in scenario.variants:
        tried = [name for name in scenario.strategies if (name, candidate) in rows]
        for a, b in combinations(tried, 2):
            for key in HEADLINES:
                pairs = zip(rows[a, candidate], rows[b, candidate], strict=True)
                apart = [_apart(one.figures[key], other.figures[key]) for one, other in pairs]
                if known := [value for value in apart if value is not None]:
                    ends = {"a": a, "b": b, "candidate": candidate, "figure": key}
                    found.append({**ends, **_difference(known), "unit": FIGURES[key].unit})
    return found


def _apart(one: Figure, other: Figure) -> float | None:
    """The difference in one seed, restricted at the horizon; None if one does not apply, or neither came."""
    a, b = (figure.value if isinstance(figure, Value) else figure.at for figure in (one, other))
    neither = isinstance(one, Missing) and isinstance(other, Missing)
    return None if a is None or b is None or neither else a - b


def _difference(apart: Sequence[float]) -> Json:
    """The mean difference. A few odd seeds leave its size open, but not its sign, if all have the same."""
    one_sign = len(apart) >= FEWEST_SEEDS and (min(apart) > 0 or max(apart) < 0)
    limits = mean_interval(apart) if one_sign or enough(apart) else None
    low, high = (None, None) if limits is None else limits
    return {
        "mean": _tidy(math.fsum(apart) / len(apart)),
        "low": _tidy(low),
        "high": _tidy(high),
        "n": len(apart),
    }
