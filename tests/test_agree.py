"""`agree`: live runs beside their prediction. These live runs are simulated ones with a live provenance."""

import hashlib
import io
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import rolloutlab_cli
from reports import agreement, repeats
from reports.agreement import TOLD
from reports.agreement_table import markdown, table
from reports.agreement_words import facts
from reports.facets import Run, run_of
from reports.nearness import Nearness
from reports.repeats import AgreementError, Repeats
from rolloutlab_agree import predict
from scenarios import overlay as overlays
from scenarios import record as records
from scenarios.load import loads
from scenarios.overlay import Overlay
from scenarios.provenance import LiveProvenance
from scenarios.record import Trial
from scenarios.scenario import Scenario
from sim.world import simulate

WORLD = """
format: rolloutlab/1
name: beside
service: {replicas: 4}
versions: {stable: {start: %s, service_time: {median: 20ms, p95: 60ms}}}
candidates: {good: {from: stable}, errors: {from: stable, errors: [{share: 20%%, of: requests}]}}
traffic: {rate: 40/s, users: {count: 300}, client: {timeout: 2s}}
cluster: {pods: {readiness: {period: 1s}, termination: {pre_stop: 2s}}}
observe: {every: 2s, delay: 1s}
guards: {errors: {metric: failure_share, limit: 5%%, window: 6s, min_requests: 20}}
strategies:
  recreate: {recreate: {}}
  blue: {blue_green: {bake: 10s, guards: [errors]}}
clock: {settle: 10s, horizon: 40s}
%s
"""
UID = "4f2c0f8e-5d9c-4b39-9f6f-0d8f5c6d3a10"
STARTED = "2026-11-20T12:00:00+00:00"
FIRST = 1000  # seed of what is called live; predictions have seeds from 0


def world(start: str = "2s", more: str = "") -> Scenario:
    return loads(WORLD % (start, more))


def dress(folder: Path, scenario: Scenario, real: Scenario, count: int = 5, **changes: Any) -> Path:
    """Simulated runs of `real`, written as live ones of `scenario`."""
    for strategy in scenario.strategies:
        for candidate in scenario.variants:
            for number in range(count):
                ran = simulate(Trial(real, strategy, candidate, FIRST + number))
                write(folder, replace(ran, trial=Trial(scenario, strategy, candidate, number)), **changes)
    return folder


def write(folder: Path, record: records.Record, **changes: Any) -> Path:
    trial = record.trial
    name = f"{trial.strategy}.{trial.candidate}.{trial.seed}"
    raw = folder / f"{name}.rows.npz"
    folder.mkdir(parents=True, exist_ok=True)
    raw.write_bytes(b"rows of " + name.encode())
    requests = int(record.truth.tally.counts.sum())
    told: dict[str, Any] = {
        "backend": "live",
        "cluster_uid": UID,
        "context": "kind-lab",
        "run": "0a1b2c3d",
        "started": STARTED,
        "time_scale": 0.1,
        "conclusive": True,
        "why": "",
        "sent": {
            "intended": requests, "sent": requests, "median": 0.001, "p99": 0.01, "most": 0.02,
            "share_late": 0.0, "connections": requests,
        },
        "rows": {"file": raw.name, "sha256": hashlib.sha256(raw.read_bytes()).hexdigest()},
    }  # fmt: skip
    records.write(record, folder / name, {**told, **changes})
    return folder / name


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that are as predicted."""
    return dress(tmp_path_factory.mktemp("alike"), world(), world())


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on a cluster whose pods start later than the scenario says."""
    return dress(tmp_path_factory.mktemp("late"), world(), world("4s"))


@pytest.fixture(scope="module")
def predicted(alike: Path) -> Mapping[tuple[str, str], list[Run]]:
    return predict(repeats.read(alike), 32)


@pytest.fixture
def copy(alike: Path, tmp_path: Path) -> Path:
    """Those as predicted, to be spoilt."""
    return Path(shutil.copytree(alike, tmp_path / "runs"))


def change(place: Path, **changes: Any) -> None:
    path = place / "provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# --- how often it errs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> list[Run]:
    return [run_of(simulate(Trial(world(), "recreate", "errors", seed))) for seed in range(8 * 37)]


def test_simulated_runs_of_other_seeds_agree_with_the_prediction(many: list[Run]) -> None:
    said: list[str] = []
    for block in range(8):
        runs = many[37 * block : 37 * block + 37]
        said += _said(runs[:32], runs[32:])
    assert said.count(Nearness.DIFFERS) / len(said) <= 0.1
    assert said.count(Nearness.AGREES) / len(said) >= 0.7


