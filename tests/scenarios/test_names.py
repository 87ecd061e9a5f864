"""Names of people's making as names of files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.names import file_name


@pytest.mark.parametrize("name", ["canary", "blue-green_2", "v1.2", "größer", "金丝雀"])
def test_a_harmless_name_is_kept(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name", ["../etc/passwd", "a/b", "a\\b", ".hidden", "..", "", " ", "x" * 200, "a\x00b", "con:"]
)
def test_any_other_is_made_harmless(name: str) -> None:
    made = file_name(name)
    assert made != name
    assert not set(made) & set('/\\:*?"<>| \x00')
    assert not made.startswith((".", "-"))
    assert 1 <= len(made) <= 80


@given(st.lists(st.text("ab/.- é", max_size=5), unique=True, max_size=20))
def test_two_names_never_meet(names: list[str]) -> None:
    assert len({file_name(name) for name in names}) == len(names)


@given(st.text(max_size=300))
def test_the_same_name_gives_the_same_file(name: str) -> None:
    assert file_name(name) == file_name(name)
    assert "/" not in file_name(name)
