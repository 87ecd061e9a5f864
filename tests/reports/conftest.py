"""Made-up comparisons and records, shaped like real ones: five strategies, a bad and a good candidate."""

# ruff: noqa: E501  tables of numbers, one strategy a line

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from scenarios.plan import ByReplicas, Split
from scenarios.record import PodEvent, Pods, Record, RouteChange, Trial, Truth
from scenarios.release import Event, Kind, Outcome, Verdict
from scenarios.scenario import Scenario
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Grid, Status, Tally, bucket

NAMES = ("recreate", "rolling", "blue-green", "halves", "canary")
NASTY = (
    "[red]rm -rf[/red] {{ 7 * 7 }}",
    "滚动发布—每次一批",
    "<script>alert(1)</script>",
    "a\\b & \"c\" 'd' %s &lt;",
    "$\\frac{x}{$ " + "very-long-name-" * 4,
)
NASTY_CANDIDATES = ("报错<b>", "[bold]healthy[/] $y$")

STRATEGIES: tuple[dict[str, Any], ...] = (
    {"recreate": {}},
    {"rolling": {"guards": ["errors"], "rollback": "undo"}},
    {"blue_green": {"bake": "5m", "guards": ["errors"]}},
    {"in_place_halves": {"guards": ["errors"]}},
    {"canary": {"steps": ["5%", "25%", "50%"], "hold": "3m", "guards": ["errors"], "via": "edge"}},
)

# strategy by strategy: blast requests and users, loss, worst, detect, rollback, recovery, duration, cost; (mean, half)
BAD: tuple[tuple[tuple[float, float] | str, ...], ...] = (
    ((21900, 130), (8760, 60), (148, 9), (0.0, 0.0), "not reached", "not applicable", "not reached", (21.2, 1.1), (0, 0)),
    ((2950, 210), (1980, 120), (31, 4), (0.82, 0.01), (74, 6), (18.1, 0.9), (44, 5), (128, 9), (310, 22)),
    ((2210, 160), (1810, 110), (0, 0), (1.0, 0.0), (58.5, 4), (1.02, 0.08), (31.1, 1), (96, 6), (960, 41)),
    ((2330, 190), (1900, 130), (1480, 60), (0.5, 0.0), (61, 5), (1.1, 0.1), (88, 9), (210, 12), (0, 0)),
    ((240.5, 30.2), (131, 12), (9.5, 2.1), (0.91, 0.004), (96, 11), (1.3, 0.2), (31.4, 1.2), (131, 13), (148, 15)),
)  # fmt: skip
GOOD: tuple[tuple[tuple[float, float] | str, ...], ...] = (
    ((1480, 40), (1320, 35), (148, 9), (0.0, 0.0), "not applicable", "not applicable", (33, 2), (21.2, 1.1), (0, 0)),
    ((1.1, 2.4), (0.9, 2.2), (27, 3), (0.83, 0.01), "not applicable", "not applicable", (31, 0.4), (64, 4), (160, 12)),
    ((0.2, 1.9), (0.1, 1.9), (0, 0), (1.0, 0.0), "not applicable", "not applicable", (30.2, 0.1), (345, 3), (3690, 20)),
    ((3.5, 4.9), (3.0, 4.4), (2890, 80), (0.5, 0.0), "not applicable", "not applicable", (35, 2), (412, 6), (0, 0)),
    ((0.4, 1.2), (0.2, 1.1), (41, 5), (0.84, 0.01), "not applicable", "not applicable", (30.9, 0.3), (668, 9), (2210, 33)),
)  # fmt: skip
KEYS = (
    ("blast_requests_exact", "count"),
    ("blast_users_exact", "count"),
    ("capacity_loss", "pod-seconds"),
    ("worst_capacity", "share"),
    ("time_to_detect", "s"),
    ("rollback_time", "s"),
    ("recovery_time", "s"),
    ("release_duration", "s"),
    ("extra_cost", "pod-seconds"),
)


def _scenario(
    names: tuple[str, ...] = NAMES, candidates: tuple[str, str] = ("errors", "healthy")
) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "quickstart",
            "summary": "A checkout service of ten pods.",
            "service": {"replicas": 10},
            "candidates": {candidates[0]: {"errors": [{"share": "5%", "of": "requests"}]}, candidates[1]: {}},
            "traffic": {"rate": "200/s", "users": {"count": 10000}},
            "routers": {"service": {"kind": "kube-proxy"}, "edge": {"kind": "ingress-nginx"}},
            "guards": {"errors": {"metric": "failure_share", "versus": "stable", "margin": "1%"}},
            "strategies": dict(zip(names, STRATEGIES, strict=True)),
            "clock": {"settle": "1m", "horizon": "15m"},
        }
    )


