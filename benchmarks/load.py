"""What the traffic generator intends and what it sends: how late, and at what cost of CPU.

    python benchmarks/load.py [RATE] [SECONDS] [--processes N]

Open arrivals over loopback to the demo app in a process of its own, with a new connection for each request
and with kept ones. On a machine with more than one core, the app stays on the last one.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from live.behaviour import document
from live.load import Entry, Generator, Sent
from live.rows import Rows
from scenarios.load import load
from scenarios.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = {"new": (), "one per user": ("traffic.connections={per_user: true}",)}
SERVICE = ("versions.stable.service_time=1ms", "service.slots=64", "traffic.users={count: 200}")
PATIENCE = 30.0


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("rate", type=float, nargs="?", default=500.0)
    asked.add_argument("seconds", type=int, nargs="?", default=20)
    asked.add_argument("--processes", type=int, default=1)
    given = asked.parse_args()
    for name, connections in CONNECTIONS.items():
        scenario = world(given.rate, given.seconds, connections)
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name:13}", *told(*measured(scenario, Path(folder), given.processes)), sep="  ")


def world(rate: float, seconds: int, connections: tuple[str, ...]) -> Scenario:
    """Whatever the library's first world is, with this traffic."""
    clock = ("clock.settle=1s", f"clock.horizon={seconds}s")
    return load("quickstart", [*SERVICE, *clock, f"traffic.rate={rate:g}/s", *connections])


def measured(scenario: Scenario, folder: Path, processes: int) -> tuple[Sent, Rows]:
    """One run against the app."""
    horizon = float(scenario.clock.horizon)
    with serving(scenario, folder) as port:
        entry = Entry("http", "127.0.0.1", port)
        with Generator(
            scenario, "healthy", 1, entry, folder, start=-1.0, horizon=horizon, processes=processes
        ) as generator:
            generator.ready(PATIENCE)
            generator.start(time.monotonic() + 1.5)
            return generator.finish(horizon + PATIENCE), generator.take()


@contextmanager
def serving(scenario: Scenario, folder: Path) -> Iterator[int]:
    """The demo app's stable version, as its port."""
    behaviour = folder / "behaviour.json"
    behaviour.write_text(json.dumps(document(scenario, "healthy", 1)))
    port = free_port()
    told = {"ROLLOUTLAB_BEHAVIOUR": str(behaviour), "ROLLOUTLAB_VERSION": "stable", "POD_NAME": "app-1"}
    command = [sys.executable, "-S", "-u", str(ROOT / "live" / "app.py")]
    environment = os.environ | told | {"PORT": str(port)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as app:
        try:
            alone(app.pid)
            until_open(port)
            yield port
        finally:
            app.kill()


def alone(pid: int) -> None:
    """The last core is the app's; the rest is the generator's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, cores[-1:])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def until_open(port: int) -> None:
    """Wait until somebody listens there."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


def told(sent: Sent, rows: Rows) -> list[str]:
    """One line's parts."""
    took = np.sort(rows["end"] - rows["sent"]) * 1000
    good = (rows["status"] == 0).mean() if len(rows) else 0.0
    late = f"late ms median {sent.median * 1e3:.2f} p99 {sent.p99 * 1e3:.1f} max {sent.most * 1e3:.0f}"
    return [
        f"intended {sent.intended:,} sent {sent.sent:,} finished {sent.finished:,} ({good:.2%} OK)",
        late,
        f"> 50 ms {sent.share_late:.2%}",
        f"latency ms median {np.quantile(took, 0.5):.2f} p99 {np.quantile(took, 0.99):.1f}",
        f"CPU {sent.cpu:.2f} cores",
        f"connections {sent.connections:,}",
        "conclusive" if sent.conclusive else f"inconclusive: {sent.why}",
    ]


if __name__ == "__main__":
    main()
