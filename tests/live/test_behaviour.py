"""What the demo app is told of a scenario: all of it, small enough, and nothing that it cannot do."""

import json

import numpy as np
import pytest

from live import app
from live.behaviour import BY_VERSION, Unservable, document, losses
from scenarios import draws, load, mix
from scenarios.figure import FIGURES
from scenarios.scenario import Scenario

LIMIT = 900 << 10
"""What a ConfigMap of 1 MiB leaves beside the app's source."""


def world(text: str) -> Scenario:
    return load.loads(
        "format: rolloutlab/1\nname: told\nservice: {replicas: 2}\n"
        "strategies: {rolling: {rolling: {}}}\n" + text
    )


TRAFFIC = "traffic: {rate: 1/s}\n"


@pytest.mark.parametrize("name", load.library())
def test_every_world_of_the_library_is_served_or_refused_by_name(name: str) -> None:
    scenario = load.load(name)
    for candidate in scenario.variants:
        try:
            told = json.dumps(document(scenario, candidate, 3))
        except Unservable as refused:
            assert all(
                reason.split(":")[0].split(".")[0] in ("faults", "traffic") for reason in refused.reasons
            )
            continue
        assert len(told) < LIMIT
        for version in ("stable", "candidate"):
            pod = app.Pod(json.loads(told), version, "main-1")
            pod.since = 0.0
            runs = scenario.version(version, candidate)
            assert pod.lasts(1 << 63, 1e9) == expected(runs.service_time.distribution(), runs.leak)


def expected(distribution: object, leak: object) -> float:
    """The service time at the middle of the table, at a great age."""
    half = draws.draw(distribution, 0.5)  # type: ignore[arg-type]
    return half * (1.0 if leak is None else 1.0 + (leak.slower - 1.0))  # type: ignore[attr-defined]


def test_four_tables_are_still_small() -> None:
    versions = ", ".join(
        f"{name}: {{start: {{median: {k}s, p95: 9s}}, service_time: {{median: {k}ms, p95: 99ms}}}}"
        for k, name in ((1, "stable"), (2, "candidate"))
    )
    told = document(world(f"{TRAFFIC}versions: {{{versions}}}\n"), "candidate", 3)
    assert len(told["tables"]) == 4 and len(json.dumps(told)) < LIMIT


def test_a_table_arrives_bit_by_bit_and_once() -> None:
    scenario = world(TRAFFIC)
    told = document(scenario, "candidate", 3)
    (text,) = told["tables"].values()
    distribution = scenario.versions.stable.service_time.distribution()
    assert [*app.nodes_of(text)] == draws.table(distribution).tolist()
    assert told["versions"]["stable"]["start"] == {"constant": 1.0}


def test_attributes_that_no_request_carries_are_found_by_user() -> None:
    attributes = (
        "header.Region: {north: 40%}, user.browser: {old: 10%, new: 20%, odd: 70%}, user.age: {old: 50%}"
    )
    fails = "errors: [{share: 50%, of: users, when: {user.browser: new, header.Region: north}}]"
    scenario = world(f"traffic: {{rate: 1/s, mix: {{{attributes}}}}}\nversions: {{candidate: {{{fails}}}}}\n")
    told = document(scenario, "candidate", 3)
    assert [attribute["name"] for attribute in told["attributes"]] == ["user.browser"]
    assert told["versions"]["candidate"]["errors"]["when"][0]["when"] == {
        "user.browser": "new", "header.region": "north",
    }  # fmt: skip
    pod = app.Pod(told, "candidate", "main-1")
    kinds, kind_of = mix.kinds(scenario.traffic.mix), mix.kind_of_users(3, 500, scenario.traffic.mix)
    found = [pod._attributes(app.Drawn(pod.streams, None, user)).get("user.browser") for user in range(500)]
    assert found == [kinds[kind].attributes.get("user.browser") for kind in kind_of]


