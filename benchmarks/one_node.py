"""Six strategies, three candidates, five repeats on a cluster, beside their prediction (docs/measured.md).

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
            rolloutlab("calibrate", "--context", given.context, "--to", overlay.name, allowed=(0, 3))
        conduct(given.context, given.repeats)
    (run,) = trials()
    rolloutlab("agree", str(run.relative_to(FOLDER)), "--overlay", overlay.name, allowed=(0, 3))
    compared = json.loads((run / "agreement" / "agreement.json").read_text())
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results(run, compared), indent=1, sort_keys=True) + "\n")
    page(compared)


def rolloutlab(*arguments: str, allowed: tuple[int, ...] = (0,)) -> int:
    """The command line itself, in the folder of the results; its exit code. Ends this process if it fails."""
    command = [sys.executable, "-m", "rolloutlab_cli", *arguments]
    code = subprocess.run(command, cwd=FOLDER, check=False).returncode
    if code not in allowed:
        sys.exit(f"{' '.join(arguments[:2])} ended with {code}")
    return code


def conduct(context: str, repeats: int) -> None:
    """All trials, or those that are missing; then up to twice more those that a busy machine spoilt."""
    to = ("--context", context)
    if begun := trials():
        code = rolloutlab("live", "resume", begun[0].name, *to, allowed=(0, 3))
    else:
        code = rolloutlab("live", "run", "one-node", *to, "--repeat", str(repeats), allowed=(0, 3))
    for _ in range(2):
        if code == 3:
            code = rolloutlab("live", "resume", trials()[0].name, *to, "--again", allowed=(0, 3))


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
    """A row for each strategy and candidate: how it ended, then predicted → measured of each figure."""
    from reports.agreement import TOLD

    heads = ["strategy", "candidate", "n", "ends", *(_HEADS[key] for key in FIGURES)]
    rows = [heads, ["---"] * len(heads)]
    for cell in compared["cells"]:
        ended = cell["ended"]
        ways = ", ".join(f"{way} {each['measured']:.0%}" for way, each in ended["ways"].items())
        told = [f"{ways} {MARKS[ended['nearness']]}"]
        told += [_figure(cell["figures"].get(key)) for key in FIGURES]
        rows.append([cell["strategy"], cell["candidate"], str(cell["repeats"]), *told])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    counts = ", ".join(f"{number} {word}" for word, number in compared["counts"].items())
    left = "; ".join(f"{one['trial']}: {one['why']}" for one in compared["left_out"]) or "none"
    below = (
        "predicted → measured ± chance, ✓ agrees, ✗ differs, ? too few repeats. "
        f"Of the {len(TOLD)} figures that `agree` shows: {counts}."
    )
    return "\n".join([*lines, "", below, f"Left out as inconclusive: {left}."])


_HEADS = {
    "capacity_loss": "capacity lost, pod-s",
    "failed_requests": "requests failed",
    "blast_requests": "blast radius, requests",
    "rollback_time": "rollback, s",
    "release_duration": "release, s",
}
MARKS = {"agrees": "✓", "differs": "✗", "too few repeats": "?", "not observable": "–"}


def _figure(figure: dict[str, Any] | None) -> str:
    if figure is None or figure.get("predicted") is None or figure.get("measured") is None:
        return "–"
    half = (figure["chance"]["below"] + figure["chance"]["above"]) / 2
    digits = 0 if figure["unit"] == "count" else 2 if abs(figure["measured"]) < 10 else 1
    numbers = (f"{figure[key]:.{digits}f}" for key in ("predicted", "measured"))
    return f"{' → '.join(numbers)} ± {half:.{digits}f} {MARKS[figure['nearness']]}"


if __name__ == "__main__":
    main()
