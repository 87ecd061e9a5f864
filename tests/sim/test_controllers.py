"""The Deployment controller on its own events: what it creates and deletes, when, and what it reports."""

from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.plan import CANDIDATE, STABLE
from scenarios.semantics.deployment import Deployment, Recreate, RollingUpdate
from sim.clock import SECOND, Clock, Order
from sim.controllers import AGAIN, POLLED, REACTION, VERSIONS, PoolController

START, END = 10.0, 5.0  # seconds from created to available, and from deleted to gone
CLEAN_UP = 2.0  # of END: seconds from ended to gone


@dataclass(eq=False)
class FakePod:
    """What the controller sees of a pod; it becomes available and goes away by the clock."""

    number: int
    version: str
    clock: Clock
    pool: "Pool"
    terminating: bool = False
    ended: bool = False
    gone: bool = False
    started: bool = True
    starts: int = 1
    restarts: int = 0
    ready_since: int | None = None
    available_since: int | None = None

    def __post_init__(self) -> None:
        self.created_at = self.clock.now
        self.kit = SimpleNamespace(index=VERSIONS.index(self.version))

    @property
    def ready(self) -> bool:
        return self.ready_since is not None and not self.terminating

    def come(self) -> None:
        if not self.terminating:
            self.ready_since = self.available_since = self.clock.now
            self.pool.controller.poke()

    def fail(self) -> None:
        self.ready_since = self.available_since = None
        self.pool.controller.poke()

    def delete(self) -> None:
        self.terminating = True
        self.pool.controller.poke()
        self.clock.after(round((END - CLEAN_UP) * SECOND), Order.POD, self.end)
        self.clock.after(round(END * SECOND), Order.POD, self.go)

    def end(self) -> None:
        self.ended = True
        self.pool.controller.ended()

    def go(self) -> None:
        self.gone = True
        self.pool.controller.poke()


class Pool:
    """A controller with pods that obey; `never` names versions whose pods never become available."""

    def __init__(self, replicas: int = 10, *, never: tuple[str, ...] = (), start: float = START) -> None:
        self.clock, self.never, self.start_after = Clock(0), never, start
        self.pods: list[FakePod] = []
        self.reports: list[tuple[float, bool]] = []
        self.sizes: list[tuple[float, int, int]] = []
        self.most_alive = 0
        deployment = Deployment(STABLE, replicas, RollingUpdate())
        self.controller = PoolController("main", deployment, 0, self.clock, self.create, self.report)  # type: ignore[arg-type]
        old = [self.new(STABLE) for _ in range(replicas)]
        for pod in old:
            pod.come()
        self.controller.start(old)  # type: ignore[arg-type]
        self.until(1.0)

    def new(self, version: str) -> FakePod:
        self.pods.append(FakePod(len(self.pods), version, self.clock, self))
        return self.pods[-1]

    def create(self, pool: str, version: str) -> FakePod:
        assert pool == "main"
        pod = self.new(version)
        if version not in self.never:
            self.clock.after(round(self.start_after * SECOND), Order.POD, pod.come)
        return pod

    def report(self) -> None:
        self.reports.append((self.clock.seconds, self.controller.overdue))

    def change(self, **wanted: object) -> "Pool":
        self.controller.change(**wanted)
        return self

    def until(self, t: float) -> "Pool":
        """Go on, noting (seconds, stable pods, candidate pods) at each change; terminating ones left out."""
        when = round(t * SECOND)
        self.clock.at(when, Order.TICK, lambda: None)
        while self.clock.upcoming() <= when:
            self.clock.step()
            now = (self.count(STABLE), self.count(CANDIDATE))
            if not self.sizes or self.sizes[-1][1:] != now:
                self.sizes.append((self.clock.seconds, *now))
            self.most_alive = max(self.most_alive, sum(not pod.gone for pod in self.pods))
        return self

    def count(self, version: str) -> int:
        return sum(pod.version == version and not pod.terminating for pod in self.pods)

    @property
    def available(self) -> int:
        return sum(pod.available_since is not None and not pod.terminating for pod in self.pods)

    @property
    def path(self) -> list[tuple[int, int]]:
        return [(old, new) for _, old, new in self.sizes]


