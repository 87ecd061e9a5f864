"""Charts and page of a comparison, drawn in a process of their own while the simulation still runs.

`Drawer` is the simulating side; `python -m reports.draw FOLDER` the drawing one. It is told what to do in
lines on its standard input, and ends when that ends.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scenarios import load
from scenarios.scenario import Scenario


class Drawer:
    """Draws into a comparison's folder; as a context it is over when the block is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._timelines = folder, False
        command = [sys.executable, "-m", "reports.draw", str(folder)]
        # a session of its own: Ctrl-C is for the simulation, and this ends with it
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def timelines_once(self, records: Path) -> None:
        """Begin with what the first seed's records tell, as soon as that folder is there; once is enough."""
        if not self._timelines and records.is_dir():
            self._timelines = True
            self._tell("timelines")

    def page(self, scenario: Scenario, command: str) -> None:
        """Draw the rest, the document being there, and wait for the page. RuntimeError if that failed."""
        content = {"scenario": load.as_document(scenario), "command": command}
        self._tell(json.dumps(content))
        _, told = self._process.communicate()
        if self._process.returncode != 0:
            raise RuntimeError(f"the page could not be drawn:\n{told}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            _, told = self._process.communicate()
            raise RuntimeError(f"the page could not be drawn:\n{told}") from None


def main() -> None:
    """The drawing side."""
    from reports import folder as folders
    from reports import page

    folder = Path(sys.argv[1])
    for line in sys.stdin:
        if line.strip() == "timelines":
            page.write_timelines(folder, folders.kept(folder / folders.RECORDS))
        else:
            told: dict[str, Any] = json.loads(line)
            document, made, _ = folders.stored(folder, records=False)
            world, values = load.from_document(told["scenario"]), folders.values(folder)
            page.write_page(folder, document, world, told["command"], made, values)
            sys.stderr.flush()
            os._exit(0)  # all is written, and somebody waits: no tidying up


if __name__ == "__main__":
    main()
