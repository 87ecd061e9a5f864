"""A strategy as written: one key, which names its kind."""

from typing import Any, Self

from pydantic import model_validator

from scenarios.model import Model
from scenarios.strategies.base import Chosen


class OneKey(Model):
    """Exactly one key, and that key names the kind. A value of it has the type of a strategy."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1 or self.strategy is None:
            raise ValueError("expected exactly one kind of strategy: " + ", ".join(type(self).model_fields))
        return self

    @property
    def kind(self) -> str:
        """The key: canary, rolling …"""
        return next(iter(self.model_fields_set))

    @property
    def strategy(self) -> Chosen:
        """What stands under the key."""
        chosen: Chosen = getattr(self, self.kind)
        return chosen


def fields(kinds: dict[str, Any]) -> Any:
    """The fields of a model with one key for each kind, for `create_model`."""
    return {kind: (model | None, None) for kind, model in kinds.items()}
