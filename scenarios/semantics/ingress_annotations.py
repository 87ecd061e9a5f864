"""A canary ingress's annotations as a policy and back, as the controller reads them. Decides; reads no file.

Follows kubernetes/ingress-nginx dbb11b92: `internal/ingress/annotations/canary/main.go` (Parse),
`internal/ingress/annotations/parser/{main,validators}.go` (what is dropped as invalid; on by default) and
`internal/ingress/controller/controller.go` (mergeAlternativeBackend: whose session affinity holds).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from scenarios.semantics.ingress_nginx import Affinity, Policy

PREFIX = "nginx.ingress.kubernetes.io/"
_TEXTS = {
    "header": "canary-by-header",
    "header_value": "canary-by-header-value",
    "header_pattern": "canary-by-header-pattern",
    "cookie": "canary-by-cookie",
}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_PLAIN = re.compile(r"[/\-._~a-zA-Z0-9: ]*")
_PATTERN = re.compile(r"[/\-._~a-zA-Z0-9:^$\[\](){}*+?|&=\\]*")


class NotEnabled(ValueError):
    """Canary rules without `canary: "true"`: the controller refuses the set; the ingress is ordinary."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """What annotations say: a policy, or None for an ordinary ingress; and which of them do nothing."""

    policy: Policy | None
    warnings: tuple[str, ...] = ()


def policy_of(annotations: Mapping[str, str]) -> Annotated:
    """The canary policy that annotations (full names) come to.

    Raises NotEnabled, and header_pattern.UnknownPattern.
    """
    read = _Reading(annotations)
    enabled = read.flag("canary")
    policy = Policy(
        weight=read.whole("canary-weight", 0),
        weight_total=read.whole("canary-weight-total", 100),
        header=read.text("canary-by-header", _PLAIN),
        header_value=read.text("canary-by-header-value", _PLAIN),
        header_pattern=read.text("canary-by-header-pattern", _PATTERN),
        cookie=read.text("canary-by-cookie", _PLAIN),
    )
    if not enabled:
        if policy.weight > 0 or any(getattr(policy, key) for key in _TEXTS):
            raise NotEnabled(f'{PREFIX}canary must be "true" where other canary annotations are set')
        return Annotated(None, tuple(read.warnings))
    return Annotated(policy, (*read.warnings, *_without_effect(annotations, policy)))


def annotations(policy: Policy) -> dict[str, str]:
    """The annotations that make a canary of this policy. Raises ValueError where the controller drops one."""
    for key, name in _TEXTS.items():
        allowed = _PATTERN if key == "header_pattern" else _PLAIN
        value = getattr(policy, key)
        if not allowed.fullmatch(value) or value.strip() != value:
            raise ValueError(f"{name}: ingress-nginx drops {value!r}, which has characters it does not allow")
    written = {"canary": "true", "canary-weight": str(policy.weight)}
    if policy.weight_total > 100:
        written["canary-weight-total"] = str(policy.weight_total)
    written |= {name: getattr(policy, key) for key, name in _TEXTS.items() if getattr(policy, key)}
    return {PREFIX + name: value for name, value in written.items()}


def affinity_of(primary: Mapping[str, str], canary: Mapping[str, str]) -> Affinity:
    """The session affinity between the two ingresses' backends; only cookies are known to the controller."""
    if primary.get(PREFIX + "affinity") != "cookie":
        return Affinity.NONE
    legacy = canary.get(PREFIX + "affinity-canary-behavior") == "legacy"
    return Affinity.LEGACY if legacy else Affinity.STICKY


@dataclass
class _Reading:
    """Reads values as the controller does: what does not parse is as if it were not there, with a warning."""

    annotations: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    def flag(self, name: str) -> bool:
        value = self.annotations.get(PREFIX + name)
        if value and value not in _TRUE | _FALSE:
            self._invalid(name, value, "false")
        return value in _TRUE

    def whole(self, name: str, default: int) -> int:
        value = self.annotations.get(PREFIX + name)
        if value and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            return int(value)
        if value:
            self._invalid(name, value, str(default))
        return default

    def text(self, name: str, allowed: re.Pattern[str]) -> str:
        value = self.annotations.get(PREFIX + name, "")
        if not allowed.fullmatch(value):
            self._invalid(name, value, "")
            return ""
        return value.strip()

    def _invalid(self, name: str, value: str, default: str) -> None:
        shown = f"{value[:60]}…" if len(value) > 60 else value
        self.warnings.append(f"{name}: {shown!r} is invalid; the controller takes {default!r}")


def _without_effect(annotations: Mapping[str, str], policy: Policy) -> list[str]:
    """What is said and does nothing."""
    said = []
    if policy.weight_total < 100 and PREFIX + "canary-weight-total" in annotations:
        said.append(f"canary-weight-total: {policy.weight_total} is ignored; up to 100 it counts as 100")
    if not policy.header and (policy.header_value or policy.header_pattern):
        said.append("canary-by-header-value and -pattern have no effect without canary-by-header")
    elif policy.header_value and policy.header_pattern:
        said.append("canary-by-header-pattern has no effect beside canary-by-header-value")
    return said
