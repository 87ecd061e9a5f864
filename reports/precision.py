"""Whether enough seeds were tried: every headline figure known to a share of itself, or to its floor."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.compare import summary
from reports.figures import HEADLINES, Measured
from scenarios.figure import FIGURES
from scenarios.scenario import CONTROL, Scenario

BLOCK = 32  # seeds that are added at a time
MOST_SEEDS = 1024  # where nobody says otherwise

FLOORS = {"share": 0.005, "s": 1.0}  # half a percentage point, a second
REQUESTS, USERS = 1e-5, 1e-4  # one in 100,000 requests, one in 10,000 users
POD_SECONDS = 1.0  # of each pod of the service

Trials = Mapping[tuple[str, str | None], Measured]


@dataclass(frozen=True, slots=True)
class Vague:
    """A headline figure whose interval is still too wide: `half` of it, where `wanted` was asked for."""

    strategy: str
    candidate: str | None
    figure: str
    half: float
    wanted: float


def floor(scenario: Scenario, figure: str) -> float:
    """How precisely that figure is ever asked for, in its own unit: below it, differences mean nothing."""
    unit = FIGURES[figure].unit
    if unit == "count" and "users" in figure:
        return USERS * scenario.traffic.users.count
    if unit == "count":
        return REQUESTS * scenario.traffic.intended.curve().expected(0, scenario.clock.horizon)
    return POD_SECONDS * scenario.service.replicas if unit == "pod-seconds" else FLOORS[unit]


def vague(scenario: Scenario, trials: Sequence[Trials], within: float) -> tuple[Vague, ...]:
    """The headline figures, by strategy and candidate, whose 95 % interval is wider to one side than
    `within` · |mean| and than the figure's floor. One without an interval is not asked about.
    """
    rows: dict[tuple[str, str | None], list[Measured]] = defaultdict(list)
    for seed in trials:
        for row, trial in seed.items():
            rows[row].append(trial)
    asked = ((*row, key, tried) for row, tried in rows.items() if row[0] != CONTROL for key in HEADLINES)
    found = (_vague(scenario, *each, within) for each in asked)
    return tuple(one for one in found if one is not None)


def _vague(
    scenario: Scenario,
    strategy: str,
    candidate: str | None,
    figure: str,
    tried: Sequence[Measured],
    within: float,
) -> Vague | None:
    at = summary(figure, [trial.figures[figure] for trial in tried])
    if at["low"] is None:
        return None
    half = (at["high"] - at["low"]) / 2
    wanted = max(within * abs(at["mean"]), floor(scenario, figure))
    return Vague(strategy, candidate, figure, half, wanted) if half > wanted else None
