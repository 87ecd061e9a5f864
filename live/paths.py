"""Paths of the Kubernetes API: made from names, and read back as what they are about. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}


@dataclass(frozen=True, slots=True)
class Resource:
    """What a path is about; `plural` with its subresource as in RBAC; "" for what it does not name."""

    namespace: str
    plural: str
    name: str


def core(namespace: str, plural: str, name: str = "") -> str:
    """Of the core group; without a namespace, of what belongs to none. ValueError for a name that is none."""
    return _path("/api/v1", namespace, plural, name)


def apps(namespace: str, plural: str, name: str = "") -> str:
    """Of apps/v1: deployments, replicasets. ValueError for a name that is none."""
    return _path("/apis/apps/v1", namespace, plural, name)


def discovery(namespace: str, plural: str = "endpointslices", name: str = "") -> str:
    """Of discovery.k8s.io/v1. ValueError for a name that is none."""
    return _path("/apis/discovery.k8s.io/v1", namespace, plural, name)


def networking(namespace: str, plural: str = "ingresses", name: str = "") -> str:
    """Of networking.k8s.io/v1: ingresses, ingressclasses. ValueError for a name that is none."""
    return _path("/apis/networking.k8s.io/v1", namespace, plural, name)


def _path(base: str, namespace: str, plural: str, name: str) -> str:
    parts = [base, *(("namespaces", _segment(namespace)) if namespace else ()), plural]
    return "/".join([*parts, _segment(name)] if name else parts)


def _segment(name: str) -> str:
    if name in (".", ".."):
        raise ValueError(f"no name of an object: {name!r}")
    return quote(name, safe="")


def resource(path: str) -> Resource | None:
    """What a path as made above is about; None for another kind of path, such as /version."""
    bare = path.partition("?")[0]
    parts = bare.strip("/").split("/")
    rest = parts[2:] if parts[:2] == ["api", "v1"] else parts[3:] if parts[0] == "apis" else []
    if any(part in ("", ".", "..") for part in rest) or not rest:
        return None
    if rest[0] == "namespaces" and len(rest) > 2:
        return _of(rest[1], rest[2:])
    return _of("", rest)


def _of(namespace: str, rest: list[str]) -> Resource:
    plural = "/".join([rest[0], *rest[2:]])
    return Resource(namespace, plural, rest[1] if len(rest) > 1 else "")


def home(path: str, body: Mapping[str, Any] | None = None) -> str:
    """The namespace that a change at the path is made in, or is; "" if it belongs to none."""
    found = resource(path)
    if found is None:
        return ""
    if found.namespace or found.plural.partition("/")[0] != "namespaces":
        return found.namespace
    return found.name or str(((body or {}).get("metadata") or {}).get("name") or "")


def asked(method: str, path: str) -> str:
    """What a request asks for, in words, with the verb and the resource of RBAC."""
    found = resource(path)
    if found is None:
        return f"{method} {path}"
    verb = _VERBS.get(method) or ("watch" if "watch=1" in path else "get" if found.name else "list")
    name = f" {found.name}" if found.name else ""
    return f"{verb} {found.plural}{name}" + (f" in namespace {found.namespace}" if found.namespace else "")
