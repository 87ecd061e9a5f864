"""Which objects a watcher knows, and which changes an event or a list of all makes of that. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

JSON: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["added", "modified", "deleted"]
Step: TypeAlias = tuple[Kind, JSON]


class Strange(Exception):
    """An event or a list that is none."""


@dataclass(slots=True)
class Inventory:
    """Objects by UID, as last told. Every transition between two states told is told once, in order."""

    known: dict[str, JSON] = field(default_factory=dict)

    def listed(self, items: Iterable[object]) -> list[Step]:
        """What must have happened since, if these are all objects now: deletions first. Raises Strange."""
        now = {_uid(item): item for item in map(_object, items)}
        gone: list[Step] = [("deleted", item) for uid, item in self.known.items() if uid not in now]
        put = sorted(now.values(), key=lambda item: _order(version(item)))
        told = [step for item in put for step in self._put(item)]
        self.known = {uid: self.known.get(uid, item) for uid, item in now.items()}
        self.known.update((_uid(item), item) for _, item in told)
        return gone + told

    def event(self, kind: str, item: object) -> list[Step]:
        """What an ADDED, MODIFIED or DELETED changes; nothing if that is known already. Raises Strange."""
        found = _object(item)
        if kind not in ("ADDED", "MODIFIED", "DELETED"):
            raise Strange(f"an event of type {kind[:40]!r}")
        if kind == "DELETED":
            return [("deleted", found)] if self.known.pop(_uid(found), None) is not None else []
        steps = self._replaced(found) + self._put(found)
        if steps:
            self.known[_uid(found)] = found
        return steps

    def _put(self, item: JSON) -> list[Step]:
        before = self.known.get(_uid(item))
        if before is None:
            return [("added", item)]
        return [("modified", item)] if _newer(version(item), version(before)) else []

    def _replaced(self, item: JSON) -> list[Step]:
        """An object of the same name that is another is gone, whether or not that was told."""
        uid, name = _uid(item), _name(item)
        gone = [other for other, known in self.known.items() if other != uid and _name(known) == name]
        return [("deleted", self.known.pop(other)) for other in gone]


def version(item: Mapping[str, Any]) -> str:
    """The resourceVersion of an object or list; "" if it has none."""
    metadata = item.get("metadata")
    found = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def _object(item: object) -> JSON:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(metadata, dict):
        raise Strange("an object without metadata")
    if not isinstance(metadata.get("uid"), str) or not isinstance(metadata.get("name"), str):
        raise Strange("an object without name and UID")
    return item


def _uid(item: JSON) -> str:
    return str(item["metadata"]["uid"])


def _name(item: JSON) -> tuple[object, str]:
    return item["metadata"].get("namespace"), str(item["metadata"]["name"])


def _order(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0


def _newer(this: str, before: str) -> bool:
    """Whether a version is later. They are decimal numbers that grow; if not, any other is later."""
    if _order(this) and _order(before):
        return _order(this) > _order(before)
    return this != before
