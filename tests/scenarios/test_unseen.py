"""What is said beforehand about errors that nobody meets, guards blind to crashes, users held by cookies."""

import pytest

from scenarios.check import Level, check
from scenarios.load import loads

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 10, slots: 4}
versions: {stable: {service_time: {constant: 100ms}}}
traffic: {rate: 200/s, mix: {header.Region: {north: 10%, south: 0%}}}
cluster: {pods: {termination: {pre_stop: 5s}}}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}, mesh: {kind: proxy}}
guards:
  own: {metric: failure_share, limit: 1%, window: 1m, min_requests: 100}
  late: {metric: latency_p99, limit: 1s, window: 1m, min_requests: 100}
  everybody: {metric: failure_share, of: all, limit: 1%, window: 1m, min_requests: 100}
strategies: {it: {blue_green: {}}}
clock: {settle: 2m, horizon: 30m}
"""


def warned(words: str, *overrides: str) -> list[str]:
    """The paths of warnings with these words in them."""
    found = [advice for advice in check(loads(BASE, "test", overrides)) if words in advice.message]
    assert all(advice.level is Level.WARNING for advice in found)
    return [advice.path for advice in found]


# --- errors on a condition that nobody fulfils


def errors(when: str) -> str:
    return f"errors: [{{share: 1%, of: users}}, {{share: 5%, of: requests, when: {when}}}]"


@pytest.mark.parametrize(
    ("when", "attribute"),
    [
        ("{header.Region: east}", "header.Region"),
        ("{header.Region: south}", "header.Region"),
        ("{header.region: north}", "header.region"),
        ("{header.Region: north, user.browser: old}", "user.browser"),
    ],
)
def test_errors_of_people_whom_there_are_none_of(when: str, attribute: str) -> None:
    paths = warned("nobody in traffic.mix carries", f"candidates={{bad: {{{errors(when)}}}}}")
    assert paths == [f"candidates.bad.errors.1.when.{attribute}"]


def test_errors_of_people_there_are_get_no_advice() -> None:
    assert warned("nobody", f"candidates={{bad: {{{errors('{header.Region: north}')}}}}}") == []


@pytest.mark.parametrize("version", ["stable", "candidate"])
def test_what_candidates_inherit_is_said_once(version: str) -> None:
    east = errors("{header.Region: east}")
    candidates = f"candidates={{a: {{}}, b: {{start: 2s}}, c: {{{east}}}}}"
    paths = warned("nobody in traffic.mix", f"versions={{{version}: {{{east}}}}}", candidates)
    assert paths == [f"versions.{version}.errors.1.when.header.Region"]


# --- guards that do not see a crash

CRASHES = [
    "{crash: {after_start: 20s}}",
    "{crash: {per_hour: 4.0}}",
    "{crash: {on_request: 1%}}",
    "{leak: {over: 5m, crash: true}}",
]


@pytest.mark.parametrize("crash", CRASHES)
def test_a_guard_of_the_candidate_alone_does_not_see_it_crash(crash: str) -> None:
    world = (f"candidates={{good: {{}}, bad: {crash}}}", "strategies.it.blue_green.guards=[own, late]")
    assert warned("candidate bad crashes, and requests that are refused or lost", *world) == ["guards.own"]


@pytest.mark.parametrize(
    ("candidates", "guards"),
    [
        ("{bad: {crash: {after_start: 20s}}}", "[own, everybody]"),
        ("{bad: {crash: {after_start: 20s}}}", "[late]"),
        ("{bad: {crash: {after_start: 20s}}}", "[]"),
        ("{bad: {leak: {over: 5m, slower: 2.0}}}", "[own]"),
    ],
)
def test_one_of_all_beside_it_or_no_crash_is_enough(candidates: str, guards: str) -> None:
    world = (f"candidates={candidates}", f"strategies.it.blue_green.guards={guards}")
    assert warned("crashes", *world) == []


# --- users held by cookies from before

STEPS = "{canary: {via: edge, steps: [10%]}}"
TEST = "{ab_test: {via: edge, by: {sticky: 20%}}}"
HELD = "keep everybody seen so far on the primary"


@pytest.mark.parametrize(("affinity", "strategy"), [("sticky", STEPS), ("legacy", STEPS), ("sticky", TEST)])
def test_weights_behind_cookies_from_before_the_release(affinity: str, strategy: str) -> None:
    world = (f"routers.edge.affinity={affinity}", f"strategies.it={strategy}")
    assert warned(HELD, *world) == ["strategies.it"]
    assert bool(warned("sample-ratio mismatch", *world)) == (strategy == TEST)


@pytest.mark.parametrize(
    ("affinity", "strategy"),
    [
        ("none", STEPS),
        ("sticky", "{blue_green: {via: edge}}"),
        ("sticky", "{ab_test: {via: edge, by: {header: Region, value: north}}}"),
        ("sticky", "{canary: {via: mesh, steps: [10%], sticky: both}}"),
    ],
)
def test_no_weight_or_no_cookie_from_before(affinity: str, strategy: str) -> None:
    assert warned(HELD, f"routers.edge.affinity={affinity}", f"strategies.it={strategy}") == []
