"""A record looked at again: are its decisions those that its observations give, and is a second run the same?

Pure: the second run is an argument. Nothing is written.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from scenarios.backend import replay
from scenarios.decode import RecordError
from scenarios.record import ARM, Record, Trial, arrays, digest, document
from scenarios.release import Event


@dataclass(frozen=True, slots=True)
class Retraced:
    """What came of it: how much was decided, the first decision that differs (None: none does), both digests,
    and the parts of the record that differ between the two runs."""

    observations: int
    actions: int
    difference: str | None
    digest: str
    again: str
    parts: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Same decisions, same bytes."""
        return self.difference is None and self.digest == self.again


def retrace(record: Record, again: Record) -> Retraced:
    """Compare a stored record with its own decisions made anew, and with a second run of its trial."""
    difference = None if record.trial.strategy == ARM else first_difference(record)
    stored, anew = digest(record), digest(again)
    parts = () if stored == anew else tuple(_parts(record, again))
    return Retraced(len(record.observed), len(record.actions), difference, stored, anew, parts)


def known(trial: Trial) -> None:
    """Raises RecordError for a trial that cannot be: no such strategy, candidate or seed."""
    if not 0 <= trial.seed < 2**32:
        raise RecordError(f"expected a seed from 0 to 4294967295; got {trial.seed}")
    scenario, arm = trial.scenario, trial.strategy == ARM
    if not arm and trial.strategy not in scenario.strategies:
        raise RecordError(f"its scenario has no strategy {trial.strategy!r}")
    if not (arm and trial.candidate is None) and trial.candidate not in scenario.variants:
        raise RecordError(f"its scenario has no candidate {trial.candidate!r}")


def first_difference(record: Record) -> str | None:
    """The first action, event or ending that the observations do not give again; None if all are the same."""
    trial = record.trial
    anew = replay(trial.scenario.plan(trial.strategy), trial.scenario.guards, record.observed)
    asked = [(t, a.id, a.action) for t, a in anew.asked]
    found = [
        *_differing("action", record.actions, asked),
        *_differing("event", record.events, anew.events),
    ]
    if found:
        return min(found)[1]
    return (
        None if record.outcome == anew.outcome else f"recorded {record.outcome}, decided anew {anew.outcome}"
    )


def _differing(word: str, recorded: Sequence[object], anew: Sequence[object]) -> Iterator[tuple[float, str]]:
    """The first of two sequences' items that differs, and when it was."""
    for number, (old, new) in enumerate(zip_longest(recorded, anew), 1):
        if old != new:
            (before, then), (after, now) = _told(old), _told(new)
            yield min(before, after), f"{word} {number}: recorded {then}, decided anew {now}"
            return


def _told(item: object) -> tuple[float, str]:
    """When an action or an event was, and what it was."""
    match item:
        case Event(t, kind, text):
            return t, f"at {t:g} s {kind} ({text})"
        case (float(t), name, action):
            return t, f"at {t:g} s {name}: {action}"
    return math.inf, "nothing"


def _parts(record: Record, again: Record) -> Iterator[str]:
    """What differs: keys of record.json, then arrays of truth.npz."""
    old, new = document(record), document(again)
    yield from (key for key in sorted(old | new) if old.get(key) != new.get(key))
    ours, others = arrays(record), arrays(again)
    for name in sorted(ours | others):
        if name not in ours or name not in others or not np.array_equal(ours[name], others[name]):
            yield name
