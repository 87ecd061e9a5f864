"""What `size` prints: bars that mean what they show, within 80 columns, whatever the names."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from reports import size, size_guard
from reports.bars import Row, bar, bars, chance, frequency
from scenarios.load import loads
from scenarios.size import Detect, Draws, Pace, Precision, Window
from scenarios.size_asked import Asked
from scenarios.size_guard import Answer, Case

WORLD = """
format: rolloutlab/1
name: shop
service: {replicas: 4}
versions: {stable: {errors: [{share: 0.5%, of: requests}]}}
candidates:
  healthy: {}
  一个名字很长的候选版本: {errors: [{share: 2%, of: requests}]}
  "[bold]red[/bold]": {errors: [{share: 90%, of: requests}]}
traffic: {rate: 20/s}
routers: {edge: {kind: ingress-nginx}}
guards: {"a [red]guard": {metric: failure_share, limit: 1%, window: 30s, min_requests: 20}}
strategies: {canary: {canary: {via: edge, steps: [10%, 50%], hold: 1m, guards: ["a [red]guard"]}}}
"""


def printed(shown: RenderableType, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(shown)
    return file.getvalue().splitlines()


def test_a_bar_is_as_long_as_its_part() -> None:
    assert bar(0.0, 8) == ""
    assert bar(1.0, 8) == "█" * 8
    assert bar(0.5, 8) == "█" * 4
    assert bar(1 / 16, 8) == "▌"
    assert bar(1e-9, 8) == "▏"  # there at all
    lines = printed(bars([Row("a", 0.5, "50 %"), Row("b", 1.0, "100 %")]))
    assert [line.count("█") for line in lines] == [15, 30]


def test_what_is_not_certain_does_not_read_so() -> None:
    assert chance(1.0) == "100 %"
    assert chance(0.07) == "7 %"
    assert chance(0.99949) == "99.9 %"
    assert chance(0.9996) == "99.96 %"
    assert chance(0.99999) == "> 99.99 %"
    assert chance(1e-9) == "< 0.01 %"
    assert frequency(0.0, 3000) == "< 0.1 %"
    assert frequency(1.0, 3000) == "> 99.9 %"
    assert frequency(0.25, 3000) == "25 %"


@pytest.mark.parametrize(
    "question",
    [
        Precision(0.5, 0.01),
        Detect(0.001, 0.0011, 1),
        Detect(0.5, 1.0, 2),
        Detect(0.0, 0.01, 1),
        Detect(1.0, 0.99, 1),
        Draws(0.999, 1),
        Draws(0.5, 10**9),
        Window(1, 0.0),
        Window(50, 1.0, 0.1, 0.9),
    ],
)
def test_every_answer_fits_and_is_plain_json(question: Precision | Detect | Draws | Window) -> None:
    asked = Asked(question, Pace(100.0, 0.1))
    assert max(map(len, printed(size.text(asked)))) <= 80
    found = size.document(asked)
    assert found["requests"] >= 1
    assert found["seconds"] == pytest.approx(found["requests"] / 10)


def test_a_guard_with_names_that_steer_nothing() -> None:
    scenario = loads(WORLD)
    (name,) = scenario.guards
    answer = Answer(Case(scenario, "canary", name, scenario.guards[name], tuple(scenario.variants)))
    lines = printed(size_guard.text(answer))
    assert "Guard a [red]guard of canary" in lines
    assert max(map(cell_len, lines)) <= 80
    text = "\n".join(lines)
    assert "sees [bold]re…" in text
    assert "Misses of 一个名字很长的候选版本 (2 %)" in re.sub(r"\s+", " ", text)
    found = size_guard.document(answer)
    assert found["candidates"]["healthy"]["requests"] is None
    assert found["stages"][0]["requests_in_window"] == pytest.approx(60)
    shares = [point["share"] for point in found["curve"]]
    assert shares == sorted(set(shares))
