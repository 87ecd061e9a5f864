"""Expectations: what can be written, which answers fit, and what so many of them show."""

import math
import random

import pytest

from scenarios.answered import NOBODY, Answer, Counts, counted, design_effect, fits, judged
from scenarios.binomial import exact, requests_to_show
from scenarios.check import check
from scenarios.errors import ScenarioError
from scenarios.expect import Expectation, Wanted
from scenarios.load import as_document, from_document, loads
from scenarios.result import Result

BASE = """\
format: rolloutlab/1
name: shop
service: {replicas: 4}
versions:
  stable: {answers: {headers: {Server: nginx/1.18.0}, body: nginx-v1}}
  candidate: {from: stable, answers: {headers: {Server: nginx/1.24.0}}}
candidates: {good: {}, bad: {errors: [{share: 5%, of: requests}]}}
traffic: {rate: 10/s}
routers: {service: {kind: kube-proxy}, edge: {kind: ingress-nginx}}
strategies:
  canary: {canary: {via: edge, steps: [10%]}}
  rolling: {rolling: {}}
"""
SERVERS = Answer("stable", 200, (("Server", "nginx/1.24.0"), ("server", "other")), "nginx-v2\n")


def written(text):
    return loads(f"{BASE}expect:\n  it: {text}\n", "f.yaml").expect["it"]


def expectation(**values):
    return Expectation.model_validate({"answers": {"version": "candidate"}, **values})


