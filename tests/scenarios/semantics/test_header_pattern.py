"""Header patterns: what PCRE would find, in linear time, and a clear word where that cannot be said."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.semantics.header_pattern import Broken, UnknownPattern, check, found


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("shenzhen", "south of shenzhen, east", True),  # unanchored
        ("^shenzhen$", "shenzhen ", False),
        ("shenzhen", "Shenzhen", False),  # case matters
        ("(?i)shenzhen", "SHENZHEN", True),
        ("^Do[A-Z][a-z]+y$", "DoCanary", True),
        (r"^v\d{1,3}$", "v12", True),
        ("^..$", "é", True),  # bytes, as nginx has them
        ("é", "café", True),
        ("^$", "", True),
    ],
)
def test_a_pattern_is_found_anywhere_byte_by_byte(pattern: str, value: str, expected: bool) -> None:
    assert found(pattern, value) is expected


@pytest.mark.parametrize("pattern", ["[][**da?$&*", "(a", "a)", "a\\", "[a", "(a+)+$("])
def test_what_no_engine_compiles_is_broken(pattern: str) -> None:
    check(pattern)
    with pytest.raises(Broken, match="no regular expression"):
        found(pattern, "a")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)b", "(?!a)b", "(?<=a)b", r"(a)\1", "a++", "a*+", "(?>a)", "(?x)a b", r"\h", r"\K", "(*ACCEPT)",
        "a{2}{3}", "(?P=n)", "(?R)", r"\12", "a{,3}", r"\Qa.b\E", "x{1001}", "(x{1000}){1000}", "a" * 501,
    ],
)  # fmt: skip
def test_what_pcre_may_know_and_we_do_not_is_said_and_not_guessed(pattern: str) -> None:
    with pytest.raises(UnknownPattern) as told:
        check(pattern)
    assert len(str(told.value)) < 900
    with pytest.raises(UnknownPattern):
        found(pattern, "a")


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "^(a|a)*$",
        "^(a|aa)+$",
        "(.*)*b$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "^(a{0,100}){0,10}$",
        r"^(\pL{1,60}[^b]){1,16}$",
    ],
)
def test_no_pattern_hangs(pattern: str) -> None:
    begun = time.perf_counter()
    assert not found(pattern, "a" * 8000 + "!")
    assert time.perf_counter() - begun < 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_has_one_of_three_answers(pattern: str, value: str) -> None:
    try:
        assert found(pattern, value) in (True, False)
    except (Broken, UnknownPattern) as error:
        assert str(error)


@given(st.text("ab.*+?|()^$[]", max_size=12), st.text("ab", max_size=12))
def test_where_both_engines_understand_a_pattern_they_agree(pattern: str, value: str) -> None:
    """Python's `re` backtracks like PCRE: on such short values that is a second opinion."""
    try:
        ours, theirs = found(pattern, value), re.search(pattern, value) is not None
    except (Broken, UnknownPattern, re.error, FutureWarning):
        return
    assert ours is theirs
