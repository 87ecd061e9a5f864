"""Records on disk: what comes back is what was written, or a clear refusal."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios import codec, load
from scenarios.backend import replay
from scenarios.conversion import Group, Groups
from scenarios.decode import RecordError
from scenarios.guard import Sample, Seen
from scenarios.observe import Observation, PoolSeen
from scenarios.plan import (
    ByReplicas,
    Call,
    Command,
    Match,
    Rules,
    Scale,
    SetRoute,
    SetVersion,
    Split,
    Sticky,
    Verb,
)
from scenarios.record import (
    Pods,
    Record,
    RouteChange,
    Trial,
    Truth,
    arrays,
    canonical,
    digest,
    document,
    read,
    write,
)
from scenarios.release import Event, Kind, Outcome, Verdict
from scenarios.semantics.deployment_spec import Recreate, RollingUpdate
from scenarios.tally import Grid, of_rows
from sim.world import simulate

ROOT = Path(__file__).parents[2]
SCENARIO = """
format: rolloutlab/1
name: kassa № 1
service: {replicas: 4}
versions: {stable: {}, candidate: {from: stable, errors: [{share: 20%, of: requests}]}}
traffic: {rate: 100/s, users: {count: 500}}
routers: {edge: {kind: ingress-nginx}}
guards: {errors: {metric: failure_share, limit: 5%, window: 30s, min_requests: 100}}
strategies:
  canary: {canary: {via: edge, steps: [25%, 50%], hold: 1m, guards: [errors]}}
