"""What every single seed came to, beside the comparison that sums it up: what charts of distributions draw.

The document `rolloutlab.values/1`: for each strategy and candidate, each headline figure's values in the
order of the seeds; where a seed has none, the reason as text. Plain JSON, numbers to ten digits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.digits import tidy
from reports.figures import HEADLINES, Figure, Measured, Value
from scenarios.scenario import CONTROL, Scenario

FORMAT = "rolloutlab.values/1"
Json = Any
Trials = Mapping[tuple[str, str | None], Measured]


def values(scenario: Scenario, seeds: Sequence[int], trials: Sequence[Trials]) -> dict[str, Json]:
    """The values of every seed; `trials` has one entry for each, as for a comparison. Arms are left out."""
    names = [(name, candidate) for candidate in scenario.variants for name in scenario.strategies]
    rows = [key for key in names if key[0] != CONTROL and trials and all(key in seed for seed in trials)]
    return {
        "format": FORMAT,
        "seeds": [int(seed) for seed in seeds],
        "rows": [
            {
                "strategy": strategy,
                "candidate": candidate,
                "figures": {
                    figure: [_value(seed[strategy, candidate].figures[figure]) for seed in trials]
                    for figure in HEADLINES
                },
            }
            for strategy, candidate in rows
        ],
    }


def _value(figure: Figure) -> float | str | None:
    return tidy(figure.value) if isinstance(figure, Value) else figure.why
