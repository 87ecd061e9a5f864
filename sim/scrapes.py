"""What a release sees of requests: guards' windows and an A/B test's groups, every so often and late."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from scenarios.conversion import Groups
from scenarios.conversion import groups as count_groups
from scenarios.guard import Sample, Seen
from scenarios.observe import window
from scenarios.plan import Plan, Route
from scenarios.world import Guard, Observe
from sim.clock import SECOND, Clock, Order, nanoseconds
from sim.requests import Requests


class Scrapes:
    """Scrapes for as long as a plan is watched; `take` hands over what the last ones showed, once.

    `blind` tells whether metrics of a second are missing; `report` is told that there is something new;
    `conversions` are the shares of stable's and the candidate's users who convert.
    """

    def __init__(
        self,
        observe: Observe,
        seed: int,
        clock: Clock,
        requests: Requests,
        blind: Callable[[int], bool],
        report: Callable[[], None],
        conversions: tuple[float, float],
    ) -> None:
        self.observe, self.seed, self.clock, self.requests = observe, seed, clock, requests
        self._blind, self._report, self._conversions = blind, report, conversions
        self._plan: Plan | None = None
        self._guards: Mapping[str, Guard] = {}
        self._windows: dict[str, Seen] = {}
        self._groups: Groups | None = None
        self._users_before: NDArray[np.uint32] | None = None

    def watch(self, plan: Plan, guards: Mapping[str, Guard]) -> None:
        """From t = 0 on, if the plan wants metrics at all."""
        if guards or plan.tests:
            self._plan, self._guards = plan, guards
            self._scrape(0)

    def end(self) -> None:
        """Nobody looks any more."""
        self._plan = None

    def take(self) -> tuple[Mapping[str, Seen], Groups | None]:
        """What is new since last taken."""
        windows, self._windows = self._windows, {}
        groups, self._groups = self._groups, None
        return windows, groups

    def route_set(self) -> None:
        """Another route is on its way: who asks is in no group until it is in force."""
        self._users_before = None

    def route_in_force(self, route: Route) -> None:
        """Whoever asks from now on is in a group, where the plan compares them."""
        if self._plan is not None and route in self._plan.compared:
            self.requests.advance(self.clock.seconds)
            self._users_before = self.requests.tally.users.copy()

    def _scrape(self, taken_at: int) -> None:
        """Have the window that ends at `taken_at` seconds seen once its delay has passed; plan the next."""
        seen_at = taken_at * SECOND + nanoseconds(self.observe.delay)
        self.clock.at(seen_at, Order.SCRAPE, lambda: self._publish(taken_at))

    def _publish(self, taken_at: int) -> None:
        if self._plan is None:
            return
        self.requests.advance(self.clock.seconds)
        self._groups = None if self._blind(taken_at) else self._counted()
        self._windows = {name: self._window(guard, taken_at) for name, guard in self._guards.items()}
        self._report()
        self._scrape(taken_at + int(self.observe.every))

    def _counted(self) -> Groups | None:
        if self._users_before is None:
            return None
        return count_groups(self.seed, self._users_before, self.requests.tally.users, self._conversions)

    def _window(self, guard: Guard, taken_at: int) -> Seen:
        if self._blind(taken_at):
            return Seen(taken_at, Sample(0, 0), Sample(0, 0))
        return window(self.requests.tally, guard, self.observe.vantage, taken_at)
