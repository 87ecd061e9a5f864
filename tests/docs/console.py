"""Documentation as it is run: files are written, commands run in order, and what they print is compared.

In a page of Markdown
- a block ```` ```yaml NAME ```` is a file of that name, and ```` ```yaml >> NAME ```` is put at its end,
- a block ```` ```diff NAME ```` changes it: lines with `-` and those without a sign must be there, once,
- in a block ```` ```console ```` each line after `$ ` is a command, and the lines below are what it prints,
  100 columns wide. A line `…` there stands for any number of lines. A command that fails is followed by one
  that shows `$?`.

All commands of a page run in one folder of its own. `python tests/docs/console.py PAGE…` runs pages and
puts what the commands print now into them.
"""

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

SCREEN = {"COLUMNS": "100", "TERM": "dumb"}
ELIDED = "…"
EDGE = 3  # lines by which the beginning and the end of a part are found again
FENCED = re.compile(r"^```(yaml|diff|console)(?: (>> )?(\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page, what the page says that it prints, and where that stands in the page's text."""

    text: str
    expected: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is written, added to, or changed by a diff."""

    kind: str
    name: str
    text: str


def steps(page: str) -> Iterator[Command | Change]:
    """What is to be done, in order. Blocks of YAML without a name are no step: they are loaded elsewhere."""
    for block in FENCED.finditer(page):
        kind, more, name, text = block.groups()
        if kind == "console":
            yield from _commands(text, block.start(4))
        elif name:
            yield Change("add" if more else kind, name, text)


def _commands(block: str, at: int) -> Iterator[Command]:
    for found in re.finditer(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
        expected = tuple(found[2].splitlines())
        yield Command(found[1], expected, at + found.start(2), at + found.end(2))


def change(folder: Path, step: Change) -> None:
    """Do what a file's block says. Raises ValueError where a diff does not fit."""
    file = folder / step.name
    if step.kind == "yaml":
        file.write_text(step.text, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    if step.kind == "add":
        file.write_text(text + step.text, encoding="utf-8")
        return
    old, new = _sides(step.text)
    if text.count(old) != 1:
        raise ValueError(f"{step.name} has these lines {text.count(old)} times:\n{old}")
    file.write_text(text.replace(old, new), encoding="utf-8")


def _sides(diff: str) -> tuple[str, str]:
    """The lines before and after."""
    lines = diff.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
    return old, new


def run(command: str, folder: Path, last: int) -> tuple[list[str], int]:
    """What a command prints, and its exit code; `last` is that of the command before it."""
    alone = re.fullmatch(r"rolloutlab (?!compare)[^|&;<>$]*", command)
    text, code = _within(command, folder) if alone else _by_the_shell(command, folder, last)
    return [line.rstrip() for line in text.splitlines()], code


def _within(command: str, folder: Path) -> tuple[str, int]:
    """Call the command line in this process: a second quicker than a new one."""
    import rolloutlab_cli

    printed, before = io.StringIO(), (sys.argv, os.environ.copy(), Path.cwd())
    sys.argv = shlex.split(command)
    os.environ |= SCREEN
    os.chdir(folder)
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            rolloutlab_cli.main()
    except SystemExit as end:
        return printed.getvalue(), int(end.code or 0)
    finally:
        sys.argv = before[0]
        os.environ.clear()
        os.environ |= before[1]
        os.chdir(before[2])
    return printed.getvalue(), 0


def _by_the_shell(command: str, folder: Path, last: int) -> tuple[str, int]:
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"(exit {last})\n{command}"],
        cwd=folder,
        env={**os.environ, **SCREEN, "PATH": here},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout, done.returncode


def matches(expected: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the page says what was printed, where it says something."""
    pattern = "".join("(.*\n)*" if line == ELIDED else re.escape(line + "\n") for line in expected)
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None


def refreshed(expected: tuple[str, ...], printed: list[str]) -> list[str]:
    """What the page should say, with the same parts left out.

    A part goes from where its first lines are found again to where its last ones are, so lines in between may
    come and go.
    """
    if ELIDED not in expected:
        return printed
    found, at, parts = list[str](), 0, list(_parts(expected))
    for place, part in enumerate(parts):
        if part == [ELIDED]:
            found.append(ELIDED)
            continue
        start = _where(part[:EDGE], printed, at) if place else 0
        end = _where(part[-EDGE:], printed, start) + len(part[-EDGE:])
        at = len(printed) if place == len(parts) - 1 else end
        found += printed[start:at]
    return found


def _where(lines: list[str], printed: list[str], first: int) -> int:
    """The place from `first` on at which the lines are most alike to what was printed."""
    starts = range(first, max(first + 1, len(printed) - len(lines) + 1))
    return max(starts, key=lambda at: _alike(lines, printed[at : at + len(lines)]))


def _parts(lines: tuple[str, ...]) -> Iterator[list[str]]:
    part: list[str] = []
    for line in (*lines, None):
        if line is None or line == ELIDED:
            if part:
                yield part
            part = []
            if line:
                yield [ELIDED]
        else:
            part.append(line)


def _alike(one: list[str], other: list[str]) -> float:
    return sum(SequenceMatcher(None, a, b).ratio() for a, b in zip(one, other, strict=False))


def play(page: str, folder: Path) -> Iterator[tuple[Command, list[str], str]]:
    """Do a page's steps in the folder: each command, what it printed, and what is wrong with that."""
    last, ending = 0, ""
    for step in steps(page):
        if isinstance(step, Change):
            change(folder, step)
            continue
        if last and "$?" not in step.text:
            ending = f"the command before it ended with {last}"
        printed, last = run(step.text, folder, last)
        wrong = "" if matches(step.expected, printed) else "\n".join(("it prints", *printed))
        yield step, printed, ending or wrong
    if last:
        raise ValueError(f"the last command ended with {last}")


def refresh(page: str, folder: Path) -> str:
    """The page with what its commands print now."""
    for command, printed, _ in reversed(list(play(page, folder))):
        text = "".join(f"{line}\n" for line in refreshed(command.expected, printed))
        page = page[: command.start] + text + page[command.end :]
    return page


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as scratch:
            new = refresh(Path(name).read_text(encoding="utf-8"), Path(scratch))
        Path(name).write_text(new, encoding="utf-8")
