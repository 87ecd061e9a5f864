"""What `size` tells of a guard: what it cannot see, a small picture, what would do better."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reports.bars import Row, bars, chance, frequency, requests
from reports.digits import tidied
from reports.words import listed, plain, quantity, shortened
from scenarios.size import Detect
from scenarios.size_advice import Advice, advice
from scenarios.size_guard import Answer, Case, WindowAt
from scenarios.units import write_duration, write_rate
from scenarios.world import Guard

FORMAT = "rolloutlab.size/1"
Document = dict[str, Any]
_LINES = 3  # candidates in the table; more do not fit in 80 columns


def document(answer: Answer) -> Document:
    """The answer as plain JSON (`rolloutlab.size/1`)."""
    case = answer.case
    found: Document = {
        "format": FORMAT,
        "question": "guard",
        "scenario": case.scenario.name,
        "strategy": case.strategy,
        "guard": {"name": case.guard, **as_written(case.rule)},
        "rate": answer.seen.rate,
        "alpha": case.alpha,
        "power": case.power,
        "stable": {"share": case.stable, **_release(answer, case.stable)},
        "candidates": {name: _candidate(answer, name) for name in case.candidates},
        "stages": [_stage(answer, at) for at in answer.windows],
        "with_min_requests": {"false_alarm": answer.shortest_false_alarm},
        "curve": [{"share": p.share, "window": p.window, "release": p.release} for p in answer.curve],
        "advice": _advised(advice(answer)),
    }
    tidy: Document = tidied(found)
    return tidy


def as_written(guard: Guard) -> dict[str, Any]:
    """The keys of a guard that are not left at their defaults, as in YAML."""
    written: dict[str, Any] = guard.model_dump(exclude_none=True)
    kept = {"window", "min_requests"}
    usual = {name: field.default for name, field in Guard.model_fields.items()}
    return {key: value for key, value in written.items() if key in kept or value != usual[key]}


def _release(answer: Answer, share: float) -> Document:
    whole = answer.whole(share)
    return {"fails": whole.fails, "seconds": whole.after, "releases": whole.releases}


def _candidate(answer: Answer, name: str) -> Document:
    case, needed = answer.case, answer.needed(name)
    share = case.breaking(name)
    number = None if needed is None else needed.requests
    return {"share": share, "requests": number, **_release(answer, share)}


def _stage(answer: Answer, at: WindowAt) -> Document:
    return {
        "stage": at.phase.name,
        "share": at.phase.share,
        "seconds": at.phase.seconds,
        "requests_in_window": at.requests,
        "cannot_say": at.cannot_say,
        "window_fails": {"stable": at.false_alarm, **at.sees},
        "failed_by_then": {"stable": answer.stable_alone.by[at.place]}
        | {name: whole.by[at.place] for name, whole in answer.wholes.items()},
        "seconds_to_tell": {name: _takes(answer, at, name) for name in answer.case.candidates},
    }


def _takes(answer: Answer, at: WindowAt, name: str) -> float | None:
    """How long the stage takes to bring the requests that tell a candidate from stable."""
    needed, pace = answer.needed(name), answer.seen.rate * at.phase.share
    return None if needed is None or pace == 0 else needed.requests / pace


def _advised(advised: Advice) -> Document:
    instead = [
        {"guard": as_written(one.guard), "false_alarm": one.false_alarm, "miss": one.miss}
        for one in advised.instead
    ]
    return {"as_written": advised.kept, "for_candidate": advised.candidate, "instead": instead}


def text(answer: Answer) -> RenderableType:
    """The answer for a terminal, 80 columns and more."""
    case = answer.case
    apart = [name for name in case.candidates if case.breaking(name) != case.stable]
    return Group(
        Text(f"Guard {plain(case.guard)} of {plain(case.strategy)}", "bold"),
        Text(_yaml(case.rule)),
        Text(_looks(answer)),
        Text(),
        _table(answer, apart[:_LINES]),
        Text(),
        *(Text(line) for line in _said(answer, apart)),
        Text(),
        _picture(answer),
        Text(),
        *(Text(line) for line in _advice(answer)),
        Text(),
        Text(_assumed(answer), "dim"),
    )


def _yaml(guard: Guard) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in as_written(guard).items()) + "}"


def _looks(answer: Answer) -> str:
    case = answer.case
    what = "fails" if case.latency is None else f"is slower than {quantity(case.latency, 's')} in"
    least = f"{case.rule.min_requests:,} requests"
    return (
        f"Stable {what} {chance(case.stable)}; {write_rate(float(f'{answer.seen.rate:.4g}'))}. A look every "
        f"{write_duration(case.scenario.observe.every)}; under {least} it cannot say."
    )


def _table(answer: Answer, apart: list[str]) -> Table:
    """By stage: what the last window shows, and what has happened by its end."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(Text("stage", "dim"), max_width=16, overflow="ellipsis", no_wrap=True)
    for head in ("requests\nin window", "too\nfew", "false alarm\na window", "\nby then"):
        grid.add_column(Text(head, "dim", justify="right"), justify="right", no_wrap=True)
    for name in apart:
        head = f"sees {shortened(plain(name), 10)}\nby then"
        grid.add_column(Text(head, "dim", justify="right"), justify="right", no_wrap=True)
    for at in answer.windows:
        numbers = (f"{at.requests:,.0f}", chance(at.cannot_say), chance(at.false_alarm))
        wholes = (answer.stable_alone, *(answer.wholes[name] for name in apart))
        by_then = (frequency(whole.by[at.place], whole.releases) for whole in wholes)
        grid.add_row(Text(plain(at.phase.name)), *numbers, *by_then)
    return grid


