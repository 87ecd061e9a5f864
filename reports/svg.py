"""A chart's SVG made ready to stand in a page beside others."""

import re

from markupsafe import Markup


def inline(svg: str, prefix: str, says: str) -> Markup:
    """The SVG to stand in a page: no prolog, no metadata, its ids its own, named for who cannot see it."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = _own_ids(body, prefix)
    body = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", body, count=1)
    body = re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", body, count=1)
    label = Markup(' role="img" aria-label="{}"').format(says)
    return Markup(body.replace("<svg", f"<svg{label}", 1))  # matplotlib escapes what it writes


def _own_ids(svg: str, prefix: str) -> str:
    """Ids that nothing else on the page has: only those in use, each once (matplotlib repeats itself)."""
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg))

    def once(match: re.Match[str]) -> str:
        if match[1] not in used:
            return ""
        used.remove(match[1])
        return f' id="{prefix}-{match[1]}"'

    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return re.sub(r'\sid="([^"]*)"', once, svg)
