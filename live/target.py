"""Which cluster, and which namespaces there, live mode may touch. Decided before anything is sent or run."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from live.address import IP, own, resolved
from live.api import Api, Refused, Target
from live.exchange import Patience
from live.kubeconfig import Entry, Unreadable, read_entry
from live.namespaces import ours
from live.paths import core
from live.session import open_session
from scenarios.errors import harmless, shown

__all__ = ["LOCAL", "Unreadable", "Unsafe", "allowed_namespace", "connect", "guard"]

Resolves: TypeAlias = Callable[[str], Iterable[IP]]

LOCAL = re.compile(r"kind-.+|k3d-.+|minikube|docker-desktop|rancher-desktop|orbstack|rolloutlab-test")
"""Names that tools give to clusters on one's own machine."""
_UID_OF = "get namespace kube-system -o jsonpath='{.metadata.uid}'"
_FIRST = Patience(budget=5.0)
"""For the requests that learn who is there: a cluster that is down is said to be down soon."""


class Unsafe(Exception):
    """Refused, nothing was touched: the cluster or namespace may be somebody's. The text says what to do."""


def connect(
    context: str,
    *,
    kubeconfig: Path | None = None,
    allowed: re.Pattern[str] = LOCAL,
    cluster_uid: str | None = None,
    patience: Patience | None = None,
) -> Api:
    """The API of that context, resolved now and pinned: what the kubeconfig says later has no effect.

    Without `cluster_uid` the context's name must match `allowed` and its server be on this machine or in a
    private network, which is decided before anything is sent or any plugin of the kubeconfig is run. With it,
    the UID of the cluster's namespace kube-system must be that. Raises Unsafe, Unreadable, and as Api.get.
    """
    entry = read_entry(context, kubeconfig)
    near = private(entry.server, resolved)
    if cluster_uid is None and (why := objection(entry, allowed, near)) is not None:
        raise Unsafe(why)
    first = Api(
        Target(context, entry.server, "", ""),
        lambda: open_session(entry, direct=near),
        guard,
        patience=_FIRST,
    )
    try:
        target = _identified(first)
    finally:
        first.close()
    if cluster_uid not in (None, target.uid):
        raise Unsafe(
            f"context {shown(context)} is cluster {target.uid} at {target.server}, not {shown(cluster_uid)}"
        )
    return Api(target, lambda: open_session(entry, direct=near), guard, patience=patience)


def objection(entry: Entry, allowed: re.Pattern[str], near: bool) -> str | None:
    """Why the context does not look like a cluster to play with; None if it does."""
    name = shown(entry.context)
    way = f"if it is one to play with, name it: --cluster-uid $(kubectl --context {name} {_UID_OF})"
    if not allowed.fullmatch(entry.context):
        return f"context {name} may be somebody's: its name is not one of {allowed.pattern}; {way}"
    if entry.cluster.get("proxy-url"):
        return f"context {name} sounds local, but is reached through a proxy; {way}"
    if not near:
        server = harmless(entry.server)
        return (
            f"context {name} sounds local, but its server {server} has no loopback or private address; {way}"
        )
    return None


def private(server: str, resolve: Resolves) -> bool:
    """Whether all addresses of the server's host are this machine's or private (RFC 1918, RFC 4193)."""
    try:
        host = urlsplit(server).hostname or ""
        addresses = [*resolve(host)]
    except (OSError, ValueError):
        return False
    return bool(addresses) and all(own(address) for address in addresses)


def allowed_namespace(name: str) -> str:
    """The name, if it is one that live mode gives to namespaces that it makes. Raises Unsafe if not."""
    if not ours(name):
        raise Unsafe(f"namespace {shown(name)} is not one that a live run made; nothing is done there")
    return name


def guard(namespace: str, path: str) -> None:
    """Forbids every change but to namespaces of ours and in them. Raises Unsafe."""
    if not namespace:
        raise Unsafe(f"{harmless(path)} belongs to no namespace; nothing is changed there")
    allowed_namespace(namespace)


def _identified(api: Api) -> Target:
    """Who is there."""
    version = api.get("/version").get("gitVersion")
    uid = (api.get(core("", "namespaces", "kube-system")).get("metadata") or {}).get("uid")
    if not isinstance(uid, str) or not isinstance(version, str):
        raise Refused(200, "Strange", f"{harmless(api.target.server)} does not answer like a Kubernetes API")
    return replace(api.target, uid=uid, version=version)
