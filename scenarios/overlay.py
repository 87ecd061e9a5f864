"""Delays that were measured on one cluster, to be laid over a scenario in place of what it says.

`calibrate` writes them, from idle and no-change operations, never from the release that is to be predicted;
`agree` predicts with them. An overlay is a YAML file of its own with its provenance. Reading is
as strict as of scenarios. Decides nothing; measures nothing.
"""

import math
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from scenarios.cluster import Delays as Said
from scenarios.complaints import complaints
from scenarios.distributions import Constant, Distribution, Floats
from scenarios.document import Mapping, Scalar, compose, plain
from scenarios.errors import Problem, ScenarioError, harmless, shown
from scenarios.load import as_document, from_document
from scenarios.model import Model, Percentile, Text, Time
from scenarios.provenance import ClusterUid, Moment, RunId
from scenarios.routers import IngressNginx, KubeProxy
from scenarios.scenario import Scenario
from scenarios.semantics.kubelet import RELIST_AT_LEAST, SECOND
from scenarios.units import Duration, write_duration

FORMAT: Final = "rolloutlab.overlay/1"
Document = dict[str, Any]
_LEAST = RELIST_AT_LEAST / SECOND
_GRID = 400
"""Parts of equal probability in which two distributions are added."""
_LEVELS = (0, *(p / 2 for p in range(1, 200)), 99.9, 100)


class Origin(Model):
    """Where the numbers come from. `runs` are the invocations of live mode they were measured in."""

    cluster_uid: ClusterUid = Field(description="UID of the namespace kube-system")
    context: Text = Field(description="of the kubeconfig")
    versions: dict[Text, Text] = Field(description="of what was measured and what measured it")
    made: Moment = Field(description="when")
    runs: Annotated[tuple[RunId, ...], Field(min_length=1)] = Field(description="run ids")

    @property
    def made_at(self) -> datetime:
        return datetime.fromisoformat(self.made)


class Quantified(Model):
    """One delay: its empirical quantiles, from p0 to p100, and how many samples they are of."""

    quantiles: dict[Percentile, Duration] = Field(description="from p0 to p100; linear in between")
    samples: int = Field(strict=True, ge=1, le=10_000_000, description="how many were measured")

    @model_validator(mode="after")
    def _grows(self) -> "Quantified":
        self.distribution()
        return self

    def distribution(self) -> Distribution:
        return Time.model_construct(quantiles=self.quantiles).distribution()

    @property
    def mean(self) -> float:
        return self.distribution().mean()


class Delays(Model):
    """What was measured; a key that is left out keeps what the scenario says.

    Kubernetes' own delays as in `cluster.delays`. Two are clocks' periods there and lags here, evenly spread
    over the period (of relist: beyond the least that the model of the kubelet has), and `removal` is there
    what its lag has beyond the kubelet's clock; what a scenario says of these is kept unless the mean lag
    contradicts it. Two are constants there: the mean is taken.
    """

    api: Quantified | None = Field(None, description="a write sent to its answer")
    container: Quantified | None = Field(None, description="pod created to process running")
    relist: Quantified | None = Field(None, description="process running to seen by the kubelet")
    readiness: Quantified | None = Field(
        None, description="probe answered to Ready seen; told only: the simulator's is 10ms"
    )
    endpoints: Quantified | None = Field(None, description="EndpointSlice changed to seen by one proxy")
    sigterm: Quantified | None = Field(None, description="pod deleted to SIGTERM begun")
    address: Quantified | None = Field(None, description="process gone to address gone")
    removal: Quantified | None = Field(None, description="address gone to pod gone")
    start: Quantified | None = Field(
        None, description="process running to listening, beyond what the version declares"
    )
    service: Quantified | None = Field(
        None, description="a request's time at an idle pod, beyond what the version declares"
    )
    proxy_sync: Quantified | None = Field(
        None, description="kube-proxy: from one update of the rules to the next while changes keep coming"
    )
    ingress_sync: Quantified | None = Field(
        None, description="ingress-nginx: from one sync to the next while changes keep coming"
    )
    ingress_poll: Quantified | None = Field(
        None, description="ingress-nginx: a change that it has heard of, after long quiet, to in force"
    )

    @model_validator(mode="after")
    def _some(self) -> "Delays":
        if not self.model_fields_set:
            raise ValueError("expected one or more measured delays")
        return self


class Overlay(Model):
    """The file."""

    format: Literal["rolloutlab.overlay/1"] = Field(FORMAT, description="the form and its version")
    origin: Origin = Field(description="where the numbers come from")
    delays: Delays = Field(description="the numbers")


# --- reading and writing ------------------------------------------------------------------------------


def loads(text: str, origin: str = "overlay") -> Overlay:
    """The overlay of a text. Raises ScenarioError with every problem: path, line, value, what was allowed."""
    documents, problems = compose(text, origin)
    root = _one_mapping(documents, problems, harmless(origin))
    try:
        found = Overlay.model_validate(plain(root))
    except ValidationError as error:
        told = {(problem.path, problem.line) for problem in problems}
        problems += [p for p in complaints(error, root, Overlay) if (p.path, p.line) not in told]
    if problems:
        raise ScenarioError(sorted(problems, key=lambda problem: problem.line or 0))
    return found


def _one_mapping(documents: list[Any], problems: list[Problem], origin: str) -> Mapping:
    """The only document, of this format. Raises ScenarioError."""
    root = documents[0] if len(documents) == 1 else None
    if not isinstance(root, Mapping):
        text = f"expected one document with keys, beginning with format: {FORMAT}"
        raise ScenarioError([*problems, Problem("", None, text, origin=origin)])
    node = root.entries.get("format")
    value = node.value if isinstance(node, Scalar) else None
    if value != FORMAT:
        line = root.keys["format"].line if node is not None else root.mark.line
        got = None if node is None else shown(value)
        raise ScenarioError([*problems, Problem("format", line, f"expected {FORMAT}", got, origin)])
    return root


