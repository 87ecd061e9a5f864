"""Which Deployments of a manifest belong together, and which of them is stable. Decides, and says why."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from scenarios.deployments import Deployment
from scenarios.errors import Problem, ScenarioError, harmless
from scenarios.imported import Imported
from scenarios.ingresses import Exposed, Ingress, Rule, belongs, exposed
from scenarios.look import one_namespace
from scenarios.scaling import HorizontalPodAutoscaler, PodDisruptionBudget
from scenarios.services import CLIENT_IP_TIMEOUT, ServiceSelector

STABLE_WORDS = frozenset(
    {"stable", "primary", "main", "blue", "production", "prod", "live", "baseline", "old"}
)
CANDIDATE_WORDS = frozenset({"canary", "candidate", "green", "preview", "next", "new", "beta"})
ROLE_LABELS = ("track", "role", "version", "app.kubernetes.io/version", "color", "colour", "slot", "release")
VERSION_LABELS = ("version", "app.kubernetes.io/version")
APP_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")


@dataclass
class Objects:
    """What manifests hold, by kind; `others` are names of what nobody reads."""

    deployments: list[Deployment] = field(default_factory=list)
    services: list[ServiceSelector] = field(default_factory=list)
    ingresses: list[Ingress] = field(default_factory=list)
    autoscalers: list[HorizontalPodAutoscaler] = field(default_factory=list)
    budgets: list[PodDisruptionBudget] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        kinds = (self.deployments, self.services, self.ingresses, self.autoscalers, self.budgets, self.others)
        return sum(len(kind) for kind in kinds)

    # the two indexes are asked for when all objects are there
    @cached_property
    def _named(self) -> dict[str, list[ServiceSelector]]:
        found: dict[str, list[ServiceSelector]] = {}
        for service in self.services:
            found.setdefault(service.name, []).append(service)
        return found

    @cached_property
    def _labelled(self) -> dict[tuple[str, str], list[Deployment]]:
        found: dict[tuple[str, str], list[Deployment]] = {}
        for deployment in self.deployments:
            for label in deployment.labels.items():
                found.setdefault(label, []).append(deployment)
        return found

    def selected(self, service: ServiceSelector) -> Iterator[Deployment]:
        """The Deployments whose pods get a Service's requests."""
        some = [self._labelled.get(label, []) for label in service.selector.items()]
        return (d for d in min(some, key=len, default=[]) if service.selects(d))

    def behind(self, ingress: Ingress) -> Iterator[Deployment]:
        """The Deployments whose pods get an Ingress's requests."""
        for name in sorted(ingress.services()):
            for service in self._named.get(name, ()):
                if one_namespace(service.namespace, ingress.namespace):
                    yield from self.selected(service)


Pair = tuple[Deployment, Deployment]


def choose(objects: Objects, name: str | None = None) -> Imported:
    """The application to import out of these objects.

    Raises ScenarioError if no Deployment has that name, or where something is wrong with what belongs to it.
    """
    deployments = objects.deployments
    wanted = [d for d in deployments if name is None or d.name == name]
    if not wanted:
        there = ", ".join(d.name for d in deployments)
        raise ScenarioError([Problem("", None, f"no Deployment is called {name!r}; there is {there}")])
    first = max(wanted, key=lambda d: int(d.replicas.value))
    pairs = [pair for pair in _canaries(objects) if any(d is first for d in pair)]
    serving = [s for s in objects.services if s.selects(first)]
    others = [d for d in deployments if d is not first]
    partners = [d for d in others if _one_application(first, d, serving)]
    stable, candidate, why = _by_canary(pairs[0]) if pairs else _roles(first, partners, objects.services)
    if len(wanted) > (1 if candidate is None else 2):
        why = f"Of {len(deployments)} Deployments, {first} has the most replicas. {why}"
    return _with_surroundings(objects, stable, candidate, why)


