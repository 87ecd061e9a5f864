"""Names of people's making, made safe for where they are shown or stored."""

import hashlib
import unicodedata

LONGEST = 100
"""Bytes; file systems take 255, for two such names and what is put around them."""


def file_name(name: str, marks: str = "-_.") -> str:
    """A name for a file or folder: letters and digits of any script and `marks` kept, all else a dash.

    Names that lose something get a short hash of the original, so that two never meet.
    """
    kept = "".join(c if c.isalnum() or c in marks else "-" for c in unicodedata.normalize("NFC", name))
    kept = kept.strip("-.")[:60].encode()[:LONGEST].decode(errors="ignore") or "unnamed"
    if kept == name:
        return kept
    return f"{kept}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"
