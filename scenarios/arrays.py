"""Named integer arrays in one file, NumPy's npz. Same arrays, same bytes; nothing is ever unpickled."""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from scenarios.decode import RecordError
from scenarios.tally import BUCKETS, VERSIONS, Grid, Status

Integers: TypeAlias = NDArray[Any]  # of one of the types in `tally`, or as its reader asks
Shape: TypeAlias = tuple[int | None, ...]  # None: any length

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold: a file must not tell its time
_MOST_BYTES = 1 << 31
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<[iu][48])', 'fortran_order': False, "
    rb"'shape': \(([0-9, ]{0,60})\), \} *\n",
    re.DOTALL,
)
_DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


def tally(grid: Grid) -> dict[str, tuple[str, Shape]]:
    """The type and shape of each array of a tally over that grid."""
    n = grid.seconds
    return {
        "counts": ("<i8", (n, VERSIONS, len(Status))),
        "arrivals": ("<i4", (n * 10, VERSIONS)),
        "latency": ("<u4", (grid.bins, 2, BUCKETS)),
        "new_active": ("<i8", (n,)),
        "new_harmed": ("<i8", (n,)),
        "new_met": ("<i8", (n, 2)),
        "flips": ("<i8", (n,)),
        "users": ("<u4", (None,)),
    }


def extra(grid: Grid) -> dict[str, tuple[str, Shape]]:
    """The same of what only some tallies have."""
    return {
        "tries": ("<i8", (grid.seconds, VERSIONS, len(Status))),
        "mirrored": ("<i8", (grid.seconds, len(Status))),
        "mirrored_latency": ("<u4", (grid.bins, BUCKETS)),
    }


def write(arrays: Mapping[str, Integers], path: Path) -> None:
    """Write the arrays in order of their names."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            content = io.BytesIO()
            npy.write_array(content, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
            archive.writestr(entry, content.getvalue(), compresslevel=1)


def read(
    path: Path,
    expected: Mapping[str, tuple[str, Shape]],
    optional: Mapping[str, tuple[str, Shape]] | None = None,
) -> dict[str, Integers]:
    """Exactly these arrays, each with its type (such as `<i8`) and shape, and the optional ones that are
    there; otherwise RecordError."""
    try:
        with zipfile.ZipFile(path) as archive:
            there = set(archive.namelist())
            expected = {**expected, **{n: f for n, f in (optional or {}).items() if f"{n}.npy" in there}}
            found, wanted = sorted(archive.namelist()), sorted(f"{name}.npy" for name in expected)
            if found != wanted:
                raise RecordError(f"{path.name}: expected {', '.join(wanted)}; found {', '.join(found)}")
            return {name: _read(archive, name, *form) for name, form in expected.items()}
    except RecordError:
        raise
    except _DAMAGED as error:
        raise RecordError(f"{path.name}: missing, truncated or damaged: {error}") from None


def _read(archive: zipfile.ZipFile, name: str, dtype: str, shape: Shape) -> Integers:
    """One array. Its header is matched, not evaluated; the zip's checksum covers all of it."""
    size = archive.getinfo(f"{name}.npy").file_size
    if size > _MOST_BYTES:
        raise RecordError(f"{name}: claims {size} bytes; at most {_MOST_BYTES} are read")
    content = archive.read(f"{name}.npy")
    header = _HEADER.match(content)
    if header is None:
        raise RecordError(f"{name}: not an array of integers as records hold them")
    found = tuple(int(length) for length in header[2].decode().replace(",", " ").split())
    fits = len(found) == len(shape) and all(w in (None, f) for w, f in zip(shape, found, strict=True))
    if header[1].decode() != dtype or not fits:
        raise RecordError(f"{name}: expected {dtype} of shape {shape}, found {header[1].decode()} of {found}")
    return np.frombuffer(content, dtype, offset=header.end()).reshape(found).copy()
