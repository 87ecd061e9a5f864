"""What all commands that reach a cluster share: options, exit codes, failures told in one way."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape

from rolloutlab_terminal import say

if TYPE_CHECKING:
    from live.api import Api

BAD_INPUT, UNDECIDED, UNSAFE, CLUSTER_FAILED, LEFT_OVER, INTERRUPTED = 2, 3, 4, 5, 6, 130
ROOT = Path("runs/live")
DEMO_IMAGE = "python:3.13-slim"


class Plain(StrEnum):
    """Formats on stdout."""

    TABLE = "table"
    JSON = "json"


ContextOption = Annotated[str, typer.Option("--context", help="Of your kubeconfig; never guessed.")]
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="In place of KUBECONFIG and ~/.kube/config.")
]
UidOption = Annotated[
    str | None,
    typer.Option("--cluster-uid", metavar="UID", help="For a context that is not known as a local one."),
]
OutputOption = Annotated[Plain, typer.Option("--output", "-o", help="What stdout gets.")]
ImageOption = Annotated[
    str,
    typer.Option("--image", envvar="ROLLOUTLAB_APP_IMAGE", help="Any image with Python, for the demo app."),
]
NodeOption = Annotated[str | None, typer.Option("--node-address", help="Where NodePorts are reached.")]
IngressOption = Annotated[
    str | None,
    typer.Option("--ingress-address", metavar="HOST:PORT", help="Where ingress-nginx is reached."),
]


def address(text: str | None) -> tuple[str, int] | None:
    """What `--ingress-address` says."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"expected HOST:PORT; got {text!r}", param_hint="--ingress-address")
    return host, int(port)


@contextmanager
def failures(finish: str = "") -> Iterator[None]:
    """Every expected failure is one clear message and its exit code.

    `finish` is the command that deletes what an interrupt, or a cluster that fails, may have left.
    """
    from live.address import BadAddress
    from live.api import Refused, Unavailable
    from live.behaviour import Unservable
    from live.entry import NoEntry
    from live.journal import Busy, JournalError
    from live.load import NotReady as NoTraffic
    from live.objects import Unsupported
    from live.own_namespace import Incomplete
    from live.run import Unfit
    from live.target import Unreadable, Unsafe
    from live.trial import NotReady

    try:
        yield
    except KeyboardInterrupt:
        left = f" If anything is left: [bold]{escape(finish)}[/bold]" if finish else ""
        say(f"Interrupted.{left}")
        raise typer.Exit(INTERRUPTED) from None
    except Unsafe as error:
        fail(f"Refused: {error}", UNSAFE)
    except Incomplete as error:
        fail(f"{error}\nFinish it with: {finish}", LEFT_OVER)
    except (Refused, Unavailable, NoEntry, NotReady, NoTraffic) as error:
        fail(f"The cluster failed: {error}", CLUSTER_FAILED)
    except (BadAddress, Unreadable, JournalError, Unfit, Unservable, Unsupported, Busy) as error:
        fail(str(error), BAD_INPUT)


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Which cluster, as it was said."""

    context: str
    kubeconfig: Path | None
    cluster_uid: str | None

    def connected(self) -> "Api":
        """Pinned. Raises what `live.target.connect` does."""
        from live.target import connect

        return connect(self.context, kubeconfig=self.kubeconfig, cluster_uid=self.cluster_uid)

    def command(self, *words: str) -> str:
        """Another `rolloutlab` command that reaches the same cluster, to be pasted."""
        said = ["--context", self.context]
        said += [] if self.kubeconfig is None else ["--kubeconfig", str(self.kubeconfig)]
        said += [] if self.cluster_uid is None else ["--cluster-uid", self.cluster_uid]
        return shlex.join(["rolloutlab", *words, *said])

    def cleanup(self, run: str = "") -> str:
        """The command that deletes what is left of a run, or of all."""
        return self.command("live", "cleanup", *(["--run", run] if run else []))


def fail(text: str, code: int) -> NoReturn:
    """End with a message that is shown as it is."""
    say(text, markup=False)
    raise typer.Exit(code)
