"""What must stand beside a live record."""

import pytest
from pydantic import ValidationError

from scenarios.provenance import LiveProvenance

GOOD = {
    "backend": "live",
    "cluster_uid": "4f2c0f8e-5d9c-4b39-9f6f-0d8f5c6d3a10",
    "context": "kind-lab",
    "run": "0a1b2c3d",
    "started": "2026-11-20T12:00:00+00:00",
    "time_scale": 0.1,
    "conclusive": True,
    "why": "",
    "sent": {
        "intended": 100, "sent": 100, "median": 0.001, "p99": 0.01, "most": 0.02, "share_late": 0.0,
        "connections": 100, "cpu": 0.2,
    },
    "rows": {"file": "rolling.good.0.rows.npz", "sha256": "ab" * 32},
    "host": "somewhere",
}  # fmt: skip


def test_more_may_stand_there_than_is_read():
    found = LiveProvenance.model_validate(GOOD)
    assert (found.run, found.rows.file) == ("0a1b2c3d", "rolling.good.0.rows.npz")
    assert found.began.year == 2026


@pytest.mark.parametrize("key", sorted(set(GOOD) - {"host"}))
def test_nothing_of_it_may_be_missing(key):
    with pytest.raises(ValidationError, match=key):
        LiveProvenance.model_validate({k: v for k, v in GOOD.items() if k != key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backend", "simulated"),
        ("cluster_uid", ""),
        ("run", "../../etc"),
        ("started", "yesterday"),
        ("started", "2026-11-20T12:00:00"),
        ("time_scale", 0),
        ("time_scale", 2),
        ("conclusive", None),
        ("rows", {"file": "../rows.npz", "sha256": "ab" * 32}),
        ("rows", {"file": "rows.npz", "sha256": "ab"}),
    ],
)
def test_other_values_are_refused(key, value):
    with pytest.raises(ValidationError, match=key):
        LiveProvenance.model_validate({**GOOD, key: value})
