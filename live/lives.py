"""Pods of calibration's own, one after the other in a lane: created, asked for their instants, ended.

A lane is a Deployment of at most one pod with a Service of its own. What is known of a pod comes from the
watch, from its own account, and from connections to it, all of which any cluster gives.
"""

import http.client
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Event, Lock
from typing import Any

from live.app import INSTANTS
from live.delays import Exchange, Instants, Life, ahead
from live.objects import POOL
from live.trial import NotReady
from live.watch import Change

PATIENCE = 60.0
"""Seconds for any one thing to happen to a pod."""
GROWN = 4.0
"""Seconds a pod listens before it is ended: younger ones are ended late (docs/timing.md)."""
GOLDEN = 0.6180339887498949
"""Steps of this share of a second meet a clock of whole seconds evenly, however few there are."""
EXCHANGES = 8
UNANSWERED = 0.1  # seconds after which a connection that nobody refuses is not answered
RULES_STAY = 0.9  # seconds for which kube-proxy, which has just synced, keeps its rules


@dataclass
class Pod:
    """What the watch has told of a pod: when it was first created, running, ready, deleted, gone."""

    name: str
    pool: str
    at: dict[str, float] = field(default_factory=dict)


@dataclass
class Told:
    """The fold of a watch of pods, for threads that wait for something to happen."""

    stopping: Event = field(default_factory=Event)
    pods: dict[str, Pod] = field(default_factory=dict)
    _news: Condition = field(default_factory=Condition)

    def tell(self, change: Change) -> None:
        """For a watch."""
        seen = change.object
        with self._news:
            metadata = seen["metadata"]
            pool = (metadata.get("labels") or {}).get(POOL, "")
            pod = self.pods.setdefault(metadata["uid"], Pod(metadata["name"], pool))
            for what in happened(change.kind, seen):
                pod.at.setdefault(what, change.at)
            self._news.notify_all()

    def wait(self, pool: str, what: str, name: str | None = None) -> Pod:
        """The pod of a pool (of that name, or one that is not gone) to which that has happened, once it has.

        Raises NotReady where it does not.
        """
        ends = time.monotonic() + PATIENCE
        with self._news:
            while (found := self._found(pool, what, name)) is None:
                if self.stopping.is_set() or time.monotonic() > ends:
                    raise NotReady(f"{name or f'no pod of {pool}'} is {what} after {PATIENCE:g} s")
                self._news.wait(0.2)
            return found

    def _found(self, pool: str, what: str, name: str | None) -> Pod | None:
        mine = (pod for pod in self.pods.values() if pod.pool == pool and what in pod.at)
        return next(
            (pod for pod in mine if ("gone" not in pod.at if name is None else pod.name == name)), None
        )


def happened(kind: str, seen: dict[str, Any]) -> set[str]:
    """What is true of a pod as the API shows it."""
    status = seen.get("status") or {}
    conditions = {one["type"] for one in status.get("conditions") or () if one["status"] == "True"}
    found = {"created"}
    if status.get("phase") == "Running" and status.get("podIP"):
        found.add("running")
    if "Ready" in conditions:
        found.add("ready")
    if seen["metadata"].get("deletionTimestamp"):
        found.add("deleted")
    return found | ({"deleted", "gone"} if kind == "deleted" else set())


@dataclass(frozen=True)
class Lane:
    """Where pods live one after the other. `scale` sets their number, of 0 and 1.

    `used_up` makes kube-proxy sync just now, and returns when; `dying` is held by one lane at a time.
    """

    pool: str
    host: str
    port: int
    told: Told
    scale: Callable[[str, int], None]
    used_up: Callable[[], float]
    dying: Lock

    def life(self, number: int) -> Life:
        """One pod, from nothing to nothing. Raises NotReady, Refused, Unavailable."""
        self._pause(-(time.monotonic() - number * GOLDEN) % 1.0)
        self.scale(self.pool, 1)
        pod = self.told.wait(self.pool, "ready")
        kept, exchanges = self._met(pod)
        with kept:
            ours, margin = ahead(exchanges)
            told = exchanges[0].told
            self._pause(told.listening - ours + GROWN - time.monotonic())
            closed, silent = self._ended(pod, kept)
        gone = self.told.wait(self.pool, "gone", pod.name).at["gone"]
        return Life(
            pod.at["created"], pod.at["running"], pod.at["ready"],
            told.began - ours, told.declared, told.listening - ours, told.probed - ours,
            pod.at["deleted"], closed, silent, gone, margin,
        )  # fmt: skip

    def _pause(self, seconds: float) -> None:
        if self.told.stopping.wait(max(0.0, seconds)):
            raise NotReady("stopped")

    def _met(self, pod: Pod) -> tuple["Kept", list[Exchange]]:
        """A connection to it, and its account."""
        ends = time.monotonic() + PATIENCE
        while True:
            kept = Kept(self.host, self.port)
            try:
                return kept, kept.met(pod.name)
            except (OSError, http.client.HTTPException, ValueError) as error:
                kept.close()
                if time.monotonic() > ends:
                    raise NotReady(
                        f"{pod.name} does not answer at {self.host}:{self.port}: {error}"
                    ) from None
                self._pause(0.02)

    def _ended(self, pod: Pod, kept: "Kept") -> tuple[float, float | None]:
        """End it while kube-proxy keeps its rules: when its process and its address were gone."""
        with self.dying:
            synced = self.used_up()
            self.scale(self.pool, 0)
            closed = kept.closed()
            return closed, silent_from(self.host, self.port, synced + RULES_STAY)


class Kept:
    """A connection that is kept open to see when its other end goes. To be closed, or used by `with`."""

    def __init__(self, host: str, port: int) -> None:
        self._http = http.client.HTTPConnection(host, port, timeout=1.0)

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; harmless where it has ended."""
        self._http.close()

    def met(self, name: str) -> list[Exchange]:
        """Connect, and ask the pod of that name so often. Raises OSError, HTTPException, ValueError."""
        self._http.connect()
        return [self.instants(name) for _ in range(EXCHANGES)]

    def instants(self, name: str) -> Exchange:
        """The account of the pod of that name. Raises OSError, HTTPException, ValueError."""
        sent = time.monotonic()
        self._http.request("GET", INSTANTS)
        answer = self._http.getresponse()
        body = answer.read(65536)
        came = time.monotonic()
        said = json.loads(body)
        if answer.status != 200 or said.get("pod") != name:
            raise ValueError(f"status {answer.status}, from {said.get('pod')}, not from {name}")
        return Exchange(sent, came, Instants(*(float(said[key]) for key in Instants.__slots__)))

    def closed(self) -> float:
        """When the other end has let go. Raises NotReady where it does not."""
        self._http.sock.settimeout(PATIENCE)
        try:
            self._http.sock.recv(1)
        except TimeoutError:
            raise NotReady(f"a pod that was deleted still answers after {PATIENCE:g} s") from None
        except OSError:
            pass  # reset: gone as well
        return time.monotonic()


def silent_from(host: str, port: int, until: float) -> float | None:
    """From when on a connection is neither taken nor refused; None where that is not so by `until`."""
    while (now := time.monotonic()) < until:
        try:
            socket.create_connection((host, port), UNANSWERED).close()
        except ConnectionRefusedError:
            time.sleep(0.002)
        except OSError:
            return now
        else:
            time.sleep(0.002)
    return None
