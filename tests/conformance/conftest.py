"""Counts cases per file for the summary at the end of a run."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

FILE = "conformance_file"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Reports carry an item's user properties: that is how the file's name gets to the summary, from
    workers as well.
    """
    for item in items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if getattr(item, "originalname", "") == "test_case" and hasattr(case, "file"):
            item.user_properties.append((FILE, case.file))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    not_compared: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            properties = dict(getattr(report, "user_properties", ()))
            if FILE not in properties:
                continue
            total[properties[FILE]] += 1
            passed[properties[FILE]] += outcome == "passed"
            not_compared[properties[FILE]] += properties.get("not_compared", 0)
    if not total:
        return
    terminalreporter.section("conformance cases")
    for file in sorted(total):
        rest = f", {not_compared[file]} expected figures not compared" if not_compared[file] else ""
        terminalreporter.write_line(f"{file}: {passed[file]}/{total[file]} passed{rest}")
    terminalreporter.write_line(f"all files: {passed.total()}/{total.total()} passed")