clock: {settle: 30s, horizon: 5m}
"""

names = st.text(st.characters(codec="utf-8"), max_size=8)
times = st.floats(-1e6, 1e6)
counts = st.integers(0, 10**12)
simple = st.one_of(
    st.builds(ByReplicas, st.tuples(names)),
    st.builds(lambda a, b, share: Split(((a, share), (b, 1 - share))), names, names, st.floats(0.01, 0.99)),
)
matches = st.builds(Match, st.sampled_from(["header", "cookie"]), names, st.none() | names, st.none() | names)
ruled = st.builds(
    Rules,
    simple,
    st.lists(st.tuples(matches, names), max_size=2).map(tuple),
    st.sampled_from(Sticky),
    st.none() | st.tuples(names, st.floats(0.01, 1)),
)
routes = simple | ruled
sizes = st.one_of(st.integers(0, 50), st.integers(0, 100).map(lambda n: f"{n}%"))
updates = st.one_of(st.builds(RollingUpdate, sizes, sizes), st.just(Recreate()))
actions = st.one_of(
    st.builds(Scale, names, st.integers(0, 1000)),
    st.builds(SetVersion, names, names, updates, st.none() | st.floats(0, 1e6), st.floats(0, 1e6)),
    st.builds(SetRoute, names, routes),
    st.builds(Command, st.sampled_from(Verb), names),
    st.builds(Call, names, names),
)
samples = st.builds(Sample, counts, counts, st.none() | st.floats(0, 1e6))
pools = st.builds(
    PoolSeen,
    counts,
    names,
    st.dictionaries(names, st.tuples(counts, counts, counts), max_size=2),
    counts,
    st.booleans(),
)
groups = st.tuples(counts, counts).map(lambda two: Group(max(two), min(two)))
observations = st.builds(
    Observation,
    times,
    st.dictionaries(names, pools, max_size=2),
    st.booleans(),
    st.frozensets(names, max_size=3),
    st.dictionaries(names, names, max_size=2),
    st.dictionaries(names, st.builds(Seen, times, samples, samples), max_size=2),
    st.booleans(),
    st.frozensets(names, max_size=2),
    st.none() | st.builds(Groups, groups, groups),
)
outcomes = st.builds(Outcome, st.sampled_from(Verdict), st.none() | times, st.none() | times, names, names)


def through_json(value: object) -> object:
    return json.loads(canonical(value))


@given(observations)
def test_an_observation_survives_json(seen: Observation) -> None:
    assert codec.decode_observation(through_json(codec.encode_observation(seen))) == seen


@given(actions)
def test_an_action_survives_json(action: object) -> None:
    assert codec.decode_action(through_json(codec.encode_action(action))) == action  # type: ignore[arg-type]


@given(routes)
def test_a_route_survives_json(route: object) -> None:
    assert codec.decode_route(through_json(codec.encode_route(route))) == route  # type: ignore[arg-type]


@given(outcomes, st.builds(Event, times, st.sampled_from(Kind), names))
def test_outcomes_and_events_survive_json(outcome: Outcome, event: Event) -> None:
    assert codec.decode_outcome(through_json(codec.encode_outcome(outcome))) == outcome
    assert codec.decode_event(through_json(codec.encode_event(event))) == event


@pytest.fixture(scope="module")
def simulated() -> Record:
    return simulate(Trial(load.loads(SCENARIO), "canary", "candidate", 3))


@pytest.fixture
def small() -> Record:
    """By hand: three requests, one pod."""
    grid = Grid(-2, 10, 1)
    tally = of_rows(
        grid, 2, np.array([-1.0, 1.0, 2.0]), np.array([-0.5, 1.5, 3.0]), np.array([0, 0, 1]),
        np.array([0, 0, 1]), np.array([0, 1, 1]),
    )  # fmt: skip
    i4 = np.int32
    pods = Pods(("main",), np.zeros(1, i4), np.zeros(1, i4), np.array([-2]), np.zeros(1, i4), np.zeros(1, i4))
    change = RouteChange(-2.0, ByReplicas(("main",)), None)
    return Record(Trial(load.loads(SCENARIO), "control", None, 0), Truth(tally, pods, (change,)))


@pytest.fixture(params=["small", "simulated"])
def record(request: pytest.FixtureRequest) -> Record:
    return request.getfixturevalue(request.param)


def same(a: Record, b: Record) -> bool:
    alike = all(
        np.array_equal(x, y) and x.dtype == y.dtype
        for x, y in zip(arrays(a).values(), arrays(b).values(), strict=True)
    )
    parts = ("trial", "observed", "actions", "events", "outcome")
    return alike and document(a) == document(b) and all(getattr(a, p) == getattr(b, p) for p in parts)


def test_what_is_read_is_what_was_written(record: Record, tmp_path: Path) -> None:
    write(record, tmp_path / "trial", {"host": "here"})
    assert same(read(tmp_path / "trial"), record)
    assert digest(read(tmp_path / "trial")) == digest(record)


def test_same_record_same_bytes(record: Record, tmp_path: Path) -> None:
    write(record, tmp_path / "a")
    write(record, tmp_path / "b")
    for name in ("record.json", "truth.npz", "provenance.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_json_is_canonical(small: Record, tmp_path: Path) -> None:
    write(small, tmp_path / "a")
    stored = (tmp_path / "a" / "record.json").read_text(encoding="utf-8")
    assert stored.endswith("}\n") and stored.count("\n") == 1
    assert "№" in stored
    parsed = json.loads(stored)
    assert list(parsed) == sorted(parsed)
    assert parsed["format"] == "rolloutlab.record/1"
    assert parsed["trial"]["scenario"]["service"]["slots"] == 4, (
        "the whole resolved scenario, defaults included"
    )


def test_provenance_is_outside_the_digest(small: Record, tmp_path: Path) -> None:
    write(small, tmp_path / "a", {"host": "one"})
    write(small, tmp_path / "b", {"host": "two"})
    assert digest(read(tmp_path / "a")) == digest(read(tmp_path / "b"))
    assert json.loads((tmp_path / "a" / "provenance.json").read_text()) == {"host": "one"}


def test_the_digest_sees_every_array_and_every_field(small: Record) -> None:
    digests = {digest(small), digest(replace(small, trial=replace(small.trial, seed=1)))}
    for name, array in arrays(small).items():
        if name.startswith("pods_"):
            continue
        changed = array.copy()
        changed.flat[0] += 1
        tally = replace(small.truth.tally, **{name: changed})
        digests.add(digest(replace(small, truth=replace(small.truth, tally=tally))))
    assert len(digests) == 2 + 8


def test_a_record_is_replaced_wholly(small: Record, tmp_path: Path) -> None:
    write(small, tmp_path / "a")
    other = replace(small, trial=replace(small.trial, seed=9))
    write(other, tmp_path / "a")
    assert read(tmp_path / "a").trial.seed == 9
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a"], "nothing is left over"


def test_a_failed_write_leaves_what_was_there(small: Record, tmp_path: Path) -> None:
    write(small, tmp_path / "a")
    broken = replace(small, events=(Event(float("nan"), Kind.STAGE, "x"),))
    with pytest.raises(RecordError, match="cannot be written"):
        write(broken, tmp_path / "a")
    assert digest(read(tmp_path / "a")) == digest(small)
    with pytest.raises(RecordError):
        write(broken, tmp_path / "b")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a"]


def test_text_that_is_no_unicode_is_refused(small: Record, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be written"):
        write(replace(small, events=(Event(0.0, Kind.STAGE, "\ud800"),)), tmp_path / "a")


def test_a_folder_of_somebody_else_is_left_alone(small: Record, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(RecordError, match="thesis"):
        write(small, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    with pytest.raises(RecordError, match="is not a folder"):
        write(small, tmp_path / "thesis.txt")


@pytest.mark.parametrize("found", ["rolloutlab.record/0", "rolloutlab.record/2", "rolloutlab/1", None, 7])
def test_another_format_is_refused_by_name(small: Record, tmp_path: Path, found: object) -> None:
    write(small, tmp_path / "a")
    path = tmp_path / "a" / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": found}))
    with pytest.raises(RecordError, match=f"format is {found!r}; this version reads 'rolloutlab.record/1'"):
        read(tmp_path / "a")


@pytest.mark.parametrize("name", ["record.json", "truth.npz"])
@pytest.mark.parametrize("keep", [0, 1, 10, 100, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused(simulated: Record, tmp_path: Path, name: str, keep: float) -> None:
    write(simulated, tmp_path / "a")
    path = tmp_path / "a" / name
    content = path.read_bytes()
    end = int(len(content) * keep) if 0 < keep < 1 else int(keep) if keep >= 0 else -30
    path.write_bytes(content[:end])
    with pytest.raises(RecordError, match=name):
        read(tmp_path / "a")


@pytest.mark.parametrize("name", ["record.json", "truth.npz"])
def test_a_missing_file_is_refused(small: Record, tmp_path: Path, name: str) -> None:
    write(small, tmp_path / "a")
    (tmp_path / "a" / name).unlink()
    with pytest.raises(RecordError, match=name):
        read(tmp_path / "a")


def test_a_flipped_byte_never_goes_unnoticed(small: Record, tmp_path: Path) -> None:
    write(small, tmp_path / "a")
    path = tmp_path / "a" / "truth.npz"
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 150)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            found = read(tmp_path / "a")
        except RecordError:
            continue
        assert digest(found) == digest(small), (
            "a flip that is let pass may only touch the zip's own trimmings"
        )


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (self.path, 0o700)


def test_nothing_is_ever_unpickled(small: Record, tmp_path: Path) -> None:
    write(small, tmp_path / "a")
    path, sprung = tmp_path / "a" / "truth.npz", tmp_path / "sprung"
    trapped = {**arrays(small), "users": np.array([Trap(str(sprung))], dtype=object)}
    np.savez(path, **trapped)  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="users"):
        read(tmp_path / "a")
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("users", np.zeros((2, 2), np.uint32)),
        ("users", np.zeros(2, np.float64)),
        ("counts", np.zeros((3, 3, 7), np.int64)),
        ("pods_pod", np.array([7], np.int32)),
        ("pods_pod", np.array([-1], np.int32)),
        ("pods_kind", np.array([0, 0], np.int32)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(small: Record, tmp_path: Path, name: str, array: object) -> None:
    write(small, tmp_path / "a")
    np.savez(tmp_path / "a" / "truth.npz", **{**arrays(small), name: array})  # type: ignore[arg-type]
    with pytest.raises(RecordError, match=r"users|counts|pods"):
        read(tmp_path / "a")


def test_arrays_are_exactly_those_expected(small: Record, tmp_path: Path) -> None:
    write(small, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a" / "truth.npz", "a") as archive:
        archive.writestr("more.npy", b"")
    with pytest.raises(RecordError, match=r"more\.npy"):
        read(tmp_path / "a")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("grid", "horizon"), "ten", "grid: horizon: expected a whole number"),
        (("grid", "horizon"), 10**12, "seconds; a record has at most"),
        (("grid", "tail"), 0, "tail"),
        (("trial", "seed"), True, "trial: seed"),
        (("trial", "seed"), 10**400, None),
        (("trial", "scenario", "service"), {"replicas": 0}, "trial: scenario"),
        (("trial", "scenario"), [], "scenario: document: expected keys with values"),
        (("outcome", "verdict"), "won", "outcome: verdict"),
        (("outcome", "decided_at"), "Infinity", "outcome: decided_at"),
        (("observed", 0, "t"), None, "observed: 0: t"),
        (("actions", 0, "action"), {"__import__": "os"}, "expected one of scale"),
        (("routes", 0, "route"), {"split": [["a", 0.5]]}, "split"),
        (("observed", 0, "pools"), [], "pools: expected an object"),
    ],
)
def test_content_that_is_not_a_record_is_refused(
    simulated: Record, tmp_path: Path, path: tuple[str | int, ...], value: object, message: str | None
) -> None:
    write(simulated, tmp_path / "a")
    file = tmp_path / "a" / "record.json"
    stored = json.loads(file.read_text())
    place = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(stored))
    if message is None:
        assert read(tmp_path / "a").trial.seed == value
        return
    with pytest.raises(RecordError, match=message):
        read(tmp_path / "a")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN', "null", "[]", '"x"', "1" * 5000])
def test_strange_json_is_refused(small: Record, tmp_path: Path, text: str) -> None:
    write(small, tmp_path / "a")
    (tmp_path / "a" / "record.json").write_text(text)
    with pytest.raises(RecordError):
        read(tmp_path / "a")


REPLAY = """
import json, sys
from pathlib import Path
from scenarios.record import read
from scenarios.backend import replay
record = read(Path(sys.argv[1]))
trial = record.trial
decisions = replay(trial.scenario.plan(trial.strategy), trial.scenario.guards, record.observed)
asked = tuple((t, a.id, a.action) for t, a in decisions.asked)
assert "sim" not in sys.modules
print((asked, decisions.events, decisions.outcome) == (record.actions, record.events, record.outcome))
"""


def test_a_record_replays_to_its_own_decisions_in_a_fresh_process(simulated: Record, tmp_path: Path) -> None:
    write(simulated, tmp_path / "a")
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, str(tmp_path / "a")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"


def test_another_observation_makes_another_decision(simulated: Record) -> None:
    trial = simulated.trial
    plan, guards = trial.scenario.plan(trial.strategy), trial.scenario.guards
    assert simulated.outcome is not None and simulated.outcome.verdict is Verdict.ROLLED_BACK
    decisive = next(i for i, seen in enumerate(simulated.observed) if seen.t == simulated.outcome.decided_at)
    seen = simulated.observed[decisive]
    window = seen.windows["errors"]
    spotless = replace(window, subject=replace(window.subject, failures=0))
    altered = list(simulated.observed)
    altered[decisive] = replace(seen, windows={"errors": spotless})
    decisions = replay(plan, guards, altered)
    assert decisions.outcome != simulated.outcome
    assert tuple(a for _, a in decisions.asked) != tuple(a for _, _, a in simulated.actions)
    assert decisions.events != simulated.events
