"""Every strategy that stands for itself, by the key that names it. A new one gets its line here."""

from scenarios.strategies.ab_test import AbTestStrategy
from scenarios.strategies.base import Strategy
from scenarios.strategies.blue_green import BlueGreenStrategy
from scenarios.strategies.canary import CanaryStrategy
from scenarios.strategies.halves import InPlaceHalvesStrategy
from scenarios.strategies.one_deployment import (
    PausedRollingStrategy,
    RecreateStrategy,
    RollingStrategy,
)
from scenarios.strategies.shadow import ShadowStrategy

PARTS: dict[str, type[Strategy]] = {
    "recreate": RecreateStrategy,
    "rolling": RollingStrategy,
    "paused_rolling": PausedRollingStrategy,
    "blue_green": BlueGreenStrategy,
    "in_place_halves": InPlaceHalvesStrategy,
    "canary": CanaryStrategy,
    "ab_test": AbTestStrategy,
    "shadow": ShadowStrategy,
}
