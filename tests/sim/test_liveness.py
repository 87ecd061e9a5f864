"""The liveness worker against a pod whose waits are given: when it asks, and when it has it restarted."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from scenarios.version import Pods
from sim.clock import SECOND, Clock, Order
from sim.liveness import Liveness


class FakePod:
    """A pod that listens, with a queue as long as `waits(t)` says."""

    def __init__(self, waits: Callable[[float], float], **probe: object) -> None:
        self.clock = Clock(0)
        self.asked: list[float] = []
        self.restarted: list[float] = []
        self.slot, self.starts, self.running_since = 0, 1, 0
        self.listening, self.terminating = True, False
        liveness = {"period": "10s", "timeout": "2s", **probe}
        self.kit = SimpleNamespace(settings=Pods.model_validate({"liveness": liveness}))
        self.requests = SimpleNamespace(advance=lambda t: None, delay=lambda slot, t: self.wait(t, waits))
        self.worker = Liveness.of(self)  # type: ignore[arg-type]
        assert self.worker is not None
        self.worker.running(1)
        self.worker.tick_since(0)

    def wait(self, t: float, waits: Callable[[float], float]) -> float:
        self.asked.append(t)
        return waits(t)

    def later(self, when: int, then: Callable[[], None]) -> None:
        self.clock.at(when, Order.POD, then)

    def restart(self) -> None:
        self.restarted.append(self.clock.seconds)

    def until(self, t: float) -> "FakePod":
        self.clock.run(round(t * SECOND))
        return self


def test_none_is_asked_for_none() -> None:
    settings = SimpleNamespace(settings=Pods.model_validate({"liveness": "none"}))
    assert Liveness.of(SimpleNamespace(kit=settings)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("wait", [0.0, 1.9, 2.0])
def test_a_probe_that_is_answered_within_its_timeout_succeeds(wait: float) -> None:
    pod = FakePod(lambda t: wait).until(100)
    assert pod.asked == [10.0 * k for k in range(1, 11)]
    assert pod.restarted == []


def test_the_third_failure_in_a_row_restarts_when_its_timeout_is_over() -> None:
    assert FakePod(lambda t: 2.1).until(100).restarted == [32.0]
    assert FakePod(lambda t: 0.0 if t == 20 else 9.0).until(100).restarted == [52.0]
    assert FakePod(lambda t: 9.0, failure=1).until(100).restarted == [12.0]


def test_a_full_waiting_room_answers_503_at_once() -> None:
    assert FakePod(lambda t: math.inf).until(100).restarted == [30.0]


def test_nothing_is_asked_while_it_is_on_hold_and_a_new_container_begins_with_no_failure() -> None:
    pod = FakePod(lambda t: 9.0).until(55)
    assert pod.asked == [10.0, 20.0, 30.0]
    pod.starts = 2
    pod.worker.running(2)  # type: ignore[union-attr]
    assert pod.until(100).asked == [10.0, 20.0, 30.0, 60.0, 70.0, 80.0]
    assert pod.restarted == [32.0, 82.0]


def test_a_container_that_is_not_seen_yet_is_not_probed() -> None:
    pod = FakePod(lambda t: 9.0).until(15)
    pod.starts = 2
    assert pod.until(100).asked == [10.0]


def test_a_probe_that_outlasts_the_period_is_followed_by_the_next_at_once() -> None:
    pod = FakePod(lambda t: 25.0, timeout="30s").until(80)
    assert pod.asked == [10.0, 35.0, 60.0]
    assert pod.restarted == []


def test_before_the_initial_delay_it_is_not_asked() -> None:
    assert FakePod(lambda t: 9.0, initial_delay="25s").until(35).asked == [30.0]


def test_a_terminating_pod_is_not_probed_any_more() -> None:
    pod = FakePod(lambda t: 9.0).until(15)
    pod.terminating = True
    assert pod.until(1000).asked == [10.0]
    assert pod.clock.upcoming() == math.inf
