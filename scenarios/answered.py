"""What came back for an expectation: which answers fit, and whether that is what was expected. Pure.

Answers may come from a simulated service or from an address; nothing here knows which.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scenarios.binomial import exact
from scenarios.expect import Expectation, Wanted
from scenarios.result import Result, decided, gravest
from scenarios.semantics import header_pattern

NOBODY = "nobody"
FEWEST_RUNS = 2  # from which the spread between runs can be seen


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `version` is stable, candidate, nobody (a router's own answer, or none), or None: unknown.

    `status` None: no answer came. Headers (a name may come twice) and body are None where nobody knows them.
    """

    version: str | None
    status: int | None
    headers: tuple[tuple[str, str], ...] | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many answers of one run fit, how many do not, and of how many nobody can say; who answered."""

    fit: int
    other: int
    unknown: int = 0
    by: Mapping[str, int] = field(default_factory=dict)

    @property
    def of(self) -> int:
        """All of them."""
        return self.fit + self.other + self.unknown


@dataclass(frozen=True, slots=True)
class Probed:
    """What came back for an expectation in one run, `t` seconds after the trigger."""

    name: str
    t: float
    counts: Counts


@dataclass(frozen=True, slots=True)
class Judged:
    """A result with what it rests on: the share that fits, of a share or of runs its 95 % interval."""

    result: Result
    value: float | None = None
    interval: tuple[float, float] | None = None


def fits(wanted: Wanted, answer: Answer) -> bool | None:
    """Whether an answer is as wanted; None where what is known of it does not say."""
    found = list(_each(wanted, answer))
    return False if False in found else None if None in found else True


def _each(wanted: Wanted, answer: Answer) -> Iterable[bool | None]:
    if wanted.version is not None:
        yield None if answer.version is None else answer.version == wanted.version
    if wanted.status is not None:
        yield _has_status(wanted.status, answer.status)
    for name, pattern in wanted.headers.items():
        yield _has_header(name, pattern, answer)
    if wanted.body is not None:
        known = answer.status is None or answer.body is not None
        yield (
            header_pattern.found(wanted.body, answer.body or "") and answer.status is not None
            if known
            else None
        )


def _has_status(wanted: int | str, status: int | None) -> bool:
    if status is None or wanted == "none":
        return status is None and wanted == "none"
    return status // 100 == int(wanted[0]) if isinstance(wanted, str) else status == wanted


def _has_header(name: str, pattern: str, answer: Answer) -> bool | None:
    if answer.status is None:
        return False
    if answer.headers is None:
        return None
    values = (value for key, value in answer.headers if key.lower() == name.lower())
    return any(header_pattern.found(pattern, value) for value in values)


def counted(wanted: Wanted, answers: Iterable[tuple[Answer, int]]) -> Counts:
    """Answers of one run, each with how often it came."""
    results: Counter[bool | None] = Counter()
    by: Counter[str] = Counter()
    for answer, times in answers:
        results[fits(wanted, answer)] += times
        by[answer.version or "unknown"] += times
    return Counts(results[True], results[False], results[None], dict(sorted(by.items())))


def judged(expectation: Expectation, runs: Sequence[Counts]) -> Judged:
    """What all runs together show. A share is judged by its exact interval over all of them, widened where
    runs differ by more than chance; counts run by run.
    """
    answers = sum(run.of for run in runs)
    if not answers:
        return Judged(Result.UNDECIDED)
    if expectation.share is not None:
        return _share(expectation, runs, answers)
    results = [decided(run.fit, run.fit + run.unknown, *expectation.limits) for run in runs]
    value = sum(run.fit for run in runs) / answers
    if expectation.in_runs is None:
        return Judged(gravest(results), value)
    return _in_runs(expectation.in_runs, results)


def _share(expectation: Expectation, runs: Sequence[Counts], answers: int) -> Judged:
    fit, unknown, effect = sum(r.fit for r in runs), sum(r.unknown for r in runs), design_effect(runs)
    low, _ = exact(fit, answers, design_effect=effect)
    _, high = exact(fit + unknown, answers, design_effect=effect)
    return Judged(decided(low, high, *expectation.limits), fit / answers, (low, high))


def _in_runs(share: float, results: Sequence[Result]) -> Judged:
    """By the exact interval of the share of runs in which it is so."""
    met, open_ = results.count(Result.MET), results.count(Result.UNDECIDED)
    low, high = exact(met, len(results))[0], exact(met + open_, len(results))[1]
    found = decided(low, high, share, None) if share < 1 else gravest(results)
    return Judged(found, met / len(results), (low, high))


def design_effect(runs: Sequence[Counts]) -> float:
    """How many times the variance between runs is that of independent answers; at least 1."""
    answers, fit = sum(run.of for run in runs), sum(run.fit for run in runs)
    if len(runs) < FEWEST_RUNS or fit in (0, answers):
        return 1.0
    share = fit / answers
    return max(1.0, sum(_apart(run, share) for run in runs) / (len(runs) - 1))


def _apart(run: Counts, share: float) -> float:
    """A run's squared distance from the share, in what chance alone would make it."""
    expected = run.of * share
    return (run.fit - expected) ** 2 / (expected * (1 - share)) if run.of else 0.0
