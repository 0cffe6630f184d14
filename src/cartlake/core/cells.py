"""Values as cells of files that spreadsheets open."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell_text(value: object) -> str:
    """A value as text: ISO dates, times in UTC (`2025-03-01 12:00:00`), exact decimals, nested values as JSON; nothing
    for NULL. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    match value:
        case None:
            text = ""
        case str():
            text = inert(value)
        case bool():
            text = str(value).lower()
        case Decimal():
            text = f"{value:f}"
        case datetime():
            text = without_zone(value).isoformat(" ")
        case dict() | list() | tuple():
            text = inert(json.dumps(value, default=str, ensure_ascii=False))
        case _:
            text = str(value)
    return text


def inert(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def without_zone(value: datetime) -> datetime:
    """The time in UTC, as spreadsheets have times."""
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
