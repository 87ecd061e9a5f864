"""What of a run can be measured beside its figures, to say why a prediction was off. Pure; judges nothing.

Every facet is measured the same way in a simulated and in a live record, as far as both can see it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from reports.arms import latencies
from reports.figures import Measured, Value, measure
from reports.series import Floats, Ints, series
from reports.words import plain
from scenarios.record import PodEvent, Record
from scenarios.release import Kind
from scenarios.tally import CANDIDATE, STABLE, VERSIONS, Status, bucket

Facets: TypeAlias = Mapping[str, float]

VERSION_NAMES = {STABLE: "stable", CANDIDATE: "candidate"}
_OUTCOMES: Mapping[Status, str] = {
    Status.ERROR: "answered with an error",
    Status.TIMEOUT: "given up by their client",
    Status.REJECTED: "rejected by a full waiting room",
    Status.RESET: "cut off as their pod ended",
    Status.REFUSED: "refused",
    Status.UNAVAILABLE: "answered by a router that knew no pod",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A facet in words: `what` with {} for a value, what it `points_to`; less than `floor` is nothing."""

    unit: str
    what: str
    points_to: str
    floor: float
    about: frozenset[str]


CAPACITY, REQUESTS, TIMES, LATENCY = "capacity", "requests", "times", "latency"
_ALL = frozenset((CAPACITY, REQUESTS, TIMES))


def meanings() -> dict[str, Meaning]:
    """Every facet but the stages', by its key, in the order in which causes are told."""
    found = {
        f"ready {name}": Meaning(
            "s",
            f"pods of {name} were in rotation {{}} after they were created",
            "start-up and the instants of readiness probes are not as the scenario says",
            0.2,
            _ALL,
        )
        for name in VERSION_NAMES.values()
    }
    found |= {
        f"gone {name}": Meaning(
            "s",
            f"pods of {name} were gone {{}} after they were deleted",
            "termination takes another time than declared",
            0.2,
            frozenset((CAPACITY, TIMES)),
        )
        for name in VERSION_NAMES.values()
    }
    found["crashes"] = Meaning(
        "count", "{} containers exited in a run", "restarts and their back-off", 1.0, _ALL
    )
    found |= {
        f"outcome {status.name}": Meaning(
            "count",
            f"{{}} requests a run were {words}",
            _POINTS.get(status, "the version itself"),
            1.0,
            _REQUESTS,
        )
        for status, words in _OUTCOMES.items()
    }
    found["slow"] = Meaning(
        "count",
        "{} requests a run were answered after a second or more",
        "a connection that found nobody is tried again by the client's kernel after 1 s; queues",
        1.0,
        frozenset((REQUESTS, LATENCY)),
    )
    found["candidate share"] = Meaning(
        "share",
        "the candidate got {} of the requests after the trigger",
        "the split, kept connections, or how long each stage took",
        0.005,
        _REQUESTS,
    )
    found["requests"] = Meaning(
        "count",
        "requests that had an outcome, a run",
        "the generator, or answers after the end",
        1.0,
        _REQUESTS,
    )
    found["latency before"] = Meaning(
        "s",
        "before the trigger half of all requests took {} or more",
        "the network, the client and the app take time of their own",
        0.002,
        frozenset((LATENCY,)),
    )
    return found


_REQUESTS = frozenset((REQUESTS,))
_POINTS: Mapping[Status, str] = {
    Status.TIMEOUT: "proxies that still send to a pod that has gone, or queues",
    Status.REFUSED: "proxies that still send to a pod that has gone",
    Status.UNAVAILABLE: "moments without any endpoint in a proxy",
    Status.RESET: "pods that end with requests in them",
    Status.REJECTED: "capacity",
}


def stage_meaning(name: str) -> Meaning:
    """The facet of one stage: how long it took."""
    return Meaning(
        "s", f"stage {_braced(name)} took {{}}", "what it waits for came sooner or later", 0.5, _ALL
    )


def _braced(name: str) -> str:
    """A name for a format."""
    return plain(name).replace("{", "{{").replace("}", "}}")


