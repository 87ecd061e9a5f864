"""An API server on loopback that speaks Kubernetes' HTTP: list, watch, create, patch, delete. Fails as told.

It keeps objects and a log of their versions as the real one does, and nothing of it runs them. A fault is a
function of the handler and of what it would have done; it stands in a request's place once or more often.
"""

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

JSON = dict[str, Any]
Go = Callable[[], None]
Fault = Callable[["Handler", Go], None]
Matches = Callable[["Handler"], bool]

SYSTEM: JSON = {"metadata": {"name": "kube-system", "uid": "8d1f-the-cluster", "resourceVersion": "1"}}
_POLL = 0.005


@dataclass
class Version:
    """One entry of the log."""

    number: int
    collection: str
    kind: str
    object: JSON


@dataclass
class Store:
    """Objects by collection and name, and every version since `oldest`."""

    objects: dict[str, dict[str, JSON]] = field(default_factory=dict)
    log: list[Version] = field(default_factory=list)
    number: int = 1
    oldest: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, collection: str, item: JSON) -> JSON:
        """Write an object, new or changed; the version that is kept."""
        with self.changed:
            name = item["metadata"]["name"]
            before = self.objects.setdefault(collection, {}).get(name)
            self.number += 1
            uid = before["metadata"]["uid"] if before else str(uuid4())
            metadata = {**item["metadata"], "uid": uid, "resourceVersion": str(self.number)}
            kept = {**item, "metadata": metadata}
            self.objects[collection][name] = kept
            self._log(collection, "MODIFIED" if before else "ADDED", kept)
            return kept

    def take(self, collection: str, name: str) -> JSON:
        """Remove an object; its last version."""
        with self.changed:
            item = self.objects[collection].pop(name)
            self.number += 1
            gone = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.number)}}
            self._log(collection, "DELETED", gone)
            return gone

    def forget(self) -> None:
        """Compaction: versions before now cannot be watched from any more."""
        with self.changed:
            self.oldest, self.log = self.number, []

    def _log(self, collection: str, kind: str, item: JSON) -> None:
        self.log.append(Version(self.number, collection, kind, item))
        self.changed.notify_all()


