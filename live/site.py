"""What stands in calibration's namespace: two pods that stay, lanes for pods that come and go, ways to them.

Everything runs one version. A write to what stands there takes its time, which is kept.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from live import behaviour, delays, objects
from live.api import Api
from live.entry import NoEntry, answers, ingress_address, node_address
from live.lives import Told
from live.namespaces import Marks
from live.objects import POOL, Image, Made, Manifest
from live.paths import apps, core, networking
from live.replay import Entry
from live.routers import ingress_nginx
from live.trial import PATIENCE, path_of, wait_for_account
from live.watch import Watch
from scenarios.load import loads
from scenarios.plan import CANDIDATE
from scenarios.scenario import Scenario
from scenarios.semantics.ingress_annotations import annotations
from scenarios.semantics.ingress_nginx import Policy

LANES = 4
"""So many pods come and go beside each other, each in its own time."""
WORK = 0.005
"""Seconds of work in every request; what it takes longer is measured."""

SERVICE, INGRESS = "service", "ingress"
ROUTERS = (SERVICE, INGRESS)
_WEB = "web"
_SCENARIO = f"""
format: rolloutlab/1
name: calibration
service: {{replicas: 1, slots: 50, queue: 100}}
versions:
  stable: {{start: {{quantiles: {{p0: 500ms, p100: 1500ms}}}}, service_time: {WORK * 1000:g}ms}}
  candidate: {{from: stable}}
traffic: {{rate: RATE/s, users: {{count: 200}}, client: {{timeout: 2s}}}}
cluster:
  pods:
    readiness: {{period: {delays.PERIOD}s}}
    termination: {{grace: 10s, pre_stop: 0s, on_sigterm: exit}}
routers: {{edge: {{kind: ingress-nginx}}}}
strategies: {{weight: {{canary: {{via: edge, steps: [50%], hold: 1s}}}}}}
clock: {{settle: 1s, horizon: 10s}}
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure how often. `routers` without an answer: those that are there."""

    samples: int
    rate: float
    image: Image
    routers: tuple[str, ...] = ()
    node: str | None = None
    ingress: tuple[str, int] | None = None


@dataclass
class Site:
    """The namespace, filled. `took` are the seconds of each write to its objects."""

    api: Api
    namespace: str
    made: Made
    told: Told
    web: Entry
    edge: Entry | None
    lanes: dict[str, int]
    took: list[float] = field(default_factory=list)

    @property
    def stopping(self) -> Event:
        """Set when nothing more is to be waited for."""
        return self.told.stopping

    def write(self, path: str, body: Manifest) -> None:
        """One write, its time taken."""
        begun = time.monotonic()
        self.api.patch(path, body)
        self.took.append(time.monotonic() - begun)

    def scale(self, pool: str, pods: int) -> None:
        """So many pods."""
        self.write(apps(self.namespace, "deployments", pool), {"spec": {"replicas": pods}})

    def select(self, pool: str) -> None:
        """Have the Service lead to this pool."""
        self.write(core(self.namespace, "services", _WEB), {"spec": {"selector": {POOL: pool}}})

    def weigh(self, pool: str) -> None:
        """Have the Ingress lead to this pool."""
        notes = annotations(Policy(weight=0 if pool == self.pools[0] else 100))
        path = networking(self.namespace, "ingresses", ingress_nginx.CANARY)
        self.write(path, {"metadata": {"annotations": notes}})

    @property
    def pools(self) -> tuple[str, str]:
        """The two that stand there all the time."""
        one, other = self.made.plan.pools
        return one, other


def scenario(rate: float) -> Scenario:
    """What calibration's own pods do, at so many requests a second."""
    return loads(_SCENARIO.replace("RATE", f"{rate:g}"), "calibration")


def filled(api: Api, marks: Marks, asked: Asked) -> Site:
    """The namespace's objects, just made. Raises NoEntry, Refused, Unavailable."""
    world = scenario(asked.rate)
    plan = world.plan("weight")
    made = Made(world, CANDIDATE, plan, world.routers[plan.via], asked.image, tuple(marks.labels.items()))
    node, ingress = asked.node or node_address(api), _ingress(api, asked)
    wait_for_account(api, marks.name)
    ports = {}
    for one in manifests(made, marks.name, ingress is not None):
        there = api.create(path_of(marks.name, one["kind"]), one)
        if one["kind"] == "Service" and there["spec"]["type"] == "NodePort":
            ports[one["metadata"]["name"]] = int(there["spec"]["ports"][0]["nodePort"])
    edge = None if ingress is None else Entry("http", *ingress, ingress_nginx.host(marks.name))
    return Site(api, marks.name, made, Told(), Entry("http", node, ports.pop(_WEB)), edge, ports)


def manifests(made: Made, namespace: str, with_ingress: bool) -> list[Manifest]:
    """Everything that calibration puts into its namespace: a pod of each pool, and lanes without any."""
    lanes = [f"lane-{number}" for number in range(LANES)]
    document = behaviour.document(made.scenario, made.candidate, 0)
    services = [_led_to(made, _WEB, made.plan.pools[0]), *(_led_to(made, lane, lane) for lane in lanes)]
    return [
        objects.quota(made),
        objects.app(made, document),
        *services,
        *(ingress_nginx.objects(made, namespace) if with_ingress else []),
        *(objects.deployment(made, pool, 1) for pool in made.plan.pools),
        *(objects.deployment(made, lane, 0) for lane in lanes),
    ]


def _led_to(made: Made, name: str, pool: str) -> Manifest:
    found = objects.service(made, name, (pool,), node_port=True)
    return {**found, "spec": {**found["spec"], "selector": {POOL: pool}}}


def _ingress(api: Api, asked: Asked) -> tuple[str, int] | None:
    """Where ingress-nginx is; None where there is none, unless it was asked for."""
    if asked.routers and INGRESS not in asked.routers:
        return None
    try:
        return asked.ingress or ingress_address(api, asked.node)
    except NoEntry:
        if asked.routers:
            raise
        return None


@contextmanager
def running(site: Site) -> Iterator[None]:
    """Its pods are watched, and those that stay are ready and old enough."""
    watch = Watch(site.api, core(site.namespace, "pods"), site.told.tell)
    watch.start()
    try:
        for pool in site.pools:
            site.told.wait(pool, "ready")
        answers(site.web, PATIENCE)
        if site.edge is not None:
            answers(site.edge, PATIENCE)
        yield
    finally:
        site.stopping.set()
        watch.stop()
