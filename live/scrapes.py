"""What a release sees of requests on a cluster: guards' windows and an A/B test's groups.

The rows that have arrived become a tally, which the very functions that the simulator uses read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from live.rows import Rows, rows_to_tally
from scenarios.conversion import Groups
from scenarios.conversion import groups as count_groups
from scenarios.guard import Seen
from scenarios.observe import window
from scenarios.plan import CANDIDATE, STABLE, Plan, Route
from scenarios.record import Trial
from scenarios.tally import Tally
from scenarios.world import Guard


@dataclass
class Scrapes:
    """Scrapes of a trial, every so often and late. `due` says when the next one is known."""

    trial: Trial
    plan: Plan
    guards: Mapping[str, Guard]
    _taken_at: int = 0
    _users_before: NDArray[np.uint32] | None = field(default=None)

    @property
    def due(self) -> float:
        """Seconds of the trial; infinity where nobody wants metrics."""
        wanted = bool(self.guards) or bool(self.plan.tests)
        return self._taken_at + float(self.trial.scenario.observe.delay) if wanted else math.inf

    def take(self, rows: Rows) -> tuple[dict[str, Seen], Groups | None]:
        """What the scrape that is due shows, given all rows that have arrived."""
        scenario, taken_at = self.trial.scenario, self._taken_at
        self._taken_at += int(scenario.observe.every)
        tally = self._tally(rows[rows["end"] < taken_at])
        vantage = scenario.observe.vantage
        windows = {name: window(tally, guard, vantage, taken_at) for name, guard in self.guards.items()}
        return windows, self._groups(tally)

    def route_set(self) -> None:
        """Another route is on its way: who asks is in no group until it is in force."""
        self._users_before = None

    def route_in_force(self, route: Route, rows: Rows) -> None:
        """Whoever asks from now on is in a group, where the plan compares them."""
        if route in self.plan.compared:
            self._users_before = self._tally(rows).users.copy()

    def _tally(self, rows: Rows) -> Tally:
        """Of the requests that have ended; the tries of others are left for the next time."""
        scenario = self.trial.scenario
        ended = rows["index"][rows["final"] == 1]
        return rows_to_tally(rows[np.isin(rows["index"], ended)], scenario.grid, scenario.traffic.users.count)

    def _groups(self, tally: Tally) -> Groups | None:
        if self._users_before is None:
            return None
        scenario, candidate = self.trial.scenario, self.trial.candidate or CANDIDATE
        versions = [scenario.version(name, candidate) for name in (STABLE, CANDIDATE)]
        shares = (versions[0].conversion or 0.0, versions[1].conversion or 0.0)
        return count_groups(self.trial.seed, self._users_before, tally.users, shares)
