"""Words of the language that this version cannot do yet: refused by name, never ignored."""

MESSAGE = "is part of the language, but this version cannot do it yet"

_STRATEGY = {"on_inconclusive", "proceed"}

KEYS: dict[str, set[str]] = {
    "Scenario": {"services", "database", "compatibility", "expect"},
    "Service": {"calls", "uses"},
    "Pods": {"startup"},
    "Guard": {"judge", "confidence", "source", "from"},
    "Clock": {"trigger"},
    "Written": {
        "paused_rolling",
        "ab_test",
        "shadow",
        "sequence",
        "release",
        "argo_rollouts",
        "flagger",
    },
    "RecreateStrategy": _STRATEGY,
    "RollingStrategy": _STRATEGY,
    "BlueGreenStrategy": _STRATEGY,
    "InPlaceHalvesStrategy": _STRATEGY | {"extra_pods"},
    "CanaryStrategy": _STRATEGY | {"match", "inject", "service"},
}
"""Keys by the model that will have them."""

VALUES: dict[tuple[str, str], set[str]] = {
    ("Traffic", "arrivals"): {"closed"},
    ("Router", "kind"): {"istio", "gateway-api", "traefik"},
}
"""Values by model and key."""
