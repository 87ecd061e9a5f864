"""A scenario file in, a Scenario out, or everything that is wrong with it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from scenarios.beside import embed
from scenarios.complaints import MISSING, complaints
from scenarios.document import (
    MAX_BYTES,
    Items,
    Mapping,
    Mark,
    Node,
    Scalar,
    Segment,
    compose,
    decode,
    of_json,
    plain,
)
from scenarios.errors import Problem, ScenarioError, dotted, harmless, shown
from scenarios.inherit import inherit, override
from scenarios.scenario import Scenario, unknown
from scenarios.version import Version
from scenarios.world import FORMAT

_MANIFESTS = (".yaml", ".yml", ".json")


def load(source: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario of a file, or of the library if `source` is the name of one of its worlds.

    `overrides` are `path=value`, such as `clock.horizon=1h`. Raises ScenarioError with all problems.
    """
    path = Path(source)
    try:
        if isinstance(source, str) and source in _worlds() and not path.is_file():
            world = _worlds()[source]
            return loads(world.read_text(encoding="utf-8"), f"{source}.yaml", overrides, _folder(world))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ScenarioError([_unreadable(str(source), error)]) from None
    return loads(decode(data, harmless(str(source))), str(source), overrides, path.parent)


def loads(
    text: str, origin: str = "scenario", overrides: Sequence[str] = (), folder: Path | None = None
) -> Scenario:
    """The scenario of a text; `origin` is what its problems call it. Raises ScenarioError as `load` does.

    `folder` is where the CSV files lie that it names; without it, it can name none.
    """
    documents, problems = compose(text, origin)
    root = _one_mapping(documents, problems, harmless(origin))
    return _built(root, problems + override(root, overrides), folder)


def _folder(world: Traversable) -> Path | None:
    """Where a world of the library lies; None where the package is an archive."""
    return world.parent if isinstance(world, Path) else None


def _built(
    root: Mapping, problems: list[Problem], folder: Path | None = None, *, resolved: bool = False
) -> Scenario:
    """The scenario of a document in which `problems` have been found so far; `resolved`: nothing inherits."""
    problems += _format(root)
    problems += [] if resolved else inherit(root)
    problems += embed(root, folder)
    try:
        scenario = Scenario.model_validate(plain(root))
    except ValidationError as error:
        problems = _together(problems, _references(root) + complaints(error, root, Scenario))
    if problems:
        raise ScenarioError(sorted(problems, key=lambda problem: problem.line or 0))
    return scenario


def texts(name: str, standard_input: BinaryIO) -> list[tuple[str, str]]:
    """(origin, text) of a file of manifests, of those in a folder and below, or of standard input (`-`).

    Raises ScenarioError for what is no text or too long, OSError for what cannot be read.
    """
    if name == "-":
        return [("standard input", decode(standard_input.read(MAX_BYTES + 1), "standard input"))]
    path, found = Path(name), []
    inside = (f for f in path.rglob("*") if f.suffix in _MANIFESTS and f.is_file())
    for file in sorted(inside) if path.is_dir() else [path]:
        with file.open("rb") as opened:
            found.append((str(file), decode(opened.read(MAX_BYTES + 1), harmless(str(file)))))
    return found


def _together(problems: list[Problem], more: list[Problem]) -> list[Problem]:
    """All problems but those that only follow from another: said twice, or about what was not inherited."""
    places = {(problem.path, problem.line) for problem in problems}
    orphans = tuple(
        problem.path.removesuffix("from") for problem in problems if problem.path.endswith(".from")
    )
    kept = []
    for problem in more:
        follows = orphans and problem.message == MISSING and problem.path.startswith(orphans)
        if (problem.path, problem.line) not in places and not follows:
            places.add((problem.path, problem.line))
            kept.append(problem)
    return problems + kept


def _references(root: Mapping) -> list[Problem]:
    """Guards and routers that strategies name and the file does not; models see it only if all is well."""
    found: list[Problem] = []
    seen: set[int] = set()
    for place, kind, node in _named(root):
        if id(node) in seen:  # inherited, and said already
            continue
        seen.add(id(node))
        known = root.entries.get(
            f"{kind}s", Mapping({"service": node} if kind == "router" else {}, {}, node.mark)
        )
        if isinstance(known, Mapping) and isinstance(node.value, str) and node.value not in known.entries:
            message, mark = unknown(kind, node.value, known.entries), node.mark
            found.append(Problem(dotted(place), mark.line, message, None, mark.origin))
    return found


def _named(root: Mapping) -> Iterator[tuple[tuple[Segment, ...], str, Scalar]]:
    """Every guard and router that a strategy names: where, which of the two, and the name."""
    for name, written in _entries(root.entries.get("strategies")):
        for kind, body in _entries(written):
            for key, node in _entries(body):
                place = ("strategies", name, kind, key)
                if key == "via" and isinstance(node, Scalar):
                    yield place, "router", node
                if key == "guards" and isinstance(node, Items):
                    for index, item in enumerate(node.items):
                        if isinstance(item, Scalar):
                            yield (*place, index), "guard", item


