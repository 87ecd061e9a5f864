"""How late a watch tells an event: from just before it is sent on loopback until its bytes are here and told.

Usage: watching.py [EVENTS]. The sender is this process too, so both take turns at the interpreter.
"""

import sys
import threading
import time
from typing import Any

import apiserver

from live.api import Api, Target, core
from live.kubeconfig import Entry
from live.session import open_session
from live.target import guard
from live.watch import Change, Watch

PODS = core("rolloutlab-0123abcd-0", "pods")


def main(events: int = 2000) -> None:
    """Send events one at a time, each once the one before it was told, and print how late they were."""
    arrived, told = [], []
    done = threading.Semaphore(0)

    def tell(change: Change) -> None:
        sent = server.sent_at[change.object["metadata"]["resourceVersion"]]
        arrived.append(change.at - sent)
        told.append(time.monotonic() - sent)
        done.release()

    with apiserver.serving() as server:
        entry = Entry("kind-x", server.url, {"server": server.url}, {}, "/")
        api = Api(Target("kind-x", server.url, "", ""), lambda: open_session(entry, direct=True), guard)
        watch = Watch(api, PODS, tell)
        watch.start()
        for number in range(events):
            server.store.put(PODS, pod(number))
            done.acquire()
        watch.stop()
        api.close()
    for name, late in (("bytes here", arrived), ("told", told)):
        print(f"sent → {name:10}  {quantiles(late)}  n = {len(late)}")


def pod(number: int) -> dict[str, Any]:
    """Of the size that real ones have, about 4 kB."""
    return {"metadata": {"name": "a", "labels": {"n": str(number)}}, "spec": {"filler": ["x" * 60] * 60}}


def quantiles(late: list[float]) -> str:
    """Median, 95th and 99th percentile and maximum, in ms."""
    ordered = sorted(late)
    at = [ordered[int(q * (len(ordered) - 1))] * 1e3 for q in (0.5, 0.95, 0.99, 1.0)]
    return "  ".join(
        f"{name} {value:.2f} ms" for name, value in zip(("median", "p95", "p99", "max"), at, strict=True)
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