def test_pods_settings_of_a_version_come_first() -> None:
    scenario = world(TRAFFIC + "versions: {candidate: {pods: {termination: {on_sigterm: exit}}}}\n")
    versions = document(scenario, "candidate", 3)["versions"]
    assert (versions["stable"]["on_sigterm"], versions["candidate"]["on_sigterm"]) == ("drain", "exit")


def test_load_is_told_in_slots() -> None:
    scenario = world(TRAFFIC + "versions: {candidate: {errors: [{share: 30%, of: requests, load: 60%}]}}\n")
    errors = document(scenario, "candidate", 3)["versions"]["candidate"]["errors"]
    assert errors["load"] == {"share": 0.3, "slots": 3} and errors["requests"] == 0.0


REFUSED = {
    "traffic.arrivals": "traffic: {arrivals: closed, think: 5s}\n",
    "faults.1.slow_dependency": TRAFFIC
    + "faults: [{metrics_gap: {at: 1m, lasting: 1m}}, {slow_dependency: {at: 1m, adds: 9ms}}]\n",
    "faults.0.node_slow": TRAFFIC + "faults: [{node_slow: {at: 1m, node: 0, slower: 2}}]\n",
    "candidates.odd.errors.1.of": "traffic: {rate: 1/s, connections: {pool: 5}}\ncandidates: {odd: {errors: "
    "[{share: 1%, of: requests}, {share: 1%, of: connections}]}}\n",
    "versions.stable.answers.headers.Content-Length": TRAFFIC
    + "versions: {stable: {answers: {headers: {Content-Length: '3'}}}}\n",
    "versions.candidate.answers.headers.X-Rolloutlab-Pod": TRAFFIC
    + "versions: {candidate: {answers: {headers: {X-Rolloutlab-Pod: me}}}}\n",
}  # fmt: skip


@pytest.mark.parametrize("key", REFUSED)
def test_what_it_cannot_do_is_refused_by_name(key: str) -> None:
    scenario = world(REFUSED[key])
    with pytest.raises(Unservable, match=f"^{key}: ") as refused:
        document(scenario, next(iter(scenario.variants)), 3)
    assert sum(reason.startswith(f"{key}: ") for reason in refused.value.reasons) == 1


def test_all_that_it_cannot_do_is_said_at_once() -> None:
    scenario = world(
        "traffic: {arrivals: closed, think: 5s}\nfaults: [{node_slow: {at: 1m, node: 0, slower: 2}}]\n"
    )
    with pytest.raises(Unservable) as refused:
        document(scenario, "candidate", 3)
    assert str(refused.value).count("\n") == 1


# --- a user's own image --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stable", "candidate", "told_apart"),
    [
        ("", "", False),
        ("answers: {body: v1}", "", False),
        ("answers: {body: v1}", "answers: {body: v2}", True),
        ("answers: {body: v1}", "answers: {body: v10}", False),
        ("answers: {headers: {Server: a}}", "answers: {headers: {server: a}, body: v2}", False),
        ("answers: {headers: {Server: a}}", "answers: {headers: {server: b}}", True),
    ],
)
def test_figures_by_version_need_answers_that_differ(stable: str, candidate: str, told_apart: bool) -> None:
    scenario = world(f"{TRAFFIC}versions: {{stable: {{{stable}}}, candidate: {{{candidate}}}}}\n")
    lost = [loss for loss in losses(scenario) if not loss.measured]
    assert [loss.figures for loss in lost] == ([] if told_apart else [BY_VERSION])


def test_losses_name_figures_that_there_are() -> None:
    scenario = world(TRAFFIC)
    named = {name for loss in losses(scenario) for name in loss.figures}
    assert named <= set(FIGURES) and {"weight_error", "exposure_users", "rollback_time"} <= named
    assert all(str(loss).count(": ") >= 1 for loss in losses(scenario) if loss.figures)
    assert np.unique([str(loss) for loss in losses(scenario)]).size == len(losses(scenario))
