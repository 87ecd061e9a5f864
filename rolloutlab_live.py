"""The commands `rolloutlab live …`; here those that look at a cluster or clean up: doctor, status, cleanup.

Exit codes: 0 done · 2 bad input · 4 refused for safety · 5 the cluster failed, or is not fit · 6 something of
ours is left on it. Long, as every command has its options and its way to show things here.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import rolloutlab_run
from rolloutlab_cluster import (
    CLUSTER_FAILED,
    DEMO_IMAGE,
    LEFT_OVER,
    ROOT,
    UNSAFE,
    ClusterOptions,
    ContextOption,
    ImageOption,
    KubeconfigOption,
    OutputOption,
    Plain,
    UidOption,
    fail,
    failures,
)
from rolloutlab_terminal import say
from scenarios.load import load
from scenarios.units import parse_duration

if TYPE_CHECKING:
    from live.api import Api
    from live.cleanup import Cleaned
    from live.doctor import Finding, Wanted
    from live.namespaces import Foreign
    from live.runs import Illegible, Known

SIGNS = {"good": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "bad": "[red]✗[/red]"}

app = typer.Typer(
    name="live",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Release for real, on a Kubernetes of your choice, and measure what the simulation predicts.

    It makes releases of its own, in namespaces of its own, and does not watch an existing one.""",
    epilog="Exit codes: 0 done · 2 bad input · 3 nothing measured · 4 refused for safety · 5 the cluster "
    "failed or is not fit · 6 something of ours is left on it · 130 or 143 interrupted.",
)
for command in (
    rolloutlab_run.run,
    rolloutlab_run.resume,
    rolloutlab_run.manifests,
    rolloutlab_run.approve,
    rolloutlab_run.abort,
):
    app.command()(command)


@app.command()
def doctor(
    context: ContextOption,
    scenario: Annotated[
        str | None, typer.Option("--scenario", metavar="SCENARIO", help="Whether this one could be run.")
    ] = None,
    strategy: rolloutlab_run.StrategyOption = None,
    image: ImageOption = DEMO_IMAGE,
    own_images: rolloutlab_run.OwnOption = False,
    overrides: rolloutlab_run.SetOption = None,
    kubeconfig: KubeconfigOption = None,
    cluster_uid: UidOption = None,
    output: OutputOption = Plain.TABLE,
) -> None:
    """Say whether a cluster is fit for live runs, and what to do where it is not. Changes nothing.

    Exit codes: 0 fit, though there may be warnings · 5 it is not · 4 refused for safety · 2 bad input.
    """
    wanted = _wanted(scenario, strategy, image, own_images, overrides)
    with failures():
        from live.doctor import Level, judge
        from live.examine import examine

        findings = judge(examine(ClusterOptions(context, kubeconfig, cluster_uid).connected()), wanted)
    if output is Plain.JSON:
        rows = [
            {"level": str(one.level), "about": one.about, "text": one.text, "advice": one.advice}
            for one in findings
        ]
        _print_json("rolloutlab.live.doctor/1", context=context, findings=rows)
    else:
        _print_findings(findings)
    raise typer.Exit(CLUSTER_FAILED if any(one.level is Level.BAD for one in findings) else 0)


@app.command()
def status(
    context: Annotated[
        str | None, typer.Option("--context", help="Also say what is there on this cluster.")
    ] = None,
    kubeconfig: KubeconfigOption = None,
    cluster_uid: UidOption = None,
    output: OutputOption = Plain.TABLE,
) -> None:
    """List the live runs of this folder, and with --context what is on the cluster that calls itself ours."""
    from live import runs

    known = runs.known(ROOT)
    there: list[dict[str, str]] | None = None
    if context is not None:
        with failures():
            there = _on_cluster(ClusterOptions(context, kubeconfig, cluster_uid).connected(), known)
    rows = [_run_row(one) for one in known if isinstance(one, runs.Known)]
    illegible = [one for one in known if isinstance(one, runs.Illegible)]
    if output is Plain.JSON:
        unread = [{"folder": str(one.folder), "why": one.why} for one in illegible]
        more = {} if there is None else {"context": context, "namespaces": there}
        _print_json("rolloutlab.live.status/1", runs=rows, illegible=unread, **more)
        return
    _print_rows(f"Live runs in {ROOT} (times are UTC)", rows)
    if there is not None:
        _print_rows(f"Namespaces on {context} that carry our label", there)
    for one in illegible:
        say(f"cannot be read: {escape(one.why)}")


