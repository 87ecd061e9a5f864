"""The figures of one trial, measured from its record and the arms of its seed alone.

Pure functions of records, the same for both backends; `docs/figures.md` says what each figure means.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reports.arms import LEVELS, Arms, is_bad, latencies
from reports.conversions import conversions
from reports.facts import Facts, windows
from reports.statistics import wilson
from reports.times import times
from reports.values import (
    FIGURES,
    HEADLINES,
    NOT_APPLICABLE,
    NOT_OBSERVABLE,
    TOO_FEW,
    Definition,
    Figure,
    Figures,
    Missing,
    Value,
)
from reports.weights import weight_error
from scenarios.answered import Probed
from scenarios.plan import STABLE as STABLE_NAME
from scenarios.record import Record
from scenarios.release import Verdict
from scenarios.tally import CANDIDATE, FLAG_BITS, HARMED, MET_CANDIDATE, MET_STABLE, STABLE, quantile

__all__ = [
    "FIGURES",
    "HEADLINES",
    "Arms",
    "Definition",
    "Figure",
    "Measured",
    "Missing",
    "Value",
    "is_bad",
    "measure",
]

PEAK_WINDOW, PEAK_REQUESTS = 10, 50  # seconds; requests below which a window says nothing


@dataclass(frozen=True, slots=True)
class Measured:
    """What one trial came to; small, picklable. `verdict` is None for the arms, `bad` None without arms."""

    strategy: str
    candidate: str | None
    seed: int
    verdict: Verdict | None
    bad: bool | None
    figures: Figures = field(default_factory=dict)
    expected: tuple[Probed, ...] = ()


def measure(record: Record, arms: Arms | None = None) -> Measured:
    """Every figure of a trial. Without arms (a live run) nothing is exact, and nobody knows what was bad."""
    trial = Facts(record, arms)
    found = (
        _capacity(trial)
        | _requests(trial)
        | _users(trial)
        | _exposure(trial)
        | times(trial)
        | weight_error(trial)
        | conversions(trial)
        | _latency(trial)
    )
    name, known = record.trial, None if arms is None else bool(arms.faults)
    verdict = None if record.outcome is None else record.outcome.verdict
    figures = {key: found[key] for key in FIGURES}
    return Measured(name.strategy, name.candidate, name.seed, verdict, known, figures, record.expected)


# --- capacity ------------------------------------------------------------------------------------


def _capacity(trial: Facts) -> Figures:
    seen, scenario = trial.capacity, trial.record.trial.scenario
    extra = np.maximum(0.0, seen.existing - scenario.service.replicas)
    both = seen.stable & seen.candidate
    return {
        "capacity_loss": Value(seen.integral(seen.missing())),
        "capacity_loss_unweighted": Value(seen.integral(np.maximum(0.0, seen.pods_before - seen.pods))),
        "worst_capacity": Value(float(seen.effective.min()) / seen.before) if seen.before else NOT_APPLICABLE,
        "unmet_demand": Value(_unmet(trial)),
        "extra_cost": Value(seen.integral(extra)),
        "version_skew": Value(seen.integral(both.astype(np.float64))),
    }


def _unmet(trial: Facts) -> float:
    """∫ max(0, demand − C) dt, the demand being the intended rate's, in stable's pods."""
    seen, scenario = trial.capacity, trial.record.trial.scenario
    work = scenario.version(STABLE_NAME, "").service_time.distribution().mean()
    changes, rates = scenario.traffic.intended.curve().steps(0, trial.horizon)
    edges = np.unique(np.concatenate((seen.edges, changes)))
    middles = (edges[1:] + edges[:-1]) / 2
    demand = rates[np.searchsorted(changes, middles) - 1] * work / scenario.service.slots
    lacking = demand - seen.effective[np.searchsorted(seen.edges, middles) - 1]
    return float(np.maximum(0.0, lacking) @ np.diff(edges))


# --- requests and users --------------------------------------------------------------------------


def _requests(trial: Facts) -> Figures:
    failed, requests = int(trial.failures.sum()), int(trial.requests.sum())
    excess = _excess_requests(trial, failed, requests)
    exact: Figure = NOT_OBSERVABLE if trial.arms is None else Value(float(failed - trial.arms.failed))
    return {
        "failed_requests": Value(float(failed)),
        "blast_requests": excess,
        "blast_requests_exact": exact,
        "blast_requests_share": _share(excess, requests),
        "blast_requests_share_exact": _share(exact, requests),
        "error_budget": _budget(trial, excess),
        "error_budget_exact": _budget(trial, exact),
        "peak_failure_share": _peak(trial),
    }


def _budget(trial: Facts, excess: Figure) -> Figure:
    """The part of a period's error budget, (1 − objective) · its requests, that the excess failures burn."""
    slo = trial.record.trial.scenario.slo
    if isinstance(excess, Missing):
        return excess
    if slo.requests is None or slo.success >= 1:
        return NOT_APPLICABLE
    return _share(excess, (1 - slo.success) * slo.requests)


def _excess_requests(trial: Facts, failed: int, requests: int) -> Figure:
    """failures − p₀ · requests, with what p₀'s own 95 % interval makes of it."""
    before, of = trial.settling
    limits = wilson(before, of)
    if trial.record.outcome is None:
        return NOT_APPLICABLE
    if limits is None:
        return TOO_FEW
    return Value(
        failed - before / of * requests, failed - limits.high * requests, failed - limits.low * requests
    )


def _share(figure: Figure, of: float) -> Figure:
    if isinstance(figure, Missing):
        return figure
    if of == 0:
        return TOO_FEW
    low, high = (None if end is None else end / of for end in (figure.low, figure.high))
    return Value(figure.value / of, low, high)


