"""Predicted beside measured: every figure of every strategy and candidate, judged, and what explains it.

It sees runs only; the document it makes is plain JSON (`rolloutlab.agreement/1`). Causes are named only
where something that was measured differs too: never guessed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports import precision
from reports.digits import tidied
from reports.facets import (
    CAPACITY,
    LATENCY,
    REQUESTS,
    TIMES,
    Meaning,
    Run,
    meanings,
    stage_meaning,
)
from reports.figures import FIGURES, Figure, Missing, Value
from reports.nearness import CONFIDENCE, FEWEST, Endings, Near, Nearness, endings, near
from reports.repeats import Repeat, Repeats
from reports.statistics import t_interval
from reports.words import quantity
from scenarios.agree import Agree
from scenarios.load import digest
from scenarios.overlay import Overlay
from scenarios.provenance import Loss
from scenarios.scenario import Scenario

FORMAT = "rolloutlab.agreement/1"
Json = Any
TOLD = (
    "failed_requests",
    "blast_requests",
    "users_harmed",
    "capacity_loss",
    "worst_capacity",
    "extra_cost",
    "exposure_requests",
    "time_to_detect",
    "rollback_time",
    "recovery_time",
    "release_duration",
    "latency_p50",
    "latency_p99",
)
"""The figures that tables show; the document has all."""

LATENCY_FLOOR, LATE = 0.005, 0.002
_LEFT_OUT = {"sample_ratio_p"}  # a probability, of which no mean means anything


def floor(scenario: Scenario, figure: str) -> float:
    """The difference below which nobody cares: as for seeds, but one whole request or user, and 5 ms."""
    if figure.startswith("latency_"):
        return LATENCY_FLOOR
    if figure == "flips":
        return 0.01
    least = precision.floor(scenario, figure)
    return max(1.0, least) if FIGURES[figure].unit == "count" else least


def agreement(
    measured: Repeats, predicted: Mapping[tuple[str, str], Sequence[Run]], overlay: Overlay | None = None
) -> dict[str, Json]:
    """The document; `predicted` has the simulated runs of every cell of `measured`, 32 or more of each."""
    scenario, agree = measured.scenario, measured.scenario.agree or Agree()
    cells = [_cell(scenario, agree, cell, predicted[cell], measured.of(*cell)) for cell in measured.cells]
    document: dict[str, Json] = {
        "format": FORMAT,
        "scenario": {"name": scenario.name, "digest": digest(scenario)},
        "time_scale": measured.time_scale,
        "cluster": {"uid": measured.cluster_uid, "context": measured.context},
        "runs": list(measured.runs),
        "left_out": [{"trial": name, "why": why} for name, why in measured.left_out],
        "losses": [loss.model_dump(mode="json") for loss in _losses(measured.repeats)],
        "seeds": min(len(runs) for runs in predicted.values()),
        "margin": float(agree.margin),
        "cells": cells,
        "counts": _counts(cells),
    }
    if overlay is not None:
        document["overlay"] = overlay.origin.model_dump(mode="json")
    found: dict[str, Json] = tidied(document)
    return found


def _counts(cells: Sequence[Mapping[str, Json]]) -> dict[str, int]:
    """How many figures of those that are told are said to be what."""
    said = [c["figures"][key]["nearness"] for c in cells for key in TOLD if key in c["figures"]]
    return {word.value: said.count(word.value) for word in Nearness}


def _cell(
    scenario: Scenario,
    agree: Agree,
    cell: tuple[str, str],
    predicted: Sequence[Run],
    live: Sequence[Repeat],
) -> Json:
    strategy, candidate = cell
    runs = [repeat.run for repeat in live]
    figures = {
        key: found
        for key in FIGURES
        if not key.endswith("_exact") and key not in _LEFT_OUT
        if (found := _figure(scenario, agree, key, predicted, runs)) is not None
    }
    gone = {key: loss.why for loss in _losses(live) if not loss.measured for key in loss.figures}
    figures |= {key: _lost(key, gone[key]) for key in figures.keys() & gone.keys()}
    causes = list(_causes(predicted, live))
    for key, figure in figures.items():
        if figure["nearness"] == Nearness.DIFFERS:
            figure["because"] = [text for about, text in causes if _group(key) in about]
    return {
        "strategy": strategy,
        "kind": scenario.strategies[strategy].kind,
        "candidate": candidate,
        "repeats": len(live),
        "seeds": len(predicted),
        "ended": _ended(endings(_verdicts(predicted), _verdicts(runs))),
        "figures": figures,
    }


def _losses(live: Sequence[Repeat]) -> tuple[Loss, ...]:
    """What the images lacked that were released."""
    return tuple(dict.fromkeys(loss for repeat in live for loss in repeat.provenance.losses))


def _verdicts(runs: Sequence[Run]) -> list[str]:
    return [str(run.measured.verdict) for run in runs]


def _ended(found: Endings) -> Json:
    ways = {
        way.verdict: {"predicted": way.predicted, "measured": way.measured, "low": way.low, "high": way.high}
        for way in found.ways
    }
    return {"nearness": found.nearness.value, "chance": found.chance, "ways": ways}


# --- one figure --------------------------------------------------------------------------------------


def _figure(
    scenario: Scenario, agree: Agree, key: str, predicted: Sequence[Run], live: Sequence[Run]
) -> dict[str, Json] | None:
    """A figure of a cell; None where it applies to no run of either side."""
    told = [run.measured.figures[key] for run in predicted]
    seen = [run.measured.figures[key] for run in live]
    empty: dict[str, Json] = {"unit": FIGURES[key].unit, "why": ""}
    if any(isinstance(one, Missing) and one.why == "not observable" for one in seen):
        return _lost(key, "only the simulator knows the same run without a release")
    values, waited = _known(told), _known(seen)
    if not values and not waited:
        return None
    counts = {"n": len(waited), "of": len(live), "seeds_with": len(values), "seeds": len(predicted)}
    if len(values) < 2 or not waited:
        have = f"{len(values)} of {len(predicted)} predicted runs", f"{len(waited)} of {len(live)} repeats"
        why = f"{have[0]} and {have[1]} have it"
        return {**empty, **counts, "nearness": Nearness.TOO_FEW.value, "why": why, "values": waited}
    found = near(values, waited, agree.margin_of(key), floor(scenario, key))
    reached = {"predicted": _reached(told), "measured": _reached(seen)}
    never = {"why": "never reached"} if not any(reached.values()) else {}
    if never and found.nearness is Nearness.DIFFERS:  # only in how long was waited for it
        never["nearness"] = Nearness.AGREES.value
    return {**empty, **counts, **_judged(found, waited), **never, "reached": reached}


def _lost(key: str, why: str) -> dict[str, Json]:
    """A figure that cannot be observed here."""
    return {"unit": FIGURES[key].unit, "nearness": Nearness.NOT_OBSERVABLE.value, "why": why}


def _known(figures: Sequence[Figure]) -> list[float]:
    """Values; what was not reached counts as waited for until the horizon."""
    found = (figure.value if isinstance(figure, Value) else figure.at for figure in figures)
    return [value for value in found if value is not None]


def _reached(figures: Sequence[Figure]) -> float:
    """Share that has a value, of those to which it applies."""
    there = [figure for figure in figures if isinstance(figure, Value) or figure.at is not None]
    return sum(isinstance(figure, Value) for figure in there) / len(there) if there else 0.0


def _judged(found: Near, values: Sequence[float]) -> dict[str, Json]:
    """As written in the document; `half` is of the measured mean's own 90 % interval."""
    own = t_interval(values, CONFIDENCE)
    return {
        "nearness": found.nearness.value,
        "why": _why(found, len(values)),
        "predicted": found.predicted,
        "measured": found.measured,
        "half": None if own is None else (own.high - own.low) / 2,
        "values": list(values),
        "difference": found.difference,
        "chance": {"below": found.chance.below, "above": found.chance.above},
        "allowed": found.allowed,
        "widest": found.widest,
        "power": found.power,
        "repeats_needed": found.repeats,
    }


