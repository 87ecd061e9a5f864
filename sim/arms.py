"""The arm of a candidate that behaves as stable does: not simulated, but stable's under another name."""

from dataclasses import replace

import numpy as np

from scenarios.check import utilisation
from scenarios.faults import NodeDown, NodeDrain, SlowDependency
from scenarios.record import Record, Truth
from scenarios.scenario import Scenario
from scenarios.tally import CANDIDATE, LAST_CANDIDATE, MET_CANDIDATE, MET_STABLE, NOBODY, STABLE, Tally
from scenarios.version import Probe, Version

BUSY = 0.5
"""From this share of busy slots on, queues make it matter how requests are balanced."""

_SWAPPED = [CANDIDATE, STABLE, NOBODY]


def behaves_as_stable(scenario: Scenario, candidate: str) -> bool:
    """Whether the variant differs from stable by its image at most, in nothing that is drawn by version."""
    stable = scenario.versions.stable
    drawn = stable.crash is not None or stable.share_failing("pods") > 0 or _pods_come_anew(scenario)
    return not drawn and scenario.variants[candidate].model_copy(update=_unseen(stable)) == stable


def calm(scenario: Scenario) -> Scenario | None:
    """The scenario without its faults; None if it has none."""
    return Scenario.model_validate(scenario.model_copy(update={"faults": ()})) if scenario.faults else None


def worlds(scenario: Scenario) -> dict[str, Scenario]:
    """By router, the scenario whose control arms go via it.

    All the same one, via the first router, where pods are mostly idle and nothing else makes the balancing of
    requests matter: there the arms would fail the same requests.
    """
    first, traffic = next(iter(scenario.routers)), scenario.traffic
    people = traffic.client.retries > 0 or traffic.connections is not None or traffic.think is not None
    if not (scenario.faults or people or utilisation(scenario) >= BUSY):
        return dict.fromkeys(scenario.routers, scenario)
    return {name: scenario if name == first else _via(scenario, name) for name in scenario.routers}


def _via(scenario: Scenario, router: str) -> Scenario:
    others = {name: other for name, other in scenario.routers.items() if name != router}
    return scenario.model_copy(update={"routers": {router: scenario.routers[router], **others}})


def _unseen(stable: Version) -> dict[str, object]:
    """What a version may have of its own and still behave as stable does."""
    return {"image": stable.image, "answers": stable.answers}


def _pods_come_anew(scenario: Scenario) -> bool:
    """Whether pods start within an arm, or a fault tells versions apart: their lags are drawn by version."""
    stable, kinds = scenario.versions.stable, (NodeDown, NodeDrain, SlowDependency)
    return (
        any(isinstance(fault.happening, kinds) for fault in scenario.faults)
        or scenario.cluster.autoscaler is not None
        or isinstance(scenario.pods(stable).liveness, Probe)
        or (stable.leak is not None and stable.leak.crash)
    )


def as_candidate(arm: Record, candidate: str) -> Record:
    """Stable's arm as the arm of such a candidate: what reached stable has reached the candidate."""
    pods = replace(arm.truth.pods, version=np.full_like(arm.truth.pods.version, CANDIDATE))
    truth = Truth(_renamed(arm.truth.tally), pods, arm.truth.routes)
    return Record(replace(arm.trial, candidate=candidate), truth)


def _renamed(tally: Tally) -> Tally:
    met = tally.users & np.uint32(MET_STABLE)
    # whoever met stable has met the candidate, and met it last
    met_last = np.uint32(MET_CANDIDATE) * met + np.uint32(LAST_CANDIDATE) * met
    return replace(
        tally,
        counts=np.ascontiguousarray(tally.counts[:, _SWAPPED]),
        arrivals=np.ascontiguousarray(tally.arrivals[:, _SWAPPED]),
        latency=tally.latency[:, ::-1],  # a view: most of it was never written
        tries=None if tally.tries is None else np.ascontiguousarray(tally.tries[:, _SWAPPED]),
        new_met=np.ascontiguousarray(tally.new_met[:, ::-1]),
        users=(tally.users & ~np.uint32(MET_STABLE)) | met_last,
    )