def _peak(trial: Facts) -> Figure:
    failed, requests = windows(trial.failures, PEAK_WINDOW), windows(trial.requests, PEAK_WINDOW)
    full = requests >= PEAK_REQUESTS
    return Value(float((failed[full] / requests[full]).max())) if full.any() else TOO_FEW


def _users(trial: Facts) -> Figures:
    users = trial.record.truth.tally.users
    asked = users >> np.uint32(FLAG_BITS)
    harmed = users & np.uint32(HARMED) > 0
    active, both = int((asked > 0).sum()), MET_STABLE | MET_CANDIDATE
    excess = _excess_users(trial, np.bincount(asked), int(harmed.sum()))
    exact: Figure = NOT_OBSERVABLE
    if trial.arms is not None:
        exact = Value(float((harmed & ~trial.arms.harmed).sum()))
    flips = trial.record.truth.tally.flips[-trial.record.truth.tally.grid.start :].sum()
    return {
        "users_harmed": Value(float(harmed.sum())),
        "users_harmed_exact": exact,
        "blast_users": excess,
        "blast_users_exact": exact,
        "blast_users_share": _share(excess, active),
        "blast_users_share_exact": _share(exact, active),
        "users_of_both": Value(float((users & np.uint32(both) == both).sum())),
        "flips": _share(Value(float(flips)), active),
    }


def _excess_users(trial: Facts, users_by_requests: NDArray[np.intp], harmed: int) -> Figure:
    """harmed − Σᵤ [1 − (1 − p₀)^kᵤ], with what p₀'s own 95 % interval makes of it."""
    before, of = trial.settling
    limits = wilson(before, of)
    if trial.record.outcome is None:
        return NOT_APPLICABLE
    if limits is None:
        return TOO_FEW
    k = np.arange(len(users_by_requests))

    def expected(p: float) -> float:
        return float((users_by_requests * (1 - (1 - p) ** k)).sum())

    return Value(
        harmed - expected(before / of), harmed - expected(limits.high), harmed - expected(limits.low)
    )


def _exposure(trial: Facts) -> Figures:
    if trial.record.outcome is None:
        return dict.fromkeys(
            ("exposure_requests", "exposure_users", "harmful_requests", "harmful_users"), NOT_APPLICABLE
        )
    until = trial.horizon if trial.decided is None else trial.decided
    requests = Value(float(trial.reaching_candidate[: _tenths(until)].sum()))
    users = Value(float(_met_before(trial, until)))
    if trial.arms is None:
        harmful: tuple[Figure, Figure] = (NOT_OBSERVABLE, NOT_OBSERVABLE)
    else:
        harmful = (requests, users) if trial.arms.faults else (Value(0.0), Value(0.0))
    return {
        "exposure_requests": requests,
        "exposure_users": users,
        "harmful_requests": harmful[0],
        "harmful_users": harmful[1],
    }


def _tenths(seconds: float) -> int:
    """Tenths of a second that begin before; 1.1 s are eleven, whatever 1.1 · 10 is in binary."""
    return math.ceil(seconds * 10 - 1e-6)


def _met_before(trial: Facts, until: float) -> int:
    """Users who had reached the candidate by then. Within a second they come as that second's requests do."""
    tally, whole = trial.record.truth.tally, math.floor(until)
    met = tally.new_met[-tally.grid.start : trial.horizon - tally.grid.start, CANDIDATE]
    begun = trial.reaching_candidate[whole * 10 : whole * 10 + 10]
    before = begun[: _tenths(until - whole)].sum() / max(1, begun.sum())
    return int(met[:whole].sum()) + round(float(met[whole : whole + 1].sum() * before))


# --- latency -------------------------------------------------------------------------------------


def _latency(trial: Facts) -> Figures:
    """During the release: [0, settled], or to the horizon if it never settled, and for the arms."""
    until = trial.horizon if trial.settled is None else trial.settled
    by_version = [latencies(trial.record, 0, until, (version,)) for version in (STABLE, CANDIDATE)]
    return (
        _levels("", by_version[0] + by_version[1], TOO_FEW)
        | _levels("_stable", by_version[0], NOT_APPLICABLE)
        | _levels("_candidate", by_version[1], NOT_APPLICABLE)
        | _before(trial)
        | _after(trial)
    )


def _levels(of: str, histogram: NDArray[np.int64], missing: Missing) -> Figures:
    found = {name: quantile(histogram, level) for name, level in LEVELS.items()}
    return {f"latency_{name}{of}": missing if at is None else Value(at) for name, at in found.items()}


def _before(trial: Facts) -> Figures:
    """In the settling window, as far as whole bins reach."""
    grid = trial.record.truth.tally.grid
    end = grid.start + -grid.start // grid.step * grid.step
    if end == grid.start:
        return dict.fromkeys((f"latency_{name}_before" for name in LEVELS), TOO_FEW)
    return _levels("_before", latencies(trial.record, grid.start, end, (STABLE, CANDIDATE)), TOO_FEW)


def _after(trial: Facts) -> Figures:
    """From when the release settled to the horizon."""
    grid = trial.record.truth.tally.grid
    if trial.settled is None or trial.settled > trial.horizon - grid.step:
        return dict.fromkeys((f"latency_{name}_after" for name in LEVELS), NOT_APPLICABLE)
    ended = latencies(trial.record, math.ceil(trial.settled), trial.horizon, (STABLE, CANDIDATE))
    return _levels("_after", ended, TOO_FEW)
