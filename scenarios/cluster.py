"""Where the pods run: nodes, room, the lags of the control plane."""

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, Time, a_time, written
from scenarios.units import CountOrShare, Duration, Share
from scenarios.version import Pods


class Delays(Model):
    """Lags of the control plane; defaults are what one idle node showed (docs/timing.md)."""

    api: Time = a_time({"median": "3ms", "p95": "35ms"}, "a write sent to its answer")
    container: Time = a_time(
        {"median": "120ms", "p95": "170ms"},
        "pod created to process running: scheduling, sandbox, network; images are on the node",
    )
    relist: Duration = written("1s", "the kubelet sees a started container within this")
    endpoints: Time = a_time(
        {"median": "20ms", "p95": "60ms"},
        "EndpointSlice changed to seen by one proxy, before the proxy's own rate limit",
    )
    sigterm: Duration = written("20ms", "pod deleted to preStop or SIGTERM begun")
    address: Duration = written("90ms", "process gone to address gone: refused until then, silent after")
    removal: Duration = written(
        "350ms",
        "a pod is gone at the kubelet's first look after its address is, or so much later; 0s: with it",
    )


class Autoscaler(Model):
    """A HorizontalPodAutoscaler on the share of busy slots, for the Deployment that served at the start."""

    min: int = Field(strict=True, ge=1, le=10_000, description="minReplicas")
    max: int = Field(strict=True, ge=1, le=10_000, description="maxReplicas")
    target: Share = written("60%", "wanted share of busy slots, averaged over its ready pods")
    every: Duration = written("15s", "it looks so often")
    tolerance: Share = written("10%", "no change while the ratio is so near to 1")
    stabilization: Duration = written("5m", "it goes down to the highest of what it wanted so long")

    @model_validator(mode="after")
    def _order(self) -> "Autoscaler":
        if self.max < self.min:
            raise Misplaced((("max",), f"less than min, {self.min}"))
        if self.target <= 0 or self.every < 1:
            raise ValueError("expected a target above 0% and every: 1s or more")
        return self


class DisruptionBudget(Model):
    """A PodDisruptionBudget. It holds for evictions (a drained node), never for a Deployment's own update."""

    min_available: CountOrShare | None = Field(None, description="so many healthy pods must remain")
    max_unavailable: CountOrShare | None = Field(None, description="or: so many may be missing")

    @model_validator(mode="after")
    def _one(self) -> "DisruptionBudget":
        if (self.min_available is None) == (self.max_unavailable is None):
            raise ValueError("expected either min_available or max_unavailable")
        return self


class Cluster(Model):
    """Where the pods run: nodes (each with a kube-proxy of its own), room, pod settings, delays."""

    nodes: int = Field(3, strict=True, ge=1, le=100, description="how many; numbered from 0")
    spare_pods: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=100_000,
        description="room beyond the replicas; without it there is always room",
    )
    autoscaler: Autoscaler | None = Field(None, description="a HorizontalPodAutoscaler beside the release")
    disruption_budget: DisruptionBudget | None = Field(None, description="how many pods evictions may take")
    node_grace: Duration = written("40s", "a silent node is NotReady, and its pods out of rotation, after")
    eviction: Duration = written("5m", "pods of a NotReady node are replaced after")
    pods: Pods = Field(Pods(), description="how pods are probed and stopped, of whatever version")
    delays: Delays = Field(Delays(), description="how long the control plane takes")
