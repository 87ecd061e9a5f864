"""Whatever goes wrong together: every request ends once, every pod's life is one, and the pool recovers."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.load import loads
from scenarios.record import ARM, PodEvent, Trial, digest
from sim.world import World, simulate

BASE = """
format: rolloutlab/1
name: test
service: {replicas: 5, slots: 2, queue: 5}
versions: {stable: {start: 1s, service_time: 50ms}}
traffic: {rate: 60/s, users: {count: 50}, client: {timeout: 2s}}
cluster:
  nodes: 3
  node_grace: 5s
  eviction: 20s
  pods: {readiness: {period: 1s}, termination: {pre_stop: 2s}}
strategies:
  rolling: {rolling: {}}
  recreate: {recreate: {}}
clock: {settle: 5s, horizon: 6m}
"""

SPANS = st.builds(
    lambda at, lasting: {"at": f"{at}s", "lasting": f"{lasting}s"}, st.integers(0, 60), st.integers(1, 60)
)
NODES = st.integers(0, 2).map(lambda n: {"node": n})
KINDS = {
    "node_down": NODES,
    "node_drain": NODES,
    "node_slow": NODES.map(lambda n: n | {"slower": 3.0}),
    "slow_dependency": st.just({"adds": "50ms"}),
    "slow_api": st.just({"slower": 30.0}),
    "router_stall": st.just({}),
    "no_room": st.just({}),
}
FAULTS = st.lists(
    st.sampled_from(sorted(KINDS)).flatmap(
        lambda kind: st.builds(lambda span, more: {kind: span | more}, SPANS, KINDS[kind])
    ),
    min_size=1,
    max_size=5,
)
AILMENTS = st.fixed_dictionaries(
    {},
    optional={
        "versions.stable.crash": st.sampled_from(
            ["{per_hour: 60}", "{on_request: 1%}", "{after_start: 40s}"]
        ),
        "versions.stable.leak": st.just("{slower: 2, over: 1m, crash: true}"),
        "versions.stable.pull": st.just("5s"),
        "cluster.pods.liveness": st.just("{period: 2s, failure: 2}"),
        "cluster.disruption_budget": st.sampled_from(["{min_available: 4}", "{max_unavailable: 40%}"]),
        "cluster.autoscaler": st.just("{min: 2, max: 8, stabilization: 30s}"),
        "cluster.spare_pods": st.just("1"),
    },
)


def played(faults: list[object], ailments: dict[str, str], strategy: str, seed: int) -> World:
    overrides = [f"{path}={value}" for path, value in ailments.items()]
    scenario = loads(BASE, "test", (*overrides, f"faults={faults}"))
    world = World(Trial(scenario, strategy, None if strategy == ARM else "candidate", seed))
    world.record = world.arm() if strategy == ARM else world.release(scenario.plan(strategy))  # type: ignore[attr-defined]
    return world


@settings(max_examples=40, deadline=None)
@given(FAULTS, AILMENTS, st.sampled_from([ARM, "rolling", "recreate"]), st.integers(0, 99))
def test_every_request_ends_once_and_every_pods_life_is_one(
    faults: list[object], ailments: dict[str, str], strategy: str, seed: int
) -> None:
    world = played(faults, ailments, strategy, seed)
    truth = world.record.truth  # type: ignore[attr-defined]
    assert truth.tally.counts.sum() == truth.tally.arrivals.sum()
    lives: dict[int, list[PodEvent]] = {}
    for pod, kind in zip(truth.pods.pod.tolist(), truth.pods.kind.tolist(), strict=True):
        lives.setdefault(pod, []).append(PodEvent(kind))
    for life in lives.values():
        assert life[0] is PodEvent.CREATED
        assert life.count(PodEvent.DELETED) <= 1
        assert PodEvent.GONE not in life[:-1]
        if PodEvent.DELETED in life:
            assert PodEvent.IN not in life[life.index(PodEvent.DELETED) :]
        turns = [event for event in life if event in (PodEvent.IN, PodEvent.OUT)]
        assert all(a is not b for a, b in pairwise(turns))
        assert turns[:1] in ([], [PodEvent.IN])
    staying = Counter(
        (pod.node.number, pod.kit.index) for pod in world.pods if pod.started and not pod.terminating
    )
    assert all(node.staying[v] == staying[node.number, v] for node in world.nodes for v in (0, 1))


@settings(max_examples=25, deadline=None)
@given(FAULTS, st.sampled_from([ARM, "rolling"]), st.integers(0, 99))
def test_once_all_is_over_the_pool_is_whole_again(faults: list[object], strategy: str, seed: int) -> None:
    world = played(faults, {}, strategy, seed)
    (pool,) = world.pools.values()
    ready = [pod for pod in pool.pods if pod.ready]
    assert len(ready) == 5
    assert not any(pod.terminating and not pod.gone for pod in world.pods)
    assert len({pod.kit.index for pod in ready}) == 1


def test_in_a_world_that_goes_wrong_idle_ticks_change_nothing_either() -> None:
    wrong = (
        "faults=[{node_down: {at: 10s, lasting: 40s, node: 1}}, {metrics_gap: {at: 20s, lasting: 30s}}]",
        "cluster.autoscaler={min: 2, max: 8, stabilization: 30s}",
        "cluster.pods.liveness={period: 2s, failure: 2}",
        "guards.errors={metric: failure_share, limit: 5%, window: 30s, min_requests: 10}",
        "strategies.rolling.rolling={guards: [errors], rollback: undo}",
    )
    chosen = Trial(loads(BASE, "test", wrong), "rolling", "candidate", 3)
    assert digest(simulate(chosen)) == digest(simulate(chosen, every_tick=True))
