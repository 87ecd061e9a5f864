"""What a trial's world on a cluster makes of what it is told when, from an API server on loopback."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import apiserver
import numpy as np
import pytest
from apiserver import Fault, Handler, Server, slow

from live import objects
from live.api import Api, Target
from live.exchange import Patience
from live.kubeconfig import Entry
from live.objects import Image, Made
from live.paths import apps
from live.rows import ROWS, Rows
from live.session import open_session
from live.target import guard
from live.world import LiveWorld
from scenarios.load import load
from scenarios.plan import Call, Scale
from scenarios.record import Trial
from scenarios.release import Asked

NS = "rolloutlab-0123abcd-0"
DEPLOYMENTS = apps(NS, "deployments")
QUICK = Patience(connect=0.2, read=0.5, budget=3.0)


class Nobody:
    """Sends nothing, and answers no calls."""

    pods: list[str] = []  # noqa: RUF012 - never changed

    def take(self, since: int = 0) -> Rows:
        return np.zeros(0, ROWS)[since:]

    def call(self, name: str, call: Call, t: float) -> None:
        raise AssertionError(name)

    def approved(self, t: float) -> frozenset[str]:
        return frozenset()

    def abort(self, t: float) -> bool:
        return False


@pytest.fixture
def server() -> Iterator[Server]:
    with apiserver.serving() as served:
        yield served


@pytest.fixture
def world(server: Server) -> Iterator[LiveWorld]:
    """Of a rolling update whose one Deployment stands there, and is watched."""
    entry = Entry("kind-x", server.url, {"server": server.url}, {}, "/")
    api = Api(
        Target("kind-x", server.url, "u", "v1"),
        lambda: open_session(entry, direct=True),
        guard,
        patience=QUICK,
    )
    trial = Trial(load("one-node"), "rolling", "healthy", 0)
    plan = trial.scenario.plan(trial.strategy)
    made = Made(trial.scenario, "healthy", plan, trial.scenario.routers[plan.via], Image("python"))
    for pool in plan.pools:
        changed(server, objects.deployment(made, pool, 2), 1)
    begun = LiveWorld(trial, api, NS, made, Nobody(), Nobody())
    begun.start()
    yield begun
    api.close()


def changed(server: Server, item: dict[str, Any], generation: int) -> dict[str, Any]:
    """Write a Deployment as of that generation, which the API server counts."""
    metadata = {**item["metadata"], "generation": generation}
    return server.store.put(DEPLOYMENTS, {**item, "metadata": metadata})


def there(server: Server) -> dict[str, Any]:
    (item,) = server.store.objects[DEPLOYMENTS].values()
    return item


def patches(handler: Handler) -> bool:
    return handler.command == "PATCH"


def scaled(world: LiveWorld) -> Asked:
    return Asked("scale", Scale(world.plan.pools[0], 3))


def seen(world: LiveWorld, what: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not what():
        assert time.monotonic() < ends
        world.wait_until(world.t + 0.05)


def generation(world: LiveWorld) -> int:
    return world.sight.wanted[world.plan.pools[0]].generation


def test_a_write_that_is_seen_before_it_is_answered_is_nobody_elses(server: Server, world: LiveWorld) -> None:
    """Also where the trial ends in between."""
    answer = threading.Event()

    def acts_first(handler: Handler, _go: Callable[[], None]) -> None:
        now = changed(server, there(server), 2)
        answer.wait(5)
        handler.answer(200, now)

    server.fails(patches, acts_first)
    world.ask(scaled(world))
    seen(world, lambda: generation(world) == 2)
    threading.Timer(0.2, answer.set).start()
    world.stop()
    assert world.trouble == []


def test_a_change_that_no_write_led_to_is_somebody_elses(server: Server, world: LiveWorld) -> None:
    changed(server, there(server), 2)
    seen(world, lambda: generation(world) == 2)
    world.stop()
    name = world.plan.pools[0]
    assert world.trouble == [f"Deployment {name} was changed by somebody else (generation 2)"]


def test_a_write_without_an_answer_blames_nobody_and_is_said(server: Server, world: LiveWorld) -> None:
    def acts_and_is_silent(_handler: Handler, _go: Callable[[], None]) -> None:
        changed(server, there(server), 2)
        server.stopping.wait(5)

    silent: list[Fault] = [acts_and_is_silent, *[slow(5)] * 20]
    server.fails(patches, *silent)
    world.ask(scaled(world))
    seen(world, lambda: generation(world) == 2)
    world.stop()
    assert world.trouble == ["a write was not answered before the trial ended"]