# --- what can be written ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{strategy: canry, answers: {version: stable}}",
            ".strategy: no strategy is called 'canry'; there is",
        ),
        ("{candidate: x, answers: {version: stable}}", ".candidate: no candidate is called 'x'"),
        (
            "{when: 20%, answers: {version: stable}}",
            ".when: no stage is called '20%'; there is end, 10% pods",
        ),
        ("{strategy: rolling, when: 10%, answers: {status: 200}}", ".when: no stage is called '10%'"),
        ("{answers: {}}", ".answers: expected one or more of version, status, headers, body"),
        ("{request: {path: /}}", ".answers: is required"),
        ("{answers: {version: blue}}", ".answers.version: expected 'stable' or 'candidate'"),
        ("{answers: {status: 6xx}}", ".answers.status: expected a status such as 200"),
        ("{answers: {status: 99}}", ".answers.status: expected a status such as 200"),
        ("{answers: {body: '(?=a)'}}", ".answers.body: no pattern: "),
        ("{answers: {headers: {Server: '('}}}", ".answers.headers.Server: no pattern: "),
        ("{answers: {status: 200}, request: {path: x}}", ".request.path: expected a path, such as /"),
        ("{answers: {status: 200}, request: {host: a b}}", ".request.host: expected a host"),
        ("{answers: {status: 200}, request: {headers: {'a b': c}}}", ".request.headers"),
        (
            '{answers: {status: 200}, request: {headers: {a: "b\\r\\nc: d"}}}',
            ".request.headers.a: expected text on one line",
        ),
        ("{answers: {body: x}, request: {method: HEAD}}", ".answers.body: an answer to HEAD has no body"),
        ("{answers: {status: 200}, times: 10, at_least: 11}", ".at_least: more than the 10 that are sent"),
        ("{answers: {status: 200}, times: 9, at_least: 3, at_most: 2}", ": at_least is more than at_most"),
        ("{answers: {status: 200}, times: 0}", ".times: expected at least 1"),
        ("{answers: {status: 200}, share: 10%}", ": a share has a precision"),
        ("{answers: {status: 200}, precision: 1%}", ": a share has a precision"),
        (
            "{answers: {status: 200}, share: 10%, precision: 1%, times: 9}",
            ".times: a share has its own number",
        ),
        ("{answers: {status: 200}, share: 10%, precision: 1%, at_most: 1}", ".at_most: a share has its own"),
        ("{answers: {status: 200}, share: 10%, precision: 0%}", ".precision: expected more than 0%"),
        ("{answers: {status: 200}, share: 50%, precision: 0.1%}", ".precision: takes 3,248,"),
        ("{answers: {status: 200}, in_runs: 0%}", ".in_runs: expected more than 0%"),
        ("{answers: {status: 200}, times: many}", ".times: expected a whole number"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(text, said):
    with pytest.raises(ScenarioError) as caught:
        written(text)
    assert str(caught.value).startswith(f"f.yaml:14: expect.it{said}")


@pytest.mark.parametrize(
    ("text", "limits", "requests"),
    [
        ("{answers: {version: stable}}", (1, 1), 1),
        ("{answers: {version: stable}, times: 4}", (4, 4), 4),
        ("{answers: {version: stable}, times: 10, at_most: 5}", (0, 5), 10),
        ("{answers: {version: stable}, times: 10, at_least: 1}", (1, 10), 10),
        ("{answers: {version: stable}, share: 10%, precision: 2%}", (0.08, 0.12), 2924),
    ],
)
def test_how_many_are_sent_and_may_fit(text, limits, requests):
    found = written(text)
    assert found.limits == pytest.approx(limits)
    assert found.requests == requests


def test_what_a_record_keeps_of_them_is_the_same_scenario():
    text = (
        f"{BASE}expect:\n"
        "  z: {strategy: canary, when: 10%, answers: {body: v2}, share: 10%, precision: 2%}\n"
        "  a: {request: {cookies: {c: ''}}, answers: {status: 2xx}, times: 3, at_most: 2, in_runs: 60%}\n"
        "  b: {request: {method: HEAD}, answers: {status: none}}\n"
    )
    scenario = loads(text)
    again = from_document(as_document(scenario))
    assert again == scenario
    assert [*again.expect] == ["z", "a", "b"], "in their order"


def test_it_reads_as_a_sentence():
    text = (
        "{strategy: canary, when: 10%, request: {host: www.test.com, headers: {Region: x}},"
        " answers: {version: candidate, status: 200}, times: 10, at_most: 5, in_runs: 60%}"
    )
    assert str(written(text)) == (
        "canary with every candidate, as stage 10% ends: 10 × GET www.test.com/ (Region: x): "
        "the candidate version with status 200 0 to 5 of 10 times, in 60% of runs or more"
    )


def test_check_says_where_nobody_could_tell():
    text = BASE.replace("{answers: {headers: {Server: nginx/1.18.0}, body: nginx-v1}}", "{}")
    text = text.replace(", answers: {headers: {Server: nginx/1.24.0}}", "")
    expected = "expect:\n  it: {answers: {body: nginx-v2}}\n"
    assert [a.path for a in check(loads(text + expected)) if a.path.startswith("expect")] == ["expect.it"]
    assert not [a for a in check(loads(BASE + expected)) if a.path.startswith("expect")]


# --- which answers fit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "answer", "fitting"),
    [
        ({"version": "candidate"}, Answer("candidate", 200), True),
        ({"version": "candidate"}, Answer("stable", 200), False),
        ({"version": "candidate"}, Answer(NOBODY, 503), False),
        ({"version": "candidate"}, Answer(None, 200), None),
        ({"version": "candidate", "status": 200}, Answer(None, 500), False),
        ({"status": 200}, Answer("stable", 200), True),
        ({"status": "2xx"}, Answer("stable", 204), True),
        ({"status": "2xx"}, Answer("stable", 301), False),
        ({"status": "2xx"}, Answer(NOBODY, None), False),
        ({"status": "none"}, Answer(NOBODY, None), True),
        ({"status": "none"}, Answer(NOBODY, 503), False),
        ({"headers": {"Server": "nginx/1.24.0"}}, SERVERS, True),
        ({"headers": {"SERVER": "^other$"}}, SERVERS, True),
        ({"headers": {"Server": "1.18"}}, SERVERS, False),
        ({"headers": {"X-Version": "."}}, SERVERS, False),
        ({"headers": {"Server": "nginx"}}, Answer("stable", 200), None),
        ({"headers": {"Server": "nginx"}}, Answer(NOBODY, None), False),
        ({"body": "v2"}, SERVERS, True),
        ({"body": "v1"}, SERVERS, False),
        ({"body": "v1"}, Answer("stable", 200), None),
        ({"body": ""}, Answer(NOBODY, None), False),
    ],
)
def test_an_answer_fits_or_not_or_nobody_knows(wanted, answer, fitting):
    assert fits(Wanted.model_validate(wanted), answer) is fitting


