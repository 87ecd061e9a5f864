"""Every snippet and command of the documentation runs, and prints what the page says."""

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scenarios.load import loads

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}


def _console() -> Any:
    """`console.py` beside this file; there are no packages of tests."""
    spec = importlib.util.spec_from_file_location("console", Path(__file__).with_name("console.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


console = _console()


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(page, code) for page, text in TEXTS.items() for code in pattern.findall(text)]


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_runs(page: str, code: str) -> None:
    exec(compile(code, page, "exec"), {"__name__": "snippet"})  # noqa: S102


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_yaml_is_a_scenario_whose_plans_can_be_made(page: str, text: str) -> None:
    scenario = loads(text, page)
    for name in scenario.strategies:
        assert scenario.plan(name).stages


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if "```console" in text])
def test_commands_print_what_the_page_says(page: str, tmp_path: Path) -> None:
    wrong = [
        f"{page}: $ {command.text}\n{why}" for command, _, why in console.play(TEXTS[page], tmp_path) if why
    ]
    assert not wrong, "\n".join((*wrong, f"to take these over: python tests/docs/console.py {page}"))


@pytest.mark.parametrize(("page", "code"), blocks("sh"))
def test_what_is_typed_elsewhere_is_a_command_of_the_shell(page: str, code: str) -> None:
    read = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, ""), page


def commands() -> list[str]:
    """`rolloutlab …` in the pages that can be run as they stand: no placeholders, no files of one's own."""
    found = set()
    for text in TEXTS.values():
        for code in re.findall(r"`(rolloutlab [^`\n]+)`", text):
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
    # one seed decides no requirement
    assert ended.value.code in ((0, None, 3) if arguments[1] == "compare" else (0, None))


def links() -> list[tuple[str, str]]:
    """Every link inside the project, with the page it stands in."""
    pattern = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
    return sorted({(page, link) for page, text in TEXTS.items() for link in pattern.findall(text)})


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "link"), links())
def test_links_lead_somewhere(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.read_text(encoding="utf-8"))


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for page, link in links() if page == "docs/README.md"}
    for chapter in ("strategies.md", "figures.md"):
        listed |= {(index.parent / link).resolve() for page, link in links() if page == f"docs/{chapter}"}
    assert {page for page in PAGES if page.parent != ROOT and page != index} <= listed