def _with_surroundings(
    objects: Objects, stable: Deployment, candidate: Deployment | None, why: str
) -> Imported:
    """What belongs to the chosen Deployments, and the names of all the rest."""
    used = [d for d in (stable, candidate) if d is not None]
    way_in = _way_in(objects, stable, candidate)
    keeping = next((s for s in objects.services if s.client_ip is not None and s.selects(stable)), None)
    scalers = [a for a in objects.autoscalers if _scales(a, stable)]
    budgets = [b for b in objects.budgets if _guards(b, stable)]
    leading = [i for i in objects.ingresses if any(d in used for d in objects.behind(i))]
    wrong = [thing.problems for kind in (leading, scalers, budgets) for thing in kind]
    if any(wrong):
        raise ScenarioError(chain.from_iterable(wrong))
    taken: list[object] = [*used, *scalers[:1], *budgets[:1]]
    taken += [s for s in objects.services if any(s.selects(d) for d in used)]
    taken += [i for i in (way_in.ordinary, way_in.canary) if i is not None] if way_in else []
    rest = [f"{i}: {i.unread}" if i.unread else str(i) for i in objects.ingresses if i not in taken]
    kinds: Sequence[Sequence[object]] = (objects.autoscalers, objects.budgets)
    rest += [str(thing) for kind in kinds for thing in kind if thing not in taken]
    rest = [str(d) for d in objects.deployments if d not in taken] + rest
    rest += [str(s) for s in objects.services if s not in taken]
    keys = [f"{d}: {', '.join(d.left_alone)}" for d in used if d.left_alone]
    return Imported(
        stable,
        candidate,
        why,
        tuple(harmless(text) for text in (*rest, *objects.others, *keys)),
        way_in,
        scalers[0] if scalers else None,
        budgets[0] if budgets else None,
        tuple(harmless(note) for note in (*_notes(objects, way_in), *_kept(keeping))),
        keeping,
    )


def _canaries(objects: Objects) -> Iterator[Pair]:
    """Pairs of Deployments of which one is behind an ordinary ingress and the other behind its canary."""
    by_rule: dict[Rule, list[Ingress]] = {}
    for ordinary in objects.ingresses:
        if ordinary.policy is None and not ordinary.unread:
            for rule, _ in ordinary.backends:
                by_rule.setdefault(rule, []).append(ordinary)
    for canary in objects.ingresses:
        if canary.policy is None or canary.unread:
            continue
        for ordinary in {
            id(o): o for rule, _ in canary.backends for o in by_rule.get(rule, ())[:10]
        }.values():
            if belongs(canary, ordinary):
                old, new = next(objects.behind(ordinary), None), next(objects.behind(canary), None)
                if old is not None and new is not None and old is not new:
                    yield old, new


def _way_in(objects: Objects, stable: Deployment, candidate: Deployment | None) -> Exposed | None:
    """The Ingress that leads to stable, with the canary that leads to the candidate, if one is known."""
    ordinary, canaries = [], []
    for ingress in objects.ingresses:
        ends = list(objects.behind(ingress))
        if ingress.policy is not None and (candidate is None or candidate in ends) and not ingress.unread:
            canaries.append(ingress)
        elif ingress.policy is None and stable in ends and not ingress.unread:
            ordinary.append(ingress)
    return exposed(ordinary, canaries)


def _notes(objects: Objects, way_in: Exposed | None) -> Iterator[str]:
    """What the ingresses say that does nothing."""
    used = (way_in.ordinary, way_in.canary) if way_in else ()
    for ingress in objects.ingresses:
        if ingress in used:
            yield from (f"{ingress}: {warning}" for warning in ingress.warnings)
        elif ingress.policy is not None and not any(belongs(ingress, o) for o in _ordinary(objects)):
            yield f"{ingress}: no ordinary Ingress has its host, path and path type; ingress-nginx drops it"


def _kept(service: ServiceSelector | None) -> Iterator[str]:
    """What a Service's affinity says that a scenario does not."""
    if service is not None and service.client_ip is not None and service.client_ip.value != CLIENT_IP_TIMEOUT:
        seconds = service.client_ip.value
        yield f"{service}: it forgets an address unused for {seconds} s; simulated after 3 h, as by default"


