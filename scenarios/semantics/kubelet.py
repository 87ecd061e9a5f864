"""When the kubelet finds a pod ready and when it probes its liveness, as pure functions of nanoseconds.

Follows kubernetes/kubernetes `pkg/kubelet/prober/worker.go` 61ecc560 (run, doProbe); the clock of the
readiness ticks is as seen on a node of Kubernetes 1.34 (docs/timing.md): a probe when the kubelet first sees
the container running, one a second later, then one each period. Liveness has no such extra probe
(`prober_manager.go`, UpdatePodStatus triggers readiness and startup only): its worker ticks from the pod's
arrival on the node on, through restarts.
"""

from dataclasses import dataclass

SECOND = 1_000_000_000
REPORT = 10_000_000
"""From a probe's success to the Ready condition that watchers see; 13 ms by the median."""

RELIST_AT_LEAST = 70_000_000
"""A started container is seen by the kubelet's relist after 0.07 s at the earliest (docs/timing.md)."""


def ready_at(
    seen_running: int, started: int, answers_from: int, *, initial_delay: int, period: int, success: int
) -> int:
    """When a container that answers from `answers_from` on is reported ready.

    `started` is when its process began: ticks earlier than `initial_delay` after that are skipped. The state
    turns with the `success`-th success in a row.
    """
    earliest = max(answers_from, started + initial_delay)
    first = 0 if earliest <= seen_running else 1 + _ticks(earliest - seen_running - SECOND, period)
    return tick(seen_running, first + success - 1, period) + REPORT


def tick(seen_running: int, k: int, period: int) -> int:
    """The k-th probe, from 0: at once, after a second, then every period."""
    return seen_running if k == 0 else seen_running + SECOND + (k - 1) * period


def _ticks(wait: int, period: int) -> int:
    return max(0, -(-wait // period))


def next_probe(worker_since: int, asked: int, answered: int, period: int) -> int:
    """When a worker that ticks since `worker_since` probes after a probe from `asked` to `answered`.

    At its next tick; at once where a tick came while it waited for the answer (a ticker keeps one).
    """
    following = worker_since + ((asked - worker_since) // period + 1) * period
    if following <= answered:
        return answered
    return following


def probes(now: int, started: int, initial_delay: int) -> bool:
    """Whether a tick probes a container whose process began at `started`; its age counts in whole seconds."""
    return (now - started) // SECOND * SECOND >= initial_delay


@dataclass(frozen=True, slots=True)
class Run:
    """A worker's memory: how many probes in a row have failed."""

    failed: int = 0

    def after(self, success: bool) -> "Run":
        """One probe later."""
        return Run(0 if success else self.failed + 1)

    def restarts(self, failure: int) -> bool:
        """Whether the container is to be restarted; the count then begins anew."""
        return self.failed >= failure
