"""Services of a manifest: whose pods get their requests, and whether an address stays on a pod."""

from dataclasses import dataclass

from scenarios.deployments import Deployment
from scenarios.look import Fact, Look, one_namespace, where

CLIENT_IP_TIMEOUT = 10_800  # seconds, Kubernetes' own default and what a scenario's router does


@dataclass(frozen=True, slots=True)
class ServiceSelector:
    """A Service by what it selects; `client_ip` is for how many seconds it keeps an address on a pod."""

    name: str
    namespace: str
    selector: dict[str, str]
    where: str
    client_ip: Fact | None = None

    def __str__(self) -> str:
        return f"Service/{self.name}"

    def selects(self, deployment: Deployment) -> bool:
        """Do that Deployment's pods get this Service's requests?"""
        same = one_namespace(self.namespace, deployment.namespace)
        return bool(self.selector) and same and self.selector.items() <= deployment.labels.items()


def read_service(look: Look) -> ServiceSelector:
    """The Service that `look` looks into."""
    return ServiceSelector(
        name=look.said("metadata", "name"),
        namespace=look.said("metadata", "namespace"),
        selector=look.labels("spec", "selector"),
        where=where(look.root),
        client_ip=_client_ip(look),
    )


def _client_ip(look: Look) -> Fact | None:
    """Its affinity's seconds, with the place of the affinity; None where every connection is drawn anew."""
    node = look.at("spec", "sessionAffinity")
    if node is None or look.said("spec", "sessionAffinity") != "ClientIP":
        return None
    path = ("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
    return Fact(look.whole(path, CLIENT_IP_TIMEOUT, 86_400, zero=False).value, where(node))
