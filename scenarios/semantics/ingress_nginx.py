"""ingress-nginx's canary by weight, as pure functions.

Follows kubernetes/ingress-nginx dbb11b92 (controller v1.15.1): `rootfs/etc/nginx/lua/balancer.lua`
(route_to_alternative_balancer: canary where a uniform integer 1 … total is at most the weight) and
`internal/ingress/annotations/canary/main.go`. Time is in nanoseconds.
"""

from fractions import Fraction

MAX_TOTAL = 1_000_000


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
