"""JUnit XML of requirements: what a CI system reads, whatever the names hold."""

from typing import Any
from xml.etree import ElementTree

import pytest

from reports.junit import to_junit

NASTY = "]]> <a b='c'>&amp;\x00\x1b[31m\x0b\ud800\ufffe\u202e\u2028\n\t\"滚动\""


def document(*results: str, name: str = "safe", message: str = "mean of flips: 9") -> dict[str, Any]:
    pair = {"strategy": "canary", "candidate": "errors"}
    entries = [
        {**pair, "name": f"{name} {at}", "result": r, "message": message} for at, r in enumerate(results)
    ]
    return {"scenario": {"name": name}, "requirements": entries}


def suite(made: dict[str, Any]) -> ElementTree.Element:
    root = ElementTree.fromstring(to_junit(made).encode())
    assert root.tag == "testsuites"
    (found,) = root
    return found


def test_each_requirement_is_a_case_and_the_counts_agree():
    found = suite(document("met", "broken", "undecided", "undecided"))
    counts = {key: found.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "2", "skipped": "0"}
    assert [[child.tag for child in case] for case in found] == [
        ["system-out"],
        ["failure"],
        ["error"],
        ["error"],
    ]
    assert found[1].get("name") == "safe 1 (canary with errors)"
    assert found[1].get("classname") == "safe"
    assert found[1][0].get("message") == found[1][0].text == "mean of flips: 9"


def test_nothing_required_is_an_empty_suite():
    assert list(suite(document())) == []


@pytest.mark.parametrize("result", ["met", "broken", "undecided"])
def test_no_name_or_text_breaks_the_xml(result):
    text = to_junit(document(result, name=NASTY, message=NASTY))
    assert not set(text) & set("\x00\x1b\x0b\ud800\ufffe\u202e\u2028")
    (case,) = suite(document(result, name=NASTY, message=NASTY))
    assert str(case.get("name")).startswith("]]> <a b='c'>&amp;\\x00\\x1b[31m\\x0b\\ud800\\ufffe\\u202e")
    assert "滚动" in str(case[0].text)
