"""Which strategy costs the least by stated preferences, what decided that, and what would flip it.

The cost of a release is a sum of price times amount, averaged over the compared candidates, good and bad ones
weighted by the chance that a release is bad. It is linear in every single preference, so flips are exact.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from reports.figures import Figure, Measured, Value
from reports.statistics import Interval, enough, mean_interval
from scenarios.prefer import Prefer
from scenarios.release import Verdict

Json = Any
Trials: TypeAlias = Mapping[tuple[str, str | None], Sequence[Measured]]
Amounts: TypeAlias = Mapping[str, Sequence[float]]  # by price, one for each seed
CHANCE = "bad_releases"
FIGURES = {
    "failed_request": ("blast_requests_exact", "blast_requests"),
    "harmed_user": ("blast_users_exact", "blast_users"),
    "pod_second_short": ("capacity_loss",),
    "pod_second_extra": ("extra_cost",),
    "release_minute": ("release_duration",),
}
ENDINGS = {"good_not_promoted": Verdict.PROMOTED, "bad_not_rolled_back": Verdict.ROLLED_BACK}
PRICES = (*FIGURES, *ENDINGS)
MOST_OF_IT = 0.8  # of what speaks for the cheapest: so much of it is named


@dataclass(frozen=True, slots=True)
class Priced:
    """A strategy's amounts by price and seed, with good candidates and with bad ones, and their weights."""

    strategy: str
    good: Amounts
    bad: Amounts
    chance: float

    def costs(self, prefer: Prefer) -> list[float]:
        """The expected cost of a release, by seed."""
        prices = [getattr(prefer, price) for price in PRICES]
        by_price = (self.amounts(price) for price in PRICES)
        priced = [[p * a for a in amounts] for p, amounts in zip(prices, by_price, strict=True)]
        return [math.fsum(parts) for parts in zip(*priced, strict=True)]

    def amounts(self, price: str) -> list[float]:
        """How much of it a release takes, by seed, weighted by the chance."""
        pairs = zip(self.good[price], self.bad[price], strict=True)
        return [(1 - self.chance) * good + self.chance * bad for good, bad in pairs]

    def worse_if_bad(self, prefer: Prefer) -> float:
        """By how much a bad release costs more than a good one, on average."""
        apart = (_mean(self.bad[p]) - _mean(self.good[p]) for p in PRICES)
        return math.fsum(getattr(prefer, p) * a for p, a in zip(PRICES, apart, strict=True))


def recommended(prefer: Prefer, document: Mapping[str, Json], trials: Trials) -> Json:
    """The `recommendation` of a comparison; None where there are not two strategies with a cost.

    `trials` are those of every seed by strategy and candidate, without the arms. Strategies that only report
    release nothing, so they are no choice.
    """
    bad = {name: arm["bad"] >= 0.5 for name, arm in document["control"]["candidates"].items()}
    chance = prefer.bad_releases if len(set(bad.values())) == 2 else float(any(bad.values()))
    reports = {name for (name, _), made in trials.items() for t in made if t.verdict is Verdict.REPORTED}
    names = dict.fromkeys(strategy for strategy, _ in trials if strategy not in reports)
    priced = [one for name in names if (one := _priced(name, trials, bad, chance)) is not None]
    if len(priced) < 2:
        return None
    costs = {one.strategy: one.costs(prefer) for one in priced}
    priced.sort(key=lambda one: _mean(costs[one.strategy]))
    best, rivals = priced[0], priced[1:]
    apart = {rival.strategy: _apart(costs[rival.strategy], costs[best.strategy]) for rival in rivals}
    alike = [r for r in rivals if not apart[r.strategy]["told_apart"]]
    others = [r for r in rivals if r not in alike]
    return {
        "preferences": {name: float(getattr(prefer, name)) for name in (CHANCE, *PRICES)},
        "stated": sorted(prefer.model_fields_set),
        "chance_used": len(set(bad.values())) == 2,
        "best": best.strategy,
        "alike": [rival.strategy for rival in alike],
        "strategies": [_entry(one, prefer, costs[one.strategy], apart.get(one.strategy)) for one in priced],
        "decided_by": _decided_by(prefer, best, others[0]) if others else None,
        "flips": _flips(prefer, best, others, len(set(bad.values())) == 2),
    }


def _priced(strategy: str, trials: Trials, bad: Mapping[str, bool], chance: float) -> Priced | None:
    """The amounts of a strategy; None where a seed has no value for one of them."""
    kinds: list[Amounts] = []
    for kind in (False, True):
        rows = [trials[strategy, name] for name in bad if bad[name] is kind and (strategy, name) in trials]
        found = [_amounts(row, kind) for row in rows]
        if any(amounts is None for amounts in found):
            return None
        kinds.append(_together([amounts for amounts in found if amounts is not None]))
    seeds = max(len(amounts[PRICES[0]]) for amounts in kinds)
    good, of_bad = (
        amounts if amounts[PRICES[0]] else dict.fromkeys(PRICES, [0.0] * seeds) for amounts in kinds
    )
    return Priced(strategy, good, of_bad, chance) if seeds else None


