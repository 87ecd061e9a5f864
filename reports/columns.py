"""The headline figures that a comparison shows, in their order: what they are called, and what they mean."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """A headline figure: its keys in order of preference, its heading, and in a sentence what it is."""

    keys: tuple[str, ...]
    head: str
    meaning: str
    better: Literal["less", "more"] = "less"
    only_if_right: bool = False
    """Best only among strategies that mostly end as they should: promoting a bad one quickly is no feat."""


USERS = Column(
    ("blast_users_exact", "blast_users"),
    "users harmed",
    "Users with at least one failed request who would have had none without the release.",
)
REQUESTS = Column(
    ("blast_requests_exact", "blast_requests"),
    "requests failed",
    "Requests that failed because of the release: beyond those that fail anyway with the stable version.",
)
LOSS = Column(
    ("capacity_loss",),
    "capacity lost, pod-s",
    "Serving capacity missing against before the release, over time: one pod short for 60 s is 60 "
    "pod-seconds. Half of the traffic sent to one pod of ten limits the whole service to two pods.",
)
WORST = Column(
    ("worst_capacity",),
    "worst capacity",
    "The least serving capacity at any moment, as a share of that before the release.",
    better="more",
)
DETECT = Column(
    ("time_to_detect",),
    "time to detect",
    "From the first sign of the fault to the decision to roll back.",
    only_if_right=True,
)
ROLLBACK = Column(
    ("rollback_time",),
    "roll back",
    "From the decision to roll back until 99 % of the requests that still came to the candidate had come.",
    only_if_right=True,
)
RECOVERY = Column(
    ("recovery_time",),
    "recover",
    "From the decision until capacity and failures were for 30 s what they had been before the release.",
    only_if_right=True,
)
DURATION = Column(
    ("release_duration",),
    "whole release",
    "From the trigger until the release had settled, promoted or rolled back.",
    only_if_right=True,
)
COST = Column(
    ("extra_cost",),
    "extra pods, pod-s",
    "Pods that existed beyond the desired number, over time, starting and stopping ones included: "
    "one more pod for 60 s is 60 pod-seconds.",
    only_if_right=True,
)
COLUMNS = (REQUESTS, USERS, LOSS, WORST, DETECT, ROLLBACK, RECOVERY, DURATION, COST)
