"""A comparison's requirements and expectations as JUnit XML, for CI systems: one test case for each.

Broken is a failure; undecided is an error, since nothing was shown and no view of a CI may call it passed.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from reports import expect
from reports.require import Told, told
from reports.words import plain
from scenarios.result import Result

KINDS = {Result.BROKEN: "failure", Result.UNDECIDED: "error"}


def to_junit(document: Mapping[str, Any]) -> str:
    """The XML. Text is escaped, and what XML 1.0 forbids, or nobody would see, is made visible (`\\x1b`)."""
    name = plain(document["scenario"]["name"])
    kinds = ((name, told(document)), (f"{name}.expect", expect.told(document)))
    cases = [case for _, found in kinds for case in found]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.result is Result.BROKEN for case in cases)),
        "errors": str(sum(case.result is Result.UNDECIDED for case in cases)),
    }
    suites = ElementTree.Element("testsuites", {"name": "rolloutlab", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **counts, "skipped": "0"})
    for belongs, found in kinds:
        for case in found:
            _case(suite, belongs, case)
    ElementTree.indent(suites)
    text: str = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ElementTree.Element, belongs: str, case: Told) -> None:
    attributes = {"classname": belongs, "name": f"{case.name} ({case.pair})"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.result in KINDS:
        told_so = {"type": case.result.value, "message": case.text}
        ElementTree.SubElement(element, KINDS[case.result], told_so).text = case.text
    else:
        ElementTree.SubElement(element, "system-out").text = case.text
