"""Many checks of real servers: false alarms, power, stopping early; `benchmarks/split.py` in small."""

from functools import cache

import pytest
import split

from scenarios.judge import Verdict

RUNS, AWAY = 12, 0.15
CLAIMED, OFF, FAR = 0.1, 0.25, 0.9


@cache
def runs(share: float) -> dict[str, list[split.Came]]:
    """By router, what came of checks that were planned to tell 25 % from the 10 % that are claimed."""
    return {name: [split.came(name, share, seed, AWAY) for seed in range(RUNS)] for name in split.CASES}


def found(share: float, name: str) -> int:
    return sum(one.verdict is Verdict.INACCURATE for one in runs(share)[name])


def test_false_alarms() -> None:
    """Below 5 % of 72: with 5 % just so, more than 9 would come in one of 300 tries."""
    assert sum(found(CLAIMED, name) for name in split.CASES) <= 9
    assert all(one.verdict is not Verdict.TOO_FEW for came in runs(CLAIMED).values() for one in came)


def test_power() -> None:
    """90 % of 72 or more: with 90 % just so, fewer than 57 would come in one of 300 tries."""
    assert sum(found(OFF, name) for name in split.CASES) >= 57


@pytest.mark.parametrize("name", [name for name in split.CASES if name.startswith("by")])
def test_splits_by_connection_or_user_are_not_condemned(name: str) -> None:
    assert found(CLAIMED, name) <= 4


def test_in_turn_is_never_condemned() -> None:
    assert found(CLAIMED, "in turn") == 0


@pytest.mark.parametrize("name", split.CASES)
def test_what_is_far_off_is_known_early(name: str) -> None:
    came = runs(FAR)[name]
    assert all(one.verdict is Verdict.INACCURATE and one.early for one in came)
    took = sum(one.answers for one in came)
    assert took < sum(one.answers for one in runs(CLAIMED)[name]) / 2
