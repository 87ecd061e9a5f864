"""One cell of docs/measured.md for real: five repeats on the node, then `agree`, as users type it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from onenode.target import Cluster

REPEATS = 5
SHORT = ("--set", "clock.settle=3s", "--set", "clock.horizon=14s")


def rolloutlab(cluster: Cluster, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KUBECONFIG": cluster.kubeconfig, "ROLLOUTLAB_APP_IMAGE": cluster.image}
    command = [sys.executable, "-m", "rolloutlab_cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def test_a_rolling_update_agrees_with_its_prediction(cluster: Cluster, tmp_path: Path) -> None:
    run = rolloutlab(
        cluster, tmp_path, "live", "run", "one-node", "--context", cluster.context, "-s", "rolling",
        "-c", "healthy", "--repeat", str(REPEATS), *SHORT,
    )  # fmt: skip
    assert run.returncode in (0, 3), run.stderr  # 3: the machine was too busy for some of them
    (folder,) = (tmp_path / "runs" / "live").iterdir()
    told = [json.loads(path.read_text()) for path in sorted(folder.glob("*/provenance.json"))]
    assert len(told) == REPEATS
    conclusive = sum(one["conclusive"] for one in told)
    assert all("late" in one["why"] for one in told if not one["conclusive"])
    found = rolloutlab(cluster, tmp_path, "agree", str(folder.relative_to(tmp_path)), "-o", "json")
    if not conclusive:
        assert found.returncode == 2
        assert "none of the 5 runs is conclusive" in found.stderr
        return
    assert found.returncode == (0 if conclusive == REPEATS else 3), found.stderr
    compared = json.loads(found.stdout)
    (cell,) = compared["cells"]
    assert (cell["strategy"], cell["candidate"], cell["repeats"]) == ("rolling", "healthy", conclusive)
    _judged(cell, conclusive)
    page = (folder / "agreement" / "agreement.html").read_text()
    assert "rolling" in page and "<script src" not in page


def _judged(cell: dict[str, Any], conclusive: int) -> None:
    """What does not depend on how busy this machine is: how it ended, and that a preStop loses nothing."""
    ways = cell["ended"]["ways"]
    assert ways["promoted"]["measured"] == 1
    lost = cell["figures"]["failed_requests"]
    assert lost["values"] == [0.0] * conclusive
    assert lost["predicted"] == 0
    assert lost["nearness"] == ("agrees" if conclusive == REPEATS else "too few repeats")
    assert cell["figures"]["worst_capacity"]["measured"] == 1
    assert cell["figures"]["release_duration"]["measured"] > 2
