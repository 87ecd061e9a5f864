"""How numbers, names and reasons are written for people: the same in the terminal, in charts and on the page.

Pure text: nothing here knows of terminals, colours or HTML; escaping for those is done where they are made.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MINUS = "\N{MINUS SIGN}"
NEVER, NOT_APPLICABLE, NOT_SEEN, TOO_FEW, NO_VALUE = "never", "n/a", "not seen", "too few", "no value"


@dataclass(frozen=True, slots=True)
class Written:
    """A value and its half-width in one unit, as text; `half` is empty where there is no interval."""

    value: str
    half: str = ""

    def __str__(self) -> str:
        return f"{self.value} {self.half}" if self.half else self.value


def plain(name: object) -> str:
    """A name with what would steer a terminal or turn the text around made visible, such as `\\u202e`."""
    return "".join(c if _shows(c) else _escaped(c) for c in str(name))


def _shows(char: str) -> bool:
    if char == "\N{ZERO WIDTH JOINER}" or "\N{VARIATION SELECTOR-1}" <= char <= "\N{VARIATION SELECTOR-16}":
        return True
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shortened(name: str, cells: int) -> str:
    """A name cut to so many columns of a terminal, or digits of a chart; wide characters take two."""
    if _width(name) <= cells:
        return name
    kept = next(i for i in range(len(name)) if _width(name[: i + 1]) > cells - 1)
    return name[:kept].rstrip() + "…"


def broken(name: str, cells: int) -> list[str]:
    """A name in lines of at most so many columns, broken after spaces and hyphens where it can be."""
    lines = [""]
    for piece in re.findall(r"[^\s\-_./:]*[\s\-_./:]?", name):
        if _width(lines[-1] + piece.rstrip()) > cells and _width(piece.rstrip()) <= cells:
            lines.append("")
        for char in piece:
            if _width(lines[-1] + char.strip()) > cells:
                lines.append("")
            lines[-1] += char
    return [line.rstrip() for line in lines if line.strip()]


def _width(text: str) -> int:
    """Columns of a terminal; wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def quantity(value: float, unit: str, half: float | None = None) -> Written:
    """A value with its half-width, to the digits that the half-width supports: 1,234 ± 56, 12.3 s ± 0.4."""
    factor, suffix = _scale(max(abs(value), half or 0.0), unit)
    scaled = value / factor if abs(value / factor) >= 0.005 or half is None else 0.0
    spread = None if half is None else half / factor if half / factor > 0.0051 else 0.0
    most = 1 if suffix in (" min", " h") else 2
    digits = _digits(scaled, spread, most, full=100.0 if unit == "share" else None)
    written = _number(scaled, digits) + suffix
    if spread is None:
        return Written(written)
    least = 10.0**-digits if spread else 0.0
    return Written(written, f"± {_number(max(spread, least), digits) if spread else 0}{suffix}")


def _scale(size: float, unit: str) -> tuple[float, str]:
    """What to divide by and what to write behind, for values of this size."""
    if unit == "share":
        return 0.01, " %"
    if unit in ("s", "seconds"):
        if 0 < size < 0.1:
            return 0.001, " ms"
        return (1.0, " s") if size < 120 else (60.0, " min") if size < 7200 else (3600.0, " h")
    return (1.0, "") if size < 99_999.5 else (1e3, " k") if size < 9_999_500 else (1e6, " M")


def _digits(value: float, spread: float | None, most: int, full: float | None) -> int:
    """Decimals: those that the half-width supports, or three significant digits without one."""
    if spread:
        digits = -math.floor(math.log10(spread) + 0.3)
    elif value == round(value):
        digits = 0
    else:
        digits = 2 - math.floor(math.log10(abs(value)))
    digits = min(max(digits, 0), most)
    while full is not None and value < full and round(value, digits) >= full and digits < 4:
        digits += 1
    return digits


def _number(value: float, digits: int) -> str:
    text = f"{abs(value):,.{digits}f}"
    return MINUS + text if value < 0 and any(c in "123456789" for c in text) else text


def share(value: float) -> str:
    """A share of a whole: 45 %, 0.05 %; one that is not whole never reads as 0 % or 100 %."""
    if 0 < value < 0.0001:
        return "< 0.01 %"
    return quantity(value, "share").value if value >= 0.01 or value <= 0 else f"{value * 100:.2g} %"


def of_seeds(part: float, seeds: int) -> str:
    """A share of the seeds, in the words one would use: in every seed, in 3 of 32 seeds."""
    count = round(part * seeds)
    if count == seeds:
        return "in every seed" if seeds > 1 else "in the only seed"
    return f"in {count:,} of {seeds:,} seeds" if count else "in no seed"


def listed(items: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}" if items else ""


def reason(why: object) -> str:
    """Why a figure has no value, in a word or two; the commonest reason where there are several."""
    if isinstance(why, Mapping) and why:
        counts: Mapping[str, int] = why
        why = max(sorted(counts), key=counts.__getitem__)
    text = str(why or "").replace("_", " ").lower()
    if "observable" in text or "not seen" in text:
        return NOT_SEEN
    if "reach" in text or "never" in text or "censored" in text:
        return NEVER
    if "too few" in text:
        return TOO_FEW
    if "appl" in text:
        return NOT_APPLICABLE
    return plain(text) if 0 < len(text) <= 18 else NO_VALUE
