"""What the journals say of their runs: how each stands, and what it may have left on its cluster."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from live import journal
from live.journal import Entry, Run
from live.namespaces import Claim


class Standing(StrEnum):
    """Of a run: its process lives, it came to its own end, or it did not."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Known:
    """A run with a folder here; `claims` are the namespaces that nobody has seen gone."""

    folder: Path
    run: Run
    standing: Standing
    made: int
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Illegible:
    """A folder whose run.json or journal cannot be read, and why."""

    folder: Path
    why: str


def known(root: Path) -> list[Known | Illegible]:
    """All runs with a folder below `root`, the oldest first; those that cannot be read last."""
    found = [_known(folder) for folder in journal.folders(root)]
    return sorted(found, key=lambda one: one.run.started if isinstance(one, Known) else "~")


def claims(entries: Iterable[Entry]) -> tuple[Claim, ...]:
    """The namespaces that were to be made and are not known to be gone, in the order of their making."""
    left: dict[str, Claim] = {}
    for entry in entries:
        name = str(entry.values.get("name"))
        if entry.what == journal.NAMESPACE:
            left[name] = Claim(name, entry.values["token"], None)
        elif entry.what == journal.CREATED and name in left:
            left[name] = Claim(name, left[name].token, entry.values["uid"])
        elif entry.what == journal.GONE:
            left.pop(name, None)
    return tuple(left.values())


def standing(entries: Iterable[Entry], busy: bool) -> Standing:
    """How a run stands: a journal that somebody writes is a run that goes on."""
    if busy:
        return Standing.RUNNING
    told = [entry.what for entry in entries if entry.what in (journal.FINISHED, journal.NAMESPACE)]
    return Standing.FINISHED if told and told[-1] == journal.FINISHED else Standing.INTERRUPTED


def _known(folder: Path) -> Known | Illegible:
    try:
        run, busy, written = journal.run_of(folder), journal.busy(folder), journal.entries(folder)
    except (journal.JournalError, OSError) as error:
        return Illegible(folder, str(error))
    made = sum(entry.what == journal.NAMESPACE for entry in written)
    return Known(folder, run, standing(written, busy), made, claims(written))
