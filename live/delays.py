"""What calibration makes of the instants it has seen: delays by their names in an overlay. Pure.

Seconds, by this machine's clock unless said otherwise. A pod's own clock may be another: it is read by
exchanges, of which the shortest one tells best (Cristian, "Probabilistic clock synchronization", 1989).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenarios import cluster
from scenarios.overlay import Delays, Origin, Overlay, quantified
from scenarios.routers import IngressNginx, KubeProxy
from scenarios.semantics import kube_proxy, kubelet
from scenarios.semantics.kubelet import SECOND, ready_at

Samples = Mapping[str, Sequence[float]]
"""Delays by their names in an overlay, each as often as it was measured."""
Spread = tuple[float, float, float]
"""Median, 5th and 95th percentile."""

SLICE, LEAST = kube_proxy.SLICE / SECOND, kubelet.RELIST_AT_LEAST / SECOND
PERIOD = 1
"""Seconds from one readiness probe to the next of calibration's own pods."""
NEAR = 0.15
"""A pod that turned ready this near to when the model has it was probed at that tick."""
BUSY, BUSY_INGRESS = 0.3, 1.25
"""Changes that kube-proxy or ingress-nginx acts upon later than this, after quiet, waited for its rate."""
FEW = 0.1
"""Such a share of them raises no doubt."""


@dataclass(frozen=True, slots=True)
class Instants:
    """A pod's own account, by its own clock; `declared` is how long it meant to take to start."""

    began: float
    declared: float
    listening: float
    probed: float
    now: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """A pod was asked for its instants at `sent`, and the answer came at `came`."""

    sent: float
    came: float
    told: Instants


@dataclass(frozen=True, slots=True)
class Life:
    """One pod. `closed` is when its process let go of its connections, `silent` when its address was gone.

    `gone` is when the API no longer has it.
    """

    created: float
    running: float
    ready: float
    began: float
    declared: float
    listening: float
    probed: float
    deleted: float
    closed: float
    silent: float | None
    gone: float
    margin: float

    @property
    def expected(self) -> float:
        """When the model of the kubelet has it ready, from when it was seen running and listened."""
        seen, began, listening = (
            round(at * SECOND) for at in (self.running, self.began, max(self.listening, self.began))
        )
        found = ready_at(seen, began, listening, initial_delay=0, period=PERIOD * SECOND, success=1)
        return found / SECOND

    @property
    def on_tick(self) -> bool:
        """Whether it turned ready when the model says."""
        return abs(self.ready - self.expected) < NEAR


@dataclass(frozen=True, slots=True)
class Switch:
    """A route's change: the API server had answered at `answered`, requests went elsewhere from `changed`."""

    answered: float
    changed: float


@dataclass(frozen=True, slots=True)
class Pair:
    """A switch after long quiet, and one as soon after it as must wait for the router's rate limit."""

    quiet: Switch
    hurried: Switch


@dataclass(frozen=True, slots=True)
class Row:
    """A line of what was measured; `default` is what a scenario says that says nothing."""

    key: str
    what: str
    samples: int
    found: Spread
    default: Spread


def ahead(exchanges: Iterable[Exchange]) -> tuple[float, float]:
    """By how much the pod's clock is ahead of ours, and the margin of that. Raises ValueError for none."""
    best = min(exchanges, key=lambda one: one.came - one.sent)
    return best.told.now - (best.sent + best.came) / 2, (best.came - best.sent) / 2


def of_lives(lives: Iterable[Life]) -> dict[str, list[float]]:
    """What pods' lives tell."""
    found: dict[str, list[float]] = {}
    for life in lives:
        for key, value in _of_life(life):
            found.setdefault(key, []).append(max(0.0, value))
    return found


def _of_life(life: Life) -> Iterator[tuple[str, float]]:
    yield "container", life.began - life.created
    yield "relist", life.running - life.began
    yield "start", life.listening - life.began - life.declared
    yield "readiness", life.ready - life.probed
    yield "sigterm", life.closed - life.deleted
    if life.silent is not None:
        yield "address", life.silent - life.closed
        yield "removal", life.gone - life.silent


def of_service(pairs: Iterable[Pair]) -> dict[str, list[float]]:
    """kube-proxy: its watch's lag, less what the EndpointSlice takes, and the time between its syncs."""
    pairs = tuple(pairs)
    heard = [max(0.0, one.quiet.changed - one.quiet.answered - SLICE) for one in pairs]
    return {"endpoints": heard, "proxy_sync": _between(pairs)} if pairs else {}