def _said(told: list[Run], live: list[Run]) -> Iterator[str]:
    for key in TOLD:
        found = agreement._figure(world(), agreement.Agree(), key, told, live)
        if found is not None and found["nearness"] != Nearness.NOT_OBSERVABLE:
            yield found["nearness"]


# --- what is found ------------------------------------------------------------------------------------


def test_what_is_as_predicted_agrees(alike: Path, predicted: Any) -> None:
    document = agreement.agreement(repeats.read(alike), predicted)
    counts = document["counts"]
    assert [cell["ended"]["nearness"] for cell in document["cells"]] == ["agrees"] * 4
    assert counts["differs"] <= 0.1 * sum(counts.values())
    assert counts["not observable"] == 4  # the time to detect takes a counterfactual
    assert {c["figures"]["time_to_detect"]["nearness"] for c in document["cells"]} == {"not observable"}
    json.dumps(document, allow_nan=False)


def test_later_pods_are_found_and_named_as_the_cause(late: Path, predicted: Any) -> None:
    document = agreement.agreement(repeats.read(late), predicted)
    cell = next(c for c in document["cells"] if (c["strategy"], c["candidate"]) == ("recreate", "good"))
    loss = cell["figures"]["capacity_loss"]
    assert loss["nearness"] == "differs"
    assert loss["difference"] > 0.3 * loss["predicted"]
    assert any(re.match(r"pods of candidate were in rotation \d", text) for text in loss["because"])
    assert cell["figures"]["worst_capacity"]["nearness"] == "agrees"
    assert not any("refused" in text for text in loss["because"])  # not what a loss of capacity comes from


def test_what_nothing_else_explains_is_not_explained(alike: Path, predicted: Any) -> None:
    measured = repeats.read(alike)
    shifted = tuple(
        replace(one, run=replace(one.run, measured=_shifted(one.run.measured))) for one in measured.repeats
    )
    document = agreement.agreement(replace(measured, repeats=shifted), predicted)
    figure = document["cells"][0]["figures"]["capacity_loss"]
    assert (figure["nearness"], figure["because"]) == ("differs", [])
    assert "nothing else that was measured here differs" in markdown(document)


def _shifted(measured: Any) -> Any:
    figures = dict(measured.figures)
    figures["capacity_loss"] = replace(
        figures["capacity_loss"], value=figures["capacity_loss"].value * 1.6 + 9
    )
    return replace(measured, figures=figures)


def test_a_late_generator_is_named(tmp_path: Path, predicted: Any) -> None:
    sent = {
        "intended": 9,
        "sent": 9,
        "median": 0.0,
        "p99": 0.1,
        "most": 0.4,
        "share_late": 0.008,
        "connections": 9,
    }
    folder = dress(tmp_path, world(), world("4s"), sent=sent)
    document = agreement.agreement(repeats.read(folder), predicted)
    failed = document["cells"][0]["figures"]["failed_requests"]
    assert (
        "0.8% of requests were sent more than 50 ms late, the latest by 0.40 s (the generator)"
        in failed["because"]
    )


def test_the_scenarios_own_margin_counts(tmp_path: Path) -> None:
    generous = world(more="agree: {figures: {capacity_loss: 99%, release_duration: 99%}}")
    folder = dress(tmp_path, generous, world("3.5s"))
    measured = repeats.read(folder)
    document = agreement.agreement(measured, predict(measured, 32))
    cell = next(c for c in document["cells"] if c["strategy"] == "recreate")
    assert cell["figures"]["capacity_loss"]["nearness"] == "agrees"
    assert (
        cell["figures"]["capacity_loss"]["difference"] > 0.2 * cell["figures"]["capacity_loss"]["predicted"]
    )


def test_four_repeats_say_nothing(copy: Path, predicted: Any) -> None:
    for place in copy.glob("*.4"):
        shutil.rmtree(place)
    document = agreement.agreement(repeats.read(copy), predicted)
    assert document["counts"]["agrees"] == document["counts"]["differs"] == 0
    assert {cell["ended"]["nearness"] for cell in document["cells"]} == {"too few repeats"}


