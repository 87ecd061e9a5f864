"""Adapters for ingress-nginx: where requests go, what annotations say, how endpoints are picked.

Every request goes through `route` and, where that leaves it to the weight, through `by_weight` with a draw
that is a function of seed, purpose and request, as in the simulator.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from scenarios.draws import Purpose, u
from scenarios.semantics import ingress_annotations, ingress_nginx
from scenarios.semantics.ingress_nginx import BY_WEIGHT, UNAVAILABLE, Affinity, NotYet, Policy, Side

Inputs = Mapping[str, Any]
Figures = dict[str, Any]
SEED = 5
LEAST = 0.4  # test/e2e/annotations/canary.go wants this share of a 50 % split on either side


def policy_in(row: Inputs) -> Policy:
    """A policy as the Lua balancer has it: what is null is not set."""
    return Policy(**{key: value for key, value in row.items() if value is not None})


def drawn(side: Side | NotYet, policy: Policy | None, request: int) -> Side:
    """The side of request number `request`."""
    if side is BY_WEIGHT:
        assert policy is not None, "without a canary nothing is left to its weight"
        return ingress_nginx.by_weight(policy, u(SEED, Purpose.CHOICE, request))
    assert isinstance(side, Side), side
    return side


def annotations(row: Inputs | None) -> dict[str, str]:
    """The cases leave out the prefix."""
    return {ingress_annotations.PREFIX + name: value for name, value in (row or {}).items()}


def read(row: Inputs | None) -> Policy | None:
    """The policy of a canary ingress; where the controller refuses its annotations there is no canary."""
    try:
        return ingress_annotations.policy_of(annotations(row)).policy
    except ingress_annotations.NotEnabled:
        return None


def lua_route(inputs: Inputs) -> Figures:
    pinned = Side.PRIMARY if inputs.get("affinitized_to_primary") else None
    pinned = pinned or (Side.CANARY if inputs.get("affinitized_to_canary") else None)
    # a primary that names no canary, or one whose balancer is not there, has none
    known = inputs.get("alternative_backends", "match") == "match"
    policy = policy_in(inputs["policy"]) if known else None
    side = ingress_nginx.route(
        policy,
        inputs.get("request_headers") or {},
        inputs.get("request_cookies") or {},
        pinned_to=pinned,
    )
    sides = {drawn(side, policy, request) for request in range(200)}
    return {"canary": sides == {Side.CANARY} if len(sides) == 1 else "some"}


def per_request(inputs: Inputs) -> Figures:
    """A draw has the request as its key, so it is made once however often it is asked for."""
    policy = policy_in(inputs["policy"])
    most = 1
    for request in range(100):
        side = ingress_nginx.route(policy, {}, {})
        seen = {drawn(side, policy, request) for _ in range(inputs["calls_in_one_request"])}
        most = max(most, len(seen))
    return {"distinct_backends": most}


def lb_algorithm(inputs: Inputs) -> Figures:
    kind = ingress_nginx.balancer(
        inputs.get("load_balance"),
        inputs.get("upstream_hash_by"),
        bool(inputs.get("hash_by_subset")),
        inputs.get("affinity"),
        inputs.get("affinity_mode"),
    )
    return {"implementation": kind}


def annotation_parse(inputs: Inputs) -> Figures:
    try:
        parsed = ingress_annotations.policy_of(annotations(inputs["annotations"]))
    except ingress_annotations.NotEnabled:
        return {"error": True}
    policy = parsed.policy or Policy()
    return {
        "error": False,
        "enabled": parsed.policy is not None,
        "weight": policy.weight,
        "weight_total": policy.weight_total,
        "header": policy.header,
        "header_value": policy.header_value,
        "header_pattern": policy.header_pattern,
        "cookie": policy.cookie,
    }


def tallied(sides: Sequence[Side]) -> Figures:
    """One side's name where all went there, and how many each side got, up to what upstream asks for."""
    each = Counter(sides)
    fewest = min(each[side] for side in Side)
    return {
        "status": 200,
        "requests": len(sides),
        "backend": sides[0].value if len(each) == 1 else "both",
        "backends_seen": len(each),
        "min_requests_each": min(fewest, round(LEAST * len(sides))),
    }


def e2e_route(inputs: Inputs) -> Figures:
    policy = read(inputs.get("canary_annotations"))
    side = ingress_nginx.route(
        policy,
        inputs.get("request_headers") or {},
        inputs.get("request_cookies") or {},
        primary_up=bool(inputs.get("primary_replicas", 1)),
        canary_up=bool(inputs.get("canary_replicas", 1)),
    )
    if side is UNAVAILABLE:
        return {"status": 503}
    return tallied([drawn(side, policy, request) for request in range(200)])


def e2e_affinity(inputs: Inputs) -> Figures:
    affinity = ingress_annotations.affinity_of(
        annotations(inputs.get("primary_annotations")), annotations(inputs.get("canary_annotations"))
    )
    policy, number = read(inputs.get("canary_annotations")), count()
    cookies: list[Side | None] = []
    figures = []
    for step in inputs["steps"]:
        sent = cookies[step["send_cookie_from_step"]] if "send_cookie_from_step" in step else None
        sides = [
            drawn(
                ingress_nginx.route(policy, step.get("request_headers") or {}, {}, pinned_to=sent),
                policy,
                next(number),
            )
            for _ in range(step.get("requests", 1))
        ]
        cookies.append(ingress_nginx.pinned_after(affinity, sent, sides[0]))
        set_now = affinity is not Affinity.NONE and cookies[-1] is not None
        figures.append({**tallied(sides), "affinity_cookie_set": set_now})
    return {"steps": figures}


ADAPTERS: dict[str, Callable[[Inputs], Figures]] = {
    "lua_route": lua_route,
    "per_request": per_request,
    "lb_algorithm": lb_algorithm,
    "annotation_parse": annotation_parse,
    "e2e_route": e2e_route,
    "e2e_affinity": e2e_affinity,
}
