"""Thresholds and preferences as they are written: what is read, and what is refused, with its line."""

import pytest

from scenarios.check import check
from scenarios.errors import ScenarioError
from scenarios.figure import FIGURES
from scenarios.load import as_document, digest, from_document, loads

BASE = """\
format: rolloutlab/1
name: shop
service: {replicas: 4}
candidates: {good: {}, bad: {errors: [{share: 5%, of: requests}]}}
traffic: {rate: 10/s}
strategies: {rolling: {rolling: {}}}
"""


def requirement(written):
    return loads(f"{BASE}require:\n  it: {written}\n", "f.yaml").require["it"]


@pytest.mark.parametrize(
    ("written", "unit", "limits"),
    [
        ("{strategy: rolling, figure: users_harmed, at_most: 500}", "count", (None, 500)),
        ("{strategy: rolling, figure: blast_users, at_least: -5, at_most: 5.5}", "count", (-5, 5.5)),
        ("{strategy: rolling, figure: rollback_time, at_most: 150ms}", "s", (None, 0.15)),
        ("{strategy: rolling, figure: worst_capacity, at_least: 80%}", "share", (0.8, None)),
        (
            "{strategy: rolling, figure: blast_users_share, at_least: -5%, at_most: 250%}",
            "share",
            (-0.05, 2.5),
        ),
        (
            "{strategy: rolling, figure: rollback_time, statistic: reached, at_least: 90%}",
            "share",
            (0.9, None),
        ),
        ("{strategy: rolling, verdict: rolled_back, candidate: bad, at_least: 90%}", "share", (0.9, None)),
    ],
)
def test_limits_are_in_the_unit_of_what_they_limit(written, unit, limits):
    read = requirement(written)
    assert (read.unit, read.limits()) == (unit, limits)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "{strategy: roling, figure: flips, at_most: 1}",
            ".strategy: no strategy is called 'roling'; there is",
        ),
        (
            "{strategy: rolling, candidate: x, figure: flips, at_most: 1}",
            ".candidate: no candidate is called 'x'",
        ),
        ("{strategy: rolling, figure: flip, at_most: 1}", ".figure: unknown figure; did you mean 'flips'?"),
        ("{strategy: rolling, figure: x, at_most: 1}", ".figure: unknown figure; there is blast_requests, "),
        (
            "{strategy: rolling, figure: flips, statistic: p99, at_most: 1}",
            ".statistic: expected 'mean', 'p5'",
        ),
        ("{strategy: rolling, verdict: undone, at_most: 1%}", ".verdict: expected 'promoted', 'rolled_back'"),
        ("{strategy: rolling, verdict: stuck, statistic: p5, at_most: 1%}", ".statistic: is for figures"),
        ("{strategy: rolling, figure: flips, at_most: 5%}", ".at_most: expected a number such as 500"),
        ("{strategy: rolling, figure: rollback_time, at_most: 5}", ".at_most: expected a duration"),
        ("{strategy: rolling, figure: rollback_time, at_most: 5%}", ".at_most: expected a duration"),
        ("{strategy: rolling, verdict: stuck, at_most: 0.5}", ".at_most: expected a share"),
        ("{strategy: rolling, verdict: stuck, at_most: 500%}", ".at_most: a share is at most 100%"),
        ("{strategy: rolling, figure: flips, at_most: yes}", ".at_most: "),
        ("{strategy: rolling, figure: flips, at_most: 99999999999999999}", ".at_most: expected a number"),
        ("{strategy: rolling, figure: flips, below: 5}", ".below: unknown key 'below'"),
        ("{strategy: rolling, figure: flips}", ": expected at_least:, at_most:, or both"),
        ("{strategy: rolling, figure: flips, at_least: 2, at_most: 1}", ": at_least is more than at_most"),
        ("{strategy: rolling, figure: flips, verdict: stuck, at_most: 1}", ": expected one of figure: and"),
        ("{strategy: rolling, at_most: 1}", ": expected one of figure: and verdict:"),
        ("{figure: flips, at_most: 1}", ".strategy: is required"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(written, said):
    with pytest.raises(ScenarioError) as caught:
        requirement(written)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"f.yaml:8: require.it{said}")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1" + "0" * 400])
