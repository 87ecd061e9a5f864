"""Routes that are switched between pods of one version, and when requests follow: after quiet, in haste."""

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event

from live.delays import Pair, Switch
from live.objects import LIVE_PATH
from live.replay import Entry
from live.trial import NotReady

PATIENCE = 30.0
"""Seconds for requests to follow a switch."""
POD = "X-Rolloutlab-Pod"
EVERY = 0.001  # seconds from an answer to the next request


@dataclass
class Switched:
    """Something that leads requests to one pool or another. `lead(pool)` has it changed by the API server.

    `pools` are names of Deployments, hence what their pods' names begin with. `keeps`: requests use one
    connection, as behind a proxy they may; behind kube-proxy each needs its own to be led.
    """

    entry: Entry
    pools: tuple[str, str]
    lead: Callable[[str], object]
    keeps: bool = False
    now: int = 0
    stopping: Event = field(default_factory=Event)
    _kept: http.client.HTTPConnection | None = None

    def switch(self) -> Switch:
        """Lead to the other pool. Raises NotReady where requests do not follow."""
        self.now = 1 - self.now
        wanted = self.pools[self.now]
        self.lead(wanted)
        answered = time.monotonic()
        return Switch(answered, self._followed(wanted, answered))

    def pairs(self, samples: int, quiet: float, haste: float) -> Iterator[Pair]:
        """So many pairs: `quiet` seconds of quiet, a switch, `haste` seconds, a switch back.

        Quiet lasts a little longer each time, so that clocks of a second are met at every phase.
        """
        for number in range(samples):
            self._pause(quiet + number * 0.6180339887498949 % 1.0)
            first = self.switch()
            self._pause(haste)
            yield Pair(first, self.switch())

    def _pause(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise NotReady("stopped")

    def _followed(self, wanted: str, since: float) -> float:
        """Halfway from the last request that went elsewhere to the first that went there."""
        elsewhere = since
        while (sent := time.monotonic()) < since + PATIENCE and not self.stopping.is_set():
            if self._pool() == wanted:
                return (elsewhere + sent) / 2
            elsewhere = sent
            time.sleep(EVERY)
        raise NotReady(f"{self.entry.host}:{self.entry.port} does not lead to {wanted} after {PATIENCE:g} s")

    def _pool(self) -> str:
        """Whose pod answers a request; empty where none does."""
        connection = self._kept or http.client.HTTPConnection(self.entry.host, self.entry.port, timeout=1.0)
        self._kept = None
        try:
            name = self._answering(connection)
            if self.keeps:
                self._kept = connection
            return next((one for one in self.pools if name.startswith(f"{one}-")), "")
        except (OSError, http.client.HTTPException):
            return ""
        finally:  # also where an interrupt comes while it is waited for
            if self._kept is not connection:
                connection.close()

    def _answering(self, connection: http.client.HTTPConnection) -> str:
        """Which pod answers a request; empty if it does not say. Raises OSError, HTTPException."""
        headers = {"Host": self.entry.host_header or self.entry.host}
        if not self.keeps:
            headers["Connection"] = "close"
        connection.request("GET", LIVE_PATH, headers=headers)
        answer = connection.getresponse()
        answer.read(65536)
        return answer.getheader(POD) or ""

    def close(self) -> None:
        """End what is kept."""
        if self._kept is not None:
            self._kept.close()