def of_ingress(pairs: Iterable[Pair], heard: float) -> dict[str, list[float]]:
    """ingress-nginx: its worker's poll, less the `heard` seconds until a controller knows, and its syncs."""
    pairs = tuple(pairs)
    polled = [max(0.0, one.quiet.changed - one.quiet.answered - SLICE - heard) for one in pairs]
    return {"ingress_poll": polled, "ingress_sync": _between(pairs)} if pairs else {}


def _between(pairs: Iterable[Pair]) -> list[float]:
    return [max(0.0, one.hurried.changed - one.quiet.changed) for one in pairs]


def joined(*parts: Samples) -> dict[str, list[float]]:
    """All samples, by name."""
    found: dict[str, list[float]] = {}
    for part in parts:
        for key, values in part.items():
            found.setdefault(key, []).extend(values)
    return {key: found[key] for key in Delays.model_fields if found.get(key)}


def overlay(samples: Samples, origin: Origin) -> Overlay:
    """The overlay of these samples. Raises ValueError for none."""
    delays = Delays(**{key: quantified([*values]) for key, values in samples.items()})
    return Overlay(origin=origin, delays=delays)


def rows(samples: Samples) -> list[Row]:
    """A line for each delay."""
    fields = Delays.model_fields
    return [
        Row(key, fields[key].description or key, len(values), _spread(values), default(key))
        for key, values in samples.items()
    ]


def _spread(values: Sequence[float]) -> Spread:
    median, low, high = np.percentile(values, [50, 5, 95])
    return float(median), float(low), float(high)


def default(key: str) -> Spread:
    """What the simulator takes where a scenario says nothing. Raises KeyError."""
    delays = cluster.Delays()
    if key in ("api", "container", "endpoints"):
        median, low, high = getattr(delays, key).distribution().quantile(np.array([0.5, 0.05, 0.95]))
        return float(median), float(low), float(high)
    constant: dict[str, float] = {
        "readiness": kubelet.REPORT / SECOND,
        "sigterm": float(delays.sigterm),
        "address": float(delays.address),
        "removal": float(delays.removal),
        "start": 0.0,
        "service": 0.0,
        "proxy_sync": float(KubeProxy(kind="kube-proxy").min_sync_period),
        "ingress_sync": float(IngressNginx(kind="ingress-nginx").sync_period),
    }
    if key in constant:
        return (constant[key],) * 3
    least, period = {
        "relist": (LEAST, float(delays.relist)),
        "ingress_poll": (0.0, float(IngressNginx(kind="ingress-nginx").poll)),
    }[key]
    return least + period / 2, least + period / 20, least + period * 0.95


def doubts(samples: Samples) -> list[str]:
    """Why the numbers may not be the cluster's own: changes after quiet that waited all the same."""
    found = []
    for key, most, router in (
        ("endpoints", BUSY, "kube-proxy"),
        ("ingress_poll", BUSY_INGRESS, "ingress-nginx"),
    ):
        values = samples.get(key, ())
        late = sum(value > most for value in values)
        if late > FEW * len(values):
            found.append(
                f"{late} of {len(values)} changes waited for {router}'s rate limit though nothing of ours "
                "had changed: something else changes pods or Services on this cluster; calibrate again when "
                "it is quiet"
            )
    return found


def notes(samples: Samples, lives: Sequence[Life]) -> list[str]:
    """What is to be known of the numbers."""
    if not lives:
        return []
    on_tick = sum(life.on_tick for life in lives)
    found = [
        f"{on_tick} of {len(lives)} pods were ready at the probe at which the simulator has them ready",
        f"pods' clocks were read to ±{1e3 * max(life.margin for life in lives):.1f} ms, the begin of "
        "their processes to ±5 ms",
    ]
    if "address" not in samples:
        found.append(
            "no pod's address was seen to fall silent: address and removal keep what the scenario says"
        )
    return found


def document(samples: Samples, lives: Sequence[Life]) -> dict[str, Any]:
    """The raw numbers, as JSON has them."""
    kept = {key: [round(value, 6) for value in values] for key, values in samples.items()}
    return {"format": "rolloutlab.calibration/1", "samples": kept, "pods": [asdict(life) for life in lives]}
