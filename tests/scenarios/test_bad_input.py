"""What cannot be used is refused at the door: file, line, path, what was expected and what stood there."""

import json
import random
import time
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios import later
from scenarios.errors import Misplaced, Problem, ScenarioError, shown
from scenarios.load import load, loads
from scenarios.scenario import Scenario

GOOD = """\
format: rolloutlab/1
name: shop
service:
  replicas: 10
traffic:
  rate: 200/s
versions:
  stable:
    service_time: {mean: 50ms, p99: 220ms}
    errors: [{share: 0.1%, of: requests}]
  candidate:
    from: stable
candidates:
  good: {}
  bad: {errors: [{share: 5%, of: users}]}
cluster:
  pods:
    readiness: {period: 5s}
routers:
  service: {kind: kube-proxy}
  edge: {kind: ingress-nginx}
guards:
  errors: {metric: failure_share, limit: 1%}
strategies:
  rolling: {rolling: {}}
  canary: {canary: {via: edge, steps: [5%, 50%], guards: [errors]}}
slo: {success: 99.9%}
clock: {horizon: 30m}
"""


def problems(text: str, *overrides: str) -> list[str]:
    """What is said about a text, one line each."""
    with pytest.raises(ScenarioError) as caught:
        loads(text, "f.yaml", overrides)
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> list[str]:
    """What is said about the good text with one change."""
    assert GOOD.count(old) == 1
    return problems(GOOD.replace(old, new))


