"""Manifests as people have them become scenarios that load, or are refused with file and line."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rolloutlab import simulate
from scenarios.errors import ScenarioError
from scenarios.load import loads
from scenarios.manifests import Imported, read, starter, to_yaml
from scenarios.plan import Match
from scenarios.scenario import Scenario

HERE = Path(__file__).parent / "manifests"
SEED_001 = (HERE / "seed-001.yaml").read_text(encoding="utf-8")
HELM = (HERE / "helm.yaml").read_text(encoding="utf-8")


def deployment(name: str = "web", labels: str = "{app: web}", spec: str = "", container: str = "") -> str:
    """A Deployment with these labels, keys of its spec, and keys of its container."""
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
{spec}
  template:
    metadata: {{labels: {labels}}}
    spec:
      containers:
        - name: app
          image: {{repo: 1}}
{container}
""".replace("{repo: 1}", f"shop/{name}:1")


def imported(*texts: str) -> Imported:
    return read([(f"{n}.yaml", text) for n, text in enumerate(texts)])


def scenario(*texts: str) -> Scenario:
    """The scenario written from manifests; every strategy in it can be planned."""
    loaded = loads(to_yaml(imported(*texts)), "imported.yaml")
    assert loaded.unrealisable() == {}
    return loaded


def refused(*texts: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        imported(*texts)
    return str(caught.value)


def service(selector: str, name: str = "web") -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {selector}}}\n"


def test_the_tutorial_as_printed():
    loaded = scenario(SEED_001)
    assert loaded.name == "nginx-deployment"
    assert loaded.service.replicas == 4
    assert loaded.versions.stable.image == "nginx:1.8"
    assert loaded.cluster.pods.readiness == "none"
    assert list(loaded.strategies) == ["rolling", "blue-green", "halves", "canary", "canary-by-replicas"]
    assert loaded.strategies["rolling"].strategy.max_surge == "25%"
    assert list(loaded.candidates) == ["healthy", "errors", "slow", "crash"]


def test_every_line_says_where_it_comes_from():
    text = to_yaml(read([("seed-001.yaml", SEED_001)]))
    assert "  replicas: 4  # from seed-001.yaml:8: Deployment/nginx-deployment\n" in text
    assert "    image: nginx:1.8  # from seed-001.yaml:19: Deployment/nginx-deployment\n" in text
    assert "      max_surge: 25%  # default: manifests do not say; Kubernetes' own default\n" in text
    assert "  slots: 4  # default: manifests do not say; requests a pod works on at once" in text
    assert "readiness: none  # Deployment/nginx-deployment has no probe" in text


def test_what_helm_prints():
    found = imported(HELM)
    loaded = scenario(HELM)
    assert loaded.name == "shop-web"
    assert loaded.service.replicas == 6
    readiness = loaded.cluster.pods.readiness
    assert (readiness.initial_delay, readiness.period, readiness.timeout) == (5, 5, 2)
    assert (readiness.success, readiness.failure) == (1, 2)
    liveness = loaded.cluster.pods.liveness
    assert (liveness.initial_delay, liveness.period, liveness.timeout, liveness.failure) == (0, 10, 1, 3)
    assert loaded.cluster.pods.min_ready == 10
    assert loaded.cluster.pods.termination.grace == 45
    assert loaded.cluster.pods.termination.pre_stop == 15
    rolling = loaded.strategies["rolling"].strategy
    assert (rolling.max_surge, rolling.max_unavailable, rolling.progress_deadline) == (2, "0%", 300)
    assert "ConfigMap/shop-web-config" in found.left_alone
    assert "Ingress/shop-web: it leads to no Service" in found.left_alone
    assert "HorizontalPodAutoscaler/shop-web" in found.left_alone
    assert "Deployment/shop-cache" in found.left_alone
    keys = next(text for text in found.left_alone if text.startswith("Deployment/shop-web: "))
    for key in ("revisionHistoryLimit", "affinity", "resources", "container istio-proxy"):
        assert key in keys
    text = to_yaml(found)
    assert "# left alone: Ingress/shop-web: it leads to no Service\n" in text
    assert "# left alone: HorizontalPodAutoscaler/shop-web (it may change the replicas" in text
    assert "Of 2 Deployments, Deployment/shop-web has the most replicas." in text


def test_json_and_lists_and_yaml_say_the_same():
    documents = [document for document in yaml.safe_load_all(HELM) if document]
    as_list = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}, indent="\t")
    as_array = json.dumps(documents)
    lists = {"apiVersion": "v1", "kind": "List", "items": [{"kind": "DeploymentList", "items": documents}]}
    nested = yaml.safe_dump(lists)
    expected = scenario(HELM)
    for text in (as_list, as_array, nested):
        assert scenario(text) == expected


