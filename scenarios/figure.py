"""Every figure by its key: its unit, and which of two values is the better one. Words of the language only.

What each means is written in `docs/figures.md`; `reports` measures them, `require` names them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Better: TypeAlias = Literal["less", "more", ""]


@dataclass(frozen=True, slots=True)
class Definition:
    """A figure's unit, and which of two values is the better one (empty: neither)."""

    unit: str
    better: Better = "less"


FIGURES: Mapping[str, Definition] = {
    "blast_requests": Definition("count"),
    "blast_requests_exact": Definition("count"),
    "blast_requests_share": Definition("share"),
    "blast_requests_share_exact": Definition("share"),
    "blast_users": Definition("count"),
    "blast_users_exact": Definition("count"),
    "blast_users_share": Definition("share"),
    "blast_users_share_exact": Definition("share"),
    "users_harmed": Definition("count"),
    "users_harmed_exact": Definition("count"),
    "failed_requests": Definition("count"),
    "exposure_requests": Definition("count"),
    "exposure_users": Definition("count"),
    "harmful_requests": Definition("count"),
    "harmful_users": Definition("count"),
    "peak_failure_share": Definition("share"),
    "error_budget": Definition("share"),
    "error_budget_exact": Definition("share"),
    "capacity_loss": Definition("pod-seconds"),
    "capacity_loss_unweighted": Definition("pod-seconds"),
    "worst_capacity": Definition("share", "more"),
    "unmet_demand": Definition("pod-seconds"),
    "extra_cost": Definition("pod-seconds"),
    "time_to_detect": Definition("s"),
    "rollback_time": Definition("s"),
    "rollback_time_last": Definition("s"),
    "recovery_time": Definition("s"),
    "release_duration": Definition("s"),
    "version_skew": Definition("s"),
    "users_of_both": Definition("count"),
    "flips": Definition("count"),
    "weight_error": Definition("share", ""),
    "conversion_stable": Definition("share", ""),
    "conversion_candidate": Definition("share", ""),
    "conversion_difference": Definition("share", ""),
    "sample_ratio_p": Definition("share", ""),
    **{
        f"latency_{level}{of}": Definition("s")
        for of in ("", "_stable", "_candidate", "_before", "_after")
        for level in ("p50", "p95", "p99")
    },
}

HEADLINES = (
    "blast_requests_exact",
    "blast_users_exact",
    "capacity_loss",
    "worst_capacity",
    "time_to_detect",
    "rollback_time",
    "recovery_time",
    "release_duration",
    "extra_cost",
)
