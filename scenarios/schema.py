"""The JSON Schema of scenario files, so that editors complete and check them while they are written."""

from typing import Any

from scenarios.model import NAME
from scenarios.scenario import Scenario
from scenarios.strategies import PARTS
from scenarios.strategies.sequence import Part
from scenarios.units import DURATION, RATE
from scenarios.world import FORMAT

_Schema = dict[str, Any]

_PLAIN = {
    "Time": {"type": "string", "pattern": f"^{DURATION}$", "examples": ["50ms"]},
    "RequestRate": {"type": "string", "pattern": f"^{RATE}$", "examples": ["200/s"]},
}
"""Models that may also be written as one value."""


def json_schema() -> _Schema:
    """JSON Schema (2020-12) of the file as people write it: with `from:`, plain durations, and no nulls.

    It accepts whatever loads; a few rules between values are checked by loading only.
    """
    schema: _Schema = _tidy(Scenario.model_json_schema())
    definitions = schema["$defs"]
    definitions["Version"]["properties"]["from"] = _from(
        "what this version does not say, it takes over from here"
    )
    for model in PARTS.values():
        _inheriting(definitions[model.__name__])
    one_key = {"minProperties": 1, "maxProperties": 1}
    definitions[_written(schema)] |= {"description": "A strategy: one key, which names its kind.", **one_key}
    definitions[Part.__name__] |= one_key
    for name, plain in _PLAIN.items():
        described = definitions[name].pop("description", None)
        definitions[name] = {"description": described, "anyOf": [plain, definitions[name]]}
    schema["required"] = ["format", *schema["required"]]
    schema["title"] = "Rolloutlab scenario"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{FORMAT}", **schema}


def _from(description: str) -> _Schema:
    return {"type": "string", "pattern": NAME, "description": description}


def _inheriting(strategy: _Schema) -> None:
    """A strategy may take over from another one of its kind; then nothing is required of it."""
    strategy["properties"]["from"] = _from("another strategy of this kind; what is not said is taken over")
    required = strategy.pop("required", [])
    if required:
        strategy["anyOf"] = [{"required": required}, {"required": ["from"]}]


def _written(schema: _Schema) -> str:
    """The name of the definition whose one key names the kind of strategy."""
    (reference,) = schema["properties"]["strategies"]["patternProperties"].values()
    return str(reference["$ref"]).rpartition("/")[2]


def _tidy(node: Any, named: bool = False) -> Any:
    """Without titles made of names, without null (nobody writes it), names of dictionaries checked.

    `named` says that the keys are names of properties, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    if named:
        return {key: _tidy(value) for key, value in node.items()}
    tidy = {
        key: _tidy(value, key in ("properties", "$defs", "patternProperties")) for key, value in node.items()
    }
    tidy.pop("title", None)
    if "default" in tidy:
        tidy["default"] = _without_null(node["default"])
        if tidy["default"] is None:
            del tidy["default"]
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    return _one_alternative(tidy)


def _one_alternative(schema: _Schema) -> _Schema:
    """`anyOf` without null; and without `anyOf` if one alternative is left."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        return {**{key: value for key, value in schema.items() if key != "anyOf"}, **options[0]}
    return {**schema, "anyOf": options} if options else schema


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(inner) for key, inner in value.items() if inner is not None}
    return value
