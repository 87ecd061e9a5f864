"""The general engine as the control plane uses it: what it refuses, and what each habit does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from scenarios.distributions import Constant, Exponential, LogNormal
from scenarios.tally import CANDIDATE, STABLE, Grid, Status
from sim.general_requests import GeneralRequests
from sim.habits import Habits, Kept

SERVICE = (LogNormal.of(mean=0.05, cv=1.0),) * 2


def world(habits: Habits, **changes: Any) -> GeneralRequests:
    usual: dict[str, Any] = {
        "seed": 1, "rate": 200.0, "users": 1000, "activity": "even", "grid": Grid(0, 60, 6), "slots": 4,
        "queue": 50, "timeout": 1.0, "service": SERVICE, "trace": True,
    }  # fmt: skip
    return GeneralRequests(habits, **(usual | changes))


@pytest.mark.parametrize(
    ("habits", "changes", "said"),
    [
        (Habits(pauses=(1.0, 3.0)), {}, r"3 tries of 1.0 s and the pauses .* up to 7.0 s"),
        (Habits(pauses=(2.0, 2.0), jitter=0.5), {"grid": Grid(0, 60, 9)}, "up to 9.0 s"),
        (Habits(pauses=(0.0,) * 15, proxy_tries=20), {"timeout": 0.1}, "at most 255 tries"),
        (Habits(think=Constant(0.0)), {}, "users of a closed loop must pause"),
        (Habits(copies=0), {"backends": 2}, "copies go to the last backend, 1, not to 0"),
    ],
)
def test_what_cannot_be_is_refused(habits: Habits, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        world(habits, **changes)


@pytest.mark.parametrize("layer_7", [False, True])
@pytest.mark.parametrize("kept", [None, Kept(requests=5), Kept(pool=400), Kept(pool=400, requests=3)])
def test_every_proxy_reaches_every_pod_alike(kept: Kept | None, layer_7: bool) -> None:
    """What chooses a connection, and with it a proxy, must tell nothing of the pod."""
    own = {0: [0, 1, 2, 3], 1: [4, 5, 6, 7]}
    requests = world(Habits(kept=kept, layer_7=layer_7), proxies=2)
    for _ in range(8):
        requests.add_pod(STABLE, 0.0, 0.0)
    for proxy, slots in own.items():
        requests.rotate(proxy, 0, slots)
    requests.finish()
    chosen = np.bincount(requests.rows()["slot"], minlength=8)
    # tries on one connection of layer 4 go together; else each is for itself
    together = 30 if kept is not None and kept.requests > 5 and not layer_7 else 5
    for slots in own.values():
        found = chosen[slots] / (1 if layer_7 or kept is None else together)
        assert stats.chisquare(found).pvalue > 1e-4, chosen


def connected(layer_7: bool, **changes: Any) -> GeneralRequests:
    """One user, asking twice a second on one connection, of two pods."""
    kept = Habits(kept=Kept(), layer_7=layer_7)
    requests = world(kept, users=1, rate=2.0, service=(Constant(0.01),) * 2, **changes)
    requests.rotate(0, 0, [requests.add_pod(STABLE, 0.0, 0.0), requests.add_pod(CANDIDATE, 0.0, 0.0)])
    return requests


def test_layer_4_stays_with_a_pod_and_layer_7_only_with_the_proxy() -> None:
    stays, roams = connected(layer_7=False), connected(layer_7=True)
    for requests in (stays, roams):
        requests.finish()
    assert len(set(stays.rows()["slot"])) == 1
    assert set(roams.rows()["slot"]) == {0, 1}
    assert stays.tally.flips.sum() == 0 < roams.tally.flips.sum()


def test_a_kept_connection_outlives_a_rotation_but_not_its_process() -> None:
    requests = connected(layer_7=False)
    requests.advance(10.0)
    had = int(requests.rows()["slot"][-1])
    requests.rotate(0, 0, [1 - had])
    requests.advance(20.0)
    assert set(requests.rows()["slot"]) == {had}
    requests.kill(had, 20.0)
    requests.refuse(had)
    requests.finish()
    rows = requests.rows()
    assert set(rows["slot"][rows["due"] >= 20.0]) == {1 - had}
    assert set(rows["status"]) == {Status.OK}


def test_a_connection_to_nowhere_is_used_until_somebody_gave_up() -> None:
    requests = connected(layer_7=False)
    requests.advance(10.0)
    had = int(requests.rows()["slot"][-1])
    requests.silence(had)
    requests.rotate(0, 0, [1 - had])
    requests.finish()
    rows = requests.rows()
    after = rows["due"] >= 10.0
    closed = rows["end"][after & (rows["status"] == Status.TIMEOUT)].min()
    assert np.array_equal(rows["slot"][after] == had, rows["due"][after] < closed)


def test_who_has_less_time_left_leaves_the_waiting_room_earlier() -> None:
    """A proxy's second try comes after others and gives up before them: its place is free then."""
    habits = Habits(proxy_tries=2, proxy_on=frozenset({Status.ERROR}))
    requests = world(habits, slots=1, queue=2, service=(Constant(0.7),) * 2, rate=20.0, seed=3)
    slot = requests.add_pod(STABLE, 1.0, 0.0)
    requests.rotate(0, 0, [slot])
    for t in np.arange(0.25, 60.0, 0.25):
        requests.advance(float(t))
        rows = requests.rows()
        here = (rows["status"] != Status.REJECTED) & (rows["end"] > t)
        works = np.nan_to_num(rows["start"], nan=np.inf) + 0.7
        begun = rows["start"] <= t
        waiting = np.count_nonzero(here & ~begun)
        assert requests.outstanding(slot, float(t)) == waiting + np.count_nonzero(begun & (works > t))


def test_a_process_dies_of_a_request_and_is_reported_once() -> None:
    requests = world(Habits(poison=(1.0, 0.0)))
    requests.rotate(0, 0, [requests.add_pod(STABLE, 0.0, 0.0)])
    ((slot, when),) = requests.crashed(30.0)
    rows = requests.rows()
    assert (slot, when) == (0, rows["due"][0])
    assert rows["status"][0] == Status.RESET
    assert set(rows["status"][1:]) == {Status.REFUSED}
    assert requests.crashed(31.0) == []


def test_copies_are_seen_by_nobody() -> None:
    requests = world(Habits(copies=1), backends=2, users=50, rate=20.0)
    for version in (STABLE, CANDIDATE):
        requests.rotate(0, version, [requests.add_pod(version, float(version), 0.0)])
    requests.stick(0, "no", [None], copied=0.25)
    tally = requests.finish()
    assert tally.mirrored is not None
    assert tally.mirrored_latency is not None
    total, copies = tally.counts.sum(), tally.mirrored.sum()
    assert tally.counts[:, STABLE].sum() == total
    assert abs(copies - total / 4) < 4 * np.sqrt(total * 3 / 16)
    assert tally.mirrored[:, Status.ERROR].sum() == copies == tally.mirrored_latency.sum()
    assert tally.new_harmed.sum() == tally.new_met[:, CANDIDATE].sum() == 0


def test_a_closed_loop_has_at_most_one_request_per_user() -> None:
    requests = world(Habits(think=Exponential(0.2), pauses=(0.1,)), users=30, queue=3, slots=2)
    requests.rotate(0, 0, [requests.add_pod(STABLE, 0.1, 0.0)])
    requests.finish()
    rows = requests.rows()
    for user in range(30):
        mine = rows["user"] == user
        assert np.all(rows["due"][mine][1:] >= rows["end"][mine][:-1])
