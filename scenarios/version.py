"""The service that is released, and what runs in its pods: how a version starts, answers, fails and stops."""

from typing import Literal

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Image, Model, Time, a_time, written
from scenarios.units import Duration, Share


class Service(Model):
    """The service being released: desired pods, and what one pod can take."""

    replicas: int = Field(strict=True, ge=1, le=10_000)
    slots: int = Field(4, strict=True, ge=1, le=256, description="requests a pod works on at once")
    queue: int = Field(50, strict=True, ge=0, le=10_000, description="waiting room per pod; beyond it 503")


class Errors(Model):
    """A share of requests, of users (the same ones each time) or of pods that fails."""

    share: Share
    of: Literal["requests", "users", "pods"]


class WarmUp(Model):
    """A young pod is `slower` times slower; the factor falls linearly to 1 over `lasting`."""

    slower: float = Field(strict=True, ge=1, le=1000)
    lasting: Duration


class Crash(Model):
    """The process exits this long after it began to listen, each time it is started."""

    after_start: Duration


class Probe(Model):
    """A readiness probe, in Kubernetes' terms."""

    initial_delay: Duration = written("0s")
    period: Duration = written("10s")
    timeout: Duration = written("1s")
    success: int = Field(1, strict=True, ge=1, le=100)
    failure: int = Field(3, strict=True, ge=1, le=100)

    @model_validator(mode="after")
    def _positive(self) -> "Probe":
        if self.period < 1:
            raise Misplaced((("period",), "a probe runs at most once a second; expected 1s or more"))
        return self


class Termination(Model):
    """How a pod ends: grace period, preStop sleep, and what the process does on SIGTERM."""

    grace: Duration = written("30s")
    pre_stop: Duration = written("0s")
    on_sigterm: Literal["drain", "exit"] = Field(
        "drain", description="drain: close the listener, answer what is open; exit: at once"
    )


class Pods(Model):
    """How pods of the service are probed and stopped. `readiness: none` means ready as soon as it runs."""

    readiness: Probe | Literal["none"] = Probe()
    min_ready: Duration = written("0s")
    termination: Termination = Termination()


class Version(Model):
    """What runs in a pod: how it starts, how long a request takes, how it fails."""

    image: Image | None = None
    start: Time | Literal["never"] = a_time(
        "1s", "container start to able to answer; never: it runs but never becomes ready"
    )
    service_time: Time = a_time({"median": "40ms", "p95": "120ms"})
    errors: tuple[Errors, ...] = ()
    warm_up: WarmUp | None = None
    crash: Crash | None = None
    pods: Pods | None = Field(None, description="in place of cluster.pods, key by key")

    def share_failing(self, of: str) -> float:
        """Share that fails by the errors `of` requests, users or pods; several are independent."""
        works = 1.0
        for error in self.errors:
            works *= 1 - error.share if error.of == of else 1.0
        return 1 - works