def test_the_good_text_is_good():
    assert loads(GOOD).name == "shop"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # keys
        (
            "replicas: 10",
            "replica: 10",
            "f.yaml:4: service.replica: unknown key 'replica'; did you mean 'replicas'?",
        ),
        (
            "    readiness: {",
            "    redines: {",
            "f.yaml:18: cluster.pods.redines: unknown key 'redines'; did you mean 'readiness'?",
        ),
        (
            "slo: {success: 99.9%}",
            "slo: {wibble: 1}",
            "f.yaml:27: slo.wibble: unknown key 'wibble'; known are success, latency, period, requests",
        ),
        ("name: shop\n", "", "f.yaml:1: name: is required"),
        (
            "{rolling: {}}",
            "{roling: {}}",
            "f.yaml:25: strategies.rolling.roling: unknown key 'roling'; did you mean 'rolling'?",
        ),
        # values
        (
            "steps: [5%, 50%]",
            "steps: [5%, 110%]",
            "f.yaml:26: strategies.canary.canary.steps.1: a share is at most 100%; got '110%'",
        ),
        (
            "steps: [5%, 50%]",
            "steps: [5%, 10%%]",
            "f.yaml:26: strategies.canary.canary.steps.1: expected a share such as 10%; got '10%%'",
        ),
        (
            "steps: [5%, 50%]",
            "steps: [50%, 5%]",
            "f.yaml:26: strategies.canary.canary.steps: expected growing shares between 0% and 100%:"
            " [5%, 25%, 50%]",
        ),
        ("replicas: 10", "replicas: yes", None),
        ("replicas: 10", "replicas: true", "f.yaml:4: service.replicas: expected a whole number; got true"),
        ("replicas: 10", "replicas: '10'", "f.yaml:4: service.replicas: expected a whole number; got '10'"),
        ("replicas: 10", "replicas: 1.5", "f.yaml:4: service.replicas: expected a whole number; got 1.5"),
        (
            "replicas: 10",
            "replicas: 1e308",
            "f.yaml:4: service.replicas: expected a whole number; got 1e+308",
        ),
        ("replicas: 10", "replicas: 0", "f.yaml:4: service.replicas: expected at least 1; got 0"),
        ("replicas: 10", "replicas: -0", "f.yaml:4: service.replicas: expected at least 1; got 0"),
        ("replicas: 10", "replicas: -3", "f.yaml:4: service.replicas: expected at least 1; got -3"),
        (
            "replicas: 10",
            "replicas: 999999999999",
            "f.yaml:4: service.replicas: expected at most 10000; got 999999999999",
        ),
        (
            "replicas: 10",
            "replicas: .nan",
            "f.yaml:4: service.replicas: expected a finite number; got .nan",
        ),
        (
            "replicas: 10",
            "replicas: -.inf",
            "f.yaml:4: service.replicas: expected a finite number; got -.inf",
        ),
        ("replicas: 10", "replicas:", "f.yaml:4: service.replicas: expected a whole number; got nothing"),
        ("name: shop", "name: 2024", None),
        ("name: shop", "name: [a]", None),
        (
            "rate: 200/s",
            "rate: 200",
            "f.yaml:6: traffic.rate: expected a rate such as 200/s; got 200",
        ),
        (
            "rate: 200/s",
            "rate: 10000000/s",
            "f.yaml:6: traffic.rate: 1.92e+10 requests in one trial; at most 1e+10 are simulated;"
            " got '10000000/s'",
        ),
        (
            "horizon: 30m",
            "horizon: 8d",
            "f.yaml:28: clock.horizon: at most 7d; got '8d'",
        ),
        (
            "horizon: 30m",
            "horizon: 999999999999999d",
            "f.yaml:28: clock.horizon: a duration is at most 365d; got '999999999999999d'",
        ),
        (
            "horizon: 30m",
            "horizon: 30",
            "f.yaml:28: clock.horizon: expected a duration such as 150ms, 2s or 10m; got 30",
        ),
        (
            "horizon: 30m",
            "horizon: 12:30",
            "f.yaml:28: clock.horizon: '12:30' without quotes is a number to base 60 for YAML, not a time;"
            " put it in quotes",
        ),
        (
            "{mean: 50ms, p99: 220ms}",
            "{mean: 50ms}",
            "f.yaml:9: versions.stable.service_time: expected a duration such as 50ms, {exponential: 50ms},"
            " two of mean, median, p90, p95, p99, or one of quantiles, samples, csv",
        ),
        (
            "{mean: 50ms, p99: 220ms}",
            "50",
            "f.yaml:9: versions.stable.service_time: expected a duration such as 150ms, 2s or 10m; got 50",
        ),
        (
            "limit: 1%",
            "limit: 400ms",
            "f.yaml:23: guards.errors.limit: expected a share such as 1% for 'failure_share'; got '400ms'",
        ),
        (
            "slo: {success: 99.9%}",
            "slo: {requests: 1000000}",
            "f.yaml:27: slo: expected both period and requests, such as 30d and 500000000, or neither",
        ),
        (
            "slo: {success: 99.9%}",
            "slo: {period: 0s, requests: 1000000}",
            "f.yaml:27: slo.period: expected a duration above 0, such as 30d; got '0s'",
        ),
        ("limit: 1%", "margin: 1%", "f.yaml:23: guards.errors: expected either limit: … or versus: stable"),
        (
            "{period: 5s}",
            "{period: 100ms}",
            "f.yaml:18: cluster.pods.readiness.period: a probe runs at most once a second; expected 1s"
            " or more; got '100ms'",
        ),
        (
            "{rolling: {}}",
            "{rolling: {max_surge: 0, max_unavailable: 0%}}",
            "f.yaml:25: strategies.rolling.rolling.max_surge: max_surge and max_unavailable are both 0:"
            " no pod could move; got 0",
        ),
        (
            "{rolling: {}}",
            "{rolling: {guards: [errors]}}",
            "f.yaml:25: strategies.rolling.rolling.guards: a failing guard needs a way back; say"
            " rollback: undo",
        ),
        (
            "{rolling: {}}",
            "{rolling: {}, recreate: {}}",
            "f.yaml:25: strategies.rolling: expected exactly one kind of strategy: recreate, rolling,"
            " paused_rolling, blue_green, in_place_halves, canary, ab_test, shadow, sequence",
        ),
        # names of other things
        (
            "guards: [errors]",
            "guards: [eror]",
            "f.yaml:26: strategies.canary.canary.guards.0: no guard is called 'eror'; there is errors",
        ),
        (
            "via: edge",
            "via: egde",
            "f.yaml:26: strategies.canary.canary.via: no router is called 'egde'; there is service, edge",
        ),
        (
            "kind: kube-proxy",
            "kind: kubeproxy",
            "f.yaml:20: routers.service.kind: expected kind: kube-proxy, ingress-nginx or proxy; "
            "got 'kubeproxy'",
        ),
        (
            "from: stable",
            "from: stabel",
            "f.yaml:12: versions.candidate.from: 'stabel' is not defined; there is stable",
        ),
        (
            "{rolling: {}}",
            "{rolling: {from: canary}}",
            "f.yaml:25: strategies.rolling.rolling.from: 'canary' is a canary; a rolling inherits from"
            " its own kind only",
        ),
        (
            "good: {}",
            "good: {from: good}",
            "f.yaml:14: candidates.good.from: candidates.good would inherit from itself",
        ),
        # YAML's own surprises
        (
            "good: {}",
            "on: {}",
            "f.yaml:14: candidates.on: on without quotes is a boolean for YAML; put it in quotes: 'on'",
        ),
        (
            "good: {}",
            "true: {}",
            "f.yaml:14: candidates.true: the key true is not text for YAML; put it in quotes: 'true'",
        ),
        (
            "good: {}",
            "200: {}",
            "f.yaml:14: candidates.200: the key 200 is not text for YAML; put it in quotes: '200'",
        ),
        (
            "replicas: 10",
            "replicas: 010",
            "f.yaml:4: service.replicas: '010' is an octal number for YAML; drop the leading zeros, or"
            " quote it",
        ),
        (
            "good: {}",
            "bad: {}",
            "f.yaml:15: candidates.bad: duplicate key 'bad'; it stands in line 14 already",
        ),
        (
            "good: {}",
            "<<: {}",
            "f.yaml:14: candidates: merge keys (<<) are not read; use from:",
        ),
        # names that are not seen, or command a terminal
        (
            "name: shop",
            'name: "a\\e[31mb"',
            "f.yaml:2: name: expected 1 to 80 visible characters on one line; got 'a\\x1b[31mb'",
        ),
        (
            "name: shop",
            'name: "a\\u202eb"',
            "f.yaml:2: name: expected 1 to 80 visible characters on one line; got 'a\\u202eb'",
        ),
        (
            "good: {}",
            '"a\\e]0;b": {}',
            "f.yaml:14: candidates.a\\x1b]0;b: expected 1 to 80 visible characters on one line",
        ),
        # versions of the format
        (
            "format: rolloutlab/1",
            "format: rolloutlab/2",
            "f.yaml:1: format: written for a newer version (rolloutlab/2); this one reads rolloutlab/1",
        ),
        ("format: rolloutlab/1\n", "", "f.yaml:1: format: is required; write format: rolloutlab/1"),
        ("format: rolloutlab/1", "format: helm/3", "f.yaml:1: format: expected rolloutlab/1; got 'helm/3'"),
    ],
)
def test_one_mistake_is_one_problem(old, new, said):
    found = changed(old, new)
    assert len(found) == 1
    assert said is None or found == [said]


