"""What stands before validation: `--set` put into a document, then `from:` resolved. Nodes in, nodes out.

`from:` names one of the same kind and takes over each top-level key that the child does not state. Candidates
take over from versions.candidate by themselves, and a missing versions.candidate from stable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from scenarios.document import Items, Mapping, Mark, Node, Scalar, Segment, clone, compose
from scenarios.errors import Problem, ScenarioError, dotted, harmless, shown

Place: TypeAlias = tuple[str, ...]
DEEPEST = 10
SHORT = ("stable", "candidate")
STABLE: Place = ("versions", "stable")
CANDIDATE: Place = ("versions", "candidate")


def override(root: Mapping, settings: Sequence[str]) -> list[Problem]:
    """Put each `path=value` into the document, in order; what could not be put is returned."""
    problems: list[Problem] = []
    for setting in settings:
        try:
            _put(root, setting)
        except ScenarioError as error:
            problems += error.problems
    return problems


def _put(root: Mapping, setting: str) -> None:
    origin = f"--set {harmless(setting)[:80]}"
    mark = Mark(origin, None)
    path, equals, text = setting.partition("=")
    segments = path.strip().split(".")
    if not equals or not all(segments):
        raise ScenarioError(
            [Problem("", None, "expected path=value, such as clock.horizon=1h", origin=origin)]
        )
    if segments[0] in SHORT and segments[0] not in root.entries:
        segments.insert(0, "versions")
    value = _value(text, mark)
    node: Node = root
    walked: list[Segment] = []
    while segments:
        key, segments = _next(node, segments)
        walked.append(key)
        last = not segments
        if isinstance(node, Mapping):
            node = _into_mapping(root, node, walked, value if last else None, mark)
        else:
            node = _into_list(node, walked, value if last else None, mark)


def _value(text: str, mark: Mark) -> Node:
    """The value of an override as a node, all of it marked with the override."""
    try:
        documents, problems = compose(text, mark.origin)
    except ScenarioError as error:
        problems, documents = list(error.problems), []
    if problems or len(documents) > 1:
        message = problems[0].message if problems else "expected one value"
        raise ScenarioError([Problem("", None, message, origin=mark.origin)])
    return _remark(documents[0], mark) if documents else Scalar(None, mark)


def _remark(node: Node, mark: Mark) -> Node:
    node.mark = mark
    if isinstance(node, Mapping):
        node.keys = dict.fromkeys(node.keys, mark)
        for child in node.entries.values():
            _remark(child, mark)
    elif isinstance(node, Items):
        for child in node.items:
            _remark(child, mark)
    return node


def _next(node: Node, segments: list[str]) -> tuple[str, list[str]]:
    """The next key and what remains of the path; a key that has dots in its name is found too."""
    if isinstance(node, Mapping):
        for count in range(len(segments), 1, -1):
            if (key := ".".join(segments[:count])) in node.entries:
                return key, segments[count:]
    return segments[0], segments[1:]


def _into_mapping(
    root: Mapping, node: Mapping, walked: list[Segment], value: Node | None, mark: Mark
) -> Node:
    """Set the last key of a path, or go on into it: what was inherited or missing is written out first."""
    key = str(walked[-1])
    if value is not None:
        node.put(key, value, mark)
    elif key not in node.entries:
        found = _inherited(root, tuple(str(s) for s in walked[:-1]), key)
        node.put(key, clone(found) if found else _fresh(tuple(walked), mark), mark)
    return node.entries[key]


def _fresh(walked: tuple[Segment, ...], mark: Mark) -> Mapping:
    """A mapping where the document has none; a candidate of nothing is the stable version."""
    if walked == CANDIDATE:
        return Mapping({"from": Scalar("stable", mark)}, {"from": mark}, mark)
    return Mapping({}, {}, mark)


def _into_list(node: Items | Scalar, walked: list[Segment], value: Node | None, mark: Mark) -> Node:
    key = str(walked[-1])
    place = dotted(walked[:-1])
    if isinstance(node, Scalar):
        message = (
            f"{place} is {shown(node.value)} here, so there is nothing in it to set; set {place}=… as a whole"
        )
        raise ScenarioError([Problem(dotted(walked), None, message, origin=mark.origin)])
    index = int(key) if key.isascii() and key.isdigit() and len(key) < 7 else -1
    if not 0 <= index <= len(node.items) or (index == len(node.items) and value is None):
        message = f"there is no item {shown(key)}; {place} has {len(node.items)}, counted from 0"
        raise ScenarioError([Problem(dotted(walked), None, message, origin=mark.origin)])
    if value is not None:
        node.items[index : index + 1] = [value]
    return node.items[index]


def inherit(root: Mapping) -> list[Problem]:
    """Resolve every `from:` in the document; what could not be resolved is returned."""
    lines = [_Line(root, place) for place in _places(root)]
    resolved = [(line.place, line.merged()) for line in lines]
    for place, node in resolved:
        holder = _at(root, place[:-1])
        if isinstance(holder, Mapping):
            holder.put(place[-1], node, holder.keys.get(place[-1], node.mark))
    return list(dict.fromkeys(problem for line in lines for problem in line.problems))


def _places(root: Mapping) -> list[Place]:
    """Where something may say `from:`, or inherits without saying so."""
    versions, candidates, strategies = (root.entries.get(k) for k in ("versions", "candidates", "strategies"))
    places: list[Place] = []
    if isinstance(versions, Mapping):
        places += [("versions", name) for name in versions.entries]
        places += [CANDIDATE] if "candidate" not in versions.entries else []
    if isinstance(candidates, Mapping):
        places += [("candidates", name) for name in candidates.entries]
    if isinstance(strategies, Mapping):
        for name, written in strategies.entries.items():
            if isinstance(written, Mapping):
                for kind, node in written.entries.items():
                    places += _parts(("strategies", name, kind), node)
    return [p for p in places if isinstance(_at(root, p), Mapping) or _at(root, p) is None]


def _parts(place: Place, node: Node) -> list[Place]:
    """A strategy; if it is a list of others, each of those."""
    if not isinstance(node, Items):
        return [place]
    parts = ((str(index), part) for index, part in enumerate(node.items) if isinstance(part, Mapping))
    return [(*place, index, kind) for index, part in parts for kind in part.entries]


def _at(root: Node, place: Place) -> Node | None:
    node: Node | None = root
    for key in place:
        if isinstance(node, Items):
            node = node.items[int(key)] if key.isdecimal() and int(key) < len(node.items) else None
        else:
            node = node.entries.get(key) if isinstance(node, Mapping) else None
    return node


def _inherited(root: Mapping, place: Place, key: str) -> Node | None:
    """What `place` takes over from its parents under a key."""
    return _Line(root, place).merged().entries.get(key) if place in _places(root) else None


@dataclass
class _Line:
    """A version or strategy and those it inherits from, nearest first."""

    root: Mapping
    place: Place
    problems: list[Problem] = field(default_factory=list)

    def merged(self) -> Mapping:
        """All keys of the line, the nearest first to say; `from` is gone."""
        nodes = [node for place in self._places() if isinstance(node := _at(self.root, place), Mapping)]
        result = Mapping({}, {}, nodes[0].mark if nodes else self.root.mark)
        for ancestor in reversed(nodes):
            for key, child in ancestor.entries.items():
                if key != "from":
                    result.put(key, child, ancestor.keys[key])
        return result

    def _places(self) -> list[Place]:
        places = [self.place]
        while (parent := self._parent(places[-1])) is not None:
            if parent in places:
                self._report(places[-1], f"{dotted(parent)} would inherit from itself")
                break
            if len(places) > DEEPEST:
                self._report(places[-1], f"inherits over more than {DEEPEST} generations")
                break
            places.append(parent)
        return places

    def _parent(self, place: Place) -> Place | None:
        node = _at(self.root, place)
        named = node.entries.get("from") if isinstance(node, Mapping) else None
        if named is None:
            return self._silent(place)
        if not isinstance(named, Scalar) or not isinstance(named.value, str):
            self._report(place, "expected the name of another of the same kind")
            return None
        parent = self._named(place, named.value)
        if parent is None:
            self._report(place, self._unknown(place, named.value))
        return parent

    def _silent(self, place: Place) -> Place | None:
        """What a place inherits from without saying so."""
        if place[0] == "candidates":
            return CANDIDATE
        return STABLE if place == CANDIDATE and _at(self.root, CANDIDATE) is None else None

    def _named(self, place: Place, name: str) -> Place | None:
        """Where `from: name` points."""
        sibling = (place[0], name, place[-1]) if place[0] == "strategies" else (place[0], name, *place[2:])
        if _at(self.root, sibling) is not None:
            return sibling
        version = ("versions", name)
        candidate_or_stable = place[0] == "candidates" and name in SHORT
        return version if candidate_or_stable and _at(self.root, ("versions",)) is not None else None

    def _unknown(self, place: Place, name: str) -> str:
        other, siblings = _at(self.root, (place[0], name)), _at(self.root, place[:1])
        if place[0] == "strategies" and isinstance(other, Mapping) and other.entries:
            kind = harmless(next(iter(other.entries)))
            return f"{shown(name)} is a {kind}; a {harmless(place[-1])} inherits from its own kind only"
        names = siblings.entries if isinstance(siblings, Mapping) else ()
        known = ", ".join(harmless(choice)[:40] for choice in islice(names, 20) if choice != place[1])
        return f"{shown(name)} is not defined; there is {known or 'nothing else'}"

    def _report(self, place: Place, message: str) -> None:
        """A problem with what a place inherits, where it says so."""
        node = _at(self.root, place)
        mark = node.keys.get("from", node.mark) if isinstance(node, Mapping) else self.root.mark
        self.problems.append(Problem(dotted((*place, "from")), mark.line, message, origin=mark.origin))
