"""Checks an address's split: sends, attributes, looks, and ends as soon as there is something to say."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from ssl import SSLContext

import numpy as np

from live.address import Address
from live.http import Failure, Request
from live.sender import USER, Answered, Sender, in_order
from scenarios.attribution import By, Named, Reply, Untold, attributed
from scenarios.checked import Checked, Seen, Sending
from scenarios.judge import Answers, Claim, End, Judgement, judge

DEAD = 10  # first requests of which not one is answered
MOST_NAMES = 1000  # versions told apart; more are no versions

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Check:
    """What is to be checked, and how."""

    url: str
    address: Address
    request: Request
    by: By
    claim: Claim
    sending: Sending
    context: SSLContext | None = None


@dataclass(slots=True)
class _Tally:
    """What came so far, in the order of requests; rows of version, connection and user."""

    by: By
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    untold: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    redirects: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    closed: int = 0

    def add(self, one: Answered) -> None:
        self.closed += one.closed
        version = self._version(one.result)
        self.rows.append((version, one.connection, one.user))

    def _version(self, result: Reply | Failure) -> int:
        if isinstance(result, Failure):
            self.failures[str(result)] += 1
            return -1
        if 300 <= result.status < 400 and (where := result.values("Location")):
            self.redirects[f"{result.status} to {where[0][:200]}"] += 1
        named = attributed(self.by, result)
        if isinstance(named, Untold):
            self.untold[str(named)] += 1
            return -1
        self.repeated += named.repeated
        return self._index(named)

    def _index(self, named: Named) -> int:
        if named.version not in self.names and len(self.names) >= MOST_NAMES:
            self.untold[f"names yet another of more than {MOST_NAMES:,} versions"] += 1
            return -1
        return self.names.setdefault(named.version, len(self.names))

    def answers(self, users: bool) -> Answers:
        table = np.array(self.rows, dtype=np.int64).reshape(-1, 3)
        return Answers(tuple(self.names), table[:, 0], table[:, 1], table[:, 2] if users else None)

    def seen(self, seconds: float) -> Seen:
        return Seen(
            dict(self.untold.most_common()),
            dict(self.failures.most_common()),
            dict(self.redirects.most_common(5)),
            self.repeated,
            self.closed,
            seconds,
        )

    @property
    def dead(self) -> bool:
        return len(self.rows) >= DEAD and sum(self.failures.values()) == len(self.rows)


def verify(check: Check, progress: Progress = lambda _done, _planned: None) -> Checked:
    """Sends until the claim is judged, the cap is reached, the time is up, or Ctrl-C; says what is known."""
    tally, began = _Tally(check.by), time.monotonic()
    users = any(USER in value for _, value in check.request.headers)
    end, judgement, why = End.STOPPED, None, ""
    try:
        with closing(Sender(check.address, check.request, check.sending, check.context).answers()) as answers:
            for one in in_order(answers):
                tally.add(one)
                judgement = _look(check.claim, tally, users)
                progress(len(tally.rows), _planned(check, judgement))
                if tally.dead or (judgement is not None and judgement.verdict is not None):
                    break
        end, why = _ended(check.sending, tally, judgement)
    except KeyboardInterrupt:
        why = "interrupted"
    answers_, seconds = tally.answers(users), time.monotonic() - began
    if judgement is None or judgement.verdict is None:
        judgement = judge(check.claim, answers_, end)
    return Checked(
        check.url,
        str(check.address.ip),
        str(check.by),
        check.claim,
        check.sending,
        answers_,
        judgement,
        tally.seen(seconds),
        end,
        why,
    )


def _planned(check: Check, judgement: Judgement | None) -> int:
    """How many it will be, as far as is known now."""
    needed = check.claim.requests if judgement is None else max(judgement.needed, check.claim.fixed or 0)
    return min(check.sending.most, needed)


def _look(claim: Claim, tally: _Tally, users: bool) -> Judgement | None:
    """At every so manieth answer."""
    if len(tally.rows) % claim.every and len(tally.rows) != claim.requests:
        return None
    return judge(claim, tally.answers(users), End.NOT_YET)


def _ended(sending: Sending, tally: _Tally, judgement: Judgement | None) -> tuple[End, str]:
    if judgement is not None and judgement.verdict is not None:
        return End.NOT_YET, ""
    if tally.dead:
        return End.STOPPED, f"none of the first {len(tally.rows)} requests was answered"
    if len(tally.rows) >= sending.most:
        return End.CAP, ""
    return End.STOPPED, f"the time was up after {sending.longest:g} s"
