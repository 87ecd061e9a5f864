"""The language reference is what the models say, all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reports.language import markdown
from scenarios.schema import json_schema

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
SCHEMA = json_schema()


def keys() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every key of every model: the model's name, the key, what the schema says of it."""
    for name, definition in (("file", SCHEMA), *SCHEMA["$defs"].items()):
        for option in (definition, *definition.get("anyOf", ())):
            for key, value in option.get("properties", {}).items():
                yield name, key, value


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == markdown(SCHEMA), "run `make docs`"


def test_every_key_says_what_it_is():
    silent = [
        f"{name}.{key}" for name, key, value in keys() if not ("description" in value or "$ref" in value)
    ]
    one_key = {name for name, d in SCHEMA["$defs"].items() if d.get("maxProperties") == 1}
    assert [key for key in silent if key.partition(".")[0] not in one_key] == []


def test_every_key_has_its_row():
    rows = [line.split(" | ")[0] for line in markdown(SCHEMA).splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(f"| `{key}`" for _, key, _ in keys())


def test_every_row_is_complete():
    for line in markdown(SCHEMA).splitlines():
        if line.startswith("| `"):
            key, kind, _, what = (cell.strip() for cell in line.strip("|").split(" | "))
            assert key
            assert kind
            assert what


def test_a_key_shows_its_default_its_range_and_whether_it_is_required():
    text = markdown(SCHEMA)
    assert "| `replicas` | whole number, 1 to 10,000 | *required* | " in text
    assert "| `horizon` | duration | `30m` | " in text
    assert "| `per_hour` | number, more than 0, at most 3,600 |  | " in text
    assert "| `api` | duration or [time](#time) | `{median: 3ms, p95: 35ms}` | " in text
    assert "| `steps` | list of share | *required*, unless `from` has it | " in text
