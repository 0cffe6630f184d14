"""Delta tables through SQL: made, opened, committed to; and which version is the newest."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from cartlake.core.table import Table
from cartlake.engines.base import Commit
from cartlake.engines.layout import LAYOUT_PROPERTY, PROPERTIES, require_ours
from cartlake.engines.spark.errors import condition, mapped, unlogged
from cartlake.engines.spark.homes import Home
from cartlake.engines.spark.text import literal, names, quote
from cartlake.errors import EngineError, TableMissing

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LAST_COMMIT = "spark.databricks.delta.lastCommitVersionInSession"
_PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = 2**53  # no table has this version: asking for it tells the newest one, without a job


class SparkTables:
    """The tables of one home."""

    def __init__(self, session: SparkSession, home: Home) -> None:
        self._session = session
        self._home = home
        self._heads: dict[str, int] = {}
        self._is_set_up = False
        self._names_newest = True

    def name(self, table: str) -> str:
        return self._home.name(table)

    def folder(self, table: str) -> Path | None:
        """Where the table's files are, if this process sees them."""
        return None if self._home.root is None else self._home.root / table

    def create(self, table: Table) -> None:
        """Of several processes that make it at once one succeeds; the others wait until its table is there."""
        for pause in _PAUSES:
            try:
                self.version(table.name)
            except TableMissing:
                with suppress(EngineError):  # which one it is depends on how far the other came
                    self._make(table)
                    return
                time.sleep(pause)
            else:
                return
        self._make(table)

    def _make(self, table: Table) -> None:
        columns = ", ".join(
            f"{quote(column.name)} {column.type}{'' if column.nullable else ' NOT NULL'}" for column in table.columns
        )
        parts = f" PARTITIONED BY ({names(table.partition_by)})" if table.partition_by else ""
        properties = ", ".join(f"{literal(name)} = {literal(value)}" for name, value in PROPERTIES.items())
        with mapped(f"create {table.name}", table.name):
            if not self._is_set_up:
                for statement in self._home.setup():
                    self._session.sql(statement)
                self._is_set_up = True
        self.commit(
            table.name,
            f"CREATE TABLE IF NOT EXISTS {self.name(table.name)} ({columns}) USING delta{parts}"
            f" TBLPROPERTIES ({properties})",
        )

    def version(self, table: str) -> int:
        head = self._heads.get(table)
        if head is None:
            self._require_ours(table)
        elif self._home.is_newest(table, head):
            return head
        head = self._heads[table] = self._newest(table)
        return head

    def commits(self, table: str, most: int) -> list[Commit]:
        self.version(table)
        return self._history(table, most)

    def commit(self, table: str, statement: str, look: Callable[[DataFrame], object] = lambda _: None) -> int:
        """The version after the statement, which commits once or not at all; `look` sees its result."""
        return self._committed(table, lambda: look(self._session.sql(statement)))

    def overwrite(self, table: Table, query: str) -> int:
        """The version in which the table has exactly the rows and columns of `query`."""

        def write() -> None:
            writer = self._session.sql(query).write.format("delta").mode("overwrite").option("overwriteSchema", "true")
            if table.partition_by:
                writer = writer.partitionBy(*table.partition_by)
            self._home.save(writer, table.name)

        return self._committed(table.name, write)

    def _committed(self, table: str, action: Callable[[], object]) -> int:
        with mapped(f"table {table}", table):
            self._session.conf.unset(_LAST_COMMIT)
            action()
            made = self._session.conf.get(_LAST_COMMIT, None)
        if made is None:
            return self.version(table)
        self._heads[table] = int(made)
        return int(made)

    def columns(self, table: str, version: int) -> list[str]:
        """The names of the columns that the table had in a version."""
        with mapped(f"look at {table}", table):
            return list(self._session.sql(f"SELECT * FROM {self.name(table)} VERSION AS OF {version}").columns)

    def widen(self, table: Table) -> int:
        """The table has, besides its own, the columns of `table`; its version."""
        version = self.version(table.name)
        known = self.columns(table.name, version)
        lacking = [column for column in table.columns if column.name not in known]
        if not lacking:
            return version
        listed = ", ".join(f"{quote(column.name)} {column.type}" for column in lacking)
        return self.commit(table.name, f"ALTER TABLE {self.name(table.name)} ADD COLUMNS ({listed})")

    def restore(self, table: str, version: int) -> int:
        if self.version(table) == version:
            return version
        return self.commit(table, f"RESTORE TABLE {self.name(table)} TO VERSION AS OF {version}")

    def _require_ours(self, table: str) -> None:
        with mapped(f"open {table}", table):
            rows = self._session.sql(f"SHOW TBLPROPERTIES {self.name(table)}").collect()
        require_ours(table, {row["key"]: row["value"] for row in rows}.get(LAYOUT_PROPERTY))

    def _newest(self, table: str) -> int:
        """Asked for a version that it cannot have, a table tells its newest one, and no job is started; Delta Lake
        4.0 tells it in words only, and there its history is asked."""
        if self._names_newest:
            try:
                with unlogged():
                    _ = self._session.sql(f"SELECT * FROM {self.name(table)} VERSION AS OF {_NEVER}").schema
            except PySparkException as error:
                if condition(error) == "DELTA_VERSION_NOT_FOUND":
                    return int((error.getMessageParameters() or {})["latest"])
        [newest] = self._history(table, 1)
        self._names_newest = False
        return newest.version

    def _history(self, table: str, most: int) -> list[Commit]:
        with mapped(f"open {table}", table):
            told = self._session.sql(f"DESCRIBE HISTORY {self.name(table)} LIMIT {most}")
            rows = told.selectExpr("version", "unix_micros(timestamp) AS at", "operation").collect()
        return [Commit(row["version"], _EPOCH + timedelta(microseconds=row["at"]), row["operation"]) for row in rows]
