"""Who the users are: combinations of the attributes of `traffic.mix`, and which one each user has. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from scenarios import draws
from scenarios.draws import Purpose

Mix = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Users with the same attributes (`header.Region` → `north`), and their share of all users."""

    attributes: Mapping[str, str]
    share: float

    def of(self, what: str) -> dict[str, str]:
        """Their headers, or their cookies, by name."""
        start = f"{what}."
        return {
            name.removeprefix(start): value
            for name, value in self.attributes.items()
            if name.startswith(start)
        }


def kinds(mix: Mix) -> tuple[Kind, ...]:
    """Every combination of values; attributes are independent, and what is left over has none of them."""
    choices = [[*values.items(), (None, max(0.0, 1 - sum(values.values())))] for values in mix.values()]
    found = []
    for combination in product(*choices):
        named = zip(mix, (value for value, _ in combination), strict=True)
        attributes = {name: value for name, value in named if value is not None}
        found.append(Kind(attributes, prod(share for _, share in combination)))
    return tuple(found)


def kind_of_users(seed: int, users: int, mix: Mix) -> NDArray[np.uint8]:
    """uint8[users]: the place in `kinds(mix)` of each user. One draw per user and attribute."""
    stream, number = draws.stream(seed, Purpose.ATTRIBUTE), np.arange(users)
    kind = np.zeros(users, np.int64)
    for place, values in enumerate(mix.values()):
        below = np.cumsum([*values.values()])
        share = draws.uniform(draws.words_of(stream, number, np.full(users, place)))
        # a sum such as 0.1 + 0.2 + 0.7 must not leave anybody over
        below[-1] = 1.0 if below[-1] > 1 - 1e-9 else below[-1]
        kind = kind * (len(values) + 1) + np.searchsorted(below, share, side="right")
    return kind.astype(np.uint8)
