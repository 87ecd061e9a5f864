"""Whether the traffic was as intended: how many requests were sent, and how late. Pure.

A generator that cannot keep up says nothing of the service: such a run is inconclusive, not wrong.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from live.rows import Rows
from scenarios.tally import NOBODY, Status

LATE = 0.05  # seconds after it was due
MOST_LATE = 0.01  # share of requests that may be so late
MOST_UNTOLD = 0.01  # share of good answers that may tell no version, where answers should
STRETCH = 0.01  # by so much may the time from the first to the last request be longer or shorter
SOME = 3  # reasons that are told of many


@dataclass(frozen=True, slots=True)
class Ended:
    """What one child says at its end: tries it sent, and what it could not make out.

    `broken` are requests that the generator itself failed, by reason; `untold` answers that name no version
    or more than one; `notes` what was left out beyond its bounds. `cpu` is a share of one core.
    """

    sent: int
    finished: int
    broken: dict[str, int]
    untold: dict[str, int]
    notes: dict[str, int]
    connections: int
    overlapping: int
    cpu: float
    counted: int
    """Tries in Locust's own statistics."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent against what was intended; lateness in seconds, of each request's first try.

    `sent` requests have begun, `finished` have ended, and `missing` of those intended have not. `connections`
    were opened, `overlapping` of them because those kept were busy: HTTP/1.1 carries one request at a time.
    """

    intended: int
    sent: int
    finished: int
    missing: int
    median: float
    p99: float
    most: float
    share_late: float
    stretch: float
    cpu: float
    connections: int
    overlapping: int
    untold: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    conclusive: bool = False
    why: str = ""


def judged(
    due: NDArray[np.float64], rows: Rows, ended: Sequence[Ended | None], unfinished: bool = False
) -> Sent:
    """The verdict on a run of requests intended at `due`. `ended`: of each child; None where it died.

    `unfinished`: it was ended before its time.
    """
    told = [one for one in ended if one is not None]
    first = rows[rows["attempt"] == 0]
    late = np.sort(first["sent"] - first["due"])
    finished = int(rows["final"].sum())
    sent = max(len(np.unique(first["index"])), sum(one.sent for one in told))
    share = float((late > LATE).mean()) if late.size else 0.0
    stretch = _stretch(due, first["sent"])
    broken = sum((Counter(one.broken) for one in told), Counter[str]())
    reasons = [
        *_ends(len(told) < len(ended), unfinished),
        *_counts(len(due), sent, finished, broken),
        *_lateness(share, stretch),
        *_uncounted(rows, told),
    ]
    median, p99, most = (float(np.quantile(late, q)) if late.size else 0.0 for q in (0.5, 0.99, 1.0))
    return Sent(
        len(due),
        sent,
        finished,
        len(due) - finished,
        median,
        p99,
        most,
        share,
        stretch,
        sum(one.cpu for one in told),
        sum(one.connections for one in told),
        sum(one.overlapping for one in told),
        dict(sum((Counter(one.untold) for one in told), Counter[str]())),
        dict(sum((Counter(one.notes) for one in told), Counter[str]())),
        not reasons,
        "; ".join(reasons),
    )


def _stretch(due: NDArray[np.float64], sent: NDArray[np.float64]) -> float:
    """By what share the time from the first to the last request is longer than intended; within LATE: 0."""
    if len(due) < 2 or len(sent) < 2:
        return 0.0
    wanted, taken = float(due[-1] - due[0]), float(sent.max() - sent.min())
    off = taken - wanted
    return 0.0 if abs(off) <= LATE or wanted <= 0 else off / wanted


def _ends(died: bool, unfinished: bool) -> Iterator[str]:
    if unfinished:
        yield "the generator was ended before its time"
    elif died:
        yield "the generator died"


def _counts(intended: int, sent: int, finished: int, broken: Counter[str]) -> Iterator[str]:
    if not intended:
        yield "nothing was to be sent"
    elif not sent:
        yield "nothing was sent"
    elif finished != intended:
        yield f"{intended - finished:,} of {intended:,} requests have no outcome"
    for reason, times in broken.most_common(SOME):
        yield f"{times:,} could not be sent: {reason}"


def _lateness(share: float, stretch: float) -> Iterator[str]:
    if share > MOST_LATE:
        limit = f"more than {LATE * 1000:.0f} ms late"
        yield f"{share:.1%} of requests were sent {limit}; at most {MOST_LATE:.0%} may be"
    if abs(stretch) > STRETCH:
        yield f"the requests were sent in {1 + stretch:.1%} of the time that was intended"


def unattributed(rows: Rows) -> Iterator[str]:
    """Why too little is known of the versions, if so; by good answers, as errors may look like anybody's."""
    good = rows[rows["status"] == Status.OK]
    unknown = int((good["version"] == NOBODY).sum())
    if unknown > MOST_UNTOLD * len(good):
        yield f"{unknown / len(good):.1%} of good answers tell no version; at most {MOST_UNTOLD:.0%} may"


def _uncounted(rows: Rows, told: Sequence[Ended]) -> list[str]:
    counted, noted = sum(one.counted for one in told), len(rows)
    if not told or counted == noted:
        return []
    return [f"Locust counted {counted:,} tries, and {noted:,} were noted"]
