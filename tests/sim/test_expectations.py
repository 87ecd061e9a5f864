"""Requests sent through the simulated routing of one instant: who answers, by hand and by theory."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from scenarios.answered import NOBODY, Counts
from scenarios.expect import Expectation
from scenarios.load import loads
from scenarios.record import ARM, Record, Trial, arrays, digest
from sim.expectations import Routing, answers_to
from sim.world import World, simulate

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 10}
versions:
  stable:
    start: 1s
    service_time: {median: 20ms, p95: 60ms}
    answers: {headers: {Server: nginx/1.18.0}, body: nginx-v1}
  candidate: {from: stable, answers: {headers: {Server: nginx/1.24.0}, body: nginx-v2}}
candidates:
  healthy: {}
  errors: {errors: [{share: 20%, of: requests}, {share: 10%, of: users, when: {header.Region: shenzhen}}]}
  never-ready: {start: never}
traffic: {rate: 50/s}
cluster: {pods: {readiness: {period: 1s}, termination: {pre_stop: 5s}}}
routers:
  service: {kind: kube-proxy}
  edge: {kind: ingress-nginx}
  mesh: {kind: proxy, retries: {tries: 2, when: [error]}}
strategies:
  weight: {canary: {via: edge, steps: [10%], hold: 1m}}
  proxied: {canary: {via: mesh, steps: [10%], hold: 1m}}
  by-region: {canary: {via: edge, steps: [10%], hold: 1m, match: [{header: Region, pattern: shenzhen}]}}
  by-cookie: {canary: {via: edge, steps: [10%], hold: 1m, match: [{cookie: from_shenzhen, value: always}]}}
  paused: {paused_rolling: {hold: 1m}}
  recreate: {recreate: {}}
  recreate-behind-edge: {recreate: {via: edge}}
clock: {settle: 10s, horizon: 3m}
"""


def record(strategy: str, expected: str, candidate: str = "healthy", seed: int = 0) -> Record:
    scenario = loads(f"{BASE}expect:\n  it: {expected}\n")
    return simulate(Trial(scenario, strategy, candidate, seed))


def counts(*what: str, **more: int) -> Counts:
    (probed,) = record(*what, **more).expected  # type: ignore[arg-type]
    return probed.counts


def world_at_weight() -> World:
    """A world whose proxy sends a tenth of the requests to the candidate."""
    world = World(Trial(loads(BASE), "weight", "healthy", 0))
    assert world.plan is not None
    held = replace(world.plan, stages=world.plan.stages[:2])
    world.release(held)
    return world


def test_ten_curls_at_weight_10_meet_the_candidate_as_often_as_the_binomial_says() -> None:
    world = world_at_weight()
    routing = Routing(world.router, world.endpoints.proxies, world.requests)
    versions = [kit.version for kit in world.kits.values()]
    expected = Expectation.model_validate({"answers": {"version": "candidate"}, "times": 10})
    found = Counter(
        sum(times for answer, times in answers_to(expected, routing, versions, seed).items()
            if answer.version == "candidate")
        for seed in range(3000)
    )  # fmt: skip
    for k, said in ((0, 0.349), (1, 0.387), (2, 0.194)):
        chance = math.comb(10, k) * 0.1**k * 0.9 ** (10 - k)
        assert chance == pytest.approx(said, abs=5e-4)
        assert found[k] / 3000 == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 3000))


@pytest.mark.parametrize(
    ("carried", "who"),
    [
        ("{}", "stable"),
        ("{headers: {Region: beijing}}", "stable"),
        ("{headers: {Region: shenzhen}}", "candidate"),
        ("{headers: {region: shenzhen-nanshan}}", "candidate"),  # unanchored, and names know no case
    ],
)
def test_a_header_decides(carried: str, who: str) -> None:
    asked = f"{{when: match only, request: {carried}, answers: {{version: {who}}}, times: 50}}"
    assert counts("by-region", asked).fit == 50


@pytest.mark.parametrize(
    ("cookies", "when", "candidates"),
    [
        ("{from_beijing: ''}", "match only", 0),
        ("{from_shenzhen: ''}", "match only", 0),
        ("{from_shenzhen: always}", "match only", 200),
        ("{from_shenzhen: always}", "10%", 200),
        ("{from_shenzhen: never}", "10%", 0),
    ],
)
def test_a_cookie_decides_only_by_the_values_that_nginx_heeds(
    cookies: str, when: str, candidates: int
) -> None:
    asked = f"{{when: {when}, request: {{cookies: {cookies}}}, answers: {{version: candidate}}, times: 200}}"
    assert counts("by-cookie", asked).fit == candidates


