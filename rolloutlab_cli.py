"""The command line. It parses, calls the public API, and shows; data on stdout, everything else on stderr.

Long, as every command has its options here; what they do is elsewhere.
"""

import inspect
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

import rolloutlab_calibrate
import rolloutlab_live
from reports.files import put
from rolloutlab_agree import agree
from rolloutlab_terminal import bar, command_line, say
from rolloutlab_verify import expect, verify_split
from scenarios import explain as explained
from scenarios.check import Level
from scenarios.check import check as find
from scenarios.codec import RecordError
from scenarios.errors import ScenarioError
from scenarios.load import library, load
from scenarios.names import file_name
from scenarios.route import Unrealisable
from scenarios.scenario import Scenario
from scenarios.units import parse_share

BAD_INPUT, INTERRUPTED, TERMINATED, PIPE_CLOSED = 2, 130, 143, 141
DIFFERS, UNDECIDED, BROKEN = 1, 3, 99

app = typer.Typer(
    name="rolloutlab",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""Which way of releasing your service should you use, and what if the new version is bad?

    Start with [bold]rolloutlab compare quickstart[/bold], then with your own Deployment:
    [bold]rolloutlab import deployment.yaml --to my.yaml[/bold], [bold]rolloutlab compare my.yaml[/bold].
    A SCENARIO is a YAML file, or a world of the library: WORLDS.""",
    epilog="Exit codes: 0 done · 2 bad input · 99 a requirement or expectation is broken · 3 none broken, "
    "one undecided · 130 or 143 interrupted · 1 a bug of ours, or a replay that differs.",
)


class Output(StrEnum):
    """Formats of a comparison on stdout."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    JUNIT = "junit"


class Plain(StrEnum):
    """Formats of everything else."""

    TABLE = "table"
    JSON = "json"


class Reference(StrEnum):
    """Formats of the language reference."""

    JSON = "json"
    MARKDOWN = "markdown"


ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A file, or a world of the library.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. traffic.rate=50/s."),
]
PreferOption = Annotated[
    list[str] | None,
    typer.Option(
        "--prefer", metavar="NAME=VALUE", help="State a preference, e.g. bad_releases=5% or harmed_user=20."
    ),
]
StrategyOption = Annotated[
    list[str] | None, typer.Option("--strategy", "-s", help="Only this strategy; may be repeated.")
]
CandidateOption = Annotated[
    list[str] | None, typer.Option("--candidate", "-c", help="Only this candidate; may be repeated.")
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Add seeds, 32 at a time, until each headline figure is known to this share of itself, e.g. 5%."
        " --seeds is then the most (1,024 unless said).",
    ),
]
FolderOption = Annotated[
    Path | None, typer.Option("--to", help="Folder for the results; runs/NAME unless said.")
]


class Terminated(Exception):
    """SIGTERM or SIGHUP came."""


@app.command()
def compare(
    scenario: ScenarioArgument,
    strategy: StrategyOption = None,
    candidate: CandidateOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, max=100_000, help="Seeds 0 … N − 1.")] = None,
    until: UntilOption = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=1024, help="How many processes; one more than cores unless said.")
    ] = None,
    to: FolderOption = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="What stdout gets.")] = Output.TABLE,
    overrides: SetOption = None,
    prefer: PreferOption = None,
) -> None:
    """Compare the scenario's strategies with its candidates, good and bad, over many seeds.

    Prints a table to decide by; the folder gets the whole report: report.html, charts, comparison.json and
    the first seed's records. What the scenario requires decides the exit code.
    """
    from reports import folder, require
    from reports.draw import Drawer

    world = load(scenario, [*(overrides or ()), *(f"prefer.{stated}" for stated in prefer or ())])
    _known(strategy, world.strategies, "strategy")
    _known(candidate, world.variants, "candidate")
    within = _within(until)
    file, command = _file(scenario), command_line()
    target = to or folder.default(world.name, file)
    with folder.prepared(target) as workshop, Drawer(workshop) as drawer, bar("seeds") as told:
        import rolloutlab  # takes a while: the drawer has begun by then

        def progress(done: int, total: int) -> None:
            told(done, total)
            drawer.timelines_once(workshop / folder.RECORDS)

        result = rolloutlab.compare(
            world,
            seeds=seeds,
            until=within,
            strategies=strategy,
            candidates=candidate,
            jobs=jobs,
            first=partial(folder.keep, folder=workshop / folder.RECORDS),
            progress=progress,
        )
        folder.store(workshop, result.document, folder.provenance(command, file), result.values)
        drawer.page(world, command)
    _show(result.document, output, world, target / folder.PAGE)
    _say_vague(result.vague, until)
    if result.interrupted:
        say(f"[bold]Interrupted:[/bold] this rests on {len(result.document['seeds'])} finished seeds.")
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(_CODES[require.worst(result.document)])


