"""CSV files beside a scenario: their numbers take their place; nothing else of the disk is ever read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scenarios import beside
from scenarios.document import MAX_BYTES
from scenarios.errors import ScenarioError
from scenarios.load import as_document, from_document, load
from scenarios.rate import MOST_INTERVALS
from scenarios.scenario import Scenario

WORLD = """\
format: rolloutlab/1
name: shop
service: {replicas: 4}
strategies: {rolling: {rolling: {}}}
clock: {settle: 10s, horizon: 30s}
"""
TRACE = WORLD + "traffic:\n  rate:\n    trace: {csv: %s, interval: 10s}\n"
TIMES = (
    WORLD
    + "traffic: {rate: 5/s}\nversions:\n  stable:\n    service_time: {csv: %s}\n  candidate: {from: stable}\n"
)


def loaded(folder: Path, text: str, data: str | bytes, name: str = "it.csv", *overrides: str) -> Scenario:
    """The scenario of a file with a CSV beside it."""
    (folder / "f.yaml").write_text(text, encoding="utf-8")
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return load(folder / "f.yaml", overrides)


def said(folder: Path, text: str, data: str | bytes, name: str = "it.csv") -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loaded(folder, text % name, data, name)
    return [line.removeprefix(f"{folder / 'f.yaml'}:") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    "data",
    [
        "5\n0\n7\n",
        "requests\n5\n0\n7\n\n\n",
        "5\r\n0\r\n7",
        "\ufeffrequests\n5\n0.0\n7.000\n",
        "time,requests\n100,5\n110,0\n120.0,7\n",
        '"time","requests"\n1.7e9,"5"\n1700000010,"0"\n1700000020,"7"\n',
        " 5 \n 0 \n 7 \n",
    ],
)
def test_a_trace_is_read(tmp_path: Path, data: str) -> None:
    scenario = loaded(tmp_path, TRACE % "it.csv", data)
    assert scenario.traffic.rate.curve().counts == (5, 0, 7)
    (tmp_path / "it.csv").unlink()
    assert from_document(as_document(scenario)) == scenario  # a record needs no file


@pytest.mark.parametrize(
    "data", ["12ms\n14ms\n0.5s\n", "service time\n12ms\n14ms\n500ms", "ms\n12\n1.4e1\n500.0\n"]
)
def test_times_are_read_once_for_all_who_inherit(tmp_path: Path, data: str) -> None:
    scenario = loaded(tmp_path, TIMES % "it.csv", data)
    assert scenario.versions.stable.service_time.samples == (0.012, 0.014, 0.5)
    assert scenario.versions.candidate.service_time == scenario.versions.stable.service_time
    assert from_document(as_document(scenario)) == scenario


def test_files_below_and_settings(tmp_path: Path) -> None:
    (tmp_path / "measured").mkdir()
    setting = "traffic.rate={trace: {csv: measured/it.csv, interval: 15s}}"
    scenario = loaded(tmp_path, TIMES % "measured/it.csv", "s\n1\n2\n", "measured/it.csv")
    assert scenario.versions.stable.service_time.samples == (1, 2)
    (tmp_path / "measured" / "n.csv").write_text("1\n2\n")
    scenario = load(tmp_path / "f.yaml", [setting.replace("it.csv", "n.csv")])
    assert scenario.traffic.rate.curve().counts == (1, 2)


NUMBER = "expected a whole number of requests, 0 or more"
TIME = "expected a duration such as 12ms (or ms as the first line)"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("5\n-7\n3.5\nx\n", [f"it.csv:2: {NUMBER}; got '-7'", f"it.csv:3: {NUMBER}; got '3.5'",
                             f"it.csv:4: {NUMBER}; got 'x'"]),
        ("5\n\n7\n", [f"it.csv:2: {NUMBER} (a hole)"]),
        ("t,n\n0,5\n10,\n20,7\n", [f"it.csv:3: {NUMBER} (a hole)"]),
        ("t,n\n0,5\n20,7\n30,8\n",
         ["it.csv:3: expected the time 10, one interval after the line before; got '20'"]),
        ("0,5\n5,7\n", ["it.csv:2: expected the time 10, one interval after the line before; got '5'"]),
        ("0,5\n7\n", ["it.csv:1: expected as many columns as in the other lines; got '0'"]),
        ("t,n\nnoon,5\n", ["it.csv:2: expected a time in seconds, such as 120; got 'noon'"]),
        ("1,2,3\n", ["it.csv:1: expected one column (requests) or two (time, requests); got '3'"]),
        ("", ["it.csv: expected 1 to 100,000 intervals, not 0"]),
        ("requests\n", ["it.csv: expected 1 to 100,000 intervals, not 0"]),
        ("nan\n1\ninf\n", [f"it.csv:3: {NUMBER}; got 'inf'"]),
        ("5\n\u0665\n", [f"it.csv:2: {NUMBER}; got '\u0665'"]),
        ('5\n"7\n8\n', ["it.csv:3: not CSV: unexpected end of data"]),
        (b"5\n\xff\n", ["it.csv:2: not UTF-8 text (byte 0xff)"]),
        (b"5\n" * (MAX_BYTES // 2 + 1), ["it.csv: larger than 5 MB"]),
        ("1\n" * (MOST_INTERVALS + 1), ["it.csv: expected 1 to 100,000 intervals, not 100,001"]),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_trace_is_refused_with_its_line(
    tmp_path: Path, data: str | bytes, lines: list[str]
) -> None:
    assert said(tmp_path, TRACE, data) == [f"8: traffic.rate.trace.csv: {line}" for line in lines]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("12ms\n14\n-3ms\n", [f"it.csv:2: {TIME}; got '14'", f"it.csv:3: {TIME}; got '-3ms'"]),
        ("ms\n12\n-4\nx\n", ["it.csv:3: expected a number of ms, 0 or more; got '-4'",
                              "it.csv:4: expected a number of ms, 0 or more; got 'x'"]),
        ("12ms\n\n14ms\n", [f"it.csv:2: {TIME}"]),
        ("12ms,14ms\n", ["it.csv:1: expected one column; got '14ms'"]),
        ("d\n9999\n", ["it.csv:2: expected a number of d, 0 or more; got '9999'"]),
        ("", ["it.csv: expected 1 to 10,000 samples, not 0"]),
    ],
    ids=range(6),
)  # fmt: skip
def test_what_are_no_times_is_refused_with_its_line(tmp_path: Path, data: str, lines: list[str]) -> None:
    assert said(tmp_path, TIMES, data) == [f"9: versions.stable.service_time.csv: {line}" for line in lines]


def test_much_that_is_wrong_is_said_briefly(tmp_path: Path) -> None:
    lines = said(tmp_path, TRACE, "1\n" + "x\n" * 5000)
    assert len(lines) == beside.MOST_SAID + 1
    assert lines[-1] == "8: traffic.rate.trace.csv: it.csv: 4,990 more lines like these"


def test_too_many_in_one_interval(tmp_path: Path) -> None:
    line = said(tmp_path, TRACE, "1\n2\n9999999999\n")[0]
    assert line.endswith("it.csv:3: traffic.rate.trace.counts.2: expected at most 1000000000; got 9999999999")


OUTSIDE = "expected the name of a file in the scenario's folder or below it"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere.csv", "no such file in the scenario's folder"),
        ("f.yaml/it.csv", "no such file in the scenario's folder"),
        ("sub", "is no regular file"),
        ("../secret.csv", OUTSIDE),
        ("sub/../../secret.csv", OUTSIDE),
        ("/etc/passwd", OUTSIDE),
        ("/dev/zero", OUTSIDE),
        ("'C:\\secret.csv'", OUTSIDE),
        ("'..\\secret.csv'", OUTSIDE),
        ("'\\\\host\\secret.csv'", OUTSIDE),
        ("''", OUTSIDE),
        ("link.csv", "leads out of the scenario's folder"),
        ("folder/secret.csv", "leads out of the scenario's folder"),
        ("loop.csv", "cannot be read"),
        ("pipe.csv", "is no regular file"),
        ("zero.csv", "leads out of the scenario's folder"),
        ('"a\\0b"', "cannot be read"),
        (f"{'x' * 5000}.csv", "cannot be read"),
    ],
)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, name: str, why: str) -> None:
    folder = tmp_path / "scenario"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("1\n2\n3\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "folder").symlink_to(tmp_path)
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.csv")
    (folder / "f.yaml").write_text(TRACE % name)
    with pytest.raises(ScenarioError) as caught:
        load(folder / "f.yaml")
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("traffic.rate.trace.csv", 8)
    assert problem.message.endswith(why)
    assert "1\n" not in str(caught.value)


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "today.csv").symlink_to("it.csv")
    assert loaded(tmp_path, TRACE % "today.csv", "1\n2\n3\n").traffic.rate.curve().counts == (1, 2, 3)


def test_what_stands_elsewhere_is_not_a_file_of_numbers(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"service\.csv: unknown key 'csv'"):
        loaded(tmp_path, TRACE.replace("{replicas: 4}", "{replicas: 4, csv: it.csv}") % "it.csv", "1\n2\n3\n")


def test_a_scenario_names_so_many_files_only(tmp_path: Path) -> None:
    candidates = "candidates:\n" + "".join(f"  c{k}: {{service_time: {{csv: it.csv}}}}\n" for k in range(101))
    with pytest.raises(ScenarioError, match="one scenario can name 100 files"):
        loaded(tmp_path, WORLD + "traffic: {rate: 5/s}\n" + candidates, "1ms\n2ms\n")


cells = st.one_of(
    st.integers(-9, 10**12).map(str), st.floats().map(str), st.text(max_size=6),
    st.sampled_from(["", "12ms", "ms", "s", "time", '"', '"1"', "1e9", "0x1", "-0", "1_000", "\x00", "\r"]),
)  # fmt: skip
tables = st.lists(st.lists(cells, max_size=3).map(",".join), max_size=8).map("\n".join)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables | st.text(max_size=60), st.sampled_from([TRACE, TIMES]))
@example("\r\r1\r", TRACE)
@example("1,1\n" + "9" * 140_000, TRACE)
def test_any_text_is_numbers_or_a_clear_error(tmp_path: Path, text: str, world: str) -> None:
    try:
        scenario = loaded(tmp_path, world % "it.csv", text.encode("utf-8", "surrogatepass"))
    except ScenarioError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.line is not None
            assert str(problem).isprintable()
    else:
        assert from_document(as_document(scenario)) == scenario
        assert scenario.traffic.rate.curve().expected(0, 30) > 0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40), st.sampled_from([TRACE, TIMES]))
def test_any_bytes_are_numbers_or_a_clear_error(tmp_path: Path, data: bytes, world: str) -> None:
    try:
        loaded(tmp_path, world % "it.csv", data)
    except ScenarioError as error:
        assert all(problem.line is not None for problem in error.problems)