def _figure(value: tuple[float, float] | str, unit: str, seeds: int) -> dict[str, Any]:
    empty = dict.fromkeys(("mean", "low", "high", "p5", "p50", "p95", "predict_low", "predict_high"))
    if isinstance(value, str):
        return {**empty, "unit": unit, "reached": 0.0, "n": seeds, "why": {value: seeds}}
    mean, half = value
    wide = half * seeds**0.5 / 2
    return {
        "unit": unit, "mean": mean, "low": mean - half, "high": mean + half, "p5": mean - wide, "p50": mean,
        "p95": mean + wide, "predict_low": mean - wide, "predict_high": mean + wide, "reached": 1.0, "n": seeds,
    }  # fmt: skip


def _document(scenario: Scenario, seeds: int = 32) -> dict[str, Any]:
    rows, differences = [], []
    names, candidates = list(scenario.strategies), list(scenario.variants)
    for candidate, table in zip(candidates, (BAD, GOOD), strict=True):
        for at, name in enumerate(names):
            right = "rolled_back" if table is BAD else "promoted"
            shares = {right: 1.0}
            if table is BAD and at == 0:
                shares = {"promoted": 1.0}
            if table is BAD and at == 4:
                shares = {"rolled_back": 31 / 32, "promoted": 1 / 32}
            rows.append(
                {
                    "strategy": name,
                    "kind": scenario.strategies[name].kind,
                    "candidate": candidate,
                    "verdicts": {k: {"share": v, "low": v * 0.9, "high": min(1, v + 0.05)} for k, v in shares.items()},
                    "figures": {
                        key: _figure(value, unit, seeds) for (key, unit), value in zip(KEYS, table[at], strict=True)
                    },
                }
            )  # fmt: skip
            for other in range(at):
                for (key, unit), a, b in zip(KEYS, table[other], table[at], strict=True):
                    if isinstance(a, str) or isinstance(b, str):
                        continue
                    mean, half = a[0] - b[0], (a[1] ** 2 + b[1] ** 2) ** 0.5
                    differences.append(
                        {"a": names[other], "b": name, "candidate": candidate, "figure": key, "mean": mean,
                         "low": mean - half, "high": mean + half, "n": seeds, "unit": unit}
                    )  # fmt: skip
    return {
        "format": "rolloutlab.comparison/1",
        "scenario": {"name": scenario.name, "digest": "sha256:5b1c"},
        "seeds": list(range(seeds)),
        "horizon": 900.0,
        "control": {
            "stable": {"figures": {}},
            "candidates": {
                candidates[0]: {"bad": 1.0, "figures": {}},
                candidates[1]: {"bad": 0.0, "figures": {}},
            },
        },
        "rows": rows,
        "differences": differences,
        "expectations": [],
        "requirements": [],
        "problems": [
            {"strategy": "canary-by-replicas", "message": "1% of 10 pods is no whole pod; use via: edge"}
        ],
    }