LATER = [
    ("", "services: {web: {replicas: 4}}", "services"),
    ("", "database: {}", "database"),
    ("", "compatibility: []", "compatibility"),
    ("service", "calls: {api: 5}", "calls"),
    ("service", "uses: db", "uses"),
    ("cluster", "pods: {startup: {period: 10s}}", "startup"),
    ("routers", "service: {kind: istio, balance: least_request}", "'istio'"),
    ("routers", "service: {kind: gateway-api}", "'gateway-api'"),
    ("routers", "service: {kind: traefik}", "'traefik'"),
    ("guards.errors", "judge: sequential", "judge"),
    ("guards.errors", "confidence: 99%", "confidence"),
    ("guards.errors", "source: prometheus", "source"),
    ("strategies.new", "release: {}", "release"),
    ("strategies.new", "argo_rollouts: {}", "argo_rollouts"),
    ("strategies.new", "flagger: {}", "flagger"),
    ("strategies.canary.canary", "inject: {}", "inject"),
    ("strategies.canary.canary", "service: api", "service"),
    ("clock", 'trigger: "14:00"', "trigger"),
]


@pytest.mark.parametrize(("place", "text", "word"), LATER)
def test_what_cannot_be_done_yet_is_refused_by_name(place, text, word):
    key, _, value = text.partition(": ")
    found = problems(GOOD, f"{place}.{key}={value}" if place else f"{key}={value}")
    assert len(found) == 1
    assert found[0].endswith(f": {word} {later.MESSAGE}")


