"""How long the quickstart takes from a new process to the written report, and whether memory stays flat.

    python benchmarks/quickstart.py [--json]

cold: with an empty numba cache; warm: with a filled one. memory: peak resident MiB of a process that runs one
trial, at growing rates over the same horizon.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPARE = "import rolloutlab_cli; rolloutlab_cli.main()"
TRIAL = """
import resource, rolloutlab
from scenarios.load import load
quick = ["service.slots=64", "versions.stable.service_time=1ms"]
scenario = load("quickstart", ["traffic.rate={rate}/s", *quick])
record = rolloutlab.simulate(scenario, "canary", candidate="errors")
print(int(record.truth.tally.counts.sum()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(Path(folder) / "numba"), "PYTHONPATH": str(ROOT)}
        times = {name: _timed(environment, Path(folder) / name) for name in ("cold", "warm", "warm again")}
        memory = dict(_memory(environment, rate) for rate in (200, 2_000, 20_000))
    if "--json" in sys.argv:
        print(json.dumps({"seconds": times, "memory": memory}))
        return
    for name, seconds in times.items():
        print(f"{name:12} {seconds:6.2f} s")
    for requests, mebibytes in memory.items():
        print(f"{requests:>12,} requests in one trial: {mebibytes} MiB at most")


def _timed(environment: dict[str, str], to: Path) -> float:
    begin = time.perf_counter()
    command = [sys.executable, "-c", COMPARE, "compare", "quickstart", "--to", str(to)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - begin, 2)


def _memory(environment: dict[str, str], rate: int) -> tuple[int, int]:
    code = TRIAL.replace("{rate}", str(rate))
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    requests, mebibytes = done.stdout.split()
    return int(requests), int(mebibytes)


if __name__ == "__main__":
    main()
