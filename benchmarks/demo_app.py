"""What the demo app costs: how late its answers are, and how many requests it answers in a second of CPU.

python benchmarks/demo_app.py

Times are those of a client on the same machine, its own included. Beside them stands what this machine costs
anybody just then: a sleep as long as the service that was drawn, right after each request, and a server of a
few lines that answers at once.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from live import app
from live.behaviour import document
from scenarios import load

REQUESTS = 1000
ECHO = """
import asyncio, sys
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=4096)
    print('{"listening": %d}' % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def running(*command: str, **environment: str) -> Iterator[tuple[int, int]]:
    """(port, process) of a server that says on its first line where it listens."""
    process = subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["listening"], process.pid
    finally:
        process.kill()
        process.communicate()


@contextmanager
def demo(service_time: str, slots: int = 64) -> Iterator[tuple[int, int, app.Pod]]:
    """The app with this service time: port, process, and what it draws."""
    text = (
        f"format: rolloutlab/1\nname: bench\ntraffic: {{rate: 1/s}}\n"
        f"service: {{replicas: 1, slots: {slots}}}\n"
        f"versions: {{stable: {{start: 0s, service_time: {service_time}}}}}\n"
        "strategies: {rolling: {rolling: {}}}\n"
    )
    told = document(load.loads(text), "candidate", 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "behaviour.json"
        path.write_text(json.dumps(told), encoding="utf-8")
        names = {"ROLLOUTLAB_BEHAVIOUR": str(path), "PORT": "0", "ROLLOUTLAB_HOST": "127.0.0.1"}
        with running("-S", "-u", app.__file__, **names, POD_NAME="bench") as (port, process):
            yield port, process, app.Pod(told, "stable", "bench")


def ask(sock: socket.socket, number: int) -> None:
    """One request and its answer."""
    sock.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Rolloutlab-Request: %d\r\nX-Rolloutlab-User: 1\r\n\r\n" % number
    )
    sock.recv(4096)


def took(port: int, kept: bool, drawn: Sequence[float] = ()) -> tuple[list[float], list[float]]:
    """Seconds for each of REQUESTS, one after the other, with the time to connect where none is kept; and for
    a sleep of each of the drawn times, right after.
    """
    found, slept, sock = [], [], connected(port)
    for number in range(REQUESTS):
        begin = time.perf_counter()
        if not kept:
            sock.close()
            sock = connected(port)
        ask(sock, number)
        found.append(time.perf_counter() - begin)
        if drawn:
            begin = time.perf_counter()
            time.sleep(drawn[number])
            slept.append(time.perf_counter() - begin)
    sock.close()
    return found, slept


def connected(port: int) -> socket.socket:
    """A connection that sends at once."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def per_cpu_second(port: int, process: int, kept: bool, rounds: int = 8) -> float:
    """Requests answered in a second of the server's CPU."""
    begin = cpu(process)
    for _ in range(rounds):
        took(port, kept)
    return rounds * REQUESTS / (cpu(process) - begin)


def lateness(kept: bool) -> tuple[str, str]:
    """What answers, and sleeps, take beyond the drawn service time."""
    with demo("{median: 5ms, p95: 15ms}") as (port, _, pod):
        drawn = [pod.lasts(app.Drawn(pod.streams, k, 1).once("DEMAND"), 0.0) for k in range(REQUESTS)]
        found, slept = (np.array(seconds) for seconds in took(port, kept, drawn))
    return quantiles(found - drawn), quantiles(slept - drawn)


def quantiles(seconds: np.ndarray) -> str:
    """Median and 99th percentile."""
    median, most = np.quantile(seconds, [0.5, 0.99]) * 1e3
    return f"median {median:5.2f} ms, p99 {most:5.2f} ms"


def main() -> None:
    """Print both tables."""
    for kept, name in ((True, "one kept connection"), (False, "a connection for each request")):
        with running("-c", ECHO) as (port, process):
            least, bare = quantiles(np.array(took(port, kept)[0])), per_cpu_second(port, process, kept)
        with demo("0s") as (port, process, _):
            rate = per_cpu_second(port, process, kept)
        late, slept = lateness(kept)
        print(name)
        print(f"  beyond the drawn service time   {late}")
        print(f"  beyond it, a mere sleep         {slept}")
        print(f"  a bare server that answers      {least}")
        print(
            f"  requests per second of CPU      {rate:,.0f}; the bare server {bare:,.0f}: {rate / bare:.2f}"
        )


if __name__ == "__main__":
    main()
