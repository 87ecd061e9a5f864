"""The command that measures a cluster's own delays, `calibrate`; part of `rolloutlab_cli`.

Exit codes: 0 measured · 2 bad input · 3 measured, but not as intended · 4 refused for safety · 5 the cluster
failed · 6 something of ours is left on it · 130 or 143 interrupted and cleaned up.
"""

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rolloutlab_cluster import (
    DEMO_IMAGE,
    ROOT,
    UNDECIDED,
    ClusterOptions,
    ContextOption,
    ImageOption,
    IngressOption,
    KubeconfigOption,
    NodeOption,
    OutputOption,
    Plain,
    UidOption,
    address,
    failures,
)
from rolloutlab_terminal import PermittedOption, command_line, say

if TYPE_CHECKING:
    from live.api import Api
    from live.calibrate import Measured
    from live.delays import Row, Spread
    from scenarios.overlay import Origin, Overlay

SOURCE = "calibration"


class RouterName(StrEnum):
    """What can be measured beside pods."""

    SERVICE = "service"
    INGRESS = "ingress"


def calibrate(
    context: ContextOption,
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FILE", help="The overlay to write; one that is there is replaced."),
    ] = Path("overlay.yaml"),
    router: Annotated[
        list[RouterName] | None,
        typer.Option("--router", help="Only this one's delays; may be repeated. What is there unless said."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=2, max=500, help="How often; an Ingress a third of it, at 8 s each.")
    ] = 20,
    rate: Annotated[float, typer.Option(min=1, max=500, help="Requests a second to one idle pod.")] = 80.0,
    image: ImageOption = DEMO_IMAGE,
    node_address: NodeOption = None,
    ingress_address: IngressOption = None,
    permitted: PermittedOption = None,
    kubeconfig: KubeconfigOption = None,
    cluster_uid: UidOption = None,
    output: OutputOption = Plain.TABLE,
) -> None:
    """Measure a cluster's own delays, for predictions of what a release does there.

    From idle pods of one version, in a namespace that is gone afterwards, and never from a release. Best
    while nothing else changes pods or Services there. `agree --overlay` predicts with what it writes.

    Exit codes: 0 measured · 3 measured, but not as intended · 4 refused for safety · 5 the cluster failed ·
    6 something of ours is left on it · 2 bad input.
    """
    from live.entry import refuse_foreign
    from live.objects import Image
    from live.site import Asked

    _writable(to)
    routers = tuple(dict.fromkeys(one.value for one in router or ()))
    asked = Asked(samples, rate, Image(image), routers, node_address, address(ingress_address))
    run_id = secrets.token_hex(4)
    cluster = ClusterOptions(context, kubeconfig, cluster_uid)
    with failures(cluster.cleanup(run_id)):
        api = cluster.connected()
        refuse_foreign(api, asked.node, asked.ingress, permitted)
        measured, overlay = _measured(api, run_id, asked)
    _write(to, overlay)
    _tell(measured, overlay, to, output)


def _measured(api: "Api", run_id: str, asked: Any) -> "tuple[Measured, Overlay]":
    from live import delays
    from live.calibrate import calibrate as measure
    from live.journal import Journal
    from live.run import by_this_process

    target = api.target
    run = by_this_process(run_id, target, command_line(), SOURCE)
    say(f"[bold]Calibration {run_id}[/bold] on {escape(target.context)} (cluster {target.uid})")
    with Journal.begin(ROOT, run) as journal, _progress() as step:
        origin_of = _versions(api)
        measured = measure(api, journal, run_id, run.owner, asked, step)
        overlay = delays.overlay(measured.samples, _origin(api, run_id, origin_of))
        journal.finished("calibrated")
    return measured, overlay


def _versions(api: "Api") -> dict[str, str]:
    """Of what is measured and what measures it."""
    from live.api import Refused

    found = {"kubernetes": api.target.version, "rolloutlab": version("rolloutlab")}
    try:
        nodes = api.list("/api/v1/nodes")["items"]
    except Refused:  # --node-address is for those who may not list them
        nodes = []
    for node in nodes:
        told = node.get("status", {}).get("nodeInfo", {})
        keys = {"kubelet": "kubeletVersion", "container runtime": "containerRuntimeVersion"}
        found |= {name: str(told[key]) for name, key in keys.items() if told.get(key)}
    return found


def _origin(api: "Api", run_id: str, versions: dict[str, str]) -> "Origin":
    from scenarios.overlay import Origin

    return Origin(
        cluster_uid=api.target.uid,
        context=api.target.context,
        versions=versions,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        runs=(run_id,),
    )


# --- what came of it --------------------------------------------------------------------------------


def _writable(to: Path) -> None:
    """Refuse a place for the overlay before anything is measured for it."""
    from scenarios.overlay import FORMAT

    if not to.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {to.parent}", param_hint="--to")
    if to.exists() and not (to.is_file() and FORMAT.encode() in to.read_bytes()[:200]):
        raise typer.BadParameter(f"{to} is there, and no overlay: it is not replaced", param_hint="--to")


def _write(to: Path, overlay: "Overlay") -> None:
    from scenarios.overlay import dumps

    made = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        made.write_text(dumps(overlay), encoding="utf-8")
        made.replace(to)
    finally:
        made.unlink(missing_ok=True)


def _tell(measured: "Measured", overlay: "Overlay", to: Path, output: Plain) -> None:
    from live import delays

    rows = delays.rows(measured.samples)
    if output is Plain.JSON:
        document = {
            "format": "rolloutlab.calibrated/1",
            "origin": overlay.origin.model_dump(mode="json"),
            "delays": {one.key: _numbers(one) for one in rows},
            "notes": list(measured.notes),
            "overlay": str(to),
        }
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        Console().print(_table(rows))
    for note in measured.notes:
        say(f"[yellow]·[/yellow] {escape(note)}")
    say(f"Overlay: {escape(str(to))}. Predict with it: [bold]rolloutlab agree RUN --overlay {to}[/bold]")
    if not measured.conclusive:
        raise typer.Exit(UNDECIDED)


def _numbers(row: "Row") -> dict[str, Any]:
    median, low, high = row.found
    return {"samples": row.samples, "median": median, "p5": low, "p95": high, "default": row.default[0]}


def _table(rows: "list[Row]") -> Table:
    title = "Measured, and what the simulator takes unless told"
    table = Table("delay", title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("n", "median", "p5", "p95", "default"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        what = f"[bold]{row.key}[/bold] {escape(row.what)}"
        found = (_short(value) for value in row.found)
        table.add_row(what, str(row.samples), *found, _default(row.default))
    return table


def _default(found: "Spread") -> str:
    median, low, high = found
    return _short(median) if low == high else f"{_short(median)} ({_short(low)} to {_short(high)})"


def _short(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


# --- how it is asked --------------------------------------------------------------------------------


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """On a terminal a bar for the part that goes on; else a line for each part."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    told = set[str]()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def step(part: str, done: int, total: int) -> None:
            bar.update(task, description=part, completed=done, total=total or None)
            if not console.is_terminal and part not in told:
                console.print(part, soft_wrap=True)
            told.add(part)

        yield step