def _said(answer: Answer, apart: list[str]) -> Iterator[str]:
    """In sentences: false alarms and misses of a release, and what it takes to tell a candidate apart."""
    case, stable = answer.case, answer.stable_alone
    alarms = frequency(stable.fails, stable.releases)
    yield f"False alarms: it fails in {alarms} of releases of a candidate like stable."
    for name in apart:
        whole, takes = answer.wholes[name], answer.needed(name)
        missed, seen = (frequency(part, whole.releases) for part in (1 - whole.fails, whole.fails))
        after = "" if whole.after is None else f", after {quantity(whole.after, 's')} on average"
        yield f"Misses of {plain(name)} ({chance(whole.share)}): {missed}. It is seen in {seen}{after}."
        if takes is not None:
            yield _to_tell(answer, name, takes)
    early, window = answer.shortest_false_alarm, max(at.false_alarm for at in answer.windows)
    if early > 2 * window and early > 0.001:
        yield (
            f"It may judge by {case.rule.min_requests:,} requests, before a window is full: such a look is a "
            f"false alarm in {chance(early)}, one at a full window in {chance(window)}."
        )


def _to_tell(answer: Answer, name: str, needed: Detect) -> str:
    """How many requests, and how long they take in each stage."""
    stages = ((at.phase.name, _takes(answer, at, name)) for at in answer.windows)
    times = [f"{quantity(took, 's')} at {plain(stage)}" for stage, took in stages if took is not None]
    more = f", and {len(times) - 3} more stages" if len(times) > 3 else ""
    told = f"Telling {plain(name)} from stable takes {requests(needed.requests)}"
    return f"{told}: {listed(times[:3])}{more}."


def _picture(answer: Answer) -> Table:
    """The operating characteristic: a bar for each true share."""
    case = answer.case
    marks = {float(f"{case.breaking(name):.6g}"): name for name in case.candidates}
    marks |= {float(f"{case.stable:.6g}"): "stable"}
    rows = [
        Row(
            chance(p.share),
            p.release,
            frequency(p.release, p.releases),
            shortened(_mark(case, marks, p.share), 14),
            chance(p.window),
        )
        for p in answer.curve
    ]
    what = "true\nshare" if case.latency is None else "too\nslow"
    return bars(
        rows,
        heads=(what, "release\nfails", f"window\nat {shortened(plain(answer.windows[0].phase.name), 10)}"),
    )


def _mark(case: Case, marks: dict[float, str], share: float) -> str:
    return plain(marks.get(share, "limit" if abs(share - case.limit) < 1e-9 else ""))


def _advice(answer: Answer) -> Iterator[str]:
    case, advised = answer.case, advice(answer)
    wanted = f"false alarms in {chance(case.alpha)} of releases at most"
    if advised.candidate is not None:
        wanted += f", misses of {plain(advised.candidate)} in {chance(1 - case.power)}"
    if advised.kept:
        yield f"As written it does what is asked for: {wanted}."
        return
    yield f"As written it does not do what is asked for: {wanted}."
    for one in advised.instead:
        of = answer.stable_alone.releases
        yield f"  {plain(case.guard)}: {_yaml(one.guard)}"
        yield f"    false alarms {frequency(one.false_alarm, of)}, misses {frequency(one.miss, of)}"
    if not advised.instead:
        yield "No limit, window or min_requests within the holds does: hold longer, or give it more requests."


def _assumed(answer: Answer) -> str:
    releases = answer.stable_alone.releases
    half = 0.98 / releases**0.5
    return (
        f"One window: exact, over Poisson numbers of requests. Releases: {releases:,} simulated in counts "
        f"(± {half * 100:.1g} points), windows overlapping. Failures come independently of each other; what "
        "load, queues, crashes, removed pods and young pods add is left out."
    )
