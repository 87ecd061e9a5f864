"""How every command talks to whoever typed it, beside its output: on stderr; and a shared option."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PermittedOption = Annotated[
    str | None,
    typer.Option("--yes-i-may-load", metavar="HOST", help="For an address that is not loopback or private."),
]


def say(text: str, markup: bool = True) -> None:
    """A line of progress, with rich's marks unless it is to be shown as it is."""
    Console(stderr=True, highlight=False, markup=markup).print(text, soft_wrap=True)


def command_line() -> str:
    """The command line that reproduces this."""
    return shlex.join(["rolloutlab", *sys.argv[1:]])


@contextmanager
def bar(word: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar where a person looks at it; it is told how many are done, and of how many if that is known."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(word, total=None)
        yield lambda done, total: shown.update(
            task, completed=done, total=max(done, total) if total else None
        )
