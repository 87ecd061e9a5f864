"""YAML text from outside as nodes that know their lines. Strict, bounded, and no object is made of a tag.

Two dialects: scenarios refuse what YAML 1.1 would silently turn into something else; manifests, written by
other programs, keep such values as text.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from scenarios.errors import Problem, ScenarioError, dotted, harmless, shown
from scenarios.scalars import resolve

MAX_BYTES = 5_000_000
MAX_NODES = 100_000
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something was written: a file and a line from 1, or an override and no line."""

    origin: str
    line: int | None


@dataclass(slots=True)
class Scalar:
    """A value: text, number, boolean or None. `broken` when a problem has been reported already."""

    value: str | int | float | bool | None
    mark: Mark
    broken: bool = False


@dataclass(slots=True)
class Items:
    """A list."""

    items: "list[Node]"
    mark: Mark


@dataclass(slots=True)
class Mapping:
    """Keys with values, in the order written; `keys` says where each key stands."""

    entries: "dict[str, Node]"
    keys: dict[str, Mark]
    mark: Mark

    def put(self, key: str, node: "Node", mark: Mark) -> None:
        """Set a key that was written at `mark`."""
        self.entries[key], self.keys[key] = node, mark


Node: TypeAlias = Scalar | Items | Mapping
Segment: TypeAlias = str | int


def plain(node: Node) -> object:
    """The node as dicts, lists and values."""
    if isinstance(node, Mapping):
        return {key: plain(child) for key, child in node.entries.items()}
    return [plain(child) for child in node.items] if isinstance(node, Items) else node.value


def clone(node: Node) -> Node:
    """A copy that shares nothing."""
    if isinstance(node, Mapping):
        return Mapping({k: clone(v) for k, v in node.entries.items()}, dict(node.keys), node.mark)
    if isinstance(node, Items):
        return Items([clone(child) for child in node.items], node.mark)
    return Scalar(node.value, node.mark, node.broken)


def of_json(value: object, mark: Mark, depth: int = 0) -> Node:
    """The node of a value that JSON gave, all of it at `mark`. Raises ScenarioError where it is too deep."""
    if depth > MAX_DEPTH:
        raise ScenarioError([Problem("", mark.line, f"nested deeper than {MAX_DEPTH}", origin=mark.origin)])
    if isinstance(value, dict):
        entries = {str(key): of_json(inner, mark, depth + 1) for key, inner in value.items()}
        return Mapping(entries, dict.fromkeys(entries, mark), mark)
    if isinstance(value, list):
        return Items([of_json(inner, mark, depth + 1) for inner in value], mark)
    return Scalar(value if isinstance(value, str | int | float) else None, mark)


