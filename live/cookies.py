"""Cookies that a service sets, kept for each user as a browser does. Bounded: nothing it says is trusted."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_PER_USER, MOST, LONGEST = 20, 200_000, 4096
_PAIR = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*)\s*")


@dataclass(slots=True)
class Jars:
    """Name and value by user. `lost` counts cookies beyond the bounds, or that are none.

    Kept for the run, as the only path is asked again and again; Max-Age of 0 or less takes one away.
    """

    lost: int = 0
    _jars: dict[int, dict[str, str]] = field(default_factory=dict)
    _count: int = 0

    def of(self, user: int) -> dict[str, str]:
        """What the user sends."""
        return self._jars.get(user, {})

    def keep(self, user: int, said: Iterable[str]) -> None:
        """Take over what an answer's Set-Cookie headers say."""
        for one in said:
            pair, _, attributes = one[:LONGEST].partition(";")
            match = _PAIR.fullmatch(pair)
            if match is None or len(one) > LONGEST:
                self.lost += 1
            elif re.search(r"(?i)(^|;)\s*max-age=(-\d+|0+)\s*(;|$)", attributes):
                self._drop(user, match[1])
            else:
                self._set(user, match[1], match[2])

    def _drop(self, user: int, name: str) -> None:
        if self._jars.get(user, {}).pop(name, None) is not None:
            self._count -= 1

    def _set(self, user: int, name: str, value: str) -> None:
        jar = self._jars.setdefault(user, {})
        if name not in jar:
            if len(jar) >= MOST_PER_USER or self._count >= MOST:
                self.lost += 1
                return
            self._count += 1
        jar[name] = value
