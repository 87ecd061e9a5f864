"""One trial on a cluster: a namespace is made, filled, loaded, released in, and deleted, come what may."""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from live import behaviour, load, objects
from live import rows as rows_of
from live.api import Api
from live.entry import answers, ingress_address, node_address
from live.expectations import Expectations
from live.journal import Journal
from live.namespaces import Marks
from live.objects import Image, Made
from live.own_namespace import expiry, own_namespace
from live.paths import apps, core, networking
from live.people import Callers
from live.replay import Entry, looks
from live.routers import ingress_nginx, kube_proxy
from live.sent import unattributed
from live.world import Glance, LiveWorld
from scenarios import record as records
from scenarios.recognised import answer
from scenarios.record import Record, Trial, Truth
from scenarios.routers import KubeProxy

SLACK = 3.0
"""Seconds between pods that are ready and the first request: younger pods end late (docs/timing.md)."""

WORKSHOP = ".sending-"
"""How the folder begins in which a trial's generator works; a killed run's stays until that is resumed."""

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


def conduct(place: Place, trial: Trial, number: int, folder: Path, shown: Shown) -> Done:
    """Run a trial in a namespace of its own and write its record to `folder`, which does not exist.

    Raises NotReady, NoEntry, live.api's Refused and Unavailable, OSError where the journal cannot be written.
    The namespace is deleted whatever happens; Incomplete where that fails.
    """
    plan = trial.scenario.plan(trial.strategy)
    router = trial.scenario.routers[plan.via]
    marks = Marks(place.run, number, place.owner, expiry(place.lifetime), secrets.token_hex(16))
    made = Made(trial.scenario, str(trial.candidate), plan, router, place.image, tuple(marks.labels.items()))
    begun = datetime.now(UTC)
    security = "baseline" if place.image.demo is None else "restricted"
    with own_namespace(place.api, place.journal, marks, lambda text: shown.tell(None, text), security):
        entry = _fill(place, made, marks.name, trial, shown)
        with (
            TemporaryDirectory(prefix=WORKSHOP, dir=place.folder) as workshop,
            _traffic(trial, entry, workshop) as traffic,
        ):
            record, sent, trouble = _release(place, made, marks.name, trial, entry, traffic, shown)
    return _stored(place, folder, record, traffic, sent, trouble, begun)


# --- what stands there -----------------------------------------------------------------------------


def manifests(trial: Trial, image: Image, namespace: str) -> list[dict[str, Any]]:
    """Everything that a trial puts into its namespace. Raises Unsupported."""
    plan = trial.scenario.plan(trial.strategy)
    made = Made(trial.scenario, str(trial.candidate), plan, trial.scenario.routers[plan.via], image)
    return _objects(made, namespace, trial)


def _objects(made: Made, namespace: str, trial: Trial) -> list[dict[str, Any]]:
    told = kube_proxy if isinstance(made.router, KubeProxy) else ingress_nginx
    found = [objects.quota(made)]
    if made.image.demo is not None:
        what = behaviour.document(trial.scenario, str(trial.candidate), trial.seed)
        found.append(objects.app(made, what))
    sizes = dict(made.plan.start)
    deployments = [objects.deployment(made, pool, sizes.get(pool, 0)) for pool in made.plan.pools]
    return [*found, *told.objects(made, namespace), *deployments]


def _fill(place: Place, made: Made, namespace: str, trial: Trial, shown: Shown) -> Entry:
    """Everything that stands there before the release; returns where users come in."""
    wait_for_account(place.api, namespace)
    shown.tell(None, f"pools {', '.join(made.plan.pools)} behind {made.plan.via}")
    wanted = _objects(made, namespace, trial)
    created = [place.api.create(path_of(namespace, one["kind"]), one) for one in wanted]
    if isinstance(made.router, KubeProxy):
        (web,) = (one for one in created if one["kind"] == "Service")
        return Entry("http", place.node or node_address(place.api), int(web["spec"]["ports"][0]["nodePort"]))
    host, port = place.ingress or ingress_address(place.api, place.node)
    return Entry("http", host, port, ingress_nginx.host(namespace))


