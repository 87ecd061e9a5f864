"""One context of a kubeconfig, read once: what the file says later has no effect. Nothing is run or sent."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.document import MAX_BYTES, compose, decode, plain
from scenarios.errors import ScenarioError, harmless, shown

_PARTS = {"contexts": "context", "clusters": "cluster", "users": "user"}
_FILES = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}


class Unreadable(Exception):
    """A kubeconfig, or one of its contexts, cannot be used; the text says why and what there is instead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A context, its cluster and user as the file has them, paths made absolute; `folder` is the file's."""

    context: str
    server: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    folder: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What is named in a file, and the file's folder."""

    content: Mapping[str, Any]
    folder: Path


def read_entry(context: str, kubeconfig: Path | None = None) -> Entry:
    """The context of that file; of those that KUBECONFIG names, or of ~/.kube/config, if it is None.

    Of several files the first that has a name decides, as with kubectl. Raises Unreadable.
    """
    files = _files(kubeconfig)
    documents = [(path, _document(path)) for path in files]
    contexts = _named(documents, "contexts")
    if context not in contexts:
        raise Unreadable(_unknown(context, contexts, files))
    chosen = contexts[context].content
    cluster = _pick(_named(documents, "clusters"), chosen.get("cluster"), "cluster", context)
    user = _pick(_named(documents, "users"), chosen.get("user"), "user", context)
    return _entry(context, cluster, user)


def _entry(context: str, cluster: _Found, user: _Found) -> Entry:
    server = cluster.content.get("server")
    if not isinstance(server, str) or not server.lower().startswith(("https://", "http://")):
        raise Unreadable(f"context {shown(context)}: expected its cluster to have a server, an http(s) URL")
    if "auth-provider" in user.content:
        raise Unreadable(f"context {shown(context)}: auth-provider is not supported; use exec or a token")
    return Entry(
        context,
        server.rstrip("/"),
        _absolute(cluster, "cluster"),
        _absolute(user, "user"),
        str((user if "exec" in user.content else cluster).folder),
    )


def _files(kubeconfig: Path | None) -> list[Path]:
    if kubeconfig is not None:
        return [kubeconfig]
    named = [Path(name).expanduser() for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    if not named:
        return [Path("~/.kube/config").expanduser()]
    there = [path for path in named if path.exists()]
    if not there:
        raise Unreadable(f"KUBECONFIG names no file that exists: {', '.join(shown(str(p)) for p in named)}")
    return there


def _document(path: Path) -> Mapping[str, Any]:
    origin = harmless(str(path))
    try:
        documents, _ = compose(decode(_content(path), origin), origin, scenario=False)
    except OSError as error:
        raise Unreadable(f"{origin}: cannot be read: {error.strerror}") from None
    except ScenarioError as error:
        raise Unreadable(f"no kubeconfig: {error}") from None
    document = plain(documents[0]) if len(documents) == 1 else None
    if not isinstance(document, dict):
        raise Unreadable(f"{origin}: no kubeconfig: expected one mapping")
    return document


def _content(path: Path) -> bytes:
    """At most one byte more than is allowed. A pipe or device would never end: OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "no regular file")
        return file.read(MAX_BYTES + 1)


def _named(documents: Iterable[tuple[Path, Mapping[str, Any]]], part: str) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for path, document in documents:
        for name, content in _items(path, document, part):
            found.setdefault(name, _Found(content, path.absolute().parent))
    return found


def _items(path: Path, document: Mapping[str, Any], part: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    items = document.get(part)
    if not isinstance(items, list | None):
        raise Unreadable(f"{harmless(str(path))}: no kubeconfig: {part}: expected a list")
    for index, item in enumerate(items or []):
        content = item.get(_PARTS[part]) if isinstance(item, dict) else None
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(content, dict | None) or not isinstance(name, str):
            raise Unreadable(
                f"{harmless(str(path))}: no kubeconfig: {part}[{index}]: expected name and {_PARTS[part]}"
            )
        yield name, content or {}


def _pick(found: Mapping[str, _Found], name: object, what: str, context: str) -> _Found:
    if isinstance(name, str) and name in found:
        return found[name]
    raise Unreadable(f"context {shown(context)}: its {what} {shown(name)} is not in the kubeconfig")


def _absolute(found: _Found, what: str) -> dict[str, Any]:
    content = dict(found.content)
    for key in _FILES[what]:
        if isinstance(content.get(key), str):
            content[key] = str(found.folder / content[key])
    return content


def _unknown(context: str, contexts: Iterable[str], files: Iterable[Path]) -> str:
    known = ", ".join(sorted(harmless(name) for name in contexts)) or "none"
    where = ", ".join(harmless(str(path)) for path in files)
    return f"no context {shown(context)} in {where}; contexts there: {known}"
