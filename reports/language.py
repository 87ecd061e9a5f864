"""The language reference as Markdown, made of the JSON Schema alone: every key, in the order of the file.

Nothing is said here of any single key: what a key means stands beside it in its model.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from scenarios.model import NAME
from scenarios.require import PERCENT
from scenarios.units import DURATION, RATE, SHARE

_Schema: TypeAlias = dict[str, Any]
_CALLED = {"Written": "OneStrategy"}  # a name that would say nothing to a reader of the file
MANY = 12
"""So many allowed values are listed in the table; more stand below it."""

_HEAD = """\
# The language

Every key of a scenario, as `rolloutlab schema -o markdown` prints it from the models that read the file.
`rolloutlab schema` prints the same as JSON Schema, for editors. What is not listed here is refused.

## Values

| written | is |
|---|---|
| duration | a number with `ms`, `s`, `m`, `h` or `d`: `150ms`, `2.5s`, `10m`; at most `365d` |
| share | a percentage from `0%` to `100%`: `5%`, `99.95%` |
| rate | a number per `s`, `m` or `h`: `200/s`, `12000/m` |
| pods or share | a count of pods, `2`, or a percentage of the replicas, `25%` |
| name | 1 to 80 characters of any script, on one line |
| text | up to 2,000 characters |
| whole number, number | as usual in YAML, without a unit |

A key without a default is optional unless *required* is said; what leaving it out means is said beside it.
"""
_VALUES = {
    f"^{DURATION}$": "duration",
    f"^{SHARE}$": "share",
    f"^{RATE}$": "rate",
    f"^({PERCENT}|{DURATION})$": "share or duration",
    NAME: "name",
    r"^\d{1,4}%$": "share",
}


def markdown(schema: _Schema) -> str:
    """The whole reference. `schema` is what `scenarios.schema.json_schema` returns."""
    sections = list(_sections(schema))
    return "\n".join([_HEAD, *(_section(schema, title, paths) for title, paths in sections)])


def _sections(schema: _Schema) -> list[tuple[str, list[str]]]:
    """Each definition once, in the order of the file, with the paths at which it may be written."""
    found: dict[str, list[str]] = {"": [""]}
    _visit(schema, schema, "", found)
    return list(found.items())


def _visit(schema: _Schema, node: _Schema, path: str, found: dict[str, list[str]]) -> None:
    for name, inner in _tables(schema, node, path):
        known = name in found
        found.setdefault(name, []).append(inner)
        if not known:
            _visit(schema, schema["$defs"][name], inner, found)


def _tables(schema: _Schema, node: Any, path: str) -> Iterator[tuple[str, str]]:
    """The definitions that a schema refers to, with the path of each; one step deep."""
    if isinstance(node, list):
        for item in node:
            yield from _tables(schema, item, path)
    elif isinstance(node, dict):
        name = _referred(node)
        if name is not None and "enum" not in schema["$defs"][name]:
            yield name, path
        for key, inner in node.get("properties", {}).items():
            yield from _tables(schema, inner, f"{path}.{key}".lstrip("."))
        for inner in node.get("patternProperties", {}).values():
            yield from _tables(schema, inner, f"{path}.NAME")
        yield from _tables(schema, node.get("items"), f"{path}[]")
        yield from _tables(schema, [node.get("anyOf"), node.get("oneOf")], path)


def _referred(node: _Schema) -> str | None:
    reference = node.get("$ref")
    return None if reference is None else str(reference).rpartition("/")[2]


def _section(schema: _Schema, name: str, paths: list[str]) -> str:
    if not name:
        return f"## The file\n\n{_table(schema, schema)}"
    definition = schema["$defs"][name]
    shown = ", ".join(f"`{path}`" for path in paths[:4]) + (" …" if len(paths) > 4 else "")
    described = definition.get("description", "")
    body = _table(schema, _with_keys(definition))
    return f"## {_title(name)}\n\nAt {shown}.\n\n{described}\n\n{body}"


def _with_keys(definition: _Schema) -> _Schema:
    """The alternative that has keys, where a definition may also be written as one value."""
    for option in definition.get("anyOf", ()):
        if "properties" in option:
            return dict(option)
    return definition


def _table(schema: _Schema, node: _Schema) -> str:
    if "properties" not in node:
        return f"Written as a {_type(schema, node)}.\n"
    rows = ["| key | is | default | what |", "|---|---|---|---|"]
    rows += [_row(schema, node, key, value) for key, value in node["properties"].items()]
    lists = [_below(key, value) for key, value in node["properties"].items()]
    return "\n".join([*rows, "", *filter(None, lists)])


def _row(schema: _Schema, node: _Schema, key: str, value: _Schema) -> str:
    cells = (f"`{key}`", _type(schema, value), _default(node, key, value), _what(schema, value))
    return "| " + " | ".join(re.sub(r"\s+", " ", cell).replace("|", r"\|") for cell in cells) + " |"


def _what(schema: _Schema, value: _Schema) -> str:
    """What the key says of itself, or else its table does."""
    name = _referred(value)
    above = schema["$defs"][name].get("description", "") if name else ""
    return str(value.get("description") or above.partition("\n\n")[0])


def _default(node: _Schema, key: str, value: _Schema) -> str:
    if key in node.get("required", ()):
        return "*required*"
    if any(key in option.get("required", ()) for option in node.get("anyOf", ())) and key != "from":
        return "*required*, unless `from` has it"
    if "default" not in value or value["default"] in ([], {}):
        return ""
    default = value["default"]
    nested = isinstance(default, dict) and not {"median", "mean", "exponential"} & set(default)
    return "" if nested else f"`{_yaml(default)}`"


def _yaml(value: Any) -> str:
    """A default as one would write it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) and value else json.dumps(value)


