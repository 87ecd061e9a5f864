"""What a guard as written can and cannot see: false alarms, misses, and settings that would do better. Pure.

A window alone is computed exactly, over Poisson numbers of requests; a whole release, whose windows overlap,
is simulated in counts (`size_release`). Candidates differ from stable by what `truth` says of them, and by
no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios.exposure import Exposure, Phase, exposure
from scenarios.scenario import Scenario
from scenarios.size import Detect, allowed, around, exactly, more_than
from scenarios.size_release import Watch, look
from scenarios.truth import LEVELS, breaking, latency_limit
from scenarios.world import Guard

Floats: TypeAlias = NDArray[np.float64]
CURVE_RELEASES = 3_000
_DEVIATIONS = 8.0  # of stable's failures that are summed over


@dataclass(frozen=True, slots=True)
class Case:
    """A guard that judges a strategy of a scenario, its `rule` as written or not, and the errors accepted."""

    scenario: Scenario
    strategy: str
    guard: str
    rule: Guard
    candidates: tuple[str, ...]
    rate: float | None = None
    alpha: float = 0.05
    power: float = 0.9

    @property
    def stable(self) -> float:
        """The share of stable's requests that count against it."""
        return breaking(self.scenario, self.rule, self.scenario.versions.stable)

    def breaking(self, candidate: str) -> float:
        """The share of a candidate's requests that count against it."""
        return breaking(self.scenario, self.rule, self.scenario.variants[candidate])

    @property
    def limit(self) -> float:
        """The limit, or with `versus` the margin, as a share of requests."""
        return share_limit(self.rule)

    @property
    def latency(self) -> float | None:
        """What is too slow, in seconds; None where failures are judged."""
        return latency_limit(self.scenario, self.rule) if self.rule.metric in LEVELS else None

    @property
    def exposure(self) -> Exposure:
        """What the guard may expect to see."""
        return exposure(self.scenario, self.strategy, self.guard, self.rate)

    def watch(self, seen: Exposure) -> Watch:
        """How it looks."""
        guard, observe = self.rule, self.scenario.observe
        return Watch(
            seen,
            int(guard.window),
            int(observe.every),
            float(observe.delay),
            guard.min_requests,
            guard.tolerate,
            guard.of == "all",
            compares(guard),
        )


def share_limit(guard: Guard) -> float:
    """The share of requests above which a window fails: failures, or too slow ones."""
    if guard.metric in LEVELS:
        return 1 - LEVELS[guard.metric]
    return float((guard.limit if guard.versus is None else guard.margin) or 0.0)


def compares(guard: Guard) -> bool:
    """Whether stable's share of failures, itself counted, is what it compares with."""
    return guard.versus is not None and guard.metric not in LEVELS