def test_what_is_never_reached_in_either_is_no_difference(alike: Path, predicted: Any) -> None:
    document = agreement.agreement(repeats.read(alike), predicted)
    cell = next(c for c in document["cells"] if (c["strategy"], c["candidate"]) == ("recreate", "errors"))
    figure = cell["figures"]["recovery_time"]  # nobody turns it back, so it fails for ever
    assert (figure["nearness"], figure["why"]) == ("agrees", "never reached")
    assert figure["reached"] == {"predicted": 0, "measured": 0}
    assert re.search(r"recovery time +never +never +✓ agrees", rendered(document, 120))


def test_answers_that_took_a_second_are_counted() -> None:
    slow = loads((WORLD % ("2s", "")).replace("{median: 20ms, p95: 60ms}", "1500ms").replace("40/s", "4/s"))
    facets = run_of(simulate(Trial(slow, "blue", "good", 0))).facets
    answered = facets["requests"] - sum(v for k, v in facets.items() if k.startswith("outcome "))
    assert facets["slow"] == answered > 100


# --- what is refused ----------------------------------------------------------------------------------


def spoilt(path: Path, key: str) -> str:
    """A record without that key in its provenance."""
    told = json.loads((path / "provenance.json").read_text())
    del told[key]
    (path / "provenance.json").write_text(json.dumps(told))
    return key


@pytest.mark.parametrize(
    "key", ["cluster_uid", "run", "rows", "started", "backend", "conclusive", "time_scale"]
)
def test_a_record_without_provenance_is_no_measurement(copy: Path, key: str) -> None:
    spoilt(copy / "blue.good.0", key)
    with pytest.raises(AgreementError, match=rf"blue\.good\.0.*{key}: is missing"):
        repeats.read(copy)


SPOILING: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no provenance": (lambda f: (f / "blue.good.0" / "provenance.json").unlink(), "cannot be read"),
    "no JSON": (lambda f: (f / "blue.good.0" / "provenance.json").write_text("{"), "is not JSON"),
    "a simulated one": (lambda f: change(f / "blue.good.0", backend="simulated"), "backend: Input should be"),
    "no raw rows": (lambda f: (f / "blue.good.0.rows.npz").unlink(), "raw rows, blue.good.0.rows.npz, are"),
    "other raw rows": (lambda f: (f / "blue.good.0.rows.npz").write_bytes(b""), "is not what provenance"),
    "rows elsewhere": (
        lambda f: change(f / "blue.good.0", rows={"file": "../x", "sha256": "a" * 64}), "rows.file: ",
    ),
    "another cluster": (lambda f: change(f / "blue.good.0", cluster_uid="0" * 12), "different clusters"),
    "another time scale": (lambda f: change(f / "blue.good.0", time_scale=0.5), "different time scales"),
    "damaged": (lambda f: (f / "blue.good.0" / "record.json").write_text("{}"), "its format is None"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILING)
def test_it_is_refused(copy: Path, name: str) -> None:
    spoil, said = SPOILING[name]
    spoil(copy)
    with pytest.raises(records.RecordError, match=re.escape(said)):
        repeats.read(copy)


def test_records_of_different_scenarios_are_not_put_together(copy: Path) -> None:
    other = world("3s")
    write(copy, replace(simulate(Trial(other, "blue", "good", 9)), trial=Trial(other, "blue", "good", 9)))
    with pytest.raises(AgreementError, match=r"different scenarios.*blue\.good\.9"):
        repeats.read(copy)


def test_inconclusive_runs_are_left_out_and_counted(copy: Path, predicted: Any) -> None:
    change(copy / "blue.good.0", conclusive=False, why="12 % of requests were sent late")
    document = agreement.agreement(repeats.read(copy), predicted)
    assert document["left_out"] == [{"trial": "blue.good.0", "why": "12 % of requests were sent late"}]
    assert [cell["repeats"] for cell in document["cells"]] == [5, 4, 5, 5]
    for place in copy.glob("*.*.?"):
        change(place, conclusive=False, why="too busy")
    with pytest.raises(AgreementError, match="none of the 20 runs is conclusive: too busy"):
        repeats.read(copy)


