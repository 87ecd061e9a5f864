"""A comparison's folder: made beside its place, then moved there, so that nothing is half-written or lost."""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from reports import spread
from reports.compare import dumps
from scenarios.codec import RecordError
from scenarios.names import file_name
from scenarios.record import ARM, Record, read, write

RUNS = Path("runs")
COMPARISON, VALUES, PROVENANCE, RECORDS, PAGE, CHARTS = (
    "comparison.json",
    "values.json",
    "provenance.json",
    "records",
    "report.html",
    "charts",
)
_OURS = (COMPARISON, VALUES, PROVENANCE, RECORDS, PAGE, CHARTS)
_FORMAT = "rolloutlab.comparison/1"


class FolderError(OSError):
    """A folder cannot be used; the text says which and why."""


def default(name: str, file: Path | None = None) -> Path:
    """Where results of a scenario of that name go, read from `file` or (None) from the library.

    Below `runs` in the current folder, under the scenario's name. Where another file's results stand under
    it, or it is the name of a world of the library, a short hash of the file's path tells the two apart.
    """
    place = RUNS / file_name(name)
    if file is None:
        return place
    source, holder = source_of(file), _holder(place)
    ours = (files("scenarios") / "library" / f"{place.name}.yaml").is_file()
    if not ours and holder in (None, source):
        return place
    return place.with_name(
        f"{place.name}-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:6]}"
    )


def source_of(file: Path | None) -> str:
    """What provenance calls the origin of a scenario: the file's whole path, or the library."""
    return "library" if file is None else str(file.resolve())


def _holder(place: Path) -> str | None:
    """The source of the results in a folder, or of the trials in it; None where nothing tells."""
    for path in (place / PROVENANCE, *sorted(place.glob(f"*/{PROVENANCE}"))):
        with suppress(RecordError):
            source = _json(path).get("source")
            if isinstance(source, str):
                return source
    return None


@contextmanager
def prepared(target: Path) -> Iterator[Path]:
    """A folder to build results in; its entries replace those of `target` when the block ends well.

    Other entries of `target` stay. Raises FolderError beforehand where the place cannot be written, or holds
    entries of the same names that no comparison of ours made.
    """
    target = target.absolute()
    _refuse_foreign(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise FolderError(f"{target}: cannot be written: {error.strerror or error}") from None
    try:
        yield workshop
        _install(workshop, target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _refuse_foreign(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise FolderError(f"{target}: is a file, expected a folder")
    if target.is_dir() and not (target / COMPARISON).is_file():
        there = [name for name in _OURS if (target / name).exists()]
        if there:
            raise FolderError(f"{target}: holds {', '.join(there)} of something else; choose another folder")
    if target.is_dir() and not os.access(target, os.W_OK):
        raise FolderError(f"{target}: cannot be written: permission denied")


def _install(workshop: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for made in sorted(workshop.iterdir()):
        place = target / made.name
        if place.is_dir() and not place.is_symlink():
            # a folder cannot be renamed over another: the old one steps aside first
            aside = workshop / f".old-{made.name}"
            place.rename(aside)
        made.replace(place)


def provenance(command: str, file: Path | None = None) -> dict[str, Any]:
    """How a result came about: versions, command, host, time, source. Never part of a digest."""
    packages = ("rolloutlab", "numpy", "numba", "simpy", "scipy", "pydantic", "matplotlib")
    return {
        "command": command,
        "host": platform.node(),
        "machine": platform.machine(),
        "source": source_of(file),
        "python": platform.python_version(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in packages},
    }


def versions(folder: Path) -> dict[str, str]:
    """The versions of packages that made what lies in a folder; empty where nothing tells."""
    try:
        told = _json(folder / PROVENANCE).get("versions")
    except RecordError:
        return {}
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}


def store(
    workshop: Path,
    document: Mapping[str, Any],
    provenance: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
) -> None:
    """Put a comparison's document, every seed's values and the provenance into the folder being built."""
    (workshop / COMPARISON).write_text(dumps(document), encoding="utf-8")
    if values is not None:
        compact = json.dumps(
            values, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        (workshop / VALUES).write_text(compact + "\n", encoding="utf-8")
    text = json.dumps(provenance, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (workshop / PROVENANCE).write_text(text, encoding="utf-8")


def copy(folder: Path, workshop: Path, target: Path) -> None:
    """Take document, provenance and records along to another place; nothing to do for the same."""
    if folder.resolve() == target.resolve():
        return
    for name in (COMPARISON, PROVENANCE):
        shutil.copyfile(folder / name, workshop / name)
    if (folder / VALUES).is_file():
        shutil.copyfile(folder / VALUES, workshop / VALUES)
    if (folder / RECORDS).is_dir():
        shutil.copytree(folder / RECORDS, workshop / RECORDS)


def stored(folder: Path, *, records: bool = True) -> tuple[dict[str, Any], dict[str, Any], Sequence[Record]]:
    """The document, provenance and (if wanted) records of a comparison's folder. Raises RecordError."""
    document = _json(folder / COMPARISON)
    if document.get("format") != _FORMAT:
        raise RecordError(f"{folder}: its format is {document.get('format')!r}; this version reads {_FORMAT}")
    return document, _json(folder / PROVENANCE), kept(folder / RECORDS) if records else []


def values(folder: Path) -> dict[str, Any] | None:
    """Every seed's values, if the folder has them. Raises RecordError where they are something else."""
    if not (folder / VALUES).is_file():
        return None
    content = _json(folder / VALUES)
    if content.get("format") != spread.FORMAT:
        raise RecordError(f"{folder / VALUES}: its format is {content.get('format')!r}, not {spread.FORMAT}")
    return content


def kept(folder: Path) -> list[Record]:
    """The records in a folder, in the order in which the scenario names their strategies and candidates."""
    records = [read(place) for place in folder.iterdir()] if folder.is_dir() else []
    return sorted(records, key=_place)


def keep(records: Sequence[Record], folder: Path) -> None:
    """Write records into a folder, one folder each; it is there when all of them are."""
    beside = folder.with_name(f".{folder.name}")
    for record in records:
        trial = record.trial
        name = "--".join((trial.strategy, trial.candidate or "stable", f"seed-{trial.seed}"))
        write(record, beside / file_name(name))
    beside.rename(folder)


def _place(record: Record) -> tuple[int, int]:
    scenario = record.trial.scenario
    strategies, candidates = [ARM, *scenario.strategies], [None, *scenario.variants]
    return strategies.index(record.trial.strategy), candidates.index(record.trial.candidate)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise RecordError(f"{path}: expected an object")
    return content