def path_of(namespace: str, kind: str) -> str:
    """Where objects of a kind are created."""
    match kind:
        case "Ingress":
            return networking(namespace)
        case "Deployment":
            return apps(namespace, "deployments")
        case _:
            return core(namespace, f"{kind.lower()}s")


def wait_for_account(api: Api, namespace: str) -> None:
    """Pods cannot be created before the namespace has its default service account."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        there = api.list(core(namespace, "serviceaccounts"))["items"]
        if any(account["metadata"]["name"] == "default" for account in there):
            return
        time.sleep(0.05)
    raise NotReady(f"namespace {namespace} got no default service account in {PATIENCE:g} s")


# --- traffic and release ----------------------------------------------------------------------------


def _traffic(trial: Trial, entry: Entry, folder: str) -> load.Generator:
    grid = trial.scenario.grid
    return load.Generator(
        trial.scenario,
        str(trial.candidate),
        trial.seed,
        entry,
        Path(folder),
        start=float(grid.start),
        horizon=float(grid.horizon),
    )


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
        Expectations(trial, entry, shown.tell),
    )
    finished = False
    try:
        world.start()
        _wait_for_pods(world)
        _wait_for_answers(made, entry)
        settle = float(trial.scenario.clock.settle)
        t0 = time.monotonic() + SLACK + settle
        shown.tell(None, f"traffic for {settle:g} s, then the release")
        traffic.start(t0)
        world.begins_at(t0)
        record = world.release()
        sent = traffic.finish(trial.scenario.traffic.client.patience + 5.0)
        finished = True
    finally:
        world.stop(patient=finished)
    return record, sent, world.trouble


def _wait_for_answers(made: Made, entry: Entry) -> None:
    """By stable; by anybody where nothing tells and nothing has to: no route is to be seen in force."""
    by_looks = made.image.demo is None and behaviour.told_apart(made.scenario, made.candidate)
    known = looks(made.scenario, made.candidate)
    answers(
        entry,
        PATIENCE,
        told=made.image.demo is not None or by_looks or len({*made.plan.routes}) > 1,
        recognise=(lambda reply: answer(reply, known).version) if by_looks else None,
    )


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
    traffic: load.Generator,
    sent: load.Sent,
    trouble: list[str],
    begun: datetime,
) -> Done:
    """The record with its rows counted, on disk, and what is to be known of how it came about beside it."""
    scenario, rows = record.trial.scenario, traffic.take()
    tally = rows_of.rows_to_tally(rows, scenario.grid, scenario.traffic.users.count)
    record = replace(record, truth=Truth(tally, record.truth.pods, record.truth.routes))
    unknown = [*unattributed(rows)]
    losses = _losses(place.image, record.trial, bool(unknown))
    if not all(loss.measured for loss in losses):
        unknown = []  # that is how it was to be
    why = "; ".join([*filter(None, [sent.why]), *unknown, *trouble])
    raw = folder.with_name(f"{folder.name}.rows.npz")
    rows_of.save(raw, rows, traffic.pods)
    told = {
        **place.provenance,
        "backend": "live",
        "run": place.run,
        "started": begun.isoformat(timespec="seconds"),
        "time_scale": place.time_scale,
        "conclusive": not why,
        "why": why,
        "sent": asdict(sent),
        "image": place.image.demo or "the versions' own",
        "own_images": place.image.demo is None,
        "losses": [asdict(loss) for loss in losses],
        "rows": {"file": raw.name, "sha256": hashlib.sha256(raw.read_bytes()).hexdigest()},
    }
    records.write(record, folder, told)
    return Done(record, folder, sent, why)


def _losses(image: Image, trial: Trial, untold: bool) -> tuple[behaviour.Loss, ...]:
    """What is lost with this image; nothing by version where its answers told it after all, by header."""
    found = () if image.demo is not None else behaviour.losses(trial.scenario, str(trial.candidate))
    return tuple(loss for loss in found if loss.measured or untold)
