"""Measures a cluster's own delays in a namespace of its own, by pods of one version and no release.

One thing after the other, so that none is measured through another: writes that change nothing, requests
to an idle pod, pods that come and go, a Service that is switched, an Ingress whose weight is. Same marks,
journal and clean-up as a trial.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np

from live import delays, load
from live.api import Api
from live.delays import Life, Pair, Samples
from live.journal import Journal
from live.lives import Lane
from live.namespaces import Marks
from live.own_namespace import KEPT_LONGER, expiry, own_namespace
from live.site import INGRESS, ROUTERS, SERVICE, WORK, Asked, Site, filled, running
from live.switches import Switched
from live.trial import PATIENCE, SLACK, WORKSHOP
from scenarios.plan import CANDIDATE
from scenarios.tally import Status

__all__ = ["ROUTERS", "Asked", "Measured", "calibrate"]

BEFORE = 660.0
"""Seconds until pods, requests and routers are there, and for the requests: longer is not waited for."""
WRITES, POD, SWITCHES, WEIGHTS = 1.0, 4.0, 6.0, 16.0
"""Seconds of each sample at most, about twice what they take: pods live beside each other."""
SAMPLES_FILE = "samples.json"
SYNC, INGRESS_SYNC = 1.0, 3.4
"""Seconds of quiet after which kube-proxy and ingress-nginx act at once (docs/timing.md)."""
HASTE = 0.3
"""Seconds from a switch to the next, which has to wait."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found, and what is to be known of it; `conclusive` unless there are doubts."""

    samples: Samples
    lives: tuple[Life, ...]
    notes: tuple[str, ...]
    conclusive: bool


Step = Callable[[str, int, int], None]
"""Told of the part that goes on: its name, how much is done, of how much."""


def lifetime(samples: int) -> float:
    """Seconds after which anybody may clean up what a calibration left, well after one that goes on ends."""
    took = samples * (WRITES + POD + SWITCHES) + _weighings(samples) * WEIGHTS
    return BEFORE + took + KEPT_LONGER


def calibrate(api: Api, journal: Journal, run: str, owner: str, asked: Asked, step: Step) -> Measured:
    """Measure, in a namespace that is gone afterwards whatever happens; the run's folder keeps the samples.

    Raises NoEntry, NotReady, load.NotReady, live.api's Refused and Unavailable, Incomplete, OSError.
    """
    marks = Marks(run, 0, owner, expiry(lifetime(asked.samples)), secrets.token_hex(16))
    with own_namespace(api, journal, marks, lambda text: step(text, 0, 0)):
        site = filled(api, marks, asked)
        with running(site):
            measured = _measured(site, asked, step, journal.folder)
    (journal.folder / SAMPLES_FILE).write_text(
        json.dumps(delays.document(measured.samples, measured.lives), indent=1) + "\n", encoding="utf-8"
    )
    return measured


# --- what is measured -------------------------------------------------------------------------------


def _measured(site: Site, asked: Asked, step: Step, folder: Path) -> Measured:
    samples, notes = asked.samples, list[str]()
    _writes(site, samples)
    service = _service(site, step, notes, folder)
    web = Switched(site.web, site.pools, site.select, stopping=site.stopping)
    lives = _lives(site, web, samples, step)
    switched: dict[str, list[float]] = {}
    if not asked.routers or SERVICE in asked.routers:
        switched = delays.of_service(_told(web.pairs(samples, SYNC + 0.1, HASTE), SERVICE, samples, step))
    weighed = _weighed(site, samples, switched, step)
    found = delays.joined({"api": site.took}, delays.of_lives(lives), {"service": service}, switched, weighed)
    notes += delays.doubts(found)
    return Measured(found, tuple(lives), (*delays.notes(found, lives), *notes), not notes)


def _writes(site: Site, samples: int) -> None:
    """Writes that change nothing."""
    for _ in range(samples):
        site.scale(site.pools[0], 1)
        site.select(site.pools[0])


def _service(site: Site, step: Step, notes: list[str], folder: Path) -> list[float]:
    """What requests to an idle pod take beyond its work, as the generator of live runs sees it.

    That works in a folder within `folder`, the run's: what a kill -9 leaves of it is part of the run.
    """
    world, entry = site.made.scenario, site.web
    grid = world.grid
    step("requests", 0, 0)
    with (
        TemporaryDirectory(prefix=WORKSHOP, dir=folder) as workshop,
        load.Generator(
            world, CANDIDATE, 0, entry, Path(workshop), start=float(grid.start), horizon=float(grid.horizon)
        ) as traffic,
    ):
        traffic.ready(PATIENCE)
        traffic.start(time.monotonic() + SLACK + float(world.clock.settle))
        sent = traffic.finish(SLACK + float(world.clock.settle + world.clock.horizon) + traffic.longest)
        rows = traffic.take()
    if not sent.conclusive:
        notes.append(f"the requests were not sent as intended: {sent.why}")
    good = rows[(rows["status"] == Status.OK) & (rows["due"] >= 0)]
    return [float(value) for value in np.maximum(good["end"] - good["sent"] - WORK, 0.0)]


def _lives(site: Site, web: Switched, samples: int, step: Step) -> list[Life]:
    """Pods that come and go, in lanes beside each other."""
    dying, done = Lock(), list[Life]()
    lanes = [
        Lane(pool, site.web.host, port, site.told, site.scale, lambda: web.switch().changed, dying)
        for pool, port in site.lanes.items()
    ]
    with ThreadPoolExecutor(len(lanes), "lane") as threads:
        shares = (range(number, samples, len(lanes)) for number in range(len(lanes)))
        futures = [
            threads.submit(_lane, lane, mine, partial(_lived, done, samples, step))
            for lane, mine in zip(lanes, shares, strict=True)
        ]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            site.stopping.set()
            raise
    return done


def _lane(lane: Lane, numbers: range, lived: Callable[[Life], None]) -> None:
    for number in numbers:
        lived(lane.life(number))


def _lived(done: list[Life], samples: int, step: Step, life: Life) -> None:
    done.append(life)
    step("pods", len(done), samples)


def _weighed(site: Site, samples: int, switched: Samples, step: Step) -> dict[str, list[float]]:
    """The Ingress' weight between its ends, fewer times, as each takes its controller's seconds."""
    if site.edge is None:
        return {}
    heard = delays.default("endpoints")[0]
    if "endpoints" in switched:
        heard = float(np.mean(switched["endpoints"]))
    edge = Switched(site.edge, site.pools, site.weigh, keeps=True, stopping=site.stopping)
    wanted = _weighings(samples)
    try:
        pairs = edge.pairs(wanted, INGRESS_SYNC, HASTE)
        return delays.of_ingress(_told(pairs, INGRESS, wanted, step), heard)
    finally:
        edge.close()


def _weighings(samples: int) -> int:
    return max(2, samples // 3)


def _told(pairs: Iterator[Pair], name: str, samples: int, step: Step) -> Iterator[Pair]:
    step(name, 0, samples)
    for number, pair in enumerate(pairs, 1):
        step(name, number, samples)
        yield pair
