"""The time axis of a chart, and series made ready for it: pure arrays, no drawing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.record import Record

Array = NDArray[Any]


STRETCHED = 0.42  # where on a stretched axis the zoomed part ends


class Clock(NamedTuple):
    """A time axis from `start` to `end`, drawn from 0 to 1; a second is wider up to `zoom`."""

    start: float
    zoom: float
    end: float

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Clock":
        """All that happened; its beginning stretched if some releases were over long before others."""
        horizon = float(records[0].trial.scenario.clock.horizon)
        ends = sorted(end_of(record, horizon) for record in records)
        end = min(horizon, ends[-1] * 1.05 + 5)
        round_times = (60.0, 120.0, 180.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
        zoom = next((z for z in round_times if z >= 1.4 * ends[0]), end)
        if zoom > end / 4:
            return cls(-0.02 * end, end, end)
        return cls(-0.06 * zoom, zoom, end)

    @property
    def stretched(self) -> bool:
        return self.zoom < self.end

    def at(self, t: Any) -> Array:
        """Where on the axis a time is, 0 to 1."""
        if not self.stretched:
            return np.asarray((np.asarray(t, float) - self.start) / (self.end - self.start))
        return np.asarray(np.interp(t, [self.start, self.zoom, self.end], [0.0, STRETCHED, 1.0]))

    def cut(self, t: Array, y: Array) -> tuple[Array, Array]:
        """The part of a series that is shown."""
        inside = (t >= self.start) & (t <= self.end)
        return np.asarray(t[inside], float), np.asarray(y[inside], float)

    def ticks(self) -> tuple[list[float], list[str]]:
        """Round times, and how they are written."""
        if not self.stretched:
            return _round_times(0.0, self.end, 8)
        early, late = _round_times(0.0, self.zoom, 4), _round_times(self.zoom, self.end, 6)
        few = [i for i, t in enumerate(late[0]) if float(self.at(t)) > STRETCHED + 0.05]
        return early[0] + [late[0][i] for i in few], early[1] + [late[1][i] for i in few]


def _round_times(start: float, end: float, most: int) -> tuple[list[float], list[str]]:
    """About so many round times and how they are written, 0 without a unit."""
    steps = (5, 10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((s for s in steps if (end - start) / s <= most), steps[-1])
    unit, word = (3600, "h") if step >= 3600 else (60, "min") if step >= 60 or end >= 240 else (1, "s")
    ticks = [float(t) for t in np.arange(-(-start // step) * step, end + 1e-9, step)]
    return ticks, [f"{t / unit:g} {word}" if t else "0" for t in ticks]


def end_of(record: Record, horizon: float) -> float:
    """When the release had settled; the horizon if it had not."""
    settled = record.outcome.settled_at if record.outcome else None
    return horizon if settled is None else settled


def running(shares: Array, requests: Array, seconds: int) -> Array:
    """Shares over the last so many seconds, weighed by requests; unknown where there were none."""
    weight = np.asarray(requests, float)
    hits = np.nan_to_num(np.asarray(shares, float)) * weight
    window = np.ones(seconds)
    below = np.convolve(weight, window)[: len(weight)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(below > 0, np.convolve(hits, window)[: len(weight)] / below, np.nan))


def thin(t: Array, y: Array, most: int = 400) -> tuple[Array, Array]:
    """At most about so many points, the highest of each stretch, so that a peak never vanishes."""
    by = -(-len(t) // most)
    if by < 2:
        return t, y
    whole = len(t) // by * by
    pieces = np.where(np.isfinite(y[:whole]), y[:whole], -np.inf).reshape(-1, by)
    tops = pieces.max(axis=1)
    return t[:whole:by], np.where(np.isfinite(tops), tops, np.nan)