_CODES = {"met": 0, "undecided": UNDECIDED, "broken": BROKEN}


def _within(text: str | None) -> float | None:
    """A share such as 5%, above 0% and below 100%."""
    if text is None:
        return None
    try:
        found = parse_share(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; got {text!r}", param_hint="--until") from None
    if not 0 < found < 1:
        raise typer.BadParameter(
            f"expected more than 0% and less than 100%; got {text!r}", param_hint="--until"
        )
    return found


def _say_vague(vague: Sequence[Any], until: str | None) -> None:
    """Which figures are not known as precisely as asked for."""
    if vague:
        names = [f"{one.figure} of {one.strategy} with {one.candidate}" for one in vague]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        said = escape("; ".join(names[:3]) + more)
        say(f"[bold]Not known to {escape(str(until))}[/bold] with this many seeds: {said}.")


def _show(document: dict[str, Any], output: Output, world: Scenario, page: Path) -> None:
    """Print a comparison."""
    from reports import compare as documents
    from reports import formats, junit, table

    match output:
        case Output.TABLE:
            Console().print(table.table(document, world, command_line(), page))
        case Output.JSON:
            sys.stdout.write(documents.dumps(document))
        case Output.CSV:
            sys.stdout.write(formats.to_csv(document))
        case Output.MARKDOWN:
            sys.stdout.write(formats.to_markdown(document))
        case Output.JUNIT:
            sys.stdout.write(junit.to_junit(document))


@app.command()
def run(
    scenario: ScenarioArgument,
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="Which strategy.")],
    candidate: Annotated[str | None, typer.Option("--candidate", "-c", help="The first unless said.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    to: FolderOption = None,
    output: Annotated[Plain, typer.Option("--output", "-o")] = Plain.TABLE,
    overrides: SetOption = None,
) -> None:
    """Run one trial and tell its story: what was done and decided when, and what it cost."""
    import rolloutlab
    from reports import folder, story
    from scenarios import record as records

    world = load(scenario, overrides or ())
    _known([strategy], world.strategies, "strategy")
    _known([candidate] if candidate else None, world.variants, "candidate")
    if strategy in (reasons := world.unrealisable()):
        raise Unrealisable(f"{strategy}: {reasons[strategy]}")
    chosen = candidate or next(iter(world.variants))
    file = _file(scenario)
    target = to or folder.default(world.name, file) / file_name(f"{strategy}--{chosen}--seed-{seed}")
    record = rolloutlab.simulate(world, strategy, candidate=chosen, seed=seed)
    measured = rolloutlab.measured(record)
    records.write(record, target, folder.provenance(command_line(), file))
    if output is Plain.JSON:
        sys.stdout.write(story.dumps(record, measured))
    else:
        Console().print(story.story(record, measured, str(target)))


@app.command()
def check(
    scenario: ScenarioArgument,
    output: Annotated[Plain, typer.Option("--output", "-o")] = Plain.TABLE,
    overrides: SetOption = None,
) -> None:
    """Say what is wrong with a scenario, and what will mislead, without running it."""
    found = find(load(scenario, overrides or ()))
    if output is Plain.JSON:
        rows = [{"level": str(a.level), "path": a.path, "message": a.message} for a in found]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False)
    for advice in found:
        console.print(f"[bold]{advice.level}[/bold]  {escape(advice.path)}: {escape(advice.message)}")
    problems = sum(advice.level is Level.PROBLEM for advice in found)
    console.print(
        f"{escape(scenario)} is a valid scenario; remarks: {len(found)}, of them problems: {problems}."
    )


