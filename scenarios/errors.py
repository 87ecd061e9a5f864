"""What is wrong with a text from outside: problems with place and value, all at once. Never prints."""

from collections.abc import Iterable
from dataclasses import dataclass

LONGEST = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `path` in the document, `line` from 1 (None for `--set`), what was expected.

    `value` is what stood there, made harmless for a terminal; `origin` the file, or `--set …`.
    """

    path: str
    line: int | None
    message: str
    value: str | None = None
    origin: str = ""

    def __str__(self) -> str:
        place = self.origin if self.line is None else f"{self.origin}:{self.line}"
        got = "" if self.value is None else f"; got {self.value}"
        return ": ".join(part for part in (place, self.path, self.message) if part) + got


class ScenarioError(Exception):
    """A scenario, or a manifest to make one of, cannot be used. `str()` is one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class Misplaced(ValueError):
    """What a model found wrong deeper inside itself: pairs of a path below it and a message."""

    def __init__(self, *found: tuple[tuple[str | int, ...], str]) -> None:
        self.found = found
        super().__init__("; ".join(f"{dotted(path)}: {message}" for path, message in found))


def shown(value: object) -> str:
    """A value as messages show it: quoted if text, control characters escaped, at most 60 characters."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value) if isinstance(value, str) else harmless(str(value))
    quote = text[:1] if isinstance(value, str) else ""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]}…{quote}"


def harmless(text: str) -> str:
    """Text with everything unprintable escaped, so that it cannot command a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def dotted(path: Iterable[str | int]) -> str:
    """A path as messages show it: `strategies.canary.canary.steps.0`."""
    return ".".join(harmless(str(segment))[:LONGEST] for segment in path)
