"""The commands of docs/verify-split.md, played against a server that splits 10 % in turn."""

import random
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import routers
import split

PAGE = (Path(__file__).parents[2] / "docs" / "verify-split.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^rolloutlab verify-split (http:\S+) (.*)$", PAGE, re.MULTILINE)
OK = "HTTP/1.1 200 OK\r\nX-Version: {0}\r\nServer: {1}\r\nContent-Length: {2}\r\n\r\n"


@pytest.mark.parametrize("options", [options for _, options in COMMANDS])
def test_every_command_of_the_page_finds_ten_per_cent(call: Callable[..., Any], options: str) -> None:
    chooses = routers.in_turn(0.1, random.Random(1))()

    def serves(connection: Any) -> None:
        while head := routers.read_head(connection).decode():
            version = chooses(head)
            server = "nginx/1.24.0" if version == "candidate" else "nginx/1.22.0"
            body = "" if head.startswith("HEAD") else version
            connection.sendall((OK.format(version, server, len(version)) + body).encode())

    with routers.talking(serves) as url:
        answer = call(url, *shlex.split(options))
    assert answer.code == 0, answer.out + answer.err


def test_the_page_has_a_row_for_each_case() -> None:
    for name in split.CASES:
        assert f"\n| {name} |" in PAGE
