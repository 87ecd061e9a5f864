"""What `verify-split` is asked, from words to values. Pure; a ValueError says what was expected."""

import math
import re
from collections.abc import Sequence

from scenarios.judge import Claim, Detect, Precision, gap
from scenarios.units import parse_share

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,4000}")
_OURS = ("connection", "content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer")
MOST_VERSIONS = 20


def shares(texts: Sequence[str]) -> dict[str, float]:
    """`candidate=10%` and the like, as shares by version."""
    found: dict[str, float] = {}
    for text in texts:
        name, equals, share = text.rpartition("=")
        if not equals or not name.strip():
            raise ValueError(f"expected VERSION=SHARE such as candidate=10%; got {text!r}")
        if name.strip() in found:
            raise ValueError(f"{name.strip()!r} is expected twice")
        found[name.strip()] = _share(share.strip(), text)
    if not 0 < len(found) <= MOST_VERSIONS:
        raise ValueError(f"expected 1 to {MOST_VERSIONS} versions; got {len(found)}")
    if (total := math.fsum(found.values())) > 1 + 1e-9:
        raise ValueError(f"expected shares of 100% together at most; got {total * 100:g}%")
    return found


def claim(
    expected: dict[str, float], precision: str | None, detect: str | None, requests: int | None
) -> Claim:
    """The claim with how well it is to be known: to a precision, or so that another share is told from it.

    Where neither is said, a share that is off by half of the rarer part is to be told, or by 5 points.
    """
    if precision is not None and detect is not None:
        raise ValueError("either --precision or --detect decides how many requests are sent, not both")
    if precision is not None:
        return Claim(expected, Precision(_inside(precision, "a precision such as 1%")), requests)
    first = next(iter(expected.values()))
    if detect is None:
        return Claim(expected, Detect(min(gap(share) for share in expected.values())), requests)
    away = abs(_share(detect, detect) - first)
    if away < 1e-9:
        raise ValueError(f"--detect is another share than the expected one; got {detect!r} for both")
    return Claim(expected, Detect(away), requests)


def header(text: str) -> tuple[str, str]:
    """`Region: shenzhen` as name and value."""
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()) or not _VALUE.fullmatch(value.strip()):
        raise ValueError(f"expected a header such as 'Region: shenzhen'; got {text[:60]!r}")
    if name.strip().lower() in _OURS:
        raise ValueError(f"{name.strip()} is set by how requests are sent; see --connections")
    return name.strip(), value.strip()


def cookie(text: str) -> str:
    """`name=value`, as it stands in the header."""
    name, equals, value = text.partition("=")
    if not equals or not _TOKEN.fullmatch(name) or not re.fullmatch(r"[^\x00-\x20\x7f;,]{0,4000}", value):
        raise ValueError(f"expected a cookie such as beta=always; got {text[:60]!r}")
    return text


def host(text: str) -> str:
    """The value of the Host header."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?", text):
        raise ValueError(f"expected a host such as www.test.com; got {text[:60]!r}")
    return text


def method(text: str) -> str:
    """A method without a body."""
    known = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
    if text.upper() not in known:
        raise ValueError(f"expected one of {', '.join(known)}; got {text[:60]!r}")
    return text.upper()


def lanes(text: str, most: int) -> int | None:
    """How many connections are kept at a time; None for a new one for each request."""
    if text == "new":
        return None
    if not re.fullmatch(r"\d{1,4}", text) or not 1 <= int(text) <= most:
        raise ValueError(f"expected new, or a number of connections from 1 to {most}; got {text[:60]!r}")
    return int(text)


def _share(text: str, whole: str) -> float:
    try:
        return float(parse_share(text))
    except ValueError as error:
        raise ValueError(f"{error}; got {whole[:60]!r}") from None


def _inside(text: str, wanted: str) -> float:
    found = _share(text, text)
    if not 0 < found < 1:
        raise ValueError(f"expected {wanted}, above 0% and below 100%; got {text!r}")
    return found
