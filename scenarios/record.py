"""A trial's record: what was seen, asked and told, how it ended, and the truth in integers. One format for both
backends; figures are functions of a record and of nothing else.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scenarios import load
from scenarios.guard import Sample, Seen
from scenarios.observe import Observation, PoolSeen
from scenarios.plan import Action, ByReplicas, Route, Split
from scenarios.release import Event, Kind, Outcome, Verdict
from scenarios.scenario import Scenario
from scenarios.tally import Grid, Tally

FORMAT = "rolloutlab.record/1"
ARM = "control"


class PodEvent(IntEnum):
    """What happened to a pod. IN and OUT of rotation are as the EndpointSlice has it."""

    CREATED = 0
    LISTENING = 1
    IN = 2
    OUT = 3
    DELETED = 4
    CRASHED = 5
    GONE = 6


@dataclass(frozen=True, slots=True)
class Trial:
    """One world, one strategy, one candidate, one seed. `strategy` is `control` for the arms: all stable
    (`candidate` None), or that candidate everywhere, from before t = 0 and without any release."""

    scenario: Scenario
    strategy: str
    candidate: str | None
    seed: int

    @property
    def label(self) -> str:
        """A short name, for people."""
        return f"{self.strategy} · {self.candidate or 'stable'} · seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Pods:
    """Every pod that ever existed and what happened to it, in order of time.

    `pool` (index into `pools`) and `version` (0 stable, 1 candidate) by pod; events as parallel arrays of
    `time` (int64 nanoseconds after the trigger), `pod` and `kind` (PodEvent).
    """

    pools: tuple[str, ...]
    pool: npt.NDArray[np.int32]
    version: npt.NDArray[np.int32]
    time: npt.NDArray[np.int64]
    pod: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RouteChange:
    """The users' route from `t` on, and when the last proxy had it (None: not by the horizon)."""

    t: float
    route: Route
    in_force: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened: requests, pods, routes."""

    tally: Tally
    pods: Pods
    routes: tuple[RouteChange, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A finished trial. The arms have no observations, actions, events, or outcome."""

    trial: Trial
    truth: Truth
    observed: tuple[Observation, ...] = ()
    actions: tuple[tuple[float, str, Action], ...] = ()
    events: tuple[Event, ...] = ()
    outcome: Outcome | None = None
