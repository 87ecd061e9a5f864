"""Rules of a plan as one canary ingress has them, and back. Pure; says what ingress-nginx cannot be told."""

from collections.abc import Sequence
from dataclasses import replace

from scenarios.errors import shown
from scenarios.plan import Match
from scenarios.semantics.ingress_annotations import annotations
from scenarios.semantics.ingress_nginx import Policy, weight

ANY_VALUE = ".*"
ALWAYS = "always"


class Unwritable(ValueError):
    """No canary annotations do this; the text says why and what could be done instead."""


def policy_of(matches: Sequence[Match], share: float) -> Policy:
    """The canary that gets requests which match, and of all others this share.

    Raises Unwritable and header_pattern.UnknownPattern. Beyond what is asked, `never` in a cookie that a
    rule is about keeps a request on the primary.
    """
    canary_weight, total = weight(share)
    policy = Policy(canary_weight, total)
    for match in matches:
        taken = policy.header if match.kind == "header" else policy.cookie
        if taken:
            raise Unwritable(
                f"a canary ingress has one {match.kind} rule, and {shown(taken)} has it; "
                f"for {shown(match.name)} go via a proxy router, or let one pattern cover both values"
            )
        policy = _with_header(policy, match) if match.kind == "header" else _with_cookie(policy, match)
    try:
        annotations(policy)
    except ValueError as error:
        raise Unwritable(f"{error}; a proxy router takes any text") from None
    return policy


def matches_of(policy: Policy) -> tuple[Match, ...]:
    """The rules of a canary ingress, of which each alone is enough. Its words `never` are not among them."""
    found = []
    if policy.header and (policy.header_value or not policy.header_pattern):
        found.append(Match("header", policy.header, value=policy.header_value or ALWAYS))
    elif policy.header:
        found.append(Match("header", policy.header, pattern=policy.header_pattern))
    if policy.cookie:
        found.append(Match("cookie", policy.cookie, value=ALWAYS))
    return tuple(found)


def _with_header(policy: Policy, match: Match) -> Policy:
    """Exactly the value, or the pattern; without either any value at all, which takes a pattern to say."""
    if match.value is not None:
        return replace(policy, header=match.name, header_value=match.value)
    return replace(policy, header=match.name, header_pattern=match.pattern or ANY_VALUE)


def _with_cookie(policy: Policy, match: Match) -> Policy:
    if match.value != ALWAYS:
        raise Unwritable(
            f"of a cookie ingress-nginx heeds only the values always and never; {match} needs value: always, "
            "a header, or a proxy router"
        )
    return replace(policy, cookie=match.name)
