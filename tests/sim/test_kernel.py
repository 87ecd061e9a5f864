"""The kernel reads raw addresses: what it takes them for must be what the arrays are."""

from typing import Any

import numpy as np

from scenarios.distributions import Exponential
from scenarios.tally import Grid
from sim import general, kernel
from sim.general_requests import GeneralRequests
from sim.habits import Habits
from sim.requests import Requests


def arrays() -> list[np.ndarray]:
    """All arrays of a state, in the order of `references`."""
    service = (Exponential(0.05), Exponential(0.05))
    requests = Requests(1, 10.0, 10, "zipf", Grid(-2, 5, 3), 4, 8, 2.0, service, trace=True)
    held = (
        requests._pods, requests._routes, requests._draws, requests._block, requests._books, requests._trace,
        requests._clock, requests._settings, requests._drawn,
    )  # fmt: skip
    return [array for group in held for array in group]


def test_every_address_is_taken_for_what_its_array_is() -> None:
    openers = [getattr(kernel, f"{group}_in") for group in kernel.State._fields]
    assert taken(openers) == kinds(arrays())


def kinds(held: list[np.ndarray]) -> list[tuple[int, str]]:
    return [(row, f"{array.dtype.kind}{array.dtype.itemsize}") for row, array in enumerate(held)]


def taken(openers: list[Any]) -> list[tuple[int, str]]:
    """What the openers take each row of `references` for."""
    return [(opener.first + k, kind) for opener in openers for k, kind in enumerate(opener.kinds)]


def test_rows_of_references_are_named_right() -> None:
    service = (Exponential(0.05), Exponential(0.05))
    requests = Requests(1, 10.0, 10, "zipf", Grid(-2, 5, 3), 4, 8, 2.0, service, trace=True)
    groups = kernel.State(
        requests._pods, requests._routes, requests._draws, requests._block, requests._books, requests._trace,
        requests._clock, requests._settings, requests._drawn,
    )  # fmt: skip
    names = [name for group in groups for name in group._fields]
    named = {
        "free": kernel.FREE, "ring": kernel.RING, "bag_end": kernel.BAG, "waiting": kernel.WAITING,
        "load": kernel.LOAD, "size": kernel.SIZE, "key": kernel.KEY, "accept": kernel.ACCEPT,
        "due": kernel.DUE, "latency": kernel.LATENCY, "users": kernel.USERS, "failed": kernel.FAILED,
        "times": kernel.TIMES, "number": kernel.NUMBER,
    }  # fmt: skip
    assert {name: names.index(name) for name in named} == named


def more() -> general.General:
    """What only the general engine has."""
    service = (Exponential(0.05), Exponential(0.05))
    return GeneralRequests(
        Habits(copies=1), seed=1, rate=10.0, users=10, activity="zipf", grid=Grid(-2, 5, 3), slots=4, queue=8,
        timeout=2.0, service=service, backends=2, trace=True,
    )._general  # fmt: skip


def test_every_address_of_the_general_engine_is_taken_for_what_its_array_is() -> None:
    openers = [getattr(general, f"_{group}") for group in general.General._fields]
    assert taken(openers) == kinds([array for group in more() for array in group])


def test_rows_of_the_general_references_are_named_right() -> None:
    names = [f"{group}.{name}" for group, held in more()._asdict().items() for name in held._fields]
    assert names[general.PAUSES] == "chances.pauses"
    assert names[general.DEAD] == "deaths.slot"
