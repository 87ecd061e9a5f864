"""A scenario with its time lapsed: the plan's waits, windows and deadlines times a factor, nothing else.

Live mode waits in earnest, so a release of an hour is tried in minutes by shortening what people chose; what
machines take stays as it is, for it would not get quicker. The prediction is made from the same scaled
scenario, so both sides wait equally long.

Scaled are the waits, windows and deadlines of strategies and guards, scrapes, people, the clock, and what is
placed on the release's time line: a rate that changes, faults. Kept is what Kubernetes, the network, the
processes and the clients do: probes, propagation, start-up, service times, time-outs, preStop, grace and
min_ready. So is `drain`: it waits for propagation and open requests, as a preStop does, and not for anybody.
`SCALED` and `KEPT` name every key that holds a time; a key in neither is a mistake of ours (there is a test).
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from scenarios.check import Level, check
from scenarios.load import as_document, from_document
from scenarios.plan import SetVersion
from scenarios.rate import Trace
from scenarios.scenario import Scenario
from scenarios.units import parse_duration, write_duration
from scenarios.version import Probe, Version

Document = dict[str, Any]
Path = tuple[str | int, ...]
Rounding = Callable[[float], float]


def exact(seconds: float) -> float:
    """To the microsecond, as far as it is written; what was not nothing stays more than nothing."""
    return max(round(seconds, 6), 1e-6) if seconds > 0 else 0.0


def whole(seconds: float) -> float:
    """Up to whole seconds, one or more."""
    return float(math.ceil(round(seconds, 6)))


def _from_a_second(seconds: float) -> float:
    return max(1.0, exact(seconds))


def _from_an_hour(seconds: float) -> float:
    return max(3600.0, exact(seconds))


_WAITS: dict[str, Rounding] = {
    "hold": exact,
    "bake": exact,
    "soak": exact,
    "keep_old": exact,
    "lasting": exact,
    "deadline": exact,
    "progress_deadline": whole,  # Kubernetes' is a whole number
}
_RATE: dict[str, Rounding] = {
    "ramp.begins": exact,
    "ramp.lasting": exact,
    "spike.at": exact,
    "spike.lasting": exact,
    "spike.rise": exact,
    "spike.fall": exact,
    "daily.peak_at": exact,
    "daily.period": _from_an_hour,
    "trace.interval": _from_a_second,  # and the counts with it, so that the rate stays
}
_PART = ("strategies.*.*", "strategies.*.*.*.*")  # by itself, or as a part of a sequence
SCALED: Mapping[str, Rounding] = {
    **{f"{part}.{key}": rounded for part in _PART for key, rounded in _WAITS.items()},
    **{f"traffic.rate.{key}": rounded for key, rounded in _RATE.items()},
    "faults.*.*.at": exact,
    "faults.*.*.lasting": exact,
    "operators.*.notices": exact,
    "operators.*.acts": exact,
    "guards.*.window": whole,
    "observe.every": whole,
    "observe.delay": exact,
    "clock.settle": whole,
    "clock.tick": whole,
    "clock.horizon": whole,
}
"""Keys that are scaled, by their path (`*` is any name or place), and how the result is rounded."""

_PROBE = ("initial_delay", "period", "timeout")
_POD = {
    **{f"{probe}.{key}": "a probe's" for probe in ("readiness", "liveness") for key in _PROBE},
    "min_ready": "how long Kubernetes mistrusts a pod, beside its start-up",
    "termination.grace": "what a process may take to end",
    "termination.pre_stop": "covers propagation",
}
_VERSION = {
    "start": "start-up",
    "service_time": "a request's",
    "pull": "an image's",
    "warm_up.lasting": "the process's own",
    "leak.over": "the process's own age",
    "crash.after_start": "the process's own age",
    **{f"pods.{key}": why for key, why in _POD.items()},
}
KEPT: Mapping[str, str] = {
    **{f"{part}.drain": "covers propagation and open requests" for part in _PART},
    **{f"{part}.min_ready": "as cluster.pods.min_ready" for part in _PART},
    **{f"{part}.pause_after": "races with Kubernetes' own controller" for part in _PART},
    **{f"{of}.*.{key}": why for of in ("versions", "candidates") for key, why in _VERSION.items()},
    **{f"cluster.pods.{key}": why for key, why in _POD.items()},
    **{
        f"cluster.delays.{key}": "Kubernetes' own"
        for key in ("api", "container", "relist", "endpoints", "sigterm", "address", "removal")
    },
    "cluster.autoscaler.every": "a flag of Kubernetes' own controller",
    "cluster.autoscaler.stabilization": "a setting of the service, not of its release",
    "cluster.node_grace": "a flag of Kubernetes' own controller",
    "cluster.eviction": "a flag of Kubernetes' own controller",
    "routers.*.min_sync_period": "propagation",
    "routers.*.sync_period": "propagation",
    "routers.*.poll": "propagation",
    "routers.*.propagation": "propagation",
    "routers.*.retries.backoff": "a proxy's own",
    "traffic.client.timeout": "a client's own",
    "traffic.client.backoff.base": "a client's own",
    "traffic.client.backoff.most": "a client's own",
    "traffic.connections.idle": "a client's own",
    "traffic.connections.age": "a client's own",
    "traffic.think": "decides the rate",
    "faults.*.*.adds": "a request's",
    "guards.*.limit": "a request's",
    "guards.*.margin": "a request's",
    "slo.latency.*": "a request's",
    "slo.period": "of the service, not of its release",
    "require.*.at_least": "is demanded of the release as it is meant",
    "require.*.at_most": "is demanded of the release as it is meant",
}
"""Keys that hold a time and are not scaled, and why."""


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with what is in `SCALED` times `factor`, in (0, 1]; 1 changes nothing, not even rounding.

    Raises ValueError for another factor.
    """
    if not 0 < factor <= 1:
        raise ValueError(f"a time scale is more than 0 and at most 1, such as 0.1; not {factor}")
    if factor == 1:
        return scenario
    document = _walk(as_document(scenario), (), factor)
    trace = scenario.traffic.intended.trace
    if trace is not None:
        horizon = parse_duration(document["clock"]["horizon"])
        _recount(document["traffic"]["rate"]["trace"], trace, factor, horizon)
    return from_document(document)