def dumps(overlay: Overlay) -> str:
    """The overlay as YAML that `loads` makes an equal one of."""
    document = overlay.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def quantified(values: list[float]) -> Quantified:
    """Measured seconds by their quantiles, to the microsecond: all up to 21, else each 5 % and the tail.

    Raises ValueError for no values, or negative ones.
    """
    if not values or min(values) < 0:
        raise ValueError("expected measured times of 0 s or more, at least one")
    ordered = np.sort(values)
    levels = np.linspace(0, 100, len(ordered)) if 1 < len(ordered) <= 21 else np.arange(0, 101, 5)
    if len(ordered) > 100:
        levels = np.unique(np.append(levels, [99.0, 99.5]))
    found = np.maximum.accumulate(np.round(np.percentile(ordered, levels), 6))
    named = {
        f"p{level:.4f}".rstrip("0").rstrip("."): write_duration(x)
        for level, x in zip(levels, found, strict=True)
    }
    return Quantified.model_validate({"quantiles": named, "samples": len(ordered)})


# --- use ----------------------------------------------------------------------------------------------


def applied(scenario: Scenario, overlay: Overlay) -> Scenario:
    """The scenario with what was measured in place of what it says; `readiness` has no key and is told only.

    Start-up and service time are what the version declares and, independent of it, what was measured beyond:
    the sum of the two distributions, to 1/400 of share. What never starts still never does.
    """
    document, delays = as_document(scenario), overlay.delays
    _clusters(document["cluster"]["delays"], delays, scenario.cluster.delays)
    _versions(document, scenario, delays)
    for name, router in scenario.routers.items():
        if isinstance(router, KubeProxy):
            _set(document["routers"][name], "min_sync_period", _mean(delays.proxy_sync))
        elif isinstance(router, IngressNginx):
            _set(document["routers"][name], "sync_period", _mean(delays.ingress_sync))
            if delays.ingress_poll is not None:
                _set(document["routers"][name], "poll", _period(delays.ingress_poll, router.poll))
    return from_document(document)


def _clusters(document: Document, delays: Delays, said: Said) -> None:
    for key in ("api", "container", "endpoints"):
        measured: Quantified | None = getattr(delays, key)
        if measured is not None:
            document[key] = measured.model_dump(mode="json", include={"quantiles"})
    relist = said.relist if delays.relist is None else _period(delays.relist, said.relist, _LEAST)
    _set(document, "relist", relist)
    _set(document, "sigterm", _mean(delays.sigterm))
    _set(document, "address", _mean(delays.address))
    if delays.removal is not None:
        _set(document, "removal", _clean_up(delays.removal, said.removal or Said().removal, relist))


def _versions(document: Document, scenario: Scenario, delays: Delays) -> None:
    """Start-up and service time of every version there is, by themselves where the file names variants."""
    versions = {("versions", "stable"): scenario.versions.stable}
    versions |= {("versions", "candidate"): scenario.versions.candidate}
    versions |= {("candidates", name): version for name, version in scenario.candidates.items()}
    for (kind, name), version in versions.items():
        written = document[kind][name]
        if delays.start is not None and version.start != "never":
            written["start"] = _sum(version.start.distribution(), delays.start.distribution())
        if delays.service is not None:
            declared = version.service_time.distribution()
            written["service_time"] = _sum(declared, delays.service.distribution())


def _set(document: Document, key: str, seconds: float | None) -> None:
    if seconds is not None:
        document[key] = write_duration(round(seconds, 6))


def _mean(measured: Quantified | None) -> float | None:
    return None if measured is None else measured.mean


def _period(measured: Quantified, said: float, least: float = 0.0) -> float:
    """Of a clock whose ticks come late by `least` and, evenly spread, up to a period.

    Programs have it as a constant, which some twenty lags give to 13 % only.
    """
    return said if _fits(measured, least + said / 2, said) else 2 * max(0.0, measured.mean - least)


def _clean_up(measured: Quantified, said: float, period: float) -> float:
    """Of a lag that is evenly spread over a clock's period, but where the clean-up c takes longer.

    Its mean is period / 2 + c² / (2 period) for c up to the period, and c above.
    """
    if said < period and _fits(measured, period / 2 + said**2 / (2 * period), period):
        return said
    mean = measured.mean
    return mean if mean >= period else math.sqrt(max(0.0, (2 * mean - period) * period))


def _fits(measured: Quantified, mean: float, period: float) -> bool:
    """Whether it can be of that mean: by three standard errors of lags that are spread over the period."""
    return abs(measured.mean - mean) <= 3 * period / math.sqrt(12 * measured.samples)


def _sum(one: Distribution, other: Distribution) -> Document:
    """The distribution of the sum of two independent times, as written: by its quantiles."""
    if isinstance(one, Constant) and isinstance(other, Constant):
        return {"constant": write_duration(round(one.value + other.value, 6))}
    middles = (np.arange(_GRID) + 0.5) / _GRID
    sums = np.sort(np.add.outer(_parts(one, middles), _parts(other, middles)).ravel())
    levels = np.array(_LEVELS)
    found = np.round(np.percentile(sums, levels), 6)
    return {"quantiles": {f"p{level:g}": write_duration(x) for level, x in zip(levels, found, strict=True)}}


def _parts(one: Distribution, middles: Floats) -> Floats:
    """A value for each part of equal probability, moved so that their mean is exactly the distribution's."""
    values = np.asarray(one.quantile(middles), np.float64)
    return np.asarray(np.maximum(values + one.mean() - values.mean(), 0.0))
