"""Ingresses of a manifest: what they lead to, and which canary ingress belongs to which ordinary one.

Reads nodes that came from outside, and decides; annotations mean what `semantics.ingress_annotations` says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scenarios.document import Scalar, Segment
from scenarios.errors import Problem
from scenarios.look import Look, one_namespace, where
from scenarios.semantics.header_pattern import UnknownPattern
from scenarios.semantics.ingress_annotations import PREFIX, NotEnabled, affinity_of, policy_of
from scenarios.semantics.ingress_nginx import Affinity, Policy

Rule = tuple[str, str, str]
"""Host, path and path type; canary and ordinary ingress must have all three alike."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """One Ingress: the Services behind its rules, its annotations, and what these come to.

    `policy` is None for an ordinary one. `unread` says why it cannot be used here, if so; `problems` matter
    only where it leads to what is imported.
    """

    name: str
    namespace: str
    where: str
    backends: tuple[tuple[Rule, str], ...]
    annotations: dict[str, str]
    policy: Policy | None
    warnings: tuple[str, ...]
    unread: str | None
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return f"Ingress/{self.name}"

    def services(self) -> frozenset[str]:
        """The names of the Services behind it."""
        return frozenset(service for _, service in self.backends)


@dataclass(frozen=True, slots=True)
class Exposed:
    """How users come in: the ordinary ingress, its canary if there is one, and the session affinity."""

    ordinary: Ingress
    canary: Ingress | None
    affinity: Affinity


def read_ingress(look: Look) -> Ingress:
    """The Ingress that `look` looks into, with its problems."""
    annotations = _annotations(look)
    policy, warnings, unread = _policy(look, annotations)
    kind = look.said("spec", "ingressClassName") or annotations.get("kubernetes.io/ingress.class", "nginx")
    backends = tuple(_backends(look))
    if "nginx" not in kind:
        unread = f"its class is {kind}; only ingress-nginx is simulated"
    elif not backends:
        unread = "it leads to no Service"
    return Ingress(
        name=look.said("metadata", "name") or "unnamed",
        namespace=look.said("metadata", "namespace"),
        where=where(look.root),
        backends=backends,
        annotations=annotations,
        policy=policy,
        warnings=warnings,
        unread=unread,
        problems=tuple(look.problems),
    )


def exposed(ordinary: Iterable[Ingress], canaries: Sequence[Ingress]) -> Exposed | None:
    """The first ordinary ingress that a canary belongs to, or the first one; None where there is none.

    Of several canaries on one rule ingress-nginx heeds the oldest; a file does not tell ages, so the first.
    """
    first: Exposed | None = None
    for ingress in ordinary:
        canary = next((c for c in canaries if belongs(c, ingress)), None)
        affinity = affinity_of(ingress.annotations, canary.annotations if canary else {})
        if canary is not None:
            return Exposed(ingress, canary, affinity)
        first = first or Exposed(ingress, None, affinity)
    return first


def belongs(canary: Ingress, ordinary: Ingress) -> bool:
    """Has the canary a rule (host, path and path type) that the ordinary ingress has too?"""
    theirs = {rule for rule, _ in ordinary.backends}
    return one_namespace(canary.namespace, ordinary.namespace) and any(
        rule in theirs for rule, _ in canary.backends
    )


def _annotations(look: Look) -> dict[str, str]:
    """The annotations; those of ingress-nginx must be text, as the API server wants it."""
    path: tuple[Segment, ...] = ("metadata", "annotations")
    for key in look.keys(*path):
        node = look.at(*path, key)
        if key.startswith(PREFIX) and node and not (isinstance(node, Scalar) and isinstance(node.value, str)):
            look.problem((*path, key), node, "an annotation is text; put the value in quotes")
    return look.labels(*path)


def _policy(look: Look, annotations: dict[str, str]) -> tuple[Policy | None, tuple[str, ...], str | None]:
    """The canary policy, warnings, and why it cannot be used; a refused set of annotations is a problem."""
    try:
        read = policy_of(annotations)
    except NotEnabled as error:
        look.problem(("metadata", "annotations"), look.at("metadata", "annotations") or look.root, str(error))
        return None, (), None
    except UnknownPattern as error:
        return None, (), str(error)
    return read.policy, read.warnings, None


def _backends(look: Look) -> Iterable[tuple[Rule, str]]:
    """Rules with the Service behind each; the default backend is a rule for everything."""
    for key in ("defaultBackend", "backend"):
        if service := _service(look, ("spec", key)):
            yield ("", "", ""), service
    for rule in look.each("spec", "rules"):
        host = look.said(*rule, "host")
        for path in look.each(*rule, "http", "paths"):
            if service := _service(look, (*path, "backend")):
                yield (host, look.said(*path, "path") or "/", look.said(*path, "pathType")), service


def _service(look: Look, path: tuple[Segment, ...]) -> str:
    """The name of the Service of a backend, in the form of networking.k8s.io/v1 or the older one."""
    return look.said(*path, "service", "name") or look.said(*path, "serviceName")
