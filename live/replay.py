"""What a generator is to send: the very schedule that the simulator uses, with all that its requests carry.

Decides only; what it reads of the world is the address of a host.
"""

import math
import re
import socket
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live.orders import Carried, Kept, Requests, Settings
from scenarios import draws, mix, traffic
from scenarios.demand import Client, Connections
from scenarios.draws import Purpose
from scenarios.expect import Answers
from scenarios.scenario import Scenario

FOREVER = 1e12  # seconds
_VALUE = re.compile(r"[\x21-\x7e]?|[\x21-\x7e][\t\x20-\x7e]{0,998}[\x21-\x7e]")
_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,1000}")
_OURS = {
    "accept-encoding", "connection", "content-length", "cookie", "expect", "keep-alive", "te",
    "transfer-encoding", "upgrade",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """Where users come in. `host` is looked up once; `host_header` is the name that they ask for.

    Certificates are not checked: clusters to try things out on sign their own.
    """

    scheme: str
    host: str
    port: int
    host_header: str | None = None
    path: str = "/"


def requests(scenario: Scenario, seed: int, start: float, horizon: float) -> Requests:
    """The requests due in [start, horizon), bit for bit those that the simulator processes."""
    demand = scenario.traffic
    users, client = demand.users, demand.client
    found = traffic.schedule(seed, demand.intended.curve(), users.count, users.activity, start, horizon)
    kinds = mix.kind_of_users(seed, users.count, demand.mix) if demand.mix else np.zeros(1, np.uint8)
    kind = kinds[found.user] if demand.mix else np.zeros(len(found.user), np.uint8)
    holder = _holder(seed, found, demand.connections)
    return Requests(found.index, found.due, found.user, kind, holder, _chance(seed, found.index, client))


def _holder(seed: int, found: traffic.Schedule, kept: Connections | None) -> NDArray[np.int32]:
    """Whose connection a request uses: its user's, or one of a pool by the low 24 bits of its own word."""
    if kept is None or kept.pool is None:
        return found.user
    words = draws.words(draws.stream(seed, Purpose.CONNECTION), found.index)
    return ((words & np.uint64(0xFFFFFF)) * np.uint64(kept.pool) >> np.uint64(24)).astype(np.int32)


def _chance(seed: int, index: NDArray[np.int64], client: Client) -> NDArray[np.float64]:
    words = draws.words(draws.stream(seed, Purpose.RETRY), index)
    columns = [draws.uniform(draws.again(words, k)) for k in range(1, client.retries + 1)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(index), 0))


def part(whole: Requests, number: int, processes: int) -> Requests:
    """What child `number` of so many sends: always all requests of a holder, who has cookies and connections.

    Where nobody but users hold anything and there is one child, that is all of them.
    """
    mine = whole.holder % processes == number
    return Requests(**{name: column[mine] for name, column in whole.columns.items()})


def settings(scenario: Scenario, candidate: str, entry: Entry, start: float) -> Settings:
    """What children are told. Raises OSError if the entry's host has no address."""
    demand = scenario.traffic
    client = demand.client
    return Settings(
        entry.scheme,
        str(socket.getaddrinfo(entry.host, entry.port, type=socket.SOCK_STREAM)[0][4][0]),
        entry.port,
        entry.host_header or _authority(entry),
        entry.path,
        start,
        float(client.timeout),
        client.patience,
        tuple(client.backoff.pause(k) for k in range(1, client.retries + 1)),
        float(client.backoff.jitter),
        _kept(demand.connections),
        tuple(Carried(kind.of("header"), kind.of("cookie")) for kind in mix.kinds(demand.mix)),
        {
            version: None if answers is None else answers.model_dump(mode="json")
            for version, answers in looks(scenario, candidate).items()
        },
    )


def _authority(entry: Entry) -> str:
    host = f"[{entry.host}]" if ":" in entry.host else entry.host
    usual = {"http": 80, "https": 443}[entry.scheme]
    return host if entry.port == usual else f"{host}:{entry.port}"


def _kept(kept: Connections | None) -> Kept | None:
    if kept is None:
        return None
    age = FOREVER if kept.age is None else float(kept.age)
    return Kept(float(kept.idle), kept.requests or 1 << 60, age)


def looks(scenario: Scenario, candidate: str) -> dict[str, Answers | None]:
    """What each version's answers look like, of images that do not send our headers."""
    return {"stable": scenario.versions.stable.answers, "candidate": scenario.variants[candidate].answers}


# --- what cannot be sent, and what may not be --------------------------------------------------------


def unsupported(scenario: Scenario) -> list[str]:
    """What of the scenario's traffic cannot be replayed, each by name; empty where all can."""
    demand = scenario.traffic
    found = []
    if demand.arrivals == "closed":
        found.append("traffic.arrivals: closed; live traffic is open: it comes however slow the service is")
    for attribute, values in demand.mix.items():
        what, _, name = attribute.partition(".")
        found += _unsendable(what, name, list(values))
    return found


def _unsendable(what: str, name: str, values: list[str]) -> list[str]:
    where = f"traffic.mix.{what}.{name}"
    if what == "user":
        return []
    if what == "header" and (name.lower() in _OURS or name.lower().startswith("x-rolloutlab-")):
        return [f"{where}: a header that the generator itself sets"]
    allowed = _VALUE if what == "header" else _COOKIE
    wrong = (value for value in values if not allowed.fullmatch(value))
    return [f"{where}: {value!r} cannot stand in a {what}" for value in wrong]


def caps(scenario: Scenario, max_rate: float, max_duration: float) -> list[str]:
    """In what way the traffic exceeds these bounds (requests per second, seconds); empty where it does not.

    Retries count as if every try failed.
    """
    clock, client = scenario.clock, scenario.traffic.client
    peak = scenario.traffic.intended.curve().peak(-float(clock.settle), float(clock.horizon))
    found = []
    if peak * (1 + client.retries) > max_rate:
        tries = f", tried up to {1 + client.retries} times each" if client.retries else ""
        found.append(f"traffic.rate: up to {peak:g} requests per second{tries}; allowed: {max_rate:g}")
    lasts = float(clock.settle) + float(clock.horizon)
    if lasts > max_duration:
        found.append(
            f"clock: settle and horizon are {math.ceil(lasts)} s together; allowed: {max_duration:g} s"
        )
    return found
