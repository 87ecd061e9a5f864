"""What pydantic found wrong, said in the words of the language: path, line, what was expected, what to write.

Only reads nodes and models; decides nothing about a scenario.
"""

import types
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

from scenarios import later
from scenarios.demand import ATTRIBUTE
from scenarios.document import Items, Mapping, Mark, Node, Scalar, Segment
from scenarios.errors import Misplaced, Problem, dotted, shown
from scenarios.routers import IngressNginx, KubeProxy, LayerSevenProxy

MISSING = "is required"
ROUTERS = {"kube-proxy": KubeProxy, "ingress-nginx": IngressNginx, "proxy": LayerSevenProxy}


def complaints(error: ValidationError, root: Mapping, model: type[BaseModel]) -> list[Problem]:
    """One problem for each thing that is wrong; what follows from another problem is left out."""
    found = [
        _Complaint(detail, root, model, *place) for detail in error.errors() for place in _places(detail)
    ]
    missing = {c.guess for c in found if c.guess} | {
        c.path[:-1] for c in found if c.later and len(c.path) > 1
    }
    missing |= {("service",) for c in found if c.later and c.path == ("services",)}
    kept = [c for c in found if not c.broken and not (c.missing and ({c.path, c.path[:-1]} & missing))]
    return list(_merged(kept))


def _places(detail: ErrorDetails) -> Iterator[tuple[tuple[Segment, ...], str | None]]:
    """Where an error is, and its message if a model put it."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Misplaced):
        for path, message in cause.found:
            yield (*detail["loc"], *path), message
    else:
        yield detail["loc"], str(cause) if isinstance(cause, ValueError) else None


def _merged(found: list["_Complaint"]) -> Iterator[Problem]:
    """Alternatives of a union become one problem: the deepest that are about it, joined by `or`."""
    deep = [c.path for c in found]
    by_node: dict[object, list[_Complaint]] = {}
    for c in found:
        if not (c.alternative and any(len(p) > len(c.path) and p[: len(c.path)] == c.path for p in deep)):
            by_node.setdefault((c.identity, c.missing), []).append(c)
    for group in by_node.values():
        first = next((c for c in group if c.later), group[0])
        same = [c for c in group if c.path == first.path] if not first.later else [first]
        messages = list(dict.fromkeys(c.message for c in same))
        rest = [message.removeprefix("expected ") for message in messages[1:]]
        yield Problem(
            dotted(first.path),
            first.mark.line,
            ", or ".join([messages[0], *rest]),
            first.value,
            first.mark.origin,
        )


class _Complaint:
    """One error of pydantic, placed in the document."""

    def __init__(
        self,
        detail: ErrorDetails,
        root: Mapping,
        model: type[BaseModel],
        loc: tuple[Segment, ...],
        message: str | None,
    ) -> None:
        self.kind, self.context = detail["type"], detail.get("ctx", {})
        self.missing = self.kind == "missing"
        self.alternative = self.kind in ("literal_error", "model_type") or message is not None
        keep_last = self.missing or isinstance(self.context.get("error"), Misplaced)
        self.path, self.node, self.mark, owners, absent = _follow(loc, root, model, keep_last)
        self.broken = isinstance(self.node, Scalar) and self.node.broken
        self.identity: object = self.path if absent else id(self.node)
        self.guess: tuple[Segment, ...] | None = None
        self.later = False
        self.value: str | None = None
        self.message = message or self._say(owners)
        if isinstance(self.node, Scalar) and self.kind != "extra_forbidden" and not self.later:
            self.value = shown(self.node.value)

    def _say(self, owners: list[Any]) -> str:
        if self.kind == "extra_forbidden":
            return self._unknown_key(str(self.path[-1]), _models(owners))
        value = self.node.value if isinstance(self.node, Scalar) else None
        if self.kind == "literal_error" and self._is_later(_models(owners), value):
            self.later = True
            return f"{shown(value)} {later.MESSAGE}"
        if self.kind in ("union_tag_invalid", "union_tag_not_found"):
            return self._router()
        return _message(self.kind, self.context)

    def _is_later(self, owners: list[type[BaseModel]], value: object) -> bool:
        key = str(self.path[-1]) if self.path else ""
        return any(value in later.VALUES.get((owner.__name__, key), ()) for owner in owners)

    def _router(self) -> str:
        """The kind of a router is missing or unknown."""
        node = self.node.entries.get("kind") if isinstance(self.node, Mapping) else None
        written = node.value if isinstance(node, Scalar) else None
        if node is not None and isinstance(self.node, Mapping):
            self.path, self.mark = (*self.path, "kind"), self.node.keys["kind"]
        if written in later.VALUES["Router", "kind"]:
            self.later = True
            return f"{shown(written)} {later.MESSAGE}"
        got = f"; got {shown(written)}" if node is not None else ""
        *first, last = ROUTERS
        return f"expected kind: {', '.join(first)} or {last}{got}"

    def _unknown_key(self, key: str, owners: list[type[BaseModel]]) -> str:
        if any(key in later.KEYS.get(owner.__name__, ()) for owner in owners):
            self.later = True
            return f"{key} {later.MESSAGE}"
        fields = [field for owner in owners for field in owner.model_fields.items()]
        known = list(dict.fromkeys(field.alias or name for name, field in fields))
        known += ["from"] if any(owner.__name__ == "Version" for owner in owners) else []
        close = get_close_matches(key[:80], known, n=1, cutoff=0.6)
        if close:
            self.guess = (*self.path[:-1], close[0])
            return f"unknown key {shown(key)}; did you mean {shown(close[0])}?"
        return f"unknown key {shown(key)}; known are {', '.join(known)}"


def _message(kind: str, context: dict[str, Any]) -> str:
    """What was expected, by pydantic's kind of error."""
    if context.get("pattern") == ATTRIBUTE:
        return "expected header.NAME, cookie.NAME or user.NAME, such as header.Region"
    if kind in _SAID:
        return _SAID[kind].format(**context)
    return "expected " + kind.replace("_", " ")