@dataclass(frozen=True, slots=True)
class WindowAt:
    """The last window of a phase (the `place`-th): requests to be expected, how often too few or failing."""

    place: int
    phase: Phase
    requests: float
    cannot_say: float
    false_alarm: float
    sees: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Whole:
    """Whole releases: how often the guard fails in one, and after how many seconds on average.

    `by` has how often it has failed by the end of each phase.
    """

    share: float
    releases: int
    fails: float
    after: float | None
    by: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the operating characteristic: a true share, and how often a window and a release fail."""

    share: float
    window: float
    release: float
    releases: int


class Answer:
    """All that is told of a case, each part computed once."""

    def __init__(self, case: Case) -> None:
        self.case, self.seen = case, case.exposure
        self._known = dict[float, Whole]()

    @cached_property
    def windows(self) -> tuple[WindowAt, ...]:
        """The last window of each phase that is held; of all phases where none is."""
        every = range(len(self.seen.phases))
        held = [place for place in every if self.seen.phases[place].held] or every
        return tuple(self._window(place) for place in held)

    def _window(self, place: int) -> WindowAt:
        case, guard, end = self.case, self.case.rule, self.seen.ends[place]
        candidate, stable = self.seen.in_window(end, guard.window)
        subject = candidate + (stable if guard.of == "all" else 0.0)
        numbers, weights = around(subject)
        few = float(weights[numbers < guard.min_requests].sum())
        sees = {name: self.window_fails(case.breaking(name), end) for name in case.candidates}
        alarm = self.window_fails(case.stable, end)
        return WindowAt(place, self.seen.phases[place], subject, few, alarm, sees)

    def window_fails(self, share: float, end: float) -> float:
        """How often the window that ends then fails, where that share of the candidate's requests does."""
        case, guard = self.case, self.case.rule
        candidate, stable = self.seen.in_window(end, guard.window)
        if guard.of == "all":
            total = candidate + stable
            mixed = (candidate * share + stable * case.stable) / max(total, 1e-9)
            return _fails(guard, total, mixed)
        if not compares(guard):
            return _fails(guard, candidate, share)
        # where stable has too few now, its last window that had enough counts: one before the first phase
        baseline = stable if stable >= guard.min_requests else self.seen.rate * guard.window
        return _fails_beside(guard, candidate, share, round(baseline), case.stable)

    @cached_property
    def stable_alone(self) -> Whole:
        """A release of a candidate that is as stable is: every failure of the guard is a false alarm."""
        return self.whole(self.case.stable)

    @cached_property
    def wholes(self) -> dict[str, Whole]:
        """A release of each candidate."""
        return {name: self.whole(self.case.breaking(name)) for name in self.case.candidates}

    def whole(self, share: float) -> Whole:
        """A release of a candidate that fails with this share."""
        if share not in self._known:
            looks = look(self.case.watch(self.seen), share, self.case.stable)
            times = looks.first(self.case.limit, self.case.rule.tolerate)
            seen = times[np.isfinite(times)] + self.case.scenario.observe.delay
            after = float(seen.mean()) if len(seen) else None
            by = tuple(float((seen <= end).sum()) / len(times) for end in self.seen.ends)
            self._known[share] = Whole(share, len(times), len(seen) / len(times), after, by)
        return self._known[share]

    @cached_property
    def curve(self) -> tuple[Point, ...]:
        """The operating characteristic: how often the guard fails against the candidate's true share."""
        case, watch = self.case, self.case.watch(self.seen)
        end = self.windows_end
        found = []
        for share in _grid(case):
            worst = look(watch, share, case.stable, CURVE_RELEASES).worst(case.rule.tolerate)
            fails = float((worst > case.limit).mean())
            found.append(Point(share, self.window_fails(share, end), fails, len(worst)))
        return tuple(found)

    @property
    def shortest_false_alarm(self) -> float:
        """The false alarm of a window that holds just `min_requests`, as the first ones may; exact."""
        guard, case = self.case.rule, self.case
        n, limit = guard.min_requests, self.case.limit
        if not compares(guard):
            return float(more_than(allowed(limit, n), n, case.stable))
        return _beside(
            guard,
            np.array([float(n)]),
            np.ones(1),
            case.stable,
            round(self.seen.rate * guard.window),
            case.stable,
        )

    @property
    def windows_end(self) -> float:
        """When the first phase ends whose windows are told of."""
        return self.seen.ends[self.windows[0].place]

    def needed(self, candidate: str) -> Detect | None:
        """What it takes to tell that candidate from stable by counting failures; None if it fails no more."""
        stable, other = self.case.stable, self.case.breaking(candidate)
        return Detect(stable, other, 1, self.case.alpha, self.case.power) if other > stable else None


def _fails(guard: Guard, mean: float, share: float) -> float:
    """Over Poisson numbers of requests, where there are enough."""
    numbers, weights = around(mean)
    judged = numbers >= guard.min_requests
    failing = more_than(allowed(share_limit(guard), numbers), numbers, share)
    return _sum(weights * judged * failing)


def _fails_beside(guard: Guard, mean: float, share: float, baseline: int, stable: float) -> float:
    """Against stable's share in `baseline` requests plus the margin: the difference of two binomials."""
    return _beside(guard, *around(mean, 400), share, baseline, stable)


def _beside(
    guard: Guard, numbers: Floats, weights: Floats, share: float, baseline: int, stable: float
) -> float:
    spread = _DEVIATIONS * (baseline * stable * (1 - stable)) ** 0.5 + _DEVIATIONS
    first, last = max(0.0, baseline * stable - spread), min(float(baseline), baseline * stable + spread)
    failed = np.unique(np.linspace(np.floor(first), np.ceil(last), 400).round())
    chance = exactly(failed, baseline, stable)
    limits = failed / max(baseline, 1) + share_limit(guard)
    most = allowed(limits[:, np.newaxis], numbers)
    failing = more_than(most, numbers, share) * (numbers >= guard.min_requests)
    return _sum((chance / chance.sum())[:, np.newaxis] * weights * failing)


def _sum(parts: Any) -> float:
    return float(min(1.0, np.sum(parts)))


def _grid(case: Case) -> list[float]:
    """True shares to try: round ones around those that matter, and those themselves."""
    own = [case.stable, *(case.breaking(name) for name in case.candidates)]
    turn = case.limit + (case.stable if compares(case.rule) else 0.0)
    low = min([turn / 5, *(share for share in own if share > 0)]) or 0.0001
    high = min(1.0, max(3 * turn, *own, 0.0005))
    steps = [digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 3, 5, 7)]
    round_ones = [share for share in steps if low * 0.99 <= share <= high * 1.01]
    named = [*own, turn]
    apart = [s for s in round_ones if all(abs(s - n) > 0.02 * s for n in named)]
    return sorted({float(f"{share:.6g}") for share in (*apart[:: max(1, len(apart) // 12)], *named)})
