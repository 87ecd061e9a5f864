"""What is known of the application that a starter describes: values with the comments that belong to them."""

import json
import re

from scenarios.deployments import Deployment
from scenarios.errors import harmless
from scenarios.imported import Imported
from scenarios.ingress_rules import matches_of
from scenarios.ingresses import Exposed
from scenarios.look import Fact
from scenarios.plan import Match
from scenarios.scalars import resolve
from scenarios.scaling import HorizontalPodAutoscaler

KUBERNETES = "Kubernetes' own default"
PER_POD = 20
SLOTS = 4
MEAN_SERVICE_TIME = 0.05  # seconds, of the service time that a starter guesses
MOST_PER_SECOND = 2000


class Known:
    """What is known of the application, with the comment that belongs to each value."""

    def __init__(self, imported: Imported | None, default: str) -> None:
        self.stable: Deployment | None = imported.stable if imported else None
        self.candidate: Deployment | None = imported.candidate if imported else None
        self.exposed: Exposed | None = imported.exposed if imported else None
        self.autoscaler: HorizontalPodAutoscaler | None = imported.autoscaler if imported else None
        self.budget = imported.budget if imported else None
        self.keeping = imported.keeping if imported else None
        self.default = default
        self.replicas = int(self.count().value)
        self.surge: int | str = self.stable.max_surge.value if self.stable else "25%"
        self.unavailable: int | str = self.stable.max_unavailable.value if self.stable else "25%"
        self.recreate = bool(self.stable and self.stable.recreate)
        self.rate = min(round(self.per_pod() * self.replicas), MOST_PER_SECOND)

    def count(self) -> Fact:
        """The desired pods: an autoscaler keeps them within its bounds, whatever the Deployment says."""
        fact = self.stable.replicas if self.stable else Fact(4)
        if self.autoscaler is None:
            return fact
        low, high = self.autoscaler.least, self.autoscaler.most
        return (
            low if int(fact.value) < int(low.value) else high if int(fact.value) > int(high.value) else fact
        )

    def per_pod(self) -> float:
        """Requests a second and pod to guess: what an autoscaler's target comes to, or a quiet hour."""
        if self.autoscaler is None:
            return PER_POD
        return SLOTS * min(max(self.target(), 10), 80) / 100 / MEAN_SERVICE_TIME

    def target(self) -> int:
        """The autoscaler's wanted utilisation in percent, which for a share of busy slots is at most 100."""
        stated = self.autoscaler.utilisation if self.autoscaler else None
        return min(int(stated.value), 100) if stated else 60

    def matches(self) -> tuple[Match, ...]:
        """What the canary ingress looks for in requests, as far as a scenario can name it."""
        canary = self.exposed.canary if self.exposed else None
        found = matches_of(canary.policy) if canary and canary.policy else ()
        return tuple(match for match in found if _nameable(match))

    def via(self) -> str:
        """How a strategy says which router users come through: unsaid, it is the Service."""
        return "via: edge, " if self.exposed else ""

    def line(
        self,
        indent: int,
        key: str,
        fact: Fact | None,
        unknown: str | int,
        hint: str,
        unit: str = "",
        of: object = None,
    ) -> str:
        """`key: value  # from …: of` for a stated fact, `# default: …` otherwise; unsaid, `of` is stable."""
        value = unknown if fact is None else f"{fact.value}{unit}" if unit else fact.value
        said = fact is not None and fact.where is not None
        comment = f"from {fact.where}: {of or self.stable}" if fact and said else f"{self.default}{hint}"
        return f"{' ' * indent}{key}: {quoted(value)}  # {harmless(comment)}"

    def guess(self, indent: int, key: str, value: str, hint: str) -> str:
        """`key: value  # default: …`."""
        return f"{' ' * indent}{key}: {value}  # {self.default}{hint}"


def _nameable(match: Match) -> bool:
    text = match.value or match.pattern or ""
    return bool(re.fullmatch(r"[A-Za-z0-9_-]{1,60}", match.name)) and len(text) <= 80


def quoted(value: int | str) -> str:
    """A value as YAML, in quotes where it needs them."""
    if isinstance(value, int):
        return str(value)
    plain = re.fullmatch(r"[A-Za-z0-9][\w./:@+%-]*", value, re.ASCII) and not value.endswith(":")
    return value if plain and resolve(value) == (value, None) else json.dumps(value, ensure_ascii=False)
