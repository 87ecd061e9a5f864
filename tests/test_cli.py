"""The command line as its users meet it: what is printed where, what is written, and the exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

import rolloutlab_cli

SMALL = """
format: rolloutlab/1
name: 小世界
service: {replicas: 4}
versions: {stable: {start: 1s, service_time: {median: 20ms, p95: 60ms}}}
candidates: {errors: {errors: [{share: 5%, of: requests}]}, healthy: {}}
traffic: {rate: 40/s, users: {count: 500}, client: {timeout: 2s}}
cluster: {pods: {readiness: {period: 1s}, termination: {pre_stop: 3s}}}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 1%, window: 30s, min_requests: 50}}
strategies:
  rolling: {rolling: {}}
  金丝雀: {canary: {via: edge, steps: [25%], hold: 1m, guards: [errors]}}
clock: {settle: 10s, horizon: 4m}
seeds: 3
"""


@dataclass
class Answer:
    """What a call of the command line left."""

    code: int
    out: str
    err: str


Call = Callable[..., Answer]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["rolloutlab", *arguments])
        with pytest.raises(SystemExit) as ended:
            rolloutlab_cli.main()
        printed = capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


def test_compare_prints_a_table_and_writes_a_report(call: Call, tmp_path: Path) -> None:
    answer = call("compare", "small.yaml", "--jobs", "1")
    assert answer.code == 0, answer.err
    assert "errors is BAD" in answer.out
    assert "healthy is GOOD" in answer.out
    assert "金丝雀" in answer.out
    assert max(len(line) for line in answer.out.splitlines()) <= 120
    folder = tmp_path / "runs" / "小世界"
    for name in ("comparison.json", "report.html", "provenance.json", "charts", "records"):
        assert (folder / name).exists()
    assert not [entry for entry in (tmp_path / "runs").iterdir() if entry.name.startswith(".")]


def test_compare_as_json_is_the_same_for_any_number_of_processes(call: Call) -> None:
    one = call("compare", "small.yaml", "-o", "json", "--jobs", "1")
    two = call("compare", "small.yaml", "-o", "json", "--jobs", "2")
    assert one.code == two.code == 0
    assert one.out == two.out
    assert json.loads(one.out)["format"] == "rolloutlab.comparison/1"


@pytest.mark.parametrize("kind", ["csv", "markdown"])
def test_compare_prints_other_formats(call: Call, kind: str) -> None:
    answer = call("compare", "small.yaml", "-o", kind, "--seeds", "2", "--jobs", "1", "-c", "errors")
    assert answer.code == 0
    assert "blast_requests_exact" in answer.out or "requests" in answer.out


def test_report_makes_the_page_again(call: Call, tmp_path: Path) -> None:
    call("compare", "small.yaml", "--jobs", "1", "--to", "one")
    page = (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    (tmp_path / "one" / "report.html").unlink()
    assert call("report", "one").code == 0
    assert (tmp_path / "one" / "report.html").read_text(encoding="utf-8") == page
    assert call("report", "one", "--to", "two").code == 0
    assert (tmp_path / "two" / "comparison.json").is_file()
    assert call("report", "nowhere").code == 2


def test_run_tells_one_trial(call: Call, tmp_path: Path) -> None:
    answer = call("run", "small.yaml", "-s", "金丝雀", "-c", "errors", "--seed", "2", "--to", "one")
    assert answer.code == 0, answer.err
    assert "rolled back" in answer.out
    assert (tmp_path / "one" / "record.json").is_file()
    data = json.loads(call("run", "small.yaml", "-s", "rolling", "-o", "json", "--to", "one").out)
    assert data["outcome"]["verdict"] == "promoted"


def test_explain_prints_prose_and_data(call: Call) -> None:
    assert "way back" in call("explain", "small.yaml", "-s", "金丝雀").out
    plans = json.loads(call("explain", "small.yaml", "-o", "json").out)["plans"]
    assert [stage["name"] for stage in plans["金丝雀"]["stages"]][:2] == ["25% pods", "25%"]


def test_check_and_schema_and_init(call: Call, tmp_path: Path) -> None:
    assert "is a valid scenario" in call("check", "small.yaml").out
    assert isinstance(json.loads(call("check", "small.yaml", "-o", "json").out), list)
    assert json.loads(call("schema").out)["title"]
    assert call("init", "new.yaml").code == 0
    assert call("check", "new.yaml").code == 0
    assert call("init", "new.yaml").code == 2
    assert "rolloutlab/1" in (tmp_path / "new.yaml").read_text(encoding="utf-8")


def test_import_makes_a_scenario_that_simulates_at_once(call: Call) -> None:
    manifest = Path(__file__).parent / "scenarios" / "manifests" / "seed-001.yaml"
    assert call("import", str(manifest), "--to", "mine.yaml").code == 0
    answer = call(
        "compare", "mine.yaml", "--seeds", "1", "--jobs", "1", "-c", "errors", "--set", "clock.horizon=15m"
    )
    assert answer.code == 0, answer.err


def test_import_reads_standard_input(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Path(__file__).parent / "scenarios" / "manifests" / "seed-001.yaml"
    with manifest.open("rb") as opened:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": opened}))
        answer = call("import", "-")
    assert answer.code == 0
    assert "replicas: 4" in answer.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compare", "nowhere.yaml"), "nowhere.yaml"),
        (("compare", "small.yaml", "-s", "nothing"), "no strategy is called 'nothing'"),
        (("compare", "small.yaml", "-c", "nothing"), "no candidate is called 'nothing'"),
        (("compare", "small.yaml", "--set", "traffic.rte=5/s"), "did you mean 'rate'"),
        (("compare", "small.yaml", "--set", "traffic.rate=1000000000000/s"), "rate"),
        (("compare", "small.yaml", "--seeds", "0"), "seeds"),
        (("compare", "small.yaml", "--to", "small.yaml"), "is a file"),
        (("import", "nowhere.yaml"), "nowhere.yaml"),
        (("nonsense",), "nonsense"),
    ],
)
def test_bad_input_gets_a_clear_message_and_exit_code_2(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    answer = call(*arguments)
    assert answer.code == 2
    assert told in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
    assert [entry.name for entry in tmp_path.iterdir()] == ["small.yaml"]


def test_a_folder_of_something_else_is_left_alone(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine" / "charts").mkdir(parents=True)
    answer = call("compare", "small.yaml", "--to", "mine")
    assert answer.code == 2
    assert "something else" in answer.err
    assert list((tmp_path / "mine").iterdir()) == [tmp_path / "mine" / "charts"]


def test_other_files_in_the_folder_stay(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep", encoding="utf-8")
    assert call("compare", "small.yaml", "--to", "mine", "--jobs", "1", "--seeds", "1").code == 0
    assert call("compare", "small.yaml", "--to", "mine", "--jobs", "1", "--seeds", "1").code == 0
    assert (tmp_path / "mine" / "notes.txt").read_text(encoding="utf-8") == "keep"


def test_names_from_a_scenario_cannot_steer_the_terminal_or_the_page(call: Call, tmp_path: Path) -> None:
    nasty = SMALL.replace("小世界", '"<script>alert(1)</script> ../../etc"')
    (tmp_path / "nasty.yaml").write_text(nasty, encoding="utf-8")
    answer = call("compare", "nasty.yaml", "--jobs", "1", "--seeds", "1")
    assert answer.code == 0, answer.err
    (folder,) = (tmp_path / "runs").iterdir()
    assert "<script>alert" not in (folder / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_leaves_what_was_finished(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL.replace("seeds: 3", "seeds: 5000"), encoding="utf-8")
    # what a shell starts in the background ignores Ctrl-C, and so would its children
    heeding = (
        "import signal, rolloutlab_cli; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); rolloutlab_cli.main()"
    )
    command = [sys.executable, "-c", heeding, "compare", "small.yaml", "--to", "out", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(rolloutlab_cli.__file__).parent)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_for_a_record(tmp_path)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err.decode()
    assert b"finished seeds" in err
    document = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert 1 <= len(document["seeds"]) < 5000
    assert document["rows"]
    assert b"BAD" in out


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_is_closed_ends_it_in_order_unless_it_was_to_go_on(ignored: bool) -> None:
    """As `nohup` has it: who ignores SIGHUP from the start goes on."""
    before = "signal.SIG_IGN" if ignored else "signal.SIG_DFL"
    program = f"""
