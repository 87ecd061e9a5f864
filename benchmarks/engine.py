"""How fast requests are simulated: our engine against SimPy alone, in one run, per second of CPU.

Three worlds of 20 pods with 4 slots each, Poisson arrivals at 70 % of capacity, lognormal service (50 ms,
cv 1):

    W1  a random pod; no limit on the queue, no timeout
    W2  the pod with least outstanding, a queue of at most 50, clients give up after 1 s
    W3  W2 with a pod replaced every 5 s

Three engines: *plain* SimPy, a process per request and a Resource per pod, as most people would write it;
SimPy with *callbacks*, one event per departure, as fast as we could make it; and *hybrid*, this project's:
a SimPy control plane with a tick every second that reads a p99, over the compiled kernel, with everything
on (outcomes booked when they happen, kills possible, a million users, a weighted route over two backends).
The other two only note start, end and status of each request. Each figure is the median of interleaved
runs; the other two must agree with each other.

*general* is hybrid with the general request engine (`sim.general`), which is asked for nothing that the fast
one cannot; its results are the same. Their ratio is what generality costs.

Long, as each engine that is compared stands here whole, to be read as a reader would write it.

    python benchmarks/engine.py [--json] [--profile] [--runs N]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its idle threads would count as our CPU time

import numpy as np
import simpy

from scenarios import draws, traffic
from scenarios.distributions import LogNormal
from scenarios.tally import Grid
from sim import kernel
from sim.general_requests import GeneralRequests
from sim.habits import Habits
from sim.requests import Requests

PODS, CANDIDATES, SLOTS, MEAN, LOAD = 20, 2, 4, 0.05, 0.7
RATE = LOAD * PODS * SLOTS / MEAN
SERVICE = LogNormal.of(mean=MEAN, cv=1.0)
QUEUE, TIMEOUT, CHANGE = 50, 1.0, 5.0
ERRORS = (0.001, 0.010)
USERS = 1_000_000
SECONDS, TRIALS = 600, 4  # of the hybrid's worlds: 672,000 requests each
PLAIN_REQUESTS, CALLBACK_REQUESTS = 50_000, 150_000
Output = tuple[
    np.ndarray, np.ndarray, np.ndarray
]  # start, end, status (0 OK, 1 error, 2 timeout, 3 rejected)


class Inputs:
    """What both SimPy models are given: lists of due times, service times, pods and error draws."""

    def __init__(self, count: int) -> None:
        index = np.arange(count)
        words = {p: draws.words(draws.stream(1, p), index) for p in draws.Purpose}
        self.due = np.cumsum(traffic.gaps(1, RATE, index)).tolist()
        self.work = draws.quantile(draws.table(SERVICE), draws.uniform(words[draws.Purpose.DEMAND])).tolist()
        self.pod = (draws.uniform(words[draws.Purpose.TIE]) * PODS).astype(int).tolist()
        self.luck = draws.error_field(words[draws.Purpose.CHOICE]).tolist()
        self.version = [0] * (PODS - CANDIDATES) + [1] * CANDIDATES


# Plain SimPy


class Pod:
    __slots__ = ("out", "resource", "version")

    def __init__(self, env: simpy.Environment, version: int) -> None:
        self.resource, self.out, self.version = simpy.Resource(env, SLOTS), 0, version


def plain_random(given: Inputs) -> Output:
    env = simpy.Environment()
    pods = [Pod(env, version) for version in given.version]
    due, work, pick, luck = given.due, given.work, given.pod, given.luck
    rows: list[tuple[int, float, float, int]] = []

    def request(i: int) -> Generator[Any, Any, None]:
        pod = pods[pick[i]]
        with pod.resource.request() as slot:
            yield slot
            start = env.now
            yield env.timeout(work[i])
        rows.append((i, start, env.now, int(luck[i] < ERRORS[pod.version])))

    def source() -> Generator[Any, Any, None]:
        before = 0.0
        for i in range(len(due)):
            yield env.timeout(due[i] - before)
            before = due[i]
            env.process(request(i))

    env.process(source())
    env.run()
    return _in_order(rows)


def plain_least(given: Inputs, change: float | None) -> Output:
    env = simpy.Environment()
    pods = [Pod(env, version) for version in given.version]
    due, work, luck = given.due, given.work, given.luck
    rows: list[tuple[int, float, float, int]] = []

    def request(i: int) -> Generator[Any, Any, None]:
        now = env.now
        pod = min(pods, key=lambda p: p.out)
        if len(pod.resource.queue) >= QUEUE:
            rows.append((i, now, now, 3))
            return
        pod.out += 1
        with pod.resource.request() as slot:
            done = yield slot | env.timeout(TIMEOUT)
            start = env.now
            if slot in done:
                yield env.timeout(work[i])
                status = int(luck[i] < ERRORS[pod.version])
            else:
                status = 2
        pod.out -= 1
        rows.append((i, start, env.now, status))

    def source() -> Generator[Any, Any, None]:
        before = 0.0
        for i in range(len(due)):
            yield env.timeout(due[i] - before)
            before = due[i]
            env.process(request(i))

    def rollout(every: float) -> Generator[Any, Any, None]:
        k = 0
        while True:
            yield env.timeout(every)
            pods[k % PODS] = Pod(env, 1 - pods[k % PODS].version)
            k += 1

    done = env.process(source())
    if change:
        env.process(rollout(change))
    env.run(until=done)
    env.run(until=env.now + 10)
    return _in_order(rows)


def _in_order(rows: list[tuple[int, float, float, int]]) -> Output:
    table = np.array(sorted(rows))
    return table[:, 1], table[:, 2], table[:, 3]


# SimPy with callbacks: no process per request, a deque per pod, one Timeout per departure


class Lean:
    __slots__ = ("busy", "out", "queue", "version")

    def __init__(self, version: int) -> None:
        self.busy, self.queue, self.out, self.version = 0, deque[int](), 0, version


def callbacks(given: Inputs, least: bool, change: float | None) -> Output:
    env = simpy.Environment()
    after = simpy.events.Timeout
    pods = [Lean(version) for version in given.version]
    due, work, pick, luck = given.due, given.work, given.pod, given.luck
    count = len(due)
    start, end, status = [0.0] * count, [0.0] * count, [0] * count
    waits = 9  # the status of who may still give up

    def depart(event: Any) -> None:
        i, pod = event._value
        now = env._now
        end[i] = now
        pod.out -= 1
        if luck[i] < ERRORS[pod.version]:
            status[i] = 1
        queue = pod.queue
        while queue:
            j = queue.popleft()
            if status[j] == 2:
                continue
            start[j] = now
            status[j] = 0
            after(env, work[j], (j, pod)).callbacks.append(depart)
            return
        pod.busy -= 1

    def expire(event: Any) -> None:
        i, pod = event._value
        if status[i] == waits:
            status[i] = 2
            start[i] = end[i] = env._now
            pod.out -= 1

    def choose() -> Lean:
        found = pods[0]
        best = found.out
        if best:
            for pod in pods:
                if pod.out < best:
                    best = pod.out
                    found = pod
                    if not best:
                        break
        return found

    def arrive(event: Any) -> None:
        i = event._value
        now = env._now
        pod = choose() if least else pods[pick[i]]
        if least and pod.out >= SLOTS + QUEUE:
            start[i] = end[i] = now
            status[i] = 3
        else:
            pod.out += 1
            if pod.busy < SLOTS:
                pod.busy += 1
                start[i] = now
                after(env, work[i], (i, pod)).callbacks.append(depart)
            else:
                pod.queue.append(i)
                if least:
                    status[i] = waits
                    after(env, TIMEOUT, (i, pod)).callbacks.append(expire)
        i += 1
        if i < count:
            after(env, due[i] - now if due[i] > now else 0.0, i).callbacks.append(arrive)

    def replace(event: Any) -> None:
        k = event._value
        pods[k % PODS] = Lean(1 - pods[k % PODS].version)
        if (k + 2) * change <= due[-1]:
            after(env, change, k + 1).callbacks.append(replace)

    after(env, due[0], 0).callbacks.append(arrive)
    if change:
        after(env, change, 0).callbacks.append(replace)
    env.run()
    return np.array(start), np.array(end), np.array(status)


# This project's engine


class Hybrid:
    """A control plane in SimPy over `Requests`."""

    def __init__(
        self, least: bool, change: float | None, seed: int = 1, users: int = USERS, backends: int = 2,
        trace: bool = False, general: bool = False,
    ) -> None:  # fmt: skip
        timeout, queue = (TIMEOUT, QUEUE) if least else (60.0, 1 << 40)
        usual: dict[str, Any] = {
            "seed": seed, "rate": RATE, "users": users, "activity": "even", "slots": SLOTS, "queue": queue,
            "grid": Grid.of(0, SECONDS, timeout), "timeout": timeout, "service": (SERVICE, SERVICE),
            "balance": "least_outstanding" if least else "random", "backends": backends, "trace": trace,
        }  # fmt: skip
        self.requests = GeneralRequests(Habits(), **usual) if general else Requests(**usual)
        self.change, self.backends = change, backends
        self.pods = [self._pod(k, 0 if k < PODS - CANDIDATES else 1) for k in range(PODS)]
        self.p99: list[float | None] = []
        for backend in range(backends):
            self._rotate(backend)
        self.requests.weigh(0, [(PODS - CANDIDATES) / PODS, CANDIDATES / PODS] if backends == 2 else [1.0])

    def _pod(self, position: int, version: int) -> int:
        return self.requests.add_pod(version, ERRORS[version], self.requests.now)

    def _rotate(self, backend: int) -> None:
        border = PODS - CANDIDATES
        shares = (self.pods[:border], self.pods[border:]) if self.backends == 2 else (self.pods,)
        self.requests.rotate(0, backend, shares[backend])

    def _rollout(self, env: simpy.Environment, every: float) -> Generator[Any, Any, None]:
        k = 0
        while True:
            yield env.timeout(every)
            self.requests.advance(env.now)
            position = k % PODS
            old = self.pods[position]
            self.pods[position] = self._pod(position, (k // PODS + 1) % 2)
            self._rotate(int(self.backends == 2 and position >= PODS - CANDIDATES))
            self.requests.remove(old)
            k += 1

    def _tick(self, env: simpy.Environment, reads: bool) -> Generator[Any, Any, None]:
        while True:
            yield env.timeout(1.0)
            self.requests.advance(env.now)
            if reads:
                now = int(env.now)
                self.p99.append(self.requests.quantile(0.99, now - 1, now))

    def run(self, ticks: bool = True, reads: bool = True) -> None:
        env = simpy.Environment()
        if self.change:
            env.process(self._rollout(env, self.change))
        if ticks:
            env.process(self._tick(env, reads))
        env.run(until=SECONDS)
        self.requests.finish()


def hybrid(least: bool, change: float | None, *, general: bool = False) -> int:
    """Requests simulated, over several trials, their construction included."""
    done = 0
    for seed in range(TRIALS):
        trial = Hybrid(least, change, seed, general=general)
        trial.run()
        done += int(trial.requests.tally.counts.sum())
    return done


# Measuring


def cpu(run: Callable[[], Any]) -> float:
    gc.collect()
    before = time.process_time()
    run()
    return time.process_time() - before


def check() -> None:
    """The two SimPy models are the same model, and ours gives the same latencies on their world."""
    given = Inputs(20_000)
    for least, change in ((False, None), (True, None), (True, CHANGE)):
        one = plain_least(given, change) if least else plain_random(given)
        other = callbacks(given, least, change)
        # plain sums gaps, callbacks too, but not in the same order: times agree to rounding
        if not (np.allclose(one[1], other[1], rtol=0, atol=1e-6) and np.array_equal(one[2], other[2])):
            raise AssertionError("the two SimPy models differ")
        trial = Hybrid(least, change, backends=1, users=1000, trace=True)
        trial.run(reads=False)
        rows = trial.requests.rows()
        ours = (rows["end"] - rows["due"])[2_000:20_000].mean()
        theirs = (other[1] - given.due)[2_000:].mean()
        if abs(ours / theirs - 1) > 0.05:
            raise AssertionError(f"latencies differ: {ours:.5f} s and {theirs:.5f} s")


def measure(runs: int) -> dict[str, dict[str, float]]:
    short, long = Inputs(PLAIN_REQUESTS), Inputs(CALLBACK_REQUESTS)
    worlds: dict[str, tuple[bool, float | None]] = {
        "W1": (False, None),
        "W2": (True, None),
        "W3": (True, CHANGE),
    }
    rates: dict[str, dict[str, list[float]]] = {
        w: {"plain": [], "callbacks": [], "general": [], "hybrid": []} for w in worlds
    }
    for least in (False, True):
        for general in (False, True):
            Hybrid(least, None, general=general).run()  # compile
    requests = {name: hybrid(*world) for name, world in worlds.items()}
    for _ in range(runs):
        for name, (least, change) in worlds.items():
            plain = cpu(lambda: plain_least(short, change) if least else plain_random(short))  # noqa: B023
            rates[name]["plain"].append(PLAIN_REQUESTS / plain)
            lean = cpu(lambda: callbacks(long, least, change))  # noqa: B023
            rates[name]["callbacks"].append(CALLBACK_REQUESTS / lean)
            rates[name]["hybrid"].append(requests[name] / cpu(lambda: hybrid(least, change)))  # noqa: B023
            slower = cpu(lambda: hybrid(least, change, general=True))  # noqa: B023
            rates[name]["general"].append(requests[name] / slower)
    result = {}
    for name, engines in rates.items():
        row = {engine: round(statistics.median(values)) for engine, values in engines.items()}
        ratios = {f"ratio_{k}": round(row["hybrid"] / row[k], 1) for k in ("plain", "callbacks", "general")}
        result[name] = row | ratios
    return result


def profile() -> None:
    """Where the hybrid's time goes, ns per request, the best of five."""

    def best(make: Callable[[], Callable[[], Any]], count: float) -> float:
        return min(cpu(make()) for _ in range(5)) / count * 1e9

    def draw() -> Callable[[], None]:
        requests = Hybrid(False, None).requests

        def blocks() -> None:
            for number in range(500):  # a block that is there already would not be drawn again
                requests._clock.block[0] = number
                kernel.fill(requests._refs)

        return blocks

    count = RATE * SECONDS
    print(f"{'draws alone':34}{best(draw, 500 * kernel.BLOCK):7.1f}")
    for name, least, change in (("W1", False, None), ("W2", True, None), ("W3", True, CHANGE)):
        parts = {
            "one user, one backend, no ticks": ({"users": 1, "backends": 1}, {"ticks": False}),
            "+ two backends": ({"users": 1}, {"ticks": False}),
            "+ a million users": ({}, {"ticks": False}),
            "+ a tick every second": ({}, {"reads": False}),
            "+ which reads a p99": ({}, {}),
        }
        for part, (made, ran) in parts.items():
            value = best(lambda: (lambda h: lambda: h.run(**ran))(Hybrid(least, change, **made)), count)  # noqa: B023
            print(f"{name} {part:31}{value:7.1f}")
        whole = best(lambda: lambda: Hybrid(least, change).run(), count)  # noqa: B023
        print(f"{name} {'+ building the trial':31}{whole:7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, nothing else")
    parser.add_argument("--profile", action="store_true", help="print where our engine's time goes instead")
    parser.add_argument("--runs", type=int, default=3, help="interleaved runs of which the median is taken")
    options = parser.parse_args()
    if options.profile:
        profile()
        return
    check()
    result = measure(options.runs)
    if options.json:
        print(json.dumps(result))
        return
    print("requests per CPU-second" + " " * 37 + "hybrid ×")
    print(
        f"{'':6}{'plain':>12}{'callbacks':>12}{'general':>14}{'hybrid':>14}"
        f"{'plain':>9}{'callbacks':>11}{'general':>9}"
    )
    for name, row in result.items():
        print(
            f"{name:6}{row['plain']:>12,}{row['callbacks']:>12,}{row['general']:>14,}{row['hybrid']:>14,}"
            f"{row['ratio_plain']:>9.1f}{row['ratio_callbacks']:>11.1f}{row['ratio_general']:>9.1f}"
        )


if __name__ == "__main__":
    main()
