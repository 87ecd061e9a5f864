"""A release under traffic that changes: one small world for each shape, from its file to its figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports.figures import measure
from scenarios import record as records
from scenarios import traffic
from scenarios.load import load
from scenarios.record import ARM, Record, Trial
from scenarios.scenario import Scenario
from sim.world import simulate

WORLD = """\
format: rolloutlab/1
name: {name}
summary: {summary}
service: {{replicas: 4}}
versions:
  stable:
    service_time: {time}
    start: {{samples: [2s, 2500ms, 3s, 8s]}}
  candidate: {{from: stable}}
traffic:
  rate: {rate}
  users: {{count: 500}}
clock: {{settle: 30s, horizon: 4m}}
strategies:
  rolling: {{rolling: {{}}}}
  blue-green: {{blue_green: {{}}}}
"""
WORLDS = {
    "doors-open": (
        "the release meets a growing crowd",
        "{ramp: {from: 20/s, to: 600/s, begins: 1m, lasting: 2m}}",
        "40ms",
    ),
    "flash-sale": (
        "the sale begins during the release",
        "{spike: {base: 50/s, peak: 450/s, at: 20s, lasting: 1m, rise: 5s, fall: 20s}}",
        "{quantiles: {p0: 5ms, p50: 20ms, p90: 60ms, p100: 300ms}}",
    ),
    "evening": (
        "released on the way to the evening's peak",
        "{daily: {mean: 100/s, swing: 80%, peak_at: 20m, period: 1h}}",
        "{samples: [12ms, 14ms, 15ms, 70ms]}",
    ),
    "as-last-night": (
        "last night's requests come again",
        "{trace: {csv: night.csv, interval: 30s}}",
        "{csv: times.csv}",
    ),
}
COUNTS = (1500, 3000, 0, 4500, 12000, 700, 30, 1500)


def world(name: str, folder: Path) -> Scenario:
    """The scenario of its file, with its CSV files beside it."""
    summary, rate, time = WORLDS[name]
    file = folder / f"{name}.yaml"
    file.write_text(WORLD.format(name=name, summary=summary, rate=rate, time=time), encoding="utf-8")
    (folder / "night.csv").write_text(
        "time,requests\n" + "".join(f"{30 * k},{n}\n" for k, n in enumerate(COUNTS))
    )
    (folder / "times.csv").write_text("ms\n12\n14.5\n17\n90\n")
    return load(file)


def due(scenario: Scenario, seed: int) -> np.ndarray:
    users = scenario.traffic.users
    clock = scenario.clock
    rate = scenario.traffic.rate.curve()
    return traffic.schedule(seed, rate, users.count, users.activity, -clock.settle, clock.horizon).due


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("strategy", [ARM, "rolling"])
def test_what_arrives_is_the_schedule(name: str, strategy: str, tmp_path: Path) -> None:
    scenario = world(name, tmp_path)
    trial = Trial(scenario, strategy, None if strategy == ARM else "candidate", 3)
    record = simulate(trial)
    tally, grid = record.truth.tally, record.truth.tally.grid
    arrived = tally.arrivals.sum(axis=1)
    scheduled = np.bincount(((due(scenario, 3) - grid.start) * 10).astype(int), minlength=len(arrived))
    assert np.array_equal(arrived, scheduled)
    folder = tmp_path / "record"
    records.write(record, folder)
    for file in tmp_path.glob("*.csv"):
        file.unlink()
    again = records.read(folder)
    assert again.trial.scenario == scenario
    assert records.digest(again) == records.digest(record)
    assert digest_of(again) == digest_of(record)


def digest_of(record: Record) -> str:
    """Of what a second simulation of the record's own scenario gives."""
    return records.digest(simulate(record.trial))


def test_a_trace_comes_again_in_a_trial(tmp_path: Path) -> None:
    scenario = world("as-last-night", tmp_path)
    tally = simulate(Trial(scenario, ARM, None, 1)).truth.tally
    after = tally.arrivals.sum(axis=1)[-tally.grid.start * 10 : (tally.grid.horizon - tally.grid.start) * 10]
    assert after.reshape(8, 300).sum(axis=1).tolist() == list(COUNTS)


def test_unmet_demand_follows_the_rate(tmp_path: Path) -> None:
    """4 pods of 4 slots at 40 ms are worth 400 requests a second; the ramp passes that after 60 + 78.6 s."""
    scenario = world("doors-open", tmp_path)
    record = simulate(Trial(scenario, ARM, None, 1))
    unmet = measure(record).figures["unmet_demand"]
    above = 60 + 120 * (400 - 20) / 580
    pods = ((600 - 400) / 2 * (180 - above) + 200 * 60) * 0.04 / 4
    assert unmet.value == pytest.approx(pods, rel=1e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", WORLDS)
def test_the_settling_time_moves_nothing_else(name: str, tmp_path: Path) -> None:
    scenario = world(name, tmp_path)
    longer = scenario.model_copy(update={"clock": scenario.clock.model_copy(update={"settle": 50.0})})
    short, long = (simulate(Trial(s, "blue-green", "candidate", 2)).truth.tally for s in (scenario, longer))
    assert np.array_equal(short.arrivals[300:], long.arrivals[500:])
