"""Pages are played as they are read: files, changes, commands in order, and what they print."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest


def _console() -> Any:
    spec = importlib.util.spec_from_file_location("console", Path(__file__).with_name("console.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


console = _console()

PAGE = """
```yaml greeting.txt
hello
world
```

```diff greeting.txt
-world
+page
```

```yaml >> greeting.txt
again
```

```console
$ cat greeting.txt
hello
…
again
$ test -e nothing
$ echo $?
1
```
"""


def wrong(page: str, folder: Path) -> list[str]:
    return [why for _, _, why in console.play(page, folder) if why]


def test_a_page_that_is_right_has_nothing_wrong(tmp_path: Path) -> None:
    assert wrong(PAGE, tmp_path) == []
    assert (tmp_path / "greeting.txt").read_text() == "hello\npage\nagain\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("$ cat greeting.txt\nhello\n", "$ cat greeting.txt\nhallo\n"),
        ("…\n", ""),
        ("\n1\n```", "\n0\n```"),
        ("$ echo $?\n1\n", "$ echo 1\n1\n"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(old: str, new: str, tmp_path: Path) -> None:
    assert old in PAGE
    assert wrong(PAGE.replace(old, new), tmp_path) != []


def test_a_page_must_not_end_with_a_command_that_failed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ended with 1"):
        wrong("```console\n$ false\n```\n", tmp_path)


def test_a_change_must_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 times"):
        wrong(PAGE.replace("-world", "-moon"), tmp_path)


def test_a_page_takes_over_what_is_printed_and_leaves_out_the_same(tmp_path: Path) -> None:
    stale = PAGE.replace("$ cat greeting.txt\nhello\n", "$ cat greeting.txt\nhallo\n").replace(
        "\n1\n", "\n7\n"
    )
    assert console.refresh(stale, tmp_path) == PAGE


@pytest.mark.parametrize(
    ("expected", "printed", "now"),
    [
        ((), "a b", "a b"),
        (("a", "b"), "a c", "a c"),
        (("a1", "…", "z1"), "a2 b c z2", "a2 … z2"),
        (("…", "total_12", "end"), "x y total_13 new end", "… total_13 new end"),
        (("first_1", "…"), "first_2 b c", "first_2 …"),
    ],
)
def test_what_is_left_out_stays_left_out(expected: tuple[str, ...], printed: str, now: str) -> None:
    assert console.refreshed(expected, printed.split()) == now.split()
