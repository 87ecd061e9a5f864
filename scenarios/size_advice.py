"""Which limit, window or least number of requests would make a guard both quiet and watchful enough. Pure.

A release is seen by a guard with every limit below its worst window's value (of `tolerate` + 1 in a row, the
best of these). So one simulation of stable and one of the candidate for each window tells for all limits at
once.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from scenarios.size_guard import Answer, Case, compares
from scenarios.size_release import look
from scenarios.truth import LEVELS
from scenarios.units import Parsed
from scenarios.world import Guard

WINDOWS = (15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600)
_FULL = 0.75  # of a window's expected requests: fewer are too few to judge by
_TRIED = 1_000  # releases to find settings with; what is found is then looked at more closely
_MOST = 2  # suggestions
_APART = 0.9  # of the way from stable to the candidate: no limit is beyond
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Settings in place of those written, and what they come to over a release."""

    guard: Guard
    false_alarm: float
    miss: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do: nothing if `kept`; else one of `instead`, which is empty where no such setting does.

    `candidate` is the one that is hardest to see of those that fail more than stable; None if there is none,
    and then only false alarms are judged.
    """

    candidate: str | None
    kept: bool
    instead: tuple[Suggestion, ...]


def advice(answer: Answer) -> Advice:
    """As written if that keeps to the errors asked for, else what does, the smallest change first."""
    hardest = hardest_to_see(answer)
    if _good(answer, hardest) is not None:
        return Advice(hardest, True, ())
    found = (_good(Answer(case), hardest) for case in _settings(answer, hardest))
    return Advice(hardest, False, tuple(islice((one for one in found if one is not None), _MOST)))


def hardest_to_see(answer: Answer) -> str | None:
    """The candidate that fails least of those that fail more than stable."""
    shares = {name: answer.case.breaking(name) for name in answer.case.candidates}
    worse = [name for name, share in shares.items() if share > answer.case.stable]
    return min(worse, key=shares.__getitem__, default=None)


def _good(answer: Answer, hardest: str | None) -> Suggestion | None:
    """A case's guard with what it comes to in many releases; None where that is too much."""
    case, alarm = answer.case, answer.stable_alone.fails
    miss = 0.0 if hardest is None else 1 - answer.whole(case.breaking(hardest)).fails
    good = alarm <= case.alpha and miss <= 1 - case.power + _ROUNDING
    return Suggestion(case.rule, alarm, miss) if good else None


def _settings(answer: Answer, hardest: str | None) -> Iterator[Case]:
    """Settings that look as if they did: with the window as written, then with others from short to long."""
    written = answer.case.rule
    longest = max(at.phase.seconds for at in answer.windows)
    others = [window for window in WINDOWS if window <= longest and window != written.window]
    for window in (int(written.window), *others):
        for least in _leasts(answer, window):
            changed = written.model_copy(update={"window": Parsed(window), "min_requests": least})
            tried = (replace(answer.case, rule=guard) for guard in _limits(answer.case, changed, hardest))
            fitting = next((fit for case in tried if (fit := _fitted(case, hardest)) is not None), None)
            if fitting is not None:
                yield fitting
                break


def _leasts(answer: Answer, window: int) -> Iterator[int]:
    """The least number of requests to judge by: as written, or most of a full window's."""
    guard = answer.case.rule
    requests, beside = answer.seen.in_window(answer.windows_end, window)
    expected = requests + (beside if guard.of == "all" else 0.0)
    if guard.min_requests <= expected:
        yield guard.min_requests
    if (full := int(_rounded(_FULL * expected, 1, math.floor))) >= 1:
        yield full


def _limits(case: Case, guard: Guard, hardest: str | None) -> Iterator[Guard]:
    """The guard itself and, for a latency, with a limit midway between stable and the candidate."""
    yield guard
    if guard.metric not in LEVELS or hardest is None:
        return
    level, versions = np.array([LEVELS[guard.metric]]), case.scenario.versions
    stable, other = (
        float(version.service_time.distribution().quantile(level)[0])
        for version in (versions.stable, case.scenario.variants[hardest])
    )
    if stable < other:
        limit = _between(stable, other)
        changed = {"limit": limit} if guard.versus is None else {"margin": limit - stable}
        yield guard.model_copy(update={key: Parsed(value) for key, value in changed.items()})


def _fitted(case: Case, hardest: str | None) -> Case | None:
    """The case with a limit that keeps the errors asked for, its own if that does; None if none does."""
    answer = Answer(case)
    watch, tolerate = case.watch(answer.seen), case.rule.tolerate
    other = 1.0 if hardest is None else case.breaking(hardest)
    quiet = look(watch, case.stable, case.stable, _TRIED).worst(tolerate)
    loud = look(watch, other, case.stable, _TRIED).worst(tolerate)
    # the limits that keep alpha are those from `low` on, those that keep the power are below `high`
    low = max(0.0, float(np.quantile(quiet, 1 - case.alpha, method="higher")))
    high = float(np.quantile(loud, 1 - case.power, method="lower"))
    if low <= case.limit < high:
        return case
    # a limit at what the candidate comes to, or above, would see it only by luck, in one of many windows
    apart = _APART * (other - case.stable)
    high = min(high, apart if compares(case.rule) else case.stable + apart)
    if case.rule.metric in LEVELS or not low < high:
        return None
    key = "margin" if compares(case.rule) else "limit"
    changed = case.rule.model_copy(update={key: Parsed(_between(low, high))})
    return replace(case, rule=changed)


def _between(low: float, high: float) -> float:
    """A number of few digits from `low` on and below `high`, near their middle."""
    middle = math.sqrt(low * high) if low > 0 else high / 2
    for digits in range(1, 6):
        found = _rounded(middle, digits, round)
        if low <= found < high:
            return found
    return middle


def _rounded(value: float, digits: int, how: Callable[[float], float]) -> float:
    """To so many significant digits."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{how(value / unit) * unit:.9g}")