@app.command()
def cleanup(
    context: ContextOption,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only this one; all of this folder otherwise.")
    ] = None,
    expired: Annotated[
        bool,
        typer.Option("--expired", help="Also what other folders' or machines' runs left and is overdue."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also of a run that is going on; it will fail.")
    ] = False,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="Wait so long for each run's, then say what remains.")
    ] = "3m",
    kubeconfig: KubeconfigOption = None,
    cluster_uid: UidOption = None,
) -> None:
    """Delete what live runs left on a cluster, and wait until it is gone. May be repeated at any time.

    Only namespaces that a journal here names and that still are the ones made then; with --expired also those
    whose marks are complete and unbroken and whose time is over. Everything else is left alone and named.

    Exit codes: 0 nothing of ours is left · 6 something is · 4 refused for safety · 5 the cluster failed.
    """
    from live import cleanup as cleaning
    from live import runs

    waiting = cleaning.Waiting(_seconds("--timeout", timeout))
    found = runs.known(ROOT)
    known = _chosen([one for one in found if isinstance(one, runs.Known)], run)
    illegible = [one for one in found if isinstance(one, runs.Illegible)] if run is None else []
    with failures():
        api = ClusterOptions(context, kubeconfig, cluster_uid).connected()
        take, leave = cleaning.chosen(known, api.target.uid, force)
        if run is not None and leave:
            fail(f"run {run} {leave[0][1]}: refused", UNSAFE)
        cleaned = sum((cleaning.clean_run(api, one, waiting) for one in take), cleaning.Cleaned())
        others: tuple[Foreign, ...] = ()
        if expired:
            spared = {one.run.id for one, _ in leave if one.standing is runs.Standing.RUNNING}
            ours, others = cleaning.overdue(api, _server_now(api), spared)
            cleaned += cleaning.end(api, ours, waiting=waiting)
    _tell_cleaned(cleaned, others, leave, illegible)
    raise typer.Exit(LEFT_OVER if cleaned.remains or illegible else 0)


# --- doctor -----------------------------------------------------------------------------------------


def _wanted(
    scenario: str | None, strategies: list[str] | None, image: str, own: bool, overrides: list[str] | None
) -> "Wanted":
    from live.doctor import Wanted
    from live.objects import Image
    from live.run import Asked, fit, wanted

    if scenario is None:
        for option, given in (("--strategy", strategies), ("--own-images", own), ("--set", overrides)):
            if given:
                raise typer.BadParameter("only with --scenario", param_hint=option)
        return Wanted(images=(image,))
    world = load(scenario, overrides or ())
    impossible = world.unrealisable()
    chosen = strategies or [name for name in world.strategies if name not in impossible]
    for name in chosen:
        if name not in world.strategies:
            there = ", ".join(world.strategies)
            raise typer.BadParameter(f"there is no {name!r}; there is {there}", param_hint="--strategy")
        if name in impossible:
            raise typer.BadParameter(f"{name}: {impossible[name]}", param_hint="--strategy")
    runs = Image(None if own else image)
    asked = Asked(world, tuple(chosen), tuple(world.variants), 1, 1.0, runs)
    with failures():
        fit(asked, inf, inf)
    return wanted(asked) if chosen else Wanted(images=() if own else (image,))


def _print_findings(findings: Sequence["Finding"]) -> None:
    table = Table(box=None, padding=(0, 1), show_header=False)
    for column in ("", "about", "text"):
        table.add_column(column, no_wrap=column != "text", style="bold" if column == "about" else None)
    for one in findings:
        advice = f"\n[bold]→ {escape(one.advice)}[/bold]" if one.advice else ""
        table.add_row(SIGNS[one.level], one.about, escape(one.text) + advice)
    Console(highlight=False).print(table)


# --- status -----------------------------------------------------------------------------------------


