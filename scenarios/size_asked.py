"""What `size` is asked, from the texts of its options: one question, or every mistake at once. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from scenarios.errors import Problem, ScenarioError, shown
from scenarios.scenario import Scenario
from scenarios.size import Detect, Draws, Pace, Precision, Question, Window
from scenarios.size_guard import Case
from scenarios.units import Rate, parse_share

T = TypeVar("T")
MOST_REQUESTS = 1_000_000_000
_BETWEEN = re.compile(r"(.+?)\s*(?:->|→|\.\.)\s*(.+)")
_KINDS = (
    "--detect '1%->2%'; --share 10% --detect 15%; --precision 1% [--share 10%]; --requests 10 --share 10%; "
    "--requests 50 --limit 1% [--detect '0.5%->3%']; or SCENARIO [--strategy NAME] [--guard NAME]"
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options as written; None: not given."""

    detect: str | None = None
    precision: str | None = None
    share: str | None = None
    requests: str | None = None
    limit: str | None = None
    rate: str | None = None
    alpha: str = "5%"
    power: str = "90%"
    strategy: str | None = None
    guard: str | None = None
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about shares, and how fast requests come."""

    question: Question
    pace: Pace


def asked(options: Options) -> Asked:
    """The question of options without a scenario. Raises ScenarioError."""
    read = _Reading()
    read.unwanted(options, ("strategy", "guard", "candidates"), "only with a SCENARIO")
    share = read.share("share", options.share)
    rate, (alpha, power) = read.rate(options.rate), read.errors(options)
    question = _question(read, options, share, alpha, power)
    read.done()
    assert question is not None
    whole = isinstance(question, Draws | Precision) or (isinstance(question, Detect) and question.sides == 2)
    return Asked(question, Pace(rate, 1.0 if whole or share is None else share))


def case(scenario: Scenario, options: Options) -> Case:
    """The guard that is asked about. Raises ScenarioError."""
    read = _Reading()
    told = ("detect", "precision", "share", "requests", "limit")
    read.unwanted(options, told, "not with a SCENARIO, which says that itself")
    rate, (alpha, power) = read.rate(options.rate), read.errors(options)
    judged = {name: guards for name in _possible(scenario) if (guards := scenario.plan(name).guards)}
    strategy = read.one_of("strategy", options.strategy, judged, "judged by a guard")
    guards = judged.get(strategy or "", tuple(scenario.guards))
    where = f"judging {strategy}" if strategy else "in the scenario"
    guard = read.one_of("guard", options.guard, guards, where)
    for name in options.candidates:
        read.one_of("candidate", name, scenario.variants, "in the scenario")
    read.done()
    assert strategy is not None and guard is not None
    chosen = options.candidates or tuple(scenario.variants)
    found = Case(scenario, strategy, guard, scenario.guards[guard], chosen, rate, alpha, power)
    if not found.exposure.phases:
        read.wrong(
            "guard", f"in no stage that it judges does {strategy} send anything to the candidate", guard
        )
    read.done()
    return found


def _possible(scenario: Scenario) -> list[str]:
    impossible = scenario.unrealisable()
    return [name for name in scenario.strategies if name not in impossible]


def _question(
    read: "_Reading", options: Options, share: float | None, alpha: float, power: float
) -> Question | None:
    """The one question that the options make; None after a complaint."""
    given = {field.name for field in fields(options) if getattr(options, field.name) is not None}
    match sorted(given & {"detect", "precision", "requests", "limit"}):
        case ["precision"]:
            within = read.share("precision", options.precision, most=0.5)
            return Precision(0.5 if share is None else share, within, 1 - alpha) if within else None
        case ["requests"] if options.share is not None:
            requests = read.requests(options.requests)
            return Draws(share, requests) if share and requests else None
        case ["limit", "requests"] | ["detect", "limit", "requests"] if options.share is None:
            pair = None if options.detect is None else read.pair(options.detect)
            requests, limit = read.requests(options.requests), read.share("limit", options.limit, ends=True)
            window = Window(requests or 1, limit or 0.0)
            return window if pair is None else replace(window, share=pair[0], other=pair[1])
        case ["detect"]:
            return _detect(read, options, share, alpha, power)
        case _:
            read.wrong("size", f"expected one of: {_KINDS}", None)
            return None


def _detect(
    read: "_Reading", options: Options, share: float | None, alpha: float, power: float
) -> Detect | None:
    """A rise or fall from one share to another; or another share than the claimed one, on either side."""
    text = options.detect or ""
    if options.share is None or _BETWEEN.fullmatch(text):
        pair = read.pair(text)
        return None if pair is None else Detect(*pair, 1, alpha, power)
    other = read.share("detect", text, ends=True)
    if other is None or share is None:
        return None
    if other == share:
        read.wrong("detect", "expected another share than --share", text)
        return None
    return Detect(share, other, 2, alpha, power)


class _Reading:
    """Reads values and keeps what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def done(self) -> None:
        """Raise what was found, if anything was."""
        if self.problems:
            raise ScenarioError(self.problems)

    def wrong(self, name: str, message: str, value: object) -> None:
        """Note a mistake."""
        path = name if name == "size" else f"--{name}"
        self.problems.append(Problem(path, None, message, None if value is None else shown(value)))

    def unwanted(self, options: Options, names: Sequence[str], why: str) -> None:
        """Options that say nothing here."""
        for name in names:
            value = getattr(options, name)
            if value:
                shown_value = ", ".join(value) if isinstance(value, tuple) else value
                self.wrong(name.removesuffix("s") if name == "candidates" else name, why, shown_value)

    def one_of(
        self, name: str, value: str | None, there: Sequence[str] | dict[str, T], which: str
    ) -> str | None:
        """The name that was said, or the only one there is."""
        names = list(there)
        if value is None and len(names) == 1:
            return names[0]
        if value is not None and value in names:
            return value
        if not names:
            self.wrong(name, f"there is none {which}", value)
        else:
            self.wrong(name, f"expected one that is {which}: {', '.join(names)}", value or "nothing")
        return None

    def share(self, name: str, text: str | None, most: float = 1.0, ends: bool = False) -> float | None:
        """A share above 0 % and below `most`, with `ends` these too; None if not given, or wrong."""
        if ends:
            return self._read(name, text, parse_share, lambda x: 0 <= x <= most, "a share such as 1%")
        wanted = f"a share above 0% and below {most:.0%}, such as 1%"
        return self._read(name, text, parse_share, lambda x: 0 < x < most, wanted)

    def rate(self, text: str | None) -> float | None:
        """Requests a second."""
        adapter: TypeAdapter[float] = TypeAdapter(Rate)
        wanted = "a rate above 0, such as 200/s"
        return self._read("rate", text, adapter.validate_python, lambda x: x > 0, wanted)

    def requests(self, text: str | None) -> int | None:
        """A whole number of them."""
        wanted = f"a whole number from 1 to {MOST_REQUESTS:,}"
        return self._read("requests", text, _whole, lambda x: 1 <= x <= MOST_REQUESTS, wanted)

    def errors(self, options: Options) -> tuple[float, float]:
        """Alpha and power; the usual ones after a complaint."""
        wanted = "a share above 0% and below 50%, such as 5%"
        alpha = self._read("alpha", options.alpha, parse_share, lambda x: 0 < x < 0.5, wanted)
        wanted = "a share from 50% to below 100%, such as 90%"
        power = self._read("power", options.power, parse_share, lambda x: 0.5 <= x < 1, wanted)
        return alpha or 0.05, power or 0.9

    def pair(self, text: str) -> tuple[float, float] | None:
        """Two different shares, from and to."""
        wanted = "two different shares in quotes, '1%->2%', or without any: 1%..2%"
        found = _BETWEEN.fullmatch(text)
        try:
            pair = (parse_share(found[1]), parse_share(found[2])) if found else None
        except ValueError:
            pair = None
        if pair is None or pair[0] == pair[1]:
            self.wrong("detect", f"expected {wanted}", text)
            return None
        return pair

    def _read(
        self, name: str, text: str | None, parse: Callable[[str], T], fits: Callable[[T], bool], wanted: str
    ) -> T | None:
        if text is None:
            return None
        try:
            value = parse(text)
        except (ValueError, ValidationError):
            value = None
        if value is None or not fits(value):
            self.wrong(name, f"expected {wanted}", text)
            return None
        return value


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9][0-9,_]{0,15}", text):
        raise ValueError(text)
    return int(text.replace(",", "").replace("_", ""))
