"""Bars of text: probabilities side by side, in 80 columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from reports.words import share as percent

WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"


def chance(value: float) -> str:
    """A probability to three digits: what is not certain never reads as if it were."""
    if 0.0099995 < value < 0.9995:
        return f"{value * 100:.3g} %"
    return "> 99.99 %" if 0.9999 < value < 1 else percent(float(f"{value:.4g}"))


def frequency(value: float, of: int) -> str:
    """A probability as often as it was seen; of never and always the 95 % limit, 3 in so many."""
    if 0 < value < 1:
        return chance(value)
    return f"< {percent(3 / of)}" if value == 0 else f"> {percent(1 - 3 / of)}"


def requests(number: int) -> str:
    """So many of them."""
    return f"{number:,} request{'' if number == 1 else 's'}"


def bar(part: float, width: int = WIDTH) -> str:
    """A part of a whole as a bar, to the eighth of a column; what is there at all is never nothing."""
    eighths = round(min(max(part, 0.0), 1.0) * width * 8)
    eighths = max(eighths, 1) if part > 0 else eighths
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A value, the part of a whole that its bar shows, and how that is written; `also` is one more text."""

    value: str
    part: float
    said: str
    mark: str = ""
    also: str = ""


def bars(rows: Sequence[Row], full: float = 1.0, heads: tuple[str, str, str] = ("", "", "")) -> Table:
    """Rows one under the other; the longest bar stands for `full`; `heads` of the value and of both texts."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(heads))
    value, said, also = (Text(head, "dim", justify="right") for head in heads)
    grid.add_column(value, justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(no_wrap=True)
    grid.add_column(said, justify="right", no_wrap=True)
    grid.add_column(also, justify="right", no_wrap=True, style="dim")
    for row in rows:
        drawn = Text(bar(row.part / full if full else 0.0), "cyan")
        grid.add_row(Text(row.value), Text(row.mark), drawn, Text(row.said), Text(row.also))
    return grid
