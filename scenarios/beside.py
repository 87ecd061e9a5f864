"""Files of numbers that lie beside a scenario and that it names by `csv:`. A part of the loader.

What is read takes the place of the name, so that a scenario in memory, and one in a record, needs no file.
Only regular files in the scenario's folder or below it are opened.
"""

import csv
import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from scenarios.document import MAX_BYTES, Items, Mapping, Mark, Node, Scalar, Segment, decode
from scenarios.errors import Problem, ScenarioError, dotted, harmless, shown
from scenarios.model import MOST_SAMPLES
from scenarios.rate import MOST_INTERVALS
from scenarios.units import DURATION, parse_duration

MOST_FILES = 100
MOST_SAID = 10  # problems of one file; more say nothing new
UNITS = ("ms", "s", "m", "h", "d")
_NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{0,15})?([eE][-+]?\d{1,2})?")


class Cell(NamedTuple):
    """A value and the line it stands in."""

    value: str
    line: int


class Wrong(NamedTuple):
    """What is wrong with a file; `cell` None if it is all of it."""

    message: str
    cell: Cell | None = None


class Unusable(Exception):
    """A file cannot be used."""

    def __init__(self, *wrong: Wrong) -> None:
        self.wrong = wrong
        super().__init__(wrong)


def embed(root: Mapping, folder: Path | None) -> list[Problem]:
    """Put the numbers of each CSV into the document where it is named; what is wrong with one is returned.

    A trace gets `counts`, a time `samples`. Without a folder nothing is read, and the models say so.
    """
    problems: list[Problem] = []
    for number, (place, node) in enumerate(_naming(root, ()) if folder else ()):
        name = node.entries["csv"]
        assert isinstance(name, Scalar)
        try:
            if number >= MOST_FILES:
                raise Unusable(Wrong(f"one scenario can name {MOST_FILES} files"))
            _put(node, place, _read(folder or Path(), str(name.value)), str(name.value))
        except Unusable as error:
            name.broken = True  # nothing follows from it
            problems += [_problem(wrong, place, node, str(name.value)) for wrong in error.wrong]
    return problems


def _naming(node: Node, place: tuple[Segment, ...]) -> Iterator[tuple[tuple[Segment, ...], Mapping]]:
    """Traces and times that name a file and say nothing that the file says; (path, mapping)."""
    if isinstance(node, Items):
        for index, child in enumerate(node.items):
            yield from _naming(child, (*place, index))
    if not isinstance(node, Mapping):
        return
    name, more = node.entries.get("csv"), {"interval"} if place[-1:] == ("trace",) else set()
    alone = not set(node.entries) - more - {"csv"}
    if isinstance(name, Scalar) and isinstance(name.value, str) and not name.broken and alone:
        yield place, node
    for key, child in list(node.entries.items()):
        yield from _naming(child, (*place, key))


def _put(node: Mapping, place: tuple[Segment, ...], text: str, name: str) -> None:
    """Replace `csv` by what the text holds."""
    if place[-1] == "trace":
        key, cells = "counts", counts(text, _interval(node))
        values: list[Node] = [Scalar(int(cell.value), Mark(harmless(name), cell.line)) for cell in cells]
    else:
        key, cells = "samples", samples(text)
        values = [Scalar(cell.value, Mark(harmless(name), cell.line)) for cell in cells]
    mark = node.keys.pop("csv")
    del node.entries["csv"]
    node.put(key, Items(values, mark), mark)


def _interval(node: Mapping) -> float | None:
    written = node.entries.get("interval")
    try:
        return parse_duration(str(written.value)) if isinstance(written, Scalar) else None
    except ValueError:
        return None  # the model says so


def counts(text: str, interval: float | None) -> list[Cell]:
    """The whole numbers of the only column, or of the second one of (time in s, requests).

    A first line without a number is a heading. Times must be `interval` apart, lines must not be empty.
    """
    rows = _rows(text, 2)
    if rows and not _NUMBER.fullmatch(rows[0][-1].value):
        rows = rows[1:]
    wrong = [found for row in rows if (found := _count(row)) is not None]
    wrong = wrong or list(_holes(rows, interval))
    _stop(wrong, len(rows), MOST_INTERVALS, "intervals")
    return [Cell(row[-1].value.partition(".")[0], row[-1].line) for row in rows]


def _count(row: list[Cell]) -> Wrong | None:
    if re.fullmatch(r"\d{1,10}(\.0{1,9})?", row[-1].value, re.ASCII):
        return None
    hole = " (a hole)" if not row[-1].value else ""
    return Wrong(f"expected a whole number of requests, 0 or more{hole}", row[-1])


