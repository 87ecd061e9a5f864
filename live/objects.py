"""A scenario out, as manifests: what a trial puts into the namespace that is made for it. Pure.

A pool is a Deployment of its name. Whatever set of pools a route may lead to has a label of its own on their
pods, since a Service's selector can demand labels together but not one of several.
"""

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from scenarios.plan import STABLE, Plan, Pool, Update
from scenarios.route import lower
from scenarios.routers import IngressNginx, KubeProxy, LayerSevenProxy, Router
from scenarios.scenario import Scenario
from scenarios.semantics.deployment_spec import Recreate
from scenarios.version import Pods, Probe, Version

Manifest = dict[str, Any]

MARK = "rolloutlab.dev/"
POOL, VERSION = MARK + "pool", MARK + "version"
PORT = 8080
READY_PATH, LIVE_PATH = "/rolloutlab/ready", "/rolloutlab/live"
BEHAVIOUR = "behaviour.json"
APP = "rolloutlab-app"
"""The ConfigMap with the demo app's source and what it shall do."""

_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}


class Unsupported(ValueError):
    """Live mode cannot do what the scenario asks for; the text names the key."""


@dataclass(frozen=True, slots=True)
class Image:
    """What runs in the pods: the demo app in this image with Python, or (None) the versions' own images."""

    demo: str | None
    port: int = PORT
    ready_path: str = READY_PATH


@dataclass(frozen=True, slots=True)
class Made:
    """What all manifests of a trial need: scenario, candidate, plan, router, image, labels of the run."""

    scenario: Scenario
    candidate: str
    plan: Plan
    router: Router
    image: Image
    labels: tuple[tuple[str, str], ...] = ()

    def settings(self, version: str) -> Pods:
        """Probes and termination of the pods of a version."""
        return self.scenario.pods(self.scenario.version(version, self.candidate))

    def image_of(self, version: str) -> str:
        """The image that pods of a version run. Raises Unsupported where the scenario names none."""
        own = self.scenario.version(version, self.candidate).image
        if self.image.demo is None and own is None:
            raise Unsupported(f"{version}: no image is named")
        return self.image.demo or str(own)

    @property
    def targets(self) -> tuple[tuple[Pool, ...], ...]:
        """Every set of pools that a route of the plan may lead to."""
        found = (pools for route in self.plan.routes for pools in lower(route, self.router).backends)
        return tuple(dict.fromkeys(found))


def target_label(pools: Iterable[Pool]) -> str:
    """The label that the pods of exactly these pools have."""
    return MARK + "in-" + "-".join(pools)


def app(made: Made, behaviour: dict[str, Any]) -> Manifest:
    """The demo app's source and behaviour, as a ConfigMap."""
    source = files("live").joinpath("app.py").read_text(encoding="utf-8")
    stored = {"app.py": source, BEHAVIOUR: json.dumps(behaviour, separators=(",", ":"))}
    return {**head("v1", "ConfigMap", APP, made), "data": stored}


def deployment(made: Made, pool: Pool, pods: int) -> Manifest:
    """A pool that runs stable; `pods` may be 0."""
    spec = {
        "replicas": pods,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": {POOL: pool}},
        **version_of(made, pool, STABLE),
    }
    return {**head("apps/v1", "Deployment", pool, made), "spec": spec}


def version_of(
    made: Made,
    pool: Pool,
    version: str,
    update: Update | None = None,
    min_ready: float | None = None,
    progress_deadline: float = 600.0,
) -> Manifest:
    """The part of a Deployment's spec that a version decides: template, strategy, deadlines."""
    settings = made.settings(version)
    ready = _whole(settings.min_ready if min_ready is None else min_ready)
    return {
        "minReadySeconds": ready,
        # the API server refuses a deadline that pods could not meet
        "progressDeadlineSeconds": max(_whole(progress_deadline), ready + 1),
        **({} if update is None else {"strategy": strategy(update)}),
        "template": template(made, pool, version),
    }


