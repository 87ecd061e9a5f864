"""Whether a cluster is fit for live runs: a judgement of what was found, with what to do about it. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from live.api import Target
from live.capacity import Room
from live.permissions import INGRESS, Denied, Use
from live.routers.ingress_nginx import CLASS

OLDEST, NEWEST = (1, 30), (1, 34)
"""The oldest server whose pods can sleep in preStop unasked, and the newest that live mode was tried with."""
SKEW = 2.0  # seconds; what is known of the server's clock is a whole second, and the way there and back
POISON = (
    10  # seconds of nf_conntrack_tcp_timeout_syn_sent above which dead connections outlive a trial's step
)
_MIB = 2**20


class Level(StrEnum):
    """Good; not known or of consequence only for some; a live run will fail."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what the doctor says; `advice` is empty where nothing needs doing."""

    level: Level
    about: str
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something could not be found out, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node: whether it takes pods, its internal address, the names of images that it says it has."""

    name: str
    takes_pods: bool
    address: str | None
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """A TCP connection tried from here: `why` is empty where somebody was there, be it to refuse it."""

    address: str
    port: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Nginx:
    """ingress-nginx: names of its IngressClasses, and where it is reached from outside, or why it is not."""

    classes: tuple[str, ...]
    where: tuple[str, int] | str


@dataclass(frozen=True, slots=True)
class Clock:
    """The server's clock less this machine's in seconds, give or take `margin`."""

    ahead: float
    margin: float


Nodes: TypeAlias = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """All that was found. `admitted` is empty if a namespace of ours would be let in, else says why not."""

    target: Target
    client: str
    denied: tuple[Denied, ...] | Unknown
    nodes: Nodes | Unknown
    room: Room | Unknown
    nginx: Nginx | Unknown
    reached: tuple[Reached, ...]
    admitted: str
    clock: Clock | Unknown
    syn_sent: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run needs: room, images, ingress-nginx, preStop; `said` are options that it was given."""

    room: Room | None = None
    images: tuple[str, ...] = ()
    ingress: bool = False
    pre_stop: bool = True
    said: frozenset[str] = frozenset()


def obstacles(found: Examined, wanted: Wanted) -> tuple[Finding, ...]:
    """What would keep a run from taking place."""
    return tuple(one for one in judge(found, wanted) if one.level is Level.BAD)


def judge(found: Examined, wanted: Wanted) -> tuple[Finding, ...]:
    """Everything there is to say, in the order in which it would get in the way."""
    return (
        _cluster(found.target),
        _version(found.target.version, found.client, wanted.pre_stop),
        *_permissions(found.denied, wanted),
        _admission(found.admitted),
        *_nodes(found.nodes, wanted.images),
        _room(found.room, wanted.room),
        *_reachable(found.reached),
        *_router(found.nginx, wanted),
        _clock(found.clock),
        _conntrack(found.syn_sent),
    )


def _good(about: str, text: str) -> Finding:
    return Finding(Level.GOOD, about, text)


def _cluster(target: Target) -> Finding:
    return _good("cluster", f"context {target.context} is {target.server}, UID {target.uid}")


def _version(server: str, client: str, pre_stop: bool) -> Finding:
    about, said = "version", f"Kubernetes {server}, by client library {client}"
    found = re.match(r"v?(\d+)\.(\d+)", server)
    if found is None:
        return Finding(Level.WARNING, about, said, "no version that is known here; it was not tried")
    version = int(found[1]), int(found[2])
    if version < OLDEST:
        text = "older than 1.30: a pre_stop of the demo app is refused; set pre_stop: 0s, or upgrade"
        return Finding(Level.BAD if pre_stop else Level.WARNING, about, said, text)
    if version > NEWEST:
        return Finding(Level.WARNING, about, said, "newer than 1.34, the newest that this was tried with")
    return _good(about, said)


def _permissions(denied: tuple[Denied, ...] | Unknown, wanted: Wanted) -> Iterator[Finding]:
    about = "permissions"
    if isinstance(denied, Unknown):
        yield Finding(Level.BAD, about, f"cannot be asked: {denied.why}", "check the credentials")
        return
    if not denied:
        yield _good(about, "everything that a run does is granted")
    for one in denied:
        use = one.rule.use is Use.RUN or (one.rule.use is Use.INGRESS and wanted.ingress)
        needed = use and one.rule.unless not in wanted.said
        other = f", or say {one.rule.unless}" if one.rule.unless else ""
        grant = f"grant it: `rolloutlab live manifests SCENARIO` prints the RBAC{other}"
        advice = grant if needed else "only if needed"
        yield Finding(Level.BAD if needed else Level.WARNING, about, f"not granted: {one}", advice)


def _admission(said: str) -> Finding:
    if not said:
        return _good("admission", "a namespace of ours, of Pod Security standard restricted, would be let in")
    return Finding(
        Level.BAD, "admission", f"a namespace of ours would not be let in: {said}", "ask who set that up"
    )


