"""Requests to an API server: bounded in time, sent again where that helps and cannot harm. For any thread.

JSON goes in and out as it is on the wire, without models. Nothing is changed where `guard` forbids it.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias
from urllib.parse import urlencode

from live.exchange import Patience, Request, Stream, exchange, open_stream
from live.kubeconfig import Unreadable
from live.paths import apps, asked, core, discovery, home, networking
from live.retries import CONFLICT, TOO_MANY, Again, Answer, Outcome, Silence, pause, unauthorized
from live.session import Session
from scenarios.errors import harmless

__all__ = ["Api", "Refused", "Target", "Unavailable", "apps", "core", "discovery", "networking"]

JSON: TypeAlias = dict[str, Any]
Operations: TypeAlias = list[JSON]
"""Of a JSON patch."""
Guard: TypeAlias = Callable[[str, str], None]
"""From the namespace ("" for none) and the path of what is about to be changed; raises to forbid it."""

CREATED = "rolloutlab.dev/created"
"""An annotation by which a call of `create` knows its own object again."""
_UNAUTHORIZED, _MISSING = 401, 404
_LONGEST = 1000
_PATCHES = {"merge": "merge-patch", "strategic": "strategic-merge-patch", "json": "json-patch"}
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Refused(Exception):
    """The API server will not: status, reason, and a message that says what was asked and what came back."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(status, reason, message)

    def __str__(self) -> str:
        return self.message


class Unavailable(Exception):
    """No usable answer within the time budget; whether a change was made is not known.

    `retry_after` in seconds, if the server said that. `timeout`: it was silent to the end.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, timeout: bool = False) -> None:
        self.retry_after, self.timeout = retry_after, timeout
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster: the context, its server's URL, the UID of its namespace kube-system, its version."""

    context: str
    server: str
    uid: str
    version: str


