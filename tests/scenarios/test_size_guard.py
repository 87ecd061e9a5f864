"""What a guard sees: against closed forms where windows do not overlap, and outcomes summed one by one."""

import math
from dataclasses import replace

import numpy as np
import pytest

from scenarios.exposure import Exposure, Phase, exposure
from scenarios.load import loads
from scenarios.scenario import Scenario
from scenarios.size import poisson
from scenarios.size_advice import advice
from scenarios.size_guard import Answer, Case
from scenarios.size_release import Watch, look
from scenarios.truth import breaking, failing, slower

WORLD = """
format: rolloutlab/1
name: shop
service: {replicas: 10}
versions:
  stable:
    start: 4s
    service_time: {median: 40ms, p99: 200ms}
    errors: [{share: STABLE, of: requests}]
candidates: {healthy: {}, errors: {errors: [{share: CANDIDATE, of: requests}]}, slow: {service_time: 300ms}}
traffic: {rate: 200/s}
routers: {edge: {kind: ingress-nginx}}
observe: {every: 15s, delay: 0s}
guards: {errors: GUARD}
strategies:
  canary: {canary: {via: edge, steps: [10%], hold: 5m, guards: [errors]}}
  blue-green: {blue_green: {via: edge, bake: 5m, guards: [errors]}}
"""
GUARD = "{metric: failure_share, limit: 1%, window: 1m, min_requests: 100}"


def text(guard: str = GUARD, stable: str = "0.5%", candidate: str = "2%") -> str:
    return WORLD.replace("GUARD", guard).replace("STABLE", stable).replace("CANDIDATE", candidate)


def world(guard: str = GUARD, stable: str = "0.5%", candidate: str = "2%") -> Scenario:
    return loads(text(guard, stable, candidate))


def case(scenario: Scenario, strategy: str = "canary", *candidates: str) -> Case:
    return Case(scenario, strategy, "errors", scenario.guards["errors"], candidates or ("errors",))


def test_the_declared_share_of_failures() -> None:
    scenario = world()
    assert failing(scenario, scenario.variants["errors"]) == pytest.approx(0.02, abs=1e-6)
    timeout = loads(text().replace("rate: 200/s", "rate: 200/s, client: {timeout: 200ms}"))
    assert failing(timeout, scenario.versions.stable) == pytest.approx(1 - 0.995 * 0.99, abs=1e-6)


def test_the_share_that_is_slower() -> None:
    scenario = world("{metric: latency_p95, limit: 200ms}")
    guard = scenario.guards["errors"]
    assert breaking(scenario, guard, scenario.versions.stable) == pytest.approx(0.01, abs=1e-9)
    assert breaking(scenario, guard, scenario.variants["slow"]) == 1.0
    assert slower(scenario.versions.stable.service_time.distribution(), 0.04) == pytest.approx(0.5)
    beside = world("{metric: latency_p95, versus: stable, margin: 0ms}")
    share = breaking(beside, beside.guards["errors"], beside.versions.stable)
    assert share == pytest.approx(0.05, abs=1e-9)


def test_an_outline_of_what_is_seen() -> None:
    seen = exposure(world(), "canary", "errors")
    hold = seen.phases[0]
    assert (hold.name, hold.seconds, hold.share) == ("10%", 300.0, pytest.approx(0.1))
    assert seen.in_window(300.0, 60.0) == pytest.approx((0.1 * 200 * 60, 0.9 * 200 * 60))
    assert seen.in_window(0.0, 60.0) == pytest.approx((0.0, 200 * 60))
    assert seen.in_window(30.0, 60.0)[0] == pytest.approx(0.1 * 200 * 30)


def test_one_window_is_the_sum_over_all_outcomes() -> None:
    answer = Answer(case(world(stable="1%")))
    assert answer.windows[0].false_alarm == pytest.approx(window_fails(1200.0, 0.01), rel=1e-3)