def _entries(node: Node | None) -> Iterable[tuple[str, Node]]:
    return node.entries.items() if isinstance(node, Mapping) else ()


def _one_mapping(documents: list[Node], problems: list[Problem], origin: str) -> Mapping:
    """The only document of a text."""
    if not documents or (isinstance(documents[0], Scalar) and documents[0].value is None):
        message, line = f"empty; a scenario begins with format: {FORMAT}", None
    elif len(documents) > 1:
        message, line = "expected one document; a second one begins here", documents[1].mark.line
    elif not isinstance(documents[0], Mapping):
        message, line = f"expected keys with values, beginning with format: {FORMAT}", documents[0].mark.line
    else:
        return documents[0]
    raise ScenarioError([*problems, Problem("", line, message, origin=origin)])


def _format(root: Mapping) -> list[Problem]:
    """Is this a scenario, and one that this version reads?"""
    node = root.entries.get("format")
    if node is None:
        return [
            Problem("format", root.mark.line, f"is required; write format: {FORMAT}", None, root.mark.origin)
        ]
    mark, value = root.keys["format"], node.value if isinstance(node, Scalar) else None
    if value == FORMAT:
        return []
    message, got = f"expected {FORMAT}", shown(value) if isinstance(node, Scalar) else None
    name, _, number = value.partition("/") if isinstance(value, str) else ("", "", "")
    if name == FORMAT.partition("/")[0] and number.isdecimal() and int(number[:9]) > 1:
        message = f"written for a newer version ({harmless(str(value))[:40]}); this one reads {FORMAT}"
        raise ScenarioError(
            [Problem("format", mark.line, message, None, mark.origin)]
        )  # the rest says nothing
    return [Problem("format", mark.line, message, got, mark.origin)]


def _unreadable(source: str, error: OSError | ValueError) -> Problem:
    if isinstance(error, FileNotFoundError):
        worlds = ", ".join(_worlds())
        return Problem(
            "", None, f"no such file, nor a world of the library; there is {worlds}", None, harmless(source)
        )
    why = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
    return Problem("", None, f"cannot be read: {why}", None, harmless(source))


def _worlds() -> dict[str, Traversable]:
    """The files of the library by the name of their world."""
    found = (files("scenarios") / "library").iterdir()
    return {
        f.name.removesuffix(".yaml"): f
        for f in sorted(found, key=lambda f: f.name)
        if f.name.endswith(".yaml")
    }


def library() -> dict[str, str]:
    """The worlds that come with the package: name and summary."""
    return {name: load(name).summary for name in _worlds()}


def as_document(scenario: Scenario) -> dict[str, Any]:
    """The scenario as JSON, every default written out; `from_document` makes an equal scenario of it.

    `order` keeps the order of named things, which counts (the arms go via the first router) and which JSON
    with sorted keys loses.
    """
    document = scenario.model_dump(mode="json", exclude_none=True)
    versions = {"stable": scenario.versions.stable, "candidate": scenario.versions.candidate}
    for name, version in versions.items():
        _own_pods(document["versions"][name], version)
    for name, version in scenario.candidates.items():
        _own_pods(document["candidates"][name], version)
    return document | {"order": {key: list(document[key]) for key in _ORDERED}}


def _in_order(named: Any, names: Any) -> Any:
    """The mapping in the order of `names`; as it was where they are not its keys."""
    if not isinstance(named, dict) or not isinstance(names, list) or set(map(str, names)) != set(named):
        return named
    return {str(name): named[str(name)] for name in names}


_ORDERED = ("routers", "guards", "strategies", "candidates", "expect")


def _own_pods(document: dict[str, Any], version: Version) -> None:
    """A version's pods stand in place of the cluster's key by key, so only the keys it says are written."""
    if version.pods is not None:
        own = version.pods.model_fields_set
        document["pods"] = {key: value for key, value in document["pods"].items() if key in own}


def from_document(document: dict[str, Any]) -> Scenario:
    """The scenario of `as_document`. Raises ScenarioError, also for what is no document at all."""
    if not isinstance(document, dict):
        text = "expected keys with values, as a resolved scenario has them"
        raise ScenarioError([Problem("", None, text, shown(document), "document")])
    order = document.get("order")
    inside = {key: value for key, value in document.items() if key != "order"}
    if isinstance(order, dict):
        inside |= {key: _in_order(inside[key], order.get(key)) for key in _ORDERED if key in inside}
    root = of_json(inside, Mark("document", None))
    # what a candidate does not say there it has not, whatever the candidate of `versions` has
    return _built(_one_mapping([root], [], "document"), [], resolved=True)


def digest(scenario: Scenario) -> str:
    """SHA-256, in hex, of the resolved scenario's canonical JSON: equal for equal scenarios."""
    document = as_document(scenario)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
