"""What an answer or a failure is to its client: outcome, version, pod. Pure, and never guesses."""

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from scenarios.attribution import Reply
from scenarios.tally import CANDIDATE, NOBODY, STABLE, Status

VERSION, POD, REJECTED = "X-Rolloutlab-Version", "X-Rolloutlab-Pod", "X-Rolloutlab-Rejected"
REQUEST, USER, ATTEMPT = "X-Rolloutlab-Request", "X-Rolloutlab-User", "X-Rolloutlab-Attempt"
Recognise: TypeAlias = Callable[[Reply], str | None]
"""Which version an answer looks like; None for neither, or both."""
NUMBERS: Final = {"stable": STABLE, "candidate": CANDIDATE}

_NAME = re.compile(r"[a-z0-9.-]{1,63}")
_REFUSED = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended. `untold`: why nobody knows whose answer it was; empty where that is known."""

    status: Status
    version: int = NOBODY
    pod: str = ""
    code: int = 0
    untold: str = ""


def answered(reply: Reply, recognise: Recognise | None) -> Outcome:
    """What an answer was. `recognise` is for images that do not send our headers."""
    version, untold = _version(reply, recognise)
    named = reply.values(POD)
    pod = named[0] if len(named) == 1 and _NAME.fullmatch(named[0]) else ""
    status = _status(reply, version)
    router = version == NOBODY and status in (Status.UNAVAILABLE, Status.TIMEOUT)
    return Outcome(status, version, pod, reply.status, "" if router else untold)


def _version(reply: Reply, recognise: Recognise | None) -> tuple[int, str]:
    values = reply.values(VERSION)
    if len(values) > 1:
        return NOBODY, "names a version more than once"
    if values:
        found = NUMBERS.get(values[0].strip(), NOBODY)
        return found, "" if found != NOBODY else "names a version that there is not"
    if recognise is None:
        return NOBODY, "names no version"
    alike = recognise(reply)
    return (NUMBERS[alike], "") if alike else (NOBODY, "looks like neither version, or like both")


def _status(reply: Reply, version: int) -> Status:
    code = reply.status
    if code < HTTPStatus.BAD_REQUEST:
        return Status.OK
    if code == HTTPStatus.SERVICE_UNAVAILABLE and reply.values(REJECTED):
        return Status.REJECTED
    if version == NOBODY and not reply.values(VERSION):
        if code in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE):
            return Status.UNAVAILABLE
        if code == HTTPStatus.GATEWAY_TIMEOUT:
            return Status.TIMEOUT
    return Status.ERROR


def failed(number: int | None) -> Outcome | None:
    """What an error of the network was, by its errno; None for one of this machine's own making."""
    if number in _REFUSED:
        return Outcome(Status.REFUSED)
    if number in _RESET:
        return Outcome(Status.RESET)
    return Outcome(Status.TIMEOUT) if number == errno.ETIMEDOUT else None
