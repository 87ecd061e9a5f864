"""Words of the language that this version cannot do yet: refused by name, never ignored."""

MESSAGE = "is part of the language, but this version cannot do it yet"

KEYS: dict[str, set[str]] = {
    "Scenario": {"services", "database", "compatibility"},
    "Service": {"calls", "uses"},
    "Pods": {"startup"},
    "Guard": {"judge", "confidence", "source", "from"},
    "Clock": {"trigger"},
    "Written": {"release", "argo_rollouts", "flagger"},
    "Part": {"argo_rollouts", "flagger"},
    "CanaryStrategy": {"inject", "service"},
}
"""Keys by the model that will have them."""

VALUES: dict[tuple[str, str], set[str]] = {
    ("Router", "kind"): {"istio", "gateway-api", "traefik"},
}
"""Values by model and key."""
