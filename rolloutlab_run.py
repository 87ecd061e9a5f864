"""The commands of `rolloutlab live` that conduct trials: run, resume, manifests, approve, abort.

Exit codes: 0 done · 2 bad input · 3 a trial measured nothing · 4 refused for safety · 5 the cluster failed or
is not fit · 6 something of ours is left on it · 130 or 143 interrupted and cleaned up. Long, as every command
has its options and its way to show things here.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rolloutlab_cluster import (
    CLUSTER_FAILED,
    DEMO_IMAGE,
    ROOT,
    UNDECIDED,
    ClusterOptions,
    ContextOption,
    ImageOption,
    IngressOption,
    KubeconfigOption,
    NodeOption,
    UidOption,
    address,
    failures,
)
from rolloutlab_terminal import PermittedOption, command_line, say
from scenarios.load import load
from scenarios.record import Trial
from scenarios.scenario import Scenario
from scenarios.units import parse_duration

if TYPE_CHECKING:
    from live.api import Api
    from live.doctor import Finding
    from live.load import Generator
    from live.objects import Image
    from live.run import Asked
    from live.trial import Done, Shown
    from live.world import Glance

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A file, or a world of the library.")
]
StrategyOption = Annotated[
    list[str] | None, typer.Option("--strategy", "-s", help="Only this strategy; may be repeated.")
]
CandidateOption = Annotated[
    list[str] | None, typer.Option("--candidate", "-c", help="Only this candidate; may be repeated.")
]
ScaleOption = Annotated[
    float,
    typer.Option(
        "--time-scale",
        min=0.001,
        max=1.0,
        help="Waits, windows and deadlines of the plan times this; no more.",
    ),
]
OwnOption = Annotated[
    bool, typer.Option("--own-images", help="Run versions.*.image in place of the demo app.")
]
PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="Of your own image.")]
ReadyOption = Annotated[str, typer.Option("--ready-path", help="Of your own image's readiness probe.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="As `rolloutlab live status` lists it.")]
ApproveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--approve",
        metavar="NAME=after:DURATION",
        help="An operator of the scenario, who acts so long after being called.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. traffic.rate=50/s."),
]


def run(
    scenario: ScenarioArgument,
    context: ContextOption,
    strategy: StrategyOption = None,
    candidate: CandidateOption = None,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="How often each is tried.")] = 1,
    time_scale: ScaleOption = 1.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, ask what is allowed; make nothing.")
    ] = False,
    image: ImageOption = DEMO_IMAGE,
    own_images: OwnOption = False,
    port: PortOption = 8080,
    ready_path: ReadyOption = "/",
    approve: ApproveOption = None,
    node_address: NodeOption = None,
    ingress_address: IngressOption = None,
    permitted: PermittedOption = None,
    max_rate: Annotated[
        str, typer.Option(metavar="RATE", help="Refuse scenarios that send more.")
    ] = "1000/s",
    max_time: Annotated[str, typer.Option(metavar="DURATION", help="Refuse trials that take longer.")] = "1h",
    overrides: SetOption = None,
    kubeconfig: KubeconfigOption = None,
    cluster_uid: UidOption = None,
) -> None:
    """Release for real: each strategy with each candidate, in a namespace of its own, measured by requests.

    It makes releases of its own and does not watch an existing one. Everything it makes is deleted again,
    also when it is interrupted; after a kill -9 `rolloutlab live cleanup` finishes the job.
    """
    asked = _asked(
        scenario,
        overrides,
        strategy,
        candidate,
        repeat,
        time_scale,
        _image(image, own_images, port, ready_path),
        approve,
    )
    cluster = ClusterOptions(context, kubeconfig, cluster_uid)
    where = _Where(cluster, node_address, address(ingress_address), permitted)
    with failures():
        _fit(asked, max_rate, max_time)
        if dry_run:
            _dry_run(asked, where)
            return
        _begin(asked, where)


def resume(
    run_id: RunArgument,
    context: ContextOption,
    again: Annotated[
        bool, typer.Option("--again", help="Conduct inconclusive trials once more, too.")
    ] = False,
    node_address: NodeOption = None,
    ingress_address: IngressOption = None,
    permitted: PermittedOption = None,
    kubeconfig: KubeconfigOption = None,
    cluster_uid: UidOption = None,
) -> None:
    """Go on with an interrupted run: clean up after it, then conduct the trials that have no record yet.

    A trial that was cut short is begun again: without its traffic it has measured nothing. Inconclusive
    records stay, and are left out when measurement and prediction are compared.
    """
    from live.run import stored

    folder = _folder(run_id)
    cluster = ClusterOptions(context, kubeconfig, cluster_uid)
    where = _Where(cluster, node_address, address(ingress_address), permitted)
    with failures(where.cluster.cleanup(run_id)):
        _go_on(stored(folder), where, folder, again)


def manifests(
    scenario: ScenarioArgument,
    strategy: StrategyOption = None,
    candidate: CandidateOption = None,
    time_scale: ScaleOption = 1.0,
    image: ImageOption = DEMO_IMAGE,
    own_images: OwnOption = False,
    port: PortOption = 8080,
    ready_path: ReadyOption = "/",
    overrides: SetOption = None,
) -> None:
    """Print what a trial would put into its namespace, and the permissions that a run needs, as YAML.

    The trial is the first: of the first strategy with the first candidate, unless others are named.
    """
    from live.permissions import rbac
    from live.run import fit
    from live.trial import manifests as of_trial

    own = _image(image, own_images, port, ready_path)
    asked = _asked(scenario, overrides, strategy, candidate, 1, time_scale, own)
    with failures():
        fit(replace(asked, strategies=asked.strategies[:1], candidates=asked.candidates[:1]), inf, inf)
        documents = [*rbac(), *of_trial(asked.trials[0], asked.image, "rolloutlab-0123abcd-0")]
    sys.stdout.write(yaml.safe_dump_all(documents, sort_keys=False))


def approve(
    run_id: RunArgument,
    operator: Annotated[str, typer.Argument(metavar="NAME", help="The operator who has been called.")],
) -> None:
    """Approve what a live release has called somebody for."""
    from live.people import approval
    from live.run import stored

    folder = _going_on(run_id)
    with failures():
        _known([operator], stored(folder).scenario.operators, "NAME")
    (folder / approval(operator)).touch()


def abort(run_id: RunArgument) -> None:
    """Have a live release take its way back, as an operator would."""
    from live.people import ABORT

    (_going_on(run_id) / ABORT).touch()


# --- what was asked for -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Where:
    """The cluster, how its services are reached, and the host that may be loaded though it is not its own."""

    cluster: ClusterOptions
    node: str | None
    ingress: tuple[str, int] | None
    permitted: str | None

    @property
    def said(self) -> dict[str, str]:
        """The options that name addresses, with their values."""
        values = {
            "--node-address": self.node,
            "--ingress-address": self.ingress and "{}:{}".format(*self.ingress),
            "--yes-i-may-load": self.permitted,
        }
        return {option: value for option, value in values.items() if value is not None}


def _asked(
    scenario: str,
    overrides: list[str] | None,
    strategy: list[str] | None,
    candidate: list[str] | None,
    repeats: int,
    time_scale: float,
    image: "Image",
    approve: list[str] | None = None,
) -> "Asked":
    from live.own_namespace import KEPT_LONGER
    from live.people import promised
    from live.run import Asked
    from scenarios.time_scale import notes, scaled

    world = load(scenario, overrides or ())
    _known(strategy, world.strategies, "--strategy")
    _known(candidate, world.variants, "--candidate")
    approvals = _approvals(approve, world)
    lapsed = world if time_scale == 1 else scaled(world, time_scale)
    for note in notes(world, time_scale):
        say(f"[yellow]--time-scale {time_scale:g}:[/yellow] {escape(note)}")
    strategies = tuple(dict.fromkeys(strategy or world.strategies))
    candidates = tuple(dict.fromkeys(candidate or world.variants))
    trials = repeats * len(strategies) * len(candidates)
    seconds = float(lapsed.clock.settle + lapsed.clock.horizon) + 180.0
    lifetime = trials * seconds + KEPT_LONGER
    promising = promised(lapsed, approvals)
    return Asked(promising, strategies, candidates, repeats, time_scale, image, scenario, lifetime, approvals)


def _image(demo: str, own: bool, port: int, ready_path: str) -> "Image":
    from live.objects import Image

    if not demo.strip():
        raise typer.BadParameter("expected the name of an image", param_hint="--image")
    if not ready_path.startswith("/"):
        raise typer.BadParameter(f"expected a path from / on; got {ready_path!r}", param_hint="--ready-path")
    return Image(None, port=port, ready_path=ready_path) if own else Image(demo)


def _known(chosen: Iterable[str] | None, names: Iterable[str], hint: str) -> None:
    there = tuple(names)
    for name in chosen or ():
        if name not in there:
            text = f"there is no {name!r}; there is {', '.join(there) or 'none'}"
            raise typer.BadParameter(text, param_hint=hint)


def _approvals(texts: list[str] | None, world: Scenario) -> dict[str, float]:
    """Seconds from the call to the act, by operator."""
    found = dict(_approval(text) for text in texts or ())
    _known(found, world.operators, "--approve")
    return found


def _approval(text: str) -> tuple[str, float]:
    name, equals, when = text.partition("=")
    try:
        if not equals or not when.startswith("after:"):
            raise ValueError("expected NAME=after:DURATION, such as on_call=after:30s")
        return name, float(parse_duration(when.removeprefix("after:")))
    except ValueError as error:
        raise typer.BadParameter(f"{error}; got {text!r}", param_hint="--approve") from None


def _folder(run_id: str) -> Path:
    folder = ROOT / run_id
    if not run_id.isalnum() or not (folder / "run.json").is_file():
        there = ", ".join(sorted(one.name for one in ROOT.glob("*") if one.is_dir())) or "none"
        raise typer.BadParameter(f"no run {run_id!r} in {ROOT}; there is {there}", param_hint="RUN")
    return folder


def _going_on(run_id: str) -> Path:
    """The folder of a run whose process lives: whoever has ended reads nothing that is put there."""
    from live.journal import busy

    folder = _folder(run_id)
    if not busy(folder):
        raise typer.BadParameter(f"run {run_id} is not going on", param_hint="RUN")
    return folder


def _fit(asked: "Asked", max_rate: str, max_time: str) -> None:
    from pydantic import TypeAdapter

    from live.run import fit
    from scenarios.units import Rate

    try:
        most, longest = float(TypeAdapter[float](Rate).validate_python(max_rate)), parse_duration(max_time)
    except ValueError:
        text = f"expected a rate such as 1000/s and a duration such as 1h; got {max_rate!r}, {max_time!r}"
        raise typer.BadParameter(text, param_hint="--max-rate, --max-time") from None
    fit(asked, most, longest)


# --- what is done -----------------------------------------------------------------------------------


def _begin(asked: "Asked", where: _Where) -> None:
    from live.journal import run_of
    from live.run import begin

    api = where.cluster.connected()
    _must_be_fit(asked, where, api)
    with (
        begin(api, asked, ROOT, command_line()) as journal,
        failures(where.cluster.cleanup(run_of(journal.folder).id)),
    ):
        _conduct(asked, where, api, journal)


def _go_on(asked: "Asked", where: _Where, folder: Path, again: bool) -> None:
    from live import cleanup
    from live.journal import Journal, entries, run_of
    from live.own_namespace import Incomplete
    from live.runs import claims
    from live.target import Unsafe
    from live.trial import WORKSHOP

    api, before = where.cluster.connected(), run_of(folder)
    if before.cluster != api.target.uid:
        raise Unsafe(f"run {before.id} belongs to another cluster, of context {before.context}")
    with Journal.reopen(folder) as journal:
        for unfinished in folder.glob(f"{WORKSHOP}*"):
            shutil.rmtree(unfinished)
        cleaned = cleanup.clean(api, claims(entries(folder)), journal.gone)
        if cleaned.remains:
            raise Incomplete(cleaned)
        _must_be_fit(asked, where, api)
        _conduct(asked, where, api, journal, again)


def _conduct(asked: "Asked", where: _Where, api: Any, journal: Any, again: bool = False) -> None:
    from live.run import conduct_all, place
    from live.trial import Done
    from reports.folder import provenance

    target = api.target
    here = place(
        api,
        journal,
        asked,
        node=where.node,
        ingress=where.ingress,
        provenance=provenance(command_line()),
    )
    say(
        f"[bold]Run {here.run}[/bold] on {escape(target.context)} ({escape(target.server)}), "
        f"cluster {target.uid}"
    )
    many = len(asked.trials)
    say(
        f"{many} trial{'s' if many > 1 else ''} of at least {asked.seconds:.0f} s. It makes releases of its "
        "own in namespaces of its own, and watches no other."
    )
    for loss in asked.losses:
        say(f"[yellow]your own image:[/yellow] {escape(str(loss))}")
    results: list[Any] = []
    with _shown() as shown:
        for result in conduct_all(here, asked, shown, again):
            results.append(result)
            if not isinstance(result, Done):
                say(f"[red]{escape(result.trial.label)}: {escape(result.why)}[/red]")
    journal.finished("done")
    _tell(results, asked, journal.folder, where)


def _must_be_fit(asked: "Asked", where: _Where, api: "Api") -> None:
    """End here where the cluster lacks what the run needs: nothing has been made yet."""
    if lacking := _obstacles(asked, where, api):
        for one in lacking:
            advice = f" → {escape(one.advice)}" if one.advice else ""
            say(f"[red]{escape(one.about)}:[/red] {escape(one.text)}{advice}")
        say("Nothing was made.")
        raise typer.Exit(CLUSTER_FAILED)


def _obstacles(asked: "Asked", where: _Where, api: "Api") -> "tuple[Finding, ...]":
    from live.doctor import obstacles
    from live.entry import refuse_foreign
    from live.examine import examine
    from live.run import wanted

    refuse_foreign(api, where.node, where.ingress, where.permitted)
    return obstacles(examine(api), wanted(asked, where.said))


def _dry_run(asked: "Asked", where: _Where) -> None:
    api = where.cluster.connected()
    table = Table(
        "strategy", "candidate", "repeats", "at least", title="What would be tried", title_justify="left"
    )
    for strategy in asked.strategies:
        for candidate in asked.candidates:
            table.add_row(strategy, candidate, str(asked.repeats), f"{asked.seconds:.0f} s each")
    Console().print(table)
    _must_be_fit(asked, where, api)
    say(
        f"Nothing was made on {escape(api.target.context)}. `rolloutlab live manifests` prints what would be."
    )


def _tell(results: Sequence[Any], asked: "Asked", folder: Path, where: _Where) -> None:
    """What came of it, and where it is; exit 3 where a trial has measured nothing, now or before."""
    from live.run import unmeasured
    from live.trial import Done

    done = [result for result in results if isinstance(result, Done)]
    if done:
        Console().print(_results(done))
    for one in done:
        if one.why:
            say(f"[yellow]inconclusive:[/yellow] {escape(one.record.trial.label)}: {escape(one.why)}")
    say(f"Records: {folder}. Beside their prediction: [bold]rolloutlab agree {folder}[/bold]")
    if lacking := unmeasured(folder, asked):
        options = [word for pair in where.said.items() for word in pair]
        command = where.cluster.command("live", "resume", folder.name, "--again", *options)
        say(f"{len(lacking)} without a measurement; to try them once more: [bold]{escape(command)}[/bold]")
        raise typer.Exit(UNDECIDED)


_COLUMNS = (
    "failed_requests",
    "blast_requests",
    "capacity_loss",
    "worst_capacity",
    "rollback_time",
    "release_duration",
)


def _results(done: Sequence["Done"]) -> Table:
    from reports.figures import FIGURES, Missing, measure
    from reports.words import plain, quantity

    table = Table(title="Measured", title_justify="left", box=None)
    for name in ("strategy", "candidate", "repeat", "ends"):
        table.add_column(name, no_wrap=name == "strategy")
    for key in _COLUMNS:
        table.add_column(plain(key).replace("_", " "), justify="right")
    for one in done:
        found = measure(one.record)
        outcome = one.record.outcome
        verdict = outcome.verdict.value if outcome is not None else ""
        cells: list[str] = []
        for key in _COLUMNS:
            figure = found.figures[key]
            if isinstance(figure, Missing):
                cells.append(figure.why)
            else:
                cells.append(quantity(figure.value, FIGURES[key].unit).value)
        trial, ends = one.record.trial, verdict.replace("_", " ") + (" ?" if one.why else "")
        table.add_row(trial.strategy, str(trial.candidate), str(trial.seed), ends, *cells)
    return table


# --- what is seen while it goes on --------------------------------------------------------------------


@contextmanager
def _shown() -> Iterator[Callable[[Trial, int, int], "Shown"]]:
    """On a terminal a picture of the trial that goes on, and a line for each thing that happens."""
    from live.trial import Shown

    console = Console(stderr=True, highlight=False)
    with Live(console=console, refresh_per_second=5, transient=True) as picture:

        def of(trial: Trial, number: int, of_all: int) -> Shown:
            label = f"[{number + 1}/{of_all}] {trial.label}"
            picture.console.print(f"[bold]{escape(label)}[/bold]")

            def tell(t: float | None, text: str) -> None:
                when = f"{t:8.2f} s" if t is not None else " " * 10
                picture.console.print(f"{when}  {escape(text)}", soft_wrap=True)

            def glance(seen: "Glance", traffic: "Generator | None") -> None:
                if console.is_terminal:
                    picture.update(_picture(label, trial, seen, traffic))

            return Shown(glance, tell)

        yield of


def _picture(label: str, trial: Trial, seen: "Glance", traffic: "Generator | None") -> Group:
    horizon = float(trial.scenario.clock.horizon)
    if seen.t is None:
        when = "pods are starting"
    else:
        when = f"{seen.t:.1f} s of {horizon:.0f} s" if seen.t < horizon else "waiting for the last answers"
    table = Table(box=None, padding=(0, 2))
    for name in ("pool", "wants", "stable ready", "candidate ready", "ending"):
        table.add_column(name, justify="left" if name == "pool" else "right")
    for name, pool in seen.pools.items():
        ready = [str(pool.pods.get(version, (0, 0, 0))[1]) for version in ("stable", "candidate")]
        table.add_row(name, f"{pool.desired} {pool.version}", *ready, str(pool.terminating))
    lines: list[Any] = [Text(f"{label} · {when}", style="bold"), table]
    if traffic is not None and seen.t is not None:
        lines.append(Text(_requests(traffic, seen.t)))
    if seen.waiting:
        lines.append(Text(", ".join(f"{n} × {why}" for why, n in seen.waiting.items()), style="yellow"))
    if not seen.routed:
        lines.append(Text("a changed route is not in force yet", style="yellow"))
    return Group(*lines)


def _requests(traffic: "Generator", t: float) -> str:
    rows = traffic.take()
    recent = rows[(rows["end"] > t - 5) & (rows["final"] == 1)]
    failed, candidate = int((recent["status"] != 0).sum()), int((recent["version"] == 1).sum())
    share = f"{candidate / len(recent):.0%}" if len(recent) else "–"
    return (
        f"last 5 s: {len(recent)} requests, {failed} failed, {share} by the candidate; {len(rows):,} in all"
    )


__all__ = ["abort", "approve", "manifests", "resume", "run"]