def test_what_an_image_of_ones_own_lacks_is_not_observable_and_said(copy: Path, predicted: Any) -> None:
    lacks = {"figures": ["exposure_requests", "flips"], "measured": False, "why": "nobody knows who answered"}
    weaker = {"figures": ["flips", "blast_requests"], "measured": True, "why": "pods have no names"}
    for place in copy.glob("blue.good.?"):
        change(place, losses=[lacks, weaker])
    document = agreement.agreement(repeats.read(copy), predicted)
    said = {(c["strategy"], c["candidate"]): c["figures"]["exposure_requests"] for c in document["cells"]}
    lost = {"unit": "count", "nearness": "not observable", "why": "nobody knows who answered"}
    assert [cell for cell, figure in said.items() if figure == lost] == [("blue", "good")]
    own = [text for head, text in facts(document) if head == "your own image"]
    assert own == [
        "exposure, requests and 1 other: nobody knows who answered",
        "blast radius, requests and 1 other: measured, but pods have no names",
    ]


@pytest.mark.parametrize("place", ["nowhere", ""])
def test_a_folder_without_records(tmp_path: Path, place: str) -> None:
    with pytest.raises(AgreementError, match=r"is no folder|holds no live records"):
        repeats.read(tmp_path / place)


def test_a_folder_of_runs_is_read_as_one(alike: Path, tmp_path: Path) -> None:
    for run in ("a", "b"):
        shutil.copytree(alike, tmp_path / run)
    for place in (tmp_path / "b").glob("*.*.?"):
        change(place, run="99998888")
    measured = repeats.read(tmp_path)
    assert measured.runs == ("0a1b2c3d", "99998888")
    assert len(measured.of("blue", "good")) == 10


def test_a_copy_is_no_repeat(alike: Path, tmp_path: Path) -> None:
    for run in ("a", "a-copy"):
        shutil.copytree(alike, tmp_path / run)
    with pytest.raises(AgreementError, match="same measurement"):
        repeats.read(tmp_path)


# --- overlays -----------------------------------------------------------------------------------------


def overlay(made: str = "2026-11-20T11:00:00+00:00", run: str = "aaaabbbb", uid: str = UID) -> Overlay:
    origin = {
        "cluster_uid": uid,
        "context": "kind-lab",
        "versions": {"rolloutlab": "0.1.0"},
        "made": made,
        "runs": [run],
    }
    start = {"quantiles": {"p0": "1900ms", "p100": "2100ms"}, "samples": 30}
    return Overlay.model_validate({"origin": origin, "delays": {"start": start}})


def test_an_overlay_of_the_same_run_is_refused(alike: Path) -> None:
    with pytest.raises(AgreementError, match="measured in the run it is to predict, 0a1b2c3d"):
        repeats.refuse(overlay(run="0a1b2c3d"), repeats.read(alike))


@pytest.mark.parametrize("made", [STARTED, "2026-11-20T12:00:01+00:00", "2026-11-20T13:30:00+01:00"])
def test_an_overlay_made_after_the_release_is_refused(alike: Path, made: str) -> None:
    with pytest.raises(AgreementError, match="after the release"):
        repeats.refuse(overlay(made=made), repeats.read(alike))


def test_an_earlier_overlay_is_taken_and_that_of_another_cluster_is_told(alike: Path) -> None:
    measured = repeats.read(alike)
    repeats.refuse(overlay(made="2026-11-20T12:59:59+01:00"), measured)
    assert repeats.elsewhere(overlay(), measured) is None
    assert "another cluster" in str(repeats.elsewhere(overlay(uid="0" * 12), measured))


def test_an_overlay_repairs_a_prediction(late: Path) -> None:
    measured = repeats.read(late)
    document = agreement.agreement(measured, predict(measured, 32, overlay()), overlay())
    cell = next(c for c in document["cells"] if (c["strategy"], c["candidate"]) == ("recreate", "good"))
    assert cell["figures"]["capacity_loss"]["nearness"] == "agrees"
    assert document["overlay"]["runs"] == ["aaaabbbb"]


# --- what is shown ------------------------------------------------------------------------------------


def rendered(document: Mapping[str, Any], width: int) -> str:
    console = Console(width=width, force_terminal=False, no_color=True, file=io.StringIO())
    console.print(table(document, "rolloutlab agree x", None))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_fits_and_says_all(late: Path, predicted: Any) -> None:
    document = agreement.agreement(repeats.read(late), predicted)
    text = rendered(document, 120)
    assert max(map(len, text.splitlines())) <= 120
    assert max(map(len, rendered(document, 80).splitlines())) <= 80
    assert "✗ differs" in text
    assert "promoted 5 of 5, predicted 100 %" in text
    assert "pods of candidate were in rotation" in text
    flat = " ".join(text.split())
    assert f"kind-lab ({UID})" in flat
    assert flat.count("capacity lost (pod-s)") >= 4


