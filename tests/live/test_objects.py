"""Manifests of a trial: what Kubernetes is told is what the plan and the scenario say."""

from dataclasses import replace

import pytest

from live import objects
from live.objects import MARK, Image, Made
from live.routers import ingress_nginx, kube_proxy
from scenarios import load
from scenarios.plan import SetRoute, SetVersion
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import Recreate, RollingUpdate
from scenarios.semantics.ingress_annotations import PREFIX

DEMO = Image("python:3")


@pytest.fixture
def world() -> Scenario:
    return load.load("one-node")


def made(world: Scenario, strategy: str) -> Made:
    plan = world.plan(strategy)
    return Made(world, "errors", plan, world.routers[plan.via], DEMO, (("run", "x"),))


@pytest.mark.parametrize("strategy", load.load("one-node").strategies)
def test_every_route_of_a_plan_selects_exactly_its_pools(world: Scenario, strategy: str) -> None:
    one = made(world, strategy)
    told = kube_proxy if one.plan.via == "service" else ingress_nginx
    selectors: dict[str, dict[str, str]] = {
        service["metadata"]["name"]: dict(service["spec"]["selector"])
        for service in told.objects(one, "rolloutlab-0123abcd-0")
        if service["kind"] == "Service"
    }
    labels = {pool: objects.template(one, pool, "stable")["metadata"]["labels"] for pool in one.plan.pools}
    for route in one.plan.routes:
        for change in told.changes(one, route):
            if change.plural == "services":  # as the API server merges it
                merged = selectors[change.name] | change.body["spec"]["selector"]
                selectors[change.name] = {key: value for key, value in merged.items() if value is not None}
        backends = objects.lower(route, one.router).backends
        first = selectors["web" if told is kube_proxy else "primary"]
        chosen = {pool for pool, has in labels.items() if first.items() <= has.items()}
        assert chosen == set(backends[0])


def test_a_weight_is_an_annotation_and_its_end_is_weight_0(world: Scenario) -> None:
    one = made(world, "canary-by-weight")
    weights = []
    for timed in (t for stage in one.plan.stages for t in stage.enter):
        if isinstance(timed.action, SetRoute):
            *_, last = ingress_nginx.changes(one, timed.action.route)
            weights.append(last.body["metadata"]["annotations"][PREFIX + "canary-weight"])
    assert weights == ["25", "50", "0"]


def test_versions_change_template_and_strategy(world: Scenario) -> None:
    one = made(world, "rolling")
    (change,) = (t.action for t in one.plan.stages[0].enter if isinstance(t.action, SetVersion))
    spec = objects.version_of(one, "main", change.version, change.update, None, change.progress_deadline)
    limits = {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": limits}
    assert spec["progressDeadlineSeconds"] == 8
    (container,) = spec["template"]["spec"]["containers"]
    assert container["env"][0] == {"name": "ROLLOUTLAB_VERSION", "value": "candidate"}
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 2}}}
    assert objects.strategy(Recreate()) == {"type": "Recreate", "rollingUpdate": None}
    assert objects.strategy(RollingUpdate())["rollingUpdate"]["maxSurge"] == "25%"


def test_seconds_are_rounded_up(world: Scenario) -> None:
    short = load.load("one-node", ["cluster.pods.termination.pre_stop=1200ms"])
    spec = objects.template(made(short, "rolling"), "main", "stable")["spec"]
    assert spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == 2


def test_what_cannot_be_done_is_said_by_key(world: Scenario) -> None:
    assert objects.unsupported(world, DEMO, world.variants) == []
    assert "versions.stable.image" in objects.unsupported(world, Image(None), world.variants)[0]
    quick = load.load("node-goes-down")
    assert any(text.startswith("faults") for text in objects.unsupported(quick, DEMO, quick.variants))


def test_the_users_own_image_gets_no_demo_app(world: Scenario) -> None:
    shop = ["versions.stable.image=shop:1", "candidates.errors.image=shop:2"]
    one = replace(made(load.load("one-node", shop), "rolling"), image=Image(None, 80, "/healthz"))
    (container,) = objects.template(one, "main", "candidate")["spec"]["containers"]
    assert container["image"] == "shop:2"
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 80}
    assert "command" not in container and "volumeMounts" not in container


def test_labels_are_ours() -> None:
    assert objects.target_label(("left", "right")) == MARK + "in-left-right"