_SAID = {
    "missing": MISSING,
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "string_type": "expected text; put it in quotes if it is meant as text",
    "string_pattern_mismatch": "expected 1 to 80 visible characters on one line",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "enum": "expected {expected}",
    "dict_type": "expected names with values, such as name: {{…}}",
    "model_type": "expected keys with values, such as key: …",
    "model_attributes_type": "expected keys with values, such as key: …",
    "tuple_type": "expected a list, such as [a, b]",
    "too_short": "expected at least {min_length}",
    "too_long": "expected at most {max_length}",
    "invalid_key": "expected text as a name",
}


def _follow(
    loc: tuple[Segment, ...], root: Mapping, model: type[BaseModel], keep_last: bool
) -> tuple[tuple[Segment, ...], Node, Mark, list[Any], bool]:
    """Where an error is: path, node, mark, the types that stand one above, whether the last key is absent.

    Pydantic's locations also name the alternative of a union, which no document has; those are passed over.
    """
    path: list[Segment] = []
    node: Node = root
    mark, kinds, owners, absent = root.mark, [model], [model], False
    for index, segment in enumerate(loc):
        found = _child(node, segment)
        if found is None:
            if keep_last and index == len(loc) - 1:
                path.append(segment)
                absent = True
            else:
                kinds = _narrowed(kinds, segment)
            continue
        node, mark = found
        path.append(segment)
        owners, kinds = kinds, _inside(kinds, segment)
    return tuple(path), node, mark, owners if path else kinds, absent


def _child(node: Node, segment: Segment) -> tuple[Node, Mark] | None:
    if isinstance(node, Mapping) and segment in node.entries:
        return node.entries[str(segment)], node.keys[str(segment)]
    if isinstance(node, Items) and isinstance(segment, int) and segment < len(node.items):
        return node.items[segment], node.items[segment].mark
    return None


def _inside(kinds: Iterable[Any], segment: Segment) -> list[Any]:
    """The types that stand under a key or index of these types."""
    found: list[Any] = []
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, RootModel):
            found += _inside(_options(kind.model_fields["root"].annotation), segment)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = kind.model_fields
            found += _options(fields[segment].annotation) if segment in fields else []
        elif get_origin(kind) is dict:
            found += _options(get_args(kind)[1])
        elif get_origin(kind) is tuple:
            found += _options(get_args(kind)[0])
    return found


def _options(annotation: Any) -> list[Any]:
    """The alternatives of a type, without its annotations."""
    if hasattr(annotation, "__metadata__"):
        return _options(annotation.__origin__)
    if get_origin(annotation) in (Union, types.UnionType):
        return [option for part in get_args(annotation) for option in _options(part)]
    return [annotation]


def _narrowed(kinds: list[Any], tag: Segment) -> list[Any]:
    """The alternatives that a union's tag leaves."""
    chosen = [kind for kind in kinds if kind is ROUTERS.get(str(tag)) or getattr(kind, "__name__", "") == tag]
    return chosen or kinds


def _models(kinds: list[Any]) -> list[type[BaseModel]]:
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
