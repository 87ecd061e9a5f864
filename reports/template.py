"""The templates of pages: every value is text unless it says that it is HTML, and none may be missing."""

import jinja2


def environment() -> jinja2.Environment:
    """Where `reports/templates/` is read; a new one, so that a page adds filters for itself alone."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