# --- rolling -------------------------------------------------------------------------------------------


def test_the_first_batch_of_ten_by_25_percent_is_out_within_50_milliseconds() -> None:
    pool = Pool().change(version=CANDIDATE).until(1.05)
    assert pool.path == [(10, 0), (10, 3), (8, 3), (8, 5)]
    created, deleted, more = (t - 1.0 for t, _, _ in pool.sizes[1:])
    assert created == pytest.approx(REACTION / SECOND)
    # each sync does one kind of thing; the next one follows at once
    assert deleted == pytest.approx((REACTION + AGAIN) / SECOND)
    assert more == pytest.approx((REACTION + 2 * AGAIN) / SECOND)


def test_a_rolling_update_ends_with_the_new_pods_alone_and_never_under_its_floor() -> None:
    pool = Pool().change(version=CANDIDATE)
    floor = 10
    for tenth in range(11, 600):
        floor = min(floor, pool.until(tenth / 10).available)
    assert pool.path[-1] == (0, 10)
    assert floor == 8
    assert pool.most_alive > 13  # terminating pods are in nobody's count


def test_pods_that_never_come_freeze_it_at_8_old_and_5_new() -> None:
    pool = Pool(never=(CANDIDATE,)).change(version=CANDIDATE).until(500)
    assert pool.path[-1] == (8, 5)


def test_undoing_a_frozen_update_drops_the_bad_pods_at_once_and_refills() -> None:
    pool = Pool(never=(CANDIDATE,)).change(version=CANDIDATE).until(100)
    pool.change(version=STABLE).until(101)
    assert pool.path[-2:] == [(8, 0), (10, 0)]


def test_undoing_half_way_keeps_the_floor() -> None:
    pool = Pool().change(version=CANDIDATE).until(1.0 + START + 1)
    assert 0 < pool.count(STABLE) < 10
    pool.change(version=STABLE)
    floor = min(pool.until(13 + tenth / 10).available for tenth in range(400))
    assert floor >= 8
    assert pool.path[-1] == (10, 0)


def test_pods_that_are_not_ready_are_given_up_first() -> None:
    pool = Pool(4)
    pool.pods[2].fail()
    pool.change(replicas=3).until(2.0)
    assert [pod.number for pod in pool.pods if pod.terminating] == [2]


# --- recreate ------------------------------------------------------------------------------------------


def waits(pool: Pool) -> list[float]:
    """Seconds from a time when no pod is wanted to the next pods."""
    return [after[0] - before[0] for before, after in pairwise(pool.sizes) if before[1:] == (0, 0)]


def test_recreate_waits_for_the_last_old_pod_to_be_gone() -> None:
    pool = Pool().change(version=CANDIDATE, strategy=Recreate(), progress_deadline=None).until(60)
    assert pool.path == [(10, 0), (0, 0), (0, 10)]
    assert waits(pool) == [pytest.approx(END + REACTION / SECOND, abs=0.01)]
    assert pool.most_alive == 10


def test_recreate_waits_for_old_pods_to_have_ended_only_if_the_last_release_was_complete_long_ago() -> None:
    """Then upstream syncs again and again, and counts no pod that has ended [requeueStuckDeployment]."""
    pool = Pool().change(strategy=Recreate(), progress_deadline=30.0)
    for t in (30.0, 55.0, 105.0):  # the second is soon after the first, which is complete at 43 s
        pool.until(t).change(version=STABLE if t == 55.0 else CANDIDATE)
    pool.until(150)
    assert pool.path[1:] == [(0, 0), (0, 10), (0, 0), (10, 0), (0, 0), (0, 10)]
    early, late = END - CLEAN_UP + POLLED / SECOND, END + REACTION / SECOND
    assert waits(pool) == pytest.approx([early, late, early], abs=0.01)


def test_recreate_waits_for_the_last_pod_of_a_version_that_never_came() -> None:
    recreate = {"strategy": Recreate(), "progress_deadline": 5.0}
    pool = Pool(never=(CANDIDATE,)).change(version=CANDIDATE, **recreate).until(60)
    pool.change(version=STABLE).until(100)
    assert waits(pool)[1] == pytest.approx(END + REACTION / SECOND, abs=0.01)