def _type(schema: _Schema, value: _Schema) -> str:
    """The type of a value in words, with what is allowed."""
    name = _referred(value)
    if name is not None:
        definition = schema["$defs"][name]
        return _type(schema, definition) if "enum" in definition else _link(schema, name)
    options = value.get("anyOf") or value.get("oneOf")
    if options:
        words = list(dict.fromkeys(_type(schema, option) for option in options))
        return "pods or share" if words == [_whole({"minimum": 0}), "share"] else " or ".join(words)
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return _choices(value["enum"])
    return _plain(schema, value)


def _plain(schema: _Schema, value: _Schema) -> str:
    match value.get("type"):
        case "integer":
            return _whole(value)
        case "number":
            return f"number{_range(value)}"
        case "boolean":
            return "`true` or `false`"
        case "array":
            return f"list of {_type(schema, value['items'])}"
        case "object":
            return _mapping(schema, value)
        case _:
            return _VALUES.get(value.get("pattern", ""), "text")


def _mapping(schema: _Schema, value: _Schema) -> str:
    inner = value.get("patternProperties") or {"": value.get("additionalProperties", {})}
    ((pattern, held),) = inner.items()
    named = value.get("propertyNames", {}).get("enum")
    key = _choices(named) if named else _VALUES.get(pattern, "name")
    return f"{key}: {_type(schema, held)}"


def _link(schema: _Schema, name: str) -> str:
    """The table, and the plain value that may stand in its place."""
    title = _title(name)
    plain = [o for o in schema["$defs"][name].get("anyOf", ()) if "pattern" in o]
    before = f"{_VALUES[plain[0]['pattern']]} or " if plain else ""
    return f"{before}[{title.lower()}](#{title.lower().replace(' ', '-')})"


def _title(name: str) -> str:
    """LayerSevenProxy → Layer seven proxy."""
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", _CALLED.get(name, name)).lower()
    return words[:1].upper() + words[1:]


def _choices(values: list[Any]) -> str:
    return "one of those below" if len(values) > MANY else " or ".join(f"`{value}`" for value in values)


def _below(key: str, value: _Schema) -> str:
    values = value.get("enum", ()) or value.get("propertyNames", {}).get("enum", ())
    if len(values) <= MANY:
        return ""
    return f"`{key}` is one of " + ", ".join(f"`{one}`" for one in values) + ".\n"


def _whole(value: _Schema) -> str:
    return f"whole number{_range(value)}"


def _range(value: _Schema) -> str:
    low, above, high = (value.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    least = f"{low:,g}" if low is not None else f"more than {above:,g}" if above is not None else ""
    if not least:
        return ""
    if high is None:
        return f", {least} or more" if above is None else f", {least}"
    return f", {least} to {high:,.0f}" if above is None else f", {least}, at most {high:,.0f}"
