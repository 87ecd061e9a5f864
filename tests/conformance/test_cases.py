"""Our semantics against rows of the upstream projects' own test tables, kept as data in `cases/`.

`ROLLOUTLAB_CASES` names another folder of files of the same form: {"about", "cases": [{"name", "group"?,
"function", "inputs", "expected", "source"}]}. A case's kind is its group, or else its function.
"""

import importlib.util
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("ROLLOUTLAB_CASES") or HERE / "cases").expanduser()


@dataclass(frozen=True)
class Case:
    """One row, and the file it is from; `row` is what the file holds, whatever that is."""

    file: str
    row: Any

    @property
    def kind(self) -> str:
        return str(self.row.get("group") or self.row.get("function"))


def load(path: Path) -> list[Case]:
    """The cases of a file; for a file that is not of the form, one case that says so and therefore fails."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["cases"]
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise ValueError("`cases` must be a list of objects, and not empty")
    except (ValueError, KeyError, TypeError) as error:
        return [Case(path.name, f"{path}: not a file of cases: {error!r}")]
    return [Case(path.name, row) for row in rows]


def adapters() -> dict[str, Any]:
    """Kind → adapter, from every `adapters*.py` beside this file (tests are no package, so not by import)."""
    found: dict[str, Any] = {}
    for path in sorted(HERE.glob("adapters*.py")):
        spec = importlib.util.spec_from_file_location(f"conformance_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        assert not found.keys() & module.ADAPTERS.keys(), f"{path.name}: kind already taken"
        found |= module.ADAPTERS
    return found


CASES = [case for path in sorted(FOLDER.glob("*.json")) for case in load(path)]
ADAPTERS = adapters()


def name(case: Case) -> str:
    label = case.row.get("name", "unnamed") if isinstance(case.row, dict) else "unreadable"
    return f"{case.file}-{label}"


def differences(expected: Any, actual: Any, where: str = "") -> Iterator[str]:
    """What is expected and not so. Objects are compared by the keys expected; numbers to 1 part in 10⁹."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            yield from differences(value, actual.get(key, "(nothing)"), f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(left, right, f"{where}[{index}]")
    elif isinstance(expected, float) and isinstance(actual, int | float):
        if not math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-15):
            yield f"{where}: expected {expected!r}, got {actual!r}"
    elif expected != actual:
        yield f"{where}: expected {expected!r}, got {actual!r}"


def test_there_are_cases() -> None:
    assert FOLDER.is_dir(), f"no folder of cases at {FOLDER}"
    assert CASES, f"no *.json with cases in {FOLDER}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_case(case: Case, record_property: Any) -> None:
    assert isinstance(case.row, dict), case.row
    assert case.kind in ADAPTERS, f"no adapter for kind {case.kind!r}; known: {', '.join(sorted(ADAPTERS))}"
    figures = ADAPTERS[case.kind](case.row.get("inputs") or {})
    # null says nothing; what an adapter has no word for is counted, and told in the summary
    expected = {key: value for key, value in case.row["expected"].items() if value is not None}
    record_property("not_compared", len(expected.keys() - figures.keys()))
    compared = {key: value for key, value in expected.items() if key in figures}
    assert compared, f"nothing to compare: expected {sorted(expected)}, our figures are {sorted(figures)}"
    wrong = list(differences(compared, figures))
    assert not wrong, f"inputs {case.row.get('inputs')}\n" + "\n".join(wrong)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_case_names_its_source(case: Case) -> None:
    assert isinstance(case.row, dict), case.row
    source = case.row.get("source")
    assert source, "no `source`: a figure must say where it was read, or how it was derived"
    if isinstance(source, Mapping):
        assert source.get("repo") or source.get("url"), f"source without a repository: {source}"
