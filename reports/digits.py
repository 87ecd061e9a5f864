"""Numbers of a document: ten significant digits, so that the processor's last bit does not show."""

import math
from typing import Any


def tidy(value: float | None) -> float | None:
    """Ten significant digits; None for what is no number."""
    return float(f"{value:.10g}") + 0.0 if value is not None and math.isfinite(value) else None


def tidied(document: Any) -> Any:
    """Plain JSON with every number of it so; whole numbers and names are left as they are."""
    if isinstance(document, dict):
        return {key: tidied(value) for key, value in document.items()}
    if isinstance(document, list):
        return [tidied(value) for value in document]
    return tidy(document) if isinstance(document, float) else document