def test_answers_are_counted_by_how_often_they_came():
    wanted = Wanted(version="candidate")
    answers = [(Answer("candidate", 200), 3), (Answer("stable", 200), 4), (Answer(None, 200), 2)]
    assert counted(wanted, answers) == Counts(3, 4, 2, {"candidate": 3, "stable": 4, "unknown": 2})


# --- what so many of them show ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "runs", "result"),
    [
        ({}, [], Result.UNDECIDED),
        ({}, [Counts(1, 0)], Result.MET),
        ({}, [Counts(1, 0), Counts(0, 1)], Result.BROKEN),
        ({}, [Counts(1, 0), Counts(0, 0, 1)], Result.UNDECIDED),
        ({"times": 4}, [Counts(3, 1)], Result.BROKEN),
        ({"times": 4, "at_least": 3}, [Counts(3, 1)], Result.MET),
        ({"times": 4, "at_least": 3}, [Counts(2, 0, 2)], Result.UNDECIDED),
        ({"times": 4, "at_most": 1}, [Counts(2, 2)], Result.BROKEN),
        ({"times": 4, "in_runs": 0.5}, [Counts(4, 0)] * 30 + [Counts(3, 1)] * 10, Result.MET),
        ({"times": 4, "in_runs": 0.9}, [Counts(4, 0)] * 30 + [Counts(3, 1)] * 10, Result.BROKEN),
        ({"times": 4, "in_runs": 0.8}, [Counts(4, 0)] * 30 + [Counts(3, 1)] * 10, Result.UNDECIDED),
        ({"times": 4, "in_runs": 1.0}, [Counts(4, 0)] * 3, Result.MET),
        ({"share": 0.1, "precision": 0.02}, [Counts(300, 2700)], Result.MET),
        ({"share": 0.1, "precision": 0.02}, [Counts(450, 2550)], Result.BROKEN),
        ({"share": 0.1, "precision": 0.02}, [Counts(30, 270)], Result.UNDECIDED),
        ({"share": 0.1, "precision": 0.02}, [Counts(300, 2600, 100)], Result.UNDECIDED),
        ({"share": 0.0, "precision": 0.01}, [Counts(0, 370)], Result.MET),
    ],
)
def test_three_verdicts(values, runs, result):
    values = {k: v if isinstance(v, int) else f"{v * 100:g}%" for k, v in values.items()}
    assert judged(expectation(**values), runs).result is result


def test_runs_that_differ_count_for_less():
    """Half of the runs at 0 %, half at 20 %: on average 10 %, and sixteen runs know little."""
    alike, apart = [Counts(100, 900)] * 16, [Counts(0, 1000), Counts(200, 800)] * 8
    assert design_effect(alike) == 1
    assert design_effect(apart) == pytest.approx(16 * 100**2 / (100 * 0.9) / 15)
    asked = expectation(share="10%", precision="2%")
    assert judged(asked, alike).result is Result.MET
    assert judged(asked, apart).result is Result.UNDECIDED


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (37, 400)])
def test_the_interval_is_where_the_binomial_tails_are_a_fortieth(k, n):
    low, high = exact(k, n)
    at_least = sum(math.comb(n, j) * low**j * (1 - low) ** (n - j) for j in range(k, n + 1))
    at_most = sum(math.comb(n, j) * high**j * (1 - high) ** (n - j) for j in range(k + 1))
    assert at_least == pytest.approx(1.0 if k == 0 else 0.025)
    assert at_most == pytest.approx(1.0 if k == n else 0.025)
    assert exact(0, 0) == (0, 1)


@pytest.mark.parametrize(("share", "precision"), [(0.1, 0.02), (0.5, 0.05), (0.02, 0.01), (0.0, 0.03)])
def test_so_many_requests_show_a_share_that_is_right_in_nine_of_ten_cases(share, precision):
    n, chance = requests_to_show(share, precision), random.Random(1)
    asked = expectation(share=f"{share * 100:g}%", precision=f"{precision * 100:g}%")
    assert asked.requests == n
    draws = [sum(chance.random() < share for _ in range(n)) for _ in range(300)]
    results = [judged(asked, [Counts(k, n - k)]).result for k in draws]
    assert results.count(Result.MET) / 300 > 0.85
    assert Result.BROKEN not in results
