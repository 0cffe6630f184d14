"""The verbs of `engines.base` on Spark and Delta Lake."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from pyarrow.parquet import write_table

from cartlake.core.dialect import compile_sql, tables_of
from cartlake.core.table import Column, Table
from cartlake.engines.base import Commit, Compaction, RecordCount, RecordSource, Removal, Row, Value, Where
from cartlake.engines.layout import cannot_be
from cartlake.engines.relations import Relations, View
from cartlake.engines.scratch import Scratch
from cartlake.engines.selects import check_select
from cartlake.engines.spark import reading, streaming
from cartlake.engines.spark.arrow import from_arrow, to_arrow
from cartlake.engines.spark.errors import mapped
from cartlake.engines.spark.homes import home_of
from cartlake.engines.spark.session import Opened, opened
from cartlake.engines.spark.shelf import Shelf
from cartlake.engines.spark.tables import SparkTables
from cartlake.engines.spark.text import belongs, empty, names, quote, shown, typed
from cartlake.engines.spark.upkeep import SparkUpkeep
from cartlake.engines.spark.work import Work
from cartlake.errors import CommitConflict, EngineError
from cartlake.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkEngine:
    """A Spark session over the Delta tables of one lake folder or catalog schema."""

    target: Literal["spark"] = "spark"
    rows_at_once: int | None = None

    def __init__(self, settings: Settings, session: SparkSession | None = None) -> None:
        self._opened: Opened = opened(settings.engine, session)
        self._session = self._opened.session
        home = home_of(settings)
        self.arbitrates = bool(home.views or settings.engine.remote)
        self._tables = SparkTables(self._session, home)
        self._shelf = Shelf(self._session, home.views) if home.views else None
        self._upkeep = SparkUpkeep(self._session, self._tables)
        self._scratch = Scratch(settings.project)
        self._work = Work(self._session, self._scratch.folder)
        self._relations = Relations(lambda name, sql: f"{quote(name)} AS ({sql})", self._drop)
        self._views: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def scope(self) -> AbstractContextManager[None]:
        return self._relations.scope()

    def close(self) -> None:
        self._opened.close()
        self._scratch.close()

    def create(self, table: Table) -> None:
        self._tables.create(table)

    def version(self, table: str) -> int:
        return self._tables.version(table)

    def commits(self, table: str, most: int) -> list[Commit]:
        return self._tables.commits(table, most)

    def sync(self) -> None:
        """Spark's storage has the word: an object store has what it acknowledged, a local file system may not."""

    def recover(self, tables: Iterable[str]) -> dict[str, int]:  # noqa: ARG002
        return {}

    def damage(self, table: Table, versions: Iterable[int | None]) -> list[str]:
        unread = list[int | None]()
        counted = ", ".join(f"count({quote(name)}) AS {quote(name)}" for name in table.column_names)
        for version in versions:
            try:
                self.read("_looked_at", table, version)
                self.rows(f"SELECT {counted} FROM _looked_at")
            except EngineError:
                unread.append(version)
        return cannot_be("read", unread)

    def append(self, table: Table, relation: str) -> int:
        if not self._count(relation):
            return self.version(table.name)
        return self._insert(table, typed(table.columns, quote(relation)), relation)

    def append_next(self, table: Table, relation: str, number: str) -> bool:
        """A MERGE that reads the whole table: whoever commits to it meanwhile makes it fail."""
        source = self._relations.whole(typed(table.columns, quote(relation)), [relation])
        statement = (
            f"MERGE INTO {self._tables.name(table.name)} t USING ({source}) c"
            f" ON t.{quote(number)} >= c.{quote(number)} WHEN NOT MATCHED THEN {_insert(table)}"
        )
        added: list[int] = []
        with suppress(CommitConflict):
            self._tables.commit(
                table.name, statement, lambda found: added.append(found.collect()[0]["num_inserted_rows"])
            )
        return added == [1]

    def replace(self, table: Table, where: Where, relation: str | None) -> int:
        if not where:
            return self._overwrite(table, relation)
        inside = belongs(table, where)
        if not self._holds(table, inside):
            return self.append(table, relation) if relation else self.version(table.name)
        place = self._tables.name(table.name)
        if relation is None:
            return self._tables.commit(table.name, f"DELETE FROM {place} WHERE {inside}")
        rows = self._relations.whole(typed(table.columns, quote(relation)), [relation])
        return self._tables.commit(table.name, f"INSERT INTO {place} REPLACE WHERE {inside} {rows}")

    def _overwrite(self, table: Table, relation: str | None) -> int:
        """All rows and, where they differ, the columns are replaced."""
        rows = empty(table.columns)
        if relation is not None:
            rows = self._relations.whole(typed(table.columns, quote(relation)), [relation])
        return self._tables.overwrite(table, rows)

    def merge(self, table: Table, changes: str) -> int:
        """One MERGE; where all changes are inserts, an append (docs/adr/0005)."""
        counted = self.rows(f"SELECT count(*) AS n, count_if(_change = 'insert') AS inserts FROM {changes}")[0]
        if counted["n"] == counted["inserts"]:
            return self.append(table, changes)
        columns = (*table.columns, Column("_change", "string"))
        source = self._relations.whole(typed(columns, quote(changes)), [changes])
        return self._tables.commit(table.name, _merge(self._tables.name(table.name), table, source))

    def widen(self, table: Table) -> int:
        return self._tables.widen(table) if table.evolves else self.version(table.name)

    def restore(self, table: str, version: int) -> int:
        return self._tables.restore(table, version)

    def stream(
        self, folder: Path, checkpoint: Path, act: Callable[[object], None], every: float | None = None
    ) -> Generator[int | None]:
        return streaming.micro_batches(streaming.arriving(self._session, folder), checkpoint, act, every)

    def version_at(self, table: str, moment: datetime) -> int:
        return self._upkeep.version_at(table, moment)

    def optimize(self, table: Table, *, dry_run: bool = False) -> Compaction:
        return self._upkeep.optimize(table, dry_run=dry_run)

    def vacuum(self, table: str, oldest_version: int, *, dry_run: bool = False) -> Removal:
        return self._upkeep.vacuum(table, oldest_version, dry_run=dry_run)

    def read(self, name: str, table: Table, version: int | None = None, where: Where | None = None) -> None:
        at = self.version(table.name) if version is None else version
        chosen = f" WHERE {belongs(table, where)}" if where else ""
        had = self._tables.columns(table.name, at) if table.evolves and at else table.column_names
        newest = f"SELECT {shown(table.columns, had)} FROM {self._tables.name(table.name)}"
        rows = f"{newest} VERSION AS OF {at}{chosen}"
        if not at:  # a table is created in its version 0, without rows
            rows = empty(table.columns)
        self._relations.define(name, View(rows, lasting=f"{newest}{chosen}" if version is None else None))

    def differing(self, names: tuple[str, str], table: Table, versions: tuple[int, int]) -> None:
        for name, version in zip(names, versions, strict=True):
            self.read(name, table, version)

    def define(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> None:
        self._relations.define(name, View(compile_sql(sql, self.target, params or {}), tables_of(sql)))

    def materialise(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> int:
        self.tally(name, sql, {}, params)
        return self._counts[name]

    def tally(
        self, name: str, sql: str, conditions: Mapping[str, str], params: Mapping[str, Value] | None = None
    ) -> dict[str, int]:
        query = self._relations.whole(compile_sql(sql, self.target, params or {}), tables_of(sql))
        with mapped(f"compute {name}"):
            result = self._session.sql(query)
        view, rows, counts = self._work.keep(result, name, conditions)
        self._made(name, view, rows)
        return counts

    def values(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        with mapped(f"compute {name}"):
            given = to_arrow(columns, rows)
        if given.num_rows:
            self._made(name, self._work.put(given, name), given.num_rows)
        else:
            self._relations.define(name, View(empty(columns)))
            self._counts[name] = 0

    def records(self, name: str, source: RecordSource) -> RecordCount:
        view, rows, unreadable = reading.keep_items(self._session, self._work, source)
        self._made(f"{name}_items", view, rows)
        good, bad = reading.relations(source.layout, f"{name}_items")
        self._relations.define(name, View(good, (f"{name}_items",)))
        self._relations.define(f"{name}_unreadable", View(bad, (f"{name}_items",)))
        return RecordCount(rows, unreadable)

    def rows(self, sql: str, params: Mapping[str, Value] | None = None) -> list[Row]:
        return self._fetch(self._relations.whole(compile_sql(sql, self.target, params or {}), tables_of(sql)))[1]

    def select(self, sql: str, relations: Collection[str]) -> tuple[list[str], list[Row]]:
        return self._fetch(self._selected(sql, relations))

    def pieces(self, sql: str, relations: Collection[str]) -> tuple[list[str], Iterator[list[Row]]]:
        found = self._arrow(self._selected(sql, relations))
        return list(found.schema.names), (from_arrow(pa.table(batch)) for batch in found.to_batches())

    def parquet(self, sql: str, relations: Collection[str]) -> tuple[Path, int]:
        path, found = self._scratch.new_file(".parquet"), self._arrow(self._selected(sql, relations))
        write_table(found, path)
        return path, found.num_rows

    def _selected(self, sql: str, relations: Collection[str]) -> str:
        query, tables = check_select(sql, relations, self.target)
        return self._relations.whole(f"SELECT * FROM (\n{query}\n)", tables)

    def shows(self, stamp: str) -> bool:
        return self._shelf is None or self._shelf.shows(stamp)

    def expose(self, relations: Collection[str], stamp: str) -> None:
        if self._shelf is not None:
            queries = {
                name: self._relations.whole(f"SELECT * FROM {quote(name)}", [name], is_lasting=True)
                for name in relations
            }
            self._shelf.replace(queries, stamp)

    def _fetch(self, query: str) -> tuple[list[str], list[Row]]:
        found = self._arrow(query)
        return list(found.schema.names), from_arrow(found)

    def _arrow(self, query: str) -> pa.Table:
        with mapped("query"):
            return self._session.sql(query).toArrow()

    def _made(self, name: str, view: str, count: int) -> None:
        self._relations.define(name, View(f"SELECT * FROM {quote(view)}"))
        self._views[name], self._counts[name] = view, count

    def _drop(self, name: str) -> None:
        self._counts.pop(name, None)
        view = self._views.pop(name, None)
        if view is not None:
            self._work.drop(view)

    def _count(self, relation: str) -> int:
        if relation in self._counts:
            return self._counts[relation]
        return int(str(self.rows(f"SELECT count(*) AS n FROM {relation}")[0]["n"]))

    def _holds(self, table: Table, condition: str) -> bool:
        """Whether the newest version has a row of which `condition` is true."""
        version = self.version(table.name)
        place = f"{self._tables.name(table.name)} VERSION AS OF {version}"
        return version > 0 and bool(self._fetch(f"SELECT 1 AS found FROM {place} WHERE {condition} LIMIT 1")[1])

    def _insert(self, table: Table, rows: str, relation: str) -> int:
        into = f"INSERT INTO {self._tables.name(table.name)} ({names(table.column_names)})"
        return self._tables.commit(table.name, f"{into} {self._relations.whole(rows, [relation])}")


def _merge(target: str, table: Table, source: str) -> str:
    """MERGE writes change rows also for updates that change nothing: a row is updated only if it differs."""
    rest = [column for column in table.columns if column.name not in table.key]
    same_key = " AND ".join(f"t.{quote(column)} = c.{quote(column)}" for column in table.key)
    differs = " OR ".join(f"NOT ({_comparable('t', column)} <=> {_comparable('c', column)})" for column in rest)
    sets = ", ".join(f"t.{quote(column.name)} = c.{quote(column.name)}" for column in rest)
    return (
        f"MERGE INTO {target} t USING ({source}) c ON {same_key}"
        " WHEN MATCHED AND c._change = 'delete' THEN DELETE"
        f"{f' WHEN MATCHED AND ({differs}) THEN UPDATE SET {sets}' if rest else ''}"
        f" WHEN NOT MATCHED AND c._change <> 'delete' THEN {_insert(table)}"
    )


def _insert(table: Table) -> str:
    return (
        f"INSERT ({names(table.column_names)}) VALUES ({', '.join(f'c.{quote(name)}' for name in table.column_names)})"
    )


def _comparable(alias: str, column: Column) -> str:
    value = f"{alias}.{quote(column.name)}"
    return f"map_entries({value})" if column.type.startswith("map<") else value
