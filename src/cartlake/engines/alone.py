"""What an engine says that is alone with its tables: one process writes, and nobody reads but through cartlake."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from cartlake.core.table import Table
from cartlake.engines.base import Engine, Value


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

    def tally(
        self, name: str, sql: str, conditions: Mapping[str, str], params: Mapping[str, Value] | None = None
    ) -> dict[str, int]:
        engine = cast("Engine", self)
        engine.materialise(name, sql, params)
        counts = ", ".join(f"count_if({condition}) AS c{n}" for n, condition in enumerate(conditions.values()))
        [row] = engine.rows(f"SELECT {counts} FROM {name}")
        return {each: int(str(count)) for each, count in zip(conditions, row.values(), strict=True)}

    def shows(self, stamp: str) -> bool:  # noqa: ARG002
        return True

    def expose(self, relations: Collection[str], stamp: str) -> None:
        """A folder has no views."""