def test_recreate_comes_first_and_rolling_is_not_there():
    loaded = scenario(deployment(spec="  strategy: {type: Recreate}\n  replicas: 3"))
    assert next(iter(loaded.strategies)) == "recreate"
    assert "rolling" not in loaded.strategies


def test_one_replica_has_no_halves():
    assert list(scenario(deployment()).strategies) == ["rolling", "blue-green", "canary"]


@pytest.mark.parametrize(
    ("spec", "surge", "unavailable"),
    [
        ("", "25%", "25%"),
        ("  strategy: {rollingUpdate: {maxSurge: 1}}", 1, "25%"),
        ("  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 100%, maxUnavailable: 0}}", "100%", 0),
        ("  strategy: {rollingUpdate: {maxSurge: '030%', maxUnavailable: 2}}", "30%", 2),
        ("  strategy: null", "25%", "25%"),
    ],
)
def test_surge_and_unavailable(spec, surge, unavailable):
    rolling = scenario(deployment(spec=spec + "\n  replicas: 8")).strategies["rolling"].strategy
    assert (rolling.max_surge, rolling.max_unavailable) == (surge, unavailable)


@pytest.mark.parametrize(
    ("hook", "seconds", "remark"),
    [
        ("{sleep: {seconds: 7}}", 7, None),
        ("{exec: {command: [sleep, '5']}}", 5, None),
        ("{exec: {command: [sleep, 5]}}", 5, None),
        ("{exec: {command: [/bin/sh, -c, sleep 10]}}", 10, None),
        ("{exec: {command: [sh, -c, 'sleep 15 && nginx -s quit']}}", 15, "does more than sleep"),
        ("{exec: {command: [/bin/sh, -c, '/usr/bin/sleep 3s; kill 1']}}", 3, "does more than sleep"),
        ("{exec: {command: [nginx, -s, quit]}}", 0, "takes a time nobody states"),
        ("{httpGet: {path: /stop, port: 80}}", 0, "takes a time nobody states"),
        ("{}", 0, "takes a time nobody states"),
    ],
)
def test_pre_stop(hook, seconds, remark):
    text = deployment(container=f"          lifecycle: {{preStop: {hook}}}")
    assert scenario(text).cluster.pods.termination.pre_stop == seconds
    written = to_yaml(imported(text))
    assert ("# unknown: " in written) == bool(remark)
    assert remark is None or remark in written


def test_a_probe_says_only_what_it_says():
    readiness = scenario(
        deployment(container="          readinessProbe: {periodSeconds: 0}")
    ).cluster.pods.readiness
    assert (readiness.initial_delay, readiness.period, readiness.timeout, readiness.failure) == (0, 10, 1, 3)


@pytest.mark.parametrize(
    "asks", ["httpGet: {path: /live, port: 80}", "tcpSocket: {port: 80}", "exec: {command: [true]}"]
)
def test_a_liveness_probe_is_taken_whatever_it_asks(asks):
    numbers = "initialDelaySeconds: 15, periodSeconds: 20, timeoutSeconds: 4, failureThreshold: 5"
    text = deployment(container=f"          livenessProbe: {{{asks}, {numbers}}}")
    liveness = scenario(text).cluster.pods.liveness
    assert (liveness.initial_delay, liveness.period, liveness.timeout, liveness.failure) == (15, 20, 4, 5)
    assert "livenessProbe" not in to_yaml(imported(text))
    assert scenario(deployment()).cluster.pods.liveness == "none"


def test_liveness_wants_one_success_and_no_other_number():
    probe = "          livenessProbe: {successThreshold: %d}"
    assert scenario(deployment(container=probe % 1)).cluster.pods.liveness.success == 1
    assert "expected 1 for a liveness probe; got 2" in refused(deployment(container=probe % 2))


def test_slow_pods_get_patience_and_a_long_horizon():
    probe = "          readinessProbe: {initialDelaySeconds: 300, periodSeconds: 60}"
    loaded = scenario(deployment(spec="  replicas: 40\n  minReadySeconds: 300", container=probe))
    assert loaded.clock.horizon > 2 * 3600
    assert loaded.strategies["blue-green"].strategy.deadline > 600


def test_the_largest_deployment_loads():
    loaded = scenario(deployment(spec="  replicas: 10000\n  minReadySeconds: 599"))
    assert loaded.service.replicas == 10_000


def test_the_default_container_counts():
    text = deployment().replace(
        "{labels:", "{annotations: {kubectl.kubernetes.io/default-container: two}, labels:"
    )
    text += "        - {name: two, image: second:2, readinessProbe: {periodSeconds: 3}}\n"
    loaded = scenario(text)
    assert loaded.versions.stable.image == "second:2"
    assert loaded.cluster.pods.readiness.period == 3


