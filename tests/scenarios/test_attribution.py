"""Which version an answer names; never a guess."""

import pytest

from scenarios.attribution import Named, Reply, Untold, attributed, parsed


def reply(*headers: tuple[str, str], status: int = 200, body: bytes = b"", whole: bool = True) -> Reply:
    return Reply(status, headers, body, whole)


@pytest.mark.parametrize(
    ("by", "answer", "named"),
    [
        ("header:X-Version", reply(("x-version", " v2 ")), Named("v2")),
        ("header:X-Version", reply(), Untold.ABSENT),
        ("header:X-Version", reply(("X-Version", "")), Untold.ABSENT),
        ("header:X-Version", reply(("X-Version", "v1"), ("X-Version", "v2")), Untold.SEVERAL),
        ("header:X-Version", reply(("X-Version", "v1"), ("x-version", "v1")), Named("v1", repeated=True)),
        ("server", reply(("Server", "nginx/1.24.0")), Named("nginx/1.24.0")),
        ("status", reply(status=503), Named("503")),
        ("cookie:canary", reply(("Set-Cookie", "canary=v2; Path=/"), ("Set-Cookie", "b=1")), Named("v2")),
        ("cookie:canary", reply(("Set-Cookie", "canary2=v2")), Untold.ABSENT),
        ("body:nginx/[0-9.]+", reply(body=b"<h1>nginx/1.24.0</h1>"), Named("nginx/1.24.0")),
        ("body:version: (\\w+)", reply(body=b"a version: v2 b"), Named("v2")),
        ("body:v\\d", reply(body=b"v1 v2"), Untold.SEVERAL),
        ("body:v\\d", reply(body=b"v1 v1"), Named("v1", repeated=True)),
        ("body:v\\d", reply(body=b"none", whole=False), Untold.CUT),
        ("body:版本(\\d)", reply(body="版本2".encode()), Named("2")),
        ("body:v(\\S+)", reply(body=b"v\xff"), Named("\\xff")),
    ],
)
def test_the_version_of_an_answer(by: str, answer: Reply, named: Named | Untold) -> None:
    assert attributed(parsed(by), answer) == named


@pytest.mark.parametrize(
    "text", ["", "header", "header:", "header:a b", "body:", "body:(", "cookie:a;b", "Server"]
)
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parsed(text)
