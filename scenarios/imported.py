"""What manifests say about a release, ready to be written as a scenario."""

from dataclasses import dataclass

from scenarios.deployments import Deployment


@dataclass(frozen=True, slots=True)
class Imported:
    """One application: its stable Deployment, its candidate if there is a second one, and why these two.

    `left_alone` names objects and keys that a scenario does not use.
    """

    stable: Deployment
    candidate: Deployment | None
    why: str
    left_alone: tuple[str, ...]
