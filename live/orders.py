"""What one child of the generator is to do: its requests, its settings, and the files that hold them.

Light on purpose: the child imports this and starts at once.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEDULE, SETTINGS = "schedule.npz", "replay.json"


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests in order of due time, a column each.

    index int64, due float64 seconds of the trial, user int32; kind uint8: which headers and cookies; holder
    int32: whose connection it uses; chance float64[n, retries]: draws of the waits before further tries.
    """

    index: NDArray[np.int64]
    due: NDArray[np.float64]
    user: NDArray[np.int32]
    kind: NDArray[np.uint8]
    holder: NDArray[np.int32]
    chance: NDArray[np.float64]

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """All of them, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, slots=True)
class Carried:
    """What users with the same attributes send."""

    headers: dict[str, str]
    cookies: dict[str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """Bounds of a kept connection."""

    idle: float
    requests: int
    age: float


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a child is told besides its requests. `known`: what each version's answers look like."""

    scheme: str
    ip: str
    port: int
    authority: str
    path: str
    start: float
    timeout: float
    patience: float
    pauses: tuple[float, ...]
    jitter: float
    kept: Kept | None
    carried: tuple[Carried, ...]
    known: Mapping[str, Any]


def write(folder: Path, told: Settings, mine: Requests) -> None:
    """What one child is to do, in a folder of its own."""
    np.savez(folder / SCHEDULE, **mine.columns)  # type: ignore[arg-type]  # the stub fears for allow_pickle
    (folder / SETTINGS).write_text(json.dumps(asdict(told)))


def read(folder: Path) -> tuple[Settings, Requests]:
    """What `write` wrote."""
    told = json.loads((folder / SETTINGS).read_text())
    told["kept"] = None if told["kept"] is None else Kept(**told["kept"])
    told["carried"] = tuple(Carried(**one) for one in told["carried"])
    told["pauses"] = tuple(told["pauses"])
    with np.load(folder / SCHEDULE, allow_pickle=False) as columns:
        return Settings(**told), Requests(**{name: columns[name] for name in columns.files})
