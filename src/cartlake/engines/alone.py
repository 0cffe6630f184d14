"""What an engine says that is alone with its tables: one process writes, and nobody reads but through cartlake."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from cartlake.core.table import Table
from cartlake.engines.base import Engine


class Alone:
    """The verbs of `engines.base` that are about others."""

    arbitrates = False

    def append_next(self, table: Table, relation: str, number: str) -> bool:
        engine = cast("Engine", self)
        with engine.scope():
            engine.read("_numbered", table)
            last = f"(SELECT max({number}) AS last FROM _numbered) AS n"
            found = engine.rows(f"SELECT 1 AS taken FROM {relation} r CROSS JOIN {last} WHERE last >= r.{number}")
        if not found:
            engine.append(table, relation)
        return not found

    def shows(self, stamp: str) -> bool:  # noqa: ARG002
        return True

    def expose(self, relations: Collection[str], stamp: str) -> None:
        """A folder has no views."""
