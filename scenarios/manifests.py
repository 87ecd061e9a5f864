"""Kubernetes manifests in, a commented scenario out. Only reads text: nothing is fetched or executed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scenarios.deployments import Deployment, read_deployment
from scenarios.document import Items, Mapping, Node, Scalar, compose
from scenarios.errors import Problem, ScenarioError, harmless
from scenarios.imported import Imported
from scenarios.look import Look, template, where
from scenarios.pairing import ServiceSelector, choose
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
    if not found.deployments:
        there = ", ".join(found.others[:10]) or "nothing"
        origins = ", ".join(harmless(origin) for origin, _ in texts)
        raise ScenarioError([Problem("", None, f"no Deployment in here; there is {there}", origin=origins)])
    imported = choose(found.deployments, found.services, found.others, deployment)
    if not imported.stable.replicas.value:
        message = "0 replicas: nothing runs that could be replaced"
        origin = imported.stable.replicas.where or imported.stable.where
        raise ScenarioError([Problem(str(imported.stable), None, message, origin=origin)])
    return imported


def _documents(text: str, origin: str) -> list[Node]:
    """The documents of a text; a text that is still a template is refused as such."""
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
    """What the manifests hold, by kind."""

    deployments: list[Deployment] = field(default_factory=list)
    services: list[ServiceSelector] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
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
            name = look.text(("metadata", "name"))
            label = f"{kind.value}/{name.value}" if name else str(kind.value)
            look.problems.clear()
            if kind.value == "Service":
                self._service(look, label)
            else:
                self.others.append(label)
        self.problems += sorted(look.problems, key=lambda problem: problem.line or 0)
        if len(self.deployments) + len(self.services) + len(self.others) > MAX_OBJECTS:
            raise ScenarioError(
                [Problem("", node.mark.line, f"more than {MAX_OBJECTS} objects", origin=node.mark.origin)]
            )

    def _deployment(self, look: Look) -> None:
        version = look.text(("apiVersion",))
        if version is None or not str(version.value).startswith(("apps/", "extensions/")):
            look.problem(("apiVersion",), look.at("apiVersion") or look.root, "expected apps/v1")
            return
        self.deployments.append(read_deployment(look))

    def _service(self, look: Look, label: str) -> None:
        namespace = look.labels("metadata").get("namespace", "")
        selector = look.labels("spec", "selector")
        self.services.append(ServiceSelector(label, namespace, selector, where(look.root)))


def _not_an_object(node: Node) -> Problem:
    message = "expected a Kubernetes object with apiVersion, kind and metadata"
    return Problem("", node.mark.line, message, origin=node.mark.origin)
