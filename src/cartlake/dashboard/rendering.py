"""Templates become text. Every value is escaped, wherever it came from."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cartlake.dashboard.formats import FILTERS
from cartlake.dashboard.pages.tables import KINDS


def render(template: str, **given: Any) -> str:
    """A page of the dashboard."""
    return _templates(is_report=False).get_template(template).render(**given)


def render_report(template: str, **given: Any) -> str:
    """The same parts for a file that stands alone: what leads to another page is only text there."""
    return _templates(is_report=True).get_template(template).render(**given)


@cache
def _templates(*, is_report: bool) -> Environment:
    templates = Environment(
        loader=PackageLoader("cartlake.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= FILTERS
    templates.globals |= {
        "is_report": is_report,
        "H": "h3" if is_report else "h2",
        "kinds": KINDS,
        "link": _text_only if is_report else _link,
    }
    return templates


def _link(path: str, text: object) -> Markup:
    return Markup('<a href="{}">{}</a>').format(path, text)


def _text_only(_: str, text: object) -> Markup:
    return escape(text)
