"""What a comparison rests on, in words: the world that was assumed, the guards, the objective, the seeds."""

from reports.columns import COLUMNS
from reports.findings import UNSURE, Document, cell, objective
from reports.words import listed, plain
from scenarios.scenario import Scenario
from scenarios.units import write_duration, write_share
from scenarios.world import Guard

METRICS = {
    "failure_share": "share of failures",
    "latency_p50": "median latency",
    "latency_p95": "p95 latency",
    "latency_p99": "p99 latency",
}


def assumptions(scenario: Scenario, document: Document) -> tuple[tuple[str, str], ...]:
    """What the scenario assumed, as a heading and a line each."""
    return (
        ("assumed", f"{_service(scenario)}, {_traffic(scenario)}"),
        *((("people", people),) if (people := _people(scenario)) else ()),
        *((("faults", faults),) if (faults := _faults(scenario)) else ()),
        ("bad means", f"missing the objective ({objective(scenario)}) where stable keeps it"),
        *((("guards", _guards(scenario)),) if scenario.guards else (("guards", "none"),)),
        ("measured", _measured(document)),
    )


def _service(scenario: Scenario) -> str:
    pods, nodes = scenario.service.replicas, scenario.cluster.nodes
    return f"{pods:,} {'pod' if pods == 1 else 'pods'} on {nodes:,} {'node' if nodes == 1 else 'nodes'}"


def _traffic(scenario: Scenario) -> str:
    traffic, users = scenario.traffic, scenario.traffic.users
    active = "" if users.activity == "even" else ", a few of them very active"
    return (
        f"{traffic.intended.words()} from {users.count:,} users{active}, "
        f"who give up after {write_duration(traffic.client.timeout)}"
    )


def _people(scenario: Scenario) -> str:
    """What is told of clients and operators beyond the usual."""
    traffic, said = scenario.traffic, []
    if traffic.client.retries:
        times = "once" if traffic.client.retries == 1 else f"up to {traffic.client.retries} times"
        said.append(f"clients try again {times}")
    if traffic.connections is not None:
        pool = traffic.connections.pool
        said.append("every user keeps a connection" if pool is None else f"{pool:,} connections are shared")
    if traffic.mix:
        said.append("they differ by " + listed([plain(name) for name in traffic.mix]))
    if scenario.operators:
        said.append("called for help: " + listed([plain(name) for name in scenario.operators]))
    return "; ".join(said)


def _faults(scenario: Scenario) -> str:
    """What goes wrong by itself, and when."""
    said = []
    for fault in scenario.faults:
        happening = fault.happening
        assert happening is not None
        lasting = "" if happening.lasting is None else f" for {write_duration(happening.lasting)}"
        said.append(f"{fault.kind.replace('_', ' ')} at {write_duration(happening.at)}{lasting}")
    return ", ".join(said)


def _guards(scenario: Scenario) -> str:
    every = (
        f"seen every {write_duration(scenario.observe.every)}, {write_duration(scenario.observe.delay)} late"
    )
    return "; ".join(f"{plain(name)}: {guard(g)}" for name, g in scenario.guards.items()) + f"; {every}"


def guard(written: Guard) -> str:
    """A guard in words: what must hold, over which window."""
    write = write_share if written.metric == "failure_share" else write_duration
    whose = "the candidate's" if written.of == "candidate" else "the whole"
    if written.versus is None:
        most = write(written.limit or 0.0)
    else:
        most = "stable's" + (f" + {write(written.margin)}" if written.margin else "")
    tolerate = f", {written.tolerate} misses in a row allowed" if written.tolerate else ""
    return (
        f"{whose} {METRICS[written.metric]} is at most {most} over {write_duration(written.window)} "
        f"of at least {written.min_requests:,} requests{tolerate}"
    )


def _measured(document: Document) -> str:
    seeds = list(document["seeds"])
    run = seeds == list(range(seeds[0], seeds[0] + len(seeds))) and len(seeds) > 2
    which = f"{seeds[0]} to {seeds[-1]}" if run else listed([str(seed) for seed in seeds])
    cells = [cell(row["figures"], column.keys) for row in document["rows"] for column in COLUMNS]
    unsure = f", {UNSURE} needs more seeds" if any(c.written.half == UNSURE for c in cells) else ""
    many = f"{len(seeds):,} seeds ({which})" if len(seeds) > 1 else f"1 seed ({which})"
    return (
        f"{write_duration(float(document['horizon']))} from the trigger, {many}; "
        f"± is half of the 95 % interval of the mean, ≈ best is not told apart from the best{unsure}"
    )
