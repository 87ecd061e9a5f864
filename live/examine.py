"""Looks at a cluster for the doctor. Changes nothing: a namespace is created as a dry run only."""

import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from live import capacity, namespaces
from live.api import Api, Refused, Unavailable
from live.capacity import Room
from live.doctor import Clock, Examined, Nginx, Node, Reached, Unknown
from live.entry import NoEntry, ingress_address
from live.namespaces import Marks
from live.paths import core, networking
from live.permissions import denied

CONTROLLER = "k8s.io/ingress-nginx"
KUBELET = 10250
TIMEOUT = 2.0
_SYN_SENT = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent")
Found = TypeVar("Found")


def examine(api: Api, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Examined:
    """Everything that the doctor judges. Raises nothing that a cluster can cause: what fails is Unknown."""
    marks = rehearsal(now())
    nodes = _tried(lambda: api.list(core("", "nodes"))["items"])
    nginx = _tried(lambda: _nginx(api))
    admitted, clock = rehearsed(api, marks, now)
    return Examined(
        api.target,
        version("kubernetes"),
        _tried(lambda: tuple(denied(api, marks.name))),
        nodes if isinstance(nodes, Unknown) else tuple(map(_node, nodes)),
        nodes if isinstance(nodes, Unknown) else _tried(lambda: _room(api, nodes)),
        nginx,
        _reached(nodes, nginx),
        admitted,
        clock,
        _syn_sent(nodes),
    )


def _tried(look: Callable[[], Found]) -> Found | Unknown:
    try:
        return look()
    except (Refused, Unavailable) as error:
        return Unknown(str(error))


def _node(node: dict[str, Any]) -> Node:
    images = (name for image in node["status"].get("images") or () for name in image.get("names") or ())
    return Node(node["metadata"]["name"], capacity.ready(node), _address(node), tuple(images))


def _address(node: dict[str, Any]) -> str | None:
    found = node["status"].get("addresses") or ()
    return next((one["address"] for one in found if one["type"] == "InternalIP"), None)


def _room(api: Api, nodes: Sequence[dict[str, Any]]) -> Room:
    return capacity.free(nodes, api.list(core("", "pods"))["items"])


def _nginx(api: Api) -> Nginx:
    classes = api.list(networking("", "ingressclasses"))["items"]
    ours = tuple(one["metadata"]["name"] for one in classes if one["spec"].get("controller") == CONTROLLER)
    try:
        return Nginx(ours, ingress_address(api, None))
    except NoEntry as error:
        return Nginx(ours, str(error))


def rehearsal(now: datetime) -> Marks:
    """Marks of a namespace that is never made."""
    expires = now.replace(microsecond=0) + timedelta(hours=1)
    return Marks(secrets.token_hex(4), 0, "rehearsal", expires, secrets.token_hex(16))


def rehearsed(api: Api, marks: Marks, now: Callable[[], datetime]) -> tuple[str, Clock | Unknown]:
    """What is said to a namespace of ours, and the server's clock by the time that it writes on it.

    That is a whole second, cut off, so it lies half a second later on average.
    """
    before = now()
    try:
        made = api.create("/api/v1/namespaces?dryRun=All", namespaces.manifest(marks))
    except (Refused, Unavailable) as error:
        return str(error), Unknown("a namespace would not be let in")
    after = now()
    stamped = datetime.fromisoformat(made["metadata"]["creationTimestamp"]) + timedelta(seconds=0.5)
    half = (after - before) / 2
    return "", Clock((stamped - (before + half)).total_seconds(), 0.5 + half.total_seconds())


def _reached(nodes: list[dict[str, Any]] | Unknown, nginx: Nginx | Unknown) -> tuple[Reached, ...]:
    """Connections to every node that takes pods, and to ingress-nginx."""
    where = list[tuple[str, int]]()
    if not isinstance(nodes, Unknown):
        where += [(address, KUBELET) for one in nodes if capacity.ready(one) and (address := _address(one))]
    if isinstance(nginx, Nginx) and isinstance(nginx.where, tuple):
        where.append(nginx.where)
    return _connected(where)


def _connected(where: Iterable[tuple[str, int]]) -> tuple[Reached, ...]:
    with ThreadPoolExecutor(16) as pool:
        return tuple(pool.map(lambda one: _connection(*one), where))


def _connection(address: str, port: int) -> Reached:
    try:
        socket.create_connection((address, port), TIMEOUT).close()
    except ConnectionRefusedError:
        return Reached(address, port)
    except OSError as error:
        return Reached(address, port, error.strerror or str(error))
    return Reached(address, port)


def _syn_sent(nodes: list[dict[str, Any]] | Unknown) -> int | None:
    """The setting of the node that this machine is; None if it is none, or does not track connections."""
    if isinstance(nodes, Unknown) or not any(_is_here(_address(node)) for node in nodes):
        return None
    with suppress(OSError, ValueError):
        return int(_SYN_SENT.read_text())
    return None


def _is_here(address: str | None) -> bool:
    """Whether an address is one of this machine's."""
    try:
        family = socket.AF_INET6 if ":" in (address or ":") else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address or "", 0))
    except OSError:
        return False
    return address is not None
