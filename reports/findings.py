"""What a comparison says: headline figures by candidate, which is best, which differ from it by more than
chance, and sentences that conclude. Reads the comparison document alone; terminal, charts and page show it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from reports.columns import COLUMNS, COST, DURATION, REQUESTS, USERS, Column
from reports.words import (
    NEVER,
    NO_VALUE,
    TOO_FEW,
    Written,
    listed,
    of_seeds,
    plain,
    quantity,
    reason,
    share,
)
from scenarios.scenario import Scenario
from scenarios.units import write_duration
from scenarios.world import Slo

Document = Mapping[str, Any]
Figures = Mapping[str, Mapping[str, Any]]
RIGHT = {True: "rolled_back", False: "promoted"}  # by whether the candidate is bad
UNSURE = "± ?"  # in place of a half-width, where the seeds are too few for one
WRONG = {True: "promoted", False: "rolled_back"}
VERDICTS = {
    "promoted": "promoted",
    "rolled_back": "rolled back",
    "stuck": "stuck",
    "out_of_time": "out of time",
    "reported": "reported",
}


class Mark(StrEnum):
    """How a figure stands to the best of its column: TIED is not told apart from it, NONE says nothing."""

    BEST = "best"
    TIED = "≈ best"
    WORSE = "worse"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a strategy. Without a value `why` says why; `reached` is below 1 if some never did."""

    figure: Mapping[str, Any]
    value: float | None
    written: Written
    why: str
    reached: float
    mark: Mark = Mark.NONE

    @property
    def low(self) -> float | None:
        """Lower end of the 95 % interval of the mean."""
        low: float | None = self.figure.get("low")
        return low

    @property
    def high(self) -> float | None:
        """Upper end of the 95 % interval of the mean."""
        high: float | None = self.figure.get("high")
        return high


@dataclass(frozen=True, slots=True)
class Ending:
    """How large a share of the seeds ended so, and whether that was right (None: neither)."""

    verdict: str
    share: float
    low: float
    high: float
    right: bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy with one candidate; cells in the order of COLUMNS."""

    strategy: str
    kind: str
    endings: tuple[Ending, ...]
    cells: tuple[Cell, ...]
    figures: Figures

    def cell(self, column: Column) -> Cell:
        return self.cells[COLUMNS.index(column)]

    def ending(self, verdict: str) -> float:
        return sum(e.share for e in self.endings if e.verdict == verdict)


@dataclass(frozen=True, slots=True)
class Block:
    """All strategies with one candidate. `bad_share` is the share of seeds in which its arm was bad."""

    candidate: str
    bad_share: float
    seeds: int
    standing: str
    rows: tuple[Row, ...]
    conclusions: tuple[str, ...] = ()
    judged: bool = True

    @property
    def bad(self) -> bool:
        return self.bad_share >= 0.5

    @property
    def word(self) -> str:
        """What the candidate is, in a word; not judged where stable misses the objective itself."""
        return ("bad" if self.bad else "good") if self.judged else "not judged"


def blocks(document: Document, scenario: Scenario) -> tuple[Block, ...]:
    """The findings per candidate, bad ones first, in the order of the scenario."""
    arms = document["control"]["candidates"]
    order = [name for name in scenario.variants if name in arms] + [
        n for n in arms if n not in scenario.variants
    ]
    made = [_block(document, scenario, name, arms[name].get("bad")) for name in order]
    return tuple(sorted(made, key=lambda block: not block.bad))


def rows(document: Document, candidate: str, order: Sequence[str] = ()) -> tuple[Row, ...]:
    """The strategies with that candidate, every cell marked; in this order, the unnamed ones last."""
    bad = is_bad(document, candidate)
    found = [_row(row, bad) for row in document["rows"] if row["candidate"] == candidate]
    place = {plain(name): at for at, name in enumerate(order)}
    found.sort(key=lambda row: place.get(row.strategy, len(place)))
    return marked(found, bad, Differences(document, candidate))


def is_bad(document: Document, candidate: str) -> bool:
    """Whether the candidate's arm was bad in at least half of the seeds."""
    return (document["control"]["candidates"][candidate].get("bad") or 0.0) >= 0.5


