"""`Requests` as the control plane uses it: what each change does, and what is refused."""

from __future__ import annotations

import numpy as np

from scenarios.distributions import Constant, LogNormal
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Grid, Status
from sim.requests import Requests

SERVICE = (LogNormal.of(mean=0.05, cv=1.0), LogNormal.of(mean=0.05, cv=1.0))


def test_a_small_trial_books_every_request() -> None:
    requests = Requests(1, 200.0, 1000, "even", Grid.of(10, 50, 1.0), 4, 50, 1.0, SERVICE, trace=True)
    requests.rotate(0, 0, [requests.add_pod(STABLE, 0.0, -100.0) for _ in range(4)])
    tally = requests.finish()
    assert tally.counts.sum() == len(requests.rows()["due"])
    assert tally.counts[:, STABLE, Status.OK].sum() == tally.counts.sum()
