"""The routers that users may come through, each with what it can be told."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import Model, Time, a_time, written
from scenarios.units import Duration


class KubeProxy(Model):
    """A Service: every node's kube-proxy picks a ready endpoint for each new connection."""

    kind: Literal["kube-proxy"] = Field(description="which router it is")
    mode: Literal["iptables", "nftables", "ipvs"] = Field(
        "iptables", description="iptables and nftables pick at random, ipvs in turn; always per connection"
    )
    affinity: Literal["none", "client_ip"] = Field(
        "none", description="client_ip: a user stays on a pod until it is gone, or unused for 3 h"
    )
    min_sync_period: Duration = written(
        "1040ms",
        "from one update of its rules to the next at the least: its own 1s, and what an update takes",
    )


class IngressNginx(Model):
    """ingress-nginx with canary annotations: a weight per request, endpoints in turn."""

    kind: Literal["ingress-nginx"] = Field(description="which router it is")
    affinity: Literal["none", "sticky", "legacy"] = Field(
        "none",
        description="session affinity by cookie; sticky: whoever was sent to a side stays there; "
        "legacy: only the primary sets the cookie, so that it absorbs everyone",
    )
    controllers: int = Field(
        1, strict=True, ge=1, le=20, description="its replicas, each with a view of its own"
    )
    sync_period: Duration = written("3334ms", "the controller's rate limit, 0.3 syncs per second")
    poll: Duration = written("1s", "workers look for a new configuration this often")


class ProxyRetries(Model):
    """What a proxy tries again by itself, at another endpoint, while the client waits."""

    tries: int = Field(1, strict=True, ge=1, le=10, description="tries in all; 1: none again")
    when: tuple[Literal["refused", "unavailable", "error"], ...] = Field(
        ("refused",), description="refused: nothing listened; unavailable: 503; error: another 5xx"
    )
    backoff: Duration = written("25ms", "before each further try")


class LayerSevenProxy(Model):
    """A layer-7 proxy, such as Envoy or HAProxy: weights, match rules and mirroring, request by request."""

    kind: Literal["proxy"] = Field(description="which router it is")
    balance: Literal["random", "round_robin", "least_request"] = Field(
        "round_robin", description="which endpoint; least_request: of two by chance the one with less to do"
    )
    proxies: int = Field(1, strict=True, ge=1, le=100, description="how many, each with a view of its own")
    propagation: Time = a_time(
        {"median": "150ms", "p95": "600ms"}, "a change of route or endpoints to in force at one proxy"
    )
    retries: ProxyRetries = Field(ProxyRetries(), description="what it tries again by itself")

    @model_validator(mode="after")
    def _one_view(self) -> "LayerSevenProxy":
        if self.balance == "least_request" and (self.proxies > 1 or self.retries.tries > 1):
            raise Misplaced((("balance",), "least_request needs proxies: 1 and no retries"))
        return self


Router = Annotated[KubeProxy | IngressNginx | LayerSevenProxy, Field(discriminator="kind")]
