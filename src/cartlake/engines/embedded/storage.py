"""Delta tables on a local disk: DuckDB writes the Parquet files, delta-rs commits them.

A data file's statistics go into the commit, so that later reads and replacements open only the files that can hold
what they look for.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import duckdb
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from cartlake.core.table import Table
from cartlake.engines.base import Where
from cartlake.engines.embedded.duck import literal, mapped, quote
from cartlake.engines.embedded.schema import delta_schema
from cartlake.errors import CommitConflict, EngineError, TableForeign, TableMissing

LAYOUT_PROPERTY, LAYOUT = "cartlake.layout", 1
PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    "delta.enableDeletionVectors": "false",
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
    LAYOUT_PROPERTY: str(LAYOUT),
}
_LONGEST_STATISTIC = 200


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a version; `least` and `most` are the bounds of its columns where they are known, `nulls` how
    many rows have none."""

    path: str
    size: int
    partition: Mapping[str, str]
    least: Mapping[str, object]
    most: Mapping[str, object]
    nulls: Mapping[str, object]

    def may_hold(self, where: Where) -> bool:
        return all(any(self._within(column, value) for value in values) for column, values in where.items())

    def is_within(self, where: Where) -> bool:
        """All rows have the same value in each column of `where`, and it is one of those listed there."""
        return all(
            least == most and least in values and (column in self.partition or self.nulls.get(column) == 0)
            for column, values in where.items()
            for least, most in [self._bounds(column)]
        )

    def _within(self, column: str, value: str) -> bool:
        least, most = self._bounds(column)
        return (least is None or least <= value) and (most is None or value <= most)

    def _bounds(self, column: str) -> tuple[str | None, str | None]:
        """The least and the greatest value as text; None where unknown, or where text has another order."""
        if column in self.partition:
            return self.partition[column], self.partition[column]
        return _ordered_text(self.least.get(column)), _ordered_text(self.most.get(column))


def _ordered_text(value: object) -> str | None:
    return str(value) if isinstance(value, str | date) else None


@dataclass
class _Head:
    """A table as last seen: `files` are those of `version`. `handle` may be behind; it is brought up to commit."""

    handle: DeltaTable
    version: int
    files: tuple[DataFile, ...]


