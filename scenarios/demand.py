"""Who asks, how often, and how patiently: the traffic of a scenario."""

from typing import Literal

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, written
from scenarios.units import Duration, Rate

MAX_REQUESTS = 10_000_000_000
MAX_USERS = 20_000_000


class Users(Model):
    """Who sends the requests: each request belongs to a user, drawn evenly or by Zipf's law."""

    count: int = Field(10_000, strict=True, ge=1, le=MAX_USERS)
    activity: Literal["even", "zipf"] = "even"


class Client(Model):
    """The caller: it gives up this long after it sent a request."""

    timeout: Duration = written("5s")

    @model_validator(mode="after")
    def _counted(self) -> "Client":
        if not 0 < self.timeout <= 255:
            raise Misplaced((("timeout",), "expected more than 0s, and 255s at most"))
        return self


class ConstantRate(Model):
    """Poisson arrivals at a constant rate."""

    constant: Rate

    @model_validator(mode="after")
    def _some(self) -> "ConstantRate":
        if self.constant <= 0:
            raise ValueError("expected more than 0 requests, such as 200/s")
        return self

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"constant": value} if isinstance(value, str | int | float) else value


class Traffic(Model):
    """Open traffic: requests come when users want, however slow the service is."""

    arrivals: Literal["open"] = "open"
    rate: ConstantRate
    users: Users = Users()
    client: Client = Client()