def _ordinary(objects: Objects) -> list[Ingress]:
    return [ingress for ingress in objects.ingresses if ingress.policy is None]


def _scales(autoscaler: HorizontalPodAutoscaler, deployment: Deployment) -> bool:
    return autoscaler.target == deployment.name and one_namespace(autoscaler.namespace, deployment.namespace)


def _guards(budget: PodDisruptionBudget, deployment: Deployment) -> bool:
    same = one_namespace(budget.namespace, deployment.namespace)
    return same and budget.selector.items() <= deployment.labels.items()


def _one_application(a: Deployment, b: Deployment, serving: Sequence[ServiceSelector]) -> bool:
    """Does a Service of a select b too, or do labels call them the same while something else differs?"""
    if any(service.selects(b) for service in serving):
        return True
    app = next((key for key in APP_LABELS if key in a.labels), None)
    if app is None or a.labels[app] != b.labels.get(app) or a.namespace != b.namespace:
        return False
    component = "app.kubernetes.io/component"
    if a.labels.get(component) != b.labels.get(component):
        return False
    images = [d.image.value if d.image else None for d in (a, b)]
    return images[0] != images[1] or any(a.labels.get(key) != b.labels.get(key) for key in ROLE_LABELS)


def _by_canary(pair: Pair) -> tuple[Deployment, Deployment, str]:
    """Stable and candidate where a canary ingress says it."""
    return *pair, f"{pair[0]} is stable: the canary Ingress leads to {pair[1]}."


def _roles(
    first: Deployment, partners: Sequence[Deployment], services: Sequence[ServiceSelector]
) -> tuple[Deployment, Deployment | None, str]:
    """Stable, candidate, and why."""
    if not partners:
        return first, None, f"The candidate is like {first} until you say otherwise."
    other = next((d for d in partners if _word(d)), max(partners, key=lambda d: int(d.replicas.value)))
    pair = (first, other)
    chosen = [d for d in pair if any(s.selects(d) and not s.selects(_second(pair, d)) for s in services)]
    if len(chosen) == 1:
        return _said(pair, chosen[0], "is stable: a Service selects it and not the other.")
    called = [d for d in pair if _word(d) == "stable"] or [
        _second(pair, d) for d in pair if _word(d) == "candidate"
    ]
    if len(called) == 1:
        return _said(pair, called[0], "is stable by its name or labels.")
    older = _older(pair)
    if older is not None:
        return _said(pair, older, "is stable: its version is the lower one.")
    if first.replicas.value != other.replicas.value:
        return _said(pair, first, "is stable because it has more replicas.")
    return _said(pair, first, "is taken as stable because it comes first; swap them if that is wrong.")


def _older(pair: Pair) -> Deployment | None:
    """The one whose version label is a lower number (v1, 1.4.0); None where labels do not say."""
    for key in VERSION_LABELS:
        found = [re.fullmatch(r"v?(\d{1,9}(?:\.\d{1,9}){0,3})", d.labels.get(key, "")) for d in pair]
        numbers = [tuple(int(part) for part in match[1].split(".")) for match in found if match]
        if len(numbers) == 2 and numbers[0] != numbers[1]:
            return pair[0] if numbers[0] < numbers[1] else pair[1]
    return None


def _second(pair: Pair, first: Deployment) -> Deployment:
    return pair[1] if pair[0] is first else pair[0]


def _said(pair: Pair, stable: Deployment, why: str) -> tuple[Deployment, Deployment, str]:
    return stable, _second(pair, stable), f"{stable} {why}"


def _word(deployment: Deployment) -> str | None:
    """`stable` or `candidate` if a label or the last words of the name say so."""
    texts = [deployment.labels.get(key, "") for key in ROLE_LABELS] + [deployment.name]
    words = {word for text in texts for word in re.split(r"[^a-z]+", text.lower())}
    if words & CANDIDATE_WORDS:
        return "candidate"
    return "stable" if words & STABLE_WORDS else None
