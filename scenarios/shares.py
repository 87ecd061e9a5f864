"""What share of the requests a route sends where, as declared: weights, and who carries what rules look for.

Pure. For advice and for capacity; where a request really goes is the router's affair.
"""

from collections.abc import Mapping

from scenarios.mix import Mix, kinds
from scenarios.plan import ByReplicas, Match, Pool, Route, Rules
from scenarios.semantics import header_pattern

Target = tuple[Pool, ...]
"""Pools that are one backend: every ready pod of them gets alike."""


def shares(route: Route, mix: Mix) -> dict[Target, float]:
    """The share of requests by target, the primary one first. Copies that nobody sees are no part of it.

    `mix` is the shares of users by attribute (`header.Region`) and value, attributes independent of each
    other; those left over have none of its values. Stickiness does not change a share here.
    """
    if isinstance(route, ByReplicas):
        return {route.pools: 1.0}
    if not isinstance(route, Rules):
        return {(pool,): share for pool, share in route.to}
    found = dict.fromkeys(shares(route.otherwise, mix), 0.0)
    for kind in kinds(mix):
        chosen = next((pool for match, pool in route.rules if carries(match, kind.attributes)), None)
        to = {(chosen,): 1.0} if chosen is not None else shares(route.otherwise, mix)
        for target, part in to.items():
            found[target] = found.get(target, 0.0) + kind.share * part
    return found


def carries(match: Match, attributes: Mapping[str, str]) -> bool:
    """Whether a request with these attributes matches; a broken pattern finds nothing.

    Names of headers know no case, those of cookies do.
    """
    value = _value(match, attributes)
    if value is None:
        return False
    if match.pattern is not None:
        try:
            return header_pattern.found(match.pattern, value)
        except header_pattern.Broken:
            return False
    return match.value is None or match.value == value


def _value(match: Match, attributes: Mapping[str, str]) -> str | None:
    name = f"{match.kind}.{match.name}"
    if match.kind == "cookie" or name in attributes:
        return attributes.get(name)
    return next((value for key, value in attributes.items() if key.lower() == name.lower()), None)