# --- scaling -------------------------------------------------------------------------------------------


def test_scaling_alone_moves_no_version() -> None:
    pool = Pool().change(replicas=12).until(20).change(replicas=3).until(40)
    assert pool.path == [(10, 0), (12, 0), (3, 0)]


def test_replicas_and_version_changed_together_scale_first() -> None:
    pool = Pool(9).change(replicas=10).change(version=CANDIDATE).until(60)
    assert pool.path[:3] == [(9, 0), (10, 0), (10, 3)]
    assert pool.path[-1] == (0, 10)


def test_scaling_in_mid_rollout_is_shared_out_and_the_rollout_goes_on() -> None:
    pool = Pool().change(version=CANDIDATE).until(2.0)
    assert pool.path[-1] == (8, 5)
    pool.change(replicas=20).until(2.1)
    # 20 replicas and a surge of 5, in the proportion of 8 to 5
    assert (15, 10) in pool.path
    assert pool.until(120).path[-1] == (0, 20)


def test_scaling_down_in_mid_rollout_ends_there_too() -> None:
    pool = Pool().change(version=CANDIDATE).until(2.0).change(replicas=4).until(120)
    assert pool.path[-1] == (0, 4)


def test_an_empty_pool_has_no_pod_and_a_new_version_starts_none_of_the_old() -> None:
    pool = Pool(0).change(version=CANDIDATE).until(2.0).change(replicas=4).until(60)
    assert pool.path == [(0, 0), (0, 4)]


# --- progress ------------------------------------------------------------------------------------------


def test_a_rollout_that_stops_is_overdue_after_its_deadline_and_a_second() -> None:
    pool = Pool(never=(CANDIDATE,)).change(version=CANDIDATE, progress_deadline=60.0).until(300)
    # the last progress was the creation of the fifth pod
    ((when, late),) = pool.reports
    assert late
    assert when == pytest.approx(1.0 + 60 + 1, abs=0.2)


def test_each_pod_that_comes_starts_the_count_anew() -> None:
    pool = Pool(start=50.0).change(version=CANDIDATE, progress_deadline=60.0).until(500)
    assert pool.path[-1] == (0, 10)
    assert pool.reports == []


def test_an_overdue_rollout_that_moves_again_is_overdue_no_more() -> None:
    pool = Pool(start=100.0).change(version=CANDIDATE, progress_deadline=60.0).until(500)
    assert [late for _, late in pool.reports][:2] == [True, False]
    assert pool.path[-1] == (0, 10)


def test_a_change_of_the_template_ends_being_overdue() -> None:
    pool = Pool(never=(CANDIDATE,)).change(version=CANDIDATE, progress_deadline=60.0).until(100)
    assert pool.controller.overdue
    assert not pool.change(version=STABLE).controller.overdue


def test_a_pod_that_fails_after_the_rollout_is_complete_exceeds_no_deadline() -> None:
    pool = Pool().change(version=CANDIDATE, progress_deadline=60.0).until(100)
    assert pool.path[-1] == (0, 10)
    next(pod for pod in pool.pods if not pod.terminating).fail()
    pool.until(1000)
    assert pool.reports == []


# --- whatever is asked ---------------------------------------------------------------------------------


CHANGES = st.lists(
    st.tuples(
        st.floats(0.01, 30),
        st.one_of(
            st.builds(dict, replicas=st.integers(0, 12)),
            st.builds(dict, version=st.sampled_from([STABLE, CANDIDATE])),
            st.builds(dict, replicas=st.integers(0, 12), version=st.sampled_from([STABLE, CANDIDATE])),
        ),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(CHANGES)
def test_in_the_end_there_is_what_was_asked_for(changes: list[tuple[float, dict[str, object]]]) -> None:
    pool, t = Pool(6), 1.0
    for wait, wanted in changes:
        t += wait
        pool.until(t).change(**wanted)
    pool.until(t + 1000)
    wanted_version = pool.controller.deployment.version
    counts = {version: pool.count(version) for version in VERSIONS}
    assert counts[wanted_version] == pool.controller.deployment.replicas
    assert sum(counts.values()) == counts[wanted_version]
    assert not any(pod.terminating and not pod.gone for pod in pool.pods)
