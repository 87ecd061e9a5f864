"""The strategies: each is one type, as written in YAML, whose `plan` returns what it will do as data.

A new strategy is one model with its plan and its line in `parts.PARTS`; nothing else knows it by name.
"""

from pydantic import BaseModel, create_model

from scenarios.strategies.base import Chosen, Strategy
from scenarios.strategies.parts import PARTS
from scenarios.strategies.sequence import SequenceStrategy
from scenarios.strategies.written import OneKey, fields

KINDS: dict[str, type[BaseModel]] = {**PARTS, "sequence": SequenceStrategy}
Written: type[OneKey] = create_model("Written", __base__=OneKey, __module__=__name__, **fields(KINDS))

__all__ = ["KINDS", "PARTS", "Chosen", "SequenceStrategy", "Strategy", "Written"]
