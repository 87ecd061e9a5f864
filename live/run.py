"""A live run: strategies crossed with candidates, repeated; each a trial in a namespace of its own.

Repeats are the outermost loop, so that a run that is cut short has tried everything about equally often. What
was asked for is kept in the run's folder: an interrupted run is resumed from there, trial by trial. A trial
that was cut short has measured nothing and is begun again.
"""

import getpass
import json
import math
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from live import behaviour, load
from live.api import Api, Target
from live.capacity import largest
from live.doctor import Wanted
from live.entry import NoEntry
from live.journal import Journal, Run, entries, run_of
from live.objects import Image, unsupported
from live.trial import Done, NotReady, Place, Shown, conduct
from scenarios import load as loading
from scenarios.errors import ScenarioError
from scenarios.names import file_name
from scenarios.provenance import LiveProvenance
from scenarios.record import Trial
from scenarios.route import lower
from scenarios.routers import IngressNginx
from scenarios.scenario import Scenario

ASKED = "asked.json"
FORMAT = "rolloutlab.live.asked/1"


class Unfit(ValueError):
    """This scenario cannot be run on a cluster as it is; the text says every reason."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is to do: the scenario, its time scaled already, and whom to try how often.

    `lifetime` is in seconds; so are `approvals`, from the call of an operator to the act.
    """

    scenario: Scenario
    strategies: tuple[str, ...]
    candidates: tuple[str, ...]
    repeats: int
    time_scale: float
    image: Image
    source: str = ""
    lifetime: float = 3600.0
    approvals: Mapping[str, float] = field(default_factory=dict)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial, in order; a repeat is a seed."""
        return tuple(
            Trial(self.scenario, strategy, candidate, seed)
            for seed in range(self.repeats)
            for strategy in self.strategies
            for candidate in self.candidates
        )

    @property
    def losses(self) -> tuple[behaviour.Loss, ...]:
        """What the user's own images lack that the demo app has."""
        return () if self.image.demo is not None else behaviour.losses(self.scenario)

    @property
    def seconds(self) -> float:
        """How long one trial takes at least: settling in and the horizon."""
        return float(self.scenario.clock.settle + self.scenario.clock.horizon)


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that did not take place, and why."""

    trial: Trial
    why: str


def by_this_process(run: str, target: Target, command: str, source: str) -> Run:
    """A run on this cluster that this process begins now."""
    host = socket.gethostname()
    return Run(
        run,
        f"{getpass.getuser()}@{host}",
        target.context,
        target.uid,
        target.server,
        datetime.now(UTC).isoformat(timespec="seconds"),
        host,
        os.getpid(),
        command,
        source,
    )


def begin(api: Api, asked: Asked, root: Path, command: str) -> Journal:
    """A new run's folder below `root`, with its journal and what was asked for. To be closed."""
    journal = Journal.begin(root, by_this_process(secrets.token_hex(4), api.target, command, asked.source))
    store(asked, journal.folder)
    return journal


def place(
    api: Api,
    journal: Journal,
    asked: Asked,
    *,
    node: str | None = None,
    ingress: tuple[str, int] | None = None,
    provenance: Mapping[str, Any],
) -> Place:
    """Where this run's trials take place; `provenance` is kept with each record."""
    run, target = run_of(journal.folder), api.target
    told = {
        "context": target.context,
        "cluster_uid": target.uid,
        "server_version": target.version,
        "source": asked.source,
    }
    return Place(
        api,
        journal,
        journal.folder,
        run.id,
        run.owner,
        asked.image,
        asked.lifetime,
        asked.time_scale,
        asked.approvals,
        node,
        ingress,
        provenance={**provenance, **told},
    )


def fit(asked: Asked, most_rate: float, most_seconds: float) -> None:
    """Refuse what live mode cannot or must not do. Raises Unfit with all reasons."""
    scenario = asked.scenario
    used = {scenario.strategies[name].strategy.via for name in asked.strategies}
    routed = scenario.model_copy(
        update={"routers": {name: scenario.routers[name] for name in scenario.routers if name in used}}
    )
    reasons = [*unsupported(routed, asked.image, asked.candidates), *load.unsupported(scenario)]
    reasons += load.caps(scenario, most_rate, most_seconds)
    impossible = scenario.unrealisable()
    for name in asked.strategies:
        if name in impossible:
            reasons.append(f"strategies.{name}: {impossible[name]}")
        elif _copies(scenario, name):
            reasons.append(f"strategies.{name}: live mode sends no copies of requests")
    if asked.image.demo is not None:
        for candidate in asked.candidates:
            try:
                behaviour.document(scenario, candidate, 0)
            except behaviour.Unservable as error:
                reasons += [reason for reason in error.reasons if reason not in reasons]
    if reasons:
        raise Unfit("\n".join(reasons))


def _copies(scenario: Scenario, strategy: str) -> bool:
    """Whether a strategy has copies of requests sent."""
    plan = scenario.plan(strategy)
    return any(lower(route, scenario.routers[plan.via]).copies for route in plan.routes)


