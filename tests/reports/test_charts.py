"""Charts: files that can be seen, the same bytes each time, any name, no warnings."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reports import charts
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
    families: tuple[str, ...] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if families:
        monkeypatch.setattr(charts, "_families", lambda: families)
        charts._writable.cache_clear()
        charts._fonts.cache_clear()
    try:
        for figure in (
            charts.timeline(nasty_records, "报错<b>"),
            charts.trade_off(nasty_document, "报错<b>"),
        ):
            made = charts.drawn(figure)
            assert size(made.png)[0] > 1000
            assert "报错&lt;b&gt;" in made.svg
            assert "滚动发布" in made.svg
            assert "$\\frac{x}{$" in made.svg
    finally:
        charts._writable.cache_clear()
        charts._fonts.cache_clear()


def test_without_a_chinese_font_a_picture_numbers_what_it_cannot_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(charts, "_writable", lambda char: ord(char) < 0x3000)
    numbers: dict[str, str] = {}
    assert charts._numbered("滚动 by 滚动, 报错", numbers) == "[1] by [1], [2]"
    assert charts._numbered("报错 ± 3", numbers) == "[2] ± 3"


def test_a_candidate_without_records_is_refused(made_records: Sequence[Record]) -> None:
    with pytest.raises(ValueError, match="no record of a release of candidate 'nobody'"):
        charts.timeline(made_records, "nobody")


def test_many_strategies_have_looks_of_their_own() -> None:
    looks = [charts._look(at) for at in range(20)]
    assert len({(str(look["linestyle"]), look["marker"]) for look in looks}) == 20
