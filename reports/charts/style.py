"""How every chart looks: colours, dashes, markers, fonts.

Readable without colour: a strategy has its own dashes and its own marker. The object API of matplotlib alone
is used, so nothing is global and nothing opens a window.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
from matplotlib import font_manager

# it complains on stderr of a Chinese font that has no bold, and of taking a moment at its very first use
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

WIDTH = 12.0
INK, FAINT, GRID, PAPER = "#1f2328", "#6e7781", "#e7e9ec", "#ffffff"
# Okabe and Ito's colours, told apart by the colour-blind; the yellow is left out, it is lost on white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b5588f", "#8a6d00", "#3a9ad9", "#444444", "#7a4fbf")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.3, 1.3)),
    (0, (7, 1.6, 1.3, 1.6)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (9, 3)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h")
CJK = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC",
    "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans CJK KR", "Arial Unicode MS", "Droid Sans Fallback",
)  # fmt: skip
LATIN = "DejaVu Sans"
STYLE: Any = {
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "rolloutlab",
    "font.size": 9.0,
    "axes.linewidth": 0.7,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "path.simplify": True,
    "text.hinting": "none",
    "axes.unicode_minus": True,
}
DPI = 115


@contextmanager
def styled() -> Iterator[None]:
    with matplotlib.rc_context({**STYLE, "font.family": [LATIN]}):
        yield


@cache
def families() -> tuple[str, ...]:
    """DejaVu Sans, which comes with matplotlib, and the first font with Chinese that is installed."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return (LATIN, *[name for name in CJK if name in installed][:1])


def look(at: int) -> dict[str, Any]:
    """Colour, dashes and marker of the strategy at this place of the scenario."""
    return {
        "color": COLOURS[at % len(COLOURS)],
        "linestyle": DASHES[at % len(DASHES)],
        "marker": MARKERS[at % len(MARKERS)],
    }
