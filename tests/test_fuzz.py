"""Damaged and twisted scenarios: a clear error or a result, never a traceback.

Every world of the library is damaged as text and as structure. What still loads is checked, explained and,
where it is small enough, simulated and measured.
"""

import random
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rolloutlab
from scenarios.check import check
from scenarios.errors import ScenarioError
from scenarios.explain import as_data, prose
from scenarios.load import library, loads
from scenarios.scenario import Scenario

WORLDS = tuple(library())
HOSTILE = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**63,
    10**30,
    1e308,
    -0.0,
    "",
    " ",
    "0s",
    "1ms",
    "0%",
    "100%",
    "150%",
    "-5%",
    "1e9/s",
    "5/s",
    "stable",
    "candidate",
    "no such name",
    "\u202e",
    "{{7*7}}",
    "../../etc/passwd",
    "a" * 3000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"from": "stable"},
    {"median": "1s", "p95": "1ms"},
    {"quantiles": {"p0": "1s"}},
    {"constant": "0s"},
    "never",
    "none",
)
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def text_of(world: str) -> str:
    return (files("scenarios") / "library" / f"{world}.yaml").read_text(encoding="utf-8")


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a document but the document itself."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = [path] if path else []
    for key, value in inside:
        found += places(value, (*path, key))
    return found


def at(node: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        node = node[key]
    return node


def twisted(document: dict[str, Any], chance: random.Random) -> None:
    """Replace, remove, copy or exchange something somewhere."""
    found = places(document)
    path = chance.choice(found)
    parent, key = at(document, path[:-1]), path[-1]
    match chance.randrange(4):
        case 0:
            parent[key] = chance.choice(HOSTILE)
        case 1:
            del parent[key]
        case 2:
            parent[key] = yaml.safe_load(yaml.safe_dump(at(document, chance.choice(found))))
        case _ if isinstance(parent, dict):
            parent[chance.choice([str(p[-1]) for p in found])] = yaml.safe_load(yaml.safe_dump(parent[key]))
        case _:
            parent.append(chance.choice(HOSTILE))


def small(scenario: Scenario) -> bool:
    """Little enough to be simulated many times over."""
    clock, service = scenario.clock, scenario.service
    requests = scenario.traffic.intended.curve().expected(-clock.settle, clock.horizon)
    users, seconds = scenario.traffic.users.count, clock.settle + clock.horizon
    return requests < 30_000 and service.replicas <= 30 and users <= 50_000 and seconds <= 3600


def survives(text: str) -> None:
    """It is refused with a message, or everything can be done with it."""
    try:
        scenario = loads(text, "fuzzed.yaml")
    except ScenarioError as error:
        assert str(error)
        return
    check(scenario)
    impossible = scenario.unrealisable()
    possible = [name for name in scenario.strategies if name not in impossible]
    for name in possible:
        prose(name, scenario.plan(name))
        as_data(scenario.plan(name))
    if not (possible and small(scenario)):
        return
    for candidate in list(scenario.variants)[:2]:
        record = rolloutlab.simulate(scenario, possible[0], candidate=candidate)
        counts = record.truth.tally.counts
        assert (counts >= 0).all()


@pytest.mark.parametrize("world", WORLDS)
@given(seed=st.integers(0, 2**32), times=st.integers(1, 4))
@QUICK
def test_twisted_worlds(world: str, seed: int, times: int) -> None:
    document, chance = yaml.safe_load(text_of(world)), random.Random(seed)
    document["clock"] = {"settle": "10s", "horizon": "2m"}
    for _ in range(times):
        if places(document):
            twisted(document, chance)
    survives(yaml.safe_dump(document, allow_unicode=True))


@pytest.mark.parametrize("world", WORLDS[:4])
@given(st.data())
@QUICK
def test_damaged_texts(world: str, data: st.DataObject) -> None:
    text = text_of(world)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 200)))
    survives(text[:start] + data.draw(st.text(max_size=40)) + text[end:])
