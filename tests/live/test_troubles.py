"""Servers that do not behave, each to a clear end: an exit code, and a reason in words."""

import json
import random
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import routers
from routers import read_head

Answer = Any
Call = Callable[..., Answer]
Serve = Callable[[Callable[[socket.socket], object]], str]
Answering = Callable[[bytes], str]
FAST = ("--rate", "2000/s")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"


def told(answer: Answer) -> str:
    return " ".join((answer.out + answer.err).split())


def halves(url: str, *more: str) -> tuple[str, ...]:
    return (url, "--expect", "candidate=50%", *FAST, *more)


def test_answers_that_name_no_version(call: Call, answering: Answering) -> None:
    answer = call(*halves(answering(OK + b"\r\n")))
    assert answer.code == 3
    assert "not one answer told its version" in told(answer)
    assert "the answer does not name a version" in told(answer)


def test_two_versions_in_one_answer_are_not_guessed(call: Call, answering: Answering) -> None:
    url = answering(OK + b"X-Version: candidate\r\nX-Version: stable\r\n\r\n")
    answer = call(*halves(url))
    assert answer.code == 3
    assert "names two versions at once" in told(answer)


def test_the_same_version_twice_counts_once_and_is_said(call: Call, answering: Answering) -> None:
    url = answering(OK + b"X-Version: candidate\r\nx-version: candidate\r\n\r\n")
    answer = call(url, "--expect", "candidate=100%", *FAST)
    assert answer.code == 0
    assert "230 answers named the same version more than once" in told(answer)


def test_a_few_unnamed_answers_forbid_accurate_and_not_inaccurate(call: Call, serve: Serve) -> None:
    rng, lock = random.Random(5), threading.Lock()

    def serves(connection: socket.socket) -> None:
        while read_head(connection):
            with lock:
                name, lost = ("candidate" if rng.random() < 0.5 else "stable"), rng.random() < 0.03
            header = b"" if lost else f"X-Version: {name}\r\n".encode()
            connection.sendall(OK + header + b"\r\n")

    url = serve(serves)
    undecided, wrong = call(*halves(url)), call(url, "--expect", "candidate=20%", *FAST)
    assert undecided.code == 3
    assert "too many answers did not tell their version" in told(undecided)
    assert wrong.code == 99


def test_redirects_are_counted_and_not_followed(call: Call, answering: Answering, serve: Serve) -> None:
    asked = []
    elsewhere = serve(lambda connection: asked.append(read_head(connection)))
    url = answering(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode())
    answer = call(*halves(url))
    assert answer.code == 3
    assert f"redirects, not followed: 302 to {elsewhere}" in told(answer)
    assert not asked


