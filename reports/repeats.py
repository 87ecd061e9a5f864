"""The live records of a run's folder that may be compared with a prediction; everything else is refused.

A record counts only with its provenance: which cluster, which run, the raw rows with their digest. Runs that
were not conclusive are left out and counted, never read as agreement or as its opposite.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from reports.facets import Run, run_of
from reports.words import plain
from scenarios import record as records
from scenarios.decode import RecordError
from scenarios.load import digest
from scenarios.overlay import Overlay
from scenarios.provenance import LiveProvenance
from scenarios.scenario import Scenario

PROVENANCE = "provenance.json"
MOST_BYTES = 10_000_000


class AgreementError(RecordError):
    """These records, or this overlay, cannot be compared; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One live run of a strategy with a candidate, by the name of its folder."""

    name: str
    strategy: str
    candidate: str
    provenance: LiveProvenance
    run: Run


@dataclass(frozen=True, slots=True)
class Repeats:
    """All conclusive runs of one scenario at one time scale on one cluster, and what was left out and why."""

    scenario: Scenario
    time_scale: float
    cluster_uid: str
    context: str
    repeats: tuple[Repeat, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """Strategies and candidates that were tried, in the scenario's order, the candidates' first."""
        tried = {(one.strategy, one.candidate) for one in self.repeats}
        order = ((s, c) for c in self.scenario.variants for s in self.scenario.strategies)
        return tuple(cell for cell in order if cell in tried)

    def of(self, strategy: str, candidate: str) -> tuple[Repeat, ...]:
        return tuple(r for r in self.repeats if (r.strategy, r.candidate) == (strategy, candidate))

    @property
    def runs(self) -> tuple[str, ...]:
        """The run ids."""
        return tuple(sorted({repeat.provenance.run for repeat in self.repeats}))


def read(folder: Path) -> Repeats:
    """The repeats of a run's folder, or of a folder of such. Raises AgreementError."""
    places = sorted(_places(folder))
    if not places:
        raise AgreementError(
            f"{folder}: holds no live records; expected folders STRATEGY.CANDIDATE.REPEAT with record.json"
        )
    told = [(place, provenance(place)) for place in places]
    left_out = tuple(
        (place.name, plain(one.why or "no reason given")) for place, one in told if not one.conclusive
    )
    used = [(place, one) for place, one in told if one.conclusive]
    if not used:
        raise AgreementError(f"{folder}: none of the {len(told)} runs is conclusive: {left_out[0][1]}")
    _same(used)
    return _together(used, left_out)


def _places(folder: Path) -> Iterator[Path]:
    """Folders of records, in the folder or one below."""
    if not folder.is_dir():
        raise AgreementError(f"{folder}: is no folder")
    for place in folder.iterdir():
        if place.is_dir() and not place.name.startswith("."):
            if (place / "record.json").is_file():
                yield place
            else:
                inside = (one for one in place.iterdir() if one.is_dir() and not one.name.startswith("."))
                yield from (one for one in inside if (one / "record.json").is_file())


def provenance(place: Path) -> LiveProvenance:
    """What stands beside a record, its raw rows being there and unchanged. Raises AgreementError."""
    try:
        found = LiveProvenance.model_validate(json.loads(_bytes(place / PROVENANCE).decode()))
    except OSError as error:
        raise AgreementError(f"{place / PROVENANCE}: cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        what = "is missing: it is no live measurement" if first["type"] == "missing" else first["msg"]
        raise AgreementError(f"{place / PROVENANCE}: {key}: {what}") from None
    except (ValueError, RecursionError):
        raise AgreementError(f"{place / PROVENANCE}: is not JSON") from None
    raw = place.parent / found.rows.file
    if not raw.is_file():
        raise AgreementError(f"{place}: its raw rows, {found.rows.file}, are not beside it")
    if _sha256(raw) != found.rows.sha256:
        raise AgreementError(f"{raw}: is not what {PROVENANCE} of {place.name} was written for")
    return found


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise AgreementError(f"{path}: larger than {MOST_BYTES // 1_000_000} MB")
    return data


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(used: Sequence[tuple[Path, LiveProvenance]]) -> None:
    """Refuse records of more than one cluster, time scale or kind of image, and copies: no repeats."""
    seen: dict[tuple[str, str], Path] = {}
    for place, one in used:
        twice = seen.setdefault((one.run, one.rows.file), place)
        if twice is not place:
            raise AgreementError(f"{place} and {twice} are the same measurement: leave one of them out")
    alike = (
        ("clusters", "cluster_uid"),
        ("time scales", "time_scale"),
        ("images (one's own: True; the demo app: False)", "own_images"),
    )
    for word, key in alike:
        found: dict[object, str] = {}
        for place, one in used:
            found.setdefault(getattr(one, key), place.name)
        if len(found) > 1:
            each = ", ".join(f"{value} ({name})" for value, name in found.items())
            raise AgreementError(f"records of different {word} cannot be put together: {each}")


def _together(used: Sequence[tuple[Path, LiveProvenance]], left_out: tuple[tuple[str, str], ...]) -> Repeats:
    """Read the records one after the other; only what is kept of each stays."""
    scenario: Scenario | None = None
    first, known, found = "", "", []
    for place, one in used:
        record = records.read(place)
        trial = record.trial
        if trial.candidate is None or record.outcome is None:
            raise AgreementError(f"{place}: is a control arm, not a release")
        if trial.strategy not in trial.scenario.strategies or trial.candidate not in trial.scenario.variants:
            raise AgreementError(f"{place}: its scenario does not know its strategy or candidate")
        mine = digest(trial.scenario)
        if scenario is None:
            scenario, first, known = trial.scenario, place.name, mine
        if mine != known:
            raise AgreementError(
                f"records of different scenarios cannot be put together: {first}, {place.name}"
            )
        found.append(Repeat(place.name, trial.strategy, trial.candidate, one, run_of(record)))
    assert scenario is not None
    head = used[0][1]
    return Repeats(scenario, head.time_scale, head.cluster_uid, head.context, tuple(found), left_out)


def refuse(overlay: Overlay, measured: Repeats) -> None:
    """Raise AgreementError for an overlay that knows of what it is to predict.

    That is one of the same run, or one made after a release began.
    """
    shared = sorted({*overlay.origin.runs} & {*measured.runs})
    if shared:
        raise AgreementError(
            f"the overlay was measured in the run it is to predict, {shared[0]}: that would be no prediction"
        )
    earliest = min(measured.repeats, key=lambda repeat: repeat.provenance.began)
    if overlay.origin.made_at >= earliest.provenance.began:
        raise AgreementError(
            f"the overlay was made at {overlay.origin.made}, after the release {earliest.name} began "
            f"({earliest.provenance.started}): that would be no prediction"
        )


def elsewhere(overlay: Overlay, measured: Repeats) -> str | None:
    """What is said of an overlay of another cluster: allowed, since that may still be a prediction."""
    if overlay.origin.cluster_uid == measured.cluster_uid:
        return None
    return (
        f"the overlay is of another cluster ({plain(overlay.origin.context)}, {overlay.origin.cluster_uid}) "
        f"than the runs ({plain(measured.context)}, {measured.cluster_uid})"
    )
