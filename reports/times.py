"""The figures in seconds: until the fault was noticed, the candidate left alone, all as it was before."""

import math

import numpy as np

from reports.arms import Fault
from reports.facts import Facts, windows
from reports.statistics import wilson
from reports.values import NOT_APPLICABLE, NOT_OBSERVABLE, TOO_FEW, Figure, Figures, Missing, Value
from scenarios.record import PodEvent
from scenarios.tally import CANDIDATE, Ints, Status

CALM = 30  # seconds that capacity and failures must stay normal to count as recovered
ROLLED = 0.99  # share of the arrivals after the decision


def times(trial: Facts) -> Figures:
    names = ("time_to_detect", "rollback_time", "rollback_time_last", "recovery_time", "release_duration")
    if trial.record.outcome is None:
        return dict.fromkeys(names, NOT_APPLICABLE)
    settled = Missing("not reached", float(trial.horizon)) if trial.settled is None else Value(trial.settled)
    return dict(zip(names, (_detection(trial), *_rollback(trial), _recovery(trial), settled), strict=True))


def _detection(trial: Facts) -> Figure:
    """From the first sign of the fault to the decision to go back."""
    if trial.arms is None:
        return NOT_OBSERVABLE
    onset = _onset(trial, trial.arms.faults) if trial.arms.faults else None
    if onset is None:
        return NOT_APPLICABLE
    if not trial.rolls_back or trial.decided is None:
        return Missing("not reached", trial.horizon - onset)
    return Value(trial.decided - onset) if trial.decided >= onset else NOT_APPLICABLE


def _onset(trial: Facts, faults: frozenset[Fault]) -> float | None:
    """The first request or failed start that shows the fault, to the second; None if none ever did."""
    arrivals = np.flatnonzero(trial.reaching_candidate)
    first = float(arrivals[0]) / 10 if arrivals.size else math.inf
    candidate = trial.counts[:, CANDIDATE]
    failing = np.flatnonzero(candidate.sum(axis=1) - candidate[:, Status.OK])
    signs = [max(float(failing[0]), first if first < failing[0] + 1 else 0.0)] if failing.size else []
    signs += [first] if Fault.SLOW in faults else []
    signs += _events(trial, PodEvent.CRASHED)
    signs += _events(trial, PodEvent.CREATED) if Fault.NEVER_READY in faults else []
    return min((sign for sign in signs if math.isfinite(sign)), default=None)


def _events(trial: Facts, kind: PodEvent) -> list[float]:
    """When that first happened to a pod of the candidate at t ≥ 0, if it did."""
    pods = trial.record.truth.pods
    found = np.flatnonzero((pods.kind == kind) & (pods.version[pods.pod] == CANDIDATE) & (pods.time >= 0))
    return [float(pods.time[found[0]]) / 1e9] if found.size else []


def _rollback(trial: Facts) -> tuple[Figure, Figure]:
    """After the decision: when 99 % of the arrivals at the candidate had come, and the last one."""
    if not trial.rolls_back or trial.decided is None:
        return NOT_APPLICABLE, NOT_APPLICABLE
    first = int(trial.decided * 10)
    reached = np.flatnonzero(trial.reaching_candidate[first:])
    if not reached.size:
        return NOT_APPLICABLE, NOT_APPLICABLE
    last = int(reached[-1])
    bins = trial.reaching_candidate[first : first + last + 1].astype(np.float64)
    if trial.capacity.candidate[-1]:
        unfinished = Missing("not reached", trial.horizon - trial.decided)
        return unfinished, unfinished
    starts = np.maximum(np.arange(first, first + len(bins)) / 10, trial.decided)
    lengths = np.arange(first + 1, first + 1 + len(bins)) / 10 - starts
    bins[0] *= lengths[0] * 10
    come = np.cumsum(bins)
    place = int(np.searchsorted(come, ROLLED * come[-1]))
    within = 1 - (come[place] - ROLLED * come[-1]) / bins[place]
    by_then = (starts[place] + within * lengths[place], starts[last] + lengths[last])
    return Value(float(by_then[0]) - trial.decided), Value(float(by_then[1]) - trial.decided)


def _recovery(trial: Facts) -> Figure:
    """From the decision to the first whole second from which, for 30 s, all is as before t = 0."""
    if trial.decided is None:
        return NOT_APPLICABLE
    usual = wilson(*trial.settling, confidence=0.99)
    if usual is None:
        return TOO_FEW
    failed, requests = windows(trial.failures, CALM), windows(trial.requests, CALM)
    calm = (windows(_short_of_capacity(trial), CALM) == 0) & (failed <= usual.high * requests)
    earliest = math.ceil(trial.decided)
    found = np.flatnonzero(calm[earliest:])
    if not found.size:
        return Missing("not reached", trial.horizon - trial.decided)
    return Value(float(earliest + found[0]) - trial.decided)


def _short_of_capacity(trial: Facts) -> Ints:
    """Seconds in which C < C₀ at any time."""
    seen = trial.capacity
    short = np.flatnonzero(seen.effective < seen.before * (1 - 1e-9))
    change = np.zeros(trial.horizon + 1, np.int64)
    np.add.at(change, np.floor(seen.edges[short]).astype(np.int64), 1)
    np.add.at(change, np.ceil(seen.edges[short + 1]).astype(np.int64), -1)
    return np.asarray(np.minimum(1, np.cumsum(change[:-1])))
