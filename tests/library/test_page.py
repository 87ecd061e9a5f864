"""The library's page in the documentation names every world, each with its own words."""

import re
from pathlib import Path

from scenarios.load import library

PAGE = Path(__file__).parent.parent.parent / "docs" / "library.md"


def test_every_world_is_there_with_its_summary() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == library()
    assert len(rows) == len(library())
