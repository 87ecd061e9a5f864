"""One trial on a cluster: a namespace is made, filled, loaded, released in, and deleted, come what may."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from live import behaviour, cleanup, load, objects
from live.api import Api, apps, core, networking
from live.entry import answers, ingress_address, node_address
from live.journal import Journal
from live.namespaces import Claim, Marks
from live.namespaces import manifest as namespace_manifest
from live.objects import Image, Made
from live.people import Callers
from live.routers import Entry, ingress_nginx, kube_proxy
from live.world import Glance, LiveWorld
from scenarios import record as records
from scenarios.plan import STABLE
from scenarios.record import Record, Trial, Truth
from scenarios.routers import KubeProxy

SLACK = 3.0
"""Seconds between pods that are ready and the first request: younger pods end late (docs/timing.md)."""

PATIENCE = 120.0
"""Seconds for pods to become ready, and for users to get in, before the trial is given up."""


class NotReady(Exception):
    """The world in which the release should have begun did not come about; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where trials of a run take place and how: what all of them share."""

    api: Api
    journal: Journal
    folder: Path
    run: str
    owner: str
    image: Image
    lifetime: float
    time_scale: float = 1.0
    approvals: Mapping[str, float] = field(default_factory=dict)
    node: str | None = None
    ingress: tuple[str, int] | None = None
    processes: int = 1
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A trial that took place: its record, in `folder`; a measurement unless `why` says why not."""

    record: Record
    folder: Path
    sent: load.Sent
    why: str


@dataclass(frozen=True, slots=True)
class Shown:
    """Who follows a trial: `glance` now and then, `tell` of each thing that happens, by time."""

    glance: Callable[[Glance, load.Generator | None], None] = lambda _glance, _traffic: None
    tell: Callable[[float | None, str], None] = lambda _t, _text: None


def name_of(trial: Trial) -> str:
    """The folder of a trial within its run's."""
    return f"{trial.strategy}.{trial.candidate}.{trial.seed}"


def conduct(place: Place, trial: Trial, number: int, shown: Shown) -> Done:
    """Run a trial in a namespace of its own and write its record.

    Raises NotReady, NoEntry, live.api's Refused and Unavailable, OSError where the journal cannot be written.
    The namespace is deleted whatever happens; cleanup.Incomplete where that fails.
    """
    plan = trial.scenario.plan(trial.strategy)
    router = trial.scenario.routers[plan.via]
    marks = Marks(place.run, number, place.owner, _expiry(place.lifetime), secrets.token_hex(16))
    made = Made(trial.scenario, str(trial.candidate), plan, router, place.image, tuple(marks.labels.items()))
    folder = place.folder / name_of(trial)
    begun = datetime.now(UTC)
    with _namespace(place, marks, shown):
        entry = _fill(place, made, marks.name, trial, shown)
        with _traffic(trial, entry, folder.with_name(f".{folder.name}")) as traffic:
            record, sent, trouble = _release(place, made, marks.name, trial, entry, traffic, shown)
            rows = traffic.take()
    return _stored(place, folder, record, rows, sent, trouble, begun)


# --- the namespace ----------------------------------------------------------------------------------


@contextmanager
def _namespace(place: Place, marks: Marks, shown: Shown) -> Iterator[None]:
    """It is there within, and gone afterwards; the journal knows of it before the cluster does."""
    target = place.api.target
    place.journal.intend(marks.name, marks.token, context=target.context, cluster=target.uid)
    claim = Claim(marks.name, marks.token, None)
    try:
        shown.tell(None, f"namespace {marks.name}")
        there = place.api.create("/api/v1/namespaces", namespace_manifest(marks))
        claim = replace(claim, uid=there["metadata"]["uid"])
        place.journal.created(marks.name, claim.uid or "")
        yield
    finally:
        shown.tell(None, f"delete namespace {marks.name}")
        cleanup.remove(place.api, place.journal, claim)


def _expiry(lifetime: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=round(lifetime))


