"""`rolloutlab size` as its users meet it; and whether a guard does in the simulator what was foretold."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import rolloutlab
import rolloutlab_cli
from scenarios.size_guard import Answer, Case


@dataclass
class Said:
    """What a call of the command line left."""

    code: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["rolloutlab", "size", *arguments])
        with pytest.raises(SystemExit) as ended:
            rolloutlab_cli.main()
        printed = capsys.readouterr()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.mark.parametrize(
    ("arguments", "requests"),
    [
        (("--precision", "1%", "--share", "10%"), 3458),
        (("--precision", "1%"), 9604),
        (("--precision", "0.5%", "--share", "1%"), 1522),
        (("--share", "10%", "--detect", "15%"), 438),
        (("--share", "10%", "--detect", "12%"), 2523),
        (("--share", "10%", "--detect", "11%"), 9781),
        (("--detect", "0.1%->1%"), 398),
        (("--detect", "0.1%..0.5%"), 1268),
        (("--detect", "1%→2%"), 1178),
        (("--detect", "0.1%->0.2%"), 11935),
    ],
)
def test_how_many_requests_it_takes(size: Call, arguments: tuple[str, ...], requests: int) -> None:
    assert size(*arguments).out.startswith(f"{requests:,} requests to ")
    assert json.loads(size(*arguments, "-o", "json").out)["requests"] == requests


def test_how_long_it_takes(size: Call) -> None:
    told = ("--detect", "0.1%->0.2%", "--rate", "100/s", "--share", "5%")
    assert "At 100/s that takes 39.8 min: 5% of 238,700 requests." in size(*told).out
    found = json.loads(size(*told, "-o", "json").out)
    assert found["seconds"] == pytest.approx(2387)
    assert (found["format"], found["question"]) == ("rolloutlab.size/1", "detect")


def test_ten_requests_in_words(size: Call) -> None:
    told = size("--share", "10%", "--requests", "10").out
    assert "Not one reaches it in 34.9 % of all tries, exactly one in 38.7 %" in told
    assert "From 0 to 3 is usual" in told
    assert "takes 3,458 requests" in told
    chances = json.loads(size("--share", "10%", "--requests", "10", "-o", "json").out)["chances"]
    assert (chances["0"], chances["1"]) == (pytest.approx(0.9**10), pytest.approx(0.9**9))


def test_a_window_of_fifty(size: Call) -> None:
    asked = ("--requests", "50", "--limit", "1%", "--detect", "0.5%->3%")
    told = size(*asked).out
    assert "at 0.5 % failures it fails in 22.2 %" in told
    assert "at 3 % failures it passes in 21.8 %" in told
    found = json.loads(size(*asked, "-o", "json").out)
    assert (round(found["false_alarm"], 2), round(found["miss"], 2)) == (0.22, 0.22)


def test_a_guard_of_a_scenario(size: Call) -> None:
    asked = ("quickstart", "--guard", "errors", "--strategy", "canary")
    told = size(*asked)
    assert told.code == 0, told.err
    assert "As written it does what is asked for" in told.out
    assert "Telling errors from stable takes 41 requests" in told.out
    assert max(map(len, told.out.splitlines())) <= 80
    found = json.loads(size(*asked, "-o", "json").out)
    assert [stage["stage"] for stage in found["stages"]] == ["5%", "25%", "50%"]
    assert [stage["requests_in_window"] for stage in found["stages"]] == [600, 3000, 6000]
    assert found["stages"][0]["seconds_to_tell"]["errors"] == pytest.approx(4.1)
    assert found["candidates"]["errors"]["fails"] == 1
    releases = [point["release"] for point in found["curve"]]
    assert releases == sorted(releases)
    assert found["advice"]["as_written"]


def test_a_guard_that_is_too_strict_is_told_what_would_do(size: Call) -> None:
    world = ("--set", "versions.stable.errors=[{share: 0.5%, of: requests}]")
    found = json.loads(size("quickstart", "-s", "canary", *world, "-o", "json").out)
    assert found["stable"]["fails"] > 0.05
    assert not found["advice"]["as_written"]
    better = found["advice"]["instead"][0]
    written = ", ".join(f"{key}: {value}" for key, value in better["guard"].items())
    changed = ("--set", f"guards.errors={{{written}}}")
    again = json.loads(size("quickstart", "-s", "canary", *world, *changed, "-o", "json").out)
    assert again["advice"]["as_written"]
    assert again["stable"]["fails"] == pytest.approx(better["false_alarm"])


@pytest.mark.parametrize(
    ("arguments", "complaints"),
    [
        ((), ("expected one of: --detect",)),
        (("--share", "10%"), ("expected one of: --detect",)),
        (("--detect", "1%-"), ("--detect: expected two different shares in quotes",)),
        (("--detect", "1%..1%"), ("--detect: expected two different shares",)),
        (("--share", "10%", "--detect", "10%"), ("--detect: expected another share than --share",)),
        (
            ("--detect", "1%->2%", "--rate", "3", "--alpha", "70%", "--power", "1%", "--guard", "x"),
            ("--rate: expected", "--alpha: expected", "--power: expected", "--guard: only with a SCENARIO"),
        ),
        (("--requests", "0", "--share", "x"), ("--share: expected a share", "--requests: expected a whole")),
        (("--precision", "50%"), ("--precision: expected a share above 0% and below 50%",)),
        (("--precision", "1%", "--detect", "1%->2%"), ("expected one of",)),
        (("quickstart",), ("--strategy: expected one that is judged by a guard: blue-green, halves",)),
        (("quickstart", "-s", "rolling"), ("--strategy: expected one",)),
        (
            ("quickstart", "-s", "canary", "-g", "nope", "-c", "who", "--share", "3%"),
            ("--guard: expected", "--candidate: expected", "--share: not with a SCENARIO"),
        ),
        (("--detect", "1%->2%", "--set", "a=b"), ("--set",)),
    ],
)
def test_every_mistake_is_told_at_once(
    size: Call, arguments: tuple[str, ...], complaints: tuple[str, ...]
) -> None:
    said = size(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert all(complaint in said.err for complaint in complaints), said.err


@pytest.mark.parametrize(
    ("share_stable", "share_candidate", "candidate"),
    [("0.5%", "5%", "healthy"), ("0.05%", "0.7%", "errors")],
)
def test_the_simulator_does_what_was_foretold(
    share_stable: str, share_candidate: str, candidate: str
) -> None:
    """False alarms of a stable that fails more, and a candidate that is missed at times."""
    world = rolloutlab.load(
        "quickstart",
        [
            f"versions.stable.errors=[{{share: {share_stable}, of: requests}}]",
            f"candidates.errors.errors=[{{share: {share_candidate}, of: requests}}]",
        ],
    )
    foretold = Answer(Case(world, "canary", "errors", world.guards["errors"], (candidate,)))
    share, seeds = foretold.wholes[candidate].fails, 60
    assert 0.2 < share < 0.8
    trials = (rolloutlab.simulate(world, "canary", candidate=candidate, seed=n) for n in range(seeds))
    failed = sum(trial.outcome.reason == "guard errors failed" for trial in trials)
    assert abs(failed / seeds - share) < 3 * math.sqrt(share * (1 - share) / seeds)