def test_a_server_that_never_answers_ends_in_time(call: Call, serve: Serve) -> None:
    over = threading.Event()
    url = serve(lambda connection: (read_head(connection), over.wait(30)))
    began = time.monotonic()
    answer = call(*halves(url, "--timeout", "200ms"))
    over.set()
    assert answer.code == 3
    assert "none of the first 10 requests was answered" in told(answer)
    assert "no whole answer in time" in told(answer)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "dripping", [b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"]
)
def test_a_server_that_drips_byte_by_byte_ends_in_time(call: Call, serve: Serve, dripping: bytes) -> None:
    def serves(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(dripping)
        for _ in range(300):
            time.sleep(0.02)
            connection.sendall(b"x")

    began = time.monotonic()
    answer = call(*halves(serve(serves), "--timeout", "300ms"))
    assert answer.code == 3
    assert "no whole answer in time" in told(answer)
    assert time.monotonic() - began < 5


def test_a_slow_version_is_not_overlooked(call: Call, serve: Serve) -> None:
    """Looking only at the answers that came first, all would be of the fast version."""
    turn, lock = [0], threading.Lock()

    def serves(connection: socket.socket) -> None:
        while read_head(connection):
            with lock:
                turn[0] += 1
                slow = turn[0] % 2 == 0
            time.sleep(0.15 if slow else 0)
            connection.sendall(
                OK + (b"X-Version: candidate\r\n\r\n" if slow else b"X-Version: stable\r\n\r\n")
            )

    answer = call(*halves(serve(serves), "--detect", "80%", "-o", "json"))
    assert answer.code == 0, told(answer)
    assert json.loads(answer.out)["shares"][0]["found"] == pytest.approx(0.5, abs=0.05)


def test_the_time_for_all_of_it_is_kept(call: Call) -> None:
    with routers.serving(routers.independent(0.5, random.Random(1))) as url:
        answer = call(url, "--expect", "candidate=50%", "--rate", "20/s", "--max-time", "1s")
    assert answer.code == 3
    assert "the time was up after 1 s" in told(answer)


def test_nobody_listens(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    answer = call(*halves(url))
    assert answer.code == 3
    assert "nobody listens there (connection refused)" in told(answer)


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x00\xff" * 50 + b"\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n"]
)
def test_what_is_no_http(call: Call, answering: Answering, garbage: bytes) -> None:
    answer = call(*halves(answering(garbage)))
    assert answer.code == 3
    assert "what came is no HTTP answer" in told(answer)


def test_a_body_shorter_than_it_says(call: Call, answering: Answering) -> None:
    answer = call(
        *halves(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Version: candidate\r\n\r\nabc"))
    )
    assert answer.code == 3
    assert "what came is no HTTP answer" in told(answer)


def test_headers_without_end(call: Call, serve: Serve) -> None:
    def serves(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000)

    answer = call(*halves(serve(serves)))
    assert answer.code == 3
    assert "none of the first 10 requests was answered" in told(answer)


def test_a_body_that_is_no_utf8(call: Call, answering: Answering) -> None:
    body = b"\xff\xfe\x00 version=v\xe9 \x80"
    url = answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    answer = call(url, "--expect", "v\\xe9=100%", "--by", r"body:version=(\S+)", *FAST)
    assert answer.code == 0, told(answer)


def test_a_body_without_end_is_read_to_a_bound(call: Call, serve: Serve) -> None:
    sent = []

    def serves(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        count = 0
        try:
            while count < 1 << 28:
                count += connection.send(b"x" * 65536)
        finally:
            sent.append(count)

    url = serve(serves)
    answer = call(url, "--expect", "candidate=50%", "--by", "body:version=(.)", "--requests", "4")
    assert answer.code == 3
    assert "has a body longer than is read" in told(answer)
    assert max(sent) < 1 << 25


def test_a_pattern_that_would_backtrack_for_ever_takes_no_time(call: Call, answering: Answering) -> None:
    body = b"a" * 50_000
    url = answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    began = time.monotonic()
    answer = call(url, "--expect", "candidate=50%", "--by", "body:(a+)+b", *FAST)
    assert answer.code == 3
    assert time.monotonic() - began < 10


def test_a_server_that_ends_each_connection(call: Call, answering: Answering) -> None:
    url = answering(OK + b"X-Version: candidate\r\nConnection: close\r\n\r\n")
    answer = call(url, "--expect", "candidate=100%", "--connections", "2", *FAST)
    assert answer.code == 0, told(answer)
    assert "230 over 230 connections" in told(answer)
    assert "times the server ended a connection that was to be kept" in told(answer)


def test_a_server_that_ends_connections_without_a_word(call: Call, serve: Serve) -> None:
    """A kept connection that turns out to be gone is no failure: the request goes through a new one."""

    def serves(connection: socket.socket) -> None:
        for _ in range(2):
            if read_head(connection):
                connection.sendall(OK + b"X-Version: candidate\r\n\r\n")

    answer = call(serve(serves), "--expect", "candidate=100%", "--connections", "2", *FAST)
    assert answer.code == 0, told(answer)
    found = re.search(r"460 over (\d+) connections", told(answer))
    assert found
    assert 230 <= int(found[1]) <= 233


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return key, cert


@pytest.fixture
def tls(certificate: tuple[Path, Path], serve: Serve) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])

    def serves(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            read_head(secured)
            secured.sendall(OK + b"X-Version: candidate\r\n\r\n")

    yield serve(serves).replace("http:", "https:")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_certificate_that_nobody_vouches_for(call: Call, tls: str) -> None:
    refused, taken = (call(tls, "--expect", "candidate=100%", *FAST, *more) for more in ((), ("-k",)))
    assert refused.code == 3
    assert "TLS failed: self-signed certificate" in told(refused)
    assert taken.code == 0, told(taken)


def test_tls_where_none_is_spoken(call: Call, serve: Serve) -> None:
    url = serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")).replace(
        "http:", "https:"
    )
    answer = call(*halves(url, "--timeout", "1s"))
    assert answer.code == 3
    assert "TLS failed" in told(answer)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1/", "expected an address such as http://127.0.0.1:8080/"),
        ("localhost:8080", "expected an address such as"),
        ("file:///etc/passwd", "expected an address such as"),
        ("http://", "expected an address such as"),
        ("http://127.0.0.1:99999/", "expected an address such as"),
        ("http://127.0.0.1/a b", "without blanks"),
        ("http://127.0.0.1/\r\nX-Injected: 1", "without blanks"),
        ("http://me:secret@127.0.0.1/", "without a name or password"),
        ("http://no-such-host.invalid/", "has no address"),
        ("http://" + "a" * 300 + "/", "no host name"),
    ],
)
def test_what_is_no_address(call: Call, url: str, reason: str) -> None:
    answer = call(*halves(url))
    assert answer.code == 2
    assert reason in told(answer).replace("│ ", "")


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/", "http://[2001:4860:4860::8888]/", "http://169.254.169.254/"]
)
def test_addresses_of_others_need_a_word(call: Call, url: str) -> None:
    answer = call(*halves(url))
    assert answer.code == 4
    assert "--yes-i-may-load" in told(answer)
    assert call(*halves(url, "--yes-i-may-load", "example.org")).code == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--expect", "candidate"), "expected VERSION=SHARE"),
        (("--expect", "candidate=10"), "expected a share such as 10%"),
        (("--expect", "a=60%", "--expect", "b=50%"), "100% together at most"),
        (("--expect", "a=10%", "--expect", "a=20%"), "expected twice"),
        (("--expect", "a=10%", "--detect", "10%"), "another share than the expected"),
        (("--expect", "a=10%", "--detect", "15%", "--precision", "1%"), "not both"),
        (("--expect", "a=10%", "--precision", "0%"), "above 0%"),
        (("--expect", "a=10%", "--by", "colour"), "expected header:NAME"),
        (("--expect", "a=10%", "--by", "body:(?=a)"), "RE2"),
        (("--expect", "a=10%", "-H", "X: a\r\nY: b"), "expected a header"),
        (("--expect", "a=10%", "-H", "Content-Length: 5"), "is set by how requests are sent"),
        (("--expect", "a=10%", "--cookie", "a"), "expected a cookie"),
        (("--expect", "a=10%", "--host", "a b"), "expected a host"),
        (("--expect", "a=10%", "--method", "BREW"), "expected one of"),
        (("--expect", "a=10%", "--rate", "0/s"), "expected a rate"),
        (("--expect", "a=10%", "--rate", "10000/s"), "expected a rate"),
        (("--expect", "a=10%", "--connections", "none"), "expected new, or a number"),
        (("--expect", "a=10%", "--timeout", "5"), "expected a duration"),
    ],
)
def test_bad_input(call: Call, arguments: tuple[str, ...], reason: str) -> None:
    answer = call("http://127.0.0.1:9/", *arguments)
    assert answer.code == 2
    assert reason in told(answer).replace("│ │ ", "").replace("│ ", "")
