"""`verify-split` as its users meet it: what is said, where, and the exit code."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import routers

from live.address import Refused, address
from live.http import MAX_BODY, Connection, Request
from scenarios.attribution import Reply

Call = Callable[..., Any]
ROOT = Path(__file__).parents[2]
FAST = ("--rate", "2000/s")


def words(text: str) -> str:
    return " ".join(text.split())


def test_accurate(call: Call) -> None:
    with routers.serving(routers.in_turn(0.1, random.Random(1))) as url:
        answer = call(url, "--expect", "candidate=10%", *FAST)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("accurate: candidate gets ")
    assert "438 by the textbook" in words(answer.out)
    assert "the router goes in turn" in words(answer.out)
    assert "Planned: " in answer.err


def test_inaccurate_is_known_early(call: Call) -> None:
    with routers.serving(routers.independent(0.6, random.Random(1))) as url:
        answer = call(url, "--expect", "candidate=10%", *FAST, "-o", "json")
    assert answer.code == 99
    document = json.loads(answer.out)
    assert document["format"] == "rolloutlab.split/1"
    assert document["verdict"] == "inaccurate"
    assert document["early"]
    assert document["answers"]["total"] < 60
    assert document["shares"][0]["low"] > 0.1


def test_ten_requests_in_words(call: Call) -> None:
    with routers.serving(routers.independent(0.1, random.Random(3))) as url:
        answer = call(url, "--expect", "candidate=10%", "--requests", "10", *FAST)
    assert answer.code == 3
    said = words(answer.out)
    assert (
        "10 requests bring none to it in 34.9 % of all tries, exactly one in 38.7 % and more in 26.4 %"
        in said
    )
    assert "Seeing none is no fault: about 1 try in 3 goes like that" in said
    assert "too few: 10 answers leave candidate anywhere from" in said


def test_more_requests_than_needed_are_sent_where_asked(call: Call) -> None:
    with routers.serving(routers.in_turn(0.5, random.Random(1))) as url:
        answer = call(url, "-e", "candidate=50%", "--detect", "80%", "--requests", "150", "-o", "json", *FAST)
    assert answer.code == 0
    assert json.loads(answer.out)["answers"]["total"] == 150


@pytest.mark.parametrize(
    ("verdict", "share", "more", "code"),
    [(None, 0.5, (), 0), ("failure", 0.9, (), 99), ("error", 0.5, ("--requests", "3"), 3)],
)
def test_junit(call: Call, verdict: str | None, share: float, more: tuple[str, ...], code: int) -> None:
    with routers.serving(routers.in_turn(share, random.Random(1))) as url:
        answer = call(url, "-e", "candidate=50%", "--detect", "80%", "-o", "junit", *FAST, *more)
    assert answer.code == code
    case = ElementTree.fromstring(answer.out).find("testsuite/testcase")
    assert case is not None
    assert [child.tag for child in case] == [verdict or "system-out"]


def test_what_is_sent(call: Call, serve: Callable[..., str]) -> None:
    """Method, host, headers and cookies as asked; a new user every two requests; no other host, no proxy."""
    heads = []

    def serves(connection: Any) -> None:
        while head := routers.read_head(connection):
            heads.append(head.decode())
            connection.sendall(b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Length: 5\r\n\r\n")

    answer = call(
        *(serve(serves) + "a?b=c", "--expect", "nginx/1.24.0=100%", "--by", "server", "--method", "HEAD"),
        *(
            "-H",
            "Region: 深圳",
            "--host",
            "www.test.com",
            "--cookie",
            "beta=always",
            "--cookie",
            "user={user}",
        ),
        *("--per-user", "2", "--connections", "1", "--per-connection", "1000", "--requests", "6", *FAST),
    )
    assert answer.code == 3
    assert len(heads) == 6
    first = heads[0].split("\r\n")
    assert first[0] == "HEAD /a?b=c HTTP/1.1"
    assert {"Host: www.test.com", "Cookie: beta=always; user=0"} < set(first)
    assert "Region: 深圳".encode().decode("utf-8") in heads[0]
    assert [f"user={user}" in head for user, head in zip((0, 0, 1, 1, 2, 2), heads, strict=True)] == [
        True
    ] * 6


@pytest.mark.parametrize("mode", ["new", "4"])
def test_connections_are_new_or_kept_as_asked(call: Call, mode: str) -> None:
    opened = []

    def opens() -> routers.Chooses:
        opened.append(1)
        return lambda _head: "candidate"

    with routers.serving(opens) as url:
        answer = call(
            url, "-e", "candidate=100%", "--connections", mode, "--requests", "60", *FAST, "-o", "json"
        )
    assert json.loads(answer.out)["answers"]["connections"] == len(opened)
    assert len(opened) == 60 if mode == "new" else 6 <= len(opened) <= 9


def test_the_rate_is_kept(call: Call) -> None:
    with routers.serving(routers.independent(0.5, random.Random(1))) as url:
        began = time.monotonic()
        call(url, "-e", "candidate=50%", "--requests", "21", "--rate", "20/s")
    assert time.monotonic() - began >= 1.0


def test_ctrl_c_gives_what_is_known() -> None:
    with routers.serving(routers.independent(0.1, random.Random(1))) as url:
        # what a shell starts in the background ignores Ctrl-C, and so would its children
        heeding = (
            "import signal, rolloutlab_cli; "
            "signal.signal(signal.SIGINT, signal.default_int_handler); rolloutlab_cli.main()"
        )
        command = [sys.executable, "-c", heeding, "verify-split", url, "-e", "candidate=10%"]
        with subprocess.Popen(
            [*command, "--rate", "20/s", "-o", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        ) as process:
            assert process.stderr is not None
            assert b"Planned" in process.stderr.readline()
            time.sleep(1.5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    document = json.loads(out)
    assert document["stopped"] == "interrupted"
    assert document["verdict"] == "too few"
    assert 0 < document["answers"]["total"] < 100


def test_an_address_is_resolved_once_and_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    with routers.serving(routers.independent(1.0, random.Random(1))) as url:
        where = address(url.replace("127.0.0.1", "localhost"))
        monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("resolved again"))
        connection = Connection(where, 5.0, None)
        reply = connection.ask(Request("GET", None, ()), last=True)
    assert isinstance(reply, Reply)
    assert reply.values("x-version") == ["candidate"]
    assert len(reply.body) < MAX_BODY
    assert not connection.open


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.0.1", "192.168.1.1", "[::1]", "[fd00::1]"]
)
def test_ones_own_addresses_need_no_word(ip: str) -> None:
    assert address(f"http://{ip}:8080/").port == 8080


@pytest.mark.parametrize(
    "ip", ["172.32.0.1", "100.64.0.1", "0.0.0.0", "169.254.169.254", "[::ffff:8.8.8.8]", "[fe80::1]"]
)
def test_others_do(ip: str) -> None:
    with pytest.raises(Refused, match="owner"):
        address(f"http://{ip}/")
    assert str(address(f"http://{ip}/", ip.strip("[]")).ip)


def test_of_several_addresses_the_one_where_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(None, None, 6, "", (ip, 0)) for ip in ("127.0.0.9", "127.0.0.1")]
    monkeypatch.setattr("live.address.socket.getaddrinfo", lambda *_, **__: both)
    with routers.serving(routers.independent(1.0, random.Random(1))) as url:
        assert str(address(url.replace("127.0.0.1", "localhost")).ip) == "127.0.0.1"


def test_one_address_of_others_among_several_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(None, None, 6, "", (ip, 0)) for ip in ("127.0.0.1", "8.8.8.8")]
    monkeypatch.setattr("live.address.socket.getaddrinfo", lambda *_, **__: both)
    with pytest.raises(Refused, match=r"is 8\.8\.8\.8"):
        address("http://shop.example/")