def test_numbers_that_only_json_can_write_are_refused(number):
    with pytest.raises(ScenarioError):
        requirement(f'{{"strategy": rolling, "figure": flips, "at_most": {number}}}')
    document = as_document(loads(BASE))
    written = {
        "strategy": "rolling",
        "figure": "flips",
        "at_most": float(number) if number[0] != "1" else 10**400,
    }
    with pytest.raises(ScenarioError):
        from_document(document | {"require": {"it": written}})


def test_every_figure_can_be_required():
    limits = {"s": "5s", "share": "5%"}
    for name, definition in FIGURES.items():
        limit = limits.get(definition.unit, 5)
        assert requirement(f"{{strategy: rolling, figure: {name}, at_most: {limit}}}").figure == name


def test_what_a_record_keeps_of_them_is_the_same_scenario():
    text = (
        f"{BASE}require:\n"
        "  a: {strategy: rolling, figure: rollback_time, at_most: 5s}\n"
        "  b: {strategy: rolling, verdict: stuck, at_most: 1%}\n"
        "prefer: {bad_releases: 5%, harmed_user: 3}\n"
    )
    scenario = loads(text)
    again = from_document(as_document(scenario))
    assert again == scenario
    assert digest(again) == digest(scenario)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{bad_release: 5%}", "prefer.bad_release: unknown key 'bad_release'; did you mean 'bad_releases'?"),
        ("{bad_releases: 0.05}", "prefer.bad_releases: expected a share such as 10%"),
        ("{harmed_user: -1}", "prefer.harmed_user: expected at least 0"),
        ("{harmed_user: true}", "prefer.harmed_user: expected a number"),
        ("{harmed_user: 10%}", "prefer.harmed_user: expected a number"),
    ],
)
def test_a_preference_that_is_none_is_refused(written, said):
    with pytest.raises(ScenarioError, match=r"^f\.yaml:7: " + said.replace(".", r"\.").replace("?", r"\?")):
        loads(f"{BASE}prefer: {written}\n", "f.yaml")


def test_preferences_know_which_of_them_were_stated():
    stated = loads(f"{BASE}prefer: {{harmed_user: 3}}\n").prefer
    assert stated.model_fields_set == {"harmed_user"}
    assert (stated.harmed_user, stated.bad_releases) == (3, 0.1)


@pytest.mark.parametrize(
    ("written", "fewest"),
    [
        ("figure: flips, statistic: p95, at_most: 5", 73),  # 19 z²
        ("figure: flips, statistic: p95, at_least: 5", 1),
        ("figure: flips, statistic: p5, at_least: 5", 73),
        ("figure: flips, statistic: p50, at_most: 5, at_least: 1", 4),
        ("verdict: promoted, at_most: 10%", 35),  # 9 z²
        ("verdict: promoted, at_least: 90%", 35),
        ("verdict: promoted, at_most: 0%", None),
        ("figure: rollback_time, statistic: reached, at_least: 99%", 381),
        ("figure: worst_capacity, at_least: 80%", None),
    ],
)
def test_how_many_runs_it_takes_to_show_it(written, fewest):
    read = requirement(f"{{strategy: rolling, {written}}}")
    assert read.fewest_runs() == fewest
    said = [
        a
        for a in check(loads(BASE, "f", [f"require.it={{strategy: rolling, {written}}}"]))
        if a.path == "require.it"
    ]
    assert [f"it takes {fewest} or more" in a.message for a in said] == [True] * ((fewest or 0) > 32)


def test_it_reads_as_a_sentence():
    written = "{strategy: rolling, figure: rollback_time, statistic: p95, at_least: 1s, at_most: 5s}"
    assert str(requirement(written)) == (
        "rolling with every candidate: p95 of rollback_time at least 1s and at most 5s"
    )
    verdict = "{strategy: rolling, candidate: bad, verdict: rolled_back, at_least: 90%}"
    assert str(requirement(verdict)) == "rolling with bad: runs that end rolled back at least 90%"
