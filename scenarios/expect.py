"""Expectations: a request as with curl, when it is sent, and who must answer it. Words only.

What came back is counted and judged by `answered`, the same for a simulated service and for an address.
"""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from scenarios.binomial import requests_to_show
from scenarios.errors import Misplaced
from scenarios.model import Model, Name, Text
from scenarios.semantics import header_pattern
from scenarios.units import Share, write_share

END: Final = "end"
MOST_REQUESTS = 100_000
_TOKEN, _VALUE = r"[A-Za-z0-9!#$%&'*+.^_|~-]{1,100}", r"[^\x00-\x1f\x7f]{0,1000}"
_HOST, _PATH = r"[A-Za-z0-9._:\[\]-]{1,255}", r"/[^\x00-\x20\x7f#]{0,2000}"
_STATUS = r"([1-5]xx|none)"


def _matching(pattern: str, wanted: str) -> AfterValidator:
    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {wanted}")
        return text

    return AfterValidator(checked)


def _status(value: object) -> object:
    number = isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599
    if number or (isinstance(value, str) and re.fullmatch(_STATUS, value)):
        return value
    raise ValueError("expected a status such as 200, a class such as 2xx, or none (no answer)")


def _known(pattern: str) -> str:
    try:
        header_pattern.found(pattern, "")
    except (header_pattern.UnknownPattern, header_pattern.Broken) as error:
        raise ValueError(f"no pattern: {error}") from None
    return pattern


HeaderName = Annotated[str, _matching(_TOKEN, "the name of a header or cookie, such as Region")]
HeaderValue = Annotated[str, _matching(_VALUE, "text on one line, at most 1000 characters")]
Pattern = Annotated[str, AfterValidator(_known)]
"""A regular expression (RE2's syntax), found anywhere."""
Status = Annotated[
    int | str,
    BeforeValidator(_status),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "pattern": f"^{_STATUS}$"},
            ]
        }
    ),
]


class Answers(Model):
    """What a version answers with, as far as it tells versions apart: headers, and what is in the body."""

    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, description="of every answer")
    body: Text = Field("", description="of every answer")


