"""Strategies that people take part in, that pause, or that need more pods, simulated from end to end."""

import numpy as np
import pytest

from scenarios.backend import replay
from scenarios.draws import Purpose, draw, u
from scenarios.load import loads
from scenarios.plan import CANDIDATE, STABLE, Call, Command, SetRoute, Verb
from scenarios.record import PodEvent, Record, Trial, digest
from scenarios.release import Asked, Kind, Verdict
from scenarios.scenario import Scenario
from sim.world import World, simulate

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 10}
versions:
  stable: {start: 1s, service_time: {median: 20ms, p95: 60ms}}
candidates:
  healthy: {}
  errors: {errors: [{share: 5%, of: requests}]}
traffic: {rate: 200/s, client: {timeout: 2s}}
cluster:
  delays: {api: 1ms}
  pods: {readiness: {period: 1s}, termination: {pre_stop: 5s}}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%, window: 30s, min_requests: 100}}
operators: {on_call: {}}
strategies:
  pause: {paused_rolling: {hold: 2m, guards: [errors]}}
  pause-finish: {paused_rolling: {hold: 2m, guards: [errors], back: finish}}
  pause-image: {paused_rolling: {hold: 2m, guards: [errors], back: set_image}}
  at-once: {paused_rolling: {pause_after: 0s, hold: 2m}}
  asked: {paused_rolling: {hold: 1m, approve: on_call}}
  automatic: {canary: {via: edge, steps: [50%], hold: 2m, guards: [errors]}}
  by-hand: {canary: {via: edge, steps: [50%], hold: 2m, guards: [errors], operator: on_call}}
  halves: {in_place_halves: {drain: 10s, soak: 30s}}
  halves-and-more: {in_place_halves: {drain: 10s, soak: 30s, extra_pods: 50%}}
  unsure: {canary: {via: edge, steps: [10%], hold: 1m, guards: [errors]}}