def test_a_rule_that_does_not_decide_leaves_it_to_the_weight() -> None:
    asked = (
        "{when: 10%, request: {cookies: {from_shenzhen: x}}, answers: {body: v2}, share: 10%, precision: 2%}"
    )
    found = counts("by-cookie", asked)
    assert found.fit / found.of == pytest.approx(0.1, abs=0.02)


def test_behind_a_service_the_pods_decide() -> None:
    """Paused, ten pods with 25 % more and fewer are thirteen, five of them new."""
    asked = "{when: first pods, request: {method: HEAD}, answers: {headers: {Server: '1.24'}}, times: 4000}"
    found = counts("paused", asked)
    assert found.fit / 4000 == pytest.approx(5 / 13, abs=0.03)


def test_at_the_end_everybody_is_answered_by_the_candidate() -> None:
    asked = "{answers: {version: candidate, status: 200, body: ^nginx-v2$}, times: 100}"
    for strategy in ("weight", "proxied", "by-region", "paused", "recreate"):
        assert counts(strategy, asked).fit == 100


@pytest.mark.parametrize(("strategy", "status"), [("recreate", "none"), ("recreate-behind-edge", "503")])
def test_without_pods_nobody_answers_but_a_router(strategy: str, status: str) -> None:
    found = counts(strategy, f"{{answers: {{status: {status}}}, times: 20}}", "never-ready")
    assert (found.fit, found.by) == (20, {NOBODY: 20})


@pytest.mark.parametrize(
    ("strategy", "region", "failing"),
    [
        ("recreate", "beijing", 0.2),
        ("recreate", "shenzhen", 1 - 0.8 * 0.9),
        ("proxied", "beijing", 0.04),  # the proxy tries each failed one again
    ],
)
def test_an_answer_fails_as_often_as_the_version_does(strategy: str, region: str, failing: float) -> None:
    asked = f"{{request: {{headers: {{Region: {region}}}}}, answers: {{status: 5xx}}, times: 4000}}"
    found = counts(strategy, asked, "errors")
    spread = math.sqrt(failing * (1 - failing) / 4000)
    assert found.fit / 4000 == pytest.approx(failing, abs=4 * spread)


def test_a_failed_answer_has_the_servers_headers_and_no_body() -> None:
    asked = "{answers: {status: 500, headers: {Server: '1.24'}, body: ^$}, times: 400}"
    failed = counts("recreate", "{answers: {status: 500}, times: 400}", "errors")
    assert counts("recreate", asked, "errors") == failed


def test_what_no_version_says_nobody_knows() -> None:
    text = BASE.replace("    answers: {headers: {Server: nginx/1.18.0}, body: nginx-v1}\n", "")
    text = text.replace(", answers: {headers: {Server: nginx/1.24.0}, body: nginx-v2}", "")
    scenario = loads(f"{text}expect:\n  it: {{answers: {{headers: {{Server: nginx}}}}, times: 3}}\n")
    (probed,) = simulate(Trial(scenario, "recreate", "healthy", 0)).expected
    assert probed.counts == Counts(0, 0, 3, {"candidate": 3})


def test_it_is_probed_once_as_its_stage_ends_and_only_where_it_is_about() -> None:
    text = (
        f"{BASE}expect:\n"
        "  at-10: {when: 10%, candidate: healthy, answers: {status: 200}}\n"
        "  by-weight: {strategy: weight, when: 10%, answers: {status: 200}}\n"
        "  at-end: {answers: {status: 200}}\n"
    )
    scenario = loads(text)
    found = simulate(Trial(scenario, "weight", "healthy", 0))
    left = next(e.t for e in found.events if e.text == "roll main")
    assert [(p.name, p.t) for p in found.expected] == [("at-10", left), ("by-weight", left), ("at-end", 180)]
    other = simulate(Trial(scenario, "proxied", "errors", 0))
    assert [p.name for p in other.expected] == ["at-end"]
    assert simulate(Trial(scenario, ARM, "errors", 0)).expected == ()


def test_probes_take_nothing_and_change_nothing() -> None:
    asked = "{answers: {version: candidate}, share: 10%, precision: 2%, when: 10%, strategy: weight}"
    probed, silent = record("weight", asked), simulate(Trial(loads(BASE), "weight", "healthy", 0))
    ours, others = arrays(probed), arrays(silent)
    assert probed.expected
    assert all(np.array_equal(ours[name], others[name]) for name in ours)
    assert (probed.events, probed.outcome) == (silent.events, silent.outcome)


def test_the_same_trial_has_the_same_answers() -> None:
    asked = "{answers: {version: candidate}, times: 10, at_most: 9, when: 10%}"
    assert digest(record("weight", asked)) == digest(record("weight", asked))
    assert len({counts("weight", asked, seed=seed).fit for seed in range(8)}) > 1