def _block(document: Document, scenario: Scenario, candidate: str, bad: float | None) -> Block:
    seeds, bad = len(document["seeds"]), bad or 0.0
    found = rows(document, candidate, tuple(scenario.strategies))
    if bad < 0.5 and stable_misses(document):
        found = tuple(_neutral(row) for row in found)
        said = f"Stable itself misses the objective ({objective(scenario)}): nobody can be judged by it."
        block = Block(plain(candidate), bad, seeds, said, found, judged=False)
        return replace(block, conclusions=tuple(_unsure(block)))
    block = Block(plain(candidate), bad, seeds, _standing(scenario, bad, seeds), found)
    differences = Differences(document, candidate)
    says = _conclude_bad(block) if block.bad else _conclude_good(block, differences)
    return replace(block, conclusions=tuple(says))


def _neutral(row: Row) -> Row:
    """The row where no ending is right or wrong."""
    return replace(row, endings=tuple(replace(ending, right=None) for ending in row.endings))


def _row(row: Mapping[str, Any], bad: bool) -> Row:
    endings = [
        Ending(key, at["share"], at["low"], at["high"], {RIGHT[bad]: True, WRONG[bad]: False}.get(key))
        for key, at in row["verdicts"].items()
        if key in VERDICTS and at["share"] > 0
    ]
    endings.sort(key=lambda ending: (-ending.share, ending.verdict))
    figures: Figures = row["figures"]
    cells = tuple(cell(figures, column.keys) for column in COLUMNS)
    return Row(plain(row["strategy"]), row["kind"], tuple(endings), cells, figures)


def cell(figures: Figures, keys: Sequence[str]) -> Cell:
    """The first of these figures that the row has, ready to be shown."""
    figure = next((figures[key] for key in keys if key in figures), {})
    return shown(figure)


def shown(figure: Mapping[str, Any]) -> Cell:
    """A figure of the document, ready to be shown."""
    mean = figure.get("mean")
    why = figure.get("why")
    if mean is None:
        return Cell(figure, None, Written(""), reason(why) if figure else NO_VALUE, 0.0)
    low, high = figure.get("low"), figure.get("high")
    half = None if low is None or high is None else (high - low) / 2
    written = quantity(mean, figure.get("unit", ""), half)
    never = isinstance(why, Mapping) and any(reason(w) == NEVER and n for w, n in why.items())
    reached = figure.get("reached")
    reached = 1.0 if reached is None or not never else reached
    sign = "≥ " if never else ""
    return Cell(figure, mean, Written(sign + written.value, written.half or UNSURE), "", reached)


class Differences:
    """What the document says of a − b for one candidate, either way round."""

    def __init__(self, document: Document, candidate: str) -> None:
        self._known: dict[tuple[str, str, str], tuple[float | None, float | None]] = {}
        for d in document["differences"]:
            if d["candidate"] == candidate:
                self._known[plain(d["a"]), plain(d["b"]), d["figure"]] = d["low"], d["high"]

    def tied(self, a: str, b: str, keys: Sequence[str]) -> bool | None:
        """Whether the two differ by no more than chance; None where that is not known."""
        for key in keys:
            low, high = self._known.get((a, b, key)) or self._known.get((b, a, key)) or (None, None)
            if low is not None and high is not None:
                return low <= 0 <= high
        return None


def marked(found: Sequence[Row], bad: bool, differences: Differences) -> tuple[Row, ...]:
    """The rows with every cell marked."""
    marks = [_marks(found, at, column, bad, differences) for at, column in enumerate(COLUMNS)]
    return tuple(
        replace(row, cells=tuple(replace(cell, mark=marks[at][place]) for at, cell in enumerate(row.cells)))
        for place, row in enumerate(found)
    )