def _holes(rows: list[list[Cell]], interval: float | None) -> Iterator[Wrong]:
    """Lines that are not one interval after the one before."""
    timed = [row[0] for row in rows if len(row) == 2]
    if len(timed) != len(rows) and timed:
        yield Wrong("expected as many columns as in the other lines", timed[0])
    elif any(not _NUMBER.fullmatch(cell.value) for cell in timed):
        cell = next(cell for cell in timed if not _NUMBER.fullmatch(cell.value))
        yield Wrong("expected a time in seconds, such as 120", cell)
    elif interval:
        for k, cell in enumerate(timed):
            wanted = float(timed[0].value) + k * interval
            if abs(float(cell.value) - wanted) > 1e-3:
                yield Wrong(f"expected the time {wanted:.12g}, one interval after the line before", cell)
                return


def samples(text: str) -> list[Cell]:
    """The durations of the only column; plain numbers if the first line is their unit, such as `ms`."""
    rows = [row[0] for row in _rows(text, 1)]
    unit = rows[0].value if rows and rows[0].value in UNITS else ""
    if unit or (rows and not rows[0].value[:1].isdigit()):
        rows = rows[1:]
    cells = [Cell(_with_unit(cell.value, unit), cell.line) for cell in rows]
    wanted = f"a number of {unit}, 0 or more" if unit else "a duration such as 12ms (or ms as the first line)"
    wrong = [
        Wrong(f"expected {wanted}", row) for row, cell in zip(rows, cells, strict=True) if not cell.value
    ]
    _stop(wrong, len(cells), MOST_SAMPLES, "samples")
    return cells


def _with_unit(value: str, unit: str) -> str:
    """The duration as scenarios write it, empty if it is none; to 10⁻⁹ of the unit."""
    if unit and _NUMBER.fullmatch(value, re.NOFLAG) and 0 <= float(value) < 1e15:
        value = f"{float(value):.9f}".rstrip("0").rstrip(".") + unit
    try:
        parse_duration(value)
    except ValueError:
        return ""
    return value if re.fullmatch(DURATION, value, re.ASCII) else ""


def _rows(text: str, columns: int) -> list[list[Cell]]:
    """The lines as cells, without empty ones at the end; at most so many columns."""
    rows: list[list[Cell]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            rows.append([Cell(cell.strip(), reader.line_num) for cell in cells or [""]])
    except csv.Error as error:
        raise Unusable(Wrong(f"not CSV: {error}", Cell("", reader.line_num))) from None
    while rows and rows[-1] == [("", rows[-1][0].line)]:
        rows.pop()
    allowed = "one column" if columns == 1 else "one column (requests) or two (time, requests)"
    _stop([Wrong(f"expected {allowed}", row[-1]) for row in rows if len(row) > columns], 1, 1, "")
    return rows


def _stop(wrong: list[Wrong], found: int, most: int, what: str) -> None:
    """Raise what is wrong, the first of it if it is much."""
    if not wrong and not 1 <= found <= most:
        wrong = [Wrong(f"expected 1 to {most:,} {what}, not {found:,}")]
    if len(wrong) > MOST_SAID:
        wrong = [*wrong[:MOST_SAID], Wrong(f"{len(wrong) - MOST_SAID:,} more lines like these")]
    if wrong:
        raise Unusable(*wrong)


def _problem(wrong: Wrong, place: tuple[Segment, ...], node: Mapping, name: str) -> Problem:
    mark, cell = node.keys["csv"], wrong.cell
    where = harmless(name)[:80] if cell is None else f"{harmless(name)[:80]}:{cell.line}"
    value = shown(cell.value) if cell and cell.value else None
    return Problem(dotted((*place, "csv")), mark.line, f"{where}: {wrong.message}", value, mark.origin)


def _read(folder: Path, name: str) -> str:
    """The text of a file in the folder or below it. Raises Unusable."""
    try:
        return _text(_inside(folder, name), name)
    except ScenarioError as error:
        told = error.problems[0]
        raise Unusable(Wrong(told.message, None if told.line is None else Cell("", told.line))) from None
    except (FileNotFoundError, NotADirectoryError):
        raise Unusable(Wrong("no such file in the scenario's folder")) from None
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that is none, no permission
        raise Unusable(Wrong("cannot be read")) from None


def _inside(folder: Path, name: str) -> Path:
    """Where the file really is. Raises Unusable if that is elsewhere."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name or posix.is_absolute() or windows.anchor or ".." in (*posix.parts, *windows.parts):
        raise Unusable(Wrong("expected the name of a file in the scenario's folder or below it"))
    root = folder.resolve(strict=True)
    path = (root / name).resolve(strict=True)
    if not path.is_relative_to(root):
        raise Unusable(Wrong("leads out of the scenario's folder"))
    if not path.is_file():
        raise Unusable(Wrong("is no regular file"))
    return path


def _text(path: Path, name: str) -> str:
    """What a regular file holds, up to 5 MB of UTF-8; whatever else has come to stand there is not read."""
    careful = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, os.O_RDONLY | careful), "rb") as file:  # noqa: PTH123 - Path cannot take flags
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unusable(Wrong("is no regular file"))
        return decode(file.read(MAX_BYTES + 1), harmless(name))