def wanted(asked: Asked, said: Collection[str] = ()) -> Wanted:
    """What a cluster must have for it; `said` are the options that name addresses."""
    world = asked.scenario
    routers = [world.routers[world.strategies[name].strategy.via] for name in asked.strategies]
    named = (world.versions.stable, *(world.variants[name] for name in asked.candidates))
    images = [str(one.image) for one in named] if asked.image.demo is None else [asked.image.demo]
    return Wanted(
        largest(world, asked.strategies, asked.image),
        tuple(dict.fromkeys(images)),
        any(isinstance(router, IngressNginx) for router in routers),
        any(world.pods(one).termination.pre_stop for one in named),
        frozenset(said),
    )


def conduct_all(
    place: Place,
    asked: Asked,
    shown: Callable[[Trial, int, int], Shown],
    again: bool = False,
) -> Iterator[Done | Failed]:
    """Conduct every trial that has no record yet, one after the other; `again`: or no conclusive one.

    A trial whose world did not come about is Failed, and the next one is tried. Raises what `conduct` does
    beyond that.
    """
    trials = asked.trials
    for number, trial in enumerate(trials):
        if (folder := _to_be_filled(place.folder, trial, again)) is None:
            continue
        try:
            yield conduct(place, trial, _unused(place, number), folder, shown(trial, number, len(trials)))
        except (NotReady, NoEntry, load.NotReady) as failed:
            yield Failed(trial, str(failed))


def unmeasured(run: Path, asked: Asked) -> tuple[Trial, ...]:
    """The trials that have no conclusive record in a run's folder."""
    return tuple(trial for trial in asked.trials if _to_be_filled(run, trial, again=True) is not None)


def _to_be_filled(run: Path, trial: Trial, again: bool) -> Path | None:
    """Where a trial's record is to be; None where there is no need for one.

    An inconclusive record stays, and what is measured in its place has the folder NAME.1, then NAME.2.
    """
    parts = (file_name(part, "-_") for part in (trial.strategy, str(trial.candidate), str(trial.seed)))
    name = folder = ".".join(parts)
    for attempt in count(1):
        if not (run / folder / "record.json").exists():
            break
        if not again or _conclusive(run / folder):
            return None
        folder = f"{name}.{attempt}"
    return run / folder


def _conclusive(folder: Path) -> bool:
    """Whether a record is a measurement; what stands beside it says so, or says nothing that can be read."""
    try:
        return LiveProvenance.model_validate_json((folder / "provenance.json").read_bytes()).conclusive
    except (OSError, ValueError):
        return False


def _unused(place: Place, number: int) -> int:
    """A number of a namespace that this run has not used: the trial's, or 1,000 further on each time."""
    used = {str(entry.values.get("name")) for entry in entries(place.folder)}
    while f"rolloutlab-{place.run}-{number}" in used:
        number += 1000
    return number


def store(asked: Asked, folder: Path) -> None:
    """Keep what was asked for beside the journal."""
    document = {
        "format": FORMAT,
        "scenario": loading.as_document(asked.scenario),
        "strategies": list(asked.strategies),
        "candidates": list(asked.candidates),
        "repeats": asked.repeats,
        "time_scale": asked.time_scale,
        "image": asdict(asked.image),
        "source": asked.source,
        "lifetime": asked.lifetime,
        "approvals": dict(asked.approvals),
    }
    (folder / ASKED).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def stored(folder: Path) -> Asked:
    """What was asked for. Raises Unfit where it cannot be read."""
    try:
        document = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}")
        asked = Asked(
            loading.from_document(document["scenario"]),
            tuple(document["strategies"]),
            tuple(document["candidates"]),
            int(document["repeats"]),
            float(document["time_scale"]),
            Image(**document["image"]),
            str(document["source"]),
            float(document["lifetime"]),
            {str(name): float(after) for name, after in document.get("approvals", {}).items()},
        )
        if wrong := _wrong(asked):
            raise ValueError(wrong)
        return asked
    except (OSError, ValueError, KeyError, TypeError, ScenarioError) as error:
        raise Unfit(f"{folder / ASKED}: cannot be read: {error}") from None


def _wrong(asked: Asked) -> str:
    """What no run was ever asked for; empty where all may have been."""
    world, image = asked.scenario, asked.image
    for key, names, known in (
        ("strategies", asked.strategies, world.strategies),
        ("candidates", asked.candidates, world.variants),
        ("approvals", asked.approvals, world.operators),
    ):
        unknown = [str(name) for name in names if name not in known]
        if unknown or not (names or key == "approvals"):
            return f"{key}: expected some of {', '.join(known)}; got {', '.join(unknown) or 'none'}"
    if asked.repeats < 1 or not 0 < asked.time_scale <= 1 or not 0 < asked.lifetime < math.inf:
        return f"repeats {asked.repeats}, time_scale {asked.time_scale}, lifetime {asked.lifetime}"
    texts = [image.ready_path, *([] if image.demo is None else [image.demo])]
    if type(image.port) is not int or not all(isinstance(text, str) for text in texts):
        return f"image: {image}"
    return ""
