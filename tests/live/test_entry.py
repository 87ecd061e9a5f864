"""Users come in where the cluster is, and where stable answers; no other host is loaded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from live.address import BadAddress
from live.api import Api
from live.entry import NoEntry, answers, refuse_foreign
from live.replay import Entry
from live.target import Unsafe
from scenarios.attribution import Reply

ELSEWHERE = "203.0.113.7"  # kept for documentation (RFC 5737)


class Nodes:
    """An API that knows of one node."""

    def list(self, _path: str) -> dict[str, Any]:
        addresses = [
            {"type": "InternalIP", "address": "10.0.0.9"},
            {"type": "ExternalIP", "address": "203.0.113.9"},
        ]
        return {"items": [{"metadata": {"name": "one"}, "status": {"addresses": addresses}}]}


NODES = cast(Api, Nodes())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.7.7", "203.0.113.9"])
def test_what_is_the_clusters_or_ones_own_is_taken(host: str) -> None:
    refuse_foreign(NODES, host, (host, 80))
    refuse_foreign(NODES, None, None)


def test_others_are_not_loaded() -> None:
    for node, ingress in ((ELSEWHERE, None), (None, (ELSEWHERE, 80))):
        with pytest.raises(Unsafe, match=rf"{ELSEWHERE}.* neither loopback nor private"):
            refuse_foreign(NODES, node, ingress)
            refuse_foreign(NODES, node, ingress, permitted="203.0.113.8")
        refuse_foreign(NODES, node, ingress, permitted=ELSEWHERE)
    with pytest.raises(BadAddress, match="has no address"):
        refuse_foreign(NODES, "no-such-host.invalid", None)


@contextmanager
def answering(**headers: str) -> Iterator[Entry]:
    """A server that answers 200, so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(b"shop 1")

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Entry("http", "127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


def stable(reply: Reply) -> str | None:
    return "stable" if b"shop" in reply.body else None


def test_stable_is_known_by_its_header_or_by_its_looks() -> None:
    with answering(X_Rolloutlab_Version="stable") as entry:
        answers(entry, 5.0)
    with answering() as entry:
        answers(entry, 5.0, recognise=stable)
        answers(entry, 5.0, told=False)
        with pytest.raises(NoEntry, match="status 200, names no version"):
            answers(entry, 0.3)
        with pytest.raises(NoEntry, match="looks like neither version"):
            answers(entry, 0.3, recognise=lambda _reply: None)
    with answering(X_Rolloutlab_Version="candidate") as entry, pytest.raises(NoEntry, match="by stable"):
        answers(entry, 0.3)
