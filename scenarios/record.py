"""A trial's record: what was seen, asked and told, how it ended, and the truth in integers. One format
for both backends; figures are functions of a record and of nothing else.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from scenarios import arrays as archive
from scenarios import codec, display, load
from scenarios.answered import Probed
from scenarios.arrays import Integers, Shape
from scenarios.decode import Json, RecordError, at, each, maybe, number, text, whole
from scenarios.errors import ScenarioError
from scenarios.observe import Observation
from scenarios.plan import Action, Route
from scenarios.release import Event, Outcome
from scenarios.scenario import CONTROL, Scenario
from scenarios.tally import Grid, Tally

FORMAT = "rolloutlab.record/1"
ARM = CONTROL
FILES = ("record.json", "truth.npz", "provenance.json")
MOST_SECONDS = 10 * 86400  # of a grid: the longest horizon, settling and tail


class PodEvent(IntEnum):
    """What happened to a pod. IN and OUT of rotation are as the EndpointSlice has it."""

    CREATED = 0
    LISTENING = 1
    IN = 2
    OUT = 3
    DELETED = 4
    CRASHED = 5
    GONE = 6


@dataclass(frozen=True, slots=True)
class Trial:
    """One world, one strategy, one candidate, one seed. `strategy` is `control` for the arms: all stable
    (`candidate` None), or that candidate everywhere, from before t = 0 and without any release."""

    scenario: Scenario
    strategy: str
    candidate: str | None
    seed: int

    @property
    def label(self) -> str:
        """A short name, for people."""
        return f"{self.strategy} · {self.candidate or 'stable'} · seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Pods:
    """Every pod that ever existed and what happened to it, in order of time.

    `pool` (index into `pools`) and `version` (0 stable, 1 candidate) by pod; events as parallel arrays of
    `time` (int64 nanoseconds after the trigger), `pod` and `kind` (PodEvent).
    """

    pools: tuple[str, ...]
    pool: npt.NDArray[np.int32]
    version: npt.NDArray[np.int32]
    time: npt.NDArray[np.int64]
    pod: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RouteChange:
    """The users' route from `t` on, and when the last proxy had it (None: not by the horizon)."""

    t: float
    route: Route
    in_force: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened: requests, pods, routes."""

    tally: Tally
    pods: Pods
    routes: tuple[RouteChange, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A finished trial. The arms have no observations, actions, events, or outcome."""

    trial: Trial
    truth: Truth
    observed: tuple[Observation, ...] = ()
    actions: tuple[tuple[float, str, Action], ...] = ()
    events: tuple[Event, ...] = ()
    outcome: Outcome | None = None
    expected: tuple[Probed, ...] = ()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return display.html(self)


