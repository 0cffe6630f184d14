"""Delta tables on a local disk: DuckDB writes the Parquet files, delta-rs reads the log and makes tables.

A data file's statistics go into the commit, so that later reads and replacements open only the files that can hold
what they look for. Its name ends in the hash of its bytes, so that damage can be found. Neither library flushes what it
writes to the disk: `sync` does.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from cartlake.core.table import Table
from cartlake.disk import Unsynced
from cartlake.engines.base import Commit, Where
from cartlake.engines.embedded.commits import write_commit
from cartlake.engines.embedded.duck import Duck, duck_type, mapped, quote
from cartlake.engines.embedded.files import DataFile, data_files, hashed_name, written_file
from cartlake.engines.embedded.schema import delta_schema
from cartlake.engines.embedded.tails import MOST_UNSYNCED, settle
from cartlake.engines.layout import ASK_VERIFY, CHECKPOINT_INTERVAL, LAYOUT_PROPERTY, PROPERTIES, require_ours
from cartlake.engines.upkeep import LOG, commit_path
from cartlake.errors import CommitConflict, EngineError, TableMissing
from cartlake.failpoints import reach


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

    def __init__(self, root: Path, database: Duck) -> None:
        self._root = root
        self._database = database
        self._heads: dict[str, _Head] = {}
        self._unsynced = Unsynced(root)
        self._commits_unsynced = 0

    def sync(self) -> None:
        """All that was committed so far survives a power failure."""
        with mapped("write to the disk"):
            reach("tables: sync")
            self._unsynced.sync()
        self._commits_unsynced = 0

    def recover(self, name: str) -> int:
        """The table's newest commit is whole, whatever the process or the power did; how many were set aside."""
        self._heads.pop(name, None)
        with mapped(f"put {name} in order"):
            tail = settle(self._root / name)
        for path in tail.whole:
            self._unsynced.add(path)
        return tail.set_aside

    def create(self, table: Table, mode: Literal["ignore", "overwrite"] = "ignore") -> None:
        folder = self._root / table.name
        if mode == "ignore" and any((folder / LOG).glob("*.json")):
            return
        version = 0 if mode == "ignore" else self.version(table.name) + 1
        with self._committing(table.name, version) as mark:
            DeltaTable.create(
                str(folder),
                schema=delta_schema(table),
                mode=mode,
                partition_by=list(table.partition_by) or None,
                configuration=PROPERTIES,
                raise_if_key_not_exists=False,
                commit_properties=_marked(mark),
            )

    def restore(self, name: str, version: int) -> int:
        """The newest version holds what `version` held; its number."""
        handle = self.handle(name)
        if handle.version() != version:
            with self._committing(name, handle.version() + 1) as mark:
                handle.restore(version, commit_properties=_marked(mark))
        return self.refresh(name)

    def reshape(self, table: Table) -> None:
        """The table has exactly these columns; if it had others, it is empty."""
        if self._head(table.name).handle.schema() != delta_schema(table):
            self.create(table, "overwrite")
            self.refresh(table.name)

    def widen(self, table: Table) -> int:
        """The table has, besides its own, the columns of `table`; its version."""
        known = {field.name for field in self._head(table.name).handle.schema().fields}
        lacking = [field for field in delta_schema(table).fields if field.name not in known]
        if lacking:
            handle = self.handle(table.name)
            with self._committing(table.name, handle.version() + 1) as mark:
                handle.alter.add_columns(lacking, commit_properties=_marked(mark))
            self.refresh(table.name)
        return self.version(table.name)

    def handle(self, name: str) -> DeltaTable:
        """The table at its newest version, ready to commit."""
        head = self._head(name)
        with committing(name):
            if head.handle.version() != head.version:
                head.handle.update_incremental()
        return head.handle

    def version(self, name: str) -> int:
        return self._head(name).version

    def commits(self, name: str, most: int) -> list[Commit]:
        with committing(name):
            told = self.handle(name).history(most)
        moments = (datetime.fromtimestamp(commit["timestamp"] / 1000, UTC) for commit in told)
        return [
            Commit(commit["version"], at, commit.get("operation", "")) for commit, at in zip(told, moments, strict=True)
        ]

    def files(self, name: str, version: int | None) -> tuple[DataFile, ...]:
        """The data files of a version."""
        head = self._head(name)
        if version is None or version == head.version:
            return head.files
        with committing(name):
            return data_files(DeltaTable(str(self._root / name), version=version))

    def opened(self, name: str, versions: Iterable[int | None]) -> tuple[dict[str, DataFile], list[int | None]]:
        """The data files of those versions that can be opened, by their paths, and the versions that cannot."""
        files, unopened = dict[str, DataFile](), list[int | None]()
        for version in versions:
            try:
                files |= {file.path: file for file in self.files(name, version)}
            except EngineError:
                unopened.append(version)
        return files, unopened

    def refresh(self, name: str) -> int:
        """The newest version after a commit that this object did not make file by file."""
        handle = self._heads[name].handle
        with committing(name):
            handle.update_incremental()
            self._heads[name] = _Head(handle, handle.version(), data_files(handle))
        return handle.version()

    def _head(self, name: str) -> _Head:
        head = self._heads.get(name)
        if head is None:
            with committing(name):
                handle = _ours(DeltaTable(str(self._root / name)), name)
                head = self._heads[name] = _Head(handle, handle.version(), data_files(handle))
        elif commit_path(self._root / name, head.version + 1).exists():
            self.refresh(name)
        return self._heads[name]

    def folder(self, name: str) -> Path:
        return self._root / name

    def full_path(self, name: str, file: DataFile) -> str:
        return f"{self._root.as_posix()}/{name}/{file.path}"

    def add(self, table: Table, query: str, where: Where | None = None) -> list[DataFile]:
        """The rows of `query`, cast to the table's types, stand in new Parquet files, not yet committed; none for no
        rows. `where`, if it names one value for each partition column, is the partition of all rows."""
        known = {name: next(iter(values)) for name, values in (where or {}).items() if name in table.partition_by}
        partitions = [known] if len(known) == len(table.partition_by) else self._partitions(table, query)
        if len(partitions) == 1:
            return self._write(table, query, partitions[0])
        return [action for each in partitions for action in self._write(table, self._only(table, query, each), each)]

    def commit(
        self, name: str, added: Sequence[DataFile], removed: Sequence[DataFile] = (), *, is_change: bool = True
    ) -> int:
        """One commit that adds and removes files; its version. Without `is_change` the rows are the same."""
        head, gone = self._head(name), {file.path for file in removed}
        version = head.version + 1
        with self._committing(name, version) as mark:
            write_commit(commit_path(self._root / name, version), mark, added, removed, is_change)
            kept = tuple(file for file in head.files if file.path not in gone)
            self._heads[name] = _Head(head.handle, version, (*kept, *added))
            if version % CHECKPOINT_INTERVAL == 0:
                self.handle(name).create_checkpoint()
        return version

    @contextmanager
    def _committing(self, name: str, version: int) -> Iterator[str]:
        """What is done inside commits `version`, with the mark given. An error after the commit stands (a checkpoint is
        written after it) is none: what was asked for has happened."""
        mark = uuid.uuid4().hex
        try:
            with committing(name):
                reach(f"{name}: commit")
                yield mark
                reach(f"{name}: committed")
        except EngineError:
            if not self._stands(name, version, mark):
                raise
        log = commit_path(self._root / name, version)
        self._unsynced.add(log)
        for checkpoint in (log.with_name("_last_checkpoint"), *log.parent.glob(f"{log.stem}.checkpoint*")):
            self._unsynced.add(checkpoint)
        self._commits_unsynced += 1
        if self._commits_unsynced == MOST_UNSYNCED:
            self.sync()

    def _stands(self, name: str, version: int, mark: str) -> bool:
        try:
            return mark in commit_path(self._root / name, version).read_text("utf-8")
        except OSError:
            return False

    def _partitions(self, table: Table, query: str) -> list[dict[str, str]]:
        columns = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in table.partition_by)
        found = self._database.run(f"SELECT DISTINCT {columns} FROM ({query}) ORDER BY ALL")
        return [dict(zip(table.partition_by, row, strict=True)) for row in found]

    def _only(self, table: Table, query: str, partition: Mapping[str, str]) -> str:
        """The rows of a query that belong to one partition."""
        bound = {name: self._database.bind(table.name, f"only_{name}", value) for name, value in partition.items()}
        same = " AND ".join(f"CAST({quote(name)} AS VARCHAR) = {value}" for name, value in bound.items())
        return f"SELECT * FROM ({query}) WHERE {same}"

    def _write(self, table: Table, query: str, partition: dict[str, str]) -> list[DataFile]:
        inside = "/".join(f"{name}={value}" for name, value in partition.items())
        folder = self._root / table.name / inside
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{uuid.uuid4().hex}.tmp"
        columns = ", ".join(
            f"{quote(column.name)}::{duck_type(column.type)} AS {quote(column.name)}"
            for column in table.columns
            if column.name not in partition
        )
        written = self._database.run(
            f"COPY (SELECT {columns} FROM ({query})) TO {self._database.bind(table.name, 'target', part.as_posix())}"
            " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, RETURN_STATS)"
        )
        count, size, statistics = written[0][1], written[0][2], written[0][4]
        if not count:
            part.unlink()
            return []
        reach(f"{table.name}: written")
        target = part.rename(folder / hashed_name(part))
        self._unsynced.add(target)
        path = target.relative_to(self._root / table.name).as_posix()
        return [written_file(table, path, partition, size, count, statistics)]


def _marked(mark: str) -> CommitProperties:
    return CommitProperties(custom_metadata={"cartlake": mark}, max_commit_retries=0)


def _ours(handle: DeltaTable, name: str) -> DeltaTable:
    require_ours(name, handle.metadata().configuration.get(LAYOUT_PROPERTY))
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
        said = f"table {name} cannot be read or written, perhaps files are missing: {str(error).split(':')[0][:200]}"
        raise EngineError("engine_failed", said, hint=ASK_VERIFY) from None