def strategy(update: Update) -> Manifest:
    """How a Deployment replaces its pods."""
    if isinstance(update, Recreate):
        return {"type": "Recreate", "rollingUpdate": None}
    limits = {"maxSurge": update.surge, "maxUnavailable": update.unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": limits}


def template(made: Made, pool: Pool, version: str) -> Manifest:
    """The pods of a pool at a version."""
    ends = made.settings(version).termination
    labels = {POOL: pool, VERSION: version, **dict(made.labels)}
    labels |= {target_label(pools): "yes" for pools in made.targets if pool in pools}
    spec: Manifest = {
        "terminationGracePeriodSeconds": _whole(ends.grace),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [_container(made, version)],
    }
    if made.image.demo is not None:
        spec["volumes"] = [{"name": "app", "configMap": {"name": APP}}]
    return {"metadata": {"labels": labels}, "spec": spec}


def _container(made: Made, version: str) -> Manifest:
    settings, image = made.settings(version), made.image
    container: Manifest = {
        "name": "app",
        "image": made.image_of(version),
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": image.port, "name": "http"}],
        "resources": _SMALL if image.demo is not None else {},
        "env": [
            {"name": "ROLLOUTLAB_VERSION", "value": version},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
    }
    if image.demo is not None:
        container["command"] = ["python3", "-S", "-u", "/rolloutlab/app.py"]
        container["volumeMounts"] = [{"name": "app", "mountPath": "/rolloutlab", "readOnly": True}]
        container["securityContext"] = _RESTRICTED
    if isinstance(settings.readiness, Probe):
        container["readinessProbe"] = _probe(settings.readiness, image.ready_path, image.port)
    if isinstance(settings.liveness, Probe) and image.demo is not None:
        container["livenessProbe"] = _probe(settings.liveness, LIVE_PATH, image.port)
    if settings.termination.pre_stop:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": _whole(settings.termination.pre_stop)}}}
    return container


def _probe(probe: Probe, path: str, port: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": port},
        "initialDelaySeconds": _whole(probe.initial_delay),
        "periodSeconds": _whole(probe.period),
        "timeoutSeconds": max(1, _whole(probe.timeout)),
        "successThreshold": probe.success,
        "failureThreshold": probe.failure,
    }


def quota(made: Made) -> Manifest:
    """No more pods than any strategy needs, terminating ones included."""
    most = 4 * made.scenario.service.replicas + 8
    return {**head("v1", "ResourceQuota", "rolloutlab", made), "spec": {"hard": {"pods": str(most)}}}


def service(made: Made, name: str, pools: tuple[Pool, ...], *, node_port: bool) -> Manifest:
    """A Service of every ready pod of these pools."""
    port = {"name": "http", "port": 80, "targetPort": made.image.port}
    kind = "NodePort" if node_port else "ClusterIP"
    return {**head("v1", "Service", name, made), "spec": {"type": kind, "ports": [port], **selector(pools)}}


def selector(pools: tuple[Pool, ...]) -> Manifest:
    """The part of a Service's spec that says whose pods it leads to."""
    return {"selector": {target_label(pools): "yes"}}


def unsupported(scenario: Scenario, image: Image, candidates: Collection[str]) -> list[str]:
    """What this scenario asks for with these candidates and live mode cannot do, by key."""
    found = []
    if scenario.faults:
        found.append("faults: live mode causes none; give it a scenario without them")
    if scenario.cluster.autoscaler is not None:
        found.append("cluster.autoscaler: live mode starts none")
    versions = _versions(scenario, candidates)
    pulled = "live mode uses images that are on the nodes, or pulls as the node does"
    found += [f"{path}.pull: {pulled}" for path, one in versions.items() if one.pull is not None]
    found += [
        f"routers.{name}: {why}" for name, router in scenario.routers.items() for why in _router(router)
    ]
    if image.demo is None:
        lacking = (path for path, one in versions.items() if one.image is None)
        found += [f"{path}.image: --own-images needs one" for path in lacking]
    return found


def _versions(scenario: Scenario, candidates: Collection[str]) -> dict[str, Version]:
    """Stable and these candidates, by where the scenario says them."""
    found = {"versions.stable": scenario.versions.stable}
    for name in candidates:
        path = f"candidates.{name}" if scenario.candidates else "versions.candidate"
        found[path] = scenario.variants[name]
    return found


def _router(router: Router) -> list[str]:
    if isinstance(router, LayerSevenProxy):
        return ["live mode knows kube-proxy and ingress-nginx; proxies are simulated only"]
    if isinstance(router, KubeProxy) and router.affinity != "none":
        return ["affinity: all users of live mode come from one address"]
    if isinstance(router, IngressNginx) and router.affinity != "none":
        return ["affinity: live mode sets none on the Ingresses that it makes"]
    return []


def head(api: str, kind: str, name: str, made: Made) -> Manifest:
    """What every object begins with."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": dict(made.labels)}}


def _whole(seconds: float) -> int:
    """Kubernetes knows whole seconds; rounded up, so that nothing is shorter than was said."""
    return math.ceil(seconds - 1e-9)