MISTAKES = [
    ("faults", "[{node_down: {node: 1}}]", "faults.0.node_down.at: is required"),
    ("faults", "[{node_down: {node: 1, at: 1m}, metrics_gap: {at: 1m}}]", "exactly one kind of fault"),
    ("faults", "[{earthquake: {at: 1m}}]", "earthquake"),
    ("faults", "[{slow_dependency: {at: 1m}}]", "expected adds: more than 0s, or slower: more than 1"),
    ("faults", "[{node_slow: {node: 1, slower: 0.5, at: 1m}}]", "slower"),
    ("versions.stable.leak", "{over: 10m}", "expected slower: more than 1, or crash: true"),
    ("versions.stable.leak", "{slower: 2.0, over: 0s}", "expected more than 0s"),
    ("versions.stable.crash", "{}", "expected one of after_start, per_hour, on_request"),
    ("versions.stable.crash", "{per_hour: 1.0, on_request: 1%}", "expected one of"),
    ("versions.stable.crash", "{per_hour: -1.0}", "per_hour"),
    ("versions.stable.errors", "[{share: 1%, of: pods, when: {user.a: b}}]", "only for errors of requests"),
    (
        "versions.stable.errors",
        "[{share: 1%, of: users, load: 80%}]",
        "only for errors of requests, without when",
    ),
    ("versions.stable.errors", "[{share: 1%, of: users, when: {Region: b}}]", "when"),
    ("traffic.mix", "{header.Region: {a: 60%, b: 50%}}", "the shares sum to more than 100%"),
    ("traffic.mix", "{Region: {a: 60%}}", "mix"),
    ("traffic.connections", "{}", "expected either per_user: true or pool"),
    ("traffic.connections", "{per_user: true, pool: 5}", "expected either"),
    ("traffic.connections", "{pool: 0}", "pool"),
    ("traffic.arrivals", "closed", "closed traffic has think: instead"),
    ("traffic.think", "5s", "closed traffic has a pause"),
    ("traffic.client", "{retries: 11}", "retries"),
    ("traffic.client", "{timeout: 100s, retries: 3}", "expected 255s at most"),
    ("cluster.autoscaler", "{min: 10, max: 5}", "less than min"),
    ("cluster.disruption_budget", "{}", "expected either min_available or max_unavailable"),
    ("cluster.pods.liveness", "{period: 100ms}", "a probe runs at most once a second"),
    ("routers.mesh", "{kind: proxy, balance: least_request, proxies: 2}", "least_request needs proxies: 1"),
    ("routers.mesh", "{kind: proxy, retries: {tries: 0}}", "tries"),
    ("routers.service", "{kind: kube-proxy, mode: userspace}", "'iptables', 'nftables' or 'ipvs'"),
    ("operators.on_call", "{notices: soon}", "notices"),
]


@pytest.mark.parametrize(("place", "text", "said"), MISTAKES)
def test_mistakes_in_people_routers_and_faults_are_named(place, text, said):
    found = problems(GOOD, f"{place}={text}")
    assert found
    assert any(said in line for line in found), found


def test_a_pool_of_connections_has_no_session_cookies():
    found = problems(GOOD, "routers.edge.affinity=sticky", "traffic.connections={pool: 20}")
    assert len(found) == 1
    assert "a session cookie is a user's" in found[0]


def test_every_model_in_the_tables_of_later_exists():
    known = set(Scenario.model_json_schema()["$defs"]) | {"Scenario", "Router"}
    assert set(later.KEYS) <= known
    assert {model for model, _ in later.VALUES} <= known


def test_all_problems_at_once_in_the_order_of_lines():
    text = GOOD.replace("replicas: 10", "replicas: 0").replace("0.1%", "0.1").replace("via: edge", "via: x")
    found = problems(text.replace("kind: kube-proxy", "kind: istio"), "seeds=0")
    assert [line.split(": ")[0] for line in found] == [
        "--set seeds=0",
        "f.yaml:4",
        "f.yaml:10",
        "f.yaml:20",
        "f.yaml:26",
    ]


def test_what_is_inherited_is_said_once_where_it_was_written():
    assert changed("share: 0.1%", "share: 200%") == [
        "f.yaml:10: versions.stable.errors.0.share: a share is at most 100%; got '200%'"
    ]


def test_an_unknown_name_that_is_inherited_is_said_once():
    text = GOOD.replace("guards: [errors]", "guards: [eror]") + "seeds: 3\n"
    found = problems(text, "strategies.b={canary: {from: canary}}", "strategies.c={canary: {from: b}}")
    assert found == [
        "f.yaml:26: strategies.canary.canary.guards.0: no guard is called 'eror'; there is errors"
    ]


def test_what_is_missing_is_said_beside_what_cannot_be_done_yet():
    found = problems("format: rolloutlab/1\nservices: {}\nstrategies: {a: {rolling: {}}}\n")
    assert [line.partition(": ")[2] for line in found] == [
        "name: is required",
        "traffic: is required",
        f"services: services {later.MESSAGE}",
    ]


def test_a_newer_format_is_not_judged_by_the_rules_of_this_one():
    assert len(problems("format: rolloutlab/2\nwaves: 3\n")) == 1


def test_strategies_that_inherit_from_each_other():
    found = problems(GOOD, "strategies.a={canary: {from: b}}", "strategies.b={canary: {from: a}}")
    assert all("would inherit from itself" in line for line in found)


