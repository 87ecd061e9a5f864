"""Six strategies, three candidates, five repeats on a real cluster, beside their prediction: docs/measured.md.

    python benchmarks/one_node.py --context rolloutlab-test

Calibrates first, then conducts the trials, then compares. It can be interrupted at any time and called again:
what is there already is kept. Everything goes to runs/one-node; at the end the table to docs/measured.md, and
every trial's figures, with where they come from, to benchmarks/results/one-node.json. Takes about 75 minutes
on one node; nothing else should run on that machine.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = Path("runs/one-node")
PAGE, RESULTS = HERE.parent / "docs" / "measured.md", HERE / "results" / "one-node.json"
FIGURES = ("capacity_loss", "failed_requests", "blast_requests", "rollback_time", "release_duration")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--context", required=True, help="of your kubeconfig")
    asked.add_argument("--repeats", type=int, default=5)
    asked.add_argument("--only-compare", action="store_true", help="what is there already; needs no cluster")
    given = asked.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    overlay = FOLDER / "overlay.yaml"
    if not given.only_compare:
        if not overlay.exists():
            rolloutlab("calibrate", "--context", given.context, "--to", overlay.name)
        conduct(given.context, given.repeats)
    (run,) = trials()
    rolloutlab("agree", str(run.relative_to(FOLDER)), "--overlay", overlay.name, allowed=(0, 3))
    compared = json.loads((run / "agreement" / "agreement.json").read_text())
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results(run, compared), indent=1, sort_keys=True) + "\n")
    page(compared)


def rolloutlab(*arguments: str, allowed: tuple[int, ...] = (0,)) -> None:
    """The command line itself, in the folder of the results. Ends this process where it fails."""
    command = [sys.executable, "-m", "rolloutlab_cli", *arguments]
    code = subprocess.run(command, cwd=FOLDER, check=False).returncode
    if code not in allowed:
        sys.exit(f"{' '.join(arguments[:2])} ended with {code}")


def conduct(context: str, repeats: int) -> None:
    """All trials, or those that are missing."""
    if begun := trials():
        rolloutlab("live", "resume", begun[0].name, "--context", context, allowed=(0, 3))
    else:
        again = ("--repeat", str(repeats))
        rolloutlab("live", "run", "one-node", "--context", context, *again, allowed=(0, 3))


def trials() -> list[Path]:
    """The folder of the run, if it has begun; calibrations have one too, and ask for no trials."""
    return [one.parent for one in FOLDER.glob("runs/live/*/asked.json")]


def results(run: Path, compared: dict[str, Any]) -> dict[str, Any]:
    """Every trial's figures and origin, and the comparison made of them."""
    from reports.figures import Missing, measure
    from scenarios import record as records

    trials = []
    for folder in sorted(one.parent for one in run.glob("*/provenance.json")):
        record = records.read(folder)
        figures = measure(record).figures
        outcome = record.outcome
        trials.append(
            {
                "trial": folder.name,
                "digest": records.digest(record),
                "verdict": None if outcome is None else outcome.verdict.value,
                "reason": None if outcome is None else outcome.reason,
                "figures": {
                    key: figure.why if isinstance(figure, Missing) else figure.value
                    for key, figure in figures.items()
                },
                "events": [[event.t, event.kind.value, event.text] for event in record.events],
                "provenance": json.loads((folder / "provenance.json").read_text()),
            }
        )
    return {"format": "rolloutlab.measured/1", "agreement": compared, "trials": trials}


def page(compared: dict[str, Any]) -> None:
    """Put the table between the page's marks."""
    text = PAGE.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(f"{text[:begin]}\n{table(compared)}\n{text[end:]}")


def table(compared: dict[str, Any]) -> str:
    raise NotImplementedError


if __name__ == "__main__":
    main()