def _nodes(nodes: Nodes | Unknown, images: Iterable[str]) -> Iterator[Finding]:
    if isinstance(nodes, Unknown):
        yield Finding(Level.WARNING, "nodes", f"not known: {nodes.why}", "say --node-address when you run")
        return
    taking = [node for node in nodes if node.takes_pods]
    others = [node.name for node in nodes if not node.takes_pods]
    text = f"{len(taking)} of {len(nodes)} nodes take pods" + (f"; not {', '.join(others)}" if others else "")
    if not taking:
        yield Finding(Level.BAD, "nodes", text, "see `kubectl describe nodes`")
    else:
        yield _good("nodes", text)
    if taking:
        yield from (_image(taking, image) for image in images)


def _image(taking: Iterable[Node], image: str) -> Finding:
    whole = full_name(image)
    missing = [node.name for node in taking if whole not in {full_name(name) for name in node.images}]
    if not missing:
        return _good("image", f"{image} is on every node that takes pods")
    text = f"{image} is not listed by {', '.join(missing)} (a node lists 50 images at most)"
    return Finding(Level.WARNING, "image", text, "the first trial may wait for a pull; load it beforehand")


def _room(free: Room | Unknown, wanted: Room | None) -> Finding:
    if isinstance(free, Unknown):
        return Finding(Level.WARNING, "room", f"not known: {free.why}", "")
    text = f"free: {_amount(free)}"
    if wanted is None:
        return _good("room", text)
    text += f"; at its largest a trial takes {_amount(wanted)}"
    if short := free.short_of(wanted):
        advice = f"too little {' and '.join(short)}: fewer replicas (--set service.replicas=N), or more nodes"
        return Finding(Level.BAD, "room", text, advice)
    return _good("room", text)


def _amount(room: Room) -> str:
    return f"{room.pods} pods, {room.cpu:.2f} cores, {room.memory / _MIB:,.0f} MiB"


def _reachable(reached: Iterable[Reached]) -> Iterator[Finding]:
    for one in reached:
        where = f"{one.address}:{one.port}"
        if not one.why:
            yield _good("reachable", f"{where} answers from here")
        else:
            advice = (
                "say --node-address or --ingress-address when you run, such as a port mapped to this machine"
            )
            yield Finding(
                Level.WARNING, "reachable", f"{where} cannot be reached from here: {one.why}", advice
            )


def _router(nginx: Nginx | Unknown, wanted: Wanted) -> Iterator[Finding]:
    level = Level.BAD if wanted.ingress else Level.WARNING
    if isinstance(nginx, Unknown):
        yield Finding(Level.WARNING, "ingress-nginx", f"not known: {nginx.why}", "")
    elif CLASS not in nginx.classes:
        others = f"; there is {', '.join(nginx.classes)}" if nginx.classes else ""
        text = f"no IngressClass {CLASS} of controller k8s.io/ingress-nginx{others}"
        advice = "strategies via ingress-nginx cannot be run here; those via kube-proxy can"
        yield Finding(level, "ingress-nginx", text, advice)
    elif isinstance(nginx.where, str) and INGRESS not in wanted.said:
        text = f"IngressClass {', '.join(nginx.classes)}, but {nginx.where}"
        yield Finding(level, "ingress-nginx", text, "say --ingress-address HOST:PORT when you run")
    else:
        at = "" if isinstance(nginx.where, str) else f", at {nginx.where[0]}:{nginx.where[1]}"
        text = f"IngressClass {CLASS}{at} (the project was archived in March 2026: no more fixes)"
        yield _good("ingress-nginx", text)


def _clock(clock: Clock | Unknown) -> Finding:
    if isinstance(clock, Unknown):
        return Finding(Level.WARNING, "clock", f"the server's is not known: {clock.why}", "")
    way = "ahead of" if clock.ahead > 0 else "behind"
    text = f"the server's is {abs(clock.ahead):.1f} s {way} this machine's, ± {clock.margin:.1f} s"
    if abs(clock.ahead) <= SKEW + clock.margin:
        return _good("clock", text)
    advice = "set both by NTP; expiry and the pods' own times are off by that much (measurements are not)"
    return Finding(Level.WARNING, "clock", text, advice)


def _conntrack(syn_sent: int | None) -> Finding:
    about, name = "conntrack", "net.netfilter.nf_conntrack_tcp_timeout_syn_sent"
    why = "a connection to a pod that vanished swallows later ones from the same client port for so long"
    if syn_sent is None:
        return _good(about, f"{name} of the nodes is not seen from here; {POISON} s or less is good: {why}")
    if syn_sent <= POISON:
        return _good(about, f"{name} is {syn_sent} s on this node")
    text = f"{name} is {syn_sent} s on this node: {why}"
    return Finding(Level.WARNING, about, text, f"sysctl -w {name}=2 for as long as you measure")


def full_name(image: str) -> str:
    """An image's name as containerd has it: docker.io/library/python:3 for python:3."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{image}"
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"
