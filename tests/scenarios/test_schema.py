"""The JSON Schema: what loads is valid; what an editor should mark is not."""

from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator

from scenarios.load import as_document, library, load
from scenarios.manifests import starter
from scenarios.schema import json_schema

VALIDATOR = Draft202012Validator(json_schema())


def errors(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def test_it_is_a_schema():
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", sorted(library()))
def test_the_library_is_valid(name):
    assert errors((files("scenarios") / "library" / f"{name}.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", sorted(library()))
def test_documents_in_records_are_valid_but_for_the_order_they_keep(name):
    document = as_document(load(name))
    assert document.pop("order")
    assert list(VALIDATOR.iter_errors(document)) == []


def test_the_starter_is_valid():
    assert errors(starter()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format: rolloutlab/1\n", ""),
        ("replicas: 4", "replica: 4"),
        ("replicas: 4", "replicas: '4'"),
        ("rate: 80/s", "rate: 80"),
        ("hold: 2m", "hold: 2"),
        ("start: {median: 4s, p95: 8s}", "start: soon"),
        ("steps: [5%, 25%, 50%], ", ""),
        ("{kind: kube-proxy}", "{kind: kubeproxy}"),
        ("    rolling:", "    rollin:"),
    ],
)
def test_mistakes_are_marked(old, new):
    assert old in starter()
    assert errors(starter().replace(old, new, 1)) != []


def test_everything_a_person_writes_has_a_description():
    schema = json_schema()
    for name, definition in schema["$defs"].items():
        assert definition.get("description"), name
    assert "null" not in str(schema)


def test_inheritance_is_part_of_it():
    definitions = json_schema()["$defs"]
    assert "from" in definitions["Version"]["properties"]
    assert definitions["CanaryStrategy"]["anyOf"] == [{"required": ["steps"]}, {"required": ["from"]}]