clock: {settle: 10s, horizon: 40m}
"""


def scenario(*overrides: str) -> Scenario:
    return loads(BASE, "test", overrides)


def trial(strategy: str, candidate: str = "healthy", *overrides: str, seed: int = 0) -> Record:
    return simulate(Trial(scenario(*overrides), strategy, candidate, seed))


def counts(record: Record, t: float, kind: PodEvent) -> list[int]:
    """Of stable and of the candidate: pods to whom that has happened in (0, t]."""
    pods = record.truth.pods
    chosen = (pods.kind == kind) & (pods.time > 0) & (pods.time <= t * 1e9)
    return [int((pods.version[pods.pod[chosen]] == version).sum()) for version in (0, 1)]


def ready(record: Record, t: float) -> tuple[int, int]:
    """Pods of stable and of the candidate that are ready in the EndpointSlice at t."""
    pods, inside = record.truth.pods, set[int]()
    for time, pod, kind in zip(pods.time, pods.pod, pods.kind, strict=True):
        if time <= t * 1e9 and kind in (PodEvent.IN, PodEvent.OUT, PodEvent.GONE):
            (inside.add if kind == PodEvent.IN else inside.discard)(int(pod))
    new = sum(int(pods.version[pod]) for pod in inside)
    return len(inside) - new, new


def stages(record: Record) -> list[str]:
    return [event.text for event in record.events if event.kind is Kind.STAGE]


# --- paused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("strategy", "created", "deleted"), [("pause", 5, 2), ("at-once", 3, 0)])
def test_a_pause_finds_the_first_batch_out_and_settles_at_replicas_and_surge(
    strategy: str, created: int, deleted: int, seed: int
) -> None:
    # measured on a node: docs/timing.md
    record = trial(strategy, seed=seed)
    assert counts(record, 100.0, PodEvent.CREATED) == [0, created]
    assert counts(record, 100.0, PodEvent.DELETED) == [deleted, 0]
    assert ready(record, 100.0) == (13 - created, created)


def test_the_pause_is_sent_to_the_moment_whatever_the_ticks() -> None:
    record = trial("pause", "healthy", "clock.tick=10s")
    sent = {str(action): t for t, _, action in record.actions}
    assert sent[str(Command(Verb.PAUSE, "main"))] == 0.05


def test_a_paused_deployment_is_not_late_and_resumes_with_a_new_clock() -> None:
    record = trial("pause", "healthy", "strategies.pause.paused_rolling.progress_deadline=1m")
    assert record.outcome is not None
    assert record.outcome.verdict is Verdict.PROMOTED
    assert not any(pool.overdue for seen in record.observed for pool in seen.pools.values())


@pytest.mark.parametrize(
    ("strategy", "back"),
    [
        ("pause", ["resume and undo"]),
        ("pause-finish", ["finish", "undo"]),
        ("pause-image", ["old image, then resume"]),
    ],
)
def test_each_way_back_ends_with_ten_old_pods(strategy: str, back: list[str]) -> None:
    record = trial(strategy, "errors")
    assert record.outcome is not None
    assert record.outcome.verdict is Verdict.ROLLED_BACK
    assert stages(record) == ["first pods", *back]
    assert ready(record, record.outcome.settled_at + 30) == (10, 0)  # type: ignore[operator]


def test_only_finishing_first_puts_everybody_on_the_bad_version() -> None:
    most = {}
    for strategy in ("pause", "pause-finish", "pause-image"):
        record = trial(strategy, "errors")
        most[strategy] = max(
            pool.pods.get(CANDIDATE, (0, 0, 0))[2] for seen in record.observed for pool in seen.pools.values()
        )
    assert most["pause-finish"] == 10
    assert max(most["pause"], most["pause-image"]) < 10


def test_an_undo_is_refused_while_paused() -> None:
    world = World(Trial(scenario(), "pause", "healthy", 0))
    plan = world.scenario.plan("pause")
    world._start(plan.start, plan.route, STABLE)
    for name, verb in (("a", Verb.PAUSE), ("b", Verb.UNDO)):
        world.ask(Asked(name, Command(verb, "main")))
    world.clock.run(0)
    seen = world._observation()
    assert seen.done == {"a"}
    assert seen.refused == {"b": "main is paused, and a paused Deployment is not undone: resume it first"}


def test_an_undo_without_another_template_is_refused() -> None:
    world = World(Trial(scenario(), "pause", "healthy", 0))
    world._start((("main", 2),), world.scenario.plan("pause").route, STABLE)
    world.ask(Asked("a", Command(Verb.UNDO, "main")))
    world.clock.run(0)
    assert "no other template" in world._observation().refused["a"]


# --- people --------------------------------------------------------------------------------------------


def reaction(seed: int, call: int = 0) -> float:
    person = scenario().operators["on_call"]
    times = enumerate((person.notices, person.acts))
    return sum(draw(t.distribution(), u(seed, Purpose.OPERATOR, *b"on_call", call, i)) for i, t in times)


def test_a_step_goes_on_when_the_person_has_noticed_and_acted() -> None:
    record = trial("asked")
    at = {event.text: event.t for event in record.events}
    assert at["rest"] - at["approve the rest"] == pytest.approx(reaction(0), abs=0.01)
    called = [action for _, _, action in record.actions if isinstance(action, Call)]
    assert called == [Call("on_call", "approve the rest")]


@pytest.mark.parametrize("seed", range(3))
def test_a_paged_person_goes_back_as_the_machine_would_have_only_later(seed: int) -> None:
    machine, person = (trial(name, "errors", seed=seed) for name in ("automatic", "by-hand"))
    failed = next(event.t for event in machine.events if event.kind is Kind.GUARD)
    paged = next(event.t for event in person.events if event.kind is Kind.PAGE)
    assert machine.outcome is not None
    assert person.outcome is not None
    assert paged == failed == machine.outcome.decided_at
    assert person.outcome.decided_at == pytest.approx(paged + reaction(seed), abs=0.01)
    assert person.outcome.verdict is machine.outcome.verdict is Verdict.ROLLED_BACK
    harmed = [int((record.truth.tally.counts[:, 1, 1]).sum()) for record in (machine, person)]
    assert harmed[1] > harmed[0]


@pytest.mark.parametrize("strategy", ["asked", "by-hand", "pause-finish", "halves-and-more"])
@pytest.mark.parametrize("candidate", ["healthy", "errors"])
def test_what_was_seen_replays_to_the_same_decisions(strategy: str, candidate: str) -> None:
    record = trial(strategy, candidate)
    chosen = record.trial.scenario
    again = replay(chosen.plan(strategy), chosen.guards, record.observed)
    assert again.outcome == record.outcome
    assert again.events == record.events
    assert tuple((t, a.id, a.action) for t, a in again.asked) == record.actions


@pytest.mark.parametrize("strategy", ["pause", "by-hand", "halves-and-more"])
def test_idle_ticks_change_nothing(strategy: str) -> None:
    chosen = Trial(scenario("clock.horizon=15m"), strategy, "errors", 0)
    assert digest(simulate(chosen)) == digest(simulate(chosen, every_tick=True))


# --- guards that cannot say ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("wait", Verdict.ROLLED_BACK), ("proceed", Verdict.PROMOTED), ("undo", Verdict.ROLLED_BACK)],
)
def test_a_guard_without_enough_requests_counts_for_what_was_said(word: str, verdict: Verdict) -> None:
    overrides = ("guards.errors.min_requests=5000", f"strategies.unsure.canary.on_inconclusive={word}")
    record = trial("unsure", "healthy", *overrides)
    assert record.outcome is not None
    assert record.outcome.verdict is verdict
    if word == "wait":
        assert "deadline" in record.outcome.reason
    if word == "undo":
        assert record.outcome.reason == "guard errors was inconclusive"


# --- halves --------------------------------------------------------------------------------------------


def test_extra_pods_keep_the_capacity_that_halves_halve() -> None:
    least = {}
    for name in ("halves", "halves-and-more"):
        record = trial(name)
        assert record.outcome is not None
        assert record.outcome.verdict is Verdict.PROMOTED
        serving = []
        for change in record.truth.routes[1:]:
            pods, t = record.truth.pods, change.in_force or change.t
            inside = set[int]()
            for time, pod, kind in zip(pods.time, pods.pod, pods.kind, strict=True):
                if time <= t * 1e9 and kind in (PodEvent.IN, PodEvent.OUT):
                    (inside.add if kind == PodEvent.IN else inside.discard)(int(pod))
            routed = [pods.pools.index(pool) for pool in change.route.pools]  # type: ignore[union-attr]
            serving.append(int(np.isin(pods.pool[list(inside)], routed).sum()))
        least[name] = min(serving)
        assert ready(record, record.outcome.settled_at + 30) == (0, 10)  # type: ignore[operator]
    assert least == {"halves": 5, "halves-and-more": 10}


def test_routes_are_set_by_actions_only() -> None:
    record = trial("halves-and-more")
    asked = [action for _, _, action in record.actions if isinstance(action, SetRoute)]
    assert len(record.truth.routes) == 1 + len(asked)
