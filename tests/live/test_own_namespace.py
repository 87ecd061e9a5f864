"""The namespace of a trial is gone afterwards, whatever becomes of those who are told of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from live import runs
from live.api import Refused
from live.journal import Journal, Run
from live.namespaces import Marks
from live.own_namespace import own_namespace
from live.runs import Known
from live.target import Target

RUN = Run("0a1b2c3d", "ann@desk", "kind-try", "c1", "https://127.0.0.1:1", "2026-11-20T10:00:00Z", "desk", 42)
MARKS = Marks(RUN.id, 0, RUN.owner, datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(hours=1), "f" * 32)


@dataclass
class Cluster:
    """Namespaces as an API server keeps them."""

    there: dict[str, Any] = field(default_factory=dict)
    interrupts: int = 0
    target: Target = field(default_factory=lambda: Target("kind-try", RUN.server, RUN.cluster, "v1"))

    def create(self, _path: str, manifest: Any) -> Any:
        name = manifest["metadata"]["name"]
        self.there[name] = {**manifest, "metadata": {**manifest["metadata"], "uid": "u1"}}
        return self.there[name]

    def get(self, path: str, **_query: str) -> Any:
        if (name := path.rpartition("/")[2]) not in self.there:
            raise Refused(404, "NotFound", f"{name} not found")
        return self.there[name]

    def list(self, _path: str, **_query: str) -> Any:
        return {"items": []}

    def delete(self, path: str, *, uid: str, grace: int | None = None) -> None:
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        assert (uid, grace) == ("u1", None)
        del self.there[path.rpartition("/")[2]]


@pytest.mark.parametrize("broken", [BrokenPipeError, SystemExit, KeyboardInterrupt])
def test_it_is_deleted_though_nobody_reads_what_is_told(tmp_path: Path, broken: type[BaseException]) -> None:
    """An interrupt ends a whole pipeline, as of `live run 2>&1 | tee log`: what is told next cannot be."""
    cluster, told = Cluster(), list[str]()

    def tell(text: str) -> None:
        told.append(text)
        if text.startswith("delete"):
            raise broken

    with Journal.begin(tmp_path, RUN) as journal:
        api: Any = cluster
        with pytest.raises(broken), own_namespace(api, journal, MARKS, tell):
            assert [*cluster.there] == [MARKS.name]
            raise KeyboardInterrupt
    assert len(told) == 2
    assert cluster.there == {}
    (known,) = runs.known(tmp_path)
    assert isinstance(known, Known)
    assert known.claims == ()


@pytest.mark.parametrize(("interrupts", "left"), [(1, []), (2, [MARKS.name])])
def test_the_first_interrupt_cleans_up_though_it_comes_in_the_clean_up(
    tmp_path: Path, interrupts: int, left: list[str]
) -> None:
    cluster = Cluster(interrupts=interrupts)
    with Journal.begin(tmp_path, RUN) as journal:
        api: Any = cluster
        with pytest.raises(KeyboardInterrupt), own_namespace(api, journal, MARKS, lambda _text: None):
            pass
    assert [*cluster.there] == left


def test_the_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    cluster = Cluster(interrupts=1)
    with Journal.begin(tmp_path, RUN) as journal:
        api: Any = cluster
        with pytest.raises(KeyboardInterrupt), own_namespace(api, journal, MARKS, lambda _text: None):
            raise KeyboardInterrupt
    assert [*cluster.there] == [MARKS.name]
