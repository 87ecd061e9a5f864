"""Names of people's making, made safe for where they are shown or stored."""

import hashlib
import unicodedata


def file_name(name: str) -> str:
    """A name for a file or folder: letters and digits of any script kept, everything else a dash.

    Names that lose something get a short hash of the original, so that two never meet.
    """
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in unicodedata.normalize("NFC", name))
    kept = kept.strip("-.")[:60] or "unnamed"
    if kept == name:
        return kept
    return f"{kept}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"
