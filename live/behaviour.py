"""What the demo app is told of a scenario, and what is lost where a user's own image takes its place. Pure.

`live.app` reads the document and computes from it the same words, times and failures as the simulator.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from typing import Any, Final

from scenarios import draws
from scenarios.distributions import Constant, Distribution
from scenarios.draws import Purpose
from scenarios.faults import NodeSlow, SlowDependency
from scenarios.figure import FIGURES
from scenarios.model import Time
from scenarios.plan import CANDIDATE, STABLE
from scenarios.scenario import Scenario
from scenarios.version import Errors, Version

FORMAT: Final = "rolloutlab.behaviour/1"
STREAMS: Final = (
    Purpose.DEMAND, Purpose.CHOICE, Purpose.BUG, Purpose.START, Purpose.POD_ERROR, Purpose.ATTRIBUTE,
    Purpose.CONNECTION, Purpose.POISON,
)  # fmt: skip
_FRAMING = ("connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade")
_OWN = "x-rolloutlab-"


class Unservable(Exception):
    """The demo app cannot behave as this scenario asks; each line names a key and says why."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__("\n".join(reasons))


def document(scenario: Scenario, candidate: str, seed: int) -> dict[str, Any]:
    """How both versions behave in a trial, for `live.app`; JSON can write it, in less than 900 KiB.

    Raises Unservable, with every key that the app cannot do justice to.
    """
    if reasons := [*_unservable(scenario, candidate)]:
        raise Unservable(*reasons)
    tables: dict[str, str] = {}
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "candidate": candidate,
        "seed": seed,
        "slots": scenario.service.slots,
        "queue": scenario.service.queue,
        "streams": {purpose.name: [*draws.stream(seed, purpose)] for purpose in STREAMS},
        "attributes": _attributes(scenario, candidate),
        "versions": {
            name: _version(scenario, scenario.version(name, candidate), number, tables)
            for number, name in enumerate((STABLE, CANDIDATE))
        },
        "tables": tables,
    }


# --- a version -----------------------------------------------------------------------------------


def _version(scenario: Scenario, version: Version, number: int, tables: dict[str, str]) -> dict[str, Any]:
    crash, leak, answers = version.crash, version.leak, version.answers
    return {
        "number": number,
        "start": "never" if version.start == "never" else _time(version.start, tables),
        "service_time": _time(version.service_time, tables),
        "errors": _errors(version, scenario.service.slots),
        "warm_up": _numbers(version.warm_up, "slower", "lasting"),
        "leak": None if leak is None else {**_numbers(leak, "slower", "over"), "crash": leak.crash},
        "crash": None if crash is None else _numbers(crash, *crash.model_fields_set),
        "on_sigterm": scenario.pods(version).termination.on_sigterm,
        "headers": {} if answers is None else dict(answers.headers),
        "body": "" if answers is None else answers.body,
    }


def _numbers(model: object | None, *keys: str) -> Any:
    """These values of a model as plain numbers."""
    return None if model is None else {key: float(getattr(model, key)) for key in keys}


def _time(time: Time, tables: dict[str, str]) -> dict[str, Any]:
    distribution = time.distribution()
    if isinstance(distribution, Constant):
        return {"constant": distribution.value}
    text = _table(distribution)
    name = next((name for name, other in tables.items() if other == text), str(len(tables)))
    tables[name] = text
    return {"table": name}


def _table(distribution: Distribution) -> str:
    """The quantile table's nodes as 64-bit floats, little-endian, in base64: the same bits over there."""
    return base64.b64encode(draws.table(distribution).astype("<f8").tobytes()).decode("ascii")


def _errors(version: Version, slots: int) -> dict[str, Any]:
    """Shares of what fails in any case, what fails on conditions, and under load from how many busy slots."""
    loaded = next((error for error in version.errors if error.load is not None), None)
    load = None
    if loaded is not None:
        assert loaded.load is not None
        load = {"share": float(loaded.share), "slots": ceil(loaded.load * slots - 1e-9)}
    always = {of: float(version.share_failing(of)) for of in ("requests", "users", "connections", "pods")}
    return {**always, "when": [_conditional(error) for error in version.errors if error.when], "load": load}


def _conditional(error: Errors) -> dict[str, Any]:
    return {
        "of": error.of,
        "share": float(error.share),
        "when": {_carried(name): value for name, value in error.when.items()},
    }


def _carried(attribute: str) -> str:
    """An attribute as the app finds it: names of headers in small letters."""
    return attribute.lower() if attribute.startswith("header.") else attribute


def _attributes(scenario: Scenario, candidate: str) -> list[dict[str, Any]]:
    """Attributes of users that errors depend on and no request carries: how the app finds them by user."""
    versions = [scenario.version(name, candidate) for name in (STABLE, CANDIDATE)]
    needed = {name for version in versions for error in version.errors for name in error.when}
    return [
        {"name": name, "place": place, "below": _below(values)}
        for place, (name, values) in enumerate(scenario.traffic.mix.items())
        if name in needed and name.startswith("user.")
    ]


