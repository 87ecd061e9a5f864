"""One cell of docs/measured.md for real: five repeats on the node, then `agree`, as users type it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from onenode.target import Cluster

REPEATS = 5
SHORT = ("--set", "clock.settle=3s", "--set", "clock.horizon=14s")


def rolloutlab(cluster: Cluster, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KUBECONFIG": cluster.kubeconfig, "ROLLOUTLAB_APP_IMAGE": cluster.image}
    command = [sys.executable, "-m", "rolloutlab_cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def conclusive(folder: Path) -> int:
    told = [json.loads(path.read_text()) for path in folder.glob("*/provenance.json")]
    return sum(one["conclusive"] for one in told)


def test_a_rolling_update_agrees_with_its_prediction(cluster: Cluster, tmp_path: Path) -> None:
    to = ("--context", cluster.context)
    what = ("-s", "rolling", "-c", "healthy", "--repeat", str(REPEATS), *SHORT)
    run = rolloutlab(cluster, tmp_path, "live", "run", "one-node", *to, *what)
    (folder,) = (tmp_path / "runs" / "live").iterdir()
    for _ in range(4):
        if conclusive(folder) < REPEATS:  # the machine was busy
            assert run.returncode == 3, run.stderr
            run = rolloutlab(cluster, tmp_path, "live", "resume", folder.name, *to, "--again")
    assert (run.returncode, conclusive(folder)) == (0, REPEATS), run.stderr
    found = rolloutlab(cluster, tmp_path, "agree", str(folder.relative_to(tmp_path)), "-o", "json")
    assert found.returncode == 0, found.stderr
    (cell,) = json.loads(found.stdout)["cells"]
    assert (cell["strategy"], cell["candidate"], cell["repeats"]) == ("rolling", "healthy", REPEATS)
    assert cell["ended"]["ways"]["promoted"]["measured"] == 1
    figures = cell["figures"]
    for key in ("failed_requests", "capacity_loss", "worst_capacity"):
        assert figures[key]["nearness"] == "agrees", figures[key]
    assert figures["failed_requests"]["values"] == [0.0] * REPEATS
    assert figures["release_duration"]["measured"] > 2
    page = (folder / "agreement" / "agreement.html").read_text()
    assert "rolling" in page and "<script src" not in page