@cache
def _keys(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.split("."))


def matches(pattern: str, path: Path) -> bool:
    """Whether a path is one that this pattern means."""
    wanted = _keys(pattern)
    return len(wanted) == len(path) and all(
        one in ("*", str(key)) for one, key in zip(wanted, path, strict=True)
    )


def _walk(node: Any, path: Path, factor: float) -> Any:
    for pattern, rounded in SCALED.items():
        if matches(pattern, path):
            return _times(node, factor, rounded)
    if isinstance(node, dict):
        return {key: _walk(inner, (*path, key), factor) for key, inner in node.items()}
    if isinstance(node, list):
        return [_walk(inner, (*path, place), factor) for place, inner in enumerate(node)]
    return node


def _times(node: Any, factor: float, rounded: Rounding) -> Any:
    """Every duration of a value: of a plain one, or of a distribution's points and samples."""
    if isinstance(node, dict):
        return {key: _times(inner, factor, rounded) for key, inner in node.items()}
    if isinstance(node, list):
        return [_times(inner, factor, rounded) for inner in node]
    return write_duration(rounded(parse_duration(node) * factor))


def _recount(document: Document, trace: Trace, factor: float, horizon: float) -> None:
    """Fewer requests in the shorter intervals, at the same rate: of the k-th, as many as fall into it.

    Where intervals would be shorter than a second, several become one. The last rate goes on to the horizon.
    """
    interval, old = parse_duration(document["interval"]), float(trace.interval)
    counts = np.array(trace.counts or (), np.float64)
    edges = np.append(np.arange(len(counts) + 1) * old, max(len(counts) * old, horizon / factor) + old)
    last = counts[-1] / old * (edges[-1] - edges[-2])
    totals = np.concatenate(([0.0], np.cumsum(np.append(counts, last))))
    parts = math.ceil(max(len(counts) * old * factor, horizon) / interval - 1e-9)
    wanted = factor * np.interp(np.arange(parts + 1) * interval / factor, edges, totals)
    document["counts"] = np.diff(np.ceil(wanted - 1e-9)).astype(int).tolist()