def decode(data: bytes, origin: str) -> str:
    """Text of at most 5 MB of UTF-8, with or without BOM. Raises ScenarioError."""
    if len(data) > MAX_BYTES:
        raise ScenarioError([Problem("", None, f"larger than {MAX_BYTES // 1_000_000} MB", origin=origin)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScenarioError(
            [Problem("", line, f"not UTF-8 text (byte 0x{data[error.start]:02x})", origin=origin)]
        ) from None


def compose(text: str, origin: str, *, scenario: bool = True) -> tuple[list[Node], list[Problem]]:
    """The documents of a text and what is wrong with their values; ScenarioError where it cannot be read."""
    origin = harmless(origin)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ScenarioError([Problem("", None, "not UTF-8 text", origin=origin)]) from None
    reader = _Reader(origin, scenario)
    text = decode(data, origin)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.YAMLError as error:
        raise ScenarioError([_syntax(error, text, origin)]) from None
    return reader.documents, reader.problems


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _syntax(error: yaml.YAMLError, text: str, origin: str) -> Problem:
    """YAML's own complaint with its line."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    message = ", ".join(part for part in parts if part) or getattr(error, "reason", "") or "unreadable"
    line = (mark.line if mark else text.count("\n", 0, getattr(error, "position", 0) or 0)) + 1
    line = min(line, max(1, len(text.splitlines())))
    tab = " (a tab; YAML is indented with spaces)" if "cannot start any token" in message else ""
    return Problem("", line, f"not YAML: {harmless(message)}{tab}", origin=origin)


@dataclass(slots=True)
class _Open:
    """A list or mapping being read; `key` waits for its value."""

    node: Items | Mapping
    anchor: str | None
    key: tuple[str, Mark, bool] | None = None
    nodes: int = 1
    height: int = 1


@dataclass(slots=True)
class _Reader:
    """Builds nodes from YAML events, with a bound on nodes (aliases expanded) and on depth."""

    origin: str
    scenario: bool
    documents: list[Node] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _stack: list[_Open] = field(default_factory=list)
    _anchors: dict[str, tuple[Node, int, int] | None] = field(default_factory=dict)
    _total: int = 0

    def take(self, event: yaml.Event) -> None:
        mark = Mark(self.origin, event.start_mark.line + 1 if event.start_mark else None)
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), mark)
        elif isinstance(event, yaml.ScalarEvent):
            self._tag(event.tag, mark, "str")
            self._place(self._scalar(event, mark), event.anchor, 1, 1)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(Mapping({}, {}, mark), event, "map")
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(Items([], mark), event, "seq")
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self._stack.pop()
            self._place(done.node, done.anchor, done.nodes, done.height)

    def _open(self, node: Items | Mapping, event: yaml.NodeEvent, kind: str) -> None:
        self._tag(event.tag, node.mark, kind)  # type: ignore[attr-defined]
        if self._at_key():
            raise self._stop(node.mark, "a list or mapping as a key; keys are text")
        self._stack.append(_Open(node, event.anchor))
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if len(self._stack) > MAX_DEPTH:
            raise self._stop(node.mark, f"nested deeper than {MAX_DEPTH}")

    def _place(self, node: Node, anchor: str | None, nodes: int, height: int) -> None:
        """Put a finished node where it belongs, and count it."""
        if anchor is not None:
            self._anchors[anchor] = (node, nodes, height)
        self._total += 1
        if self._total > MAX_NODES:
            raise self._stop(node.mark, f"more than {MAX_NODES:,} values")
        if not self._stack:
            self.documents.append(node)
            return
        top = self._stack[-1]
        top.nodes, top.height = top.nodes + nodes, max(top.height, height + 1)
        if isinstance(top.node, Items):
            top.node.items.append(node)
        elif top.key is None:
            assert isinstance(node, Scalar)
            top.key = self._key(node, top.node)
        else:
            key, mark, kept = top.key
            top.key = None
            if kept:
                top.node.put(key, node, mark)

    def _alias(self, name: str, mark: Mark) -> None:
        found = self._anchors.get(name)
        if found is None:
            why = "contains itself" if name in self._anchors else "stands nowhere before"
            raise self._stop(mark, f"alias *{harmless(name)[:40]} {why}")
        node, nodes, height = found
        if len(self._stack) + height > MAX_DEPTH:
            raise self._stop(mark, f"nested deeper than {MAX_DEPTH}")
        self._total += nodes - 1
        if self._total > MAX_NODES:
            raise self._stop(mark, f"more than {MAX_NODES:,} values once aliases are expanded")
        if self._at_key():
            raise self._stop(mark, "an alias as a key; keys are text")
        self._place(clone(node), None, nodes, height)

    def _at_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None

    def _key(self, node: Scalar, into: Mapping) -> tuple[str, Mark, bool]:
        """A key's text, its place, and whether it counts."""
        value, mark = node.value, node.mark
        if value == "<<":
            raise self._stop(mark, "merge keys (<<) are not read" + ("; use from:" if self.scenario else ""))
        key = value if isinstance(value, str) else "null" if value is None else str(value).lower()
        if self.scenario and not isinstance(value, str) and not node.broken:
            self._report(mark, f"the key {key} is not text for YAML; put it in quotes: '{key}'", key)
        elif key in into.entries:
            first = into.keys[key].line
            self._report(mark, f"duplicate key {shown(key)}; it stands in line {first} already", key)
            return key, mark, False
        return key, mark, True

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Scalar:
        text = event.value
        if not event.implicit[0] and event.tag in (None, "!", "tag:yaml.org,2002:str"):
            return Scalar(text, mark)
        value, problem = resolve(text)
        if problem is None:
            return Scalar(value, mark)
        if not self.scenario:
            return Scalar(text, mark)
        is_key = (
            bool(self._stack) and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None
        )
        self._report(mark, problem, text if is_key else "")
        return Scalar(text, mark, broken=True)

    def _tag(self, tag: str | None, mark: Mark, kind: str) -> None:
        known = ("str", "int", "float", "bool", "null") if kind == "str" else (kind,)
        if tag is not None and tag not in ("!", *(f"tag:yaml.org,2002:{name}" for name in known)):
            short = tag.replace("tag:yaml.org,2002:", "!!")
            raise self._stop(mark, f"the tag {shown(short)} is refused; write the value without a tag")

    def _report(self, mark: Mark, message: str, key: str = "") -> None:
        self.problems.append(Problem(self._path(key), mark.line, message, origin=mark.origin))

    def _stop(self, mark: Mark, message: str) -> ScenarioError:
        return ScenarioError(
            [*self.problems, Problem(self._path(""), mark.line, message, origin=mark.origin)]
        )

    def _path(self, key: str) -> str:
        segments: list[Segment] = []
        for level in self._stack[:MAX_DEPTH]:
            if isinstance(level.node, Items):
                segments.append(len(level.node.items))
            elif level.key is not None:
                segments.append(level.key[0])
        path = dotted([*segments, key] if key else segments)
        return path if len(path) <= 200 else path[:199] + "…"
