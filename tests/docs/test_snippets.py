"""Every snippet and command of the documentation runs."""

import re
import shlex
from pathlib import Path

import pytest

from scenarios.load import loads

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(page.name, code) for page in PAGES for code in pattern.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_runs(page: str, code: str) -> None:
    exec(compile(code, page, "exec"), {"__name__": "snippet"})  # noqa: S102


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_yaml_is_a_scenario_whose_plans_can_be_made(page: str, text: str) -> None:
    scenario = loads(text, page)
    for name in scenario.strategies:
        assert scenario.plan(name).stages


def commands() -> list[str]:
    """`rolloutlab …` in the pages that can be run as they stand: no placeholders, no files of one's own."""
    found = set()
    for page in PAGES:
        for code in re.findall(r"`(rolloutlab [^`\n]+)`", page.read_text(encoding="utf-8")):
            if not re.search(r"[A-Z…|]{2,}|\.yaml|…", code):
                found.add(code)
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_commands_run(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import rolloutlab_cli

    arguments = shlex.split(command)
    if arguments[1] == "compare":
        arguments += ["--seeds", "1", "--jobs", "1"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as ended:
        rolloutlab_cli.main()
    assert ended.value.code in (0, None)
