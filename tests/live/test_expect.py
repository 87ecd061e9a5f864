"""The expectations of a scenario, asked of an address and judged by the code that judges the simulation."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import routers

import rolloutlab_cli
from scenarios.answered import Answer
from scenarios.attribution import Reply
from scenarios.expect import Answers
from scenarios.recognised import answer

WORLD = """
format: rolloutlab/1
name: two-nginx
service: {replicas: 4}
versions:
  stable: {answers: {headers: {Server: nginx/1.18.0}, body: nginx-v1}}
  candidate: {from: stable, answers: {headers: {Server: nginx/1.24.0}, body: nginx-v2}}
traffic: {rate: 50/s}
routers: {edge: {kind: ingress-nginx}}
strategies:
  by-weight: {canary: {via: edge, steps: [10%], hold: 2m}}
  by-region: {canary: {via: edge, steps: [10%], hold: 2m, match: [{header: Region, pattern: shenzhen}]}}
expect:
  ten-curls: {strategy: by-weight, when: 10%, answers: {body: nginx-v2}, times: 10, at_most: 6}
  a-tenth: {strategy: by-weight, when: 10%, answers: {version: candidate}, share: 10%, precision: 4%}
  shenzhen:
    strategy: by-region
    when: match only
    request: {host: www.test.com, path: /shop, headers: {Region: shenzhen}}
    answers: {version: candidate, status: 200}
    times: 4
  beijing:
    strategy: by-region
    when: match only
    request: {headers: {Region: beijing}}
    answers: {version: stable}
  all-new-at-the-end: {request: {method: HEAD}, answers: {headers: {Server: nginx/1\\.24\\.}}, times: 20}
"""
LOOKS = {"stable": ("nginx/1.18.0", "nginx-v1"), "candidate": ("nginx/1.24.0", "nginx-v2")}


@pytest.fixture
def ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    (tmp_path / "world.yaml").write_text(WORLD, encoding="utf-8")

    def run(url: str, *more: str) -> tuple[int, str, str]:
        file = str(tmp_path / "world.yaml")
        command = ["rolloutlab", "expect", file, "--address", url, "--rate", "1000/s", *more]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            rolloutlab_cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def nginx(share: float) -> Callable[[Any], None]:
    """Ten per cent by weight, and all of the region shenzhen; answers as nginx of either version would."""
    chooses = routers.in_turn(share, random.Random(1))()

    def serves(connection: Any) -> None:
        while head := routers.read_head(connection).decode():
            version = "candidate" if "Region: shenzhen" in head else chooses(head)
            if "Region: beijing" in head:
                version = "stable"
            server, body = LOOKS[version]
            sent = "" if head.startswith("HEAD") else body
            connection.sendall(
                f"HTTP/1.1 200 OK\r\nServer: {server}\r\nContent-Length: 8\r\n\r\n{sent}".encode()
            )

    return serves


def test_what_is_expected_of_a_stage_is_met(ask: Callable[..., Any], serve: Callable[..., str]) -> None:
    url = serve(nginx(0.1))
    for stage in ("10%", "match only"):
        code, out, err = ask(url, "--when", stage)
        assert code == 0, out + err
        assert out.count("✓") == 2


def test_what_is_not_so_is_broken(ask: Callable[..., Any], serve: Callable[..., str]) -> None:
    code, out, _ = ask(serve(nginx(0.1)), "--when", "end", "-o", "json")
    assert code == 99
    (one,) = json.loads(out)["expectations"]
    assert one["result"] == "broken"
    assert "it was 2 of 20" in one["message"]
    assert ask(serve(nginx(1.0)), "--when", "end")[0] == 0
    assert ask(serve(nginx(0.3)), "--name", "a-tenth")[0] == 99


def test_answers_that_cannot_be_told_apart_are_undecided(
    ask: Callable[..., Any], answering: Callable[..., str]
) -> None:
    url = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    code, out, _ = ask(url, "--name", "shenzhen")
    assert code == 3
    assert "of 4 answers nobody can say whether they fit" in out


def test_who_does_not_answer_does_not_fit(ask: Callable[..., Any]) -> None:
    assert ask("http://127.0.0.1:9/", "--name", "all-new-at-the-end")[0] == 99


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        (("--name", "nobody"), 2, "'nobody' is not there"),
        (("--when", "never"), 2, "has no such expectation"),
        (("--candidate", "x"), 2, "there is candidate"),
        (("--max-requests", "5"), 2, "requests"),
        (("--address", "http://8.8.8.8/"), 4, "--yes-i-may-load"),
        (("--address", "ftp://127.0.0.1/"), 2, "expected an address"),
    ],
)
def test_bad_input(ask: Callable[..., Any], more: tuple[str, ...], code: int, reason: str) -> None:
    answered, _, err = ask("http://127.0.0.1:9/", *more)
    assert answered == code
    assert reason in " ".join(err.split())


def test_a_version_is_known_by_all_that_tells_it_apart() -> None:
    known = {name: Answers(headers={"Server": server}, body=body) for name, (server, body) in LOOKS.items()}
    headers = (("server", "nginx/1.24.0"),)
    assert answer(Reply(200, headers, b"<h1>nginx-v2</h1>"), known).version == "candidate"
    assert answer(Reply(200, headers, b"<h1>nginx-v1</h1>"), known).version is None
    assert answer(Reply(200, headers, b"nginx-v2"), {"stable": None, "candidate": Answers()}).version is None
    assert answer(None, known) == Answer(None, None)