def _fill(place: Place, made: Made, namespace: str, trial: Trial, shown: Shown) -> Entry:
    """Everything that stands there before the release; returns where users come in."""
    _wait_for_account(place.api, namespace)
    told = kube_proxy if isinstance(made.router, KubeProxy) else ingress_nginx
    shown.tell(None, f"{len(made.plan.pools)} pools, router {made.plan.via}")
    place.api.create(core(namespace, "resourcequotas"), objects.quota(made))
    if made.image.demo is not None:
        what = behaviour.document(trial.scenario, str(trial.candidate), trial.seed)
        place.api.create(core(namespace, "configmaps"), objects.app(made, what))
    created = [_create(place.api, namespace, wanted) for wanted in told.objects(made, namespace)]
    sizes = dict(made.plan.start)
    for pool in made.plan.pools:
        place.api.create(apps(namespace, "deployments"), objects.deployment(made, pool, sizes.get(pool, 0)))
    if isinstance(made.router, KubeProxy):
        node = place.node or node_address(place.api)
        return Entry(node, int(created[0]["spec"]["ports"][0]["nodePort"]))
    host, port = place.ingress or ingress_address(place.api, place.node)
    return Entry(host, port, ingress_nginx.host(namespace))


def _create(api: Api, namespace: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    if wanted["kind"] == "Ingress":
        return api.create(networking(namespace, "ingresses"), dict(wanted))
    return api.create(core(namespace, "services"), dict(wanted))


def _wait_for_account(api: Api, namespace: str) -> None:
    """Pods cannot be created before the namespace has its default service account."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        there = api.list(core(namespace, "serviceaccounts"))["items"]
        if any(account["metadata"]["name"] == "default" for account in there):
            return
        time.sleep(0.05)
    raise NotReady(f"namespace {namespace} got no default service account in {PATIENCE:g} s")


# --- traffic and release ----------------------------------------------------------------------------


@contextmanager
def _traffic(trial: Trial, entry: Entry, folder: Path) -> Iterator[load.Generator]:
    grid = trial.scenario.grid
    folder.mkdir(parents=True, exist_ok=True)
    generator = load.Generator(
        trial.scenario,
        str(trial.candidate),
        trial.seed,
        entry,
        folder,
        start=float(grid.start),
        horizon=float(grid.horizon),
    )
    try:
        yield generator
    finally:
        generator.stop()
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()


def _release(
    place: Place,
    made: Made,
    namespace: str,
    trial: Trial,
    entry: Entry,
    traffic: load.Generator,
    shown: Shown,
) -> tuple[Record, load.Sent, list[str]]:
    people = Callers(place.folder, place.approvals)
    world = LiveWorld(
        trial,
        place.api,
        namespace,
        made,
        traffic,
        people,
        lambda glance: shown.glance(glance, traffic),
        shown.tell,
    )
    world.start()
    try:
        _wait_for_pods(world)
        expected = STABLE if made.image.demo is not None else None
        answers(entry, expected, PATIENCE)
        settle = float(trial.scenario.clock.settle)
        t0 = time.monotonic() + SLACK + settle
        shown.tell(None, f"traffic for {settle:g} s, then the release")
        traffic.start(t0)
        world.begins_at(t0)
        record = world.release()
        sent = traffic.finish(trial.scenario.traffic.client.patience + 5.0)
    finally:
        world.stop()
    return record, sent, world.trouble


def _wait_for_pods(world: LiveWorld) -> None:
    ends = time.monotonic() + PATIENCE
    while not world.all_ready():
        if time.monotonic() > ends:
            raise NotReady(f"stable is not ready after {PATIENCE:g} s: {world.stuck_for()}")


# --- what remains -----------------------------------------------------------------------------------


def _stored(
    place: Place,
    folder: Path,
    record: Record,
    rows: np.ndarray[Any, Any],
    sent: load.Sent,
    trouble: list[str],
    begun: datetime,
) -> Done:
    """The record with its rows counted, on disk, and what is to be known of how it came about beside it."""
    scenario = record.trial.scenario
    tally = load.rows_to_tally(rows, scenario.grid, scenario.traffic.users.count)
    record = replace(record, truth=Truth(tally, record.truth.pods, record.truth.routes))
    why = "; ".join([*([] if sent.conclusive else [sent.why]), *trouble])
    records.write(record, folder, {})
    load.save(rows, sent, folder.with_name(f"{folder.name}.rows.npz"))
    raw = hashlib.sha256(folder.with_name(f"{folder.name}.rows.npz").read_bytes()).hexdigest()
    told = {
        **place.provenance,
        "backend": "live",
        "run": place.run,
        "started": begun.isoformat(timespec="seconds"),
        "time_scale": place.time_scale,
        "conclusive": not why,
        "why": why,
        "rows": {"file": f"{folder.name}.rows.npz", "sha256": raw},
    }
    records.write(record, folder, told)
    return Done(record, folder, sent, why)
