"""What a live run does on a cluster, as one table: RBAC that grants it, questions whether it is granted."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Manifest = dict[str, Any]
NAME = "rolloutlab"
_NETWORKING, _RBAC = "networking.k8s.io", "rbac.authorization.k8s.io"
_GRANTED_WHY = (
    "Rights within namespaces are granted everywhere: RBAC knows no prefix of names, and every trial has its "
    "own namespace. The ValidatingAdmissionPolicy below takes back what lies outside rolloutlab-*."
)


class Use(StrEnum):
    """Who needs a permission: every run, those that use ingress-nginx, or only the doctor's advice."""

    RUN = "run"
    INGRESS = "ingress-nginx"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on a resource, in namespaces of a run or (`everywhere`) beyond them, and what they are for."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    everywhere: bool = False
    use: Use = Use.RUN
    unless: str = ""
    """The option of a run that makes it needless."""

    @property
    def kind(self) -> str:
        """As kubectl writes it, such as deployments.apps."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


NODE, INGRESS = "--node-address", "--ingress-address"
TABLE = (
    Rule("", "namespaces", ("get", "list", "create", "delete"), "a namespace for each trial", True),
    Rule("", "nodes", ("list",), "where NodePorts are reached, how much room there is", True, unless=NODE),
    Rule("", "serviceaccounts", ("list",), "pods wait for the namespace's account"),
    Rule("", "resourcequotas", ("create", "get"), "a cap on the pods of a trial"),
    Rule("", "configmaps", ("create", "get"), "the demo app"),
    Rule("", "pods", ("list", "watch", "get", "delete"), "what a release sees; the clean-up's hurry"),
    Rule("", "services", ("create", "get", "patch"), "the way in, and switching it"),
    Rule("apps", "deployments", ("create", "get", "list", "watch", "patch"), "the release itself"),
    Rule("apps", "replicasets", ("list",), "rollout undo"),
    Rule(_NETWORKING, "ingresses", ("create", "get", "patch"), "weights and rules", use=Use.INGRESS),
    Rule("", "services", ("list",), "to find ingress-nginx", True, Use.INGRESS, INGRESS),
    Rule(_NETWORKING, "ingressclasses", ("list",), "to see which routers there are", True, Use.ADVICE),
    Rule("", "pods", ("list",), "to see what the nodes' room is used for", True, Use.ADVICE),
)


@dataclass(frozen=True, slots=True)
class Denied:
    """One verb on one resource that is not granted."""

    rule: Rule
    verb: str

    def __str__(self) -> str:
        where = "in the whole cluster" if self.rule.everywhere else "in namespaces rolloutlab-*"
        return f"{self.verb} {self.rule.kind} {where} ({self.rule.why})"


class Asks(Protocol):
    """The part of live.api.Api that is needed here."""

    def may(self, verb: str, resource: str, namespace: str, group: str = "") -> bool: ...


def denied(api: Asks, namespace: str, uses: tuple[Use, ...] = tuple(Use)) -> Iterator[Denied]:
    """Ask for everything in the table, by SelfSubjectAccessReview, as if `namespace` were a run's.

    Raises live.api's Refused and Unavailable.
    """
    for rule in TABLE:
        for verb in rule.verbs if rule.use in uses else ():
            if not api.may(verb, rule.resource, "" if rule.everywhere else namespace, rule.group):
                yield Denied(rule, verb)


def rbac(user: str = NAME, name: str = NAME) -> list[Manifest]:
    """Manifests that grant a user what is in the table and, from Kubernetes 1.30 on, confine them to it."""
    role = _head(name, f"{_RBAC}/v1", "ClusterRole", {"rolloutlab.dev/note": _GRANTED_WHY})
    binding = _head(name, f"{_RBAC}/v1", "ClusterRoleBinding")
    subject = {"kind": "User", "name": user, "apiGroup": _RBAC}
    return [
        {**role, "rules": [_rule(rule) for rule in TABLE]},
        {
            **binding,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        },
        *_confinement(user, name),
    ]


def _rule(rule: Rule) -> Manifest:
    return {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs)}


def _confinement(user: str, name: str) -> list[Manifest]:
    """Whatever the user changes must lie in a namespace of a run, or be one."""
    api = "admissionregistration.k8s.io/v1"
    everything = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["*"],
        "scope": "*",
    }
    named = "request.resource.resource == 'namespaces' ? request.name : request.namespace"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [everything]},
        "matchConditions": [
            {"name": "user", "expression": f"request.userInfo.username == {json.dumps(user)}"}
        ],
        "validations": [
            {
                "expression": f"({named}).matches('^rolloutlab-[0-9a-f]{{8}}-[0-9]+$')",
                "message": f"{user} may only change namespaces of live runs, rolloutlab-*",
            }
        ],
    }
    return [
        {**_head(name, api, "ValidatingAdmissionPolicy"), "spec": spec},
        {
            **_head(name, api, "ValidatingAdmissionPolicyBinding"),
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def _head(name: str, api: str, kind: str, notes: Mapping[str, str] | None = None) -> Manifest:
    metadata: Manifest = {"name": name}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": metadata | ({"annotations": dict(notes)} if notes else {}),
    }
