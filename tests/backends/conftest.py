"""Trials on the real cluster, conducted as `rolloutlab live run` conducts them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from onenode.target import Cluster

from live.objects import Image
from live.people import promised
from live.run import Asked, Failed, begin, conduct_all, fit, place
from live.target import connect
from live.trial import Done, Place, Shown
from scenarios.scenario import Scenario

Conduct = Callable[..., dict[str, Done]]
ATTEMPTS = 5
"""A machine that was too busy gets another chance."""


@pytest.fixture(scope="session")
def conducted(cluster: Cluster) -> Conduct:
    """Conducts a trial, repeat 0, of each strategy and candidate, and gives what came of them by name.

    One that is inconclusive is conducted again, as `rolloutlab live resume --again` does.
    """

    def conduct(
        world: Scenario,
        wanted: Mapping[str, tuple[str, str]],
        folder: Path,
        image: Image | None = None,
        approvals: Mapping[str, float] = MappingProxyType({}),
    ) -> dict[str, Done]:
        found = {}
        for name, (strategy, candidate) in wanted.items():
            of = image or Image(cluster.image)
            promising = promised(world, approvals)
            asked = Asked(promising, (strategy,), (candidate,), 1, 1.0, of, approvals=approvals)
            fit(asked, 1000.0, 600.0)
            host, _, port = (cluster.ingress or "").rpartition(":")
            api = connect(cluster.context, kubeconfig=Path(cluster.kubeconfig))
            with begin(api, asked, folder, "tests/backends") as journal:
                here = place(
                    api,
                    journal,
                    asked,
                    node=cluster.address,
                    ingress=(host, int(port)) if port else None,
                    provenance={},
                )
                done = _conclusive(here, asked)
            api.close()
            found[name] = done
        return found

    return conduct


def _conclusive(here: Place, asked: Asked) -> Done:
    """The last of a few attempts at the one trial that is asked for."""
    for _ in range(ATTEMPTS):
        (done,) = conduct_all(here, asked, lambda *_: Shown(), again=True)
        assert not isinstance(done, Failed), done
        if not done.why:
            break
    return done