@app.command()
def explain(
    scenario: ScenarioArgument,
    strategy: StrategyOption = None,
    output: Annotated[Plain, typer.Option("--output", "-o")] = Plain.TABLE,
    overrides: SetOption = None,
) -> None:
    """Print what each strategy will do, stage by stage, with its way back; nothing is run."""
    world = load(scenario, overrides or ())
    _known(strategy, world.strategies, "strategy")
    names = strategy or list(world.strategies)
    impossible = world.unrealisable()
    if output is Plain.JSON:
        plans = {n: explained.as_data(world.plan(n)) for n in names if n not in impossible}
        document = {"format": "rolloutlab.plans/1", "plans": plans, "problems": impossible}
        document["require"] = {name: str(required) for name, required in world.require.items()}
        document["expect"] = {name: str(expected) for name, expected in world.expect.items()}
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
        return
    texts = [f"{n}: {impossible[n]}" if n in impossible else explained.prose(n, world.plan(n)) for n in names]
    for heading, demands in (("required:", world.require), ("expected:", world.expect)):
        lines = [f"  {name}: {demand}" for name, demand in demands.items()]
        texts += ["\n".join((heading, *lines))] if lines else []
    Console(highlight=False, markup=False).print("\n\n".join(texts), soft_wrap=True)


@app.command()
def size(
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="Ask about a guard of this scenario.")
    ] = None,
    detect: Annotated[
        str | None,
        typer.Option(metavar="'A%->B%'", help="A rise to be seen; with --share, another share than that."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="SHARE", help="To know --share to so many points, e.g. 1%.")
    ] = None,
    share: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Of requests that reach the candidate.")
    ] = None,
    requests: Annotated[str | None, typer.Option(metavar="N", help="What so many can tell.")] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Above it, a window of --requests fails.")
    ] = None,
    rate: Annotated[str | None, typer.Option(metavar="RATE", help="Of all requests, e.g. 200/s.")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", "-s", help="Whose guard.")] = None,
    guard: Annotated[str | None, typer.Option("--guard", "-g", help="Which guard.")] = None,
    candidate: CandidateOption = None,
    alpha: Annotated[str, typer.Option(metavar="SHARE", help="False alarms that are accepted.")] = "5%",
    power: Annotated[str, typer.Option(metavar="SHARE", help="Of what is to be seen, so much is.")] = "90%",
    output: Annotated[Plain, typer.Option("--output", "-o")] = Plain.TABLE,
    overrides: SetOption = None,
) -> None:
    """Say how many requests a question takes, how long, and what a guard can and cannot see.

    Ask in one of these ways: --detect '1%->2%' · --share 10% --detect 15% · --precision 1% --share 10% ·
    --requests 10 --share 10% · --requests 50 --limit 1% · SCENARIO --strategy canary --guard errors
    """
    from reports import size as sizes
    from reports import size_guard as guards
    from reports.compare import dumps
    from scenarios import size_asked
    from scenarios.size_guard import Answer

    options = size_asked.Options(
        detect, precision, share, requests, limit, rate, alpha, power, strategy, guard, tuple(candidate or ())
    )
    if scenario is None:
        if overrides:
            raise typer.BadParameter("only with a SCENARIO", param_hint="--set")
        asked = size_asked.asked(options)
        document, text = partial(sizes.document, asked), partial(sizes.text, asked)
    else:
        answer = Answer(size_asked.case(load(scenario, overrides or ()), options))
        document, text = partial(guards.document, answer), partial(guards.text, answer)
    if output is Plain.JSON:
        sys.stdout.write(dumps(document()))
    else:
        Console(highlight=False).print(text())


app.command("verify-split")(verify_split)
app.command("expect")(expect)
app.command()(rolloutlab_calibrate.calibrate)
app.add_typer(rolloutlab_live.app)
app.command("agree")(agree)


@app.command("import")
def import_(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Manifests: files, folders, or - for standard input.")
    ],
    to: Annotated[
        Path | None, typer.Option("--to", help="Scenario file to write; stdout unless said.")
    ] = None,
) -> None:
    """Make a scenario of your own Deployment and Service.

    Reads what `helm template` or `kustomize build` print. What manifests cannot tell becomes a default,
    marked as such; kinds that are not understood are named and left alone.
    """
    from scenarios import manifests
    from scenarios.load import texts

    imported = manifests.read([text for name in files for text in texts(name, sys.stdin.buffer)])
    text = manifests.to_yaml(imported)
    if to is None:
        sys.stdout.write(text)
    else:
        _write_new(to, text)
        say(f"Wrote [bold]{escape(str(to))}[/bold]; next: rolloutlab compare {escape(str(to))}")
    for left in imported.left_alone:
        say(f"left alone: {escape(left)}")


