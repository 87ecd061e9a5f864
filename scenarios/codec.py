"""What a release saw, asked and told, as plain JSON and back. Every type is written out, nothing guessed."""

from collections.abc import Callable
from typing import TypeVar

from scenarios.answered import Counts, Probed
from scenarios.codec_plan import decode_action, decode_route, encode_action, encode_route
from scenarios.conversion import Group, Groups
from scenarios.decode import (
    Json,
    RecordError,
    at,
    each,
    flag,
    maybe,
    named,
    number,
    one_of,
    text,
    whole,
)
from scenarios.guard import Sample, Seen
from scenarios.observe import Observation, PoolSeen
from scenarios.release import Event, Kind, Outcome, Verdict

Value = TypeVar("Value")

__all__ = [
    "RecordError",
    "decode_action",
    "decode_event",
    "decode_expected",
    "decode_observation",
    "decode_outcome",
    "decode_route",
    "encode_action",
    "encode_event",
    "encode_observation",
    "encode_outcome",
    "encode_probed",
    "encode_route",
]


def encode_observation(seen: Observation) -> Json:
    """All that was seen at one instant; approvals and an A/B test's groups only where there are some."""
    later: dict[str, Json] = {"approved": sorted(seen.approved)} if seen.approved else {}
    later |= {"groups": _encode_groups(seen.groups)} if seen.groups is not None else {}
    return later | {
        "t": float(seen.t),
        "pools": {name: _encode_pool(pool) for name, pool in seen.pools.items()},
        "routed": bool(seen.routed),
        "done": sorted(seen.done),
        "refused": dict(seen.refused),
        "windows": {name: _encode_window(window) for name, window in seen.windows.items()},
        "abort": bool(seen.abort),
    }


def decode_observation(value: Json) -> Observation:
    """The observation of `encode_observation`."""
    return Observation(
        at(value, "t", number),
        at(value, "pools", lambda pools: named(pools, _decode_pool)),
        at(value, "routed", flag),
        at(value, "done", lambda done: frozenset(each(done, text))),
        at(value, "refused", lambda refused: named(refused, text)),
        at(value, "windows", lambda windows: named(windows, _decode_window)),
        at(value, "abort", flag),
        frozenset(_later(value, "approved", lambda calls: each(calls, text)) or ()),
        _later(value, "groups", _decode_groups),
    )


def _later(value: Json, key: str, read: Callable[[Json], Value]) -> Value | None:
    """What only some observations have."""
    return at(value, key, read) if key in value else None


def _encode_groups(groups: Groups) -> Json:
    sides = {"stable": groups.stable, "candidate": groups.candidate}
    return {name: [int(side.users), int(side.converted)] for name, side in sides.items()}


def _decode_groups(value: Json) -> Groups:
    return Groups(at(value, "stable", _decode_group), at(value, "candidate", _decode_group))


def _decode_group(value: Json) -> Group:
    counts = each(value, whole)
    if len(counts) != 2 or not 0 <= counts[1] <= counts[0]:
        raise RecordError("expected users, and how many of them converted")
    return Group(*counts)


def _encode_pool(pool: PoolSeen) -> Json:
    return {
        "desired": int(pool.desired),
        "version": pool.version,
        "pods": {version: [int(count) for count in counts] for version, counts in pool.pods.items()},
        "terminating": int(pool.terminating),
        "overdue": bool(pool.overdue),
    }


def _decode_pool(value: Json) -> PoolSeen:
    return PoolSeen(
        at(value, "desired", whole),
        at(value, "version", text),
        at(value, "pods", lambda pods: named(pods, _three)),
        at(value, "terminating", whole),
        at(value, "overdue", flag),
    )


def _three(value: Json) -> tuple[int, int, int]:
    counts = each(value, whole)
    if len(counts) != 3:
        raise RecordError("expected existing, ready and available pods")
    return counts[0], counts[1], counts[2]


def _encode_window(window: Seen) -> Json:
    sides = {"subject": _encode_sample(window.subject), "stable": _encode_sample(window.stable)}
    return {"taken_at": float(window.taken_at), **sides}


def _decode_window(value: Json) -> Seen:
    subject, stable = at(value, "subject", _decode_sample), at(value, "stable", _decode_sample)
    return Seen(at(value, "taken_at", number), subject, stable)


def _encode_sample(sample: Sample) -> Json:
    quantile = None if sample.quantile is None else float(sample.quantile)
    return {"requests": int(sample.requests), "failures": int(sample.failures), "quantile": quantile}


def _decode_sample(value: Json) -> Sample:
    quantile = at(value, "quantile", maybe(number))
    return Sample(at(value, "requests", whole), at(value, "failures", whole), quantile)


def encode_event(event: Event) -> Json:
    """One line of the release's own story."""
    return {"t": float(event.t), "kind": event.kind.value, "text": event.text}


def decode_event(value: Json) -> Event:
    """The event of `encode_event`."""
    return Event(at(value, "t", number), at(value, "kind", one_of(Kind)), at(value, "text", text))


def encode_outcome(outcome: Outcome) -> Json:
    """How a release ended."""
    return {
        "verdict": outcome.verdict.value,
        "decided_at": None if outcome.decided_at is None else float(outcome.decided_at),
        "settled_at": None if outcome.settled_at is None else float(outcome.settled_at),
        "stage": outcome.stage,
        "reason": outcome.reason,
    }


def decode_outcome(value: Json) -> Outcome:
    """The outcome of `encode_outcome`."""
    return Outcome(
        at(value, "verdict", one_of(Verdict)),
        at(value, "decided_at", maybe(number)),
        at(value, "settled_at", maybe(number)),
        at(value, "stage", text),
        at(value, "reason", text),
    )


def encode_probed(probed: Probed) -> Json:
    """What came back for an expectation."""
    counts = probed.counts
    return {
        "name": probed.name,
        "t": float(probed.t),
        "fit": int(counts.fit),
        "other": int(counts.other),
        "unknown": int(counts.unknown),
        "by": {who: int(times) for who, times in counts.by.items()},
    }


def decode_expected(value: Json) -> tuple[Probed, ...]:
    """The answers of `encode_probed`, for each expectation."""
    return each(value, _decode_probed)


def _decode_probed(value: Json) -> Probed:
    fit, other, unknown = (at(value, key, whole) for key in ("fit", "other", "unknown"))
    if min(fit, other, unknown) < 0:
        raise RecordError("expected numbers of answers")
    counts = Counts(fit, other, unknown, at(value, "by", lambda by: named(by, whole)))
    return Probed(at(value, "name", text), at(value, "t", number), counts)