def _curve(strategy: int, bad: bool, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Share of requests to the candidate, share refused, decided at, settled at; for the shape only."""
    ends = [21.0, 128.0, 96.0, 210.0, 131.0] if bad else [21.0, 64.0, 345.0, 412.0, 668.0]
    decided = [21.0, 74.0, 58.0, 122.0, 97.0][strategy] if bad else ends[strategy]
    refused = np.where((strategy == 0) & (t > 1) & (t < 19), 1.0, 0.0)
    steps = {
        0: np.where(t > 19, 1.0, 0.0),
        1: np.clip(t / 60, 0, 1),
        2: np.where(t > 30, 1.0, 0.0),
        3: np.where(t > 62, 1.0, 0.0),
        4: np.select([t < 5, t < 190, t < 380, t < 580], [0.0, 0.05, 0.25, 0.5], 1.0),
    }[strategy]
    if bad and strategy:
        steps = np.where(t > decided, 0.0, steps)
    return steps, refused, decided, ends[strategy]


def _record(scenario: Scenario, strategy: str, candidate: str, seed: int = 0) -> Record:
    at, bad = list(scenario.strategies).index(strategy), candidate == next(iter(scenario.variants))
    rng = np.random.default_rng([seed, at, bad])
    grid = Grid.of(60, 900, 5.0)
    tally = Tally.empty(grid, 10_000)
    t = np.arange(grid.start, grid.end)
    share, refused, decided, settled = _curve(at, bad, t)
    requests = rng.poisson(np.where(t < grid.horizon, 200, 0))
    lost = rng.binomial(requests, refused)
    new = rng.binomial(requests - lost, np.where(t < 0, 0, share))
    old = requests - lost - new
    broken = rng.binomial(new, 0.05 if bad else 0.0005)
    counts = tally.counts
    counts[:, NOBODY, Status.REFUSED] = lost
    counts[:, CANDIDATE, Status.ERROR], counts[:, CANDIDATE, Status.OK] = broken, new - broken
    counts[:, STABLE, Status.ERROR] = rng.binomial(old, 0.0005)
    counts[:, STABLE, Status.OK] = old - counts[:, STABLE, Status.ERROR]
    tenths = np.arange(0, len(t) * 10, 10)
    for version, arrived in ((STABLE, old), (CANDIDATE, new), (NOBODY, lost)):
        tally.arrivals[tenths, version] = arrived
    for version, arrived in ((STABLE, old), (CANDIDATE, new)):
        which = bucket(rng.lognormal(-3.2 + 0.3 * version, 0.6, arrived.sum()))
        np.add.at(tally.latency, (np.repeat(np.arange(len(t)) // grid.step, arrived), version, which), 1)
    events = (
        Event(0.0, Kind.STAGE, "start"),
        *((Event(decided, Kind.GUARD, "guard errors failed"),) if bad and at else ()),
        Event(decided, Kind.DECIDED, "roll back" if bad and at else "promote"),
        Event(settled, Kind.SETTLED, "rolled back" if bad and at else "promoted"),
    )
    verdict = Verdict.ROLLED_BACK if bad and at else Verdict.PROMOTED
    return Record(
        Trial(scenario, strategy, candidate, seed),
        Truth(tally, _pods(at, settled), _routes(at, decided)),
        events=events,
        outcome=Outcome(verdict, decided, settled, "last", ""),
    )


def _pods(strategy: int, settled: float) -> Pods:
    """Ten stable pods throughout, and for those that add some a second pool from 0 until settled."""
    more = (0, 3, 10, 0, 1)[strategy]
    rows = [
        (-60.0, pod, kind)
        for pod in range(10)
        for kind in (PodEvent.CREATED, PodEvent.LISTENING, PodEvent.IN)
    ]
    for pod in range(10, 10 + more):
        rows += [(0.5, pod, PodEvent.CREATED), (7.0, pod, PodEvent.LISTENING), (10.0, pod, PodEvent.IN)]
        rows += [
            (settled - 2, pod, PodEvent.OUT),
            (settled - 2, pod, PodEvent.DELETED),
            (settled, pod, PodEvent.GONE),
        ]
    if strategy == 0:
        rows += [(1.0, pod, kind) for pod in range(10) for kind in (PodEvent.OUT, PodEvent.DELETED)]
        rows += [(19.0 + pod / 5, pod, PodEvent.IN) for pod in range(10)]
    rows.sort(key=lambda row: row[0])
    pod = np.array([row[1] for row in rows], np.int32)
    return Pods(
        ("main", "canary"),
        np.array([0] * 10 + [1] * more, np.int32),
        np.array([0] * 10 + [1] * more, np.int32),
        np.array([int(row[0] * 1e9) for row in rows], np.int64),
        pod,
        np.array([row[2] for row in rows], np.int32),
    )  # fmt: skip


def _routes(strategy: int, decided: float) -> tuple[RouteChange, ...]:
    if strategy != 4:
        return (RouteChange(-60.0, ByReplicas(("main",)), -60.0),)
    return (
        RouteChange(-60.0, ByReplicas(("main",)), -60.0),
        RouteChange(11.0, Split((("main", 0.95), ("canary", 0.05))), 12.0),
        RouteChange(decided, ByReplicas(("main",)), decided + 1),
    )


@pytest.fixture(scope="session")
def made_scenario() -> Scenario:
    return _scenario()


@pytest.fixture(scope="session")
def made_document(made_scenario: Scenario) -> Mapping[str, Any]:
    return _document(made_scenario)


@pytest.fixture(scope="session")
def made_records(made_scenario: Scenario) -> tuple[Record, ...]:
    return tuple(
        _record(made_scenario, name, candidate)
        for candidate in made_scenario.variants
        for name in made_scenario.strategies
    )


@pytest.fixture(scope="session")
def nasty_scenario() -> Scenario:
    """Names with markup, Chinese, formulas, controls, and text turned around."""
    return _scenario(NASTY, NASTY_CANDIDATES)


@pytest.fixture(scope="session")
def nasty_document(nasty_scenario: Scenario) -> Mapping[str, Any]:
    return _document(nasty_scenario)


@pytest.fixture(scope="session")
def nasty_records(nasty_scenario: Scenario) -> tuple[Record, ...]:
    return tuple(
        _record(nasty_scenario, name, candidate)
        for candidate in nasty_scenario.variants
        for name in nasty_scenario.strategies
    )


@pytest.fixture(scope="session")
def make_document() -> Callable[..., dict[str, Any]]:
    return _document


def _values(scenario: Scenario, seeds: int = 32) -> dict[str, Any]:
    """Every seed's values as `reports.spread` has them, around the means of the tables above."""
    rng = np.random.default_rng(4)
    rows = []
    for candidate, table in zip(scenario.variants, (BAD, GOOD), strict=True):
        for name, means in zip(scenario.strategies, table, strict=True):
            figures: dict[str, Any] = {}
            for (key, _), found in zip(KEYS, means, strict=True):
                made = [found] * seeds if isinstance(found, str) else rng.normal(*found, seeds).tolist()
                figures[key] = made
            rows.append({"strategy": name, "candidate": candidate, "figures": figures})
    return {"format": "rolloutlab.values/1", "seeds": list(range(seeds)), "rows": rows}


@pytest.fixture(scope="session")
def made_values(made_scenario: Scenario) -> Mapping[str, Any]:
    return _values(made_scenario)


@pytest.fixture(scope="session")
def nasty_values(nasty_scenario: Scenario) -> Mapping[str, Any]:
    return _values(nasty_scenario)
