"""What came of checking an address's split: values only, for whoever reports them."""

from collections.abc import Mapping
from dataclasses import dataclass

from scenarios.judge import Answers, Claim, End, Judgement


@dataclass(frozen=True, slots=True)
class Sending:
    """How requests are sent: `lanes` at a time, at most `rate` a second and `most` in all.

    `per_connection` requests go through each connection, `per_user` carry the same user where one is written.
    """

    rate: float
    most: int
    lanes: int
    per_connection: int
    per_user: int
    timeout: float
    longest: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted beside the versions; all by its text."""

    untold: Mapping[str, int]
    failures: Mapping[str, int]
    redirects: Mapping[str, int]
    repeated: int
    closed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A finished check: what was claimed of which address, what came back, what it says."""

    url: str
    ip: str
    by: str
    claim: Claim
    sending: Sending
    answers: Answers
    judgement: Judgement
    seen: Seen
    end: End
    why: str = ""
