"""A namespace for as long as something needs it: journalled before it is made, deleted come what may."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from live import cleanup
from live.api import Api
from live.cleanup import NAMESPACES, Cleaned
from live.journal import Journal
from live.namespaces import Claim, Marks, manifest

KEPT_LONGER = 1800.0
"""Seconds beyond what a run takes after which anybody may clean up what it left."""


class Incomplete(Exception):
    """A namespace could not be deleted."""

    def __init__(self, cleaned: Cleaned) -> None:
        super().__init__("; ".join(f"{left.name} is still there: {left.why}" for left in cleaned.remains))


@contextmanager
def own_namespace(
    api: Api, journal: Journal, marks: Marks, tell: Callable[[str], None], security: str = "restricted"
) -> Iterator[None]:
    """It is there within, and gone afterwards; the journal knows of it before the cluster does.

    `security` is the Pod Security Standard that its pods must keep to.

    Raises Incomplete where it could not be deleted, OSError where the journal cannot be written.
    """
    journal.intend(marks.name, marks.token, context=api.target.context, cluster=api.target.uid)
    claim, whole = Claim(marks.name, marks.token, None), False
    try:
        tell(f"namespace {marks.name}")
        there = api.create(NAMESPACES, manifest(marks, security))
        claim = replace(claim, uid=there["metadata"]["uid"])
        journal.created(marks.name, claim.uid or "")
        yield
        whole = True
    finally:
        try:
            tell(f"delete namespace {marks.name}")
        finally:  # also where nobody reads any more what is told, as behind a pipe that an interrupt ended
            clean = cleanup.clean_though_interrupted if whole else cleanup.clean
            cleaned = clean(api, [claim], journal.gone)
            if cleaned.remains:
                raise Incomplete(cleaned)


def expiry(lifetime: float) -> datetime:
    """When a namespace that is made now may be deleted by anybody, in whole seconds of UTC."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=round(lifetime))
