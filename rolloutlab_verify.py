"""The commands that send requests to an address, `verify-split` and `expect`; part of `rolloutlab_cli`.

Exit codes: 0 accurate · 99 inaccurate · 3 too few · 2 bad input · 4 refused for safety · 130 interrupted.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from rolloutlab_terminal import PermittedOption, bar, say
from scenarios.units import parse_duration

if TYPE_CHECKING:
    from live.address import Address
    from live.verify import Check
    from scenarios.checked import Checked, Sending

REFUSED, INTERRUPTED = 4, 130
RATE, MOST, LANES = 50.0, 20_000, 8
MOST_RATE, MOST_LANES, PER_CONNECTION = 5_000.0, 100, 10
Parsed = TypeVar("Parsed")


class Output(StrEnum):
    """Formats on stdout."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


class Plain(StrEnum):
    """Formats on stdout, of expectations."""

    TABLE = "table"
    JSON = "json"


RateOption = Annotated[str, typer.Option(metavar="RATE", help="Requests, at most.")]
MostOption = Annotated[int, typer.Option(min=1, max=1_000_000, help="Never send more.")]
TimeoutOption = Annotated[str, typer.Option(metavar="DURATION", help="For each answer.")]
InsecureOption = Annotated[bool, typer.Option("--insecure", "-k", help="Accept any certificate.")]

SIGNS = {"met": "✓", "broken": "✗", "undecided": "?"}


def verify_split(
    url: Annotated[str, typer.Argument(metavar="URL", help="What to ask, e.g. http://127.0.0.1:8080/.")],
    expect: Annotated[
        list[str],
        typer.Option("--expect", "-e", metavar="VERSION=SHARE", help="E.g. candidate=10%; may be repeated."),
    ],
    by: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="What names the version of an answer: header:NAME, cookie:NAME, body:REGEX, server, status.",
        ),
    ] = "header:X-Version",
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header", "-H", metavar="NAME: VALUE", help="Send this; {user} is another number each."
        ),
    ] = None,
    cookie: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Send this; {user} as for -H.")
    ] = None,
    method: Annotated[str, typer.Option(help="E.g. HEAD.")] = "GET",
    host: Annotated[
        str | None, typer.Option(help="The Host to ask for (in TLS, too), if not the URL's.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Know each share to ± this at 95 %, e.g. 1%.")
    ] = None,
    detect: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Tell the first share from this one, e.g. 15%.")
    ] = None,
    connections: Annotated[
        str,
        typer.Option(metavar="N|new", help="So many kept alive at a time, or a new one for each request."),
    ] = "new",
    per_connection: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Requests through a connection that is kept.")
    ] = PER_CONNECTION,
    per_user: Annotated[int, typer.Option(min=1, max=1_000_000, help="Requests of each {user}.")] = 1,
    rate: RateOption = "50/s",
    requests: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="Send so many, to see what they show or to be surer."),
    ] = None,
    max_requests: MostOption = MOST,
    timeout: TimeoutOption = "5s",
    max_time: Annotated[str, typer.Option(metavar="DURATION", help="For all of it.")] = "15m",
    insecure: InsecureOption = False,
    permitted: PermittedOption = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="What stdout gets.")] = Output.TABLE,
) -> None:
    """Check whether an address splits its traffic as claimed, with as many requests as that takes.

    Exit codes: 0 accurate · 99 inaccurate · 3 too few answers to say · 2 bad input · 4 refused for safety.
    """
    from live.http import Request, context
    from live.verify import Check
    from reports import split
    from scenarios import attribution, split_asked

    expected = _parsed("--expect", split_asked.shares, expect)
    claim = _parsed("--detect", lambda _: split_asked.claim(expected, precision, detect, requests), None)
    lanes = _parsed("--connections", lambda text: split_asked.lanes(text, MOST_LANES), connections)
    headers = [_parsed("--header", split_asked.header, text) for text in header or ()]
    cookies = [_parsed("--cookie", split_asked.cookie, text) for text in cookie or ()]
    wanted = host or next((value for name, value in headers if name.lower() == "host"), None)
    sent = [pair for pair in headers if pair[0].lower() != "host"]
    if cookies:
        sent.append(("Cookie", "; ".join(cookies)))
    asked = Request(
        _parsed("--method", split_asked.method, method),
        None if wanted is None else _parsed("--host", split_asked.host, wanted),
        tuple(sent),
    )
    sending = _sending(
        _parsed("--rate", _rate, rate),
        min(max_requests, requests or max_requests),
        lanes,
        per_connection,
        per_user,
        _parsed("--timeout", parse_duration, timeout),
        _parsed("--max-time", parse_duration, max_time),
    )
    how = _parsed("--by", attribution.parsed, by)
    where = _permitted(url, permitted)
    checked = _check(Check(url, where, asked, how, claim, sending, context(where.scheme, insecure)))
    match output:
        case Output.TABLE:
            Console(highlight=False).print(split.table(checked))
        case Output.JSON:
            sys.stdout.write(split.to_json(checked))
        case Output.JUNIT:
            sys.stdout.write(split.to_junit(checked))
    raise typer.Exit(_code(checked))


