"""Where pods are put."""

from sim.nodes import Node, emptiest, in_turn


def nodes(*staying: tuple[int, int]) -> list[Node]:
    found = [Node(number) for number in range(len(staying))]
    for node, counts in zip(found, staying, strict=True):
        node.staying = list(counts)
    return found


def test_in_turn() -> None:
    three = nodes((0, 0), (0, 0), (0, 0))
    assert [in_turn(three, k).number for k in range(5)] == [0, 1, 2, 0, 1]


def test_fewest_of_its_version_then_fewest_then_lowest_number() -> None:
    assert emptiest(nodes((2, 0), (1, 5), (1, 4)), 0).number == 2  # type: ignore[union-attr]
    assert emptiest(nodes((2, 0), (1, 5), (1, 4)), 1).number == 0  # type: ignore[union-attr]
    assert emptiest(nodes((1, 1), (1, 1)), 1).number == 0  # type: ignore[union-attr]


def test_new_pods_of_a_version_go_round_as_they_do_in_turn() -> None:
    three, places = nodes((4, 0), (3, 0), (3, 0)), []
    for _ in range(3):
        node = emptiest(three, 1)
        assert node is not None
        node.staying[1] += 1
        places.append(node.number)
    assert places == [1, 2, 0]


def test_closed_nodes_are_left_out_and_a_silent_one_is_not_until_it_is_noticed() -> None:
    pair = nodes((5, 5), (0, 0))
    pair[1].down_since = 0
    assert emptiest(pair, 0) is pair[1]
    pair[1].not_ready = True
    assert emptiest(pair, 0) is pair[0]
    pair[0].cordoned = True
    assert emptiest(pair, 0) is None
