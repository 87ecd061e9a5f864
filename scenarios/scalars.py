"""What an unquoted text means in YAML, and where YAML 1.1 means something else than its writer. Pure."""

import re

from scenarios.errors import shown

_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS_TRUE, _WORDS_FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_AMBIGUOUS = {w for word in ("yes", "no", "on", "off") for w in (word, word.title(), word.upper())}
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def resolve(text: str) -> tuple[str | int | float | bool | None, str | None]:
    """What an unquoted text means, or why it cannot be what was meant."""
    if text in _WORDS:
        return None, None
    if text in _WORDS_TRUE or text in _WORDS_FALSE:
        return text in _WORDS_TRUE, None
    if text in _AMBIGUOUS:
        return text, f"{text} without quotes is a boolean for YAML; put it in quotes: '{text}'"
    if _INT.fullmatch(text):
        return (int(text), None) if len(text) <= 40 else (text, f"number too large: {shown(text)}")
    if _FLOAT.fullmatch(text) and len(text) <= 400:
        value = float(text)
        return (value, None) if abs(value) < float("inf") else (text, f"not a finite number: {shown(text)}")
    if _ENDLESS.fullmatch(text):
        return text, f"expected a finite number; got {text}"
    if _SEXAGESIMAL.fullmatch(text):
        wrong = "is a number to base 60 for YAML, not a time"
        return text, f"{shown(text)} without quotes {wrong}; put it in quotes"
    if _OCTAL.fullmatch(text):
        return (
            text,
            f"{shown(text)} is an octal number for YAML; drop the leading zeros, or quote it",
        )
    return text, None
