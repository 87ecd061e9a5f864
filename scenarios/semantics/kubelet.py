"""When the kubelet finds a pod ready, as pure functions of nanoseconds.

Follows kubernetes/kubernetes `pkg/kubelet/prober/worker.go` 61ecc560; the clock of the ticks is as seen on
a node of Kubernetes 1.34 (docs/timing.md): a probe when the kubelet first sees the container running, one a
second later, then one each period.
"""

SECOND = 1_000_000_000
REPORT = 10_000_000
"""From a probe's success to the Ready condition that watchers see; 13 ms by the median."""


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
