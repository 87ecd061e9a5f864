"""Who asks, how often, and how patiently: the traffic of a scenario."""

from math import prod
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, Text, Time, written
from scenarios.rate import RequestRate
from scenarios.units import Duration, Parsed, Share

MAX_REQUESTS = 10_000_000_000
MAX_USERS = 20_000_000
MAX_CLASSES = 256


class Users(Model):
    """Who sends the requests: each request belongs to a user, drawn evenly or by Zipf's law."""

    count: int = Field(10_000, strict=True, ge=1, le=MAX_USERS, description="how many there are")
    activity: Literal["even", "zipf"] = Field(
        "even", description="all ask alike; or the k-th in proportion to 1/k, a few of them very often"
    )


class Backoff(Model):
    """The wait before try k + 1: base · factor^(k − 1), at most `most`, times 1 ± jitter drawn evenly."""

    base: Duration = written("100ms", "the first wait")
    factor: float = Field(2.0, strict=True, ge=1, le=10, description="each wait is so many times the last")
    most: Duration = written("5s", "no wait is longer, before the jitter")
    jitter: Share = written("50%", "a wait is up to so much longer or shorter, by chance")

    def pause(self, k: int) -> float:
        """The wait after try k = 1, 2 …, before the jitter, in seconds."""
        return float(min(self.most, self.base * self.factor ** (k - 1)))

    def longest(self, k: int) -> float:
        """The longest wait after try k, in seconds."""
        return self.pause(k) * (1 + self.jitter)


class Client(Model):
    """The caller: it gives up a try this long after it was sent, and may try again where one failed."""

    timeout: Duration = written("5s", "a try without an answer by then has failed; above 0s, at most 255s")
    retries: int = Field(0, strict=True, ge=0, le=10, description="further tries after a failed one")
    backoff: Backoff = Field(Backoff(), description="the waits between tries")

    @property
    def patience(self) -> float:
        """The longest that a request can take until its final outcome, in seconds."""
        waits = sum(self.backoff.longest(k) for k in range(1, self.retries + 1))
        return float(self.timeout) * (1 + self.retries) + waits

    @model_validator(mode="after")
    def _counted(self) -> "Client":
        if not 0 < self.timeout <= 255:
            raise Misplaced((("timeout",), "expected more than 0s, and 255s at most"))
        if self.patience > 255:
            text = f"all tries and waits may take {self.patience:.0f}s; expected 255s at most"
            raise Misplaced((("retries",), text))
        return self


class Connections(Model):
    """How requests share connections. Without it each request opens one of its own."""

    per_user: bool = Field(False, description="every user keeps one connection")
    pool: int | None = Field(
        None, strict=True, ge=1, le=1_000_000, description="all requests share so many connections, evenly"
    )
    idle: Duration = written("60s", "a connection unused for so long is closed")
    requests: int | None = Field(
        None, strict=True, ge=1, le=1_000_000_000, description="closed after so many requests"
    )
    age: Duration | None = Field(None, description="closed when it is so old")

    @model_validator(mode="after")
    def _one_kind(self) -> "Connections":
        if self.per_user == (self.pool is not None):
            raise ValueError("expected either per_user: true or pool: a number of connections")
        return self


ATTRIBUTE = r"^(header|cookie|user)\.[A-Za-z0-9_-]{1,60}$"
Attribute = Annotated[str, Field(pattern=ATTRIBUTE)]
"""What a request carries or its user is: header.Region, cookie.beta, user.browser."""
Mix = dict[Attribute, dict[Text, Share]]


class Traffic(Model):
    """Open traffic: requests come when users want, however slow the service is. Closed: each user waits for
    the answer, and `think`s, before the next one.
    """

    arrivals: Literal["open", "closed"] = Field("open", description="whether users wait for their answers")
    rate: RequestRate | None = Field(None, description="open: how many requests come")
    think: Time | None = Field(None, description="closed: a user's pause between an answer and a request")
    users: Users = Field(Users(), description="whose requests they are")
    mix: Mix = Field(
        default_factory=dict,
        description="shares of users by attribute, such as header.Region: {north: 10%}; the rest has none",
    )
    connections: Connections | None = Field(None, description="kept connections; without it none are kept")
    client: Client = Field(Client(), description="how long a caller waits, and whether it tries again")

    @property
    def intended(self) -> RequestRate:
        """The rate that is meant: of closed traffic that of users who never wait for an answer."""
        if self.rate is not None:
            return self.rate
        assert self.think is not None
        return RequestRate(constant=Parsed(self.users.count / self.think.distribution().mean()))

    @model_validator(mode="after")
    def _whole(self) -> "Traffic":
        if (self.arrivals == "open") != (self.rate is not None):
            raise Misplaced((("rate",), "open traffic has a rate; closed traffic has think: instead"))
        if (self.arrivals == "closed") != (self.think is not None):
            raise Misplaced((("think",), "closed traffic has a pause such as {exponential: 5s}; open none"))
        if self.think is not None and self.think.distribution().mean() <= 0:
            raise Misplaced((("think",), "expected more than 0s"))
        if self.think is not None and self.users.activity != "even":
            raise Misplaced((("users", "activity"), "closed users all ask alike; expected 'even'"))
        for name, values in self.mix.items():
            if sum(values.values()) > 1 + 1e-9:
                raise Misplaced((("mix", name), "the shares sum to more than 100%"))
        if prod(len(values) + 1 for values in self.mix.values()) > MAX_CLASSES:
            text = f"more than {MAX_CLASSES} combinations of attributes"
            raise Misplaced((("mix",), text))
        return self
