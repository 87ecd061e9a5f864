"""Whether a request to the API server is sent again, and when. Pure: neither clock nor generator."""

from dataclasses import dataclass
from typing import TypeAlias

FIRST, LONGEST = 0.1, 5.0
CONFLICT, TOO_MANY = 409, 429
PASSING = frozenset({500, 502, 503, 504})
"""Server errors that pass; others, such as 501, do not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; `retry_after` in seconds, if it said that."""

    status: int
    reason: str
    body: bytes
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer that can be used. `reached`: the server may have done what was asked."""

    why: str
    reached: bool = True
    timeout: bool = False
    lasting: bool = False
    """Trying again cannot help: a certificate that is not trusted."""


Outcome: TypeAlias = Answer | Silence


@dataclass(frozen=True, slots=True)
class Again:
    """What sending a request twice would do: `harmless` where the second changes nothing further.

    `conflicts`: a 409 says that others were faster, not that a condition of ours does not hold.
    """

    harmless: bool = True
    conflicts: bool = False


def passing(outcome: Outcome, again: Again) -> bool:
    """Whether the same request may be answered otherwise later, and may be sent again."""
    match outcome:
        case Silence(reached=reached, lasting=lasting):
            return not lasting and (again.harmless or not reached)
        case Answer(status=status) if status == TOO_MANY:
            return True  # refused before it was looked at
        case Answer(status=status) if status == CONFLICT:
            return again.conflicts
        case Answer(status=status):
            return status in PASSING and again.harmless


def backoff(tries: int, u: float) -> float:
    """Seconds after so many failed tries (from 1): doubled each time, half of it by chance, u in [0, 1)."""
    return float(min(FIRST * 2 ** min(tries - 1, 30), LONGEST)) * (0.5 + 0.5 * u)


def pause(outcome: Outcome, again: Again, tries: int, left: float, u: float) -> float | None:
    """Seconds to wait before the next try, or None if there is none: not allowed, of no use, or not in time.

    `left` is what remains of the time budget in seconds. A server's Retry-After is never undercut.
    """
    if not passing(outcome, again):
        return None
    asked = outcome.retry_after if isinstance(outcome, Answer) else None
    wait = max(backoff(tries, u), asked or 0.0)
    return wait if wait < left else None


def unauthorized(denied: int, accepted: bool, left: float, u: float) -> float | None:
    """Seconds until a try with renewed credentials, after so many 401 in a row (from 1); None for no more.

    Credentials that were never accepted are renewed once; those that were may take a while to be replaced.
    """
    if denied == 1:
        return 0.0
    wait = backoff(denied - 1, u)
    return wait if accepted and wait < left else None


def retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header. The API server sends whole seconds; all else counts as not sent."""
    if header is None or not header.isascii() or not header.isdigit() or len(header) > 6:
        return None
    return float(header)
