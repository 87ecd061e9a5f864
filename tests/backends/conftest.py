"""Trials on the real cluster, conducted as `rolloutlab live run` conducts them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from onenode.target import Cluster

from live.objects import Image
from live.run import Asked, Failed, begin, conduct_all, fit, place
from live.target import connect
from live.trial import Shown
from scenarios.record import Record
from scenarios.scenario import Scenario

Conduct = Callable[[Scenario, Mapping[str, tuple[str, str]], Path], dict[str, Record]]


@pytest.fixture(scope="session")
def conducted(cluster: Cluster) -> Conduct:
    """Conducts a trial, repeat 0, of each strategy and candidate, and gives their records by name."""

    def conduct(world: Scenario, wanted: Mapping[str, tuple[str, str]], folder: Path) -> dict[str, Record]:
        found = {}
        for name, (strategy, candidate) in wanted.items():
            asked = Asked(world, (strategy,), (candidate,), 1, 1.0, Image(cluster.image))
            fit(asked, 1000.0, 600.0)
            host, _, port = (cluster.ingress or "").rpartition(":")
            api = connect(cluster.context, kubeconfig=Path(cluster.kubeconfig))
            with begin(api, asked, folder, "tests/backends") as journal:
                here = place(
                    api,
                    journal,
                    asked,
                    approvals={},
                    node=cluster.address,
                    ingress=(host, int(port)) if port else None,
                    provenance={},
                )
                (done,) = conduct_all(here, asked, lambda *_: Shown())
            api.close()
            assert not isinstance(done, Failed), done
            found[name] = done.record
        return found

    return conduct
