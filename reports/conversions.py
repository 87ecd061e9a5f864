"""An A/B test's figures: who converted in either group, as the release counted them at the test's end.

They are read from what was seen, so that a live record is read in the same way.
"""

import math

from reports.facts import Facts
from reports.statistics import Interval, wilson
from reports.values import NOT_APPLICABLE, TOO_FEW, Figure, Figures, Value
from scenarios.conversion import Group, Groups, sample_ratio
from scenarios.plan import Elapsed, Stage
from scenarios.record import Record
from scenarios.release import Kind
from scenarios.standing import standings

KEYS = ("conversion_stable", "conversion_candidate", "conversion_difference", "sample_ratio_p")


def conversions(trial: Facts) -> Figures:
    """The rates with Wilson's intervals, their difference with Newcombe's, and how likely the sizes are."""
    ended = _last_test(trial.record)
    if ended is None:
        return dict.fromkeys(KEYS, NOT_APPLICABLE)
    found, expected = ended
    p = sample_ratio(found, expected) if 0 < expected < 1 else None
    return {
        "conversion_stable": _rate(found.stable),
        "conversion_candidate": _rate(found.candidate),
        "conversion_difference": difference(found),
        "sample_ratio_p": TOO_FEW if p is None else Value(p),
    }


def _rate(group: Group) -> Figure:
    limits = wilson(group.converted, group.users)
    return TOO_FEW if limits is None else Value(group.rate, limits.low, limits.high)


def difference(found: Groups) -> Figure:
    """Candidate − stable, with Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, no. 10)."""
    stable, candidate = found.stable, found.candidate
    a, b = wilson(stable.converted, stable.users), wilson(candidate.converted, candidate.users)
    if a is None or b is None:
        return TOO_FEW
    middle = candidate.rate - stable.rate
    below, above = _hybrid(candidate.rate, b, stable.rate, a)
    return Value(middle, middle - below, middle + above)


def _hybrid(p: float, limits: Interval, q: float, other: Interval) -> tuple[float, float]:
    """How far p − q may be below and above."""
    return math.hypot(p - limits.low, other.high - q), math.hypot(limits.high - p, q - other.low)


def _last_test(record: Record) -> tuple[Groups, float] | None:
    """The groups of the last test that came to its end, and the share of users meant to be at the candidate.

    One that a guard or a person ended before its time has no result.
    """
    if record.outcome is None:
        return None
    trial = record.trial
    plan, mix = trial.scenario.plan(trial.strategy), trial.scenario.traffic.mix
    counted = {seen.t: seen.groups for seen in record.observed if seen.groups is not None}
    entered = [(event.t, event.text) for event in record.events if event.kind is Kind.STAGE]
    ends = [*(t for t, _ in entered[1:]), record.outcome.settled_at or 0.0]
    found = [
        (counted[end], now.candidate_share)
        for now, (t, name), end in zip(standings(plan, mix), entered, ends, strict=False)
        if now.stage in plan.tests and name == now.stage.name
        if end >= t + _lasting(now.stage) and end in counted
    ]
    return found[-1] if found else None


def _lasting(stage: Stage) -> float:
    return max((c.seconds for c in stage.until if isinstance(c, Elapsed)), default=0.0)
