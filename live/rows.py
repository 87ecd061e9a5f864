"""Requests that were really sent, a row for each try: their layout, their file, and what is counted of them.

Never judges. Times are seconds of the trial: 0 is the trigger.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenarios.tally import (
    CANDIDATE,
    HARMED,
    HIGH,
    LAST_CANDIDATE,
    MET_CANDIDATE,
    MET_STABLE,
    NOBODY,
    STABLE,
    Grid,
    Tally,
    of_rows,
)

Rows: TypeAlias = NDArray[np.void]

UNKNOWN_POD = -1
MOMENT = 1e-6  # seconds: more than rounding, less than anybody measures
VERSIONS = (STABLE, CANDIDATE, NOBODY)

_FIELDS: list[tuple[str, str]] = [
    ("index", "<i8"),  # the request's number in the schedule
    ("user", "<i4"),
    ("first", "<f8"),  # when the request was due
    ("due", "<f8"),  # when this try was due: `first`, but for retries
    ("sent", "<f8"),
    ("end", "<f8"),
    ("status", "u1"),  # scenarios.tally.Status
    ("version", "u1"),  # STABLE, CANDIDATE or NOBODY
    ("pod", "<i2"),  # place in the list of names, or UNKNOWN_POD
    ("code", "<i2"),  # the answer's HTTP status; 0: none came
    ("attempt", "u1"),  # 0 for the first try
    ("final", "u1"),  # 1 where no further try follows
]
ROWS = np.dtype(_FIELDS)
LAYOUT = "<qiddddBBhhBB"
"""A row for `struct`, field by field as in ROWS."""


class UnfitRows(ValueError):
    """Rows that cannot be counted; the text says which."""


def rows_to_tally(rows: Rows, grid: Grid, users: int) -> Tally:
    """What the rows come to, over `grid`; all must be due in it, and no request may end twice.

    Tries of a request that never ended are left out. A row that its generator noted late is booked in the
    last second, or in the last bucket of latency, that there is: so late, a run is not conclusive either.
    """
    rows = rows[np.isin(rows["index"], rows["index"][rows["final"] == 1])]
    _check(rows, grid, users)
    rows = rows[np.argsort(rows["due"], kind="stable")]
    final = rows[rows["final"] == 1]
    final = final[np.argsort(final["first"], kind="stable")]
    tally = _counted(grid, users, final, "first")
    return tally if len(final) == len(rows) else _with_tries(tally, rows)


def _check(rows: Rows, grid: Grid, users: int) -> None:
    if not len(rows):
        return
    first, last = float(rows["first"].min()), float(rows["first"].max())
    if first < grid.start or last >= grid.horizon:
        raise UnfitRows(f"requests due from {first} to {last} s; expected [{grid.start}, {grid.horizon})")
    who = rows["user"]
    if who.min() < 0 or who.max() >= users or not np.isin(rows["version"], VERSIONS).all():
        raise UnfitRows(f"a user that is none of {users}, or a version that is none")
    ended = np.sort(rows["index"][rows["final"] == 1], kind="stable")  # nearly in order, so this is quick
    if (ended[1:] == ended[:-1]).any():
        raise UnfitRows("a request that ended twice")


def _counted(grid: Grid, users: int, rows: Rows, due: str) -> Tally:
    begun = rows[due]
    latest = np.minimum(grid.end, begun + 2.0**HIGH) - MOMENT
    end = np.maximum(np.minimum(rows["end"], latest), begun)
    return of_rows(grid, users, begun, end, rows["version"], rows["status"], rows["user"])


def _with_tries(tally: Tally, rows: Rows) -> Tally:
    """As `tally`, which is of final outcomes, with every try; who met whom is seen in tries as well."""
    grid, users = tally.grid, len(tally.users)
    within = rows[rows["due"] < grid.end - MOMENT]
    every = _counted(grid, users, within, "due")
    met = _counted(grid, users, within[within["first"] >= 0], "due")
    flags = np.uint32(MET_STABLE | MET_CANDIDATE | LAST_CANDIDATE)
    mine = tally.users & ~flags
    assert not (mine & flags).any() and HARMED & int(flags) == 0
    return replace(
        tally,
        tries=every.counts,
        arrivals=every.arrivals,
        new_met=met.new_met,
        flips=met.flips,
        users=mine | (met.users & flags),
    )


def save(path: Path, rows: Rows, pods: list[str], **more: Any) -> None:
    """Write rows and the names of pods (and arrays beside them) as one compressed file."""
    np.savez_compressed(path, rows=rows, pods=np.array(pods, np.str_), **more)


def load(path: Path) -> tuple[Rows, list[str]]:
    """The rows of a file, and the names of pods. Raises UnfitRows for what is none."""
    with np.load(path, allow_pickle=False) as found:
        if "rows" not in found or "pods" not in found or found["rows"].dtype != ROWS:
            raise UnfitRows(f"{path}: holds no rows of requests")
        return found["rows"], [str(name) for name in found["pods"]]
