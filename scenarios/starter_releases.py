"""The part of a starter that is about releases: the way in, guards, the strategies to try, and how long."""

import math
from collections.abc import Iterator

from scenarios.errors import harmless
from scenarios.ingresses import Ingress
from scenarios.known import KUBERNETES, Known, quoted
from scenarios.plan import Match
from scenarios.semantics.ingress_nginx import Affinity, share_by_weight
from scenarios.units import write_share


def routers(known: Known) -> Iterator[str]:
    service = _service(known)
    yield "routers:"
    if known.exposed is None:
        yield service
        yield "  edge: {kind: ingress-nginx}  # a weight per request, for the canary"
    else:
        ingress, affinity = known.exposed.ordinary, known.exposed.affinity
        cookie = "" if affinity is Affinity.NONE else f", affinity: {affinity.value}"
        source = harmless(f"{ingress.where}: {ingress}")
        yield f"  edge: {{kind: ingress-nginx{cookie}}}  # from {source}"
        yield service
    yield ""
    yield "guards:"
    # the first step of 5 % must bring a window its 100 requests, with some to spare
    window = math.ceil(130 / (0.05 * 60 * known.rate))
    yield f"  errors: {{metric: failure_share, limit: 1%, window: {window}m, min_requests: 100}}" + (
        f"  # {known.default}what would wake you"
    )
    yield (
        f"  everyone: {{metric: failure_share, of: all, limit: 5%, window: {window}m, min_requests: 100}}"
        "  # sees what nobody answers, too"
    )


def _service(known: Known) -> str:
    keeping = known.keeping
    if keeping is None or keeping.client_ip is None:
        return "  service: {kind: kube-proxy}  # a Service: any ready pod, by chance"
    source = harmless(f"{keeping.client_ip.where}: {keeping}")
    return f"  service: {{kind: kube-proxy, affinity: client_ip}}  # from {source}"


def strategies(known: Known) -> Iterator[str]:
    yield "strategies:"
    yield from _today(known)
    guarded, via = f"guards: [errors, everyone]{_patience(known)}", known.via()
    yield f"  blue-green: {{blue_green: {{{via}bake: 5m, keep_old: 1m, {guarded}}}}}"
    if known.replicas > 1:
        yield f"  halves: {{in_place_halves: {{{via}drain: 30s, soak: 5m, {guarded}}}}}"
    yield f"  canary: {{canary: {{via: edge, steps: [5%, 25%, 50%], hold: 2m, {guarded}}}}}"
    if known.exposed and known.exposed.canary:
        yield from _as_annotated(known, known.exposed.canary, guarded)
    if known.replicas > 1:
        yield "  canary-by-replicas: {canary: {from: canary, via: service}}"


def _as_annotated(known: Known, canary: Ingress, guarded: str) -> Iterator[str]:
    """The canary as its Ingress has it now: who carries what it looks for, and its weight, held once."""
    assert canary.policy is not None, "a canary ingress has a policy"
    share, source = share_by_weight(canary.policy), harmless(f"{canary.where}: {canary}")
    rules = [_rule(match) for match in known.matches()]
    match = f"match: [{', '.join(rules)}], " if rules else ""
    if 0 < share < 1:
        body = f"via: edge, {match}steps: [{write_share(share)}], hold: 5m, {guarded}"
        yield f"  canary-as-annotated: {{canary: {{{body}}}}}  # from {source}"
    elif rules and not share:
        body = f"via: edge, {match}steps: [50%], hold: 5m, {guarded}"
        yield f"  canary-as-annotated: {{canary: {{{body}}}}}  # from {source}; the step of 50% is a guess"
    else:
        yield f"  # {source} has the weight of {write_share(share)}: no step of its own"
    if len(rules) == 1 and not share:
        body = f"via: edge, by: {rules[0]}, lasting: 10m"
        yield f"  test-as-annotated: {{ab_test: {{{body}}}}}  # from {source}"


def _rule(match: Match) -> str:
    """A rule as the language has it: {header: Region, pattern: shenzhen}."""
    key, text = ("value", match.value) if match.value is not None else ("pattern", match.pattern or "")
    return f"{{{match.kind}: {quoted(match.name)}, {key}: {quoted(text)}}}"


def _today(known: Known) -> Iterator[str]:
    """The Deployment's own way of updating."""
    kind = "recreate" if known.recreate else "rolling"
    yield f"  {kind}:  # " + (
        f"what {known.stable} does today" if known.stable else "what a Deployment does by itself"
    )
    yield f"    {kind}:"
    d = known.stable
    if known.exposed:
        yield "      via: edge"
    if not known.recreate:
        yield known.line(6, "max_surge", d.max_surge if d else None, "25%", KUBERNETES)
        yield known.line(6, "max_unavailable", d.max_unavailable if d else None, "25%", KUBERNETES)
    yield known.line(6, "progress_deadline", d.progress_deadline if d else None, "600s", KUBERNETES, "s")


def _slowest(known: Known) -> int:
    """Seconds a new pod may take to become available, roughly."""
    slowest = 20
    for d in (known.stable, known.candidate):
        if d is not None:
            probe = d.readiness
            wait = int(probe.initial_delay.value) + 2 * int(probe.period.value) if probe else 0
            slowest = max(slowest, 20 + wait + int(d.min_ready.value))
    return slowest


def _patience(known: Known) -> str:
    """A deadline longer than the default's 10 minutes where pods need it."""
    needed = _slowest(known) + _rolling(known)
    return f", deadline: {math.ceil(needed / 60)}m" if needed > 540 else ""


def _rolling(known: Known) -> int:
    """Seconds a rolling update takes, roughly."""
    at_once = sum(_pods_of(value, known.replicas) for value in (known.surge, known.unavailable))
    return math.ceil(known.replicas / max(1, at_once)) * _slowest(known)


def _pods_of(value: int | str, replicas: int) -> int:
    return value if isinstance(value, int) else int(value.rstrip("%")) * replicas // 100


def clock(known: Known) -> Iterator[str]:
    minutes = min(max(30, math.ceil((1200 + 3 * (_rolling(known) + _slowest(known))) / 600) * 10), 7 * 1440)
    yield (
        "slo: {success: 99.5%, latency: {p99: 500ms}}" + f"  # {known.default}below this a candidate is bad"
    )
    yield ""
    yield f"clock: {{settle: 2m, horizon: {minutes}m}}  # long enough for each of these to end"
