"""Who answered: the version that an answer itself names, in a header, a cookie, its body or its status. Pure.

An answer that names nobody, or two, is never guessed at: it is counted with the reason why.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import re2

MAX_NAME = 100
MAX_PATTERN = 500
MAX_MEMORY = 1 << 20
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_|~-]{1,100}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that came: its status, its headers in order, and its body as far as it was read."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    whole: bool = True

    def values(self, name: str) -> list[str]:
        """All values of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Untold(StrEnum):
    """Why an answer's version is not known."""

    ABSENT = "does not name a version"
    SEVERAL = "names two versions at once"
    CUT = "has a body longer than is read, with no version in what was read"


@dataclass(frozen=True, slots=True)
class Named:
    """The version that an answer names; `repeated` where it does so more than once, always the same."""

    version: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class ByHeader:
    """The value of a response header."""

    name: str

    def __str__(self) -> str:
        return f"header {self.name}"


@dataclass(frozen=True, slots=True)
class ByCookie:
    """The value of a cookie that the answer sets."""

    name: str

    def __str__(self) -> str:
        return f"cookie {self.name}"


@dataclass(frozen=True, slots=True)
class ByBody:
    """What a regular expression (RE2's syntax) finds in the body: its first group, or all, without one."""

    pattern: str

    def __str__(self) -> str:
        return f"body like {self.pattern}"


@dataclass(frozen=True, slots=True)
class ByStatus:
    """The status code."""

    def __str__(self) -> str:
        return "status"


By: TypeAlias = ByHeader | ByCookie | ByBody | ByStatus


def parsed(text: str) -> By:
    """What `--by` says. ValueError for what it does not understand, with what it does."""
    kind, colon, rest = text.partition(":")
    if text in ("server", "status"):
        return ByStatus() if text == "status" else ByHeader("Server")
    if colon and kind in ("header", "cookie") and re.fullmatch(_TOKEN, rest):
        return ByHeader(rest) if kind == "header" else ByCookie(rest)
    if colon and kind == "body" and rest:
        _compiled(rest)
        return ByBody(rest)
    raise ValueError("expected header:NAME, cookie:NAME, body:REGEX, server or status")


def attributed(by: By, reply: Reply) -> Named | Untold:
    """The version of an answer."""
    if isinstance(by, ByStatus):
        return Named(str(reply.status))
    if isinstance(by, ByBody):
        found = _found(by.pattern, reply.body)
        return found if isinstance(found, Named) or reply.whole else Untold.CUT
    values = reply.values(by.name) if isinstance(by, ByHeader) else _cookies(by.name, reply)
    return _one([value.strip() for value in values if value.strip()])


def _one(values: list[str]) -> Named | Untold:
    if not values:
        return Untold.ABSENT
    return Named(values[0][:MAX_NAME], len(values) > 1) if len(set(values)) == 1 else Untold.SEVERAL


def _cookies(name: str, reply: Reply) -> list[str]:
    pairs = (value.partition(";")[0].partition("=") for value in reply.values("Set-Cookie"))
    return [value for key, _, value in pairs if key.strip() == name]


def _found(pattern: str, body: bytes) -> Named | Untold:
    """Matches in the bytes: what is no UTF-8 is shown as \\x…"""
    compiled = _compiled(pattern)
    texts = []
    for match in compiled.finditer(body):
        piece = match.group(1 if compiled.groups else 0)
        if piece:
            texts.append(piece[:MAX_NAME].decode("utf-8", "backslashreplace"))
    return _one(texts)


@lru_cache(maxsize=16)
def _compiled(pattern: str) -> "re2._Regexp":
    """Over bytes, in time linear in their number: bodies come from strangers. ValueError for no pattern."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN} are allowed")
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = (
            error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else error.args[0]
        )
        raise ValueError(f"expected a regular expression (RE2's syntax): {reason}") from None
