"""A commented scenario for a person to go on with, made from manifests or from nothing. Text out only."""

import json
import math
import re
from collections.abc import Iterator

from scenarios.deployments import Deployment
from scenarios.errors import harmless
from scenarios.imported import Imported
from scenarios.look import Fact
from scenarios.scalars import resolve
from scenarios.world import FORMAT

DEFAULT = "default: manifests do not say; "
GUESS = "a guess; "
KUBERNETES = "Kubernetes' own default"
PER_POD = 20
MOST_PER_SECOND = 2000


def to_yaml(imported: Imported) -> str:
    """A scenario that loads and runs at once: every value says where it comes from, or that it is a guess."""
    return "\n".join([*_head(imported), *_sections(_Known(imported, DEFAULT))]) + "\n"


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
    return "\n".join([*head, *_sections(_Known(None, GUESS))]) + "\n"


class _Known:
    """What is known of the application, with the comment that belongs to each value."""

    def __init__(self, imported: Imported | None, default: str) -> None:
        self.stable: Deployment | None = imported.stable if imported else None
        self.candidate: Deployment | None = imported.candidate if imported else None
        self.default = default
        self.replicas = int(self.stable.replicas.value) if self.stable else 4
        self.surge: int | str = self.stable.max_surge.value if self.stable else "25%"
        self.unavailable: int | str = self.stable.max_unavailable.value if self.stable else "25%"
        self.recreate = bool(self.stable and self.stable.recreate)
        self.rate = min(PER_POD * self.replicas, MOST_PER_SECOND)

    def line(
        self, indent: int, key: str, fact: Fact | None, unknown: str | int, hint: str, unit: str = ""
    ) -> str:
        """`key: value  # from …` for a stated fact, `# default: …` otherwise."""
        value = unknown if fact is None else f"{fact.value}{unit}" if unit else fact.value
        said = fact is not None and fact.where is not None
        comment = f"from {fact.where}: {self.stable}" if fact and said else f"{self.default}{hint}"
        return f"{' ' * indent}{key}: {quoted(value)}  # {harmless(comment)}"

    def guess(self, indent: int, key: str, value: str, hint: str) -> str:
        """`key: value  # default: …`."""
        return f"{' ' * indent}{key}: {value}  # {self.default}{hint}"


def quoted(value: int | str) -> str:
    """A value as YAML, in quotes where it needs them."""
    if isinstance(value, int):
        return str(value)
    plain = re.fullmatch(r"[A-Za-z0-9][\w./:@+%-]*", value, re.ASCII) and not value.endswith(":")
    return value if plain and resolve(value) == (value, None) else json.dumps(value, ensure_ascii=False)


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
    yield f"format: {FORMAT}"
    yield f"name: {quoted(stable.name[:80])}"
    yield f"summary: {quoted(f'{stable.name} as its manifests describe it, and other ways to release it.')}"
    yield ""


def _sections(known: _Known) -> Iterator[str]:
    for section in (_service, _versions, _candidates, _traffic, _cluster, _routers, _strategies, _clock):
        yield from section(known)
        yield ""
    yield "seeds: 32  # how often chance is asked; more seeds, narrower intervals"


def _service(known: _Known) -> Iterator[str]:
    replicas = known.stable.replicas if known.stable else None
    yield "service:"
    yield known.line(2, "replicas", replicas, 4, "kubectl get deployment, or the autoscaler's usual number")
    yield known.guess(2, "slots", "4", "requests a pod works on at once: its workers or threads")
    yield known.guess(2, "queue", "50", "requests that may wait in a pod: its backlog")


def _versions(known: _Known) -> Iterator[str]:
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


def _same_pods(a: Deployment, b: Deployment) -> bool:
    return _pod_values(a) == _pod_values(b)


def _pod_values(d: Deployment) -> tuple[object, ...]:
    probe = d.readiness
    numbers = (
        (probe.initial_delay, probe.period, probe.timeout, probe.success, probe.failure) if probe else ()
    )
    facts = (d.min_ready, d.grace, d.pre_stop.sleep, *numbers)
    return tuple(fact.value for fact in facts)


def _candidates(known: _Known) -> Iterator[str]:
    yield f"candidates:  # {known.default}what may be wrong with the new version; every strategy meets each"
    yield "  healthy: {}  # the candidate as it stands"
    yield "  errors: {errors: [{share: 5%, of: requests}]}"
    yield "  slow: {service_time: {median: 80ms, p99: 400ms}}"
    yield "  crash: {crash: {after_start: 20s}}"


def _traffic(known: _Known) -> Iterator[str]:
    yield "traffic:"
    yield known.guess(2, "rate", f"{known.rate}/s", "requests a second at the hour you release")
    yield known.guess(2, "users", "{count: 10000}", "how many people, devices or callers send them")
    yield known.guess(
        2, "client", "{timeout: 2s}", "when the caller gives up: your gateway's or client's timeout"
    )


