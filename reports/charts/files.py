"""Figures as files: PNG and SVG, the same bytes for the same figure, with any name in any script."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.charts.style import CJK, DPI, FAINT, LATIN, families, styled
from reports.files import put


class Drawn(NamedTuple):
    """A figure as files: PNG bytes and SVG text."""

    png: bytes
    svg: str


def drawn(figure: Figure) -> Drawn:
    """The figure as PNG and SVG; same figure, same bytes. Text in the SVG is text, in fonts browsers find."""
    with styled():
        for text in figure.findobj(Text):
            if not text.get_text().isascii():
                text.set_fontfamily(list(families()))
        svg = io.StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        png = io.BytesIO()
        with _readable(figure):
            figure.savefig(
                png, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 2}
            )
    fonts = ", ".join(f"'{name}'" for name in (LATIN, "Verdana", *CJK[:9]))
    written = re.sub(rf"'{LATIN}'(, '[^']+')*(, sans-serif)?", f"{fonts}, sans-serif", svg.getvalue())
    return Drawn(png.getvalue(), written)


def save(figure: Figure, path: str | Path) -> tuple[Path, Path]:
    """Write `path`.png and `path`.svg, each at once or not at all; returns both. Raises OSError."""
    made, base = drawn(figure), Path(path)
    files = base.with_name(base.name + ".png"), base.with_name(base.name + ".svg")
    put(files[0], made.png)
    put(files[1], made.svg.encode())
    return files


@contextmanager
def _readable(figure: Figure) -> Iterator[None]:
    """In a picture, names that no installed font can write are numbered, and a line below says so."""
    numbers: dict[str, str] = {}
    changed: list[tuple[Text, str]] = []
    for text in figure.findobj(Text):
        before = text.get_text()
        after = _numbered(before, numbers)
        if after != before:
            changed.append((text, before))
            text.set_text(after)
    note = None
    if numbers:
        which = ", ".join(numbers.values())
        note = figure.text(
            0.99, 0.002, f"{which}: characters that no font on this machine has; the .svg shows them",
            ha="right", va="bottom", fontsize=7, color=FAINT,
        )  # fmt: skip
    try:
        yield
    finally:
        if note is not None:
            note.remove()
        for text, before in changed:
            text.set_text(before)


def _numbered(text: str, numbers: dict[str, str]) -> str:
    """The text with a number in place of each run of unwritable characters, the same one for the same run."""
    if text.isascii():
        return text
    out, run = "", ""
    for char in text + "\0":
        if char != "\0" and not _writable(char):
            run += char
            continue
        if run:
            out += numbers.setdefault(run, f"[{len(numbers) + 1}]")
            run = ""
        out += char if char != "\0" else ""
    return out


@cache
def _writable(char: str) -> bool:
    return any(font.get_char_index(ord(char)) for font in _fonts())


@cache
def _fonts() -> tuple[Any, ...]:
    found = [font_manager.findfont(name) for name in families()]
    return tuple(font_manager.get_font(path) for path in found)
