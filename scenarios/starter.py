"""A commented scenario for a person to go on with, made from manifests or from nothing. Text out only."""

import re
from collections.abc import Iterator

from scenarios.deployments import Deployment, Probe
from scenarios.errors import harmless
from scenarios.imported import Imported
from scenarios.known import KUBERNETES, SLOTS, Known, quoted
from scenarios.look import Fact
from scenarios.plan import Match
from scenarios.starter_releases import clock, routers, strategies
from scenarios.world import FORMAT

DEFAULT = "default: manifests do not say; "
GUESS = "a guess; "


def to_yaml(imported: Imported) -> str:
    """A scenario that loads and runs at once: every value says where it comes from, or that it is a guess."""
    return "\n".join([*_head(imported), *_sections(Known(imported, DEFAULT))]) + "\n"


def starter() -> str:
    """The scenario that `rolloutlab init` writes: four pods, nothing known yet, every guess marked."""
    head = [
        "# A scenario to start from: the world your service lives in, and ways to release it.",
        "# Every value is a guess until you replace it; the comment behind it says where to look.",
        f"format: {FORMAT}",
        "name: my-service",
        "summary: My service, and what a release of it may cost.",
        "",
    ]
    return "\n".join([*head, *_sections(Known(None, GUESS))]) + "\n"


_REMARKS = {
    "HorizontalPodAutoscaler": " (it may change the replicas while a release is on its way)",
    "ScaledObject": " (it may change the replicas while a release is on its way)",
    "PodDisruptionBudget": " (a Deployment's own updates do not heed it)",
    "Rollout": " (Argo Rollouts; only Deployments are read)",
}


def _head(imported: Imported) -> Iterator[str]:
    stable = imported.stable
    yield f"# Made from {harmless(stable.where)}. {harmless(imported.why)}"
    yield "# What a manifest states says so; all else is a guess, marked default, with where to look."
    rest = imported.left_alone
    for name in rest[:40]:
        remark = _REMARKS.get(name.partition("/")[0], "")
        yield f"# left alone: {harmless(name)}{remark}"
    if len(rest) > 40:
        yield f"# left alone: {len(rest) - 40} more"
    for note in imported.notes[:20]:
        yield f"# note: {harmless(note)}"
    yield f"format: {FORMAT}"
    yield f"name: {quoted(stable.name[:80])}"
    yield f"summary: {quoted(f'{stable.name} as its manifests describe it, and other ways to release it.')}"
    yield ""


def _sections(known: Known) -> Iterator[str]:
    for section in (_service, _versions, _candidates, _traffic, _cluster, routers, strategies, clock):
        yield from section(known)
        yield ""
    yield "seeds: 32  # how often chance is asked; more seeds, narrower intervals"


def _service(known: Known) -> Iterator[str]:
    replicas = known.count() if known.stable else None
    of = known.autoscaler if known.stable and replicas is not known.stable.replicas else None
    hint = "kubectl get deployment, or the autoscaler's usual number"
    yield "service:"
    yield known.line(2, "replicas", replicas, 4, hint, of=of)
    yield known.guess(2, "slots", str(SLOTS), "requests a pod works on at once: its workers or threads")
    yield known.guess(2, "queue", "50", "requests that may wait in a pod: its backlog")


def _versions(known: Known) -> Iterator[str]:
    yield "versions:"
    yield "  stable:"
    if known.stable and known.stable.image:
        yield known.line(4, "image", known.stable.image, "", "")
    yield known.guess(
        4, "start", "{median: 4s, p95: 8s}", "container start to able to answer; see a pod's log"
    )
    yield known.guess(
        4, "service_time", "{median: 40ms, p99: 200ms}", "your dashboard's latency at a quiet hour"
    )
    yield known.guess(
        4, "errors", "[{share: 0.05%, of: requests}]", "your dashboard's share of 5xx on a good day"
    )
    yield "  candidate:"
    yield "    from: stable  # says only what differs"
    if known.stable and known.candidate:
        yield from _candidate(known.stable, known.candidate)


def _candidate(stable: Deployment, candidate: Deployment) -> Iterator[str]:
    """What the second Deployment states otherwise."""
    if candidate.image:
        yield f"    image: {quoted(candidate.image.value)}  # from {candidate.image.where}: {candidate}"
    if _same_pods(stable, candidate):
        return
    yield "    pods:"
    yield from _pods(6, candidate, str(candidate), DEFAULT)
    if candidate.liveness is None and stable.liveness is not None:
        yield f"      liveness: none  # {harmless(str(candidate))} has no such probe"


def _same_pods(a: Deployment, b: Deployment) -> bool:
    return _pod_values(a) == _pod_values(b)


def _pod_values(d: Deployment) -> tuple[object, ...]:
    facts = (d.min_ready, d.grace, d.pre_stop.sleep)
    return (*(fact.value for fact in facts), _numbers(d.readiness), _numbers(d.liveness))


def _numbers(probe: Probe | None) -> tuple[object, ...]:
    facts = (probe.initial_delay, probe.period, probe.timeout, probe.success, probe.failure) if probe else ()
    return tuple(fact.value for fact in facts)


def _candidates(known: Known) -> Iterator[str]:
    yield f"candidates:  # {known.default}what may be wrong with the new version; every strategy meets each"
    yield "  healthy: {}  # the candidate as it stands"
    yield "  errors: {errors: [{share: 5%, of: requests}]}"
    yield "  slow: {service_time: {median: 80ms, p99: 400ms}}"
    yield "  crash: {crash: {after_start: 20s}}"


