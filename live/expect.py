"""Sends the requests of an expectation to an address and counts which answers fit, as in a simulation."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from ssl import SSLContext

from live.address import Address, target
from live.http import Request
from live.sender import Sender
from scenarios.answered import Answer, Counts, Probed, counted
from scenarios.attribution import Reply
from scenarios.checked import Sending
from scenarios.expect import Answers, Expectation
from scenarios.expect import Request as Asked
from scenarios.recognised import answer

Progress = Callable[[int, int], None]


def probe(
    name: str,
    expected: Expectation,
    known: Mapping[str, Answers | None],
    address: Address,
    sending: Sending,
    context: SSLContext | None,
    progress: Progress = lambda _done, _planned: None,
) -> Probed:
    """All its requests, each on a connection of its own, to the expectation's path at this address.

    `known` says what the versions' answers look like. Requests that the time was too short for count as
    answers that nobody knows.
    """
    where = replace(address, target=target(expected.request.path))
    sender = Sender(where, _request(expected.request), replace(sending, most=expected.requests), context)
    came: Counter[Answer] = Counter()
    with closing(sender.answers()) as answers:
        for number, one in enumerate(answers, 1):
            came[answer(one.result if isinstance(one.result, Reply) else None, known)] += 1
            progress(number, expected.requests)
    counts = counted(expected.answers, came.items())
    return Probed(name, 0.0, _with_missing(counts, expected.requests - counts.of))


def _with_missing(counts: Counts, missing: int) -> Counts:
    return Counts(counts.fit, counts.other, counts.unknown + missing, counts.by)


def _request(asked: Asked) -> Request:
    cookies = "; ".join(f"{name}={value}" for name, value in asked.cookies.items())
    headers = (*asked.headers.items(), *([("Cookie", cookies)] if cookies else []))
    return Request(asked.method, asked.host, headers)
