"""Where the events of a call go: people see lines of text on stderr; machines JSON there, or in a file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cartlake.cli.failures import explained
from cartlake.cli.output import Output, ReaderGone
from cartlake.logs import LOGGER, JsonLines, event

if TYPE_CHECKING:
    from cartlake.settings import Settings


@contextmanager
def logging_to(out: Output, settings: Settings) -> Iterator[None]:
    """Inside, events go where [log] says. With `format = "json"` nothing else stands on stderr, an error
    included, be it foreseen or not."""
    handlers = list(_handlers(settings))
    level = LOGGER.level
    out.as_lines = settings.log.format == "json"
    for handler in handlers:
        handler.setFormatter(JsonLines())
        LOGGER.addHandler(handler)
    if handlers:
        LOGGER.setLevel(logging.INFO)
    try:
        yield
    except (typer.Exit, typer.Abort, ReaderGone, BrokenPipeError):
        raise
    except Exception as raised:
        error = explained(raised)
        event("error", error.to_json(), logging.ERROR)
        if not out.as_lines:
            raise
        out.document({"error": error.to_json()})
        raise typer.Exit(error.exit_code) from None
    finally:
        LOGGER.setLevel(level)
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()


def _handlers(settings: Settings) -> Iterator[logging.Handler]:
    if settings.log.format == "json":
        yield logging.StreamHandler(sys.stderr)
    if settings.log.file is not None:
        path = settings.project / settings.log.file
        path.parent.mkdir(parents=True, exist_ok=True)
        yield logging.FileHandler(path, encoding="utf-8")
