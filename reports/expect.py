"""What came of a comparison's expectations: each judged over the runs that got there, and told in words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.digits import tidy
from reports.require import Told, in_words
from reports.words import listed, plain, quantity
from scenarios.answered import Counts, Judged, Probed
from scenarios.answered import judged as judge
from scenarios.expect import END, Expectation
from scenarios.scenario import Scenario

Json = Any
Runs = Mapping[tuple[str, str | None], Sequence[Sequence[Probed]]]
MOST_TOLD = 6


def judged(scenario: Scenario, runs: Runs, problems: Mapping[str, str]) -> list[Json]:
    """The `expectations` of a comparison, in the order of the scenario: one for each strategy and candidate.

    `runs` has what was probed in each run, by strategy and candidate. Where an expectation names no strategy
    or candidate, those in which no run got there are passed over, unless that goes for all.
    """
    return [
        entry
        for name, expected in scenario.expect.items()
        for entry in _reached(
            [_entry(name, expected, *each, problems) for each in _each(scenario, name, runs)]
        )
    ]


def told(document: Mapping[str, Json]) -> tuple[Told, ...]:
    """Every expectation of a comparison in words."""
    return in_words(document.get("expectations", ()))


def alone(expected: Expectation, probed: Probed) -> Told:
    """What came of an expectation in one run."""
    found = judge(expected.model_copy(update={"in_runs": None}), [probed.counts])
    when = "at the horizon" if expected.when == END else f"as {expected.when} ends"
    return Told(
        found.result, plain(probed.name), plain(when), plain(_message(expected, [probed.counts], 1, found))
    )


def _each(scenario: Scenario, name: str, runs: Runs) -> Iterator[tuple[str, str, list[Counts], int]]:
    """Strategy, candidate, what came back in the runs that got there, and how many runs there were."""
    expected = scenario.expect[name]
    for candidate in [expected.candidate] if expected.candidate is not None else scenario.variants:
        for strategy in [expected.strategy] if expected.strategy is not None else scenario.strategies:
            tried = runs.get((strategy, candidate), ())
            found = [probed.counts for run in tried for probed in run if probed.name == name]
            yield strategy, candidate, found, len(tried)


def _reached(entries: list[Json]) -> list[Json]:
    return [entry for entry in entries if entry["runs"]] or entries[:1]


def _entry(
    name: str,
    expected: Expectation,
    strategy: str,
    candidate: str,
    found: Sequence[Counts],
    tried: int,
    problems: Mapping[str, str],
) -> Json:
    result = judge(expected, found)
    low, high = result.interval or (None, None)
    by = sum((Counter(run.by) for run in found), Counter[str]())
    return {
        "name": name,
        "strategy": strategy,
        "candidate": candidate,
        "when": expected.when,
        "expected": f"{expected.answers} {expected.wanted}",
        "requests": expected.requests,
        "runs": len(found),
        "fit": dict(sorted((str(fit), times) for fit, times in Counter(run.fit for run in found).items())),
        "unknown": sum(run.unknown for run in found),
        "by": dict(sorted(by.items())),
        "value": tidy(result.value),
        "low": tidy(low),
        "high": tidy(high),
        "result": result.result.value,
        "message": _message(expected, found, tried, result)
        if found
        else _why(expected, strategy, tried, problems),
    }


def _why(expected: Expectation, strategy: str, tried: int, problems: Mapping[str, str]) -> str:
    """Why no run got there."""
    if not tried:
        return f"not compared: {problems.get(strategy, 'this run left it out')}"
    return f"no run came to the end of stage {expected.when}"


def _message(expected: Expectation, found: Sequence[Counts], tried: int, result: Judged) -> str:
    said = [f"expected {expected.answers} {expected.wanted}", _seen(expected, found, result)]
    if unknown := sum(run.unknown for run in found):
        said.append(f"of {unknown:,} answers nobody can say whether they fit")
    if len(found) < tried:
        said.append(f"{tried - len(found)} of {tried} runs did not come there")
    return "; ".join(said)


def _seen(expected: Expectation, found: Sequence[Counts], result: Judged) -> str:
    """What was found: a share with its interval, or how often how many fitted."""
    if expected.share is not None:
        answers = sum(run.of for run in found)
        return f"it was {quantity(result.value or 0, 'share').value} of {answers:,}{_interval(result)}"
    runs = Counter(run.fit for run in found)
    if len(found) == 1 or len(runs) == 1:
        often = "" if len(found) == 1 else f" in each of {len(found)} runs"
        return f"it was {next(iter(runs))} of {expected.times}{often}"
    often_first = sorted(runs, key=lambda fit: (-runs[fit], fit))
    words = [f"{fit} in {runs[fit]}" for fit in sorted(often_first[:MOST_TOLD])]
    others = sum(runs[fit] for fit in often_first[MOST_TOLD:])
    words += [f"others in {others}"] if others else []
    kept = (
        ""
        if expected.in_runs is None
        else f"; kept in {quantity(result.value or 0, 'share').value}{_interval(result)}"
    )
    return f"of {expected.times} it was {listed(words)} of {len(found)} runs{kept}"


def _interval(result: Judged) -> str:
    if result.interval is None:
        return ""
    low, high = (quantity(end, "share").value for end in result.interval)
    return f" (95 % interval {low} to {high})"
