"""What `size` tells of a question about shares: how many requests, how long, and what so many can tell."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from reports.bars import Row, bars, chance, requests
from reports.digits import tidied
from reports.words import listed, quantity
from scenarios.size import (
    Detect,
    Draws,
    ExactTest,
    Pace,
    Precision,
    Window,
    exact_test,
    exactly,
    safe_requests,
)
from scenarios.size_asked import Asked
from scenarios.split import requests_for_precision
from scenarios.units import write_rate, write_share

FORMAT = "rolloutlab.size/1"
Document = dict[str, Any]
_USUAL = 0.95
_FEW = 2e-4  # of the likeliest: rows of less are left out


def document(asked: Asked) -> Document:
    """The answer as plain JSON (`rolloutlab.size/1`); times are seconds, null where no rate was said."""
    found: Document
    match asked.question:
        case Precision() as q:
            kind, found = "precision", _needed(q.requests, asked.pace)
            found |= {"share": q.share, "precision": q.within, "confidence": q.confidence}
        case Detect() as q:
            kind, found = "detect", _needed(q.requests, asked.pace)
            found |= {"share": q.share, "other": q.other, "sides": q.sides}
            found |= {"alpha": q.alpha, "power": q.power}
            test = exact_test(q, q.requests)
            found["exact"] = {"alarm_at_most": test.low, "alarm_at_least": test.high}
            found["exact"] |= {"false_alarm": test.false_alarm, "power": test.power}
            found["exact"]["requests"] = safe_requests(q)
        case Draws() as q:
            kind, found = "draws", _needed(q.requests, asked.pace) | {"share": q.share}
            found["chances"] = {str(k): q.chance(k) for k in _likely(q)}
        case Window() as q:
            kind, found = "window", _needed(q.requests, asked.pace) | {"limit": q.limit}
            if q.share is not None and q.other is not None:
                found |= {"share": q.share, "other": q.other}
                found |= {"false_alarm": q.fails(q.share), "miss": 1 - q.fails(q.other)}
    tidy: Document = tidied({"format": FORMAT, "question": kind, **found})
    return tidy


def _needed(number: int, pace: Pace) -> Document:
    time = {"rate": pace.rate, "share_counted": pace.share, "seconds": pace.seconds(number)}
    return {"requests": number, **time}


def text(asked: Asked) -> RenderableType:
    """The answer for a terminal, 80 columns and more."""
    match asked.question:
        case Precision() as q:
            return Group(*_precision(q, asked.pace))
        case Detect() as q:
            return Group(*_detect(q, asked.pace))
        case Draws() as q:
            return Group(*_draws(q, asked.pace))
        case Window() as q:
            return Group(*_window(q, asked.pace))


def _precision(q: Precision, pace: Pace) -> list[RenderableType]:
    known = f"to know a share of {chance(q.share)} to ± {_points(q.within)}"
    said = [
        Text(f"{q.requests:,} requests {known}", "bold"),
        Text(f"With {chance(q.confidence)} confidence."),
        *_time(q.requests, pace),
    ]
    if q.share == 0.5:
        said.append(Text("50 % is the share that takes most: it suffices for any other."))
    return [*said]


def _detect(q: Detect, pace: Pace) -> list[RenderableType]:
    test, safe = exact_test(q, q.requests), safe_requests(q)
    rise = "a rise" if q.other > q.share else "a fall"
    way = f"only {rise} is looked for" if q.sides == 1 else "too many and too few both count"
    said: list[RenderableType] = [
        Text(f"{requests(q.requests)} to tell {chance(q.other)} from {chance(q.share)}", "bold"),
        Text(f"False alarms {chance(q.alpha)}, misses {chance(1 - q.power)}; {way}."),
        *_time(q.requests, pace),
        Text(),
        Text(f"The exact test of so many requests alarms at {_alarms(test)}."),
    ]
    if safe is not None and safe > q.requests:
        short = f"Counts are whole, so it sees {chance(q.other)} in {chance(test.power)} of all tries"
        said.append(Text(f"{short}; from {safe:,} requests on, in {chance(q.power)} or more."))
    return [*said, Text(), *_alarm_bars(q, test)]


def _alarms(test: ExactTest) -> str:
    ends = [f"{test.low:,} or fewer"] if test.low is not None else []
    ends += [f"{test.high:,} or more"] if test.high is not None else []
    return listed(ends, "and at") or "nothing: they are too few"


def _alarm_bars(q: Detect, test: ExactTest) -> list[RenderableType]:
    """How often the exact test alarms, against the true share."""
    step = (q.other - q.share) / 4
    known = {q.share: "as it should be", q.other: "to be seen"}
    tried = {float(f"{q.share + k * step:.3g}") for k in range(-2, 7)} | set(known)
    rows = [_row(s, test.alarms(s), known) for s in sorted(tried) if 0 <= s <= 1]
    return [Text("true share, and how often the test alarms", "dim"), bars(rows)]


def _draws(q: Draws, pace: Pace) -> list[RenderableType]:
    rows = [Row(f"{k:,}", q.chance(k), chance(q.chance(k))) for k in _likely(q)]
    low, high = _usual(q)
    said: list[RenderableType] = [
        Text(f"{requests(q.requests)}, {chance(q.share)} meant for the candidate", "bold"),
        *_time(q.requests, pace),
        Text("how many reach it, and in how many of all tries", "dim"),
        bars(rows, full=max(row.part for row in rows)),
        Text(),
        Text(f"{_run(low, high)} is usual: 95 tries in 100, or more, end there."),
    ]
    if (none := q.chance(0)) >= 0.01:
        seen = f"Not one reaches it in {chance(none)} of all tries, exactly one in {chance(q.chance(1))},"
        said.append(Text(f"{seen} and nothing is wrong: so few requests cannot tell if the split is right."))
    within = min(0.01, q.share / 2, (1 - q.share) / 2)
    needed = requests_for_precision(q.share, within)
    said.append(Text(f"To know the share to ± {_points(within)} takes {needed:,} requests."))
    return said


def _likely(q: Draws) -> list[int]:
    """The counts that occur, at most 21 of them around the expected one."""
    middle = round(q.share * q.requests)
    near = range(max(0, middle - 10), min(q.requests, middle + 10) + 1)
    chances = {k: q.chance(k) for k in near}
    return [k for k, chance_of_it in chances.items() if chance_of_it >= _FEW * max(chances.values())]


def _run(low: int, high: int) -> str:
    return f"From {low:,} to {high:,}" if low < high else f"{low:,}"


def _usual(q: Draws) -> tuple[int, int]:
    """The shortest run of counts that holds 95 % of all tries: the likeliest ones."""
    reach = 8 * math.sqrt(q.requests * q.share * (1 - q.share)) + 8
    middle = q.share * q.requests
    counts = np.arange(max(0, int(middle - reach)), min(q.requests, int(middle + reach)) + 1)
    chances = exactly(counts, q.requests, q.share)
    likeliest = np.argsort(-chances, kind="stable")
    enough = int(np.searchsorted(np.cumsum(chances[likeliest]), _USUAL)) + 1
    usual = counts[likeliest[:enough]]
    return int(usual.min()), int(usual.max())


def _window(q: Window, pace: Pace) -> list[RenderableType]:
    said: list[RenderableType] = [
        Text(f"A window of {requests(q.requests)} that fails above {chance(q.limit)} failures", "bold"),
        *_time(q.requests, pace),
    ]
    if q.share is not None and q.other is not None:
        alarm, miss = q.fails(q.share), 1 - q.fails(q.other)
        said.append(Text(f"False alarms: at {chance(q.share)} failures it fails in {chance(alarm)}."))
        said.append(Text(f"Misses: at {chance(q.other)} failures it passes in {chance(miss)}."))
    named = {q.share: "false alarms", q.other: "to be seen", q.limit: "limit"}
    marks = {share: mark for share, mark in named.items() if share is not None}
    base = q.limit or 1 / q.requests
    tried = {float(f"{base * factor:.2g}") for factor in (0.1, 0.25, 0.5, 0.75, 1.5, 2, 3, 4, 6)}
    rows = [_row(s, q.fails(s), marks) for s in sorted(tried | set(marks)) if s <= 1]
    return [*said, Text(), Text("true share of failures, and how often the window fails", "dim"), bars(rows)]


def _row(share: float, part: float, marks: Mapping[float, str]) -> Row:
    return Row(chance(share), part, chance(part), marks.get(share, ""))


def _points(within: float) -> str:
    """A difference of shares."""
    return f"{within * 100:.3g} point{'' if within == 0.01 else 's'}"


def _time(needed: int, pace: Pace) -> list[RenderableType]:
    """How long that takes, where a rate was said."""
    seconds = pace.seconds(needed)
    if seconds is None or pace.rate is None:
        return []
    took = f"At {write_rate(pace.rate)} that takes {quantity(seconds, 's')}"
    if pace.share < 1:
        took += f": {write_share(pace.share)} of {needed / pace.share:,.0f} requests"
    return [Text(took + ".")]