def _why(found: Near, repeats: int) -> str:
    if found.nearness is not Nearness.TOO_FEW:
        return ""
    if repeats < FEWEST:
        return f"{repeats} of at least {FEWEST}"
    if found.repeats is None:
        return "more simulated seeds are needed too"
    return f"about {max(found.repeats, repeats + 1):,} would do"


# --- why ---------------------------------------------------------------------------------------------


def _group(figure: str) -> str:
    if figure.startswith("latency_"):
        return LATENCY
    unit = FIGURES[figure].unit
    if unit == "pod-seconds" or figure in ("worst_capacity", "version_skew"):
        return CAPACITY
    return TIMES if unit == "s" else REQUESTS


def _causes(predicted: Sequence[Run], live: Sequence[Repeat]) -> Iterator[tuple[frozenset[str], str]]:
    """What else differs by more than chance: what it is about, and a sentence with its sizes."""
    known = meanings()
    stages = dict.fromkeys(key for repeat in live for key in repeat.run.facets if key.startswith("stage "))
    for key, meaning in {**known, **{key: stage_meaning(key[6:]) for key in stages}}.items():
        told = [run.facets[key] for run in predicted if key in run.facets]
        seen = [repeat.run.facets[key] for repeat in live if key in repeat.run.facets]
        if len(told) >= 2 and len(seen) >= FEWEST:
            found = near(told, seen, Agree().margin, meaning.floor)
            if found.nearness is Nearness.DIFFERS:
                yield meaning.about, _sentence(meaning, found)
    yield from _generator(live)


def _sentence(meaning: Meaning, found: Near) -> str:
    measured, predicted = (quantity(value, meaning.unit).value for value in (found.measured, found.predicted))
    return f"{meaning.what.format(measured)}, predicted {predicted} ({meaning.points_to})"


def _generator(live: Sequence[Repeat]) -> Iterator[tuple[frozenset[str], str]]:
    """What the generator did that no simulated one does."""
    sent = [repeat.provenance.sent for repeat in live]
    share = math.fsum(one.share_late for one in sent) / len(sent)
    if share > LATE:
        most = quantity(max(one.most for one in sent), "s").value
        text = f"{share:.1%} of requests were sent more than 50 ms late, the latest by {most}"
        yield frozenset((REQUESTS, LATENCY)), f"{text} (the generator)"
