"""Kubernetes manifests in, a commented scenario out. Only reads text: nothing is fetched or executed."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scenarios.deployments import read_deployment
from scenarios.document import Items, Mapping, Node, Scalar, compose
from scenarios.errors import Problem, ScenarioError, harmless, shown
from scenarios.imported import Imported
from scenarios.ingresses import read_ingress
from scenarios.look import Look, template
from scenarios.pairing import Objects, choose
from scenarios.scaling import read_autoscaler, read_budget
from scenarios.services import read_service
from scenarios.starter import starter, to_yaml

__all__ = ["Imported", "read", "starter", "to_yaml"]

MAX_OBJECTS = 5000


def read(texts: Sequence[tuple[str, str]], deployment: str | None = None) -> Imported:
    """What manifests say about a release, from pairs of origin and text (YAML or JSON, also `List` kinds).

    Two Deployments of one application become stable and candidate. Of several applications the largest is
    taken, or that of the Deployment named. Raises ScenarioError with all problems.
    """
    found = _Found()
    for origin, text in texts:
        for node in _documents(text, harmless(origin)):
            for item in _objects(node):
                found.take(item)
    if found.problems:
        raise ScenarioError(found.problems)
    objects = found.objects
    if not objects.deployments:
        there = ", ".join(found.names[:10]) or "nothing"
        origins = ", ".join(harmless(origin) for origin, _ in texts)
        raise ScenarioError([Problem("", None, f"no Deployment in here; there is {there}", origin=origins)])
    imported = choose(objects, deployment)
    if not imported.stable.replicas.value:
        message = "0 replicas: nothing runs that could be replaced"
        origin = imported.stable.replicas.where or imported.stable.where
        raise ScenarioError([Problem(str(imported.stable), None, message, origin=origin)])
    return imported


def _documents(text: str, origin: str) -> list[Node]:
    """The documents of a text; a template, or a text without its indentation, is refused as such."""
    if (flat := _flat_line(text)) is not None:
        message = (
            "the indentation is lost: this stands beside metadata and not below it, as happens when YAML is "
            "copied from a web page; indent it again, or take the file from where it was applied"
        )
        value = shown(text.splitlines()[flat].strip())
        raise ScenarioError([Problem("", flat + 1, message, value, origin)])
    try:
        documents, problems = compose(text, origin, scenario=False)
    except ScenarioError:
        if (line := _template_line(text)) is not None:
            message = template(text.splitlines()[line].strip()) or ""
            raise ScenarioError([Problem("", line + 1, message, origin=origin)]) from None
        raise
    if problems:
        raise ScenarioError(problems)
    return documents


_FLAT = re.compile(
    r"^metadata:[ \t]*(?:\#.*)?\r?\n"  # nothing behind it
    r"(?:[ \t]*(?:\#.*)?\r?\n)*"  # blank lines and comments
    r"(?:name|namespace|labels|annotations|generateName):",  # and then, without a space before it
    re.MULTILINE,
)


def _flat_line(text: str) -> int | None:
    """The line, from 0, of the first key of metadata that is not below it; None where all is well."""
    match = _FLAT.search(text)
    return None if match is None else text.count("\n", 0, match.end())


def _template_line(text: str) -> int | None:
    """The first line with a template in it, from 0."""
    for number, line in enumerate(text.splitlines()):
        if "{{" in line and not line.lstrip().startswith("#"):
            return number
    return None


def _objects(node: Node) -> Iterator[Node]:
    """The objects of a document: itself, or the items of a list."""
    kind = Look(node).at("kind")
    items = Look(node).at("items") if isinstance(node, Mapping) else node
    listed = isinstance(kind, Scalar) and isinstance(kind.value, str) and kind.value.endswith("List")
    if isinstance(items, Items) and (listed or items is node):
        for item in items.items:
            yield from _objects(item)
    elif not (isinstance(node, Scalar) and node.value is None):
        yield node


@dataclass
class _Found:
    """What the manifests hold: objects, the names of all that are no Deployment, and problems."""

    objects: Objects = field(default_factory=Objects)
    names: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def take(self, node: Node) -> None:
        """Sort one object in."""
        look = Look(node)
        kind = look.text(("kind",))
        if not isinstance(node, Mapping) or (kind is None and not look.problems):
            look.problems = [_not_an_object(node)]
        elif kind is not None and kind.value == "Deployment":
            self._deployment(look)
        elif kind is not None:
            self._other(Look(node), str(kind.value))
        self.problems += sorted(look.problems, key=lambda problem: problem.line or 0)
        if len(self.objects) > MAX_OBJECTS:
            raise ScenarioError(
                [Problem("", node.mark.line, f"more than {MAX_OBJECTS} objects", origin=node.mark.origin)]
            )

    def _deployment(self, look: Look) -> None:
        version = look.text(("apiVersion",))
        if version is None or not str(version.value).startswith(("apps/", "extensions/")):
            look.problem(("apiVersion",), look.at("apiVersion") or look.root, "expected apps/v1")
            return
        self.objects.deployments.append(read_deployment(look))

    def _other(self, look: Look, kind: str) -> None:
        """What may stand around a Deployment; its problems matter only if it does."""
        name = look.said("metadata", "name")
        label = f"{kind}/{name}" if name else kind
        self.names.append(label)
        if kind == "Service":
            self.objects.services.append(read_service(look))
        elif kind == "Ingress":
            self.objects.ingresses.append(read_ingress(look))
        elif kind == "HorizontalPodAutoscaler" and (autoscaler := read_autoscaler(look)):
            self.objects.autoscalers.append(autoscaler)
        elif kind == "PodDisruptionBudget" and (budget := read_budget(look)):
            self.objects.budgets.append(budget)
        else:
            self.objects.others.append(label)


def _not_an_object(node: Node) -> Problem:
    message = "expected a Kubernetes object with apiVersion, kind and metadata"
    return Problem("", node.mark.line, message, origin=node.mark.origin)
