"""What happens, as records of Python's `logging`: an event with its fields, which are ids, counts, codes and reasons,
never values of rows. Whoever wants them adds a handler to the logger `cartlake`; `JsonLines` writes a line for each."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

LOGGER = logging.getLogger("cartlake")
LOGGER.addHandler(logging.NullHandler())  # silent unless somebody listens


def event(name: str, fields: Mapping[str, object], level: int = logging.INFO) -> None:
    """`name` happened; fields that are None say nothing and are left out."""
    if LOGGER.isEnabledFor(level):
        told = {key: value for key, value in fields.items() if value is not None}
        LOGGER.log(level, name, extra={"fields": told})


def recorded(name: str, entries: Iterable[object], *fields: str) -> None:
    """An event for each entry, with these of its attributes."""
    for entry in entries:
        event(name, {field: getattr(entry, field) for field in fields})


class JsonLines(logging.Formatter):
    """`{"at", "level", "event", ...}` in ASCII, a line for each record."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"at": at, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(head | getattr(record, "fields", {}), default=str)
