"""A scenario's expectations on a cluster: sent as their stage ends, while what was set for it is in force.

The release waits until they are answered: what comes next would change the answers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from live import expect
from live.address import address
from live.outcome import VERSION
from live.replay import Entry
from scenarios.answered import Probed
from scenarios.checked import Sending
from scenarios.expect import END, Answers, Expectation
from scenarios.plan import CANDIDATE, STABLE
from scenarios.record import Trial

RATE, LANES, LONGEST = 200.0, 8, 60.0


@dataclass
class Expectations:
    """Those of a trial, each asked of the entry once. `tell` is told of each, at its time."""

    trial: Trial
    entry: Entry
    tell: Callable[[float, str], None] = lambda _t, _text: None
    found: list[Probed] = field(default_factory=list)

    def __post_init__(self) -> None:
        trial = self.trial
        wanted = trial.scenario.expect.items()
        self._waiting = {name: one for name, one in wanted if one.concerns(trial.strategy, trial.candidate)}

    def stage_ends(self, stage: str, t: float) -> None:
        """A stage is over at `t`; what was set for it is still in force."""
        self._ask([name for name, one in self._waiting.items() if one.when == stage != END], t)

    def trial_ends(self, t: float) -> None:
        """The horizon `t` is reached."""
        self._ask([name for name, one in self._waiting.items() if one.when == END], t)

    def _ask(self, names: list[str], t: float) -> None:
        for name in names:
            expected = self._waiting.pop(name)
            self.tell(t, f"expect {name}: {expected.requests} requests")
            self.found.append(replace(self._asked(name, expected), t=t))

    def _asked(self, name: str, expected: Expectation) -> Probed:
        entry, timeout = self.entry, float(self.trial.scenario.traffic.client.timeout)
        sending = Sending(RATE, expected.requests, LANES, 1, 1, timeout, LONGEST)
        # users ask for the trial's own host, whatever the file calls it
        request = expected.request.model_copy(update={"host": entry.host_header})
        where = address(f"{entry.scheme}://{entry.host}:{entry.port}/", entry.host)
        return expect.probe(
            name, expected.model_copy(update={"request": request}), self._known(), where, sending, None
        )

    def _known(self) -> dict[str, Answers | None]:
        """What tells the versions' answers apart: their own marks, else the demo app's header."""
        scenario, candidate = self.trial.scenario, str(self.trial.candidate)
        return {
            name: scenario.version(name, candidate).answers or Answers(headers={VERSION: name})
            for name in (STABLE, CANDIDATE)
        }
