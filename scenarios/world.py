"""The world of a scenario as written in YAML: service, versions, traffic, cluster, routers, guards, clock.

Models are frozen and refuse unknown keys. They hold what a file says, with defaults; nothing is computed from
them here but look-ups. Durations are seconds, shares are 0 … 1, rates are per second.
"""

from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from scenarios.distributions import Constant, Distribution, Exponential, LogNormal
from scenarios.errors import Misplaced, shown
from scenarios.units import Duration, Rate, Share, write_duration, write_share

FORMAT: Final = "rolloutlab/1"
MAX_REQUESTS = 10_000_000_000
MAX_USERS = 20_000_000


def written(default: str, description: str | None = None) -> Any:
    """A field whose default is written as in YAML, unit included."""
    return Field(default, description=description)


_HIDDEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
NAME = f"^[^{_HIDDEN}]{{1,80}}$"
Name = Annotated[str, Field(pattern=NAME)]
"""A name in any script, on one line, with nothing in it that is not seen."""
Image = Annotated[str, Field(pattern=f"^[^{_HIDDEN} ]{{1,500}}$")]
Text = Annotated[str, Field(pattern=f"^(?:[^{_HIDDEN}]|[\n\t]){{0,2000}}$")]
"""Prose: lines of it."""


class Model(BaseModel):
    """Base of everything written in YAML: frozen, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        defer_build=True,  # imports are a fifth quicker
    )


class Time(Model):
    """How long something takes: a plain duration, or a distribution by its mean or its quantiles.

    `50ms` or `{constant: 50ms}`; `{exponential: 50ms}` (its mean); a lognormal by any two of mean, median,
    p90, p95 and p99.
    """

    constant: Duration | None = None
    exponential: Duration | None = None
    mean: Duration | None = None
    median: Duration | None = None
    p90: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"constant": value} if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _two_points(self) -> "Time":
        given = self.model_dump(exclude_none=True)
        alone = len(given) == 1 and ("constant" in given or "exponential" in given)
        pair = len(given) == 2 and "constant" not in given and "exponential" not in given
        if not (alone or pair):
            raise ValueError(
                "expected a duration such as 50ms, {exponential: 50ms}, or two of mean, median, p90, p95, p99"
            )
        self.distribution()
        return self

    def distribution(self) -> Distribution:
        """The distribution in seconds, computed once. Raises ValueError if the points fit no lognormal."""
        return _distribution(self)


@lru_cache(maxsize=1024)
def _distribution(time: Time) -> Distribution:
    if time.constant is not None:
        return Constant(float(time.constant))
    if time.exponential is not None:
        return Exponential(float(time.exponential))
    points = {"mean": time.mean, "median": time.median, "p90": time.p90, "p95": time.p95, "p99": time.p99}
    return LogNormal.of(**{k: float(v) for k, v in points.items() if v is not None})


def _time(default: str | dict[str, str], description: str | None = None) -> Any:
    return Field(default_factory=lambda: Time.model_validate(default), description=description)


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
    start: Time | Literal["never"] = _time(
        "1s", "container start to able to answer; never: it runs but never becomes ready"
    )
    service_time: Time = _time({"median": "40ms", "p95": "120ms"})
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


class Delays(Model):
    """Lags of the control plane; defaults are what one idle node showed (docs/timing.md)."""

    api: Time = _time({"median": "3ms", "p95": "35ms"})
    container: Time = _time(
        {"median": "120ms", "p95": "170ms"},
        "pod created to process running: scheduling, sandbox, network; images are on the node",
    )
    relist: Duration = written("1s", "the kubelet sees a started container within this")
    endpoints: Time = _time(
        {"median": "20ms", "p95": "60ms"},
        "EndpointSlice changed to seen by one proxy, before the proxy's own rate limit",
    )
    sigterm: Duration = written("20ms", "pod deleted to preStop or SIGTERM begun")
    address: Duration = written("90ms", "process gone to address gone: refused until then, silent after")


class Cluster(Model):
    """Where the pods run: nodes (each with a kube-proxy of its own), room, pod settings, delays."""

    nodes: int = Field(3, strict=True, ge=1, le=100)
    spare_pods: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=100_000,
        description="room beyond the replicas; without it there is always room",
    )
    pods: Pods = Pods()
    delays: Delays = Delays()


class KubeProxy(Model):
    """A Service: every node's kube-proxy picks a ready endpoint at random."""

    kind: Literal["kube-proxy"]
    mode: Literal["iptables"] = "iptables"
    min_sync_period: Duration = written("1s")


