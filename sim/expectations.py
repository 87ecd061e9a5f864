"""Expectations in a simulated world: requests that take no capacity, routed by what is in force just then.

Each is a new user's, on a connection of its own, and carries what its request says. It goes by the rules and
weights of a proxy, to one of the endpoints that this proxy believes in; other requests come in between, so
that in turn looks like at random. What it finds there answers: its version, or nobody.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from scenarios import draws
from scenarios.answered import NOBODY, Answer, Probed, counted
from scenarios.draws import Purpose, u
from scenarios.expect import END, Expectation
from scenarios.mix import Kind
from scenarios.plan import CANDIDATE, STABLE
from scenarios.record import ARM, Trial
from scenarios.routers import IngressNginx, KubeProxy, LayerSevenProxy, Router
from scenarios.version import Version
from sim.endpoints import Proxy
from sim.requests import Requests, Standing

NGINX_TRIES = 3
UNAVAILABLE, BAD_GATEWAY, GATEWAY_TIMEOUT = 503, 502, 504


@dataclass(frozen=True, slots=True)
class Routing:
    """What probes go through: the router, its proxies as they are now, and what stands in the pods' slots."""

    router: Router
    proxies: Sequence[Proxy]
    requests: Requests


class Expectations:
    """Those of a trial, each probed once: as its stage first ends, or at the horizon."""

    def __init__(self, trial: Trial, versions: Sequence[Version]) -> None:
        wanted = () if trial.strategy == ARM else trial.scenario.expect.items()
        self.waiting = {name: one for name, one in wanted if one.concerns(trial.strategy, trial.candidate)}
        self.versions, self.seed = versions, trial.seed
        self.found: list[Probed] = []

    def stage_ends(self, stage: str, t: float, routing: Routing) -> None:
        """A stage is over at `t`; what was set for it is still in force."""
        self._probe([name for name, one in self.waiting.items() if one.when == stage != END], t, routing)

    def trial_ends(self, t: float, routing: Routing) -> None:
        """The horizon `t` is reached."""
        self._probe([name for name, one in self.waiting.items() if one.when == END], t, routing)

    def _probe(self, names: Sequence[str], t: float, routing: Routing) -> None:
        for name in names:
            expected = self.waiting.pop(name)
            routing.requests.advance(t)
            answers = answers_to(expected, routing, self.versions, self.seed)
            self.found.append(Probed(name, t, counted(expected.answers, answers.items())))


def answers_to(
    expected: Expectation, routing: Routing, versions: Sequence[Version], seed: int
) -> Mapping[Answer, int]:
    """What comes back for its requests, sent at this instant, and how often each answer came."""
    probes = _Probes(expected, routing, versions, seed)
    return Counter(probes.answer(k, *drawn) for k, drawn in enumerate(_draws(seed, expected.requests)))


def _draws(seed: int, count: int) -> Iterator[tuple[float, ...]]:
    """For each probe four numbers in [0, 1): its proxy, its side, and of the first try pod and failure."""
    stream, probes = draws.stream(seed, Purpose.PROBE), np.arange(count)
    columns = [draws.uniform(draws.words_of(stream, probes, np.full(count, what))) for what in range(4)]
    return zip(*(column.tolist() for column in columns), strict=True)


class _Probes:
    """The requests of one expectation at one instant."""

    def __init__(
        self, expected: Expectation, routing: Routing, versions: Sequence[Version], seed: int
    ) -> None:
        self.request, self.routing, self.seed = expected.request, routing, seed
        kind = Kind(expected.request.attributes, 1.0)
        self.sides = [_sides(routing.router, proxy, kind) for proxy in routing.proxies]
        self.failing = [_failing(version, kind.attributes) for version in versions]
        self.answers = [version.answers for version in versions]
        self.tries, self.again = _tries(routing.router)
        self.behind_proxy = not isinstance(routing.router, KubeProxy)
        self.standing: dict[int, Standing] = {}

    def answer(self, k: int, proxy: float, side: float, pod: float, failure: float) -> Answer:
        """What the k-th probe gets, given its draws."""
        ways = self.sides[int(proxy * len(self.sides))]
        slots = next(slots for below, slots in ways if side < below)
        if not slots:
            return self._nobody(UNAVAILABLE)
        found = self._try(slots, pod, failure)
        for attempt in range(1, self.tries):
            if found.status not in self.again:
                break
            what = 2 + 2 * attempt
            pod, failure = (u(self.seed, Purpose.PROBE, k, key) for key in (what, what + 1))
            found = self._try(slots, pod, failure)
        return found

    def _try(self, slots: Sequence[int], pod: float, failure: float) -> Answer:
        slot = slots[int(pod * len(slots))]
        if slot not in self.standing:
            self.standing[slot] = self.routing.requests.standing(slot)
        there = self.standing[slot]
        if there.mode != "serving":
            return self._nobody(BAD_GATEWAY if there.mode == "refusing" else GATEWAY_TIMEOUT)
        share = 1 - (1 - there.failing) * (1 - self.failing[there.version])
        return self._from(there.version, 500 if failure < share else 200)

    def _from(self, version: int, status: int) -> Answer:
        """An answer of that version, with what it says of itself; a failure has no body of its own."""
        says, name = self.answers[version], (STABLE, CANDIDATE)[version]
        if says is None:
            return Answer(name, status)
        body = says.body if status == 200 and self.request.method != "HEAD" else ""
        return Answer(name, status, tuple(says.headers.items()), body)

    def _nobody(self, status: int) -> Answer:
        """No pod answers: a proxy does in its place, or nothing comes back."""
        return Answer(NOBODY, status if self.behind_proxy else None, (), "")


def _sides(router: Router, proxy: Proxy, kind: Kind) -> list[tuple[float, list[int]]]:
    """Where this proxy sends such a request: slots by side, each up to a number in [0, 1)."""
    assert proxy.in_kernel is not None and proxy.routes_by is not None
    endpoints, weights = proxy.in_kernel
    rule = proxy.routes_by.rule_for(kind)
    if rule is not None:
        weights = [float(side == rule) for side in range(len(weights))]
    below = np.cumsum(weights).tolist()
    last = max(side for side, weight in enumerate(weights) if weight > 0)
    return [
        (2.0 if side == last else below[side], _stands_in(router, endpoints, side))
        for side in range(len(weights))
        if weights[side] > 0
    ]


def _stands_in(router: Router, endpoints: Sequence[list[int]], side: int) -> list[int]:
    """The endpoints of a side; but for a layer-7 proxy those of the primary where there is none."""
    if isinstance(router, LayerSevenProxy):
        return endpoints[side]
    return endpoints[side] if endpoints[0] and endpoints[side] else endpoints[0]


def _failing(version: Version, carried: Mapping[str, str]) -> float:
    """The share of new users' requests on new connections that fails, beyond what a pod fails of all."""
    kinds = (
        version.share_failing("users"),
        version.share_failing("connections"),
        *(version.share_failing_when(of, carried) for of in ("requests", "users", "connections")),
    )
    return 1 - prod(1 - share for share in kinds)


def _tries(router: Router) -> tuple[int, frozenset[int]]:
    """How often a router tries, and after which answers."""
    match router:
        case IngressNginx():
            return NGINX_TRIES, frozenset({BAD_GATEWAY})
        case LayerSevenProxy():
            statuses = {"refused": BAD_GATEWAY, "unavailable": UNAVAILABLE, "error": 500}
            return router.retries.tries, frozenset(statuses[what] for what in router.retries.when)
        case KubeProxy():
            return 1, frozenset()