def _marks(
    found: Sequence[Row], at: int, column: Column, bad: bool, differences: Differences
) -> Sequence[Mark]:
    """The marks of one column, by row; none at all where nothing is told apart."""
    sign = 1 if column.better == "less" else -1
    values, whys = [row.cells[at].value for row in found], [row.cells[at].why for row in found]
    able = [
        i
        for i, (row, value) in enumerate(zip(found, values, strict=True))
        if value is not None and (not column.only_if_right or row.ending(RIGHT[bad]) > 0.5)
    ]
    marks, unknown = [Mark.NONE] * len(found), False
    if not able or len(found) < 2:
        return marks
    best = min(able, key=lambda i: (sign * (values[i] or 0.0), i))
    for i in able:
        same = found[i].cells[at].value == values[best]
        tied = True if same else differences.tied(found[i].strategy, found[best].strategy, column.keys)
        unknown = unknown or tied is None
        marks[i] = Mark.BEST if same else Mark.WORSE if tied is False else Mark.TIED
    out = [i for i, value in enumerate(values) if i not in able and (value is not None or whys[i] == NEVER)]
    told_apart = Mark.WORSE in marks or (out and not unknown)
    return marks if told_apart else [Mark.NONE] * len(found)


def _standing(scenario: Scenario, bad: float, seeds: int) -> str:
    """Why a candidate counts as bad or good: the objective, and in how many seeds its arm broke it."""
    aim = f"the objective ({objective(scenario)})"
    if bad >= 0.5:
        return f"Run everywhere it misses {aim} {of_seeds(bad, seeds)}; stable keeps it."
    if bad > 0:
        return f"Run everywhere it misses {aim} {of_seeds(bad, seeds)} only."
    return f"Run everywhere it keeps {aim} {of_seeds(1.0, seeds)}."


def stable_misses(document: Document) -> bool:
    """Whether stable's own arm breaks the objective, in at least half of the seeds."""
    return (document["control"]["stable"].get("bad") or 0.0) >= 0.5


def objective(scenario: Scenario) -> str:
    """The objective in words; says so where it is the default and nobody's choice."""
    parts = [f"{share(scenario.slo.success)} of requests answered"]
    parts += [f"{q} up to {write_duration(limit)}" for q, limit in sorted(scenario.slo.latency.items())]
    default = ", the default" if scenario.slo == Slo() else ""
    return listed(parts) + default


def _conclude_bad(block: Block) -> list[str]:
    passed = [row for row in block.rows if row.ending("promoted") > 0]
    back = [row for row in block.rows if row.ending("rolled_back") == 1]
    said = []
    if passed:
        said.append(
            f"{_endings(passed, 'promoted', block.seeds, 'promote', 'promotes')} it although it is bad."
        )
    elif back and len(back) == len(block.rows):
        said.append("Every strategy rolls it back in every seed.")
    else:
        said.append("No strategy promotes it, but not all roll it back.")
    return said + _least_harm(block) + _unsure(block)


def _conclude_good(block: Block, differences: Differences) -> list[str]:
    alarms = [row for row in block.rows if row.ending("rolled_back") > 0]
    unfinished = [row for row in block.rows if row.ending("stuck") + row.ending("out_of_time") > 0]
    said = []
    if alarms:
        said.append(
            f"{_endings(alarms, 'rolled_back', block.seeds, 'roll', 'rolls')} it back although it is good."
        )
    if unfinished:
        said.append(f"Not finished in every seed: {listed([row.strategy for row in unfinished])}.")
    looking = [row.strategy for row in block.rows if row.ending("reported") > 0]
    if not said and len(looking) < len(block.rows):
        who = "Every strategy that is meant to" if looking else "Every strategy"
        said.append(f"{who} promotes it in every seed.")
    if looking:
        said.append(f"Promoting nothing, as planned: {listed(looking)}.")
    return said + _own_harm(block, differences) + _unsure(block)


def _endings(found: Sequence[Row], verdict: str, seeds: int, many: str, one: str) -> str:
    """`canary (in 3 of 32 seeds) and rolling (in every seed) promote`."""
    by: dict[str, list[str]] = {}
    for row in found:
        by.setdefault(of_seeds(row.ending(verdict), seeds), []).append(row.strategy)
    names = [f"{listed(strategies)} ({often})" for often, strategies in by.items()]
    return f"{listed(names)} {one if len(found) == 1 else many}"