class DeltaStore:
    """The tables below one folder. Not safe for several writers at once: the lake's lock sees to that.

    A table's newest version is the last in a row of commit files, so one look for the next file tells whether what is
    known is still the newest: that costs microseconds, asking delta-rs milliseconds.
    """

    def __init__(self, root: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self._root = root
        self._connection = connection
        self._heads: dict[str, _Head] = {}

    def create(self, table: Table, mode: Literal["ignore", "overwrite"] = "ignore") -> None:
        folder = self._root / table.name
        if mode == "ignore" and any((folder / "_delta_log").glob("*.json")):
            return
        with committing(table.name):
            DeltaTable.create(
                str(folder),
                schema=delta_schema(table),
                mode=mode,
                partition_by=list(table.partition_by) or None,
                configuration=PROPERTIES,
                raise_if_key_not_exists=False,
            )

    def reshape(self, table: Table) -> None:
        """The table has exactly these columns; if it had others, it is empty."""
        if self._head(table.name).handle.schema() != delta_schema(table):
            self.create(table, "overwrite")
            self.refresh(table.name)

    def handle(self, name: str) -> DeltaTable:
        """The table at its newest version, ready to commit."""
        head = self._head(name)
        with committing(name):
            if head.handle.version() != head.version:
                head.handle.update_incremental()
        return head.handle

    def version(self, name: str) -> int:
        return self._head(name).version

    def files(self, name: str, version: int | None) -> tuple[DataFile, ...]:
        """The data files of a version."""
        head = self._head(name)
        if version is None or version == head.version:
            return head.files
        with committing(name):
            return _data_files(DeltaTable(str(self._root / name), version=version))

    def refresh(self, name: str) -> int:
        """The newest version after a commit that this object did not make file by file."""
        handle = self._heads[name].handle
        with committing(name):
            handle.update_incremental()
            self._heads[name] = _Head(handle, handle.version(), _data_files(handle))
        return handle.version()

    def _head(self, name: str) -> _Head:
        head = self._heads.get(name)
        if head is None:
            with committing(name):
                handle = _ours(DeltaTable(str(self._root / name)), name)
                head = self._heads[name] = _Head(handle, handle.version(), _data_files(handle))
        elif (self._root / name / "_delta_log" / f"{head.version + 1:020}.json").exists():
            self.refresh(name)
        return self._heads[name]

    def full_path(self, name: str, file: DataFile) -> str:
        return (self._root / name / file.path).as_posix()

    def add(self, table: Table, query: str, where: Where | None = None) -> list[AddAction]:
        """The rows of `query` stand in new Parquet files, not yet committed; empty for no rows. `where`, if it names
        one value for each partition column, tells the partition without a look at the rows."""
        known = {name: next(iter(values)) for name, values in (where or {}).items() if name in table.partition_by}
        partitions = [known] if len(known) == len(table.partition_by) else self._partitions(table, query)
        return [action for values in partitions for action in self._write(table, query, values)]

    def commit(self, name: str, added: Sequence[AddAction], removed: Sequence[DataFile] = ()) -> int:
        """One commit that adds and removes files; its version."""
        handle, head = self.handle(name), self._heads[name]
        with committing(name):
            handle.create_write_transaction(
                [*added, *map(_remove, removed)],
                mode="append",
                schema=handle.schema(),
                partition_by=handle.metadata().partition_columns or None,
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        gone = {file.path for file in removed}
        kept = tuple(file for file in head.files if file.path not in gone)
        self._heads[name] = _Head(handle, head.version + 1, (*kept, *map(_added, added)))
        return head.version + 1

    def _partitions(self, table: Table, query: str) -> list[dict[str, str]]:
        columns = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in table.partition_by)
        found = self._connection.execute(f"SELECT DISTINCT {columns} FROM ({query}) ORDER BY ALL").fetchall()
        return [dict(zip(table.partition_by, row, strict=True)) for row in found]

    def _write(self, table: Table, query: str, partition: dict[str, str]) -> list[AddAction]:
        inside = "/".join(f"{name}={value}" for name, value in partition.items())
        path = f"{inside}/{uuid.uuid4()}.parquet" if inside else f"{uuid.uuid4()}.parquet"
        target = self._root / table.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        condition = " AND ".join(
            f"CAST({quote(name)} AS VARCHAR) = {literal(value)}" for name, value in partition.items()
        )
        columns = ", ".join(quote(name) for name in table.column_names if name not in partition)
        written = self._connection.execute(
            f"COPY (SELECT {columns} FROM ({query}) WHERE {condition or 'true'})"
            f" TO {literal(target.as_posix())}"
            " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, RETURN_STATS)"
        ).fetchall()
        count, size, statistics = written[0][1], written[0][2], written[0][4]
        if not count:
            target.unlink()
            return []
        return [
            AddAction(path, size, dict(partition), int(time.time() * 1000), True, _statistics(table, count, statistics))
        ]


def _ours(handle: DeltaTable, name: str) -> DeltaTable:
    layout = handle.metadata().configuration.get(LAYOUT_PROPERTY)
    if layout is None:
        raise TableForeign(
            "table_foreign",
            f"the table {name} was not made by cartlake",
            hint="Move it away, or give this project another lake folder ([engine] lake in cartlake.toml).",
        )
    if int(layout) > LAYOUT:
        raise TableForeign(
            "table_newer",
            f"the table {name} has layout {layout}; this cartlake knows {LAYOUT}",
            hint="Install the cartlake version that wrote it, or a newer one.",
        )
    return handle


@contextmanager
def committing(name: str) -> Iterator[None]:
    """Errors of delta-rs become ours. Its texts may quote rows, so only their first words and the table are kept."""
    try:
        with mapped(f"table {name}"):
            yield
    except TableNotFoundError:
        raise TableMissing("table_missing", f"there is no table {name}") from None
    except CommitFailedError:
        raise CommitConflict(
            "commit_conflict", f"another process committed to {name} at the same time", hint="Run it again."
        ) from None
    except DeltaError as error:
        raise EngineError("engine_failed", f"table {name}: {str(error).split(':')[0][:200]}") from None


def _data_files(handle: DeltaTable) -> tuple[DataFile, ...]:
    actions = handle.get_add_actions(flatten=False)
    columns = {name: actions.column(name).to_pylist() for name in actions.schema.names}
    count = len(columns["path"])
    nothing: list[dict[str, object]] = [{}] * count
    return tuple(
        DataFile(
            path, size, {n: str(value) for n, value in partition.items()}, _known(least), _known(most), _known(nulls)
        )
        for path, size, partition, least, most, nulls in zip(
            columns["path"],
            columns["size_bytes"],
            columns.get("partition", nothing),
            columns.get("min", nothing),
            columns.get("max", nothing),
            columns.get("null_count", nothing),
            strict=True,
        )
    )


def _known(bounds: Mapping[str, object] | None) -> dict[str, object]:
    return {name: value for name, value in (bounds or {}).items() if value is not None}


def _statistics(table: Table, count: int, columns: Mapping[str, Mapping[str, str]]) -> str:
    """Delta's statistics of a file from DuckDB's: bounds of text, integer and date columns, as the log spells them."""
    least: dict[str, object] = {}
    most: dict[str, object] = {}
    nulls: dict[str, int] = {}
    for column in table.columns:
        found = columns.get(quote(column.name))
        if found is None:
            continue
        nulls[column.name] = int(found.get("null_count", 0))
        low, high = found.get("min"), found.get("max")
        if low is None or high is None or column.type not in ("string", "bigint", "date"):
            continue
        if "false" in (found.get("min_is_exact"), found.get("max_is_exact")) or len(high) > _LONGEST_STATISTIC:
            continue
        least[column.name], most[column.name] = (int(low), int(high)) if column.type == "bigint" else (low, high)
    return json.dumps({"numRecords": count, "minValues": least, "maxValues": most, "nullCount": nulls})


def _added(action: AddAction) -> DataFile:
    statistics = json.loads(action.stats)
    partition = {name: str(value) for name, value in action.partition_values.items()}
    bounds = (statistics[part] for part in ("minValues", "maxValues", "nullCount"))
    return DataFile(action.path, action.size, partition, *bounds)


def _remove(file: DataFile) -> RemoveAction:
    return RemoveAction(file.path, True, int(time.time() * 1000), file.size, dict(file.partition))