def write(record: Record, folder: Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Write `record.json`, `truth.npz` and `provenance.json` as a folder that is there wholly or not at all.

    A record that stood there is replaced; a folder that holds anything else is left alone (RecordError).
    `provenance` (versions, command, host, time) is no part of the record or of its digest.
    """
    folder = folder.absolute()
    _refuse_foreign(folder)
    stored, beside_it = canonical(document(record)), canonical(dict(provenance or {}))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        new = Path(beside) / "new"
        new.mkdir()
        (new / "record.json").write_bytes(stored)
        (new / "provenance.json").write_bytes(beside_it)
        archive.write(arrays(record), new / "truth.npz")
        _exchange(new, folder, Path(beside) / "old")


def read(folder: Path) -> Record:
    """The record in a folder. RecordError where it is missing, damaged, or of another format."""
    try:
        stored = _read_json(folder / "record.json")
        found = stored.get("format") if isinstance(stored, dict) else None
        if found != FORMAT:
            raise RecordError(f"record.json: its format is {found!r}; this version reads {FORMAT!r} only")
        return _decode(stored, folder / "truth.npz")
    except RecordError as error:
        raise RecordError(f"{folder}: {error}") from None


def digest(record: Record) -> str:
    """SHA-256 over the canonical JSON, then each array's name, type, shape and bytes in order of names."""
    total = hashlib.sha256(canonical(document(record)))
    for name, array in sorted(arrays(record).items()):
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def canonical(value: Json) -> bytes:
    """UTF-8 JSON: keys sorted, no spaces, floats in shortest round-trip form, one newline at the end."""
    try:
        form: dict[str, Any] = {"sort_keys": True, "ensure_ascii": False, "separators": (",", ":")}
        return json.dumps(value, allow_nan=False, **form).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise RecordError(f"cannot be written as JSON: {error}") from None


def document(record: Record) -> Json:
    """Everything of a record but its arrays, as plain JSON."""
    trial, truth, grid = record.trial, record.truth, record.truth.tally.grid
    expected = [codec.encode_probed(probed) for probed in record.expected]
    return ({"expected": expected} if expected else {}) | {
        "format": FORMAT,
        "trial": {
            "scenario": load.as_document(trial.scenario),
            "strategy": trial.strategy,
            "candidate": trial.candidate,
            "seed": int(trial.seed),
        },
        "grid": {"start": grid.start, "horizon": grid.horizon, "tail": grid.tail, "step": grid.step},
        "pools": list(truth.pods.pools),
        "routes": [_encode_change(change) for change in truth.routes],
        "observed": [codec.encode_observation(seen) for seen in record.observed],
        "actions": [_encode_asked(*asked) for asked in record.actions],
        "events": [codec.encode_event(event) for event in record.events],
        "outcome": None if record.outcome is None else codec.encode_outcome(record.outcome),
    }


def _decode(stored: Json, truth: Path) -> Record:
    """The record of `document` and the arrays beside it."""
    grid = at(stored, "grid", _decode_grid)
    found = archive.read(truth, _forms(grid), archive.extra(grid))
    pods = Pods(at(stored, "pools", lambda pools: each(pools, text)), *(found[f"pods_{n}"] for n in _PODS))
    _check_pods(pods)
    counted = (*archive.tally(grid), *archive.extra(grid))
    tally = Tally(grid, **{name: found[name] for name in counted if name in found})
    return Record(
        at(stored, "trial", _decode_trial),
        Truth(tally, pods, at(stored, "routes", lambda routes: each(routes, _decode_change))),
        at(stored, "observed", lambda observed: each(observed, codec.decode_observation)),
        at(stored, "actions", lambda actions: each(actions, _decode_asked)),
        at(stored, "events", lambda events: each(events, codec.decode_event)),
        at(stored, "outcome", maybe(codec.decode_outcome)),
        at(stored, "expected", codec.decode_expected) if "expected" in stored else (),
    )


def _decode_trial(value: Json) -> Trial:
    try:
        scenario = at(value, "scenario", load.from_document)
    except ScenarioError as error:
        raise RecordError(f"scenario: {error}") from None
    candidate = at(value, "candidate", maybe(text))
    return Trial(scenario, at(value, "strategy", text), candidate, at(value, "seed", whole))


def _decode_grid(value: Json) -> Grid:
    try:
        grid = Grid(*(at(value, name, whole) for name in ("start", "horizon", "tail", "step")))
    except ValueError as error:
        raise RecordError(str(error)) from None
    if grid.seconds > MOST_SECONDS:
        raise RecordError(f"{grid.seconds} seconds; a record has at most {MOST_SECONDS}")
    return grid


def _encode_change(change: RouteChange) -> Json:
    in_force = None if change.in_force is None else float(change.in_force)
    return {"t": float(change.t), "route": codec.encode_route(change.route), "in_force": in_force}


def _decode_change(value: Json) -> RouteChange:
    route = at(value, "route", codec.decode_route)
    return RouteChange(at(value, "t", number), route, at(value, "in_force", maybe(number)))


def _encode_asked(t: float, name: str, action: Action) -> Json:
    return {"t": float(t), "id": name, "action": codec.encode_action(action)}


def _decode_asked(value: Json) -> tuple[float, str, Action]:
    return at(value, "t", number), at(value, "id", text), at(value, "action", codec.decode_action)


def arrays(record: Record) -> dict[str, Integers]:
    """The truth in integers, by name, little-endian."""
    tally, pods = record.truth.tally, record.truth.pods
    named = {name: getattr(tally, name) for name in archive.tally(tally.grid)}
    named |= {f"pods_{name}": getattr(pods, name) for name in _PODS}
    forms = _forms(tally.grid)
    for name, form in archive.extra(tally.grid).items():
        if getattr(tally, name) is not None:
            named[name], forms[name] = getattr(tally, name), form
    return {name: np.asarray(named[name], form[0]) for name, form in forms.items()}


_PODS = {"pool": "<i4", "version": "<i4", "time": "<i8", "pod": "<i4", "kind": "<i4"}


def _forms(grid: Grid) -> dict[str, tuple[str, Shape]]:
    """The type and shape of every array."""
    return archive.tally(grid) | {f"pods_{name}": (dtype, (None,)) for name, dtype in _PODS.items()}


def _check_pods(pods: Pods) -> None:
    """Refuse arrays that do not belong together."""
    indices = (pods.pool, pods.version, pods.pod, pods.kind)
    limits = (len(pods.pools), 2, len(pods.pool), len(PodEvent))
    within = all(((array >= 0) & (array < most)).all() for array, most in zip(indices, limits, strict=True))
    paired = len(pods.pool) == len(pods.version) and len(pods.time) == len(pods.pod) == len(pods.kind)
    if not (within and paired and (np.diff(pods.time) >= 0).all()):
        raise RecordError("truth.npz: its pods contradict each other")


def _read_json(path: Path) -> Json:
    try:
        return json.loads(path.read_bytes().decode())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path.name}: missing, truncated or damaged: {error}") from None


def _refuse_foreign(folder: Path) -> None:
    """Only nothing, an empty folder or a record may be replaced."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RecordError(f"{folder}: is not a folder")
    found = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    for name in found:
        if name not in FILES:
            raise RecordError(f"{folder}: holds {name!r}, which is no part of a record")


def _exchange(new: Path, folder: Path, old: Path) -> None:
    """Put `new` in the place of `folder`, by renaming only."""
    if not folder.exists():
        new.rename(folder)
        return
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