def test_a_router_that_is_only_the_default_is_named():
    text = GOOD.replace("  service: {kind: kube-proxy}\n", "")
    assert problems(text) == [
        "f.yaml:24: strategies.rolling.rolling.via: no router is called 'service'; there is edge"
    ]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("service.replica=3", "unknown key 'replica'; did you mean 'replicas'?"),
        ("clock.horizon=soon", "expected a duration such as 150ms, 2s or 10m; got 'soon'"),
        (
            "candidate.errors.7.share=1%",
            "there is no item '7'; versions.candidate.errors has 1, counted from 0",
        ),
        ("traffic.rate.constant=3/s", "so there is nothing in it to set; set traffic.rate=… as a whole"),
        ("nonsense", "expected path=value, such as clock.horizon=1h"),
        ("=3", "expected path=value, such as clock.horizon=1h"),
        ("clock.horizon=[1", "not YAML"),
        ("clock.horizon=!!python/name:os.system", "the tag '!!python/name:os.system' is refused"),
        ("stable.foo.bar=1", "versions.stable.foo: unknown key 'foo'; known are image, start"),
    ],
)
def test_set_says_what_is_wrong_with_itself(setting, said):
    found = problems(GOOD, setting)
    assert len(found) == 1
    assert found[0].startswith(f"--set {setting}: ")
    assert said in found[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml: empty; a scenario begins with format: rolloutlab/1"),
        ("# nothing\n", "f.yaml: empty; a scenario begins with format: rolloutlab/1"),
        ("---\n...\n", "f.yaml: empty; a scenario begins with format: rolloutlab/1"),
        ("- a\n", "f.yaml:1: expected keys with values, beginning with format: rolloutlab/1"),
        ("hello", "f.yaml:1: expected keys with values, beginning with format: rolloutlab/1"),
        ("a: 1\n---\nb: 2\n", "f.yaml:3: expected one document; a second one begins here"),
        (
            "a:\n\tb: 1\n",
            "f.yaml:2: not YAML: while scanning for the next token, found character that cannot start",
        ),
        ("a: 1\n b: 2\n", "f.yaml:2: not YAML: mapping values are not allowed in this context"),
        ("a: [1, 2\n", "f.yaml:1: not YAML: while parsing a flow sequence"),
        ("a: \x07\n", "f.yaml:1: not YAML: control characters are not allowed"),
        (
            "a: !!python/object/apply:os.system [x]",
            "f.yaml:1: a: the tag '!!python/object/apply:os.system' is refused",
        ),
        ("a: !env HOME", "f.yaml:1: a: the tag '!env' is refused"),
        ("a: !!binary aGk=", "f.yaml:1: a: the tag '!!binary' is refused"),
        ("a: *b", "f.yaml:1: a: alias *b stands nowhere before"),
        ("a: &a [*a]", "f.yaml:1: a.0: alias *a contains itself"),
        ("a: &a {b: *a}", "f.yaml:1: a.b: alias *a contains itself"),
        ("? [a]\n: b", "f.yaml:1: a list or mapping as a key; keys are text"),
        ("a: \ud800", "f.yaml: not UTF-8 text"),
        ("[" * 10_000, "nested deeper than 100"),
        ("a: " + "{a: " * 10_000, "nested deeper than 100"),
        ("- " * 10_000, "nested deeper than 100"),
        ("[[" + "1," * 100_001 + "]]", "more than 100,000 values"),
    ],
)
def test_texts_that_are_no_document(text, said):
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]


def test_an_alias_bomb_is_refused_before_it_grows():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    started = time.perf_counter()
    assert "more than 100,000 values once aliases are expanded" in problems("\n".join(lines))[0]
    assert time.perf_counter() - started < 5


def test_aliases_deeper_than_the_text():
    lines = ["a0: &a0 x"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 150)]
    assert "nested deeper than 100" in problems("\n".join(lines))[0]


def test_large_files_are_not_read(tmp_path: Path):
    file = tmp_path / "large.yaml"
    file.write_bytes(b"#" * 5_000_001)
    with pytest.raises(ScenarioError, match="larger than 5 MB"):
        load(file)
    with pytest.raises(ScenarioError, match="larger than 5 MB"):
        load("/dev/zero")


def test_bytes_that_are_not_utf_8(tmp_path: Path):
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"a: 1\nname: caf\xe9\n")
    with pytest.raises(ScenarioError, match=r"latin\.yaml:2: not UTF-8 text \(byte 0xe9\)"):
        load(file)


