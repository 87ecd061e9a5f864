"""Where users come in: addresses of a node and of ingress-nginx, and whether stable answers there."""

import http.client
import time
from collections.abc import Mapping
from typing import Any

from live.api import Api
from live.outcome import VERSION
from live.replay import Entry

ANSWERS = 5
"""So many good answers in a row, on connections of their own, before a trial counts on an entry."""


class NoEntry(Exception):
    """Users cannot come in; the text says where it was tried and what could be done."""


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


def answers(entry: Entry, expected: str | None, patience: float, path: str = "/") -> None:
    """Return once `ANSWERS` requests in a row were answered well, by that version where it is known to tell.

    Raises NoEntry after `patience` seconds, with what came last.
    """
    ends, good, last = time.monotonic() + patience, 0, "nothing was tried"
    while good < ANSWERS:
        if time.monotonic() > ends:
            raise NoEntry(f"http://{entry.host}:{entry.port} does not answer as it should: {last}")
        last = _asked(entry, expected, path)
        good = good + 1 if not last else 0
        if last:
            time.sleep(0.1)


def _asked(entry: Entry, expected: str | None, path: str) -> str:
    """What is wrong with an answer; empty if nothing is."""
    connection = http.client.HTTPConnection(entry.host, entry.port, timeout=2.0)
    try:
        connection.request(
            "GET", path, headers={"Host": entry.host_header or entry.host, "Connection": "close"}
        )
        answer = connection.getresponse()
        answer.read(65536)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    told = answer.getheader(VERSION)
    if expected is not None and told != expected:
        return f"status {answer.status}, {VERSION}: {told or 'absent'}, expected {expected}"
    # a version that errs by design answers all the same
    return f"status {answer.status}" if expected is None and answer.status >= 500 else ""
