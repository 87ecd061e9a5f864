"""Deletes namespaces of ours until they are gone, and nothing else: those that `live.namespaces` recognises.

A namespace goes first, so that nothing new can be made in it; then its pods are told to hurry. Every pass
looks anew and may be repeated, by anybody, at any time.
"""

import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from live import journal, namespaces
from live.api import Refused, Unavailable
from live.namespaces import Claim, Foreign, Ours
from live.runs import Known, Standing, claims

NAMESPACES = "/api/v1/namespaces"
PATIENCE = (
    180.0  # seconds until what remains is named; a namespace controller that backs off tries again by then
)
EVERY = 0.5
LATE = 2.0  # a request that a killed process had sent may still be carried out for a moment
HARD = 15.0  # a node that does not confirm the end of its pods by then is not waited for
SOON, NOW = 1, 0  # seconds of grace of a pod: the kubelet still ends it itself, or the API forgets it at once

_STUCK = "NamespaceDeletion", "NamespaceContentRemaining", "NamespaceFinalizersRemaining"


class Cluster(Protocol):
    """The part of live.api.Api that is needed here."""

    def get(self, path: str, **query: str) -> dict[str, Any]: ...
    def list(self, path: str, **query: str) -> dict[str, Any]: ...
    def delete(self, path: str, *, uid: str, grace: int | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Remains:
    """A namespace of ours that is still there when patience is over, and what holds it."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of the namespaces that were asked about."""

    gone: tuple[str, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    remains: tuple[Remains, ...] = ()

    def __add__(self, other: "Cleaned") -> "Cleaned":
        return Cleaned(self.gone + other.gone, self.foreign + other.foreign, self.remains + other.remains)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait, and on which clock."""

    patience: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


PATIENT = Waiting()


def clean(
    api: Cluster,
    claimed: Iterable[Claim],
    gone: Callable[[str], None] = lambda _name: None,
    waiting: Waiting = PATIENT,
) -> Cleaned:
    """Delete what a journal claims and is still ours, and wait until it is gone.

    `gone` is told each name as soon as nothing of ours is under it, be it never made, deleted or replaced.
    That it cannot write that down (OSError) keeps nothing from being deleted. Never raises Refused or
    Unavailable: what could not be done remains, with the reason.
    """
    claimed = tuple(claimed)
    found = {claim.name: _looked(api, claim) for claim in claimed}
    unanswered = [one for one in claimed if one.uid is None and found[one.name] is None]
    if unanswered:
        waiting.sleep(LATE)
        found |= {claim.name: _looked(api, claim) for claim in unanswered}
    foreign = tuple(one for one in found.values() if isinstance(one, Foreign))
    absent = tuple(name for name, one in found.items() if one is None)
    for name in (*absent, *(one.name for one in foreign)):
        _tell(gone, name)
    failed = tuple(one for one in found.values() if isinstance(one, Remains))
    ended = end(api, [one for one in found.values() if isinstance(one, Ours)], gone, waiting)
    return Cleaned(absent, foreign, failed) + ended


def clean_though_interrupted(
    api: Cluster, claimed: Collection[Claim], gone: Callable[[str], None] = lambda _name: None
) -> Cleaned:
    """`clean`, finished before an interrupt is passed on; a second one is at once."""
    try:
        return clean(api, claimed, gone)
    except BaseException:
        clean(api, claimed, gone)
        raise


def clean_run(api: Cluster, run: Known, waiting: Waiting = PATIENT) -> Cleaned:
    """`clean` for a run of which the journal is on disk, noting there what is gone.

    A journal that somebody else writes, or that cannot be written, is only read: what is gone is found gone
    again the next time. Raises JournalError.
    """
    try:
        open_ = journal.Journal.reopen(run.folder)
    except (OSError, journal.Busy):
        return clean(api, run.claims, waiting=waiting)
    with open_:
        return clean(api, claims(journal.entries(run.folder)), open_.gone, waiting)


def overdue(
    api: Cluster, now: datetime, spared: Collection[str] = ()
) -> tuple[tuple[Ours, ...], tuple[Foreign, ...]]:
    """Of all namespaces that carry our label: those that are ours and expired, and the others with reasons.

    `spared` are ids of runs that are known to be going on.
    """
    ours, others = list[Ours](), list[Foreign]()
    for namespace in api.list(NAMESPACES, labelSelector=namespaces.SELECTOR)["items"]:
        match namespaces.expired(namespace, now):
            case Ours(name) if namespace["metadata"]["labels"][namespaces.RUN] in spared:
                others.append(Foreign(name, "has expired, but its run is going on here"))
            case Ours() as one:
                ours.append(one)
            case Foreign() as other:
                others.append(other)
    return tuple(ours), tuple(others)


def end(
    api: Cluster,
    ours: Iterable[Ours],
    gone: Callable[[str], None] = lambda _name: None,
    waiting: Waiting = PATIENT,
) -> Cleaned:
    """Delete these and wait. Never raises Refused or Unavailable."""
    began, left = waiting.clock(), dict.fromkeys(ours, "")
    ended = list[str]()
    while left:
        spent = waiting.clock() - began
        for one in tuple(left):
            why = _pass(api, one, NOW if spent >= HARD else SOON)
            if why is None:
                del left[one]
                ended.append(one.name)
                _tell(gone, one.name)
            else:
                left[one] = why
        if not left or spent >= waiting.patience:
            break
        waiting.sleep(EVERY)
    return Cleaned(tuple(ended), remains=tuple(Remains(one.name, why) for one, why in left.items()))


def chosen(known: Iterable[Known], cluster: str, force: bool) -> tuple[list[Known], list[tuple[Known, str]]]:
    """Of runs here: those to clean up on the cluster of that UID, and the others, with reasons."""
    take, leave = list[Known](), list[tuple[Known, str]]()
    for one in known:
        if one.run.cluster != cluster:
            leave.append((one, f"belongs to another cluster, of context {one.run.context}"))
        elif one.standing is Standing.RUNNING and not force:
            leave.append((one, f"is going on, as process {one.run.pid} of {one.run.host}"))
        else:
            take.append(one)
    return take, leave


def _tell(gone: Callable[[str], None], name: str) -> None:
    with suppress(OSError):
        gone(name)


def _looked(api: Cluster, claim: Claim) -> Ours | Foreign | Remains | None:
    """What is there under the claim's name; None: nothing."""
    try:
        namespace = _there(api, claim.name)
    except (Refused, Unavailable) as error:
        return Remains(claim.name, str(error))
    return None if namespace is None else namespaces.claimed(claim, namespace)


def _pass(api: Cluster, one: Ours, grace: int) -> str | None:
    """Bring it nearer to its end; None if it has come, else what it waits for."""
    try:
        namespace = _same(api, one)
        if namespace is None:
            return None
        if "deletionTimestamp" not in namespace["metadata"]:
            api.delete(f"{NAMESPACES}/{one.name}", uid=one.uid)
        _hurry(api, one, grace)
        return _held(namespace)
    except (Refused, Unavailable) as error:
        return str(error)


def _hurry(api: Cluster, one: Ours, grace: int) -> None:
    """Tell its pods to end within `grace`; they were listed before it was seen to be still the same one."""
    path = f"{NAMESPACES}/{one.name}/pods"
    pods = api.list(path)["items"]
    slow = [pod["metadata"] for pod in pods if _grace(pod["metadata"]) > grace]
    if slow and _same(api, one) is not None:
        for pod in slow:
            api.delete(f"{path}/{pod['name']}", uid=pod["uid"], grace=grace)


def _grace(pod: dict[str, Any]) -> float:
    return float(pod.get("deletionGracePeriodSeconds", "inf"))


def _same(api: Cluster, one: Ours) -> dict[str, Any] | None:
    """The namespace as it is now; None if it is gone or another has its name."""
    namespace = _there(api, one.name)
    return namespace if namespace is not None and namespace["metadata"]["uid"] == one.uid else None


def _there(api: Cluster, name: str) -> dict[str, Any] | None:
    try:
        return api.get(f"{NAMESPACES}/{name}")
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def _held(namespace: dict[str, Any]) -> str:
    """What its conditions say about what is left in it."""
    conditions = namespace.get("status", {}).get("conditions") or ()
    said = [
        one["message"]
        for one in conditions
        if one["status"] == "True" and one["type"].startswith(_STUCK) and one.get("message")
    ]
    return " ".join(said) or "is being deleted"
