"""Reads a node's API over plain HTTPS, and what is behind it over plain HTTP."""

import http.client
import json
import ssl
from typing import Any

from onenode.layout import Layout, Network

Json = Any  # an object of the API, or None


def get(layout: Layout, network: Network, path: str) -> Json:
    """The object at `path`, or None: not there (yet), or nobody answers (yet)."""
    pki = layout.folder / "pki"
    token = (pki / "tokens.csv").read_text().partition(",")[0]
    trusted = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    connection = http.client.HTTPSConnection(network.node, 6443, timeout=5, context=trusted)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return json.loads(body) if answer.status == 200 else None


def status(address: str, port: int) -> int | None:
    """The status that a server answers GET / with, or None if nobody answers."""
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