import os, signal, rolloutlab_cli
signal.signal(signal.SIGHUP, {before})
def hung_up(**_):
    try:
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        print("cleaned up", flush=True)
hung_up.info = rolloutlab_cli.app.info
hung_up.registered_commands = hung_up.registered_groups = []
rolloutlab_cli.app = hung_up
rolloutlab_cli.main()
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(rolloutlab_cli.__file__).parent)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == (0 if ignored else 143), ended.stderr
    assert ended.stdout == "cleaned up\n"


@pytest.mark.parametrize(
    ("command", "flows"),
    [
        (["agree"], "something else that was measured differs too."),
        (["live", "cleanup"], "with --expired also those whose marks are complete"),
    ],
)
def test_help_breaks_its_lines_where_the_terminal_ends(
    call: Call, monkeypatch: pytest.MonkeyPatch, command: list[str], flows: str
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    answer = call(*command, "--help")
    assert answer.code == 0
    assert flows in answer.out


def wait_for_a_record(folder: Path) -> None:
    """Until the first seed has been simulated."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if list(folder.glob(".out.*/records/*")):
            return
        time.sleep(0.05)
    raise AssertionError("no record appeared")


def requiring(least: str, most: str) -> str:
    """The small scenario with two requirements."""
    return f"""{SMALL.replace("小世界", "required")}
require:
  it-goes-back: {{strategy: 金丝雀, candidate: errors, verdict: rolled_back, at_least: {least}}}
  few-fail: {{strategy: rolling, candidate: healthy, figure: failed_requests, at_most: {most}}}
"""


@pytest.mark.parametrize(
    ("least", "most", "told"),
    [
        ("1%", "100000", "Requirements: 1 met, 1 undecided"),  # three seeds are too few for a mean
        ("1%", "-1", "too few seeds to tell"),
        ("99.9%", "100000", "Requirements: 2 undecided"),
    ],
)
def test_what_three_seeds_cannot_show_is_undecided(
    call: Call, tmp_path: Path, least: str, most: str, told: str
) -> None:
    (tmp_path / "required.yaml").write_text(requiring(least, most), encoding="utf-8")
    answer = call("compare", "required.yaml", "--jobs", "1")
    assert answer.code == 3, answer.err
    assert told in answer.out


def test_requirements_decide_the_exit_code_and_stand_everywhere(call: Call, tmp_path: Path) -> None:
    (tmp_path / "required.yaml").write_text(requiring("50%", "100000"), encoding="utf-8")
    short = ("compare", "required.yaml", "--jobs", "2", "--seeds", "16", "--set", "traffic.rate=20/s")
    met = call(*short, "-o", "junit")
    assert met.code == 0, met.err
    assert ElementTree.fromstring(met.out.encode()).attrib["tests"] == "2"
    document = json.loads((tmp_path / "runs" / "required" / "comparison.json").read_text(encoding="utf-8"))
    assert [entry["result"] for entry in document["requirements"]] == ["met", "met"]
    assert document["recommendation"]["best"]
    page = (tmp_path / "runs" / "required" / "report.html").read_text(encoding="utf-8")
    assert "Requirements: 2 met" in page and "Recommendation: " in page
    broken = call(
        *short, "--set", "require.few-fail.at_most=-1", "-o", "markdown", "--prefer", "harmed_user=7"
    )
    assert broken.code == 99
    assert "Requirements: 1 met, 1 broken" in broken.out
    assert "stated: user harmed 7" in broken.out


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--set", "require.a={strategy: x, figure: flips, at_most: 1}", "no strategy is called 'x'"),
        ("--set", "require.a={strategy: rolling, figure: flps, at_most: 1}", "did you mean 'flips'?"),
        ("--prefer", "harmed_users=1", "did you mean 'harmed_user'?"),
        ("--prefer", "harmed_user=much", "expected a number"),
        ("--prefer", "harmed_user", "expected path=value"),
    ],
)
def test_a_wrong_requirement_or_preference_is_bad_input(
    call: Call, option: str, value: str, told: str
) -> None:
    answer = call("compare", "small.yaml", option, value)
    assert (answer.code, answer.out) == (2, "")
    assert told in answer.err


def test_replay_tells_whether_a_stored_trial_comes_out_the_same(call: Call, tmp_path: Path) -> None:
    assert call("run", "small.yaml", "-s", "金丝雀", "-c", "errors", "--to", "one").code == 0
    same = call("replay", "one")
    assert same.code == 0, same.err
    assert "the same bytes" in same.out and "金丝雀 · errors · seed 0" in same.out
    path = tmp_path / "one" / "record.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"seed":0', '"seed":1'), encoding="utf-8")
    other = call("replay", "one", "-o", "json")
    assert other.code == 1
    told = json.loads(other.out)
    assert (told["same"], told["decisions"]["same"]) == (False, True)
    assert "arrivals" in told["run"]["differing"]
    path.write_text(path.read_text(encoding="utf-8")[:500], encoding="utf-8")
    damaged = call("replay", "one")
    assert (damaged.code, damaged.out) == (2, "")
    assert "damaged" in damaged.err and "Traceback" not in damaged.err


def test_scenarios_of_one_name_from_two_files_do_not_share_a_folder(call: Call, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(SMALL, encoding="utf-8")
    short = ("-s", "rolling", "-c", "healthy", "--seed", "1", "--set", "clock.horizon=1m")
    for name in ("small.yaml", "other.yaml", "./small.yaml", "other.yaml"):
        assert call("run", name, *short).code == 0
    first, second = sorted(entry.name for entry in (tmp_path / "runs").iterdir())
    assert first == "小世界" and second.startswith("小世界-")
    named = SMALL.replace("小世界", "quickstart")
    (tmp_path / "mine.yaml").write_text(named, encoding="utf-8")
    assert call("run", "mine.yaml", *short).code == 0
    assert not (tmp_path / "runs" / "quickstart").exists()  # that is for the library's world


def test_expectations_decide_the_exit_code_and_stand_everywhere(call: Call, tmp_path: Path) -> None:
    expected = "expect: {new: {candidate: healthy, answers: {version: candidate}, times: 5}}\n"
    (tmp_path / "expected.yaml").write_text(SMALL.replace("小世界", "expected") + expected, encoding="utf-8")
    short = ("compare", "expected.yaml", "--jobs", "1", "--seeds", "1")
    met = call(*short)
    assert met.code == 0, met.err
    assert "Expectations: 2 met" in met.out
    page = (tmp_path / "runs" / "expected" / "report.html").read_text(encoding="utf-8")
    assert "Expectations: 2 met" in page
    broken = call(*short, "--set", "expect.new.answers.version=stable", "-o", "markdown")
    assert broken.code == 99
    assert "Expectations: 2 broken" in broken.out
    undecided = call(*short, "--set", "expect.new.answers.body=x", "-o", "json")
    assert undecided.code == 3
    assert [e["result"] for e in json.loads(undecided.out)["expectations"]] == ["undecided"] * 2
    told = call("run", "expected.yaml", "-s", "rolling", "-c", "healthy")
    assert "it was 5 of 5" in told.out
    assert "new: any strategy with healthy, at the horizon" in call("explain", "expected.yaml").out
