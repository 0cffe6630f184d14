"""The verbs of `engines.base` on DuckDB and delta-rs."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from cartlake.core.dialect import compile_sql
from cartlake.core.table import Column, Table
from cartlake.engines.base import RecordCount, RecordSource, Row, Value, Where
from cartlake.engines.embedded import duck, reading
from cartlake.engines.embedded.duck import duck_type, literal, mapped, quote
from cartlake.engines.embedded.selects import check_select
from cartlake.engines.embedded.storage import DataFile, DeltaStore, committing, remove
from cartlake.settings import Settings


class EmbeddedEngine:
    """DuckDB in memory over the Delta tables of one lake folder. One writer at a time: callers hold the lake's lock."""

    target: Literal["duckdb"] = "duckdb"

    def __init__(self, settings: Settings) -> None:
        self._temporary = settings.project / ".cartlake" / "tmp" / secrets.token_hex(4)
        settings.lake_folder.mkdir(parents=True, exist_ok=True)
        self._temporary.mkdir(parents=True, exist_ok=True)
        folders = [settings.lake_folder, settings.archive_folder]
        with mapped("start DuckDB"):
            self._connection = duck.connect(
                folders, self._temporary, settings.engine.memory_limit, settings.engine.threads
            )
        self._store = DeltaStore(settings.lake_folder, self._connection)
        self._scopes: list[set[str]] = [set()]
        self._kinds: dict[str, str] = {}

    @contextmanager
    def scope(self) -> Iterator[None]:
        self._scopes.append(set())
        try:
            yield
        finally:
            for name in self._scopes.pop():
                self._drop(name)

    def refresh(self) -> None:
        self._store.refresh()

    def close(self) -> None:
        self._connection.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def create(self, table: Table) -> None:
        self._store.create(table)

    def version(self, table: str) -> int:
        return self._store.handle(table).version()

    def append(self, table: Table, relation: str) -> int:
        with self._typed(table, relation) as typed, mapped(f"append to {table.name}"):
            actions = self._store.add(table, typed)
        return self._store.commit(table.name, list(actions)) if actions else self.version(table.name)

    def replace(self, table: Table, where: Where, relation: str) -> int:
        outdated = [file for file in self._store.files(table.name, None) if file.may_hold(where)]
        mixed = [file for file in outdated if not file.holds_only(where)]
        with self._typed(table, relation) as typed, mapped(f"replace in {table.name}"):
            actions = [*self._store.add(table, typed), *self._kept(table, mixed, where)]
        if not actions and not outdated:
            return self.version(table.name)
        return self._store.commit(table.name, [*actions, *map(remove, outdated)])

    def merge(self, table: Table, changes: str) -> int:
        kinds = {str(row["_change"]) for row in self.rows(f"SELECT DISTINCT _change FROM {changes}")}
        if not kinds - {"insert"}:
            return self.append(table, changes)
        columns = {quote(name): f"s.{quote(name)}" for name in table.column_names}
        typed = ", ".join(f"CAST({quote(c.name)} AS {duck_type(c.type)}) AS {quote(c.name)}" for c in table.columns)
        same_key = " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in table.key)
        handle = self._store.handle(table.name)
        with committing(table.name):
            source = self._connection.sql(f"SELECT {typed}, _change FROM {quote(changes)}")
            (
                handle.merge(source, same_key, source_alias="s", target_alias="t", streamed_exec=False)
                .when_matched_delete("s._change = 'delete'")
                .when_matched_update(columns, "s._change = 'update'")
                .when_not_matched_insert(columns, "s._change = 'insert'")
                .execute()
            )
        return self._store.committed(table.name)

    def restore(self, table: str, version: int) -> int:
        handle = self._store.handle(table)
        if handle.version() != version:
            with committing(table):
                handle.restore(version)
        return self._store.committed(table)

    def read(self, name: str, table: Table, version: int | None = None, where: Where | None = None) -> None:
        where = where or {}
        files = [file for file in self._store.files(table.name, version) if file.may_hold(where)]
        condition = " AND ".join(
            f"CAST({quote(column)} AS VARCHAR) IN ({', '.join(map(literal, values)) or 'NULL'})"
            for column, values in where.items()
        )
        self._view(name, f"SELECT * FROM ({self._scan(table, files)}) WHERE {condition or 'true'}")

    def define(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> None:
        self._view(name, compile_sql(sql, self.target, params or {}))

    def materialise(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> int:
        self._drop(name)
        with mapped(f"compute {name}"):
            self._connection.execute(
                f"CREATE TEMP TABLE {quote(name)} AS {compile_sql(sql, self.target, params or {})}"
            ).fetchall()
            self._made(name, "TABLE")
            counted = self._connection.execute(f"SELECT count(*) FROM {quote(name)}").fetchall()
        return int(counted[0][0])

    def values(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        self._drop(name)
        with mapped(f"compute {name}"):
            duck.register(self._connection, name, columns, rows)
        self._made(name, "TABLE")

    def records(self, name: str, source: RecordSource) -> RecordCount:
        made = {name: "VIEW", f"{name}_cells": "TABLE", f"{name}_unreadable": "TABLE"}
        for each, kind in made.items():
            self._drop(each)
            self._made(each, kind)
        with mapped(f"read {source.path.name}"):
            return reading.records(self._connection, name, source)

    def rows(self, sql: str, params: Mapping[str, Value] | None = None) -> list[Row]:
        with mapped("query"):
            return duck.fetch(self._connection, compile_sql(sql, self.target, params or {}))[1]

    def select(self, sql: str, relations: Collection[str]) -> tuple[list[str], list[Row]]:
        checked = check_select(sql, relations)
        with mapped("query"):
            return duck.fetch(self._connection, checked)

    def _view(self, name: str, sql: str) -> None:
        self._drop(name)
        with mapped(f"define {name}"):
            self._connection.execute(f"CREATE TEMP VIEW {quote(name)} AS {sql}").fetchall()
        self._made(name, "VIEW")

    def _made(self, name: str, kind: str) -> None:
        self._kinds[name] = kind
        self._scopes[-1].add(name)

    def _drop(self, name: str) -> None:
        kind = self._kinds.pop(name, None)
        if kind is not None:
            with mapped(f"drop {name}"):
                self._connection.execute(f"DROP {kind} IF EXISTS {quote(name)}").fetchall()

    def _scan(self, table: Table, files: Sequence[DataFile]) -> str:
        if not files:
            empty = ", ".join(f"CAST(NULL AS {duck_type(c.type)}) AS {quote(c.name)}" for c in table.columns)
            return f"SELECT {empty} WHERE false"
        paths = ", ".join(literal(self._store.full_path(table.name, file)) for file in files)
        types = ", ".join(
            f"{quote(c.name)}: {duck_type(c.type)}" for c in table.columns if c.name in table.partition_by
        )
        partitions = f", hive_partitioning = true, hive_types = {{{types}}}" if types else ", hive_partitioning = false"
        columns = ", ".join(quote(name) for name in table.column_names)
        return f"SELECT {columns} FROM read_parquet([{paths}]{partitions})"

    @contextmanager
    def _typed(self, table: Table, relation: str) -> Iterator[str]:
        """A view of `relation` with exactly the table's columns and types, as the Parquet files must have them."""
        name = f"_typed_{table.name}"
        columns = ", ".join(f"CAST({quote(c.name)} AS {duck_type(c.type)}) AS {quote(c.name)}" for c in table.columns)
        self._view(name, f"SELECT {columns} FROM {quote(relation)}")
        try:
            yield name
        finally:
            self._drop(name)

    def _kept(self, table: Table, mixed: Sequence[DataFile], where: Where) -> list[object]:
        """New files with the rows of `mixed` that do not belong to `where`."""
        if not mixed:
            return []
        belongs = " AND ".join(
            f"CAST({quote(column)} AS VARCHAR) IN ({', '.join(map(literal, values))})"
            for column, values in where.items()
        )
        name = f"_kept_{table.name}"
        self._view(name, f"SELECT * FROM ({self._scan(table, mixed)}) WHERE NOT coalesce({belongs or 'true'}, false)")
        try:
            return list(self._store.add(table, name))
        finally:
            self._drop(name)
