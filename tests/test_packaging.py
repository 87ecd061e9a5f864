"""What gets installed, and how light it is."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_installs_our_rooms_and_the_root_modules(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {
        "live",
        "reports",
        "rolloutlab-0.1.0.dist-info",
        "rolloutlab.py",
        "rolloutlab_agree.py",
        "rolloutlab_calibrate.py",
        "rolloutlab_cli.py",
        "rolloutlab_cluster.py",
        "rolloutlab_live.py",
        "rolloutlab_run.py",
        "rolloutlab_terminal.py",
        "rolloutlab_verify.py",
        "scenarios",
        "sim",
    }
    files = zipfile.ZipFile(wheel).namelist()
    assert "scenarios/library/quickstart.yaml" in files
    assert any(name.startswith("reports/templates/") for name in files)


def test_the_core_imports_nothing_heavy() -> None:
    heavy = ["scipy.stats", "matplotlib", "numba", "simpy", "jinja2", "rich", "typer"]
    code = f"import sys, scenarios.load, scenarios.release; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_no_benchmark_hides_a_library_by_its_name() -> None:
    # a script's own folder comes first on the path, and libraries try to import others that are not installed
    code = "import sys; sys.path.insert(0, 'benchmarks'); import rolloutlab, reports.charts, sim.kernel"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