# --- one run -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curves:
    """What a chart shows of one run, second by second from `t`, the seconds' beginnings.

    failures         int64[seconds]
    candidate_share  float64[seconds]  NaN where no request was due
    capacity         float64[seconds]  in rotation, in pods; `before` just before the trigger
    """

    t: Ints
    failures: Ints
    candidate_share: Floats
    capacity: Floats
    before: float


@dataclass(frozen=True, slots=True)
class Run:
    """What is kept of one run, simulated or live; small, picklable. `stages` begin at these times."""

    measured: Measured
    facets: Facets
    curves: Curves
    stages: tuple[tuple[str, float], ...]
    settled: float | None


def run_of(record: Record) -> Run:
    """The figures that a backend without a counterfactual can know, the facets and the curves of a record."""
    shown = series(record)
    curves = Curves(shown.t, shown.failures, shown.candidate_share, shown.capacity, shown.before)
    stages = tuple((event.text, event.t) for event in record.events if event.kind is Kind.STAGE)
    settled = None if record.outcome is None else record.outcome.settled_at
    found = measure(record)
    return Run(found, {**_facets(record), **_took(stages, settled), **_usual(found)}, curves, stages, settled)


def _facets(record: Record) -> dict[str, float]:
    tally = record.truth.tally
    counts = tally.window(0, tally.grid.horizon)
    found = {f"outcome {status.name}": float(counts[:, status].sum()) for status in _OUTCOMES}
    found["requests"] = float(counts.sum())
    found["slow"] = float(_slow(record))
    begun = -tally.grid.start * 10
    reached = tally.arrivals[begun : begun + tally.grid.horizon * 10].reshape(-1, VERSIONS).sum(axis=0)
    if reached[STABLE] + reached[CANDIDATE]:
        found["candidate share"] = float(reached[CANDIDATE] / (reached[STABLE] + reached[CANDIDATE]))
    return {**found, **dict(_lives(record))}


def _slow(record: Record) -> int:
    """Answers of a pod after the trigger that took from a second to the client's patience, to the bucket."""
    grid, timeout = record.truth.tally.grid, float(record.trial.scenario.traffic.client.timeout)
    of_pods = latencies(record, 0, grid.horizon, (STABLE, CANDIDATE))
    return int(of_pods[int(bucket(1.0)) : int(bucket(timeout))].sum())


def _lives(record: Record) -> Iterator[tuple[str, float]]:
    """How long pods that were created after the trigger took to enter rotation, and deleted ones to go."""
    pods = record.truth.pods
    first = {
        kind: _first(record, kind)
        for kind in (PodEvent.CREATED, PodEvent.IN, PodEvent.DELETED, PodEvent.GONE)
    }
    for version, name in VERSION_NAMES.items():
        own = pods.version == version
        for key, begin, end in (
            ("ready", PodEvent.CREATED, PodEvent.IN),
            ("gone", PodEvent.DELETED, PodEvent.GONE),
        ):
            took = (first[end] - first[begin])[own & (first[begin] >= 0)]
            took = took[np.isfinite(took)]
            if took.size:
                yield f"{key} {name}", float(took.mean())
    yield "crashes", float(((pods.kind == PodEvent.CRASHED) & (pods.time >= 0)).sum())


def _first(record: Record, kind: PodEvent) -> Floats:
    """When that first happened to each pod, in s; NaN where it did not."""
    pods = record.truth.pods
    found = np.full(len(pods.pool), np.nan)
    places = np.flatnonzero(pods.kind == kind)[::-1]
    found[pods.pod[places]] = pods.time[places] / 1e9
    return found


def _took(stages: Sequence[tuple[str, float]], settled: float | None) -> dict[str, float]:
    """How long each stage took that was left; of one entered twice, the first time."""
    ends = [*(t for _, t in stages[1:]), *([settled] if settled is not None else [])]
    found: dict[str, float] = {}
    for (name, begun), ended in zip(stages, ends, strict=False):
        found.setdefault(f"stage {name}", ended - begun)
    return found


def _usual(found: Measured) -> dict[str, float]:
    before = found.figures["latency_p50_before"]
    return {"latency before": before.value} if isinstance(before, Value) else {}
