"""Sends requests at a rate over lanes, each with one connection at a time, and hands the answers over.

Never more than the rate, not even to catch up. A lane is a thread; whoever iterates gets the answers as they
come, and on leaving the loop everything ends, requests under way included.
"""

import itertools
import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from ssl import SSLContext

from live.address import Address
from live.http import Connection, Failure, Request, Trouble
from scenarios.attribution import Reply
from scenarios.checked import Sending

USER = "{user}"
ONCE = ("POST", "PATCH")  # may do something twice when sent twice
GRACE = 2.0  # seconds that lanes have to end


@dataclass(frozen=True, slots=True)
class Answered:
    """What came for request `index`, through which connection and for which user (each numbered from 0)."""

    index: int
    result: Reply | Failure
    connection: int
    user: int
    closed: bool


class Sender:
    """The requests of one check."""

    def __init__(
        self, address: Address, request: Request, sending: Sending, context: SSLContext | None
    ) -> None:
        self._address, self._request, self._sending, self._context = address, request, sending, context
        self._numbers, self._connections = itertools.count(), itertools.count()
        self._pace, self._next = threading.Lock(), 0.0
        self._over = threading.Event()
        self._came: queue.SimpleQueue[Answered | None] = queue.SimpleQueue()
        self._open: set[Connection] = set()

    def answers(self) -> Generator[Answered, None, None]:
        """All answers in the order they come; ends after the last, or when the time is up."""
        ends = time.monotonic() + self._sending.longest
        lanes = [threading.Thread(target=self._lane, daemon=True) for _ in range(self._sending.lanes)]
        for lane in lanes:
            lane.start()
        try:
            running = len(lanes)
            while running and (left := ends - time.monotonic()) > 0:
                try:
                    one = self._came.get(timeout=left)
                except queue.Empty:
                    return
                if one is None:
                    running -= 1
                else:
                    yield one
        finally:
            self._end(lanes)

    def _end(self, lanes: list[threading.Thread]) -> None:
        self._over.set()
        for connection in list(self._open):
            connection.hurry()
        until = time.monotonic() + GRACE
        for lane in lanes:
            lane.join(max(0.0, until - time.monotonic()))

    def _lane(self) -> None:
        """Ask, through a new connection whenever the old one has ended, until told to end."""
        connection, number = self._connection()
        try:
            while (index := self._due()) is not None:
                if not connection.open and connection.asked:
                    self._open.discard(connection)
                    connection, number = self._connection()
                answered, connection = self._ask(index, connection, number)
                number = answered.connection
                self._came.put(answered)
        finally:
            connection.close()
            self._open.discard(connection)
            self._came.put(None)

    def _ask(self, index: int, connection: Connection, number: int) -> tuple[Answered, Connection]:
        user = index // self._sending.per_user
        request, fresh = _for_user(self._request, user), connection.asked == 0
        last = connection.asked + 1 >= self._sending.per_connection
        result = connection.ask(request, last)
        if not fresh and request.method not in ONCE and _ended(result):
            # an idle connection may end while a request is on its way (RFC 9112, 9.3.1): it is sent once more
            self._open.discard(connection)
            connection, number = self._connection()
            result = connection.ask(request, self._sending.per_connection == 1)
        closed = not last and not connection.open and isinstance(result, Reply) and result.whole
        return Answered(index, result, number, user, closed), connection

    def _connection(self) -> tuple[Connection, int]:
        made = Connection(self._address, self._sending.timeout, self._context)
        self._open.add(made)
        return made, next(self._connections)

    def _due(self) -> int | None:
        """The number of the next request, when its time has come; None if there is none."""
        with self._pace:
            number = next(self._numbers)
            due = self._next = max(self._next + 1 / self._sending.rate, time.monotonic())
        if number >= self._sending.most or self._over.wait(due - time.monotonic()) or self._over.is_set():
            return None
        return number


def _ended(result: Reply | Failure) -> bool:
    return isinstance(result, Failure) and result.trouble is Trouble.CLOSED


def in_order(answers: Iterable[Answered]) -> Iterator[Answered]:
    """The answers in the order of their requests, each held back until those before it are there.

    Looking at whatever came first would favour the version that answers faster.
    """
    held: dict[int, Answered] = {}
    following = 0
    for one in answers:
        held[one.index] = one
        while following in held:
            yield held.pop(following)
            following += 1


def _for_user(request: Request, user: int) -> Request:
    headers = tuple((name, value.replace(USER, str(user))) for name, value in request.headers)
    return Request(request.method, request.host, headers)
