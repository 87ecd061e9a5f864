"""What `replay` tells: whether a stored record comes out the same again, and what differs if not."""

from collections.abc import Mapping

from rich.console import Group
from rich.table import Table
from rich.text import Text

from reports.compare import dumps
from reports.words import listed, plain
from scenarios.record import Record
from scenarios.retrace import Retraced

FORMAT = "rolloutlab.replay/1"
Versions = Mapping[str, str]


def as_json(record: Record, found: Retraced, then: Versions, now: Versions) -> str:
    """The answer as JSON (`rolloutlab.replay/1`)."""
    trial = record.trial
    return dumps(
        {
            "format": FORMAT,
            "trial": {"strategy": trial.strategy, "candidate": trial.candidate, "seed": trial.seed},
            "same": found.same,
            "decisions": {
                "same": found.difference is None,
                "observations": found.observations,
                "actions": found.actions,
                "first_difference": found.difference,
            },
            "run": {"digest": found.digest, "again": found.again, "differing": list(found.parts)},
            "versions": {name: list(pair) for name, pair in changed(then, now).items()},
        }
    )


def as_text(record: Record, found: Retraced, then: Versions, now: Versions) -> Group:
    """The answer for a terminal."""
    trial = record.trial
    names = (trial.scenario.name, trial.strategy, trial.candidate or "stable", f"seed {trial.seed}")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for head, right, text in _lines(found, changed(then, now)):
        grid.add_row(Text(head), Text(text, {True: "green", False: "bold red", None: ""}[right]))
    return Group(Text(" · ".join(plain(name) for name in names), "bold"), grid)


def _lines(found: Retraced, versions: Mapping[str, tuple[str, str]]) -> list[tuple[str, bool | None, str]]:
    rests = f"{found.actions} actions from {found.observations} observations"
    decided = f"✗ differ: {plain(found.difference)}" if found.difference else f"✓ the same: {rests}"
    run, same = f"✓ the same bytes: sha256 {found.digest}", found.digest == found.again
    if not same:
        run = f"✗ differs in {listed([plain(part) for part in found.parts])}"
    lines: list[tuple[str, bool | None, str]] = [
        (
            "decisions",
            found.difference is None,
            decided if found.observations or found.difference else "none: no release",
        ),
        ("second run", same, run),
    ]
    if versions:
        told = [f"{plain(name)} {plain(old)}, now {plain(new)}" for name, (old, new) in versions.items()]
        lines.append(("versions", None, "recorded by " + "; ".join(told)))
    elif not found.same:
        lines.append(("versions", None, "the same as those that recorded it"))
    return lines


def changed(then: Versions, now: Versions) -> dict[str, tuple[str, str]]:
    """Versions of packages that are not what they were; those that nobody recorded are unknown."""
    return {
        name: (str(then.get(name, "unknown")), version)
        for name, version in now.items()
        if then.get(name) != version
    }
