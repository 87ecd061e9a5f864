"""An agreement document in words and numbers: the same for the terminal, for Markdown and for the page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.agreement import TOLD
from reports.findings import VERDICTS
from reports.nearness import SHIFT, Nearness
from reports.words import MINUS, listed, plain, quantity, share

Json = Any
LABELS: Mapping[str, str] = {
    "failed_requests": "failed requests",
    "blast_requests": "blast radius, requests",
    "users_harmed": "users harmed",
    "capacity_loss": "capacity lost (pod-s)",
    "worst_capacity": "worst capacity",
    "extra_cost": "extra pods (pod-s)",
    "exposure_requests": "exposure, requests",
    "time_to_detect": "time to detect",
    "rollback_time": "rollback time",
    "recovery_time": "recovery time",
    "release_duration": "release duration",
    "latency_p50": "latency p50",
    "latency_p99": "latency p99",
}
SIGNS = {
    Nearness.AGREES: "✓",
    Nearness.DIFFERS: "✗",
    Nearness.TOO_FEW: "?",
    Nearness.NOT_OBSERVABLE: "–",
}
UNEXPLAINED = "nothing else that was measured here differs by more than chance"
RULE = (
    "It differs where the means are farther apart than the margin, than the figure's floor, and than chance "
    "(the mean of so many repeats would with 90 % be nearer). It agrees otherwise, unless chance reaches "
    "farther than 25 % of the prediction and than the floor: then there are too few repeats to say so. Of "
    "figures that are as predicted, up to one in ten is said to differ. What only the simulator can know, "
    "the same run without a release, is not observable."
)


@dataclass(frozen=True, slots=True)
class Line:
    """A figure of a cell, written out; `power` is how often a shift of 30 % would have been found."""

    key: str
    label: str
    nearness: Nearness
    predicted: str
    measured: str
    difference: str
    chance: str
    power: str
    why: str
    because: tuple[str, ...]

    @property
    def sign(self) -> str:
        return SIGNS[self.nearness]


@dataclass(frozen=True, slots=True)
class CellWords:
    """A strategy with a candidate, written out."""

    strategy: str
    candidate: str
    counted: str
    ended: str
    ended_nearness: Nearness
    lines: tuple[Line, ...]

    @property
    def name(self) -> str:
        return f"{self.strategy} · {self.candidate}"

    def line(self, key: str) -> Line | None:
        return next((line for line in self.lines if line.key == key), None)


def cells(document: Mapping[str, Json]) -> tuple[CellWords, ...]:
    """Every cell with the figures that are told."""
    return tuple(_cell(cell) for cell in document["cells"])


def _cell(cell: Mapping[str, Json]) -> CellWords:
    lines = tuple(_line(key, cell["figures"][key]) for key in TOLD if key in cell["figures"])
    repeats = "1 repeat" if cell["repeats"] == 1 else f"{cell['repeats']} repeats"
    counted = f"{repeats}, {cell['seeds']} simulated runs"
    nearness = Nearness(cell["ended"]["nearness"])
    return CellWords(
        plain(cell["strategy"]), plain(cell["candidate"]), counted, _ended(cell), nearness, lines
    )


def _ended(cell: Mapping[str, Json]) -> str:
    """`promoted 5 of 5, predicted 100 %`."""
    found = []
    for verdict, way in cell["ended"]["ways"].items():
        word, runs = VERDICTS.get(verdict, verdict), cell["repeats"]
        found.append(f"{word} {round(way['measured'] * runs)} of {runs}, predicted {share(way['predicted'])}")
    return "; ".join(found)


def _line(key: str, figure: Mapping[str, Json]) -> Line:
    label, nearness = LABELS[key], Nearness(figure["nearness"])
    because = tuple(plain(text) for text in figure.get("because", ()))
    if "predicted" not in figure:
        why = plain(figure["why"])
        return Line(key, label, nearness, "", "", "", "", "", why, because)
    unit, half = figure["unit"], _half(figure)
    never = figure["reached"]
    if not any(never.values()):  # the waits until the horizon are no news
        ends = ("never", "never", "", "", "", "")
        return Line(key, label, nearness, *ends, because)
    return Line(
        key,
        label,
        nearness,
        _mean(figure["predicted"], unit, half, never["predicted"]),
        _mean(figure["measured"], unit, figure["half"], never["measured"]),
        _difference(figure),
        _relative(half, figure["predicted"], unit),
        _power(figure),
        plain(figure["why"]),
        because,
    )


def _power(figure: Mapping[str, Json]) -> str:
    """How often a true difference of 30 % would be found; `floor` where that much is less than the floor."""
    if figure["power"] is None:
        return ""
    if figure["allowed"] >= SHIFT * abs(figure["predicted"]):
        return "floor"
    return "> 99 %" if figure["power"] > 0.99 else f"{figure['power'] * 100:.0f} %"


def _half(figure: Mapping[str, Json]) -> float:
    return float(figure["chance"]["below"] + figure["chance"]["above"]) / 2


def _mean(value: float, unit: str, half: float | None, reached: float) -> str:
    """A mean with its half-width; what was never reached counts as waited for until the horizon."""
    if reached == 0:
        return "never"
    text = str(quantity(value, unit, half))
    return text if reached == 1 else f"{text}, in {share(reached)}"


def _difference(figure: Mapping[str, Json]) -> str:
    value = figure["difference"]
    written = quantity(value, figure["unit"]).value
    signed = f"+{written}" if value > 0 and any(digit in "123456789" for digit in written) else written
    if not figure["predicted"]:
        return signed
    part = value / abs(figure["predicted"])
    return f"{signed} ({MINUS if part < 0 else '+'}{abs(part) * 100:.0f} %)" if abs(part) < 99.5 else signed


def _relative(half: float, predicted: float, unit: str) -> str:
    if predicted and half / abs(predicted) < 9.995:
        return f"± {half / abs(predicted) * 100:.0f} %"
    return f"± {quantity(half, unit).value}"


# --- the whole ---------------------------------------------------------------------------------------


def facts(document: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """What the comparison rests on: pairs of a heading and a text."""
    cluster = document["cluster"]
    yield "cluster", plain(f"{cluster['context']} ({cluster['uid']})")
    yield "runs", plain(listed(document["runs"]))
    yield "time scale", f"{document['time_scale']:g}: waits, windows and deadlines times this, on both sides"
    yield "margin", f"{share(document['margin'])} of the predicted mean, unless the scenario names another"
    if "overlay" in document:
        overlay = document["overlay"]
        yield (
            "overlay",
            plain(f"made {overlay['made']} on {overlay['context']}, run {listed(overlay['runs'])}"),
        )
    for loss in document["losses"]:
        but = "measured, but " if loss["measured"] and loss["figures"] else ""
        yield "your own image", plain(f"{_lost(loss['figures'])}{but}{loss['why']}")
    if document["left_out"]:
        some = [f"{one['trial']} ({one['why']})" for one in document["left_out"][:3]]
        more = len(document["left_out"]) - len(some)
        text = "; ".join(some) + (f"; and {more} more" if more else "")
        yield "left out", plain(f"{len(document['left_out'])} runs that were not conclusive: {text}")


def _lost(figures: Sequence[str]) -> str:
    """The figures that tables show, by their names, and how many others there are."""
    told = [LABELS[key] for key in figures if key in LABELS]
    others = len(figures) - len(told)
    names = [*told, *([f"{others} other{'s' if others > 1 else ''}"] if others else [])]
    return f"{listed(names)}: " if names else ""


def counted(document: Mapping[str, Json]) -> str:
    """`37 figures agree, 3 differ, 12 have too few repeats, 6 cannot be observed`."""
    counts = document["counts"]
    words = {
        Nearness.AGREES: "agree",
        Nearness.DIFFERS: "differ",
        Nearness.TOO_FEW: "have too few repeats",
        Nearness.NOT_OBSERVABLE: "cannot be observed",
    }
    said = [f"{counts[near.value]} {word}" for near, word in words.items() if counts[near.value]]
    return f"Figures: {listed(said)}." if said else "No figures."


def causes(cell: CellWords) -> tuple[tuple[str, str], ...]:
    """What else differs, each with the figures that it may be why of; and which figures nothing explains."""
    together: dict[str, list[str]] = {}
    for line in cell.lines:
        if line.nearness is Nearness.DIFFERS:
            for text in line.because or (UNEXPLAINED,):
                together.setdefault(text, []).append(line.label)
    return tuple((text, "; ".join(labels)) for text, labels in together.items())
