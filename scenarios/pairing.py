"""Which Deployments of a manifest belong together, and which of them is stable. Decides, and says why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.deployments import Deployment
from scenarios.errors import Problem, ScenarioError, harmless
from scenarios.imported import Imported

STABLE_WORDS = frozenset(
    {"stable", "primary", "main", "blue", "production", "prod", "live", "baseline", "old"}
)
CANDIDATE_WORDS = frozenset({"canary", "candidate", "green", "preview", "next", "new", "beta"})
ROLE_LABELS = ("track", "role", "version", "app.kubernetes.io/version", "color", "colour", "slot", "release")
APP_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")


@dataclass(frozen=True, slots=True)
class ServiceSelector:
    """A Service by what it selects."""

    name: str
    namespace: str
    selector: dict[str, str]
    where: str

    def selects(self, deployment: Deployment) -> bool:
        """Do that Deployment's pods get this Service's requests?"""
        # charts often leave the namespace to whoever installs them
        same = self.namespace in ("", deployment.namespace) or not deployment.namespace
        return bool(self.selector) and same and self.selector.items() <= deployment.labels.items()


def choose(
    deployments: Sequence[Deployment],
    services: Sequence[ServiceSelector],
    others: Sequence[str],
    name: str | None = None,
) -> Imported:
    """The application to import out of these Deployments. Raises ScenarioError if none has that name."""
    wanted = [d for d in deployments if name is None or d.name == name]
    if not wanted:
        there = ", ".join(d.name for d in deployments)
        raise ScenarioError([Problem("", None, f"no Deployment is called {name!r}; there is {there}")])
    first = max(wanted, key=lambda d: int(d.replicas.value))
    partners = [d for d in deployments if d is not first and _one_application(first, d, services)]
    stable, candidate, why = _roles(first, partners, services)
    used = [d for d in (stable, candidate) if d is not None]
    serving = [s for s in services if any(s.selects(d) for d in used)]
    rest = [str(d) for d in deployments if d not in used]
    rest += [s.name for s in services if s not in serving]
    keys = [f"{d}: {', '.join(d.left_alone)}" for d in used if d.left_alone]
    if len(wanted) > len(used):
        why = f"Of {len(deployments)} Deployments, {first} has the most replicas. {why}"
    return Imported(stable, candidate, why, tuple(harmless(text) for text in (*rest, *others, *keys)))


def _one_application(a: Deployment, b: Deployment, services: Sequence[ServiceSelector]) -> bool:
    """Does one Service select both, or do labels call them the same while something else differs?"""
    if any(service.selects(a) and service.selects(b) for service in services):
        return True
    app = next((key for key in APP_LABELS if key in a.labels), None)
    if app is None or a.labels[app] != b.labels.get(app) or a.namespace != b.namespace:
        return False
    component = "app.kubernetes.io/component"
    if a.labels.get(component) != b.labels.get(component):
        return False
    images = [d.image.value if d.image else None for d in (a, b)]
    return images[0] != images[1] or any(a.labels.get(key) != b.labels.get(key) for key in ROLE_LABELS)


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
    if first.replicas.value != other.replicas.value:
        return _said(pair, first, "is stable because it has more replicas.")
    return _said(pair, first, "is taken as stable because it comes first; swap them if that is wrong.")


def _second(pair: tuple[Deployment, Deployment], first: Deployment) -> Deployment:
    return pair[1] if pair[0] is first else pair[0]


def _said(
    pair: tuple[Deployment, Deployment], stable: Deployment, why: str
) -> tuple[Deployment, Deployment, str]:
    return stable, _second(pair, stable), f"{stable} {why}"


def _word(deployment: Deployment) -> str | None:
    """`stable` or `candidate` if a label or the last words of the name say so."""
    texts = [deployment.labels.get(key, "") for key in ROLE_LABELS] + [deployment.name]
    words = {word for text in texts for word in re.split(r"[^a-z]+", text.lower())}
    if words & CANDIDATE_WORDS:
        return "candidate"
    return "stable" if words & STABLE_WORDS else None