def _run_row(one: "Known") -> dict[str, str]:
    return {
        "run": one.run.id,
        "state": str(one.standing),
        "left": ", ".join(claim.name for claim in one.claims) or ("cleaned" if one.made else "made nothing"),
        "started": one.run.started,
        "scenario": one.run.scenario,
        "context": one.run.context,
        "folder": str(one.folder),
    }


def _on_cluster(api: "Api", known: Sequence["Known | Illegible"]) -> list[dict[str, str]]:
    from live import cleanup as cleaning
    from live import namespaces, runs

    here = {one.run.id: one.standing for one in known if isinstance(one, runs.Known)}
    found = api.list(cleaning.NAMESPACES, labelSelector=namespaces.SELECTOR)["items"]
    return [_namespace_row(one, here) for one in found]


def _namespace_row(namespace: dict[str, Any], here: dict[str, Any]) -> dict[str, str]:
    from live.namespaces import Foreign, read

    marks = read(namespace)
    if isinstance(marks, Foreign):
        return {
            "namespace": marks.name,
            "run": "",
            "owner": "",
            "expires": "",
            "state": f"not ours: {marks.why}",
        }
    state = str(here.get(marks.run, "of no run in this folder"))
    if "deletionTimestamp" in namespace["metadata"]:
        state += ", being deleted"
    if marks.expires <= datetime.now(UTC):
        state += ", expired"
    expires = marks.expires.isoformat()
    return {
        "namespace": marks.name,
        "run": marks.run,
        "owner": marks.owner,
        "expires": expires,
        "state": state,
    }


# --- cleanup ----------------------------------------------------------------------------------------


def _chosen(known: list["Known"], run: str | None) -> list["Known"]:
    if run is None:
        return known
    chosen = [one for one in known if one.run.id == run]
    if not chosen:
        there = ", ".join(one.run.id for one in known) or "none"
        raise typer.BadParameter(f"no run {run!r} in {ROOT}; there is {there}", param_hint="--run")
    return chosen


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; got {text!r}", param_hint=option) from None


def _server_now(api: "Api") -> datetime:
    """The time by which an expiry is judged: by this machine's clock or the server's, whichever is behind."""
    from live.doctor import Clock
    from live.examine import rehearsal, rehearsed

    now = datetime.now(UTC)
    _, clock = rehearsed(api, rehearsal(now), lambda: datetime.now(UTC))
    behind = min(0.0, clock.ahead) if isinstance(clock, Clock) else 0.0
    return now + timedelta(seconds=behind)


def _tell_cleaned(
    cleaned: "Cleaned",
    others: Sequence["Foreign"],
    leave: Sequence[tuple["Known", str]],
    illegible: Sequence["Illegible"],
) -> None:
    out = Console(highlight=False, markup=False)
    for name in cleaned.gone:
        out.print(f"gone: {name}", soft_wrap=True)
    for foreign in (*cleaned.foreign, *others):
        out.print(f"left alone: {foreign.name}: {foreign.why}", soft_wrap=True)
    for known, why in leave:
        if known.claims:
            out.print(f"left alone: run {known.run.id}: {why}", soft_wrap=True)
    for remains in cleaned.remains:
        out.print(f"still there: {remains.name}: {remains.why}", soft_wrap=True)
    for unread in illegible:
        out.print(f"cannot be read: {unread.why}; --expired deletes what it left, in time", soft_wrap=True)
    if not (cleaned.gone or cleaned.remains or illegible):
        out.print("nothing of ours to delete", soft_wrap=True)


# --- all of them ------------------------------------------------------------------------------------


def _print_rows(title: str, rows: Sequence[dict[str, str]]) -> None:
    console = Console(highlight=False)
    if not rows:
        console.print(f"{escape(title)}: none", soft_wrap=True)
        return
    keys = [key for key in rows[0] if key != "folder"]  # it is called as the run is
    table = Table(title=escape(title), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for key in keys:
        table.add_column(key, overflow="fold")
    for row in rows:
        shown = (row[key] if key not in ("started", "expires") else _minute(row[key]) for key in keys)
        table.add_row(*map(escape, shown))
    console.print(table)


def _minute(when: str) -> str:
    return when[:16].replace("T", " ")


def _print_json(kind: str, **values: Any) -> None:
    document = {"format": kind, **values}
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
