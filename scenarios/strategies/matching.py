"""What a request must carry to be sent to the candidate, as written: a header or a cookie."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, Text
from scenarios.plan import Match
from scenarios.semantics.header_pattern import UnknownPattern, check

Carried = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")]
"""The name of a header or a cookie."""


class Carrying(Model):
    """A header or a cookie: any value of it, one value, or one that the pattern finds."""

    header: Carried | None = Field(None, description="the name of a header")
    cookie: Carried | None = Field(None, description="or the name of a cookie")
    value: Text | None = Field(None, description="it must have exactly this value; without the key any")
    pattern: Text | None = Field(None, description="a regular expression, found anywhere in the value")

    @model_validator(mode="after")
    def _known_pattern(self) -> Self:
        if self.value is not None and self.pattern is not None:
            raise Misplaced((("pattern",), "expected either value or pattern"))
        if self.pattern is not None:
            try:
                check(self.pattern)
            except UnknownPattern as unknown:
                raise Misplaced((("pattern",), str(unknown))) from None
        return self

    @property
    def match(self) -> Match:
        """The same as part of a plan."""
        if self.header is not None:
            return Match("header", self.header, self.value, self.pattern)
        return Match("cookie", str(self.cookie), self.value, self.pattern)


class Matching(Carrying):
    """Requests with this header or cookie: any value of it, one value, or one that the pattern finds."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is None) == (self.cookie is None):
            raise ValueError("expected either header: NAME or cookie: NAME")
        return self
