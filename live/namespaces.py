"""The marks of a namespace of ours: how they are made, written into a manifest, and recognised. Pure.

Nothing is deleted that is not recognised here. The seal is no secret: it tells our namespaces from those that
merely look alike or were changed, not from those of somebody who means to forge one.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

MANAGED_BY, RUN = "app.kubernetes.io/managed-by", "rolloutlab.dev/run"
OWNER, EXPIRES = "rolloutlab.dev/owner", "rolloutlab.dev/expires"
TOKEN, SEAL = "rolloutlab.dev/token", "rolloutlab.dev/seal"
US = "rolloutlab"
SELECTOR = f"{MANAGED_BY}={US}"

_NAME = re.compile(r"rolloutlab-([0-9a-f]{8})-(0|[1-9][0-9]{0,5})")
_RUN, _TOKEN = re.compile(r"[0-9a-f]{8}"), re.compile(r"[0-9a-f]{32}")
_EXPIRES = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST_OWNER = 200


@dataclass(frozen=True, slots=True)
class Marks:
    """What tells namespace `number` of a run: 8 and 32 hexadecimal digits, a whole second of UTC.

    Raises ValueError for anything else.
    """

    run: str
    number: int
    owner: str
    expires: datetime
    token: str

    def __post_init__(self) -> None:
        if not _RUN.fullmatch(self.run) or not _TOKEN.fullmatch(self.token):
            raise ValueError(f"no id and token of a run: {self.run!r}, {self.token!r}")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"no name of a namespace of ours: {self.name!r}")
        if not 0 < len(self.owner) <= _LONGEST_OWNER or not self.owner.isprintable():
            raise ValueError(f"an owner is up to {_LONGEST_OWNER} printable characters; got {self.owner!r}")
        if self.expires.tzinfo != UTC or self.expires.microsecond:
            raise ValueError(f"expected a whole second of UTC; got {self.expires!r}")

    @property
    def name(self) -> str:
        """Of the namespace."""
        return f"{US}-{self.run}-{self.number}"

    @property
    def labels(self) -> dict[str, str]:
        """On the namespace and on everything in it."""
        return {MANAGED_BY: US, RUN: self.run}

    @property
    def annotations(self) -> dict[str, str]:
        """On the namespace and on everything in it; the seal is the namespace's alone."""
        return {OWNER: self.owner, EXPIRES: self.expires.strftime(_EXPIRES), TOKEN: self.token}

    @property
    def seal(self) -> str:
        """SHA-256 over name, run, owner, expiry and token: present together and unchanged."""
        parts = [self.name, self.run, self.owner, self.expires.strftime(_EXPIRES), self.token]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a journal says of a namespace: its UID is None where the API's answer was never written down."""

    name: str
    token: str
    uid: str | None


@dataclass(frozen=True, slots=True)
class Ours:
    """A namespace that may be deleted, if it still has that UID then."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """A namespace that is left alone, and why."""

    name: str
    why: str


Verdict: TypeAlias = Ours | Foreign


def manifest(marks: Marks, security: str = "restricted") -> dict[str, Any]:
    """The Namespace to create; `security` is the Pod Security Standard that its pods must keep to."""
    standard = {"pod-security.kubernetes.io/enforce": security}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": marks.name,
            "labels": marks.labels | standard,
            "annotations": marks.annotations | {SEAL: marks.seal},
        },
    }


def ours(name: str) -> bool:
    """Whether we give such names. Whether a namespace of that name is ours, only its marks say."""
    return _NAME.fullmatch(name) is not None


def read(namespace: Mapping[str, Any]) -> Marks | Foreign:
    """The marks of a namespace as the API gives it, if all of them are there and fit together."""
    metadata = namespace["metadata"]
    name, labels = metadata["name"], metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    wanted = [(labels, MANAGED_BY), (labels, RUN)]
    wanted += [(annotations, key) for key in (OWNER, EXPIRES, TOKEN, SEAL)]
    if missing := [key for there, key in wanted if key not in there]:
        return Foreign(name, f"has no {missing[0]}")
    if labels[MANAGED_BY] != US:
        return Foreign(name, f"is managed by {labels[MANAGED_BY]!r}")
    named = _NAME.fullmatch(name)
    if named is None:
        return Foreign(name, "has no name that we give")
    try:
        expires = datetime.strptime(annotations[EXPIRES], _EXPIRES).replace(tzinfo=UTC)
        marks = Marks(labels[RUN], int(named[2]), annotations[OWNER], expires, annotations[TOKEN])
    except ValueError as error:
        return Foreign(name, str(error))
    if marks.name != name or marks.seal != annotations[SEAL]:
        return Foreign(name, "its seal does not fit its name, run, owner, expiry and token")
    return marks


def claimed(claim: Claim, namespace: Mapping[str, Any]) -> Verdict:
    """Whether the namespace that has the claim's name is the one that the journal's run made.

    It is known by its UID; where the answer with the UID was lost, by its token and an unbroken seal.
    """
    metadata = namespace["metadata"]
    if not _NAME.fullmatch(claim.name) or metadata["name"] != claim.name:
        return Foreign(claim.name, "has no name that we give")
    if claim.uid is not None:
        same = metadata["uid"] == claim.uid
        return Ours(claim.name, claim.uid) if same else Foreign(claim.name, "has another UID than ours had")
    marks = read(namespace)
    if isinstance(marks, Foreign):
        return marks
    same = marks.token == claim.token
    return Ours(claim.name, metadata["uid"]) if same else Foreign(claim.name, "has another token than ours")


def expired(namespace: Mapping[str, Any], now: datetime) -> Verdict:
    """Whether a namespace that no journal names is one of ours whose time is over."""
    marks = read(namespace)
    if isinstance(marks, Foreign):
        return marks
    if marks.expires > now:
        return Foreign(marks.name, f"expires at {marks.expires.strftime(_EXPIRES)}")
    return Ours(marks.name, namespace["metadata"]["uid"])
