"""Whether a comparison meets what its scenario requires: met, broken, or not decided. Never guesses.

A requirement is judged by what the runs show for certain, not by their average: it is met if the whole 95 %
interval keeps the limit, broken if the whole interval breaks it, and undecided in between.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.digits import tidy
from reports.statistics import FEWEST_SEEDS, Interval, enough, mean_interval, percentile, wilson
from reports.values import Figure, Missing, Value
from reports.words import plain, quantity
from scenarios.require import QUANTILES, Requirement
from scenarios.result import Result, decided, gravest
from scenarios.scenario import Scenario

Json = Any
Figures = Mapping[tuple[str, str | None], Sequence[Mapping[str, Figure]]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A result with what it rests on: the number, its interval, the runs, and all of it in words."""

    result: Result
    message: str
    value: float | None = None
    interval: Interval | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a requirement or an expectation, for people; harmless for a terminal."""

    result: Result
    name: str
    pair: str
    text: str


def judged(scenario: Scenario, document: Mapping[str, Json], figures: Figures) -> list[Json]:
    """The `requirements` of a comparison, in the order of the scenario: one for each strategy and candidate.

    `figures` has those of every seed by strategy and candidate. Where a requirement names no candidate, those
    with which its figure never applies are passed over.
    """
    return [
        _entry(name, required, candidate, found)
        for name, required in scenario.require.items()
        for candidate, found in _each(scenario, required, document, figures)
    ]


def worst(document: Mapping[str, Json]) -> Result:
    """Broken if any requirement or expectation is, else undecided if any is, else met."""
    kinds = ("requirements", "expectations")
    return gravest(Result(entry["result"]) for kind in kinds for entry in document.get(kind, ()))


def told(document: Mapping[str, Json]) -> tuple[Told, ...]:
    """Every requirement of a comparison in words."""
    return in_words(document.get("requirements", ()))


def in_words(judged: Iterable[Json]) -> tuple[Told, ...]:
    """Entries of a comparison's requirements, or expectations, in words."""
    return tuple(
        Told(
            Result(entry["result"]),
            plain(entry["name"]),
            plain(f"{entry['strategy']} with {entry['candidate']}"),
            plain(entry["message"]),
        )
        for entry in judged
    )


def counted(found: Sequence[Told]) -> str:
    """How many are met, broken and undecided: `2 met, 1 broken`."""
    results = [one.result for one in found]
    numbers = ((results.count(result), result) for result in Result)
    return ", ".join(f"{number} {result}" for number, result in numbers if number)


def _each(
    scenario: Scenario, required: Requirement, document: Mapping[str, Json], figures: Figures
) -> list[tuple[str, Judged]]:
    names = [required.candidate] if required.candidate is not None else list(scenario.variants)
    found = [(name, _judge(required, name, document, figures)) for name in names]
    return [(name, one) for name, one in found if one.n] or found[:1]


def _entry(name: str, required: Requirement, candidate: str, found: Judged) -> Json:
    limits = {"at_least": required.at_least, "at_most": required.at_most}
    low, high = found.interval or (None, None)
    return {
        "name": name,
        "strategy": required.strategy,
        "candidate": candidate,
        "figure": required.figure,
        "verdict": required.verdict and required.verdict.value,
        "statistic": required.statistic or ("mean" if required.figure else "share"),
        **limits,
        "unit": required.unit,
        "value": tidy(found.value),
        "low": tidy(low),
        "high": tidy(high),
        "n": found.n,
        "result": found.result.value,
        "message": found.message,
    }


def _judge(required: Requirement, candidate: str, document: Mapping[str, Json], figures: Figures) -> Judged:
    pair = (required.strategy, candidate)
    row = next((r for r in document["rows"] if (r["strategy"], r["candidate"]) == pair), None)
    if row is None:
        problems = {p["strategy"]: p["message"] for p in document["problems"]}
        why = problems.get(required.strategy, "this run left it out")
        return Judged(Result.UNDECIDED, f"not compared: {why}")
    if required.verdict is not None:
        n = len(document["seeds"])
        words = f"runs that end {required.verdict.replace('_', ' ')}"
        return _share(required, round(row["verdicts"][required.verdict]["share"] * n), n, words)
    key = str(required.figure)
    values, waits = _known([figures_of_seed[key] for figures_of_seed in figures[pair]])
    if not values and not waits:
        why = ", ".join(row["figures"][key].get("why", {})) or "no value"
        return Judged(Result.UNDECIDED, f"{key}: no run has a value ({why})")
    match required.statistic:
        case "reached":
            return _share(required, len(values), len(values) + len(waits), f"runs with a {key}")
        case "p5" | "p50" | "p95":
            return _percentile(required, values, waits)
        case _:
            return _mean(required, values, waits)


