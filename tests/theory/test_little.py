"""Little's law: the number in the system, counted by the twin's own clock, is rate times mean time in it."""

from __future__ import annotations

import numpy as np
import pytest
from twin import both

from scenarios.distributions import LogNormal
from scenarios.tally import Grid


@pytest.mark.parametrize("balance", ["random", "round_robin", "least_outstanding"])
@pytest.mark.parametrize("mean", [0.02, 0.09])
def test_the_number_in_the_system_is_rate_times_latency(balance: str, mean: float) -> None:
    grid = Grid(-5, 60, 3)
    script = [(-5.0, "add_pod", (0, 0.1, -5.0)) for _ in range(3)]
    script += [
        (-5.0, "rotate", (0, 0, [0, 1, 2])),
        (20.0, "kill", (1, 20.0)),
        (30.0, "rotate", (0, 0, [0, 1])),
    ]
    service = LogNormal.of(mean=mean, cv=1.2)
    requests, twin = both(
        script, seed=4, rate=120.0, users=9, activity="even", grid=grid, slots=4, queue=20, timeout=1.5,
        service=(service, service), balance=balance,
    )  # fmt: skip
    rows = requests.rows()
    length = grid.end - grid.start
    rate = len(rows["due"]) / length
    assert twin.inside == 0
    assert twin.area / length == pytest.approx(rate * np.mean(rows["end"] - rows["due"]), rel=1e-9)
