"""Small HTTP servers on loopback that split requests in ways that real routers do; for tests and benchmarks.

One thread serves each, with asyncio. The version is in the header X-Version: candidate or stable.
"""

import asyncio
import hashlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Chooses = Callable[[str], str]
"""From the head of a request to its version, for one connection."""
Opens = Callable[[], Chooses]
"""What is called for each connection."""

BODY = b"hello\n"


def named(candidate: bool) -> str:
    return "candidate" if candidate else "stable"


def independent(share: float, rng: random.Random) -> Opens:
    """Every request is drawn for itself: ingress-nginx, Envoy."""
    return lambda: lambda _head: named(rng.random() < share)


def per_connection(share: float, rng: random.Random) -> Opens:
    """Every connection is drawn once: a Service behind kube-proxy."""

    def opened() -> Chooses:
        version = named(rng.random() < share)
        return lambda _head: version

    return opened


def in_turn(share: float, rng: random.Random, proxies: int = 1) -> Opens:
    """Weighted round robin without chance but for where it begins: HAProxy, Traefik.

    Of several proxies behind one address each goes in its own turn, and connections come to any of them.
    """
    sums = [rng.random() for _ in range(proxies)]

    def opened() -> Chooses:
        proxy = rng.randrange(proxies)

        def chosen(_head: str) -> str:
            sums[proxy] += share
            hit = sums[proxy] >= 1
            sums[proxy] -= hit
            return named(hit)

        return chosen

    return opened


def per_user(share: float, rng: random.Random) -> Opens:
    """By a hash of the cookie `user`: split_clients of nginx with a cookie."""
    salt = str(rng.random())

    def chosen(head: str) -> str:
        user = head.partition("user=")[2].partition("\r\n")[0]
        return named(hashlib.sha256((salt + user).encode()).digest()[0:4] < _edge(share))

    return lambda: chosen


def _edge(share: float) -> bytes:
    return min(2**32 - 1, int(share * 2**32)).to_bytes(4, "big")


class _Serving(asyncio.Protocol):
    """One connection: answers requests without a body, and closes where it is asked to."""

    def __init__(self, opens: Opens, open_: set[asyncio.Transport]) -> None:
        self._chooses, self._read, self._open = opens(), b"", open_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head, self._read = self._read[: end + 2].decode("latin-1"), self._read[end + 4 :]
            version = self._chooses(head)
            body = b"" if head.startswith("HEAD ") else BODY
            self._transport.write(
                f"HTTP/1.1 200 OK\r\nX-Version: {version}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
                + body
            )
            if "Connection: close" in head:
                self._transport.close()


async def _ended(server: asyncio.Server, open_: set[asyncio.Transport]) -> None:
    """Nothing is left open: connections that are just being accepted get their transport first."""
    server.close()
    await asyncio.sleep(0)
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
    for transport in list(open_):
        transport.abort()
    await server.wait_closed()
    await asyncio.sleep(0)


@contextmanager
def serving(opens: Opens) -> Iterator[str]:
    """A server, as its URL."""
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), list[int]()
    open_: set[asyncio.Transport] = set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(
            loop.create_server(lambda: _Serving(opens, open_), "127.0.0.1", 0, backlog=512)
        )
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        loop.run_forever()
        loop.run_until_complete(_ended(server, open_))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{ports[0]}/"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextmanager
def talking(serves: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that hands every connection to a function, each in a thread, and ends it after; as its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        threading.Thread(target=_accept, args=(listener, serves), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, serves: Callable[[socket.socket], object]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_hand, args=(connection, serves), daemon=True).start()


def _hand(connection: socket.socket, serves: Callable[[socket.socket], object]) -> None:
    with connection, suppress(OSError):
        serves(connection)


def read_head(connection: socket.socket) -> bytes:
    """One request's head; empty at the end of the connection."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65536)
        if not piece:
            return b""
        read += piece
    return read