def test_thousands_of_strategies_that_inherit_are_quick():
    strategies = {f"s{n}": {"rolling": {"from": f"s{n + 1}"}} for n in range(5000)}
    started = time.perf_counter()
    problems(GOOD.replace("strategies:\n", f"strategies: {json.dumps(strategies)}\nx:\n"))
    assert time.perf_counter() - started < 10


def test_values_are_shortened_and_made_harmless():
    assert shown("x" * 200) == "'" + "x" * 57 + "…'"
    assert shown("a\x1b[2J\u2028") == "'a\\x1b[2J\\u2028'"
    assert shown(True) == "true"
    assert shown(None) == "nothing"


def test_an_origin_cannot_command_a_terminal():
    with pytest.raises(ScenarioError) as caught:
        loads("", "a\x1b[2J.yaml")
    assert str(caught.value).startswith("a\\x1b[2J.yaml: ")


def test_problems_hold_what_they_print():
    problem = Problem("a.b", 3, "expected x", "'y'", "f.yaml")
    assert str(problem) == "f.yaml:3: a.b: expected x; got 'y'"
    assert ScenarioError([problem]).problems == (problem,)
    assert str(Misplaced((("a", 0), "no"))) == "a.0: no"


QUICKSTART = (files("scenarios") / "library" / "quickstart.yaml").read_text(encoding="utf-8")
PIECES = [
    "0",
    "-1",
    "%",
    "s",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\n",
    "  ",
    "*a",
    "&a ",
    "!!int ",
    "null",
    "'",
    '"',
    "1e999",
]


def scenario_or_error(text: str, *overrides: str) -> None:
    """A text gives a scenario or a ScenarioError that prints; never another exception."""
    try:
        assert isinstance(loads(text, "f.yaml", overrides), Scenario)
    except ScenarioError as error:
        assert error.problems
        assert all(line.isprintable() for line in str(error).splitlines())


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_library_file_with_random_changes(seed, changes):
    rng = random.Random(seed)
    lines = QUICKSTART.splitlines()
    for _ in range(changes):
        at = rng.randrange(len(lines))
        kind = rng.randrange(4)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines[at], lines[at - 1] = lines[at - 1], lines[at]
        else:
            line = lines[at]
            cut = rng.randrange(len(line) + 1)
            lines[at] = line[:cut] + rng.choice(PIECES) + line[cut + (kind == 2) * rng.randrange(4) :]
    scenario_or_error("\n".join(lines))


KEYS = st.sampled_from(
    [*Scenario.model_fields, *later.KEYS["Scenario"], "from", "kind", "stable", "canary", "a"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["10%", "5s", "200/s", "stable", "service", "never", "none", "failure_share"]),
    st.text(max_size=8),
)
THINGS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(derandomize=True, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, THINGS, max_size=8))
def test_random_objects(value):
    scenario_or_error(json.dumps({"format": "rolloutlab/1", "name": "a", **value}))


@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*Scenario.model_fields]), st.lists(KEYS, max_size=2), THINGS)
def test_a_good_scenario_with_a_random_part(key, path, value):
    scenario_or_error(GOOD, f"{'.'.join([key, *path])}={json.dumps(value)}")


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=60), st.text(max_size=30))
def test_random_text(text, setting):
    scenario_or_error(text, setting)
    scenario_or_error(GOOD, setting)


@pytest.mark.parametrize(
    "written", ["traffic.rate=0/s", "traffic.client.timeout=0s", "traffic.client.timeout=5m"]
)
def test_what_the_kernel_could_not_do_is_refused_at_the_door(written: str) -> None:
    with pytest.raises(ScenarioError, match="expected more than 0"):
        load("quickstart", [written])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "rate: 200/s",
            "rate: 200/s\n  mix: {Region: {a: 5%}}",
            "expected header.NAME, cookie.NAME or user.NAME",
        ),
        ("{kind: ingress-nginx}", "{kind: proxy, affinity: sticky}", "known are kind, balance, proxies"),
        ("{kind: ingress-nginx}", "{kind: haproxy}", "kube-proxy, ingress-nginx or proxy"),
        (
            "slo: {",
            "faults: [{node_slow: {at: 1s, node: 0, slower: 1}}]\nslo: {",
            "slower: expected more than 1",
        ),
    ],
)
def test_it_says_what_was_allowed(old: str, new: str, said: str) -> None:
    (line,) = changed(old, new)
    assert said in line