def expect(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Whose expectations.")],
    address: Annotated[str, typer.Option(metavar="URL", help="Whom to ask; paths are the expectations'.")],
    name: Annotated[
        list[str] | None, typer.Option("--name", "-n", help="Only this expectation; may be repeated.")
    ] = None,
    when: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Only those of this stage, or of end.")
    ] = None,
    candidate: Annotated[
        str | None, typer.Option("--candidate", "-c", help="Which is there; the first unless said.")
    ] = None,
    rate: RateOption = "50/s",
    max_requests: MostOption = MOST,
    timeout: TimeoutOption = "5s",
    max_time: Annotated[str, typer.Option(metavar="DURATION", help="For each expectation.")] = "15m",
    insecure: InsecureOption = False,
    permitted: PermittedOption = None,
    output: Annotated[Plain, typer.Option("--output", "-o", help="What stdout gets.")] = Plain.TABLE,
) -> None:
    """Ask an address what a scenario's `expect:` asks the simulation, judged by the same code.

    Exit codes: 0 all met · 99 one is broken · 3 none broken, one undecided · 2 bad input · 4 refused.
    """
    from live.expect import probe
    from live.http import context
    from reports.expect import alone
    from scenarios.load import load
    from scenarios.result import Result, gravest

    world = load(scenario)
    _named("--candidate", [candidate] if candidate else [], world.variants)
    _named("--name", name or [], world.expect)
    variant = candidate or next(iter(world.variants))
    chosen = {
        key: one
        for key, one in world.expect.items()
        if (not name or key in name) and when in (None, one.when) and one.candidate in (None, variant)
    }
    if not chosen:
        raise typer.BadParameter("the scenario has no such expectation", param_hint="--when")
    if (total := sum(one.requests for one in chosen.values())) > max_requests:
        raise typer.BadParameter(f"it takes {total:,} requests; --name chooses", param_hint="--max-requests")
    each_rate = _parsed("--rate", _rate, rate)
    each_timeout, longest = (
        _parsed(option, parse_duration, text)
        for option, text in (("--timeout", timeout), ("--max-time", max_time))
    )
    sending = _sending(each_rate, max_requests, None, 1, 1, each_timeout, longest)
    where = _permitted(address, permitted)
    trusted = context(where.scheme, insecure)
    known = {side: world.version(side, variant).answers for side in ("stable", "candidate")}
    say(f"Planned: {total:,} requests, about {total / each_rate:,.0f} s at {rate}.", markup=False)
    with bar("answers") as told:
        results = [
            alone(one, probe(key, one, known, where, sending, trusted, told)) for key, one in chosen.items()
        ]
    if output is Plain.JSON:
        rows = [{"name": one.name, "result": str(one.result), "message": one.text} for one in results]
        document = {"format": "rolloutlab.expect/1", "address": address, "expectations": rows}
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    else:
        for one in results:
            Console(highlight=False, markup=False).print(f"{SIGNS[str(one.result)]} {one.name}: {one.text}")
    codes = {Result.MET: 0, Result.BROKEN: 99, Result.UNDECIDED: 3}
    raise typer.Exit(codes[gravest(one.result for one in results)])


def _named(option: str, names: Sequence[str], known: Iterable[str]) -> None:
    there = list(known)
    for name in names:
        if name not in there:
            raise typer.BadParameter(f"{name!r} is not there; there is {', '.join(there)}", param_hint=option)


def _permitted(url: str, permitted: str | None) -> "Address":
    """The address; exit code 4 for one that is somebody else's."""
    from live.address import Refused, address

    try:
        return _parsed("URL", lambda text: address(text, permitted), url)
    except Refused as refused:
        say(f"Refused: {refused}", markup=False)
        raise typer.Exit(REFUSED) from None


def _sending(
    rate: float,
    most: int,
    lanes: int | None,
    per_connection: int,
    per_user: int,
    timeout: float,
    longest: float,
) -> "Sending":
    from scenarios.checked import Sending

    each = 1 if lanes is None else per_connection
    return Sending(rate, most, lanes or LANES, each, per_user, timeout, longest)


def _check(check: "Check") -> "Checked":
    """The plan said, the requests sent, and a bar for who looks at it."""
    from live.verify import verify
    from reports import split_words

    say(f"Planned: {split_words.planned(check.claim, check.sending)}.", markup=False)
    if short := split_words.capped(check.claim, check.sending):
        say(short, markup=False)
        for text in split_words.by_chance(check.claim, check.sending.most):
            say(text, markup=False)
    with bar("answers") as told:
        return verify(check, told)


def _code(checked: "Checked") -> int:
    from scenarios.judge import Verdict

    if checked.why == "interrupted":
        return INTERRUPTED
    codes = {Verdict.ACCURATE: 0, Verdict.INACCURATE: 99}
    return codes.get(checked.judgement.verdict or Verdict.TOO_FEW, 3)


def _rate(text: str) -> float:
    from pydantic import TypeAdapter, ValidationError

    from scenarios.units import Rate

    try:
        found: float = TypeAdapter[float](Rate).validate_python(text)
    except ValidationError:
        raise ValueError(f"expected a rate such as 50/s; got {text!r}") from None
    if not 0 < found <= MOST_RATE:
        raise ValueError(f"expected a rate above 0 and up to {MOST_RATE:,.0f}/s; got {text!r}")
    return found


def _parsed(option: str, parse: Callable[[Any], Parsed], text: Any) -> Parsed:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