def test_images_by_digest():
    digest = "registry.example.com/shop/web:1.2@sha256:" + "0" * 64
    assert scenario(deployment().replace("shop/web:1", digest)).versions.stable.image == digest


def test_an_old_group_is_read():
    assert scenario(deployment().replace("apps/v1", "extensions/v1beta1")).service.replicas == 1


# --- two Deployments

CANARY = deployment("web-canary", "{app: web, track: canary}", "  replicas: 1")
STABLE = deployment("web", "{app: web, track: stable}", "  replicas: 9")


@pytest.mark.parametrize("texts", [(STABLE, CANARY), (CANARY, STABLE), (f"{CANARY}---\n{STABLE}",)])
def test_stable_and_canary(texts):
    found = imported(*texts)
    assert found.candidate is not None
    assert (found.stable.name, found.candidate.name) == ("web", "web-canary")
    assert "is stable by its name or labels" in to_yaml(found)
    loaded = scenario(*texts)
    assert loaded.versions.stable.image == "shop/web:1"
    assert loaded.versions.candidate.image == "shop/web-canary:1"
    assert loaded.service.replicas == 9


def test_one_service_makes_one_application():
    one, two = (
        deployment("a", "{app: web, x: a}", "  replicas: 2"),
        deployment("b", "{app: web}", "  replicas: 5"),
    )
    found = imported(one.replace("app: web, x", "app: web, y"), two, service("{app: web}"))
    assert (found.stable.name, found.candidate and found.candidate.name) == ("b", "a")
    assert "Deployment/b is stable because it has more replicas." in to_yaml(found)


def test_the_service_of_blue_green_says_which_is_live():
    blue = deployment("web-blue", "{app: web, version: blue}", "  replicas: 3")
    green = deployment("web-green", "{app: web, version: green}", "  replicas: 3")
    found = imported(blue, green, service("{app: web, version: green}"))
    assert found.stable.name == "web-green"
    assert "a Service selects it and not the other" in to_yaml(found)


def test_what_the_candidate_does_otherwise():
    probe = "          readinessProbe: {periodSeconds: 2}"
    canary = deployment("web-canary", "{app: web, track: canary}", "  replicas: 1", probe)
    loaded = scenario(STABLE, canary)
    assert loaded.pods(loaded.versions.stable).readiness == "none"
    assert loaded.pods(loaded.versions.candidate).readiness.period == 2


def test_a_candidate_without_the_liveness_probe_of_stable_has_none():
    probe = "          livenessProbe: {periodSeconds: 3}"
    stable = deployment("web", "{app: web, track: stable}", "  replicas: 9", probe)
    loaded = scenario(stable, CANARY)
    assert loaded.pods(loaded.versions.stable).liveness.period == 3
    assert loaded.pods(loaded.versions.candidate).liveness == "none"
    other = scenario(STABLE, deployment("web-canary", "{app: web, track: canary}", "  replicas: 1", probe))
    assert other.pods(other.versions.stable).liveness == "none"
    assert other.pods(other.versions.candidate).liveness.period == 3


@pytest.mark.parametrize(
    ("affinity", "kept", "note"),
    [
        ("sessionAffinity: ClientIP", "client_ip", False),
        (
            "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
            "client_ip",
            True,
        ),
        ("sessionAffinity: None", "none", False),
        ("type: ClusterIP", "none", False),
    ],
)
def test_a_service_that_keeps_an_address_on_a_pod(affinity, kept, note):
    keeping = service("{app: web}").replace("spec: {", f"spec: {{{affinity}, ")
    text = to_yaml(imported(deployment(), keeping))
    assert loads(text).routers["service"].affinity == kept
    assert ("from 1.yaml:4: Service/web" in text) == (kept == "client_ip")
    assert ("Service/web: it forgets an address unused for 60 s" in text) == note


def test_the_affinity_of_another_application_is_none_of_ours():
    other = service("{app: other}").replace("spec: {", "spec: {sessionAffinity: ClientIP, ")
    assert scenario(deployment(), other).routers["service"].affinity == "none"


def test_a_worker_of_the_same_product_is_another_application():
    names = "app.kubernetes.io/name: shop, app.kubernetes.io/component"
    web = deployment("web", f"{{{names}: web}}", "  replicas: 5")
    worker = deployment("worker", f"{{{names}: worker}}", "  replicas: 2")
    found = imported(web, worker)
    assert (found.stable.name, found.candidate) == ("web", None)
    assert "Deployment/worker" in found.left_alone
    assert "Of 2 Deployments" in to_yaml(found)


def test_the_deployment_that_is_named():
    web, worker = deployment("web", "{app: a}", "  replicas: 5"), deployment("worker", "{app: b}")
    assert read([("f", f"{web}---\n{worker}")], "worker").stable.name == "worker"
    with pytest.raises(ScenarioError, match="no Deployment is called 'x'; there is web, worker"):
        read([("f", f"{web}---\n{worker}")], "x")


