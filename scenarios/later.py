"""Words of the language that this version cannot do yet: refused by name, never ignored."""

MESSAGE = "is part of the language, but this version cannot do it yet"

_STRATEGY = {"on_inconclusive", "proceed"}

KEYS: dict[str, set[str]] = {
    "Scenario": {"services", "operators", "faults", "database", "compatibility", "expect", "require"},
    "Service": {"calls", "uses"},
    "Version": {"leak", "conversion"},
    "Errors": {"when"},
    "Traffic": {"mix", "connections"},
    "ConstantRate": {"daily", "ramp", "spike", "trace"},
    "Client": {"retries", "backoff"},
    "Pods": {"liveness", "startup"},
    "Cluster": {"autoscaler"},
    "Guard": {"judge", "confidence", "source", "from"},
    "Clock": {"trigger"},
    "Slo": {"period", "requests"},
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
    ("Errors", "of"): {"connections"},
    ("Traffic", "arrivals"): {"closed"},
    ("KubeProxy", "mode"): {"ipvs", "nftables"},
    ("IngressNginx", "affinity"): {"sticky", "legacy"},
    ("Router", "kind"): {"istio", "gateway-api", "traefik"},
}
"""Values by model and key."""