class Server(ThreadingHTTPServer):
    """Its store, its faults, who asked for what, and which tokens it takes (all, if there are none)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.store = Store()
        self.asked: list[tuple[str, str, JSON]] = []
        self.connections = 0
        self.tokens: set[str] = set()
        self.reviews: Callable[[JSON], bool] = lambda _: True
        self.stopping = threading.Event()
        self.sent_at: dict[str, float] = {}
        self._faults: deque[tuple[Matches, list[Fault]]] = deque()
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def fails(self, matches: Matches, *faults: Fault) -> None:
        """The next requests that match meet these faults, one each."""
        self._faults.append((matches, list(faults)))

    def fault(self, handler: "Handler") -> Fault | None:
        for matches, faults in self._faults:
            if faults and matches(handler):
                return faults.pop(0)
        return None

    def count(self, method: str, within: str = "") -> int:
        """How many requests of a method had that in their path."""
        return sum(m == method and within in path for m, path, _ in self.asked)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    silent = False
    """The answer is not sent, and the connection closed: it was done, and nobody knows."""
    cut: int | None = None
    """So many bytes of the answer's body are sent, then the connection is closed."""
    lifetime: float | None = None
    """A watch ends after so many seconds, without a word."""
    spoiled: bytes | None = None
    """A watch sends this after what it has, and the connection is closed."""

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._post)

    def do_PATCH(self) -> None:
        self._serve(self._patch)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def log_message(self, *arguments: object) -> None:
        """It is in `asked`."""

    @property
    def watching(self) -> bool:
        return self.query.get("watch") == "1"

    def answer(self, status: int, body: JSON | bytes, headers: dict[str, str] | None = None) -> None:
        """A whole answer, unless a fault says otherwise."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if self.silent:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if self.cut is None else data[: self.cut])
        self.close_connection = self.close_connection or self.cut is not None

    def refuse(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        """A Status, as the API server says no."""
        said = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
        self.answer(status, {**said, "code": status, "reason": reason, "message": message}, headers)

    def _serve(self, go: Go) -> None:
        split = urlsplit(self.path)
        self.collection, self.query = split.path, dict(parse_qsl(split.query))
        length = int(self.headers.get("Content-Length") or 0)
        self.body: JSON = json.loads(self.rfile.read(length)) if length else {}
        self.silent, self.cut, self.lifetime, self.spoiled = False, None, None, None
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        fault = self.server.fault(self)
        with suppress(ConnectionError):
            if fault is not None:
                fault(self, go)
            elif self._known():
                go()
            else:
                self.refuse(401, "Unauthorized", "Unauthorized")

    def _known(self) -> bool:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        return not self.server.tokens or token in self.server.tokens

    def _found(self) -> tuple[str, JSON] | None:
        """The collection and object that the path names."""
        collection, _, name = self.collection.rpartition("/")
        found = self.server.store.objects.get(collection, {}).get(name)
        return None if found is None else (collection, found)

    def _missing(self) -> None:
        self.refuse(404, "NotFound", f"{self.collection.rpartition('/')[2]} not found")

    def _get(self) -> None:
        if self.collection == "/version":
            self.answer(200, {"gitVersion": "v1.34.3"})
        elif self.collection.endswith("/namespaces/kube-system"):
            self.answer(200, SYSTEM)
        elif self.watching:
            self._watch()
        elif (found := self._found()) is not None:
            self.answer(200, found[1])
        elif self.collection.rpartition("/")[2] in ("pods", "deployments", "namespaces", "endpointslices"):
            self._list()
        else:
            self._missing()

    def _list(self) -> None:
        store = self.server.store
        with store.changed:
            items = list(store.objects.get(self.collection, {}).values())
            listed = {"kind": "List", "metadata": {"resourceVersion": str(store.number)}, "items": items}
        self.answer(200, listed)

    def _post(self) -> None:
        if self.collection.endswith("selfsubjectaccessreviews"):
            allowed = self.server.reviews(self.body["spec"]["resourceAttributes"])
            self.answer(201, {**self.body, "status": {"allowed": allowed}})
            return
        store = self.server.store
        metadata = self.body.setdefault("metadata", {})
        metadata.setdefault("name", f"{metadata.get('generateName')}{store.number}")
        if metadata["name"] in store.objects.get(self.collection, {}):
            self.refuse(409, "AlreadyExists", f"{metadata['name']} already exists")
        else:
            self.answer(201, store.put(self.collection, self.body))

    def _patch(self) -> None:
        found = self._found()
        if found is None:
            self._missing()
        else:
            self.answer(200, self.server.store.put(found[0], _merged(found[1], self.body)))

    def _delete(self) -> None:
        found = self._found()
        if found is None:
            self._missing()
            return
        collection, item = found
        asked, uid = self.body.get("preconditions", {}).get("uid"), item["metadata"]["uid"]
        if asked not in (None, uid):
            self.refuse(
                409, "Conflict", f"Precondition failed: UID in precondition: {asked}, in object: {uid}"
            )
        else:
            self.answer(200, self.server.store.take(collection, item["metadata"]["name"]))

    def _watch(self) -> None:
        since = int(self.query["resourceVersion"])
        if since < self.server.store.oldest:
            self.refuse(410, "Expired", f"too old resource version: {since}")
            return
        if since > self.server.store.number:
            self.refuse(504, "Timeout", f"Too large resource version: {since}")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._stream(since)

    def _stream(self, since: int) -> None:
        asked = float(self.query.get("timeoutSeconds", "60"))
        until = time.monotonic() + min(asked, asked if self.lifetime is None else self.lifetime)
        while time.monotonic() < until and not self.server.stopping.is_set():
            for version in self._after(since):
                since = version.number
                self.server.sent_at[version.object["metadata"]["resourceVersion"]] = time.monotonic()
                self.event(version.kind, version.object)
            if self.spoiled is not None:
                self.chunk(self.spoiled)
                self.close_connection = True
                return
        self.close_connection = self.server.stopping.is_set()
        self.wfile.write(b"0\r\n\r\n")

    def _after(self, since: int) -> list[Version]:
        store = self.server.store
        with store.changed:
            fresh = [v for v in store.log if v.number > since and v.collection == self.collection]
            if not fresh:
                store.changed.wait(_POLL)
            return fresh

    def event(self, kind: str, item: JSON) -> None:
        """One line of a watch, in a chunk of its own as the real server sends it."""
        self.chunk(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _merged(item: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(item) if isinstance(item, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def says(status: int, reason: str = "", message: str = "", headers: dict[str, str] | None = None) -> Fault:
    """A fault: this Status in the place of an answer."""
    return lambda handler, _: handler.refuse(status, reason, message, headers)


def slow(seconds: float) -> Fault:
    """A fault: nothing for so long, then as ever."""

    def late(handler: Handler, go: Go) -> None:
        handler.server.stopping.wait(seconds)
        go()

    return late


def having(**faults: Any) -> Fault:
    """A fault: as ever, with these of the handler's (`silent`, `cut`, `lifetime`, `spoiled`)."""

    def spoils(handler: Handler, go: Go) -> None:
        for name, value in faults.items():
            setattr(handler, name, value)
        go()

    return spoils


@contextmanager
def serving(context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Server]:
    """A server in a thread of its own; over TLS with a context. Connections to it end with it."""
    with Server(port) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()