# --- what to know of it --------------------------------------------------------------------------


def notes(scenario: Scenario, factor: float) -> tuple[str, ...]:
    """What is no longer as it was in the scaled scenario, in sentences that begin with the path they are of.

    Numbers of requests are not scaled, so that a guard may have too few; neither is what pods take, so that
    a deadline may be too short; and what comes with age may come after the horizon.
    """
    there = scaled(scenario, factor)
    if there is scenario:
        return ()
    before = {_wordy(advice.path, advice.message) for advice in check(scenario)}
    found = [
        f"{advice.path}: {advice.message}"
        for advice in check(there)
        if advice.level is not Level.NOTE and _wordy(advice.path, advice.message) not in before
    ]
    return (*found, *_deadlines(scenario, there), *_ages(scenario, there), *_daily(scenario, factor))


def _wordy(path: str, message: str) -> tuple[str, str]:
    """A finding apart from its numbers."""
    return path, re.sub(r"[0-9][0-9.,]*(ms|s|m|h|d|%)?", "#", message)


def _deadlines(scenario: Scenario, there: Scenario) -> Iterator[str]:
    """Deadlines that a healthy pod hardly keeps any more."""
    pods = max(_until_ready(there, version) for version in (there.versions.stable, *there.variants.values()))
    for name in there.strategies:
        if name in there.unrealisable():
            continue
        was, now = _shortest(scenario, name), _shortest(there, name)
        if now < pods <= was:
            yield (
                f"strategies.{name}: a deadline of {write_duration(now)} is shorter than the "
                f"{pods:.3g} s that a pod takes to become available, which do not scale"
            )


def _shortest(scenario: Scenario, strategy: str) -> float:
    """The shortest deadline of a stage of a plan, or of a Deployment of it."""
    stages = scenario.plan(strategy).stages
    changes = [timed.action for stage in stages for timed in stage.enter]
    own = [change.progress_deadline for change in changes if isinstance(change, SetVersion)]
    return min([*own, *(stage.deadline for stage in stages if stage.deadline is not None)], default=math.inf)


def _until_ready(scenario: Scenario, version: Version) -> float:
    """About how long a pod takes from created to available; 0 where it never does."""
    if version.start == "never" or version.pull == "never":
        return 0.0
    pods, delays = scenario.pods(version), scenario.cluster.delays
    probed = pods.readiness
    period = probed.initial_delay + probed.period if isinstance(probed, Probe) else 0.0
    pulled = 0.0 if version.pull is None else version.pull.distribution().mean()
    began = delays.container.distribution().mean() + version.start.distribution().mean()
    return float(pulled + began + delays.relist + period + pods.min_ready)


def _ages(scenario: Scenario, there: Scenario) -> Iterator[str]:
    """What comes with a process's age, or with a silence of a node, and now comes too late to be seen."""
    was, now = scenario.clock.horizon, there.clock.horizon
    for name, version in there.variants.items():
        ages = {
            "leak.over": None if version.leak is None else version.leak.over,
            "crash.after_start": None if version.crash is None else version.crash.after_start,
        }
        for key, age in ages.items():
            if age is not None and now < age <= was:
                yield (
                    f"candidates.{name}.{key}: {write_duration(age)} does not scale and is beyond the "
                    f"horizon, now {write_duration(now)}: it will not be seen in full"
                )
    for place, (long, short) in enumerate(zip(scenario.faults, there.faults, strict=True)):
        lasts = [None if f.happening is None else f.happening.lasting for f in (long, short)]
        grace = there.cluster.node_grace
        if short.kind == "node_down" and None not in lasts and (lasts[1] or 0) < grace <= (lasts[0] or 0):
            yield (
                f"faults.{place}: over after {write_duration(lasts[1] or 0)}, before the node counts as "
                f"silent (cluster.node_grace, {write_duration(grace)}, does not scale)"
            )


def _daily(scenario: Scenario, factor: float) -> Iterator[str]:
    daily = scenario.traffic.intended.daily
    if daily is not None and daily.period * factor < 3600:
        yield "traffic.rate.daily.period: the least is 1h, so the wave is not as steep as the scale would ask"
