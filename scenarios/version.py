"""The service that is released, and what runs in its pods: how a version starts, answers, fails and stops."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Literal

from pydantic import Field, model_validator

from scenarios.demand import Attribute
from scenarios.errors import Misplaced
from scenarios.expect import Answers
from scenarios.model import Image, Model, Text, Time, a_time, written
from scenarios.units import Duration, Share


class Service(Model):
    """The service being released: desired pods, and what one pod can take."""

    replicas: int = Field(
        strict=True, ge=1, le=10_000, description="pods of the service when no release goes on"
    )
    slots: int = Field(4, strict=True, ge=1, le=256, description="requests a pod works on at once")
    queue: int = Field(50, strict=True, ge=0, le=10_000, description="waiting room per pod; beyond it 503")


class Errors(Model):
    """A share of requests, of users (the same ones each time), of connections or of pods that fails.

    `when` restricts it to requests with these attributes (`traffic.mix`); `load` to pods of whose slots at
    least that share is busy.
    """

    share: Share = Field(description="how many of them fail")
    of: Literal["requests", "users", "connections", "pods"] = Field(
        description="what fails: each request by chance, or all requests of some users, connections or pods"
    )
    when: dict[Attribute, Text] = Field(
        default_factory=dict, description="only requests with these attributes, such as header.Region: north"
    )
    load: Share | None = Field(None, description="only at pods of whose slots at least this share is busy")

    @model_validator(mode="after")
    def _known(self) -> "Errors":
        if self.when and self.of == "pods":
            raise Misplaced((("when",), "only for errors of requests, users or connections"))
        if self.load is not None and (self.of != "requests" or self.when):
            raise Misplaced((("load",), "only for errors of requests, without when"))
        return self


class WarmUp(Model):
    """A young pod is `slower` times slower; the factor falls linearly to 1 over `lasting`."""

    slower: float = Field(strict=True, ge=1, le=1000, description="times slower, when it has just started")
    lasting: Duration = Field(description="after this it is as fast as it will be")


class Leak(Model):
    """The process gets slower with age, evenly to `slower` times after `over`; `crash`: it then exits."""

    slower: float = Field(1.0, strict=True, ge=1, le=1000, description="times slower in the end")
    over: Duration = Field(description="the age at which it is so slow, and slower no more")
    crash: bool = Field(False, description="at that age the process exits, and is started again")

    @model_validator(mode="after")
    def _some(self) -> "Leak":
        if self.over <= 0:
            raise Misplaced((("over",), "expected more than 0s"))
        if self.slower == 1 and not self.crash:
            raise ValueError("expected slower: more than 1, or crash: true")
        return self


class Crash(Model):
    """The process exits: so long after it began to listen, by chance so often, or on a share of requests."""

    after_start: Duration | None = Field(None, description="so long after it began to listen, each time")
    per_hour: float | None = Field(
        None, strict=True, gt=0, le=3600, description="so often on average, at exponential intervals"
    )
    on_request: Share | None = Field(None, description="of requests that end the process that works on them")

    @model_validator(mode="after")
    def _some(self) -> "Crash":
        if len(self.model_fields_set) != 1:
            raise ValueError("expected one of after_start, per_hour, on_request")
        return self


class Probe(Model):
    """A readiness or liveness probe, in Kubernetes' terms."""

    initial_delay: Duration = written("0s", "initialDelaySeconds: no probe before")
    period: Duration = written("10s", "periodSeconds: from probe to probe")
    timeout: Duration = written("1s", "timeoutSeconds: no answer by then is a failure")
    success: int = Field(1, strict=True, ge=1, le=100, description="successThreshold: so many in a row")
    failure: int = Field(3, strict=True, ge=1, le=100, description="failureThreshold: so many in a row")

    @model_validator(mode="after")
    def _positive(self) -> "Probe":
        if self.period < 1:
            raise Misplaced((("period",), "a probe runs at most once a second; expected 1s or more"))
        return self


class Termination(Model):
    """How a pod ends: grace period, preStop sleep, and what the process does on SIGTERM."""

    grace: Duration = written("30s", "terminationGracePeriodSeconds: SIGKILL after this, preStop included")
    pre_stop: Duration = written("0s", "the preStop hook sleeps so long, and the pod serves on")
    on_sigterm: Literal["drain", "exit"] = Field(
        "drain", description="drain: close the listener, answer what is open; exit: at once"
    )


class Pods(Model):
    """How pods of the service are probed and stopped. `readiness: none` means ready as soon as it runs."""

    readiness: Probe | Literal["none"] = Field(
        Probe(), description="the probe that decides who gets requests; none: ready as soon as it runs"
    )
    liveness: Probe | Literal["none"] = Field(
        "none", description="a probe waits for a free slot like a request; too long too often: restart"
    )
    min_ready: Duration = written("0s", "minReadySeconds: a ready pod counts as available after this")
    termination: Termination = Termination()

    @model_validator(mode="after")
    def _one_success(self) -> "Pods":
        if isinstance(self.liveness, Probe) and self.liveness.success != 1:
            raise Misplaced((("liveness", "success"), "Kubernetes allows 1 only; leave it out"))
        return self


class Version(Model):
    """What runs in a pod: how it starts, how long a request takes, how it fails."""

    image: Image | None = Field(None, description="its name; it changes nothing")
    start: Time | Literal["never"] = a_time(
        "1s", "container start to able to answer; never: it runs but never becomes ready"
    )
    service_time: Time = a_time({"median": "40ms", "p95": "120ms"}, "how long a slot is busy with a request")
    errors: tuple[Errors, ...] = Field(
        (), description="requests that get a wrong answer; independent of each other"
    )
    warm_up: WarmUp | None = Field(None, description="young pods are slower")
    leak: Leak | None = Field(None, description="old pods are slower, or exit")
    crash: Crash | None = Field(None, description="pods exit and are started again, with back-off")
    pull: Time | Literal["never"] | None = Field(
        None,
        description="time for the first pod on each node to pull the image; never: ErrImagePull, so that "
        "its pods never run; without it the image is on the nodes",
    )
    conversion: Share | None = Field(None, description="A/B: share of users who do what is hoped for")
    pods: Pods | None = Field(None, description="in place of cluster.pods, key by key")
    answers: Answers | None = Field(None, description="what tells its answers apart, for `expect`")

    @model_validator(mode="after")
    def _one_load(self) -> "Version":
        if sum(error.load is not None for error in self.errors) > 1:
            raise Misplaced((("errors",), "expected at most one that depends on the load"))
        return self

    def share_failing(self, of: str) -> float:
        """Share that fails by the errors `of` requests, users, connections or pods; several are independent.

        Those that some attributes or a load are the condition of are left out.
        """
        return self._failing(error for error in self.errors if error.of == of and not error.when)

    def share_failing_when(self, of: str, attributes: Mapping[str, str]) -> float:
        """The same, only by those that have these attributes as their condition."""
        return self._failing(
            error
            for error in self.errors
            if error.of == of and error.when and error.when.items() <= attributes.items()
        )

    @staticmethod
    def _failing(errors: Iterable[Errors]) -> float:
        return 1 - prod(1 - error.share for error in errors if error.load is None)
