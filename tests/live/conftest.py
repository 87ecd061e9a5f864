"""Servers on loopback that answer as they are told to, byte by byte; and the command line."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest
import routers

import rolloutlab_cli

Serves = Callable[[socket.socket], None]
Serve = Callable[[Serves], str]


@dataclass
class Answer:
    """What a call of the command line left."""

    code: int
    out: str
    err: str


Call = Callable[..., Answer]


@pytest.fixture
def call(called: Call) -> Call:
    return partial(called, "verify-split")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["rolloutlab", *arguments])
        with pytest.raises(SystemExit) as ended:
            rolloutlab_cli.main()
        printed = capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that hands every connection to a function; returns its URL."""
    with ExitStack() as stack:
        yield lambda serves: stack.enter_context(routers.talking(serves))


@pytest.fixture
def answering(serve: Serve) -> Callable[[bytes], str]:
    """A server that gives every request the same bytes and then closes."""

    def start(answer: bytes) -> str:
        def serves(connection: socket.socket) -> None:
            if routers.read_head(connection):
                connection.sendall(answer)

        return serve(serves)

    return start
