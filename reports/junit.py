"""A comparison's requirements as JUnit XML, for CI systems: one test case for each.

Broken is a failure; undecided is an error, since nothing was shown and no view of a CI may call it passed.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from reports.require import Result, Told, told
from reports.words import plain

KINDS = {Result.BROKEN: "failure", Result.UNDECIDED: "error"}


def to_junit(document: Mapping[str, Any]) -> str:
    """The XML. Text is escaped, and what XML 1.0 forbids, or nobody would see, is made visible (`\\x1b`)."""
    cases, name = told(document), plain(document["scenario"]["name"])
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.result is Result.BROKEN for case in cases)),
        "errors": str(sum(case.result is Result.UNDECIDED for case in cases)),
    }
    suites = ElementTree.Element("testsuites", {"name": "rolloutlab", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **counts, "skipped": "0"})
    for case in cases:
        _case(suite, name, case)
    ElementTree.indent(suites)
    text: str = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ElementTree.Element, scenario: str, case: Told) -> None:
    attributes = {"classname": scenario, "name": f"{case.name} ({case.pair})"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.result in KINDS:
        told_so = {"type": case.result.value, "message": case.text}
        ElementTree.SubElement(element, KINDS[case.result], told_so).text = case.text
    else:
        ElementTree.SubElement(element, "system-out").text = case.text
