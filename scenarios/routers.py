"""The routers that users may come through, each with what it can be told."""

from typing import Annotated, Literal

from pydantic import Field

from scenarios.model import Model, written
from scenarios.units import Duration


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