def window_fails(mean: float, share: float) -> float:
    """A window with a limit of 1 %, over Poisson numbers of requests, outcome by outcome."""
    numbers = range(int(mean - 300), int(mean + 300))
    passes = (sum(math.exp(log_chance(n, k, share)) for k in range(n // 100 + 1)) for n in numbers)
    return sum(float(poisson(n, mean)) * (1 - p) for n, p in zip(numbers, passes, strict=True))


def log_chance(n: int, k: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(share) + (n - k) * math.log1p(-share)


def test_a_window_beside_stable_is_what_drawing_both_gives() -> None:
    guard = "{metric: failure_share, versus: stable, margin: 0.5%, window: 1m, min_requests: 100}"
    answer = Answer(case(world(guard, stable="1%", candidate="1.6%")))
    random, n = np.random.default_rng(1), 400_000
    requests = random.poisson(1200, n)
    ours = random.binomial(requests, 0.016) / requests
    stable = random.binomial(10_800, 0.01, n) / 10_800
    drawn = float((ours > stable + 0.005).mean())
    assert answer.windows[0].sees["errors"] == pytest.approx(drawn, abs=4 * math.sqrt(0.25 / n))


@pytest.mark.parametrize("share", [0.005, 0.008, 0.012])
@pytest.mark.parametrize("tolerate", [0, 1])
def test_windows_that_do_not_overlap_fail_independently(share: float, tolerate: int) -> None:
    """Ten windows, each of 60 s: 1 − (1 − p)ⁿ; with one failure let pass, the chance of two in a row."""
    seen = Exposure(20.0, (Phase("hold", 600.0, 1.0, 0.0, True),))
    watch = Watch(seen, window=60, every=60, delay=0.0, min_requests=1, tolerate=tolerate)
    looks = look(watch, share, 0.0)
    p = window_fails(1200.0, share)
    passed, failed = 1.0, 0.0  # chances that nothing was seen yet, by how the last window was
    for _ in range(10):
        passed, failed = (passed + failed) * (1 - p), passed * p if tolerate else 0.0
    got = float((looks.worst(tolerate) > 0.01).mean())
    assert got == pytest.approx(1 - passed - failed, abs=4 * math.sqrt(0.25 / len(looks.value)))


def test_too_few_requests_never_fail() -> None:
    guard = "{metric: failure_share, limit: 1%, window: 1m, min_requests: 100000}"
    answer = Answer(case(world(guard, candidate="100%")))
    assert answer.wholes["errors"].fails == 0
    assert answer.windows[0].cannot_say == pytest.approx(1)


def test_after_a_switch_stable_is_as_it_was_before() -> None:
    guard = "{metric: failure_share, versus: stable, margin: 0.5%, window: 1m, min_requests: 100}"
    answer = Answer(case(world(guard, stable="0.1%", candidate="5%"), "blue-green"))
    assert answer.wholes["errors"].fails == 1
    assert answer.stable_alone.fails < 0.05


def test_first_and_worst_tell_the_same() -> None:
    answer = Answer(case(world(stable="0.7%")))
    looks = look(answer.case.watch(answer.seen), 0.007, 0.007, 4000)
    for tolerate in (0, 1, 3):
        failed = looks.worst(tolerate) > 0.01
        assert (np.isfinite(looks.first(0.01, tolerate)) == failed).all()


def test_a_good_guard_is_kept_and_a_bad_one_is_told_what_would_do() -> None:
    assert advice(Answer(case(world(stable="0.05%", candidate="5%")))).kept
    told = advice(Answer(case(world(stable="0.5%", candidate="1.5%"))))
    assert not told.kept
    assert told.candidate == "errors"
    assert told.instead
    for one in told.instead:
        again = Answer(replace(case(world(stable="0.5%", candidate="1.5%")), rule=one.guard))
        assert again.stable_alone.fails <= 0.05
        assert again.wholes["errors"].fails >= 0.9
        assert 0.005 < again.case.limit < 0.015


def test_a_latency_is_advised_a_limit_between_both_versions() -> None:
    scenario = world("{metric: latency_p99, limit: 195ms, window: 1m, min_requests: 100}")
    told = advice(Answer(case(scenario, "canary", "slow")))
    assert not told.kept
    assert all(0.2 < float(one.guard.limit or 0) < 0.3 for one in told.instead)
    assert told.instead


def test_nothing_helps_where_there_is_no_difference_to_see() -> None:
    told = advice(Answer(case(world(stable="0.5%", candidate="0.501%"))))
    assert not told.kept
    assert told.instead == ()
