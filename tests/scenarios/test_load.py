"""The loader: what a file says becomes a scenario; `from:` and `--set` mean what they say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.errors import ScenarioError
from scenarios.load import as_document, digest, from_document, library, load, loads

HEAD = """\
format: rolloutlab/1
name: shop
service: {replicas: 10}
traffic: {rate: 200/s}
"""
STRATEGIES = "strategies: {rolling: {rolling: {}}}\n"
INHERITED = (
    HEAD
    + """\
versions:
  stable:
    service_time: {mean: 50ms, p99: 220ms}
    errors: [{share: 0.1%, of: requests}]
  candidate:
    from: stable
    warm_up: {slower: 2.5, lasting: 30s}
candidates:
  as-is: {}
  bad: {errors: [{share: 5%, of: users}]}
  worse: {from: bad, crash: {after_start: 20s}}
  old: {from: stable}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
strategies:
  canary: {canary: {via: edge, steps: [5%, 50%], hold: 2m}}
  by-replicas: {canary: {from: canary, via: service}}
"""
)


def test_the_least_that_can_be_written():
    scenario = loads(HEAD + STRATEGIES)
    assert scenario.traffic.rate.constant == 200
    assert scenario.clock.horizon == 1800
    assert list(scenario.variants) == ["candidate"]


def test_a_byte_order_mark_and_windows_lines(tmp_path: Path):
    file = tmp_path / "s.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + (HEAD + STRATEGIES).replace("\n", "\r\n").encode())
    assert load(file) == loads(HEAD + STRATEGIES)


def test_chinese_names_and_markup_are_names():
    text = (
        (HEAD + STRATEGIES)
        .replace("name: shop", "name: 结账服务 <script>")
        .replace("{rolling:", "{滚动更新:", 1)
    )
    scenario = loads(text)
    assert scenario.name == "结账服务 <script>"
    assert list(scenario.strategies) == ["滚动更新"]


def test_underscores_in_numbers():
    assert loads(HEAD.replace("10}", "1_000}") + STRATEGIES).service.replicas == 1000


def test_an_alias_is_read_as_what_it_repeats():
    text = HEAD + "versions: {stable: {start: &s {median: 4s, p95: 8s}, service_time: *s}}\n" + STRATEGIES
    stable = loads(text).versions.stable
    assert stable.start == stable.service_time


def test_candidate_inherits_from_stable_when_it_says_so():
    versions = loads(INHERITED).versions
    assert versions.candidate.service_time == versions.stable.service_time
    assert versions.candidate.errors == versions.stable.errors
    assert versions.stable.warm_up is None


def test_candidate_inherits_from_stable_when_it_is_absent():
    text = HEAD + "versions: {stable: {service_time: 7ms}}\n" + STRATEGIES
    assert loads(text).versions.candidate.service_time.constant == 0.007


def test_candidate_inherits_nothing_when_it_says_nothing():
    text = HEAD + "versions: {stable: {service_time: 7ms}, candidate: {start: 1s}}\n" + STRATEGIES
    assert loads(text).versions.candidate.service_time.constant is None


def test_candidates_are_variants_of_the_candidate():
    scenario = loads(INHERITED)
    assert scenario.candidates["as-is"] == scenario.versions.candidate
    bad = scenario.candidates["bad"]
    assert [e.of for e in bad.errors] == ["users"]
    assert bad.warm_up == scenario.versions.candidate.warm_up
    assert scenario.candidates["worse"].errors == bad.errors
    assert scenario.candidates["old"] == scenario.versions.stable


def test_strategies_inherit_from_their_own_kind():
    strategies = loads(INHERITED).strategies
    assert strategies["by-replicas"].strategy.steps == (0.05, 0.5)
    assert strategies["by-replicas"].strategy.via == "service"


@pytest.mark.parametrize(
    ("setting", "read", "expected"),
    [
        ("service.replicas=12", lambda s: s.service.replicas, 12),
        ("traffic.rate=50/s", lambda s: s.traffic.rate.constant, 50),
        ("clock.horizon=1h", lambda s: s.clock.horizon, 3600),
        ("candidate.errors.0.share=5%", lambda s: s.versions.candidate.errors[0].share, 0.05),
        ("candidate.errors.0.share=5%", lambda s: s.versions.stable.errors[0].share, 0.001),
        ("candidate.errors.0.share=5%", lambda s: s.candidates["as-is"].errors[0].share, 0.05),
        ("candidate.errors.1={share: 1%, of: pods}", lambda s: len(s.versions.candidate.errors), 2),
        ("stable.service_time=9ms", lambda s: s.candidates["bad"].service_time.constant, 0.009),
        ("candidates.worse.errors.0.share=9%", lambda s: s.candidates["worse"].errors[0].share, 0.09),
        (
            "strategies.by-replicas.canary.steps.1=60%",
            lambda s: s.strategies["by-replicas"].strategy.steps[1],
            0.6,
        ),
        (
            "strategies.by-replicas.canary.steps.1=60%",
            lambda s: s.strategies["canary"].strategy.steps[1],
            0.5,
        ),
        ("strategies.canary.canary.hold=9m", lambda s: s.strategies["by-replicas"].strategy.hold, 540),
        ("seeds=5", lambda s: s.seeds, 5),
    ],
)
def test_set(setting, read, expected):
    assert read(loads(INHERITED, overrides=[setting])) == pytest.approx(expected)


def test_set_a_candidate_that_the_file_does_not_mention():
    scenario = loads(
        HEAD + "versions: {stable: {service_time: 7ms}}\n" + STRATEGIES, "f", ["candidate.start=never"]
    )
    assert scenario.versions.candidate.start == "never"
    assert scenario.versions.candidate.service_time.constant == 0.007


def test_set_names_with_dots():
    text = HEAD + "strategies: {a.b: {rolling: {}}}\n"
    scenario = loads(text, "f", ["strategies.a.b.rolling.max_surge=2"])
    assert scenario.strategies["a.b"].strategy.max_surge == 2


def test_later_settings_win():
    assert loads(HEAD + STRATEGIES, "f", ["seeds=5", "seeds=6"]).seeds == 6


@pytest.mark.parametrize("name", sorted(library()))
def test_a_document_is_the_scenario_again(name):
    scenario = load(name)
    document = as_document(scenario)
    again = from_document(document)
    assert again == scenario
    assert digest(again) == digest(scenario)
    assert as_document(again) == document


def test_a_document_keeps_which_pod_settings_a_version_says_itself():
    text = (
        HEAD
        + "versions: {candidate: {pods: {min_ready: 9s}}}\ncluster: {pods: {readiness: none}}\n"
        + STRATEGIES
    )
    scenario = loads(text)
    again = from_document(as_document(scenario))
    assert again.pods(again.versions.candidate) == scenario.pods(scenario.versions.candidate)
    assert again.pods(again.versions.candidate).readiness == "none"


@pytest.mark.parametrize("written", ["3334ms", "0.000000001ms", "0.123456789d", "1.5m", "33.3h"])
def test_a_document_keeps_durations_exactly(written):
    scenario = loads(HEAD + f"versions: {{stable: {{start: {written}}}}}\n" + STRATEGIES)
    assert from_document(as_document(scenario)) == scenario


@pytest.mark.parametrize("written", ["1234567/s", "0.1/s", "7/h", "33.3/m", "0.5/s"])
def test_a_document_keeps_rates_exactly(written):
    scenario = loads(HEAD.replace("200/s", written) + STRATEGIES)
    assert from_document(as_document(scenario)) == scenario


def test_a_document_keeps_limits_in_their_own_unit():
    guards = "guards: {e: {metric: failure_share, limit: 40%}, l: {metric: latency_p99, limit: 400ms}}\n"
    document = as_document(loads(HEAD + guards + STRATEGIES))
    assert [document["guards"][name]["limit"] for name in "el"] == ["40%", "400ms"]


@pytest.mark.parametrize(
    "name", ["结账", "\\U0001F600", "\\uFFFE", "\\ue000", "<!--", "a: b", "null", "=cmd()"]
)
def test_a_document_keeps_names_of_any_kind(name):
    scenario = loads(HEAD.replace("shop", f'"{name}"') + STRATEGIES)
    assert from_document(json.loads(json.dumps(as_document(scenario), sort_keys=True))) == scenario


@pytest.mark.parametrize("document", [{}, {"order": []}, {"format": "rolloutlab/1", "name": {"a": None}}])
def test_documents_that_are_no_scenario(document):
    with pytest.raises(ScenarioError, match="document: "):
        from_document(document)


def test_a_document_of_endless_depth():
    document: dict[str, object] = {}
    for _ in range(500):
        document = {"a": document}
    with pytest.raises(ScenarioError, match="nested deeper than 100"):
        from_document(document)


def test_digest_is_of_what_is_meant_not_of_how_it_is_written():
    one = loads(HEAD + STRATEGIES)
    other = loads(
        "# the same\n" + STRATEGIES + HEAD.replace("200/s", "12000/m").replace("10}", "10, slots: 4}")
    )
    assert digest(one) == digest(other)
    assert digest(one) != digest(loads(HEAD + STRATEGIES, "f", ["seeds=5"]))


def test_a_file_comes_before_a_world_of_that_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("quickstart").name == "quickstart"
    (tmp_path / "quickstart").write_text(HEAD + STRATEGIES)
    assert load("quickstart").name == "shop"


def test_no_such_file(tmp_path: Path):
    with pytest.raises(
        ScenarioError, match=r"no such file, nor a world of the library; there is .*quickstart"
    ):
        load("quickstrat")
    with pytest.raises(ScenarioError, match="cannot be read: Is a directory"):
        load(tmp_path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load("a\0b")


def test_importing_the_loader_imports_no_heavy_library():
    heavy = "scipy matplotlib numba simpy jinja2 rich typer"
    code = f"import sys, scenarios.load; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_stored_candidate_does_not_inherit_again():
    """A variant `from: stable` stays without what the candidate of `versions` has beyond stable."""
    text = EXAMPLE_OF_TWO + "candidates: {bad: {}, good: {from: stable}}\n"
    scenario = loads(text)
    again = from_document(as_document(scenario))
    assert scenario.candidates["good"].leak is None
    assert again == scenario
    assert digest(again) == digest(scenario)


EXAMPLE_OF_TWO = """\
format: rolloutlab/1
name: shop
service: {replicas: 2}
versions:
  stable: {}
  candidate: {from: stable, leak: {over: 5m, slower: 2}, warm_up: {slower: 2, lasting: 1m}}
traffic: {rate: 10/s}
strategies: {rolling: {rolling: {}}}
"""


def test_the_margin_of_an_agreement():
    text = (
        "format: rolloutlab/1\nname: x\nservice: {replicas: 2}\ntraffic: {rate: 5/s}\n"
        "strategies: {a: {recreate: {}}}\n"
    )
    assert loads(text).agree is None
    found = loads(text + "agree: {margin: 20%, figures: {capacity_loss: 5%}}\n").agree
    assert (found.margin_of("capacity_loss"), found.margin_of("failed_requests")) == (0.05, 0.2)
    with pytest.raises(ScenarioError, match=r"agree\.figures.*unknown figure"):
        loads(text + "agree: {figures: {capacity_los: 5%}}\n")
