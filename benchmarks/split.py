"""How often `verify-split` condemns a split that is as claimed, and how often it finds one that is not.

python benchmarks/split.py [RUNS] [--jobs N] [--write]

Every run sends real requests to a real server on loopback (`routers.py`), with the code of the command.
10 % is claimed; the server sends 10 %, 15 % or 30 %. `--write` puts the table into docs/verify-split.md.
"""

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import routers

from live.address import address
from live.http import Request
from live.verify import Check, verify
from scenarios.attribution import ByHeader
from scenarios.binomial import exact
from scenarios.checked import Checked, Sending
from scenarios.judge import Claim, Detect, Verdict

RUNS = 400
CLAIMED, AWAY = 0.1, 0.05
SENT = (0.1, 0.15, 0.3)
DOCS = Path(__file__).parents[1] / "docs" / "verify-split.md"
USER = (("Cookie", "user={user}"),)


@dataclass(frozen=True)
class Case:
    """A way to split, and a way to ask."""

    opens: Callable[[float, random.Random], routers.Opens]
    per_connection: int = 1
    per_user: int = 1
    headers: tuple[tuple[str, str], ...] = ()


CASES = {
    "independent": Case(routers.independent),
    "independent, 5 requests a connection": Case(routers.independent, 5),
    "in turn": Case(routers.in_turn),
    "in turn, 3 proxies, 5 requests a connection": Case(partial(routers.in_turn, proxies=3), 5),
    "by connection, 2 requests each": Case(routers.per_connection, 2),
    "by user, 2 requests each": Case(routers.per_user, 1, 2, USER),
}


@dataclass(frozen=True)
class Came:
    """Of one run: the verdict, the answers it took, and whether a plain binomial test of them rejects."""

    verdict: Verdict
    answers: int
    early: bool
    plain: bool


def check(case: Case, share: float, seed: str, away: float = AWAY) -> Checked:
    """One check of a server that sends this share, planned to tell one that is so far `away`."""
    rng = random.Random(seed)
    with routers.serving(case.opens(share, rng)) as url:
        sending = Sending(1e6, 20_000, 2, case.per_connection, case.per_user, 5.0, 300.0)
        claim, request = Claim({"candidate": CLAIMED}, Detect(away)), Request("GET", None, case.headers)
        return verify(Check(url, address(url), request, ByHeader("X-Version"), claim, sending))


def came(name: str, share: float, seed: int, away: float = AWAY) -> Came:
    """What came of one check."""
    checked = check(CASES[name], share, f"{name} {share} {seed}", away)
    found, judgement = checked.judgement.shares[0], checked.judgement
    assert judgement.verdict is not None
    assert checked.answers.untold == 0
    low, high = exact(found.hits, found.of)
    return Came(judgement.verdict, found.of, judgement.early, not low <= CLAIMED <= high)


def row(name: str, results: dict[float, list[Came]]) -> str:
    """One line of the table."""
    as_claimed, off, far = (results[share] for share in SENT)
    few = sum(one.verdict is Verdict.TOO_FEW for share in SENT for one in results[share])
    cells = [
        name,
        _share(as_claimed, lambda one: one.verdict is Verdict.INACCURATE),
        _share(as_claimed, lambda one: one.plain),
        _share(off, lambda one: one.verdict is Verdict.INACCURATE),
        _share(far, lambda one: one.verdict is Verdict.INACCURATE),
        *(f"{np.mean([one.answers for one in results[share]]):,.0f}" for share in SENT),
        str(few),
    ]
    return "| " + " | ".join(cells) + " |"


def _share(results: list[Came], holds: Callable[[Came], bool]) -> str:
    return f"{100 * np.mean([holds(one) for one in results]):.1f} %"


HEAD = """\
| router | false alarms | of a plain test | 15 % found | 30 % found | requests: 10 % | 15 % | 30 % | too few |
|---|---|---|---|---|---|---|---|---|
"""


def table(runs: int, jobs: int) -> str:
    """The whole table; progress on stderr."""
    lines = []
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for name in CASES:
            began = time.monotonic()
            results = {
                share: list(pool.map(partial(came, name, share), range(runs), chunksize=5)) for share in SENT
            }
            lines.append(row(name, results))
            counts = {share: dict(Counter(str(one.verdict) for one in results[share])) for share in SENT}
            print(f"{lines[-1]}\n{name}: {counts} in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return f"{HEAD}" + "\n".join(lines) + f"\n\n{runs} runs for each cell.\n"


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="?", type=int, default=RUNS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    made = table(asked.runs, asked.jobs)
    print(made)
    if asked.write:
        text = DOCS.read_text(encoding="utf-8")
        new = re.sub(r"(<!-- runs -->\n).*?(<!-- /runs -->)", rf"\g<1>\n{made}\n\g<2>", text, flags=re.DOTALL)
        DOCS.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
