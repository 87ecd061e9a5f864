"""The compiled kernel is found on disk by the next process; a closure over a compiled one prevents it."""

from __future__ import annotations

import dis
import inspect
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

from scenarios import draws, tally
from sim import general, kernel

PROGRAM = """
import json
from numba.core.dispatcher import Dispatcher
from scenarios.distributions import Constant
from scenarios.tally import Grid
from sim import general, kernel
from sim.general_requests import GeneralRequests
from sim.habits import Habits
from sim.requests import Requests
usual = {"seed": 1, "rate": 9.0, "users": 9, "activity": "even", "grid": Grid(-1, 5, 2), "slots": 1,
         "queue": 1, "timeout": 1.0, "service": (Constant(0.1),) * 2}
g = GeneralRequests(Habits(), **usual)
g.rotate(0, 0, [g.add_pod(0, 0.0, 0.0)])
g.kill(0, 1.0)
g.finish()
for balance in ("random", "least_outstanding"):
    r = Requests(1, 9.0, 9, "even", Grid(-1, 5, 2), 1, 1, 1.0, (Constant(0.1),) * 2, balance=balance)
    r.rotate(0, 0, [r.add_pod(0, 0.0, 0.0)])
    r.kill(0, 1.0)
    r.finish()
    r.quantile(0.5, 0, 5)
called = {f"{m.__name__}.{n}": f.stats for m in (kernel, general) for n, f in vars(m).items()
          if isinstance(f, Dispatcher) and f.signatures}
print(json.dumps({n: [sum(s.cache_hits.values()), sum(s.cache_misses.values())] for n, s in called.items()}))
"""
FAST = {"advance_any", "advance_least", "fill", "kill", "quantile_of"}
CALLED = {f"sim.kernel.{name}" for name in FAST} | {"sim.general.advance", "sim.general.kill"}


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[int]]]:
    """(hits, misses) of what each of two processes called, which share a new cache."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    root = Path(kernel.__file__).parent.parent
    command = [sys.executable, "-c", PROGRAM]
    return [
        json.loads(
            subprocess.run(
                command, env=environment, cwd=root, capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(2)
    ]


def test_the_second_process_compiles_nothing(two_processes: list[dict[str, list[int]]]) -> None:
    first, second = two_processes
    assert all(first[name][1] == 1 for name in CALLED), first
    assert all(second[name] == [1, 0] for name in CALLED), second


def test_whoever_calls_compiled_code_of_the_kernel_holds_its_checksum() -> None:
    """The cache of one file does not notice that another one changed, but does notice another closure."""
    borrowed = {name for name, f in vars(kernel).items() if isinstance(f, Dispatcher)} & set(vars(general))
    stamped = {name: f for name, f in vars(general).items() if isinstance(f, Dispatcher)}
    for name in sorted(set(stamped) - borrowed):
        function = stamped[name].py_func
        if borrowed & called_by(function, stamped):
            assert inspect.getclosurevars(function).nonlocals.get("stamp") == general.STAMP, name
    assert borrowed
    assert zlib.crc32(Path(kernel.__file__).read_bytes()) == general.STAMP


def called_by(function: FunctionType, compiled: dict[str, Any]) -> set[str]:
    """The names of all that a compiled function of the general engine calls, and what those call."""
    names = {i.argval for i in dis.get_instructions(function) if i.opname == "LOAD_GLOBAL"} & set(compiled)
    return names.union(*(
        called_by(compiled[name].py_func, compiled)
        for name in names
        if compiled[name].py_func is not function and compiled[name].py_func.__module__ == general.__name__
    ))  # fmt: skip


def test_the_kernel_and_the_language_mean_the_same() -> None:
    """Compiled code holds copies of these: a cache would not notice a change elsewhere."""
    statuses = (kernel.OK, kernel.ERROR, kernel.TIMEOUT, kernel.REJECTED, kernel.RESET, kernel.REFUSED)
    assert statuses == tuple(tally.Status)[:6]
    assert (
        tally.VERSIONS,
        len(tally.Status),
        tally.NOBODY,
    ) == (kernel.VERSIONS, kernel.STATUSES, kernel.NOBODY)
    assert (kernel.MANTISSA, kernel.LOW, kernel.BUCKETS) == (tally.MANTISSA, tally.LOW, tally.BUCKETS)
    assert kernel.MET == tally.MET_STABLE | tally.MET_CANDIDATE == 3
    assert (kernel.HARMED, kernel.LAST_CANDIDATE) == (tally.HARMED, tally.LAST_CANDIDATE) == (4, 8)
    assert (kernel.ONE_REQUEST, kernel.MOST_REQUESTS) == (
        1 << tally.FLAG_BITS,
        tally.MOST_REQUESTS << tally.FLAG_BITS,
    )
    assert (kernel.CELLS, kernel.GOLDEN) == (draws.CELLS, draws.MIX_1)
    assert tally.BUCKETS <= 1 << kernel.BUCKET_BITS
    assert len(tally.Status) <= 1 << kernel.STATUS_BITS
