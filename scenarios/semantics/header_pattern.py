"""Does a canary-by-header-pattern find a header's value, in time linear in its length? Never by backtracking.

ingress-nginx hands the pattern to PCRE (`ngx.re.match` without options, `rootfs/etc/nginx/lua/balancer.lua`:
bytes, case matters, found anywhere). Patterns here come from files of strangers, and PCRE, like Python's
`re`, can be made to search for hours by `(a+)+$`. RE2 cannot: it runs automata. It has the same syntax but
for what no automaton can do (look-around, back-references, possessive groups) and some spellings.

So there are three answers and not two. Some patterns are broken in PCRE as in RE2, for sure: nginx then keeps
to the primary, and so do we. Other patterns RE2 does not know may well be fine in PCRE: what they would match
we cannot say, so they are refused where they are written, and never taken for "no match" or for "broken".
"""

import re
from functools import lru_cache

import re2

MAX_PATTERN = 500
MAX_MEMORY = 1 << 20
# PCRE and RE2 agree that these are mistakes, whatever else stands in the pattern
_BROKEN = ("missing ]", "missing )", "unexpected )", "trailing \\")
_LOOK_ALIKE = re.compile(r"\\(?:[1-9]|Q)|\{,|\[\[[.=]")


class UnknownPattern(ValueError):
    """A pattern that nginx may understand and we do not; the text says which and why."""


class Broken(ValueError):
    """A pattern that no engine compiles: nginx logs an error and keeps the request on the primary."""


def check(pattern: str) -> None:
    """Raises UnknownPattern where `found` could not tell what nginx would do. Broken patterns are known."""
    _compiled(pattern)


def found(pattern: str, value: str) -> bool:
    """Does the pattern match anywhere in the value? Raises Broken or UnknownPattern.

    Where PCRE gives up on a value (its match limit, after seconds of a worker's time), nginx takes the
    pattern for broken; here the value is simply matched or not.
    """
    compiled = _compiled(pattern)
    if compiled is None:
        raise Broken(f"{pattern!r} is no regular expression")
    return compiled.search(value.encode()) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> "re2._Regexp | None":
    """The pattern over bytes, as nginx has it; None where it is broken. Raises UnknownPattern."""
    if len(pattern) > MAX_PATTERN:
        raise UnknownPattern(f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN} are understood")
    # the two engines read these differently, and both without complaint
    if alike := _LOOK_ALIKE.search(pattern):
        raise UnknownPattern(f"{pattern!r}: {alike[0]!r} means another thing to nginx (PCRE) than to RE2")
    try:
        return re2.compile(pattern.encode(), _options())
    except re2.error as error:
        reason = _text(error)
        if reason.startswith(_BROKEN):
            return None
        raise UnknownPattern(
            f"{pattern!r}: {reason}. nginx's PCRE may know it; here patterns are RE2's, without look-around, "
            "back-references, possessive or atomic groups"
        ) from None


def _options() -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    return options


def _text(error: re2.error) -> str:
    """RE2's reason, without what cannot be printed."""
    reason = error.args[0]
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return "".join(c if c.isprintable() else "?" for c in text)[:120]
