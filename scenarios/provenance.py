"""Where a live record comes from: `provenance.json` beside it, without which it counts as no measurement.

Words only; whether what stands there is true is checked by who compares (`reports.repeats`).
"""

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _moment(text: str) -> str:
    """A point in time as ISO 8601 has it, with its distance to UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-11-20T15:04:05+00:00")
    return text


def _beside(text: str) -> str:
    """The name of a file in one folder, no path out of it."""
    if text in ("", ".", "..") or PurePosixPath(text).name != text or "\\" in text:
        raise ValueError("expected the name of a file beside the record's folder")
    return text


def _like(pattern: str, wanted: str) -> AfterValidator:
    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {wanted}")
        return text

    return AfterValidator(checked)


Moment = Annotated[str, AfterValidator(_moment)]
RunId = Annotated[str, _like(r"[0-9a-f]{8}", "a run id: eight hex digits, small letters")]
"""Of one invocation of live mode."""
ClusterUid = Annotated[str, _like(r"[0-9A-Za-z-]{8,64}", "the UID of the cluster's namespace kube-system")]
"""Of the namespace kube-system, which stands for the cluster."""


class _Stated(BaseModel):
    """Frozen; what else stands there (versions, command, host) is for people and not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class RawRows(_Stated):
    """The file of requests as they were sent, beside the record's folder, and its digest."""

    file: Annotated[str, AfterValidator(_beside)]
    sha256: Annotated[str, _like("[0-9a-f]{64}", "a SHA-256 in hex")]


class SentRequests(_Stated):
    """How well the generator kept to the schedule; lateness in seconds."""

    intended: int = Field(ge=0)
    sent: int = Field(ge=0)
    median: float
    p99: float
    most: float
    share_late: float = Field(ge=0, le=1)
    connections: int = Field(ge=0)


class Loss(_Stated):
    """Figures that a user's own image does not tell, or (`measured`) tells on a weaker footing, and why."""

    figures: tuple[str, ...]
    measured: bool
    why: str


class LiveProvenance(_Stated):
    """What a live record must have beside it. `why` says why a run that is not conclusive is not."""

    backend: Literal["live"]
    cluster_uid: ClusterUid
    context: str = Field(min_length=1)
    run: RunId
    started: Moment
    time_scale: float = Field(gt=0, le=1)
    conclusive: bool
    why: str
    sent: SentRequests
    rows: RawRows
    own_images: bool = False
    losses: tuple[Loss, ...] = ()

    @property
    def began(self) -> datetime:
        return datetime.fromisoformat(self.started)
