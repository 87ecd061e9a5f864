"""The conformance run itself: it must fail loudly rather than pass over what it doesn't understand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCEPOSTS = {
    "name": "a stranger's row",
    "function": "ResolveFenceposts",
    "inputs": {"max_surge": "10%", "max_unavailable": None, "desired": 11, "note": "null is 0"},
    "expected": {"surge": 2, "unavailable": 0, "remark": "not a figure of ours"},
    "source": {"repo": "somebody/something", "commit": None},
}


def run(folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/conformance/test_cases.py"]
    environment = {**os.environ, "ROLLOUTLAB_CASES": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_another_folder_replaces_ours(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps({"about": "", "cases": [FENCEPOSTS]}))
    code, output = run(tmp_path)
    assert code == 0, output
    assert "rows.json: 1/1 passed, 1 expected figures not compared" in output
    assert "all files: 1/1 passed" in output


def test_bad_cases_fail(tmp_path: Path) -> None:
    """An unknown kind, a wrong figure, no figure that we have a word for, no source: each by itself is a
    failure.
    """
    changes = [
        {"group": "tea_leaves"},
        {"expected": {"surge": 3, "unavailable": 0}},
        {"expected": {"colour": "red"}},
        {"source": None},
    ]
    (tmp_path / "rows.json").write_text(json.dumps({"cases": [FENCEPOSTS | change for change in changes]}))
    code, output = run(tmp_path)
    assert code == 1
    assert "4 failed, 5 passed" in output, output
    for message in (
        "no adapter for kind 'tea_leaves'",
        ".surge: expected 3, got 2",
        "nothing to compare",
        "no `source`",
    ):
        assert message in output, output
    assert "rows.json: 1/4 passed" in output


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no *.json with cases"),
        (None, "no folder of cases"),
        ({"other.json": "{}", "rows.json": '{"cases": []}', "broken.json": "{"}, "not a file of cases"),
    ],
    ids=["empty folder", "missing folder", "other forms"],
)
def test_a_folder_without_cases_fails(tmp_path: Path, files: dict[str, str] | None, message: str) -> None:
    folder = tmp_path / "cases"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    code, output = run(folder)
    assert code == 1, output
    assert message in output, output
    assert output.count("FAILED") == max(2 * len(files or {}), 1), output