def _least_harm(block: Block) -> list[str]:
    """Who harms the fewest users, who is as good as far as chance tells, and who is worst; nothing of one."""
    if len(block.rows) < 2:
        return []
    best, tied, worse = ranked(block.rows, USERS)
    if best is None and _unknown(block.rows, USERS):
        return [f"{block.seeds:,} seeds are too few to tell differences in users harmed from chance."]
    if best is None:
        return ["Between the strategies, the users harmed differ by no more than chance."]
    said = f"{best.strategy} harms the fewest users ({best.cell(USERS).written})"
    if tied:
        names = [f"{row.strategy} ({row.cell(USERS).written})" for row in tied]
        said += f"; {listed(names)} {'is' if len(tied) == 1 else 'are'} within chance of that"
    if worse:
        worst = max(worse, key=lambda row: row.cell(USERS).value or 0.0)
        said += f"; {worst.strategy} harms the most ({worst.cell(USERS).written})"
    return [said + ".", *_price(best)]


def _unknown(found: Sequence[Row], column: Column) -> bool:
    """Whether some of these have a value without an interval."""
    cells = [row.cell(column) for row in found]
    return any(cell.value is not None and cell.figure.get("low") is None for cell in cells)


def _price(best: Row) -> list[str]:
    """What the safest one costs, where others cost less by more than chance."""
    columns = ((COST, " extra pod-seconds"), (DURATION, " until it has settled"))
    dear = [
        f"{best.cell(column).written.value}{unit}"
        for column, unit in columns
        if best.cell(column).mark is Mark.WORSE
    ]
    return [f"The price of {best.strategy}: {listed(dear)}, more than others need."] if dear else []


def _own_harm(block: Block, differences: Differences) -> list[str]:
    """Which fail requests by their own doing, though the candidate is good, and the best of the others."""
    harmful = [row for row in block.rows if (row.cell(REQUESTS).low or 0.0) > 0]
    harmless = [row for row in block.rows if row not in harmful and row.ending("promoted") == 1]
    if not harmful and _unknown(block.rows, REQUESTS):
        return [f"{block.seeds:,} seeds are too few to tell the requests failed from chance."]
    if not harmful:
        return ["None fails more requests than chance would.", *_quickest(block.rows)]
    names = [f"{row.strategy} ({row.cell(REQUESTS).written})" for row in harmful]
    verb = "fails" if len(names) == 1 else "fail"
    said = f"{listed(names)} {verb} requests by the release alone"
    if len(harmful) < len(block.rows):
        said += "; the others fail none beyond chance"
    return [said + ".", *_quickest(marked(harmless, block.bad, differences), "Of those, ")]


def _quickest(found: Sequence[Row], start: str = "") -> list[str]:
    """The quickest and the cheapest of these, in one sentence."""
    said: list[str] = []
    for column, words in ((DURATION, "is the quickest"), (COST, "needs the fewest extra pod-seconds")):
        best, tied, _ = ranked(found, column)
        if best is not None:
            alike = [row.strategy for row in tied]
            names = f"{best.strategy} {words} ({best.cell(column).written})"
            said.append(names + (f", {listed(alike)} within chance of it" if alike else ""))
    return [f"{start}{'; '.join(said)}."] if said else []


def _unsure(block: Block) -> list[str]:
    if block.seeds < 2:
        return ["One seed cannot tell a difference from chance: run more."]
    cells = [cell for row in block.rows for cell in row.cells]
    few = any(cell.why == TOO_FEW for cell in cells)
    return ["Some figures need more traffic or more seeds."] if few else []


def ranked(found: Sequence[Row], column: Column) -> tuple[Row | None, list[Row], list[Row]]:
    """The best row of a column, those within chance of it (as good ones too), and those that are worse."""
    by = {mark: [row for row in found if row.cell(column).mark is mark] for mark in Mark}
    best = by[Mark.BEST]
    return (best[0], best[1:] + by[Mark.TIED], by[Mark.WORSE]) if best else (None, [], [])
