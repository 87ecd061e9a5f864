"""Who answers the calls of a live release: times said beforehand, or files put into the run's folder.

`rolloutlab live approve RUN NAME` and `live abort RUN` write those files; nothing is approved by silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.load import as_document, from_document
from scenarios.names import file_name
from scenarios.plan import Call
from scenarios.release import PAGE
from scenarios.scenario import Scenario
from scenarios.units import write_duration

ABORT = "abort"


def promised(scenario: Scenario, after: Mapping[str, float]) -> Scenario:
    """The scenario with operators who act so many seconds after being called, for the prediction too."""
    document = as_document(scenario)
    for operator, seconds in after.items():
        document["operators"][operator] = {"notices": "0s", "acts": write_duration(seconds)}
    return from_document(document) if after else scenario


def approval(operator: str) -> str:
    """The file that approves whatever this operator has been called for."""
    return f"approved.{file_name(operator)}"


@dataclass
class Callers:
    """Calls of one trial. `after` are seconds from the call to the act, by operator."""

    folder: Path
    after: Mapping[str, float]
    _calls: dict[str, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / ABORT).unlink(missing_ok=True)  # said of a trial before this one

    def call(self, name: str, call: Call, t: float) -> None:
        """Somebody is called: a page leads to an abort, any other call to an approval."""
        self._calls[name] = (call.operator, t)
        (self.folder / approval(call.operator)).unlink(missing_ok=True)  # said before it was asked

    def approved(self, t: float) -> frozenset[str]:
        """Calls that were approved by then."""
        return frozenset(name for name in self._calls if name != PAGE and self._acted(name, t))

    def abort(self, t: float) -> bool:
        """Whether somebody asked for the way back by then."""
        return (self.folder / ABORT).exists() or (PAGE in self._calls and self._acted(PAGE, t))

    def _acted(self, name: str, t: float) -> bool:
        operator, called_at = self._calls[name]
        if operator in self.after:
            return t >= called_at + self.after[operator]
        return (self.folder / approval(operator)).exists()
