"""Writing a file at once or not at all: whoever looks sees the old one or the new one, never half of one."""

import os
import tempfile
from pathlib import Path


def put(path: Path, content: bytes) -> None:
    """Write the file under another name beside it, then rename. Makes missing folders. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        made.chmod(0o666 & ~_mask())
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