def test_the_lower_version_is_stable():
    one, two = (
        deployment("b", "{app: web, version: v2}", "  replicas: 3"),
        deployment("a", "{app: web, version: v10}", "  replicas: 5"),
    )
    found = imported(one, two)
    assert (found.stable.name, found.candidate and found.candidate.name) == ("b", "a")
    assert "Deployment/b is stable: its version is the lower one." in to_yaml(found)


# --- Ingress, autoscaler, budget

SEED_002 = (HERE / "seed-002.yaml").read_text(encoding="utf-8")
WEIGHT, HEADER, COOKIE = (
    (HERE / f"seed-002-{kind}.yaml").read_text(encoding="utf-8") for kind in ("weight", "header", "cookie")
)
NGINX = "nginx.ingress.kubernetes.io"


def flattened(text: str) -> str:
    """A text as web pages print it: every line without its indentation."""
    return "".join(line.lstrip() for line in text.splitlines(keepends=True))


def ingress(
    service: str = "web", name: str = "web", annotations: str = "{}", rest: str = "", path: str = "/"
) -> str:
    return f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, annotations: {annotations}}}
spec:
  rules:
    - host: example.com
      http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}}}}}}}]}}
{rest}
"""


def canary(**annotations: str) -> str:
    rules = {f"{NGINX}/canary": "true"}
    rules |= {f"{NGINX}/canary-{key.replace('_', '-')}": value for key, value in annotations.items()}
    return ingress("web-canary", "web-canary", json.dumps(rules))


WITH_INGRESS = (
    STABLE,
    CANARY,
    service("{app: web, track: stable}"),
    service("{app: web, track: canary}", "web-canary"),
    ingress(),
)


@pytest.mark.parametrize("texts", [(SEED_002, WEIGHT), (WEIGHT, SEED_002), (f"{SEED_002}---\n{WEIGHT}",)])
def test_two_versions_behind_an_ingress_and_its_canary(texts):
    found = imported(*texts)
    assert (found.stable.name, found.candidate and found.candidate.name) == ("nginx-v1", "nginx-v2")
    assert "Deployment/nginx-v1 is stable: the canary Ingress leads to Deployment/nginx-v2." in found.why
    loaded = scenario(*texts)
    assert list(loaded.routers) == ["edge", "service"]
    assert loaded.routers["edge"].kind == "ingress-nginx"
    assert loaded.strategies["canary-as-annotated"].strategy.steps == (0.1,)
    assert {chosen.strategy.via for chosen in loaded.strategies.values()} == {"edge"}
    assert not any("Ingress" in left for left in found.left_alone)


def test_two_versions_behind_an_ingress_simulate():
    loaded = scenario(SEED_002, WEIGHT)
    for name in loaded.strategies:
        assert simulate(loaded, name, candidate="healthy").outcome.verdict in endings(loaded, name)


def endings(loaded, strategy):
    """How a healthy release may end: without a readiness probe, users who come too early wake the guard."""
    unprobed = loaded.cluster.pods.readiness == "none" and loaded.strategies[strategy].strategy.guards
    return {"promoted", "rolled_back"} if unprobed else {"promoted"}


@pytest.mark.parametrize(
    ("text", "mix", "match"),
    [
        (HEADER, {"header.Region": {"shenzhen": 0.1}}, Match("header", "Region", pattern="shenzhen")),
        (
            COOKIE,
            {"cookie.user_from_shenzhen": {"always": 0.1}},
            Match("cookie", "user_from_shenzhen", value="always"),
        ),
    ],
)
def test_a_canary_by_header_or_cookie(text, mix, match):
    loaded = loads(to_yaml(imported(SEED_002, text)))
    assert loaded.traffic.mix == mix
    chosen = loaded.strategies["canary-as-annotated"].strategy
    assert [written.match for written in chosen.match] == [match]
    assert chosen.steps == (0.5,)
    assert loaded.strategies["test-as-annotated"].strategy.by.match == match


def test_a_canary_by_everything_at_once():
    text = canary(weight="5", by_header="Region", by_header_pattern="^shen", by_cookie="beta")
    loaded = loads(to_yaml(imported(*WITH_INGRESS, text)))
    chosen = loaded.strategies["canary-as-annotated"].strategy
    assert [written.match for written in chosen.match] == [
        Match("header", "Region", pattern="^shen"),
        Match("cookie", "beta", value="always"),
    ]
    assert chosen.steps == (0.05,)
    assert "test-as-annotated" not in loaded.strategies
    assert loaded.traffic.mix == {"cookie.beta": {"always": 0.1}}
    assert "# mix: {header.Region: {VALUE: 10%}}  # a value with ^shen in it" in to_yaml(
        imported(*WITH_INGRESS, text)
    )


def test_an_ingress_without_its_indentation_is_refused_by_that_name():
    assert refused(flattened(SEED_002)) == (
        "0.yaml:5: the indentation is lost: this stands beside metadata and not below it, as happens when"
        " YAML is copied from a web page; indent it again, or take the file from where it was applied;"
        " got 'name: nginx-v1'"
    )


@pytest.mark.parametrize(
    "text", [WEIGHT, WEIGHT.replace("\n", "\r\n"), WEIGHT.replace("data:\n", "data: # x\n\n\n")]
)
def test_lost_indentation_is_found_in_any_object_and_not_where_there_is_some(text):
    assert "the indentation is lost" in refused(flattened(text))
    scenario(SEED_002, text)


def test_a_page_that_holds_flat_yaml_within_a_value_is_no_flat_yaml():
    page = "".join(f"    {line}\n" for line in flattened(WEIGHT).splitlines())
    scenario(f"{SEED_002}---\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  page: |\n{page}")


def test_affinity_comes_from_the_ingresses():
    sticky = ingress(annotations=json.dumps({f"{NGINX}/affinity": "cookie"}))
    texts = WITH_INGRESS[:4]
    assert scenario(*texts, sticky, canary(weight="5")).routers["edge"].affinity == "sticky"
    legacy = canary(weight="5").replace("{", '{"' + NGINX + '/affinity-canary-behavior": "legacy", ', 2)
    legacy = legacy.replace(
        'metadata: {"' + NGINX + '/affinity-canary-behavior": "legacy", ', "metadata: {", 1
    )
    assert scenario(*texts, sticky, legacy).routers["edge"].affinity == "legacy"
    assert scenario(*WITH_INGRESS, legacy).routers["edge"].affinity == "none"


@pytest.mark.parametrize(
    ("annotations", "steps"),
    [
        ({"weight": "5", "weight_total": "50"}, (0.05,)),
        ({"weight": "1", "weight_total": "1000"}, (0.001,)),
        ({"weight": "0"}, None),
        ({"weight": "100"}, None),
    ],
)
def test_the_weight_is_what_the_controller_makes_of_it(annotations, steps):
    strategies = scenario(*WITH_INGRESS, canary(**annotations)).strategies
    assert ("canary-as-annotated" in strategies) == bool(steps)
    if steps:
        assert strategies["canary-as-annotated"].strategy.steps == steps


def test_what_a_canary_ingress_says_in_vain_is_noted():
    text = to_yaml(imported(*WITH_INGRESS, canary(weight="5", weight_total="50")))
    assert (
        "# note: Ingress/web-canary: canary-weight-total: 50 is ignored; up to 100 it counts as 100\n" in text
    )
    elsewhere = canary(weight="5").replace("path: /,", "path: /api,")
    text = to_yaml(imported(*WITH_INGRESS, elsewhere))
    assert "# note: Ingress/web-canary: no ordinary Ingress has its host, path and path type" in text
    assert "canary-as-annotated" not in text


def test_a_pattern_nobody_here_knows_leaves_its_ingress_alone():
    found = imported(*WITH_INGRESS, canary(by_header="Region", by_header_pattern="(?=shen)"))
    (left,) = (left for left in found.left_alone if left.startswith("Ingress/"))
    assert left.startswith(
        "Ingress/web-canary: '(?=shen)': invalid perl operator: (?=. nginx's PCRE may know it"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            canary(weight="5").replace('"true"', '"false"'),
            f'5.yaml:3: metadata.annotations: {NGINX}/canary must be "true" where other canary annotations',
        ),
        (
            canary(weight="5").replace('"5"', "5"),
            "an annotation is text; put the value in quotes; got 5",
        ),
    ],
)
def test_an_ingress_that_the_api_or_the_controller_refuses(text, said):
    assert said in refused(*WITH_INGRESS, text)
    assert scenario(SEED_001, text).service.replicas == 4, "it is somebody else's"


def test_an_ingress_of_another_class_is_left_alone():
    found = imported(*WITH_INGRESS[:4], ingress(rest="  ingressClassName: alb"))
    assert "Ingress/web: its class is alb; only ingress-nginx is simulated" in found.left_alone
    assert found.exposed is None


def test_old_ingresses_and_default_backends_are_read():
    old = ingress().replace("networking.k8s.io/v1", "extensions/v1beta1")
    old = old.replace("{service: {name: web}}", "{serviceName: web}")
    default = "kind: Ingress\nmetadata: {name: web}\nspec: {defaultBackend: {service: {name: web}}}\n"
    for text in (old, default):
        found = imported(*WITH_INGRESS[:4], text)
        assert found.exposed and found.exposed.ordinary.name == "web"


def autoscaler(spec: str, name: str = "web") -> str:
    return (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
        f"spec:\n  scaleTargetRef: {{kind: Deployment, name: {name}}}\n{spec}\n"
    )


CPU = "  metrics: [{type: Resource, resource: {name: cpu, target: {averageUtilization: 70}}}]"
MEMORY = "{type: Resource, resource: {name: memory, target: {averageUtilization: 70}}}"


def test_an_autoscaler_says_how_many_and_when():
    window = "  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}"
    text = autoscaler(f"  minReplicas: 3\n  maxReplicas: 12\n{CPU}\n{window}")
    loaded = scenario(deployment(), text)
    scaler = loaded.cluster.autoscaler
    assert (scaler.min, scaler.max, scaler.target, scaler.stabilization) == (3, 12, 0.7, 60)
    assert loaded.service.replicas == 3, "it keeps at least so many"
    written = to_yaml(imported(deployment(), text))
    assert "    min: 3  # from 1.yaml:6: HorizontalPodAutoscaler/web\n" in written
    assert "  replicas: 3  # from 1.yaml:6: HorizontalPodAutoscaler/web\n" in written
    assert "of CPU; here of busy slots\n" in written
    assert "left alone: Horizontal" not in written
    busy = (
        loaded.traffic.rate.constant
        / 3
        * loaded.versions.stable.service_time.distribution().mean()
        / loaded.service.slots
    )
    assert busy == pytest.approx(0.7, rel=0.05), "the guessed traffic keeps it where it is"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("  maxReplicas: 5", (1, 5, 0.6)),
        ("  minReplicas: 2\n  maxReplicas: 2\n  targetCPUUtilizationPercentage: 250", (2, 2, 1.0)),
        (f"  maxReplicas: 5\n  metrics: [{MEMORY}]", (1, 5, 0.6)),
    ],
)
def test_autoscalers_of_other_forms(spec, expected):
    scaler = scenario(deployment(), autoscaler(spec)).cluster.autoscaler
    assert (scaler.min, scaler.max, scaler.target) == expected


def test_a_deployment_beyond_its_autoscalers_most_has_the_most():
    text = autoscaler("  minReplicas: 2\n  maxReplicas: 6")
    assert scenario(deployment(spec="  replicas: 20"), text).service.replicas == 6
    assert scenario(deployment(spec="  replicas: 4"), text).service.replicas == 4


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("  minReplicas: 2", "spec.maxReplicas: expected 2 or more"),
        ("  minReplicas: 5\n  maxReplicas: 3", "1.yaml:7: spec.maxReplicas: expected 5 or more; got 3"),
        ("  maxReplicas: lots", "spec.maxReplicas: expected a whole number from 0 to 10000; got 'lots'"),
    ],
)
def test_an_autoscaler_that_kubernetes_refuses(spec, said):
    assert said in refused(deployment(), autoscaler(spec))
    other = autoscaler(spec, name="other")
    assert "HorizontalPodAutoscaler/web" in imported(deployment(), other).left_alone


def budget(spec: str, selector: str = "{matchLabels: {app: web}}") -> str:
    return (
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n"
        f"spec: {{selector: {selector}, {spec}}}\n"
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("minAvailable: 2", (2, None)),
        ("maxUnavailable: 50%", (None, "50%")),
        ("minAvailable: '025%'", ("25%", None)),
        ("maxUnavailable: 0", (None, 0)),
    ],
)
def test_a_disruption_budget(spec, expected):
    found = scenario(deployment(), budget(spec)).cluster.disruption_budget
    assert (found.min_available, found.max_unavailable) == expected


def test_disruption_budgets_that_cannot_be_used():
    assert "expected one of the two; got 1" in refused(
        deployment(), budget("minAvailable: 1, maxUnavailable: 1")
    )
    assert "expected a count of pods such as 1" in refused(deployment(), budget("minAvailable: 101%"))
    for text in (
        budget("minAvailable: 1", "{matchLabels: {app: other}}"),
        budget("minAvailable: 1", "{matchExpressions: [{key: app, operator: Exists}]}"),
        budget("unhealthyPodEvictionPolicy: AlwaysAllow"),
    ):
        assert "PodDisruptionBudget/web" in imported(deployment(), text).left_alone


# --- what is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            deployment(spec="  replicas: {{ .Values.replicas }}"),
            "0.yaml:6: 'replicas: {{ .Values.replicas }}' is a template that is not filled in;"
            " run helm template first",
        ),
        (
            deployment(spec="  {{- if .Values.x }}\n  replicas: 3\n  {{- end }}"),
            "0.yaml:6: '{{- if .Values.x }}' is a template that is not filled in; run helm template first",
        ),
        (
            deployment(spec="  replicas: '{{ .Values.replicas }}'"),
            "0.yaml:6: spec.replicas: '{{ .Values.replicas }}' is a template that is not filled in;"
            " run helm template first",
        ),
        (
            deployment(spec="  replicas: ${REPLICAS}"),
            "0.yaml:6: spec.replicas: '${REPLICAS}' is a variable that is not filled in;"
            " run envsubst or helm template first",
        ),
        (
            deployment().replace("shop/web:1", "shop/web:$TAG"),
            "spec.template.spec.containers.0.image: 'shop/web:$TAG' is a variable that is not filled in",
        ),
        (
            deployment(spec="  replicas: -1"),
            "0.yaml:6: spec.replicas: expected a whole number from 0 to 10000; got -1",
        ),
        (
            deployment(spec="  replicas: 99999999999"),
            "expected a whole number from 0 to 10000; got 99999999999",
        ),
        (deployment(spec="  replicas: '3'"), "expected a whole number from 0 to 10000; got '3'"),
        (deployment(spec="  replicas: true"), "expected a whole number from 0 to 10000; got true"),
        (
            deployment(spec="  replicas: [3]"),
            "0.yaml:6: spec.replicas: expected a whole number from 0 to 10000",
        ),
        (
            deployment(spec="  replicas: 0"),
            "0.yaml:6: Deployment/web: 0 replicas: nothing runs that could be replaced",
        ),
        (
            deployment(spec="  minReadySeconds: 600"),
            "0.yaml:6: spec.minReadySeconds: progressDeadlineSeconds (600) must be longer; got 600",
        ),
        (
            deployment(spec="  strategy: {type: BlueGreen}"),
            "expected RollingUpdate or Recreate; got 'BlueGreen'",
        ),
        (
            deployment(spec="  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}"),
            "0.yaml:6: spec.strategy.rollingUpdate: maxSurge and maxUnavailable are both 0",
        ),
        (
            deployment(spec="  strategy: {rollingUpdate: {maxUnavailable: 101%}}"),
            "expected a count of pods such as 1, or a percentage such as 25%; got '101%'",
        ),
        (
            deployment(container="          readinessProbe: {periodSeconds: 5s}"),
            "containers.0.readinessProbe.periodSeconds: expected a whole number from 0 to 604800; got '5s'",
        ),
        (deployment(container="          readinessProbe: []"), "readinessProbe: expected keys with values"),
        (
            deployment('"a\\e[31m"'),
            "metadata.name: expected text of 1 to 253 visible characters without spaces",
        ),
        (deployment().replace("{name: web}", "{}"), "metadata.name: is required"),
        (deployment().replace("apps/v1", "v1"), "0.yaml:1: apiVersion: expected apps/v1; got 'v1'"),
        (
            deployment().split("  template:")[0],
            "spec.template.spec.containers: expected a list with a container",
        ),
        (
            deployment(spec="  replicas: 3\n  replicas: 4"),
            "0.yaml:7: spec.replicas: duplicate key 'replicas'",
        ),
        (
            deployment(spec="  replicas: !!python/name:os.system x"),
            "the tag '!!python/name:os.system' is refused",
        ),
        ("kind: ConfigMap\nmetadata: {name: x}", "0.yaml: no Deployment in here; there is ConfigMap/x"),
        ("kind: Rollout\nmetadata: {name: x}", "0.yaml: no Deployment in here; there is Rollout/x"),
        ("", "0.yaml: no Deployment in here; there is nothing"),
        ("replicaCount: 3\n", "0.yaml:1: expected a Kubernetes object with apiVersion, kind and metadata"),
        ("hello", "0.yaml:1: expected a Kubernetes object with apiVersion, kind and metadata"),
        ("a: [", "0.yaml:1: not YAML: while parsing"),
        ("[" * 10_000, "nested deeper than 100"),
        ("a: &a [*a]", "alias *a contains itself"),
    ],
)
def test_what_cannot_be_used_is_refused(text, said):
    assert said in refused(text)


def test_all_problems_of_all_files_at_once():
    bad = deployment(spec="  replicas: -1\n  minReadySeconds: x")
    lines = refused(bad, bad).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["0.yaml:6", "0.yaml:7", "1.yaml:6", "1.yaml:7"]


def test_templates_elsewhere_are_nobodys_business():
    alert = "apiVersion: v1\nkind: ConfigMap\ndata: {rule: '{{ $value }} of ${X}', on: yes, at: 12:30}\n"
    assert scenario(f"{alert}---\n{SEED_001}").service.replicas == 4


def test_nothing_from_outside_leaves_its_comment():
    hook = "          lifecycle: {preStop: {exec: {command: ['x\\nseeds: 1 # ', \"a\\e[2J\"]}}}".replace(
        "'", '"'
    )
    text = to_yaml(read([("a\nseeds: 9\n.yaml", deployment(container=hook))]))
    assert "\x1b" not in text
    assert loads(text).seeds == 32


def test_names_that_yaml_would_take_for_something_else():
    for name in ("on", "null", "0x1f", "1e3", "12"):
        text = deployment().replace("{name: web}", f"{{name: '{name}'}}")
        assert scenario(text).name == name


def test_the_starter_loads_and_can_be_planned():
    loaded = loads(starter(), "starter")
    assert loaded.unrealisable() == {}
    assert [len(loaded.strategies), len(loaded.candidates)] == [5, 4]
    assert all(len(line) <= 150 for line in starter().splitlines())


@pytest.mark.parametrize("text", [starter(), to_yaml(read([("seed-001.yaml", SEED_001)]))])
def test_what_is_written_runs_at_once(text):
    loaded = loads(text)
    for strategy in loaded.strategies:
        outcome = simulate(loaded, strategy, candidate="healthy").outcome
        assert outcome.verdict in endings(loaded, strategy)
        assert outcome.settled_at < loaded.clock.horizon


THINGS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**12)
    | st.text(max_size=6)
    | st.sampled_from(["25%", "Deployment"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["seconds", "exec", "command", "sleep", "app", "name"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
PLACES = [
    ("kind",),
    ("apiVersion",),
    ("metadata",),
    ("metadata", "labels"),
    ("spec",),
    ("spec", "replicas"),
    ("spec", "strategy"),
    ("spec", "strategy", "rollingUpdate"),
    ("spec", "strategy", "rollingUpdate", "maxSurge"),
    ("spec", "minReadySeconds"),
    ("spec", "template"),
    ("spec", "template", "metadata", "labels"),
    ("spec", "template", "spec", "containers"),
    ("spec", "template", "spec", "containers", 0),
    ("spec", "template", "spec", "containers", 0, "image"),
    ("spec", "template", "spec", "containers", 0, "readinessProbe"),
    ("spec", "template", "spec", "containers", 0, "lifecycle"),
    ("spec", "template", "spec", "containers", 0, "lifecycle", "preStop"),
]


@settings(derandomize=True, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), THINGS), min_size=1, max_size=3))
def test_random_manifests_give_a_scenario_or_a_scenario_error(changes):
    document = yaml.safe_load(SEED_001)
    for place, thing in changes:
        node = document
        for segment in place[:-1]:
            if isinstance(node, dict):
                node = node.setdefault(segment, {})
            elif isinstance(node, list) and node:
                node = node[0]
        if isinstance(node, dict):
            node[place[-1]] = thing
    try:
        text = to_yaml(read([("x.yaml", json.dumps(document))]))
    except ScenarioError as error:
        assert error.problems
    else:
        assert isinstance(loads(text), Scenario)


AROUND = [
    *(document for text in (SEED_002, WEIGHT, HEADER) for document in yaml.safe_load_all(text)),
    yaml.safe_load(autoscaler(f"  minReplicas: 1\n  maxReplicas: 5\n{CPU}", name="nginx-v1")),
    yaml.safe_load(budget("minAvailable: 1", "{matchLabels: {app: nginx}}")),
]
WAYS = [
    ("metadata",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "annotations"),
    ("metadata", "annotations", f"{NGINX}/canary"),
    ("metadata", "annotations", f"{NGINX}/canary-weight"),
    ("metadata", "annotations", f"{NGINX}/canary-by-header-pattern"),
    ("spec",),
    ("spec", "rules"),
    ("spec", "rules", "http"),
    ("spec", "rules", "http", "paths"),
    ("spec", "rules", "http", "paths", "backend"),
    ("spec", "rules", "http", "paths", "backend", "service", "name"),
    ("spec", "selector"),
    ("spec", "selector", "matchLabels"),
    ("spec", "minAvailable"),
    ("spec", "maxUnavailable"),
    ("spec", "minReplicas"),
    ("spec", "maxReplicas"),
    ("spec", "scaleTargetRef"),
    ("spec", "metrics"),
    ("spec", "metrics", "resource", "target", "averageUtilization"),
]


@settings(derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, len(AROUND) - 1), st.sampled_from(WAYS), THINGS), min_size=1, max_size=4
    )
)
def test_random_surroundings_give_a_scenario_or_a_scenario_error(changes):
    documents = json.loads(json.dumps(AROUND))
    for number, place, thing in changes:
        node = documents[number]
        for segment in place[:-1]:
            node = node[0] if isinstance(node, list) and node else node
            node = node.setdefault(segment, {}) if isinstance(node, dict) else None
        node = node[0] if isinstance(node, list) and node else node
        if isinstance(node, dict):
            node[place[-1]] = thing
    try:
        text = to_yaml(read([("x.yaml", json.dumps(documents))]))
    except ScenarioError as error:
        assert error.problems
    else:
        assert isinstance(loads(text), Scenario)
