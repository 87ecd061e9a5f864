"""Looks into a manifest: values by path, bounded, each problem noted with its line; templates are refused."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from scenarios.document import Items, Mapping, Node, Scalar, Segment
from scenarios.errors import Problem, dotted, shown

MAX_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Fact:
    """A value and where it stands (`web.yaml:12`); None where Kubernetes' default holds."""

    value: int | str
    where: str | None = None


@dataclass
class Look:
    """Looks into a manifest: values by path, every problem noted with its line and none raised."""

    root: Node
    problems: list[Problem] = field(default_factory=list)

    def at(self, *path: Segment) -> Node | None:
        """The node under a path; None where there is none, or null."""
        node: Node | None = self.root
        for segment in path:
            if isinstance(node, Mapping):
                node = node.entries.get(str(segment))
            elif isinstance(node, Items) and isinstance(segment, int) and segment < len(node.items):
                node = node.items[segment]
            else:
                return None
        return None if isinstance(node, Scalar) and node.value is None else node

    def keys(self, *path: Segment) -> Iterable[str]:
        """The keys of a mapping; none if it is something else."""
        node = self.at(*path)
        return node.entries if isinstance(node, Mapping) else ()

    def problem(self, path: tuple[Segment, ...], node: Node, message: str) -> None:
        """Note that a value cannot be used."""
        value = shown(node.value) if isinstance(node, Scalar) else None
        left = template(node.value) if isinstance(node, Scalar) else None
        self.problems.append(
            Problem(dotted(path), node.mark.line, left or message, None if left else value, node.mark.origin)
        )

    def whole(self, path: tuple[Segment, ...], default: int, most: int, zero: bool = True) -> Fact:
        """A whole number from 0 to `most`; where 0 is no value, Kubernetes takes it as unsaid."""
        node = self.at(*path)
        if node is None:
            return Fact(default)
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            self.problem(path, node, f"expected a whole number from 0 to {most}")
            return Fact(default)
        return Fact(value, where(node)) if value or zero else Fact(default)

    def text(self, path: tuple[Segment, ...], longest: int = 253) -> Fact | None:
        """A text without anything that is not seen; None where there is none."""
        node = self.at(*path)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if (
            not isinstance(value, str)
            or not 0 < len(value) <= longest
            or template(value)
            or not _plain(value)
        ):
            self.problem(path, node, f"expected text of 1 to {longest} visible characters without spaces")
            return None
        return Fact(value, where(node))

    def said(self, *path: Segment) -> str:
        """A text as it stands, whatever is in it; "" where there is none."""
        node = self.at(*path)
        return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""

    def each(self, *path: Segment) -> Iterable[tuple[Segment, ...]]:
        """The paths of a list's items, of the first `MAX_ITEMS`."""
        node = self.at(*path)
        count = len(node.items) if isinstance(node, Items) else 0
        return ((*path, n) for n in range(min(count, MAX_ITEMS)))

    def labels(self, *path: Segment) -> dict[str, str]:
        """Labels or a selector; values that are not text are passed over."""
        found = {}
        for key in self.keys(*path):
            node = self.at(*path, key)
            if isinstance(node, Scalar) and isinstance(node.value, str):
                found[key] = node.value
        return found


def one_namespace(a: str, b: str) -> bool:
    """May two objects be in one namespace? Charts often leave it to whoever installs them."""
    return not a or not b or a == b


def where(node: Node) -> str:
    """File and line of a node."""
    return node.mark.origin if node.mark.line is None else f"{node.mark.origin}:{node.mark.line}"


def _plain(text: str) -> bool:
    return text.isprintable() and not any(c.isspace() for c in text)


def template(value: object) -> str | None:
    """What to do about a template or variable that nobody has filled in; None if there is none."""
    if isinstance(value, str) and "{{" in value:
        return f"{shown(value)} is a template that is not filled in; run helm template first"
    if isinstance(value, str) and re.search(r"\$\{?[A-Za-z_]", value):
        return f"{shown(value)} is a variable that is not filled in; run envsubst or helm template first"
    return None
