"""Charts: files that can be seen, the same bytes each time, any name, no warnings."""

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reports import charts
from reports.charts import files, style
from reports.charts.scale import Scale
from reports.columns import COLUMNS
from scenarios.record import Record

Document = Mapping[str, Any]


def size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return int(width), int(height)


def test_save_writes_a_picture_and_a_drawing(made_records: Sequence[Record], tmp_path: Path) -> None:
    png, svg = charts.save(charts.timeline(made_records, "errors"), tmp_path / "deep" / "timeline")
    width, height = size(png.read_bytes())
    assert 1000 < width < 2000 and 500 < height < 2000
    assert svg.read_text().count("<svg") == 1
    assert sorted(p.name for p in png.parent.iterdir()) == ["timeline.png", "timeline.svg"]


def test_the_timeline_names_every_strategy_and_the_seed(made_records: Sequence[Record]) -> None:
    svg = charts.drawn(charts.timeline(made_records, "errors")).svg
    for name in ("recreate", "rolling", "blue-green", "halves", "canary", "seed 0", "rolled back, 2.1 min"):
        assert name in svg


def test_the_trade_off_says_who_is_best(made_document: Document) -> None:
    svg = charts.drawn(charts.trade_off(made_document, "errors")).svg
    assert "canary harms the fewest users" in svg
    assert "131 ± 12  best" in svg


def test_the_spread_has_a_dot_for_every_seed_and_says_median_and_range() -> None:
    """Of 1 … 100 the 50th is the median, the 5th and the 95th are the ends."""
    values = {
        "seeds": list(range(100)),
        "rows": [
            {
                "strategy": "rolling",
                "candidate": "errors",
                "figures": {
                    **{column.keys[0]: ["not applicable"] * 100 for column in COLUMNS},
                    "capacity_loss": [float(i) for i in range(1, 101)],
                    "recovery_time": [float(i) for i in range(1, 91)] + ["not reached"] * 10,
                    "release_duration": ["not reached"] * 100,
                },
            }
        ],
    }
    svg = charts.drawn(charts.spread(values, "errors", bad=True)).svg
    assert "50 (5 to 95)" in svg
    assert "50 s (5 s to never), 10 never" in svg, "what was not reached lies above all"
    assert "A dot for each of 100 seeds" in svg and "Candidate errors (bad): how runs differ" in svg
    assert svg.count("  n/a<") == len(COLUMNS) - 3 and svg.count("  never<") == 1
    dots = re.findall(r"<use [^>]*fill-opacity: 0.45", svg)
    assert len(dots) == 100 + 90


def test_of_very_many_seeds_dots_are_chosen_by_rank() -> None:
    values = {
        "seeds": list(range(5000)),
        "rows": [
            {"strategy": "rolling", "candidate": "errors",
             "figures": {column.keys[0]: [float(i) for i in range(5000)] for column in COLUMNS}}
        ],
    }  # fmt: skip
    made = charts.drawn(charts.spread(values, "errors", bad=False))
    assert "100 of 5,000 seeds, by rank" in made.svg
    assert len(made.svg) < 400_000


def test_a_candidate_without_values_is_refused(made_values: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="no values of candidate 'nobody'"):
        charts.spread(made_values, "nobody", bad=True)


def test_ticks_of_times_are_round_and_do_not_touch() -> None:
    bent = Scale.of([20.0, 300.0, 90_000.0], [90_000.0])
    assert [text for _, text in bent.ticks("s")] == ["0", "10 min", "10 h"]
    straight = Scale.of([1.0, 2.0], [-20.0, 40.0])
    assert [text for _, text in straight.ticks("count", -20.0)] == ["−15", "0", "15", "30"]


def test_the_same_figure_gives_the_same_bytes(made_document: Document) -> None:
    first = charts.drawn(charts.trade_off(made_document, "healthy"))
    assert charts.drawn(charts.trade_off(made_document, "healthy")) == first


def test_no_file_tells_the_time_or_the_network(made_document: Document) -> None:
    svg = charts.drawn(charts.trade_off(made_document, "errors")).svg
    assert "dc:date" not in svg


@pytest.mark.parametrize("families", [None, ("DejaVu Sans",)], ids=["fonts installed", "no Chinese font"])
def test_any_name_is_drawn_without_a_warning(
    nasty_document: Document,
    nasty_records: Sequence[Record],
    nasty_values: Mapping[str, Any],
    families: tuple[str, ...] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if families:
        monkeypatch.setattr(files, "families", lambda: families)
        files._writable.cache_clear()
        files._fonts.cache_clear()
    try:
        for figure in (
            charts.timeline(nasty_records, "报错<b>"),
            charts.trade_off(nasty_document, "报错<b>"),
            charts.spread(nasty_values, "报错<b>", bad=True),
        ):
            made = charts.drawn(figure)
            assert size(made.png)[0] > 1000
            assert "报错&lt;b&gt;" in made.svg
            assert "滚动发布" in made.svg
            assert "$\\frac{x}{$" in made.svg
    finally:
        files._writable.cache_clear()
        files._fonts.cache_clear()


def test_without_a_chinese_font_a_picture_numbers_what_it_cannot_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "_writable", lambda char: ord(char) < 0x3000)
    numbers: dict[str, str] = {}
    assert files._numbered("滚动 by 滚动, 报错", numbers) == "[1] by [1], [2]"
    assert files._numbered("报错 ± 3", numbers) == "[2] ± 3"


def test_a_candidate_without_records_is_refused(made_records: Sequence[Record]) -> None:
    with pytest.raises(ValueError, match="no record of a release of candidate 'nobody'"):
        charts.timeline(made_records, "nobody")


def test_many_strategies_have_looks_of_their_own() -> None:
    looks = [style.look(at) for at in range(20)]
    assert len({(str(look["linestyle"]), look["marker"]) for look in looks}) == 20