@app.command()
def init(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file to write.")] = Path(
        "scenario.yaml"
    ),
) -> None:
    """Write a commented starter scenario, for who has no manifests."""
    from scenarios import manifests

    _write_new(to, manifests.starter())
    say(f"Wrote [bold]{escape(str(to))}[/bold]; next: rolloutlab compare {escape(str(to))}")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A comparison's folder.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder to write into; the same unless said.")
    ] = None,
) -> None:
    """Make the page and the charts again from a comparison's own files."""
    from reports import folder as folders
    from reports import page

    document, made, records = folders.stored(folder)
    if not records:
        raise RecordError(f"{folder}: holds no records to draw from")
    target, scenario = to or folder, records[0].trial.scenario
    with folders.prepared(target) as workshop:
        folders.copy(folder, workshop, target)
        command, values = str(made.get("command", "")), folders.values(folder)
        page.write_report(workshop, document, records, scenario, command, made, values)
    say(f"Wrote [bold]{escape(str(target / folders.PAGE))}[/bold]")


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(metavar="RECORD", help="A trial's folder, with its record.json.")],
    output: Annotated[Plain, typer.Option("--output", "-o")] = Plain.TABLE,
) -> None:
    """Decide a stored trial again from what it saw, run it again, and say whether both are the same.

    The exit code is 1 where something differs.
    """
    import rolloutlab
    from reports import folder as folders
    from reports import replayed
    from scenarios import record as records

    record = records.read(folder)
    then, now = folders.versions(folder), folders.provenance("")["versions"]
    found = rolloutlab.replay(record)
    if output is Plain.JSON:
        sys.stdout.write(replayed.as_json(record, found, then, now))
    else:
        Console(highlight=False).print(replayed.as_text(record, found, then, now))
    raise typer.Exit(0 if found.same else DIFFERS)


@app.command()
def schema(
    output: Annotated[Reference, typer.Option("--output", "-o", help="For editors, or to read.")] = (
        Reference.JSON
    ),
) -> None:
    """Print the language of scenario files: as JSON Schema for editors, or every key in tables to read."""
    from reports.language import markdown
    from scenarios.schema import json_schema

    if output is Reference.MARKDOWN:
        sys.stdout.write(markdown(json_schema()))
    else:
        sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")


def _file(scenario: str) -> Path | None:
    """The file that a scenario is read from; None for a world of the library."""
    return Path(scenario) if Path(scenario).is_file() else None


def _known(names: list[str] | None, known: Any, word: str) -> None:
    for name in names or ():
        if name not in known:
            there = ", ".join(known)
            raise typer.BadParameter(f"no {word} is called {name!r}; there is {there}")


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; what is there is never overwritten."""
    if path.exists():
        raise FileExistsError(f"{path}: is there already; choose another name or remove it")
    put(path, text.encode())


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    _finish_in_peace()
    raise Terminated


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    """Ctrl-C. A second one leaves at once."""
    _finish_in_peace()
    raise KeyboardInterrupt


def _finish_in_peace() -> None:
    """From now on it is being cleaned up: a terminal that is closed may say so more than once."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is _terminate:
            signal.signal(number, lambda _signum, _frame: None)  # SIG_IGN would be inherited by children


def entry() -> None:
    """The console script: `main`, without the tidying up of compiled code that takes a tenth of a second."""
    try:
        main()
    except SystemExit as end:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


def _let_flow(commands: typer.Typer) -> None:
    """Have help break its lines where the terminal ends; typer keeps those of the docstrings."""
    for command in commands.registered_commands:
        paragraphs = (inspect.getdoc(command.callback) or "").split("\n\n")
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _let_flow(group.typer_instance)


def main() -> None:
    """Run the command line and exit: every expected failure is one clear message and its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # a terminal that is closed; nohup ignores it
        signal.signal(signal.SIGHUP, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # what a shell runs behind ignores it
        signal.signal(signal.SIGINT, _interrupt)
    assert app.info.help is not None
    app.info.help = str(app.info.help).replace("WORLDS", ", ".join(library()))
    _let_flow(app)
    try:
        code = app(standalone_mode=False)
    except ScenarioError as error:
        _fail(str(error))
    except BrokenPipeError:
        # who read stdout has gone, which is no error of anybody's; nothing more can be flushed there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except (Unrealisable, RecordError, OSError) as error:
        _fail(str(error))
    except typer.TyperException as error:
        # usage errors know how to show themselves; the base class that typer makes public does not promise it
        getattr(error, "show", lambda text=str(error): _fail(text))()
        sys.exit(BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        say("Interrupted; nothing was finished.")
        sys.exit(INTERRUPTED)
    except Terminated:
        sys.exit(TERMINATED)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str) -> NoReturn:
    Console(stderr=True, highlight=False, markup=False).print(text, soft_wrap=True)
    sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
