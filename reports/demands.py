"""What a scenario demands and what came of it: requirements and expectations, told alike everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports import expect, require
from reports.require import Told, counted


@dataclass(frozen=True, slots=True)
class Demands:
    """Demands of one kind: their heading and place on a page, how many came to what, and each in words."""

    heading: str
    anchor: str
    counted: str
    told: tuple[Told, ...]


def demands(document: Mapping[str, Any]) -> tuple[Demands, ...]:
    """Requirements and expectations of a comparison; a kind of which there is none is left out."""
    kinds = (
        ("Requirements", "required", require.told(document)),
        ("Expectations", "expected", expect.told(document)),
    )
    return tuple(Demands(heading, anchor, counted(found), found) for heading, anchor, found in kinds if found)