class Api:
    """One API server, with the credentials of one context. `reopen` reads these anew when they expire."""

    def __init__(
        self,
        target: Target,
        reopen: Callable[[], Session],
        guard: Guard,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        u: Callable[[], float] | None = None,
        nonce: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self.target, self.patience = target, patience or Patience()
        self._reopen, self._guard = reopen, guard
        self._clock, self._sleep, self._u, self._nonce = clock, sleep, u or Random().random, nonce
        self._session, self._accepted, self._stale = reopen(), False, ""
        self._renewing = threading.Lock()

    def get(self, path: str, **query: str) -> JSON:
        """The JSON object at the path. Raises Refused (404: there is none), Unavailable."""
        return self._ask(Request("GET", _with(path, query)), Again())

    def list(self, path: str, **query: str) -> JSON:
        """All objects at the path; its metadata has the resourceVersion to watch from."""
        return self.get(path, **query)

    def create(self, path: str, body: JSON) -> JSON:
        """Make an object, exactly once: where it exists after a lost answer, it is known by an annotation.

        One without a name is sent again only if the server surely has not made it.
        """
        self._guard(home(path, body), path)
        name = (body.get("metadata") or {}).get("name")
        if not name:
            return self._ask(Request("POST", path, body), Again(harmless=False))
        nonce = self._nonce()
        try:
            return self._ask(Request("POST", path, _marked(body, nonce)), Again())
        except Refused as refused:
            if refused.status != CONFLICT or (found := self._own(f"{path}/{name}", nonce)) is None:
                raise
            return found

    def patch(
        self,
        path: str,
        body: JSON | Operations,
        kind: Literal["merge", "strategic", "json"] = "merge",
    ) -> JSON:
        """Change an object. A conflict is tried again unless the patch names a resourceVersion."""
        self._guard(home(path), path)
        named = isinstance(body, dict) and "resourceVersion" in (body.get("metadata") or {})
        request = Request("PATCH", path, body, f"application/{_PATCHES[kind]}+json")
        return self._ask(request, Again(harmless=kind != "json", conflicts=not named))

    def delete(self, path: str, *, uid: str, grace: int | None = None) -> None:
        """Delete the object if it has that UID. Where it is gone, another of its name is left alone."""
        self._guard(home(path), path)
        body: JSON = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self._ask(Request("DELETE", path, body), Again())
        except Refused as refused:
            if refused.status not in (CONFLICT, _MISSING) or self._uid(path) == uid:
                raise

    def watch(self, path: str, resource_version: str, timeout: float, **query: str) -> Stream:
        """The raw events of one connection, from that version on; the server ends it after `timeout` seconds.

        Nothing is tried again. Raises Refused (410: re-list), Unavailable; the stream Broken, Garbled.
        """
        watching = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": resource_version}
        watching["timeoutSeconds"] = str(max(1, round(timeout)))
        request = Request("GET", _with(path, query | watching))
        session = self._session
        opened = self._opened(session, request, timeout)
        if isinstance(opened, Answer) and opened.status == _UNAUTHORIZED:
            opened = self._opened(self._renewed(session), request, timeout)
        if isinstance(opened, Stream):
            return opened
        raise self._failure(request, opened, 1)

    def may(self, verb: str, resource: str, namespace: str, group: str = "") -> bool:
        """Whether these credentials are allowed to; `resource` as in RBAC, such as pods or pods/log."""
        plural, _, part = resource.partition("/")
        attributes = {"verb": verb, "resource": plural, "namespace": namespace, "group": group}
        attributes |= {"subresource": part} if part else {}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        body: JSON = review | {"spec": {"resourceAttributes": attributes}}
        answer = self._ask(Request("POST", _REVIEWS, body), Again())
        return (answer.get("status") or {}).get("allowed") is True

    def close(self) -> None:
        """Close the connections that nobody uses now."""
        self._session.pool.clear()

    def _ask(self, request: Request, again: Again) -> JSON:
        until = self._clock() + self.patience.budget
        tries = denied = 0
        while True:
            session, tries = self._session, tries + 1
            answer = _parsed(exchange(session, request, self.patience, until, self._clock))
            if isinstance(answer, dict):
                self._accepted = True
                return answer
            left = until - self._clock()
            if isinstance(answer, Answer) and answer.status == _UNAUTHORIZED:
                denied += 1
                wait = unauthorized(denied, self._accepted, left, self._u())
            else:
                denied, wait = 0, pause(answer, again, tries, left, self._u())
            if wait is None:
                raise self._failure(request, answer, tries)
            self._sleep(wait)
            if denied:
                self._renewed(session)

    def _opened(self, session: Session, request: Request, timeout: float) -> Stream | Outcome:
        quiet = timeout + self.patience.read
        return open_stream(session, request, self.patience, quiet, self._clock)

    def _renewed(self, session: Session) -> Session:
        """The session after this one, opened now unless another thread did that. This one if it fails."""
        with self._renewing:
            if self._session is session:
                try:
                    self._session, self._stale = self._reopen(), ""
                    session.pool.clear()
                except Unreadable as error:
                    self._stale = f"; credentials could not be renewed: {error}"
            return self._session

    def _own(self, path: str, nonce: str) -> JSON | None:
        """The object at the path, if the call with that nonce made it."""
        with suppress(Refused):
            found = self.get(path)
            annotations = (found.get("metadata") or {}).get("annotations") or {}
            return found if annotations.get(CREATED) == nonce else None
        return None

    def _uid(self, path: str) -> str | None:
        """Of the object at the path; None if there is none."""
        try:
            uid = (self.get(path).get("metadata") or {}).get("uid")
        except Refused as refused:
            if refused.status != _MISSING:
                raise
            return None
        return str(uid)

    def _failure(self, request: Request, outcome: Outcome, tries: int) -> Refused | Unavailable:
        what = harmless(f"cannot {asked(request.method, request.path)}")
        if isinstance(outcome, Silence):
            many = f" ({tries} tries)" if tries > 1 else ""
            text = f"{what}: {self.target.server}: {harmless(outcome.why[:_LONGEST])}{many}"
            return Unavailable(text, timeout=outcome.timeout)
        reason, said = _said(outcome)
        if outcome.status == TOO_MANY or outcome.status >= 500:
            text = f"{what}: {outcome.status} {reason}: {said} ({tries} tries)"
            return Unavailable(text, retry_after=outcome.retry_after)
        return Refused(outcome.status, reason, f"{what}: {said}{self._stale}")


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _marked(body: JSON, nonce: str) -> JSON:
    metadata = body["metadata"]
    annotations = {**(metadata.get("annotations") or {}), CREATED: nonce}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _parsed(outcome: Outcome) -> JSON | Outcome:
    """The JSON object of a success; what is none counts as no answer."""
    if not isinstance(outcome, Answer) or not 200 <= outcome.status < 300:
        return outcome
    try:
        parsed = json.loads(outcome.body)
    except (ValueError, RecursionError):
        return Silence("the answer is no JSON")
    return parsed if isinstance(parsed, dict) else Silence("the answer is no JSON object")


def _said(answer: Answer) -> tuple[str, str]:
    """Reason and message of the Status that the server sent, or of whatever else it was."""
    try:
        status = json.loads(answer.body)
    except (ValueError, RecursionError):
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = answer.body[:_LONGEST].decode("utf-8", "replace").strip()
        return harmless(answer.reason), harmless(text or answer.reason or str(answer.status))
    reason, message = str(status.get("reason") or answer.reason), str(status.get("message") or "")
    return harmless(reason[:_LONGEST]), harmless(message[:_LONGEST] or reason[:_LONGEST])
