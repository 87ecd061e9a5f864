"""A recommendation in words: which strategy, at what cost, decided and flipped by what, preferring what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.recommend import CHANCE, PRICES
from reports.words import listed, plain, quantity

Json = Any
PRICED = {
    "failed_request": "a failed request",
    "harmed_user": "a user harmed",
    "pod_second_short": "a pod-second of capacity lost",
    "pod_second_extra": "a pod-second extra",
    "release_minute": "a minute of release",
    "good_not_promoted": "a good release not promoted",
    "bad_not_rolled_back": "a bad release not rolled back",
}
COUNTED = {
    "failed_request": "failed requests",
    "harmed_user": "users harmed",
    "pod_second_short": "capacity lost",
    "pod_second_extra": "extra pods",
    "release_minute": "time to release",
    "good_not_promoted": "good releases not promoted",
    "bad_not_rolled_back": "bad releases not rolled back",
}
MOST_FLIPS = 3


@dataclass(frozen=True, slots=True)
class Advice:
    """The recommended strategy, or those between which chance decides; why, as a heading and a line each."""

    strategy: str
    why: tuple[tuple[str, str], ...]


def advice(document: Mapping[str, Json]) -> Advice | None:
    """The recommendation of a comparison in words, harmless for a terminal; None without one."""
    found = document.get("recommendation")
    if found is None:
        return None
    why = [("cost", _cost(found))]
    if found["decided_by"] is not None:
        why += [("decided by", _decided(found)), ("would flip", _flips(found))]
    return Advice(_headline(found), (*why, ("preferring", _preferences(found))))


def _headline(found: Mapping[str, Json]) -> str:
    """One or two names; where nearly everything may be chance, no name is better than any."""
    if found["decided_by"] is None and len(found["alike"]) > 1:
        return f"none yet: {1 + len(found['alike'])} strategies are not told apart; more seeds would tell"
    return _cheapest(found)


def _cheapest(found: Mapping[str, Json]) -> str:
    return listed([plain(found["best"]), *(plain(name) for name in found["alike"])], "or")


def _cost(found: Mapping[str, Json]) -> str:
    by_name = {entry["strategy"]: entry for entry in found["strategies"]}
    best = _number(by_name[found["best"]]["cost"])
    said = f"{plain(found['best'])} costs {best} a release by the preferences below"
    if found["alike"]:
        names = [f"{plain(name)} ({_more(by_name[name]['more'])})" for name in found["alike"]]
        said += f"; {listed(names)} {'is' if len(names) == 1 else 'are'} not told apart from it"
    if found["decided_by"] is None:
        return f"{said}: chance, or too few seeds, decides"
    over = found["decided_by"]["over"]
    next_one = "the next" if found["alike"] else "next"
    return f"{said}; {next_one} is {plain(over)} ({_more(by_name[over]['more'])})"


def _more(more: Mapping[str, Json]) -> str:
    """By how much one costs more, with the half-width of the interval."""
    low, high = more["low"], more["high"]
    half = None if low is None or high is None else (high - low) / 2
    return f"{quantity(more['mean'], '', half)} more"


def _decided(found: Mapping[str, Json]) -> str:
    decided = found["decided_by"]
    said = f"{plain(found['best'])} costs less than {plain(decided['over'])} in {_amounts(decided['for'])}"
    return f"{said}, but more in {_amounts(decided['against'])}" if decided["against"] else said


def _amounts(parts: Mapping[str, float]) -> str:
    by_size = sorted(parts, key=lambda price: -abs(parts[price]))
    return listed([f"{COUNTED[price]} ({_number(abs(parts[price]))})" for price in by_size])


def _flips(found: Mapping[str, Json]) -> str:
    nearest: Sequence[Mapping[str, Json]] = found["flips"][:MOST_FLIPS]
    if not nearest:
        return f"{_cheapest(found)} stays the cheapest whichever single preference changes"
    return "; ".join(_flip(flip) for flip in nearest)


def _flip(flip: Mapping[str, Json]) -> str:
    who, word = plain(flip["cheaper"]), {"under": "less", "over": "more"}[flip["if"]]
    if flip["preference"] == CHANCE:
        return (
            f"{who} if {word} than {_percent(flip['at'])} of releases were bad (not {_percent(flip['now'])})"
        )
    at, now = _number(flip["at"]), _price(flip["now"])
    return f"{who} if {PRICED[flip['preference']]} cost {word} than {at} (not {now})"


def _preferences(found: Mapping[str, Json]) -> str:
    preferences, stated = found["preferences"], set(found["stated"])
    names = [name for name in (CHANCE, *PRICES) if name != CHANCE or found["chance_used"]]
    parts = [
        f"{word} {', '.join(_preference(name, preferences[name]) for name in chosen)}"
        for word, chosen in (
            ("stated:", [name for name in names if name in stated]),
            ("assumed:", [name for name in names if name not in stated]),
        )
        if chosen
    ]
    own = "" if stated >= set(names) else "; state your own under prefer:"
    return "; ".join(parts) + own


def _preference(name: str, value: float) -> str:
    if name == CHANCE:
        return f"{_percent(value)} of releases are bad"
    return f"{PRICED[name].removeprefix('a ')} {_price(value)}"


def _number(value: float) -> str:
    return quantity(value, "").value


def _price(value: float) -> str:
    """A preference as somebody wrote it."""
    return f"{value:,.10g}"


def _percent(value: float) -> str:
    """A chance to two digits or more, however small: 10 %, 0.0078 %."""
    digits = f"{float(f'{100 * value:.2g}'):f}".rstrip("0").rstrip(".")
    return f"{digits} %" if value < 0.1 else quantity(value, "share").value
