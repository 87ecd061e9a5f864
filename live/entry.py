"""Where users come in: addresses of a node and of ingress-nginx, and whether stable answers there."""

import http.client
import time
from collections.abc import Mapping
from typing import Any

from live.address import own, resolved
from live.api import Api, Refused
from live.outcome import Recognise, answered
from live.replay import Entry
from live.target import Unsafe
from scenarios.attribution import Reply
from scenarios.errors import shown
from scenarios.tally import STABLE

ANSWERS = 5
"""So many good answers in a row, on connections of their own, before a trial counts on an entry."""


class NoEntry(Exception):
    """Users cannot come in; the text says where it was tried and what could be done."""


def refuse_foreign(
    api: Api, node: str | None, ingress: tuple[str, int] | None, permitted: str | None = None
) -> None:
    """Refuse hosts, named by hand, that need not be the cluster's. Raises Unsafe, BadAddress.

    Loopback and private addresses are taken, what the API says of its nodes, and the one that is permitted.
    """
    for host in (*([node] if node else []), *([ingress[0]] if ingress else [])):
        others = [str(ip) for ip in resolved(host) if not own(ip)]
        if others and host.lower() != (permitted or "").lower() and not {*others} <= _reported(api):
            raise Unsafe(
                f"{shown(host)} is {others[0]}, neither loopback nor private nor, as far as can be seen, an "
                f"address of one of the cluster's nodes: to load it takes its owner's word; if you have it: "
                f"--yes-i-may-load {host}"
            )


def _reported(api: Api) -> set[str]:
    """Every address of every node, as the API has them; none where they cannot be listed."""
    try:
        nodes = api.list("/api/v1/nodes")["items"]
    except Refused:
        return set()
    return {str(one["address"]) for node in nodes for one in node.get("status", {}).get("addresses", ())}


def node_address(api: Api) -> str:
    """The internal address of the first node that is ready. Raises NoEntry."""
    for node in api.list("/api/v1/nodes")["items"]:
        conditions = node.get("status", {}).get("conditions", ())
        if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            for address in node["status"].get("addresses", ()):
                if address["type"] == "InternalIP":
                    return str(address["address"])
    raise NoEntry("no node is ready and has an internal address; say --node-address")


def ingress_address(api: Api, node: str | None) -> tuple[str, int]:
    """Where ingress-nginx listens: its load balancer's address, else its port of a node. Raises NoEntry."""
    found = api.list("/api/v1/services", labelSelector="app.kubernetes.io/name=ingress-nginx")["items"]
    for service in found:
        ports = [port for port in service["spec"].get("ports", ()) if port.get("port") == 80]
        if not ports or "admission" in service["metadata"]["name"]:
            continue
        if address := _balanced(service):
            return address, 80
        if "nodePort" in ports[0]:
            return node or node_address(api), int(ports[0]["nodePort"])
    raise NoEntry(
        "no Service of ingress-nginx (label app.kubernetes.io/name=ingress-nginx) has a port 80 that can be "
        "reached from here; say --ingress-address HOST:PORT"
    )


def _balanced(service: Mapping[str, Any]) -> str | None:
    balancers = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    return next((str(b.get("ip") or b.get("hostname")) for b in balancers), None)


def answers(
    entry: Entry, patience: float, told: bool = True, recognise: Recognise | None = None, path: str = "/"
) -> None:
    """Return once `ANSWERS` requests in a row were answered: by stable, or, if none is `told`, by anybody.

    Raises NoEntry after `patience` seconds, with what came last.
    """
    ends, good, last = time.monotonic() + patience, 0, "nothing was tried"
    while good < ANSWERS:
        if time.monotonic() > ends:
            raise NoEntry(f"http://{entry.host}:{entry.port} does not answer as it should: {last}")
        last = _asked(entry, told, recognise, path)
        good = good + 1 if not last else 0
        if last:
            time.sleep(0.1)


def _asked(entry: Entry, told: bool, recognise: Recognise | None, path: str) -> str:
    """What is wrong with an answer; empty if nothing is."""
    connection = http.client.HTTPConnection(entry.host, entry.port, timeout=2.0)
    try:
        connection.request(
            "GET", path, headers={"Host": entry.host_header or entry.host, "Connection": "close"}
        )
        answer = connection.getresponse()
        reply = Reply(answer.status, tuple(answer.getheaders()), answer.read(65536))
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    found = answered(reply, recognise)
    if told and found.version != STABLE:
        return f"status {reply.status}, {found.untold or 'expected an answer by stable'}"
    # a version that errs by design answers all the same
    return f"status {reply.status}" if not told and reply.status >= 500 else ""