class IngressNginx(Model):
    """ingress-nginx with canary annotations: a weight per request, endpoints in turn."""

    kind: Literal["ingress-nginx"]
    affinity: Literal["none"] = "none"
    controllers: int = Field(1, strict=True, ge=1, le=20)
    sync_period: Duration = written("3334ms", "the controller's rate limit, 0.3 syncs per second")
    poll: Duration = written("1s", "workers look for a new configuration this often")


Router = Annotated[KubeProxy | IngressNginx, Field(discriminator="kind")]


class Observe(Model):
    """What guards see: scraped every so often, late, from one vantage."""

    every: Duration = written("15s")
    delay: Duration = written("2s")
    vantage: Literal["client", "edge", "server"] = "client"

    @model_validator(mode="after")
    def _whole(self) -> "Observe":
        if self.every < 1 or self.every % 1:
            raise Misplaced((("every",), "expected whole seconds, 1s or more"))
        return self


class Guard(Model):
    """A metric judged during a release, against a limit or against stable at the same time."""

    metric: Literal["failure_share", "latency_p50", "latency_p95", "latency_p99"]
    of: Literal["candidate", "all"] = "candidate"
    limit: Share | Duration | None = None
    versus: Literal["stable"] | None = None
    margin: Share | Duration | None = None
    window: Duration = written("1m")
    min_requests: int = Field(100, strict=True, ge=1, le=10_000_000)
    tolerate: int = Field(
        0, strict=True, ge=0, le=1000, description="failing observations in a row that are let pass"
    )

    @model_validator(mode="before")
    @classmethod
    def _unit_of_metric(cls, value: object) -> object:
        if isinstance(value, dict):
            share = value.get("metric") == "failure_share"
            for key in ("limit", "margin"):
                text = value.get(key)
                if isinstance(text, str) and text.endswith("%") != share:
                    example = "a share such as 1%" if share else "a duration such as 400ms"
                    raise Misplaced(((key,), f"expected {example} for {shown(value.get('metric'))}"))
        return value

    @model_validator(mode="after")
    def _one_judgement(self) -> "Guard":
        if (self.limit is None) == (self.versus is None):
            raise ValueError("expected either limit: … or versus: stable")
        if self.versus is None and self.margin is not None:
            raise Misplaced((("margin",), "only with versus: stable"))
        if self.versus is not None and self.of != "candidate":
            raise Misplaced((("of",), "versus: stable judges the candidate; expected 'candidate'"))
        if self.window < 1 or self.window % 1:
            raise Misplaced((("window",), "expected whole seconds, 1s or more"))
        return self

    @field_serializer("limit", "margin")
    def _as_written(self, value: float | None) -> str | None:
        if value is None:
            return None
        return write_share(value) if self.metric == "failure_share" else write_duration(value)


class Slo(Model):
    """The objective that says which candidate is bad."""

    success: Share = written("99.9%")
    latency: dict[Literal["p50", "p95", "p99"], Duration] = {}


class Clock(Model):
    """t = 0 is the trigger; settling in is before it, everything is measured from 0 to the horizon."""

    settle: Duration = written("2m")
    tick: Duration = written("1s")
    horizon: Duration = written("30m")

    @model_validator(mode="after")
    def _whole(self) -> "Clock":
        for key in ("settle", "tick", "horizon"):
            value = getattr(self, key)
            if value % 1 or (value < 1):
                raise Misplaced(((key,), "expected whole seconds, 1s or more"))
        if self.horizon > 7 * 86400:
            raise Misplaced((("horizon",), "at most 7d"))
        return self