def _traffic(known: Known) -> Iterator[str]:
    yield "traffic:"
    why = "; so many keep these pods at the autoscaler's target" if known.autoscaler else ""
    yield known.guess(2, "rate", f"{known.rate}/s", f"requests a second at the hour you release{why}")
    yield known.guess(2, "users", "{count: 10000}", "how many people, devices or callers send them")
    yield from _mix(known)
    yield known.guess(
        2, "client", "{timeout: 2s}", "when the caller gives up: your gateway's or client's timeout"
    )


def _mix(known: Known) -> Iterator[str]:
    """Users who carry what the canary Ingress looks for, where one value of that can be named."""
    matches = known.matches()
    if any(_carried(match) for match in matches):
        yield "  mix:"
    for match in sorted(matches, key=lambda match: not _carried(match)):
        name, value = f"{match.kind}.{match.name}", _carried(match)
        if value:
            yield known.guess(4, name, f"{{{quoted(value)}: 10%}}", "share of users who send this")
        else:
            yield f"  # mix: {{{name}: {{VALUE: 10%}}}}  # a value with {match.pattern} in it"


def _carried(match: Match) -> str | None:
    """A value that matches; of a pattern that is more than plain text, nobody knows one."""
    plain = match.pattern and re.fullmatch(r"[\w-]+", match.pattern, re.ASCII)
    return match.pattern if plain else match.value


def _cluster(known: Known) -> Iterator[str]:
    yield "cluster:"
    yield known.guess(2, "nodes", "3", "kubectl get nodes")
    yield f"  # spare_pods: {known.replicas}  # room beyond the replicas; unsaid, there is always room"
    yield from _autoscaler(known)
    yield from _budget(known)
    yield "  pods:"
    if known.stable:
        yield from _pods(4, known.stable, str(known.stable), known.default)
    else:
        yield known.guess(4, "readiness", "{period: 5s}", "the readiness probe in your pod template")
        yield known.guess(
            4, "termination", "{grace: 30s, pre_stop: 5s, on_sigterm: drain}", "your pod template"
        )


def _pods(indent: int, d: Deployment, name: str, default: str) -> Iterator[str]:
    pad = " " * indent

    def line(deeper: int, key: str, fact: Fact, unit: str, hint: str) -> str:
        comment = f"from {fact.where}: {name}" if fact.where else f"{default}{hint}"
        return f"{pad}{' ' * deeper}{key}: {fact.value}{unit}  # {harmless(comment)}"

    def waits(probe: Probe) -> Iterator[str]:
        yield line(2, "initial_delay", probe.initial_delay, "s", KUBERNETES)
        yield line(2, "period", probe.period, "s", KUBERNETES)
        yield line(2, "timeout", probe.timeout, "s", KUBERNETES)

    if d.readiness is None:
        yield f"{pad}readiness: none  # {harmless(name)} has no probe: a pod gets requests as soon as it runs"
    else:
        yield f"{pad}readiness:"
        yield from waits(d.readiness)
        yield line(2, "success", d.readiness.success, "", KUBERNETES)
        yield line(2, "failure", d.readiness.failure, "", KUBERNETES)
    if d.liveness is not None:
        yield f"{pad}liveness:"
        yield from waits(d.liveness)
        yield line(2, "failure", d.liveness.failure, "", KUBERNETES)
    yield line(0, "min_ready", d.min_ready, "s", KUBERNETES)
    yield f"{pad}termination:"
    yield line(2, "grace", d.grace, "s", KUBERNETES)
    if d.pre_stop.remark:
        yield f"{pad}  # unknown: {harmless(d.pre_stop.remark)}; write its length"
    yield line(
        2, "pre_stop", d.pre_stop.sleep, "s", "no preStop sleep: proxies may send to a pod that is gone"
    )
    yield f"{pad}  on_sigterm: drain  # {default}exit, if the process stops without answering what is open"


def _autoscaler(known: Known) -> Iterator[str]:
    """Bounds as stated; a target of CPU becomes one of busy slots, which is as near as a scenario comes."""
    scaler = known.autoscaler
    if scaler is None:
        return
    target = Fact(known.target(), scaler.utilisation.where) if scaler.utilisation else None
    others = f"; it also scales by {harmless(', '.join(scaler.others)[:60])}" if scaler.others else ""
    yield "  autoscaler:"
    yield known.line(4, "min", scaler.least, 1, KUBERNETES, of=scaler)
    yield known.line(4, "max", scaler.most, 1, "", of=scaler)
    yield known.line(
        4,
        "target",
        target,
        "60%",
        "share of busy slots",
        "%",
        of=f"{scaler}, of CPU; here of busy slots{others}",
    )
    yield known.line(4, "stabilization", scaler.stabilization, 300, KUBERNETES, "s", of=scaler)


def _budget(known: Known) -> Iterator[str]:
    """A budget of evictions, for faults that drain a node."""
    budget = known.budget
    if budget is None:
        return
    yield "  disruption_budget:  # heeded when a node is drained, never by a Deployment's own update"
    for key, fact in (("min_available", budget.min_available), ("max_unavailable", budget.max_unavailable)):
        if fact is not None:
            yield known.line(4, key, fact, "", "", of=budget)
