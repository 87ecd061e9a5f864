"""A changed route is in force from when answers say so: found soon, rarely too early, at the right time."""

import numpy as np
import pytest

from live.in_force import ALIKE, Turning, by_pool

RATE = 100.0


def told(old: dict[str, float], new: dict[str, float], turns_at: float, seed: int) -> Turning:
    """A change asked for at 10 s that really happens at `turns_at`, with 100 answers a second until 30 s."""
    chance = np.random.default_rng(seed)
    turning = Turning(old, new, 10.0)
    for sent in np.arange(9.0, 30.0, 1 / RATE):
        shares = new if sent >= turns_at else old
        pool = next(iter(shares)) if chance.random() < next(iter(shares.values())) else list(shares)[-1]
        turning.seen(pool, float(sent))
    return turning


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"blue": 1.0}, {"green": 1.0}),
        ({"main": 1.0}, {"main": 0.95, "canary": 0.05}),
        ({"main": 0.95, "canary": 0.05}, {"main": 1.0}),
        ({"main": 0.75, "canary": 0.25}, {"main": 0.5, "canary": 0.5}),
        ({"left": 0.5, "right": 0.5}, {"right": 1.0}),
    ],
)
def test_a_change_is_found_when_it_happened(old: dict[str, float], new: dict[str, float]) -> None:
    found = [told(old, new, 12.0, seed).at for seed in range(40)]
    assert all(at is not None for at in found)
    off = np.abs(np.array(found, float) - 12.0)
    # the first answer that could tell comes after 1 / (rate · share) seconds on average
    assert np.median(off) < 0.5
    assert np.mean(off < 2.0) > 0.9


def test_no_change_is_rarely_found() -> None:
    old, new = {"main": 0.75, "canary": 0.25}, {"main": 0.5, "canary": 0.5}
    early = [told(old, new, 99.0, seed).at is not None for seed in range(100)]
    # 2,000 answers each; a run of luck worth a factor of 10,000 comes once in some 10,000 of them
    assert np.mean(early) < 0.1


def test_answers_of_requests_sent_before_it_was_asked_for_say_nothing() -> None:
    turning = Turning({"blue": 1.0}, {"green": 1.0}, 10.0)
    for sent in np.linspace(9.0, 9.99, 50):
        turning.seen("green", float(sent))
    assert turning.at is None


def test_shares_that_are_alike_are_in_force_at_once() -> None:
    assert Turning({"a": 0.5, "b": 0.5}, {"a": 0.5 + ALIKE / 2, "b": 0.5 - ALIKE / 2}, 3.0).at == 3.0


def test_one_stray_answer_is_not_the_change() -> None:
    turning = Turning({"main": 1.0}, {"main": 0.5, "canary": 0.5}, 0.0)
    turning.seen("canary", 0.1)
    for sent in np.arange(0.11, 1.0, 0.01):
        turning.seen("main", float(sent))
    assert turning.at is None


def test_within_a_target_every_ready_pod_gets_as_much() -> None:
    targets = {("main", "canary"): 0.8, ("green",): 0.2}
    assert by_pool(targets, {"main": 3, "canary": 1, "green": 2}) == pytest.approx(
        {"main": 0.6, "canary": 0.2, "green": 0.2}
    )
    assert by_pool(targets, {"main": 3, "green": 2}) == pytest.approx(
        {"main": 0.8, "canary": 0.0, "green": 0.2}
    )


def test_a_route_to_pods_that_are_not_ready_just_now_is_found_when_they_answer() -> None:
    """A candidate that crashes again and again is often not ready in the moment when its route is set."""
    ready = {"main": 3}
    old, new = by_pool({("main",): 1.0}, ready), by_pool({("main",): 0.9, ("canary",): 0.1}, ready)
    turning = Turning(old, new, 10.0)
    for sent in (10.1, 10.2, 10.3):
        turning.seen("main", sent)
        turning.seen("canary", sent + 0.05)
    assert turning.at is not None


def test_the_same_route_again_is_awaited_still() -> None:
    old, new = {"blue": 1.0}, {"green": 1.0}
    again = Turning(old, new, 10.0).followed_by(new, 10.2)
    assert again.at is None
    for sent in (10.1, 10.3, 10.4):
        again.seen("green", sent)
    assert again.at == 10.3


def test_another_route_before_the_last_one_is_in_force_is_told_from_the_last_one() -> None:
    back = Turning({"main": 1.0}, {"main": 0.5, "canary": 0.5}, 10.0).followed_by({"main": 1.0}, 10.2)
    assert back.at is None
    for sent in np.arange(10.2, 11.2, 0.05):
        back.seen("main", float(sent))
    assert back.at == 10.2
