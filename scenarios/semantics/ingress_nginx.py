"""ingress-nginx's canary routing, as pure functions: who decides where a request goes, and in which order.

Follows kubernetes/ingress-nginx dbb11b92 (controller v1.15.1): `rootfs/etc/nginx/lua/balancer.lua`
(get_implementation, route_to_alternative_balancer) and `internal/ingress/controller/controller.go`
(mergeAlternativeBackend). `ingress_annotations` reads and writes what these functions take. Time is in
nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from scenarios.semantics.header_pattern import Broken, check, found

MAX_TOTAL = 1_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """What a canary ingress asks for; an empty text means that the rule is not set.

    Raises header_pattern.UnknownPattern for a pattern of which we could not say what nginx would do.
    """

    weight: int = 0
    weight_total: int = 100
    header: str = ""
    header_value: str = ""
    header_pattern: str = ""
    cookie: str = ""

    def __post_init__(self) -> None:
        if self.header_pattern:
            check(self.header_pattern)


class Side(Enum):
    """The two backends of a path: the ordinary ingress's and the canary's."""

    PRIMARY = "primary"
    CANARY = "canary"


class NotYet(Enum):
    """What is no side: the draw decides, or nobody answers and nginx says 503."""

    BY_WEIGHT = "by weight"
    UNAVAILABLE = "503"


BY_WEIGHT, UNAVAILABLE = NotYet.BY_WEIGHT, NotYet.UNAVAILABLE


class Affinity(Enum):
    """Who sets a session cookie: nobody, both sides (a side's cookie leads back to it), the primary alone."""

    NONE = "none"
    STICKY = "sticky"
    LEGACY = "legacy"


def route(
    policy: Policy | None,
    headers: Mapping[str, str],
    cookies: Mapping[str, str],
    *,
    pinned_to: Side | None = None,
    primary_up: bool = True,
    canary_up: bool = True,
) -> Side | NotYet:
    """Where a request goes, in the order of route_to_alternative_balancer.

    `policy` is None where the path has no canary; `pinned_to` is the side whose session cookie the request
    carries; a side is up where nginx has endpoints of it. Without the primary's, nginx answers 503 before
    it asks who would be canary; without the canary's, there is no canary.
    """
    if not primary_up:
        return UNAVAILABLE
    if pinned_to is Side.PRIMARY or policy is None or not canary_up:
        return Side.PRIMARY
    if pinned_to is Side.CANARY:
        return Side.CANARY
    return by_rules(policy, headers, cookies)


def by_rules(policy: Policy, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Side | NotYet:
    """Header first, then cookie, then BY_WEIGHT; a rule that does not apply hands on to the next."""
    header, cookie = _header(headers, policy.header), _cookie(cookies, policy.cookie)
    side = None if header is None else _by_header(policy, header)
    side = side or (None if cookie is None else _WORDS.get(cookie))
    return side or BY_WEIGHT


def by_weight(policy: Policy, u: float) -> Side:
    """The side that a draw u in [0, 1) chooses: canary where a uniform integer 1 … total is ≤ the weight.

    Made once per request, and kept for that request's retries. The same as u < share_by_weight(policy).
    """
    return Side.CANARY if u < share_by_weight(policy) else Side.PRIMARY


def share_by_weight(policy: Policy) -> float:
    """The chance that the draw of a request, where nothing else decided, is the canary."""
    return share(policy.weight, policy.weight_total)


def pinned_after(affinity: Affinity, pinned_to: Side | None, side: Side) -> Side | None:
    """The side whose session cookie a client holds after an answer from `side`.

    Sticky: that side's, so nobody comes back from the canary while it has endpoints, whatever the weight.
    Legacy: the canary sets none, so everybody ends up on the primary: w^k are not yet after k requests.
    """
    if affinity is Affinity.STICKY or (affinity is Affinity.LEGACY and side is Side.PRIMARY):
        return side
    return None if affinity is Affinity.NONE else pinned_to


def balancer(
    load_balance: str | None = None,
    hash_by: str | None = None,
    hash_by_subset: bool = False,
    affinity: str | None = None,
    affinity_mode: str | None = None,
) -> str:
    """How a backend's endpoints are picked: round_robin, ewma, chash, chashsubset, sticky_balanced or
    sticky_persistent. A session cookie comes before a hash, a hash before load-balance.
    """
    if affinity == "cookie":
        return "sticky_persistent" if affinity_mode == "persistent" else "sticky_balanced"
    if hash_by:
        return "chashsubset" if hash_by_subset else "chash"
    return load_balance if load_balance in _BALANCERS else "round_robin"


def weight(share: float) -> tuple[int, int]:
    """canary-weight and canary-weight-total that realise a share, to 1 in 1,000,000.

    The total is 100 where whole percents do: a total of 100 or less is ignored by the controller.
    """
    exact = Fraction(share).limit_denominator(MAX_TOTAL)
    total = 100
    while total < MAX_TOTAL and (exact * total).denominator != 1:
        total *= 10
    return round(exact * total), total


def share(canary_weight: int, weight_total: int) -> float:
    """The share of requests that go to the canary; a weight-total of 100 or less counts as 100."""
    total = weight_total if weight_total > 100 else 100
    return min(max(canary_weight, 0), total) / total


def next_sync(now: int, last_sync: int | None, period: int) -> int:
    """When the controller works on a change that it sees at `now`: its queue is a token bucket of one."""
    return now if last_sync is None else max(now, last_sync + period)


def next_poll(now: int, phase: int, period: int) -> int:
    """When a worker, which looks every `period` from `phase` on, finds what was written at `now`."""
    return now + (phase - now) % period


_WORDS = {"always": Side.CANARY, "never": Side.PRIMARY}
_BALANCERS = frozenset(
    {"round_robin", "ewma", "chash", "chashsubset", "sticky_balanced", "sticky_persistent"}
)


def _by_header(policy: Policy, value: str) -> Side | None:
    """What the header's value decides. A value to look for switches the pattern off, either the two words."""
    if policy.header_value:
        return Side.CANARY if value == policy.header_value else None
    if policy.header_pattern:
        try:
            return Side.CANARY if found(policy.header_pattern, value) else None
        except Broken:
            return Side.PRIMARY
    return _WORDS.get(value)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """nginx's $http_name: no case, and `-` is `_`. An empty value is a value."""
    wanted = name.lower().replace("-", "_")
    names = (key for key in headers if name and key.lower().replace("-", "_") == wanted)
    return next((headers[key] for key in names), None)


def _cookie(cookies: Mapping[str, str], name: str) -> str | None:
    """nginx's $cookie_name: no case."""
    return next((cookies[key] for key in cookies if name and key.lower() == name.lower()), None)
