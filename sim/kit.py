"""What all pods of one version share in a trial. Plain values, but for the pace that faults set."""

from dataclasses import dataclass

from scenarios.cluster import Delays
from scenarios.version import Pods as PodSettings
from scenarios.version import Termination, Version
from sim.clock import SECOND

LAST_GRACE = 2 * SECOND
"""What the kubelet leaves between SIGTERM and SIGKILL even where preStop used up the grace period."""


def after_sigterm(ends: Termination) -> float:
    """Seconds that a process has from SIGTERM to SIGKILL."""
    hook = min(ends.pre_stop, ends.grace)
    return max(ends.grace, hook + LAST_GRACE / SECOND) - hook


@dataclass(slots=True)
class Pace:
    """How slow a version is by what it calls: a request takes work · slower + adds seconds. Faults set it."""

    slower: float = 1.0
    adds: float = 0.0


@dataclass(frozen=True, slots=True)
class Kit:
    """What all pods of one version share. `pace` is None in a world where nothing ever slows them."""

    seed: int
    index: int
    version: Version
    settings: PodSettings
    delays: Delays
    pace: Pace | None = None