def _below(values: Mapping[str, float]) -> list[list[Any]]:
    """Each value with the share below which it is drawn, as in `mix.kind_of_users`."""
    below = [*accumulate(values.values())]
    below[-1] = 1.0 if below[-1] > 1 - 1e-9 else below[-1]
    return [[value, float(share)] for value, share in zip(values, below, strict=True)]


# --- what it cannot do ---------------------------------------------------------------------------


def _unservable(scenario: Scenario, candidate: str) -> Iterator[str]:
    if scenario.traffic.arrivals == "closed":
        yield "traffic.arrivals: closed: the demo app draws by requests' numbers; closed users have none"
    for place, fault in enumerate(scenario.faults):
        if isinstance(fault.happening, NodeSlow | SlowDependency):
            (kind,) = fault.model_fields_set
            yield f"faults.{place}.{kind}: the demo app cannot be slowed down while it runs"
    variant = f"candidates.{candidate}" if scenario.candidates else "versions.candidate"
    for path, name in (("versions.stable", STABLE), (variant, CANDIDATE)):
        yield from _unservable_version(path, scenario, scenario.version(name, candidate))


def _unservable_version(path: str, scenario: Scenario, version: Version) -> Iterator[str]:
    for place, error in enumerate(version.errors):
        if error.of == "connections" and scenario.traffic.connections is not None:
            yield (
                f"{path}.errors.{place}.of: connections: behind a proxy the demo app does not see the "
                "clients' kept connections (traffic.connections)"
            )
    for name in version.answers.headers if version.answers is not None else ():
        if name.lower() in _FRAMING or name.lower().startswith(_OWN):
            yield f"{path}.answers.headers.{name}: the demo app sets this header itself"


# --- what is lost with another image -------------------------------------------------------------

BY_VERSION: Final = tuple(
    key for key in FIGURES
    if key.startswith(("exposure_", "harmful_", "latency_", "rollback_time", "conversion_"))
    or key in ("users_of_both", "flips", "weight_error", "sample_ratio_p")
)  # fmt: skip
"""Figures that are told by which version answered a request."""

DECLARED: Final = ("capacity_loss", "worst_capacity", "unmet_demand", "recovery_time")
"""Figures that weigh pods by the speeds which the scenario declares."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Figures that a run with a user's own image lacks, or has on a weaker footing; and why."""

    figures: tuple[str, ...]
    measured: bool
    why: str

    def __str__(self) -> str:
        names = ", ".join(self.figures)
        return f"{names}: {'measured, but ' if self.measured else ''}{self.why}" if names else self.why


def losses(scenario: Scenario, candidate: str | None = None) -> tuple[Loss, ...]:
    """What is lost where a user's own image answers in place of the demo app; with any, or that candidate."""
    unknown = [Loss(BY_VERSION, False, _NO_VERSION)] if not told_apart(scenario, candidate) else []
    return (*unknown, *_ALWAYS)


def told_apart(scenario: Scenario, candidate: str | None = None) -> bool:
    """Whether `answers` tells stable from that candidate, or from all: none has everything of another's."""
    stable = scenario.versions.stable.answers
    others = scenario.variants.values() if candidate is None else [scenario.variants[candidate]]
    for version in others:
        other = version.answers
        if stable is None or other is None:
            return False
        if _within(stable, other) or _within(other, stable):
            return False
    return True


def _within(one: Any, other: Any) -> bool:
    """Whether whatever looks like `other` may look like `one` too."""
    lower = {name.lower(): value for name, value in other.headers.items()}
    named = all(lower.get(name.lower()) == value for name, value in one.headers.items())
    return named and one.body in other.body


_NO_VERSION = (
    "nothing in versions.*.answers tells the versions' answers apart, so nobody knows who answered; guards "
    "of: candidate see no request, and what they would have stopped is not stopped"
)
_ALWAYS = (
    Loss(DECLARED, True, "as if pods were as fast, and had as many slots, as the scenario says"),
    Loss(
        tuple(key for key in FIGURES if key.startswith("latency_")),
        True,
        "the image takes its own time, not that drawn by the request's number: calibrate, or what is "
        "predicted is another service's",
    ),
    Loss(
        ("failed_requests", "blast_requests", "blast_users", "users_harmed", "peak_failure_share"),
        True,
        "an image fails as it does: errors, crash, leak, warm_up, start and on_sigterm of the scenario are "
        "predicted, not brought about, and other requests fail than in the prediction",
    ),
    Loss((), True, "which pod answered is not known, nor a full waiting room from any other 503"),
)
