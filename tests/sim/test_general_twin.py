"""The general engine equals its twin bit for bit, and the fast engine in what both can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from general_twin import both
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_twin import POLICIES, SLOW, start, world, worlds
from twin import Script

from scenarios.distributions import Constant, Exponential, LogNormal
from scenarios.tally import FLAG_BITS, HARMED, NOBODY, Grid, Status, Tally
from sim.general_requests import GeneralRequests
from sim.habits import Habits, Kept
from sim.requests import Requests

NAMES = ("due", "user", "slot", "version", "status", "start", "end")
SOME = np.array([[[0.1, 0.3], [0.0, 0.5]], [[0.0, 0.2], [0.4, 0.0]], [[0.3, 0.0], [0.5, 0.2]]])


def assert_same_rows(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert len(found["due"]) == len(expected["due"])
    for name in NAMES:
        one, other = found[name], expected[name]
        different = np.flatnonzero((one != other) & ~(np.isnan(one) & np.isnan(other)))
        if different.size:
            first = different[0]
            pair = [{k: v[first] for k, v in rows.items()} for rows in (found, expected)]
            raise AssertionError(f"row {first} differs in {name}: {pair[0]} is not {pair[1]}")


def assert_same_tally(found: Tally, expected: Tally) -> None:
    for f in fields(Tally):
        if f.name != "grid":
            one, other = getattr(found, f.name), getattr(expected, f.name)
            assert (one is None) == (other is None), f.name
            assert one is None or np.array_equal(one, other), f.name


def assert_equal(script: Script, habits: Habits | None = None, **changes: Any) -> GeneralRequests:
    requests, twin = both(script, habits or Habits(), **changes)
    expected = {name: np.array([getattr(row, name) for row in twin.rows]) for name in NAMES}
    assert_same_rows(requests.rows(), expected)
    assert_same_tally(requests.tally, twin.tally())
    end = float(changes["grid"].end)
    assert requests.crashed(end) == twin.deaths
    for slot in range(len(twin.pods)):
        assert requests.busy(slot, end) == pytest.approx(twin.busy(slot, end), rel=1e-9, abs=1e-9)
    assert_conserved(requests)
    return requests


def assert_conserved(requests: GeneralRequests) -> None:
    """Every request is booked once, with its last try, and every try once."""
    tally, rows = requests.tally, requests.rows()
    assert tally.tries is not None
    assert tally.counts.min() >= 0
    assert np.all(tally.tries >= tally.counts)
    assert tally.tries.sum() == tally.arrivals.sum() == len(rows["due"])
    timed = tally.counts[:, :NOBODY, : Status.REJECTED].sum()
    assert timed == tally.latency.sum()
    assert tally.latency.max() < 2**31
    assert tally.new_active.sum() == np.count_nonzero(tally.users >> FLAG_BITS)
    assert tally.new_harmed.sum() == np.count_nonzero(tally.users & HARMED)
    assert requests._clock.counter[3] == requests._books.failed_next.size
    later = requests._general.later.state
    assert later[0] + later[2] == requests._general.later.time.size


def seen(requests: Requests) -> set[Status]:
    return {Status(x) for x in np.unique(requests.rows()["status"])}


TROUBLE = [
    (2.25, "refuse", (1,)), (2.25, "kill", (1, 2.25)), (4.5, "serve", (1, 4.5)), (6.0, "silence", (2,)),
    (8.0, "lose", (0, 8.0)), (9.0, "kill", (0, 9.0)), (9.0, "serve", (0, 9.0)), (10.0, "kill", (3, 10.0)),
]  # fmt: skip


@pytest.mark.parametrize("balance", POLICIES)
def test_clients_that_try_again(balance: str) -> None:
    habits = Habits(pauses=(0.1, 0.4), jitter=0.5)
    script = [*start(4), *TROUBLE]
    grid = Grid(-3, 14, 6)
    requests = assert_equal(
        script, habits, **world(balance=balance, grid=grid, queue=5, service=(SLOW, SLOW))
    )
    assert {Status.TIMEOUT, Status.REJECTED, Status.RESET, Status.REFUSED} <= seen(requests)
    assert requests.tally.tries.sum() > requests.tally.counts.sum()


@pytest.mark.parametrize("balance", POLICIES)
def test_proxies_that_try_again(balance: str) -> None:
    habits = Habits(
        proxy_tries=3, proxy_on=frozenset({Status.REFUSED, Status.REJECTED, Status.ERROR}), proxy_backoff=0.01
    )
    script = [*start(4, error=0.3), *TROUBLE]
    assert_equal(
        script, habits, **world(balance=balance, grid=Grid(-3, 14, 6), queue=5, service=(SLOW, SLOW))
    )


@pytest.mark.parametrize("balance", POLICIES)
def test_users_of_a_closed_loop(balance: str) -> None:
    habits = Habits(think=Exponential(0.3), pauses=(0.2,))
    script = [*start(4), *TROUBLE]
    assert_equal(
        script, habits, **world(balance=balance, grid=Grid(-3, 14, 6), queue=5, service=(SLOW, SLOW))
    )


@pytest.mark.parametrize("layer_7", [False, True])
@pytest.mark.parametrize("kept", [Kept(idle=0.5), Kept(pool=6, age=3.0), Kept(pool=20, requests=7)])
@pytest.mark.parametrize("remembers", [0.0, 0.4])
def test_kept_connections(kept: Kept, layer_7: bool, remembers: float) -> None:
    habits = Habits(
        kept=kept, layer_7=layer_7, remembers=remembers, pauses=(0.1,), jitter=0.3, errors=errors()
    )
    script = [
        *start(5), (-3.0, "rotate", (1, 0, [4, 2])), (1.0, "rotate", (0, 0, [3, 4, 0])), *TROUBLE,
    ]  # fmt: skip
    assert_equal(script, habits, **world(proxies=2, grid=Grid(-3, 14, 6), tries=2))


def errors() -> Any:
    return SOME[:, :, :1]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("how", ["no", "hash", "last", "both", "first"])
def test_rules_and_pins(how: str, first: bool) -> None:
    kind = (np.arange(40) % 2).astype(np.uint8)
    habits = Habits(affinity_first=first, kinds=2, kind=kind, errors=SOME, pauses=(0.05,), jitter=0.2)
    script = [
        *start(6, backends=2), (-3.0, "weigh", (0, [0.8, 0.2])), (0.0, "stick", (0, how, [None, 1])),
        (4.0, "rotate", (0, 1, [])), (6.0, "rotate", (0, 1, [1, 3])), (8.0, "stick", (0, how, [0, None])),
        (10.0, "weigh", (0, [0.0, 1.0])),
    ]  # fmt: skip
    assert_equal(script, habits, **world(backends=2, grid=Grid(-3, 14, 4)))


@pytest.mark.parametrize("balance", POLICIES)
def test_copies_leaks_load_slowness_and_poison(balance: str) -> None:
    habits = Habits(
        copies=1, leak=((2.0, 5.0), (1.5, 1.0)), loaded=((0.4, 0.5), (0.2, 1.0)), poison=(0.01, 0.02),
        pauses=(0.3,), jitter=0.5,
    )  # fmt: skip
    script = [
        *start(6, backends=2), (-3.0, "stick", (0, "no", [None], 0.5)), (2.0, "slow", (0, 3.0, 0.01)),
        (5.0, "silence", (1,)), (6.0, "lose", (3, 6.0)),
        *((float(t), verb, (slot, float(t))) for t in range(1, 13) for slot in (0, 2, 4)
          for verb in ("kill", "serve")),
    ]  # fmt: skip
    script.sort(key=lambda change: change[0])
    requests = assert_equal(script, habits, **world(backends=2, balance=balance, grid=Grid(-3, 14, 4)))
    assert Status.RESET in seen(requests)
    assert requests.tally.mirrored is not None
    assert requests.tally.mirrored.sum() > 100


def test_who_is_lost_after_a_failure_fails_later() -> None:
    """What would have failed at once times out, or is tried again and works: nobody was harmed before."""
    habits = Habits(proxy_tries=2, proxy_on=frozenset({Status.RESET}))
    slow = LogNormal.of(mean=0.8, cv=0.3)
    changes = world(timeout=2.5, service=(slow, slow), rate=4.0, users=100, grid=Grid(-3, 14, 6))
    for verb in ("lose", "kill"):
        script = [*start(2, error=1.0), *((t, verb, (0, t)) for t in (1.0, 3.0, 5.5))]
        assert_equal(script, habits, **changes)


def test_waiting_rooms_grow() -> None:
    habits = Habits(pauses=(0.1,))
    script = [*start(2), (9.0, "lose", (0, 9.0))]
    many = world(service=(SLOW, SLOW), queue=10_000, timeout=4.0, rate=300.0, grid=Grid(-3, 14, 10))
    for balance in POLICIES:
        assert Status.TIMEOUT in seen(assert_equal(script, habits, **many | {"balance": balance}))


@st.composite
def habits_of(draw: st.DrawFn, users: int, backends: int) -> Habits:
    """Any habits the engine takes."""
    kinds = draw(st.integers(1, 3))
    part = st.sampled_from([0.0, 0.0, 0.1, 0.6])
    kind = np.array(draw(st.lists(st.integers(0, kinds - 1), min_size=users, max_size=users)), np.uint8)
    kept = st.builds(
        Kept, pool=st.sampled_from([None, 1, 5]), idle=st.sampled_from([0.2, 60.0]),
        age=st.sampled_from([1.0, np.inf]), requests=st.sampled_from([1, 9, 1 << 60]),
    )  # fmt: skip
    failing = st.tuples(st.sampled_from([0.0, 0.5]), st.sampled_from([0.25, 1.0]))
    slower = st.tuples(st.sampled_from([1.0, 4.0]), st.sampled_from([1.0, 7.0]))
    wrong = st.sampled_from(list(Status)[1:])
    think = st.sampled_from([None, None, Exponential(0.2), LogNormal.of(mean=1.0, cv=2.0)])
    copies = st.sampled_from([None, backends - 1]) if backends > 1 else st.none()
    return Habits(
        pauses=tuple(draw(st.lists(st.sampled_from([0.01, 0.3]), max_size=3))),
        jitter=draw(st.sampled_from([0.2, 1.0])),
        proxy_tries=draw(st.integers(1, 3)),
        proxy_on=draw(st.frozensets(wrong, max_size=4)),
        proxy_backoff=draw(st.sampled_from([0.0, 0.05])),
        think=draw(think),
        kept=draw(st.none() | kept),
        layer_7=draw(st.booleans()),
        remembers=draw(st.sampled_from([0.0, 0.3, 100.0])),
        affinity_first=draw(st.booleans()),
        kinds=kinds,
        kind=kind if kinds > 1 else np.zeros(1, np.uint8),
        errors=np.array(draw(st.lists(part, min_size=6 * kinds, max_size=6 * kinds))).reshape(3, 2, kinds),
        loaded=(draw(failing), draw(failing)),
        leak=(draw(slower), draw(slower)),
        poison=(draw(st.sampled_from([0.0, 0.01])), draw(st.sampled_from([0.0, 0.05]))),
        copies=draw(copies),
    )


@st.composite
def general_worlds(draw: st.DrawFn) -> tuple[list[Any], Habits, dict[str, Any]]:
    """Any world of the fast engine, with any habits and what only the general one can be told."""
    script, usual = draw(worlds())
    usual["users"] = draw(st.sampled_from([1, 7, 60]))
    usual["rate"] = draw(st.sampled_from([5.0, 60.0, 150.0]))
    usual["grid"] = Grid(-3, 5, 20, step=draw(st.integers(1, 4)))
    usual["service"] = tuple(
        LogNormal.of(mean=s.value, cv=0.5) if isinstance(s, Constant) else s for s in usual["service"]
    )
    habits = draw(habits_of(usual["users"], usual["backends"]))
    sides = usual["backends"] - (habits.copies is not None)
    if sides < usual["backends"]:
        script = [(t, v, _unweighted(a, sides) if v == "weigh" else a) for t, v, a in script]
    time = st.integers(-3 * 64, 4 * 64).map(lambda x: x / 64 + 1 / 128)
    slot = st.integers(0, sum(verb == "add_pod" for _, verb, _ in script) - 1)
    for _ in range(draw(st.integers(0, 6))):
        t, verb = draw(time), draw(st.sampled_from(("stick", "slow", "lose", "restart")))
        if verb == "stick":
            rules = draw(st.lists(st.none() | st.integers(0, sides - 1),
                                  min_size=habits.kinds, max_size=habits.kinds))  # fmt: skip
            how = draw(st.sampled_from(("no", "hash", "last", "both", "first")))
            proxy = draw(st.integers(0, usual["proxies"] - 1))
            script.append((t, verb, (proxy, how, rules, draw(st.sampled_from([0.0, 0.4, 1.0])))))
        elif verb == "slow":
            script.append((t, verb, (draw(slot), draw(st.sampled_from([1.0, 5.0])), 0.01)))
        elif verb == "lose":
            script.append((t, verb, (draw(slot), t)))
        else:
            which = draw(slot)
            script += [(t, "kill", (which, t)), (t, "serve", (which, t))]
    return sorted(script, key=lambda change: change[0]), habits, usual


def _unweighted(arguments: tuple[int, Sequence[float]], sides: int) -> tuple[int, list[float]]:
    """The same without a share for the backend of copies."""
    proxy, shares = arguments
    kept = list(shares[:sides]) if sum(shares[:sides]) else [1.0] * sides
    return proxy, [share / sum(kept) for share in kept] + [0.0]


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(general_worlds())
def test_any_world_with_any_habits(case: tuple[list[Any], Habits, dict[str, Any]]) -> None:
    script, habits, parameters = case
    assert_equal(script, habits, **parameters)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_without_habits_it_is_the_fast_engine(case: tuple[list[Any], dict[str, Any]]) -> None:
    script, parameters = case
    fast, general = Requests(**parameters, trace=True), GeneralRequests(Habits(), **parameters, trace=True)
    for requests in (fast, general):
        for t, verb, arguments in script:
            requests.advance(t)
            getattr(requests, verb)(*arguments)
        requests.finish()
    assert_same_rows(general.rows(), fast.rows())
    assert_conserved(general)
    assert np.array_equal(general.tally.tries, general.tally.counts)
    for f in fields(Tally):
        if f.name not in ("grid", "tries"):
            one, other = getattr(general.tally, f.name), getattr(fast.tally, f.name)
            assert (one is other is None) or np.array_equal(one, other), f.name
