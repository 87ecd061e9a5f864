"""Where the pods run: nodes, room, the lags of the control plane."""

from pydantic import Field

from scenarios.model import Model, Time, a_time, written
from scenarios.units import Duration
from scenarios.version import Pods


class Delays(Model):
    """Lags of the control plane; defaults are what one idle node showed (docs/timing.md)."""

    api: Time = a_time({"median": "3ms", "p95": "35ms"})
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