class Request(Model):
    """A request as one would send it with curl."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field(
        "GET", description="as curl -X"
    )
    host: Annotated[str, _matching(_HOST, "a host, such as www.test.com")] | None = Field(
        None, description="such as www.test.com"
    )
    path: Annotated[str, _matching(_PATH, "a path, such as /")] = Field("/", description="such as /cart")
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, description="by name, as curl -H")
    cookies: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="by name; an empty text for a cookie without a value"
    )

    @property
    def attributes(self) -> dict[str, str]:
        """What it carries, in the words of `traffic.mix`: header.Region, cookie.beta."""
        headers = {f"header.{name}": value for name, value in self.headers.items()}
        return headers | {f"cookie.{name}": value for name, value in self.cookies.items()}

    def __str__(self) -> str:
        carried = [
            *(f"{name}: {value}" for name, value in self.headers.items()),
            *(f"cookie {name}={value}" for name, value in self.cookies.items()),
        ]
        return " ".join(
            [self.method, (self.host or "") + self.path, *([f"({', '.join(carried)})"] * bool(carried))]
        )


class Wanted(Model):
    """What an answer must be like to fit; all of it."""

    version: Literal["stable", "candidate"] | None = Field(None, description="who must have answered")
    status: Status | None = Field(None, description="a status, a class such as 2xx, or none: no answer")
    headers: dict[HeaderName, Pattern] = Field(
        default_factory=dict, description="by name, a regular expression found anywhere in the value"
    )
    body: Pattern | None = Field(None, description="a regular expression found anywhere in the body")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.version or self.status or self.headers or self.body is not None):
            raise ValueError("expected one or more of version, status, headers, body")
        return self

    def __str__(self) -> str:
        said = [f"the {self.version} version"] if self.version else []
        said += [f"status {self.status}"] if self.status else []
        said += [f"{name} like {pattern}" for name, pattern in self.headers.items()]
        said += [f"a body like {self.body}"] if self.body is not None else []
        return " with ".join([said[0], " and ".join(said[1:])]) if len(said) > 1 else said[0]


class Expectation(Model):
    """Who must answer a request: every time, so many times out of `times`, or for a share of requests."""

    strategy: Name | None = Field(None, description="while this one releases; without the key, any that can")
    candidate: Name | None = Field(None, description="with this candidate; without the key, with every one")
    when: Name = Field(END, description="as this stage ends (`explain` lists them), or end: at the horizon")
    request: Request = Field(Request(), description="what is sent")
    answers: Wanted = Field(description="what must come back")
    times: int = Field(1, strict=True, ge=1, le=MOST_REQUESTS, description="how often the request is sent")
    at_least: int | None = Field(None, strict=True, ge=0, description="answers that fit, out of `times`")
    at_most: int | None = Field(None, strict=True, ge=0, description="answers that fit, out of `times`")
    in_runs: Share | None = Field(None, description="a share of runs in which it must be so; all unless said")
    share: Share | None = Field(None, description="instead of counts: the share of answers that fit")
    precision: Share | None = Field(
        None, description="of the share, to both sides; decides how many are sent"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.share is None) != (self.precision is None):
            missing = "precision" if self.precision is None else "share"
            raise ValueError(
                f"a share has a precision, such as share: 10%, precision: 2%; {missing} is missing"
            )
        counts = (
            "times",
            *(key for key in ("at_least", "at_most", "in_runs") if getattr(self, key) is not None),
        )
        counts = counts[self.times == 1 :]
        if self.share is not None and counts:
            raise Misplaced(((counts[0],), "a share has its own number of requests, and is of all runs"))
        if self.precision is not None and not 0 < self.precision < 1:
            raise Misplaced((("precision",), "expected more than 0% and less than 100%"))
        if self.requests > MOST_REQUESTS:
            text = f"takes {self.requests:,} requests; at most {MOST_REQUESTS:,}: ask for a coarser one"
            raise Misplaced((("precision",), text))
        return self

    def concerns(self, strategy: str, candidate: str | None) -> bool:
        """Whether it is expected of this strategy with this candidate."""
        return self.strategy in (None, strategy) and self.candidate in (None, candidate)

    @model_validator(mode="after")
    def _limits(self) -> Self:
        least, most = self.at_least or 0, self.times if self.at_most is None else self.at_most
        for key in ("at_least", "at_most"):
            if (getattr(self, key) or 0) > self.times:
                raise Misplaced(((key,), f"more than the {self.times} that are sent; see times"))
        if least > most:
            raise ValueError("at_least is more than at_most: nothing can meet both")
        if self.request.method == "HEAD" and self.answers.body is not None:
            raise Misplaced((("answers", "body"), "an answer to HEAD has no body"))
        if self.in_runs == 0:
            raise Misplaced((("in_runs",), "expected more than 0%"))
        return self

    @property
    def requests(self) -> int:
        """How many are sent in one run."""
        if self.share is None or self.precision is None:
            return self.times
        return requests_to_show(self.share, self.precision)

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the most answers that may fit: of a share as shares, else as counts."""
        if self.share is not None:
            return self.share - float(self.precision or 0), self.share + float(self.precision or 0)
        if self.at_least is None and self.at_most is None:
            return self.times, self.times
        return self.at_least or 0, self.times if self.at_most is None else self.at_most

    def __str__(self) -> str:
        who = f"{self.strategy or 'any strategy'} with {self.candidate or 'every candidate'}"
        when = "at the horizon" if self.when == END else f"as stage {self.when} ends"
        return f"{who}, {when}: {self.requests} × {self.request}: {self.answers} {self.wanted}"

    @property
    def wanted(self) -> str:
        """How many answers must fit, in words."""
        if self.share is not None:
            return f"for {write_share(self.share)} ± {write_share(float(self.precision or 0))}"
        low, high = self.limits
        many = f"{low}" if low == high else f"at least {low}" if high == self.times else f"{low} to {high}"
        often = "" if self.in_runs is None else f", in {write_share(self.in_runs)} of runs or more"
        return ("each time" if low == self.times else f"{many} of {self.times} times") + often
