"""What manifests say about a release, ready to be written as a scenario."""

from dataclasses import dataclass

from scenarios.deployments import Deployment
from scenarios.ingresses import Exposed
from scenarios.scaling import HorizontalPodAutoscaler, PodDisruptionBudget
from scenarios.services import ServiceSelector


@dataclass(frozen=True, slots=True)
class Imported:
    """One application: its stable Deployment, its candidate if there is a second one, and why these two.

    Beside them what lets users in, scales it and guards it against evictions, each where there is one;
    `keeping` is the Service that keeps an address on a pod, if one does.
    `left_alone` names objects and keys that a scenario does not use; `notes` say what else to know.
    """

    stable: Deployment
    candidate: Deployment | None
    why: str
    left_alone: tuple[str, ...]
    exposed: Exposed | None = None
    autoscaler: HorizontalPodAutoscaler | None = None
    budget: PodDisruptionBudget | None = None
    notes: tuple[str, ...] = ()
    keeping: ServiceSelector | None = None