def _together(found: Sequence[Amounts]) -> Amounts:
    """The mean over candidates, by seed; empty without any."""
    return {price: [_mean(seed) for seed in zip(*(a[price] for a in found), strict=True)] for price in PRICES}


def _amounts(row: Sequence[Measured], bad: bool) -> Amounts | None:
    """What one strategy took with one candidate, in the units of the prices, by seed."""
    found = {price: [_amount(price, trial, bad) for trial in row] for price in PRICES}
    known = {price: [a for a in amounts if a is not None] for price, amounts in found.items()}
    return known if all(len(amounts) == len(row) for amounts in known.values()) else None


def _amount(price: str, trial: Measured, bad: bool) -> float | None:
    """One trial's amount; what was not reached counts as waited for until the horizon."""
    if price in ENDINGS:
        about_bad = price == "bad_not_rolled_back"
        return float(about_bad is bad and trial.verdict is not ENDINGS[price])
    numbers = (_number(trial.figures[key]) for key in FIGURES[price])
    number = next((n for n in numbers if n is not None), None)
    return number / 60 if number is not None and price == "release_minute" else number


def _number(figure: Figure) -> float | None:
    return figure.value if isinstance(figure, Value) else figure.at


def _apart(costs: Sequence[float], least: Sequence[float]) -> Json:
    """By how much a strategy costs more than the cheapest, seed by seed; 95 % interval of the mean."""
    more = [a - b for a, b in zip(costs, least, strict=True)]
    certain = mean_interval(more) if enough(more) else None
    told = certain is not None and not certain.low <= 0 <= certain.high
    return {"mean": _mean(more), **_ends(certain), "told_apart": told}


def _entry(one: Priced, prefer: Prefer, costs: Sequence[float], apart: Json | None) -> Json:
    certain = mean_interval(costs) if enough(costs) else None
    parts = {price: getattr(prefer, price) * _mean(one.amounts(price)) for price in PRICES}
    more = None if apart is None else {k: apart[k] for k in ("mean", "low", "high")}
    return {"strategy": one.strategy, "cost": _mean(costs), **_ends(certain), "parts": parts, "more": more}


def _decided_by(prefer: Prefer, best: Priced, rival: Priced) -> Json:
    """Which prices make the rival dearer, most of it; and which speak for the rival."""
    apart = {
        price: getattr(prefer, price) * (_mean(rival.amounts(price)) - _mean(best.amounts(price)))
        for price in PRICES
    }
    for_best = sorted((p for p in PRICES if apart[p] > 0), key=lambda p: -apart[p])
    total = math.fsum(apart[p] for p in for_best)
    named = [
        p for i, p in enumerate(for_best) if math.fsum(apart[q] for q in for_best[:i]) < MOST_OF_IT * total
    ]
    against = sorted((p for p in PRICES if apart[p] < 0), key=lambda p: apart[p])
    return {
        "over": rival.strategy,
        "for": {price: apart[price] for price in named},
        "against": {price: apart[price] for price in against},
    }


def _flips(prefer: Prefer, best: Priced, rivals: Sequence[Priced], chance_used: bool) -> list[Json]:
    """For each single preference the nearest values, below and above, at which a rival becomes cheaper."""
    found = []
    for name in (CHANCE,) * chance_used + PRICES:
        now, most = getattr(prefer, name), 1.0 if name == CHANCE else math.inf
        crossings = [(at, r.strategy) for r in rivals if (at := _crossing(prefer, name, best, r)) is not None]
        below = max(((at, who) for at, who in crossings if 0 < at < now), default=None, key=lambda c: c[0])
        above = min(((at, who) for at, who in crossings if now < at < most), default=None, key=lambda c: c[0])
        for word, crossing in (("under", below), ("over", above)):
            if crossing is not None:
                at, who = crossing
                found.append({"preference": name, "now": now, "if": word, "at": at, "cheaper": who})
    return sorted(found, key=_far)


def _crossing(prefer: Prefer, name: str, best: Priced, rival: Priced) -> float | None:
    """Where the two cost the same if only this preference changes; None if nowhere."""
    apart = _mean(rival.costs(prefer)) - _mean(best.costs(prefer))
    if name == CHANCE:
        slope = rival.worse_if_bad(prefer) - best.worse_if_bad(prefer)
    else:
        slope = _mean(rival.amounts(name)) - _mean(best.amounts(name))
    return float(getattr(prefer, name) - apart / slope) if slope else None


def _far(flip: Mapping[str, Json]) -> float:
    """How many times more or less than now; a price of nothing is far from everything."""
    return abs(math.log(flip["at"] / flip["now"])) if flip["now"] else math.inf


def _ends(certain: Interval | None) -> dict[str, float | None]:
    low, high = certain or (None, None)
    return {"low": low, "high": high}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
