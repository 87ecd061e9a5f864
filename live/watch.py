"""What changes at a path of the API, told as it comes: list, then watch, as long as asked, whatever breaks.

A connection that ends is resumed from the last version seen, which loses nothing. Only where the server has
forgotten that version, or sent what is none, everything is listed again, and what differs is told as changes:
then states that came and went in between are not seen.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from live.api import Api, Refused, Unavailable
from live.exchange import Broken, Garbled, Stream
from live.inventory import Inventory, Kind, Step, Strange, version
from live.retries import backoff

GONE = 410
LIFETIME = 120.0
"""Seconds after which the server is asked to end a connection: one that is stuck is noticed by then."""
_SETTLED = 1.0
"""A connection that lasted so many seconds worked, even if nothing happened in them."""
_LONGEST = 30.0
"""Seconds that it waits at most, whatever the server asks for: blind for longer it is of no use."""
_MOST_TROUBLE = 1000
_TOO_LARGE = "too large resource version"
"""What the API server says of versions that it has not reached, as after a restored backup."""


@dataclass(frozen=True, slots=True)
class Change:
    """One transition: the object after it (as last seen, if deleted); `at` is when its bytes were here."""

    kind: Kind
    object: dict[str, Any]
    at: float


class Watch:
    """A thread that tells changes, one at a time. `tell` must be quick: it is waited for.

    `trouble` says what happened to it. `gap` is for how many seconds it was blind: their changes came late.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        tell: Callable[[Change], None],
        *,
        selector: str = "",
        clock: Callable[[], float] = time.monotonic,
        u: Callable[[], float] | None = None,
        lifetime: float = LIFETIME,
    ) -> None:
        self._api, self._path, self._tell = api, path, tell
        self._query = {"labelSelector": selector} if selector else {}
        self._clock, self._u, self._lifetime = clock, u or Random().random, lifetime
        self._inventory, self._version = Inventory(), ""
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)
        self._blind_since: float | None = None
        self._blind, self._longest, self._failures = 0.0, 0.0, 0
        self.trouble: list[str] = []

    @property
    def gap(self) -> float:
        """Seconds without a connection so far, from the end of one (or its last sign of life) to the next."""
        return self._blind + self._blind_now

    @property
    def longest(self) -> float:
        """The most seconds of `gap` that were one after the other: so late may a change have come."""
        return max(self._longest, self._blind_now)

    @property
    def _blind_now(self) -> float:
        since = self._blind_since
        return 0.0 if since is None else self._clock() - since

    @property
    def alive(self) -> bool:
        """Whether it goes on telling; False before `start`, after `stop`, and where `tell` raised."""
        return self._thread.is_alive() and not self._stopping.is_set()

    def start(self) -> None:
        """Returns when the first list is in and told. Raises as Api.list does; then nothing runs."""
        try:
            self._list()
        except Strange as error:
            raise Unavailable(str(error)) from None
        self._blind_since = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Tells nothing more after it returns, unless it is called by `tell`."""
        with self._lock:
            self._stopping.set()
            if self._stream is not None:
                self._stream.interrupt()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(self._api.patience.connect + self._api.patience.read + 1.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait = self._turn()
            if wait > 0:
                self._stopping.wait(wait)

    def _turn(self) -> float:
        """One connection, after a list if one is needed. Seconds to wait before the next."""
        started = self._clock()
        try:
            if not self._version:
                self._list()
            self._follow()
        except (Refused, Unavailable, Broken, Garbled, Strange) as error:
            return self._after(error)
        lasted = self._clock() - started
        self._failures = 0 if lasted >= _SETTLED else self._failures + 1
        return 0.0 if self._failures <= 1 else backoff(self._failures - 1, self._u())

    def _after(self, error: Exception) -> float:
        """Note what went wrong. Seconds to wait."""
        if self._stopping.is_set():
            return 0.0
        self._failures += 1
        if _unwatchable(error) or isinstance(error, Garbled | Strange):
            self._version = ""
        self._note(f"{'listing again: ' if not self._version else ''}{error}")
        if isinstance(error, Unavailable) and error.retry_after is not None:
            return min(error.retry_after, _LONGEST)
        # the first try after a loss is at once: what is missed is only late
        return 0.0 if self._failures == 1 else backoff(self._failures - 1, self._u())

    def _list(self) -> None:
        listed = self._api.list(self._path, **self._query)
        at, items = self._clock(), listed.get("items")
        if not isinstance(items, list) or not version(listed):
            raise Strange("a list without items or version")
        self._told(self._inventory.listed(items), at)
        self._version = version(listed)

    def _follow(self) -> None:
        """Tell the events of one connection until it ends."""
        stream = self._api.watch(self._path, self._version, self._lifetime, **self._query)
        try:
            if self._adopted(stream):
                for event in stream:
                    self._take(event, stream.at)
        except Broken as broken:
            self._lost(stream.at if broken.timeout else self._clock())
            raise
        finally:
            self._lost(self._clock())
            with self._lock:
                self._stream = None
            stream.close()

    def _adopted(self, stream: Stream) -> bool:
        """Whether to read it: not where we are stopping."""
        with self._lock:
            self._stream = stream
            if self._blind_since is not None:
                self._blind, self._longest, self._blind_since = self.gap, self.longest, None
            return not self._stopping.is_set()

    def _lost(self, since: float) -> None:
        if self._blind_since is None and not self._stopping.is_set():
            self._blind_since = since

    def _take(self, event: dict[str, Any], at: float) -> None:
        kind, item = event.get("type"), event.get("object")
        if not isinstance(kind, str) or not isinstance(item, dict):
            raise Strange("an event without type or object")
        if kind == "ERROR":
            raise _error(item)
        if kind != "BOOKMARK":
            self._told(self._inventory.event(kind, item), at)
        if not version(item):
            raise Strange("an event without a version")
        self._version, self._failures = version(item), 0

    def _told(self, steps: list[Step], at: float) -> None:
        for kind, item in steps:
            if self._stopping.is_set():
                return
            self._tell(Change(kind, item, at))

    def _note(self, text: str) -> None:
        if len(self.trouble) < _MOST_TROUBLE:
            self.trouble.append(text)


def _unwatchable(error: Exception) -> bool:
    """Whether no watch can begin at the version: forgotten, or not of the past that the server has now."""
    if isinstance(error, Refused):
        return error.status == GONE
    return isinstance(error, Unavailable) and _TOO_LARGE in str(error).lower()


def _error(status: dict[str, Any]) -> Refused | Strange:
    """What an event of type ERROR means: its object is a Status."""
    code, said = status.get("code"), str(status.get("message") or status.get("reason") or "error")[:200]
    if code == GONE:
        return Refused(GONE, "Expired", f"the server has forgotten the version: {said}")
    return Strange(f"the server ended the stream: {said}")
