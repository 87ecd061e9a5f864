"""Preferences: what a release's harm and its effort are worth, so that a strategy can be recommended.

Prices are in one currency of the writer's choice, by default in failed requests. Words only: the sums are
done by `reports.recommend`.
"""

from typing import Annotated

from pydantic import Field

from scenarios.model import Model, written
from scenarios.units import Share

Price = Annotated[float, Field(strict=True, ge=0, le=1e12)]


class Prefer(Model):
    """Prices of what a release costs, and how often one is bad: a recommendation follows from them."""

    bad_releases: Share = written("10%", "the chance that a release is bad")
    failed_request: Price = Field(1.0, description="price of a request that fails because of the release")
    harmed_user: Price = Field(10.0, description="price of a user harmed, beside the failed requests")
    pod_second_short: Price = Field(0.1, description="price of one pod's capacity missing for a second")
    pod_second_extra: Price = Field(0.01, description="price of one pod more than usual for a second")
    release_minute: Price = Field(1.0, description="price of a minute until the release has settled")
    good_not_promoted: Price = Field(1000.0, description="price of a good release that is not promoted")
    bad_not_rolled_back: Price = Field(1000.0, description="price of a bad release that is not rolled back")
