"""People who are called: each notices after a while, then acts. What they do is seen by the release later."""

from collections import Counter
from collections.abc import Callable, Mapping

from scenarios.draws import Purpose, draw, u
from scenarios.faults import Operator
from scenarios.plan import Call
from scenarios.release import PAGE
from sim.clock import Clock, Order, nanoseconds

NOTICES, ACTS = 0, 1


class People:
    """Who was called, and what came of it: `approved` calls, and whether somebody asked for the way back."""

    def __init__(
        self, operators: Mapping[str, Operator], seed: int, clock: Clock, report: Callable[[], None]
    ) -> None:
        self.operators, self.seed, self.clock, self._report = operators, seed, clock, report
        self.approved: set[str] = set()
        self.abort = False
        self._calls = Counter[str]()

    def call(self, name: str, call: Call) -> None:
        """Call somebody now: a page leads to an abort, any other call to an approval.

        A person's k-th call of a trial takes as long whichever strategy makes it.
        """
        person, key = self.operators[call.operator], call.operator.encode()
        which, self._calls[call.operator] = self._calls[call.operator], self._calls[call.operator] + 1
        after = sum(
            draw(time.distribution(), u(self.seed, Purpose.OPERATOR, *key, which, part))
            for part, time in ((NOTICES, person.notices), (ACTS, person.acts))
        )
        self.clock.after(nanoseconds(after), Order.CONTROLLER, lambda: self._act(name))

    def _act(self, name: str) -> None:
        if name == PAGE:
            self.abort = True
        else:
            self.approved.add(name)
        self._report()