def _cluster(known: _Known) -> Iterator[str]:
    yield "cluster:"
    yield known.guess(2, "nodes", "3", "kubectl get nodes")
    yield f"  # spare_pods: {known.replicas}  # room beyond the replicas; unsaid, there is always room"
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

    if d.readiness is None:
        yield f"{pad}readiness: none  # {harmless(name)} has no probe: a pod gets requests as soon as it runs"
    else:
        yield f"{pad}readiness:"
        yield line(2, "initial_delay", d.readiness.initial_delay, "s", KUBERNETES)
        yield line(2, "period", d.readiness.period, "s", KUBERNETES)
        yield line(2, "timeout", d.readiness.timeout, "s", KUBERNETES)
        yield line(2, "success", d.readiness.success, "", KUBERNETES)
        yield line(2, "failure", d.readiness.failure, "", KUBERNETES)
    yield line(0, "min_ready", d.min_ready, "s", KUBERNETES)
    yield f"{pad}termination:"
    yield line(2, "grace", d.grace, "s", KUBERNETES)
    if d.pre_stop.remark:
        yield f"{pad}  # unknown: {harmless(d.pre_stop.remark)}; write its length"
    yield line(
        2, "pre_stop", d.pre_stop.sleep, "s", "no preStop sleep: proxies may send to a pod that is gone"
    )
    yield f"{pad}  on_sigterm: drain  # {default}exit, if the process stops without answering what is open"


def _routers(known: _Known) -> Iterator[str]:
    yield "routers:"
    yield "  service: {kind: kube-proxy}  # a Service: any ready pod, by chance"
    yield "  edge: {kind: ingress-nginx}  # a weight per request, for the canary"
    yield ""
    yield "guards:"
    yield "  errors: {metric: failure_share, limit: 1%, window: 1m, min_requests: 100}" + (
        f"  # {known.default}what would wake you"
    )


def _strategies(known: _Known) -> Iterator[str]:
    yield "strategies:"
    yield from _today(known)
    guarded = f"guards: [errors]{_patience(known)}"
    yield f"  blue-green: {{blue_green: {{bake: 5m, keep_old: 1m, {guarded}}}}}"
    if known.replicas > 1:
        yield f"  halves: {{in_place_halves: {{drain: 30s, soak: 5m, {guarded}}}}}"
    yield f"  canary: {{canary: {{via: edge, steps: [5%, 25%, 50%], hold: 2m, {guarded}}}}}"
    if known.replicas > 1:
        yield "  canary-by-replicas: {canary: {from: canary, via: service}}"


def _today(known: _Known) -> Iterator[str]:
    """The Deployment's own way of updating."""
    kind = "recreate" if known.recreate else "rolling"
    yield f"  {kind}:  # " + (
        f"what {known.stable} does today" if known.stable else "what a Deployment does by itself"
    )
    yield f"    {kind}:"
    d = known.stable
    if not known.recreate:
        yield known.line(6, "max_surge", d.max_surge if d else None, "25%", KUBERNETES)
        yield known.line(6, "max_unavailable", d.max_unavailable if d else None, "25%", KUBERNETES)
    yield known.line(6, "progress_deadline", d.progress_deadline if d else None, "600s", KUBERNETES, "s")


def _slowest(known: _Known) -> int:
    """Seconds a new pod may take to become available, roughly."""
    slowest = 20
    for d in (known.stable, known.candidate):
        if d is not None:
            probe = d.readiness
            wait = int(probe.initial_delay.value) + 2 * int(probe.period.value) if probe else 0
            slowest = max(slowest, 20 + wait + int(d.min_ready.value))
    return slowest


def _patience(known: _Known) -> str:
    """A deadline longer than the default's 10 minutes where pods need it."""
    needed = _slowest(known) + _rolling(known)
    return f", deadline: {math.ceil(needed / 60)}m" if needed > 540 else ""


def _rolling(known: _Known) -> int:
    """Seconds a rolling update takes, roughly."""
    at_once = sum(_pods_of(value, known.replicas) for value in (known.surge, known.unavailable))
    return math.ceil(known.replicas / max(1, at_once)) * _slowest(known)


def _pods_of(value: int | str, replicas: int) -> int:
    return value if isinstance(value, int) else int(value.rstrip("%")) * replicas // 100


def _clock(known: _Known) -> Iterator[str]:
    minutes = min(max(30, math.ceil((1200 + 3 * (_rolling(known) + _slowest(known))) / 600) * 10), 7 * 1440)
    yield (
        "slo: {success: 99.5%, latency: {p99: 500ms}}" + f"  # {known.default}below this a candidate is bad"
    )
    yield ""
    yield f"clock: {{settle: 2m, horizon: {minutes}m}}  # long enough for each of these to end"
