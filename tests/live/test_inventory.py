"""Which changes events and lists make: every transition once, in order, though some are sent twice."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.inventory import Inventory, Strange, version


def thing(name: str, uid: str, number: int | str, namespace: str = "n") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(number)},
    }


def told(steps: list[Any]) -> list[tuple[str, str, str]]:
    return [(kind, item["metadata"]["uid"], version(item)) for kind, item in steps]


def test_a_first_list_adds_in_the_order_of_versions() -> None:
    steps = Inventory().listed([thing("b", "2", 10), thing("a", "1", 9)])
    assert told(steps) == [("added", "1", "9"), ("added", "2", "10")]


def test_a_second_list_tells_what_differs() -> None:
    inventory = Inventory()
    inventory.listed([thing("a", "1", 1), thing("b", "2", 2), thing("c", "3", 3)])
    steps = inventory.listed([thing("a", "1", 1), thing("b", "2", 7), thing("d", "4", 6)])
    assert told(steps) == [("deleted", "3", "3"), ("added", "4", "6"), ("modified", "2", "7")]


def test_an_object_replaced_by_another_of_its_name_is_deleted_first() -> None:
    inventory = Inventory()
    inventory.listed([thing("a", "1", 1)])
    assert told(inventory.event("ADDED", thing("a", "2", 5))) == [("deleted", "1", "1"), ("added", "2", "5")]
    assert told(inventory.listed([thing("a", "3", 9)])) == [("deleted", "2", "5"), ("added", "3", "9")]


def test_same_names_in_other_namespaces_are_other_objects() -> None:
    inventory = Inventory()
    inventory.event("ADDED", thing("a", "1", 1, "n"))
    assert told(inventory.event("ADDED", thing("a", "2", 2, "m"))) == [("added", "2", "2")]


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED"])
def test_what_is_known_is_not_told_again(kind: str) -> None:
    inventory = Inventory()
    inventory.listed([thing("a", "1", 10)])
    assert inventory.event(kind, thing("a", "1", 10)) == []
    assert inventory.event(kind, thing("a", "1", 9)) == []  # numbers, not text
    assert told(inventory.event(kind, thing("a", "1", 11))) == [("modified", "1", "11")]


def test_a_stale_list_takes_nothing_back() -> None:
    inventory = Inventory()
    inventory.event("ADDED", thing("a", "1", 10))
    assert inventory.listed([thing("a", "1", 4)]) == []
    assert version(inventory.known["1"]) == "10"


def test_a_deletion_is_told_once_and_only_of_what_is_known() -> None:
    inventory = Inventory()
    inventory.event("ADDED", thing("a", "1", 1))
    assert told(inventory.event("DELETED", thing("a", "1", 2))) == [("deleted", "1", "2")]
    assert inventory.event("DELETED", thing("a", "1", 2)) == []


def test_versions_that_are_no_numbers_differ_or_not() -> None:
    inventory = Inventory()
    inventory.event("ADDED", thing("a", "1", "9" * 5000))
    assert inventory.event("MODIFIED", thing("a", "1", "9" * 5000)) == []
    assert told(inventory.event("MODIFIED", thing("a", "1", "x"))) == [("modified", "1", "x")]


@pytest.mark.parametrize(
    "item", [None, 1, "x", [], {}, {"metadata": None}, {"metadata": {"name": "a"}}, {"metadata": {"uid": 1}}]
)
def test_what_is_no_object_is_strange(item: Any) -> None:
    with pytest.raises(Strange):
        Inventory().event("ADDED", item)
    with pytest.raises(Strange):
        Inventory().listed([item])


def test_what_is_no_event_is_strange() -> None:
    with pytest.raises(Strange, match="EXPLODED"):
        Inventory().event("EXPLODED", thing("a", "1", 1))


# histories

ACTS = st.lists(st.tuples(st.sampled_from(["touch", "remove", "remake"]), st.integers(0, 3)), max_size=40)


def history(acts: list[tuple[str, int]]) -> list[tuple[str, dict[str, Any]]]:
    """Events as an API server would send them."""
    there: dict[int, dict[str, Any]] = {}
    events = []
    for number, (act, which) in enumerate(acts, 1):
        if act != "touch" and which in there:
            gone = thing(f"o{which}", there.pop(which)["metadata"]["uid"], number)
            events.append(("DELETED", gone))
        elif act != "remove":
            before = there.get(which)
            item = thing(f"o{which}", before["metadata"]["uid"] if before else f"u{number}", number)
            there[which] = item
            events.append(("MODIFIED" if before else "ADDED", item))
    return events


def state(events: list[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    there: dict[str, dict[str, Any]] = {}
    for kind, item in events:
        there.pop(item["metadata"]["uid"], None)
        if kind != "DELETED":
            there[item["metadata"]["uid"]] = item
    return there


def applied(there: dict[str, Any], steps: list[Any]) -> None:
    """What the receiver of the changes knows; each must be possible in the state before it."""
    for kind, item in steps:
        uid = item["metadata"]["uid"]
        assert (uid in there) is (kind != "added")
        if kind == "deleted":
            del there[uid]
        else:
            assert uid not in there or int(version(item)) > int(version(there[uid]))
            there[uid] = item


@given(ACTS)
def test_without_gaps_every_event_is_a_change(acts: Any) -> None:
    events = history(acts)
    inventory, there = Inventory(), {}
    steps = [step for kind, item in events for step in inventory.event(kind, item)]
    names = {"ADDED": "added", "MODIFIED": "modified", "DELETED": "deleted"}
    assert steps == [(names[kind], item) for kind, item in events]
    applied(there, steps)
    assert there == state(events) == inventory.known


@given(ACTS, st.data())
def test_after_any_gaps_and_lists_the_receiver_knows_what_is_there(acts: Any, data: Any) -> None:
    events = history(acts)
    inventory, there, at = Inventory(), {}, 0
    while at < len(events):
        upto = data.draw(st.integers(at + 1, len(events)))
        if data.draw(st.booleans()):
            applied(there, inventory.listed(list(state(events[:upto]).values())))
        else:
            for kind, item in events[at:upto]:
                applied(there, inventory.event(kind, item))
        at = upto
        assert there == state(events[:upto]) == inventory.known