def test_names_cannot_command_a_terminal_a_table_or_a_page(tmp_path: Path) -> None:
    nasty = loads(
        (WORLD % ("2s", "")).replace("blue:", "'[red]<b>|x&':").replace("name: beside", "name: '<i>|'")
    )
    runs = {
        (strategy, candidate): [
            run_of(simulate(Trial(nasty, strategy, candidate, seed))) for seed in range(2)
        ]
        for strategy in nasty.strategies
        for candidate in nasty.variants
    }
    found = tuple(
        repeats.Repeat("x", s, c, _provenance(), run) for (s, c), both in runs.items() for run in both
    )
    measured = Repeats(nasty, 1.0, UID, "kind-lab", found, ())
    document = agreement.agreement(measured, runs)
    assert "[red]<b>|x&" in rendered(document, 120)
    assert "| \\[red\\]&lt;b&gt;\\|x&amp; |" in markdown(document)
    from reports.agreement_page import write as write_page

    page = write_page(tmp_path / "page", document, measured, runs, "x").read_text()
    assert "<b>|x" not in page
    assert "<i>|" not in page


def _provenance() -> LiveProvenance:
    sent = dict.fromkeys(("intended", "sent", "median", "p99", "most", "share_late", "connections"), 0)
    told = {"backend": "live", "cluster_uid": UID, "context": "kind-lab", "run": "0a1b2c3d"}
    told |= {"started": STARTED, "time_scale": 1, "conclusive": True, "why": "", "sent": sent}
    return LiveProvenance.model_validate({**told, "rows": {"file": "a.npz", "sha256": "a" * 64}})


# --- the command --------------------------------------------------------------------------------------


def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["rolloutlab", "agree", *arguments])
    with pytest.raises(SystemExit) as end:
        rolloutlab_cli.main()
    out, err = capsys.readouterr()
    return (0 if end.value.code is None else int(end.value.code)), out, err


def test_the_command_writes_a_page_that_needs_nothing_else(
    copy: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    code, out, _ = call(capsys, monkeypatch, str(copy), "-o", "json", "--to", str(tmp_path / "to"))
    assert code == 0
    document = json.loads(out)
    assert document["format"] == "rolloutlab.agreement/1"
    assert json.loads((tmp_path / "to" / "agreement.json").read_text()) == document
    page = (tmp_path / "to" / "agreement.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert len(list((tmp_path / "to" / "charts").glob("*.png"))) == 4


def test_the_command_refuses_and_says_why(copy: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    file = tmp_path / "overlay.yaml"
    file.write_text(overlays.dumps(overlay(run="0a1b2c3d")))
    code, _, err = call(capsys, monkeypatch, str(copy), "--overlay", str(file))
    assert (code, "that would be no prediction" in err) == (2, True)
    file.write_text("format: rolloutlab.overlay/1\norigin: {}\ndelays: {apis: 1}\n")
    code, _, err = call(capsys, monkeypatch, str(copy), "--overlay", str(file))
    assert (code, f"{file}:3: delays.apis: unknown key 'apis'" in err) == (2, True)
    code, _, err = call(capsys, monkeypatch, str(tmp_path / "nothing"))
    assert (code, "is no folder" in err) == (2, True)


def test_too_few_of_everything_is_undecided(copy: Path, capsys: Any, monkeypatch: Any) -> None:
    for place in copy.glob("*.[34]"):
        shutil.rmtree(place)
    code, out, _ = call(capsys, monkeypatch, str(copy))
    assert code == 3
    assert "have too few repeats" in out
    assert (copy / "agreement" / "agreement.html").is_file()
    assert max(map(len, out.splitlines())) <= 80


def test_somebody_elses_page_is_left_alone(copy: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    (tmp_path / "agreement.html").write_text("mine")
    code, _, err = call(capsys, monkeypatch, str(copy), "--to", str(tmp_path))
    assert (code, "of something else" in err) == (2, True)
    assert (tmp_path / "agreement.html").read_text() == "mine"


def test_the_values_of_a_run_add_up(alike: Path) -> None:
    one = repeats.read(alike).of("recreate", "good")[0].run
    outcomes = sum(value for key, value in one.facets.items() if key.startswith("outcome "))
    assert outcomes == one.measured.figures["failed_requests"].value
    assert math.isclose(one.curves.failures[one.curves.t >= 0].sum(), outcomes)
    assert one.facets["stage recreate"] == one.settled