def _known(found: Sequence[Figure]) -> tuple[list[float], list[float]]:
    """What was reached, and how long was waited for what was not."""
    values = [figure.value for figure in found if isinstance(figure, Value)]
    return values, [f.at for f in found if isinstance(f, Missing) and f.at is not None]


def _mean(required: Requirement, values: Sequence[float], waits: Sequence[float]) -> Judged:
    """By the interval of the mean. Where some runs never got there it has no upper end."""
    together, unit = [*values, *waits], required.unit
    mean, n = math.fsum(together) / len(together), len(together)
    certain = mean_interval(together) if enough(together) else None
    least, most = (-math.inf, math.inf) if certain is None else certain
    result = decided(least, math.inf if waits else most, *required.limits())
    shown = ("≥ " if waits else "") + _between(mean, certain, unit)
    never = f", never reached in {len(waits)} of {n} runs" if waits else ""
    why = "; too few seeds to tell" if certain is None else _why(result, n)
    said = f"mean of {required.figure}: {shown}{never}; {_wanted(required)}{why}"
    return Judged(result, said, mean, certain, n)


def _between(mean: float, certain: Interval | None, unit: str) -> str:
    """A mean with the ends of its interval, or half of its width where the ends read the same."""
    if certain is None:
        return str(quantity(mean, unit))
    low, high = (str(quantity(end, unit)) for end in certain)
    if low == high:
        return str(quantity(mean, unit, (certain.high - certain.low) / 2))
    return f"{quantity(mean, unit)} ({low} to {high})"


def _percentile(required: Requirement, values: Sequence[float], waits: Sequence[float]) -> Judged:
    """By the share of runs on either side of the limit: p95 ≤ x is to say that 95 % of runs are ≤ x."""
    least, most = required.limits()
    level, ranked = QUANTILES[str(required.statistic)], [*values, *(math.inf for _ in waits)]
    sides = [
        _side(ranked, limit, level, at_most)
        for limit, at_most in ((least, False), (most, True))
        if limit is not None
    ]
    value, result = percentile(ranked, level), gravest([side for side, _ in sides])
    shown = "never reached" if value is None else quantity(value, required.unit)
    said = [
        f"{required.statistic} of {required.figure}: {shown}",
        _wanted(required),
        *(words for _, words in sides),
    ]
    return Judged(result, "; ".join(said) + _why(result, len(ranked)), value, None, len(ranked))


def _side(values: Sequence[float], limit: float, level: float, at_most: bool) -> tuple[Result, str]:
    """Whether that share of the runs keeps to an upper limit, or no more than it is below a lower one."""
    count, n = sum(value <= limit if at_most else value < limit for value in values), len(values)
    interval, share = _wilson(count, n), quantity(level, "share")
    if at_most:
        said = f"{count} of {n} runs keep to it ({_percent(interval)}), {share} must"
        return decided(*interval, level, None), said
    said = f"{count} of {n} runs fall below it ({_percent(interval)}), {share} may"
    return decided(*interval, None, level), said


def _share(required: Requirement, count: int, n: int, words: str) -> Judged:
    """By Wilson's interval of the share; limits of 0 % and 100 % are about the runs that were simulated."""
    least, most = required.limits()
    interval, results = _wilson(count, n), []
    if least is not None:
        results.append(_every(count == n, n) if least == 1 else decided(*interval, least, None))
    if most is not None:
        results.append(_every(count == 0, n) if most == 0 else decided(*interval, None, most))
    result = gravest(results)
    said = f"{words}: {count} of {n} ({_percent(interval)}); {_wanted(required)}{_why(result, n)}"
    return Judged(result, said, count / n, interval, n)


def _every(kept: bool, n: int) -> Result:
    """Of something that is required of every run."""
    if not kept:
        return Result.BROKEN
    return Result.MET if n >= FEWEST_SEEDS else Result.UNDECIDED


def _wilson(count: int, n: int) -> Interval:
    return wilson(count, n) or Interval(0.0, 1.0)


def _wanted(required: Requirement) -> str:
    """The limits as they were written."""
    limits = (("at least", required.at_least), ("at most", required.at_most))
    return "required " + " and ".join(f"{words} {limit}" for words, limit in limits if limit is not None)


def _why(result: Result, n: int) -> str:
    if result is not Result.UNDECIDED:
        return ""
    return "; too few seeds to tell" if n < FEWEST_SEEDS else "; not decided: more seeds would tell"


def _percent(interval: Interval) -> str:
    ends = (quantity(end, "share").value for end in interval)
    return f"95 % interval {' to '.join(ends)}"
