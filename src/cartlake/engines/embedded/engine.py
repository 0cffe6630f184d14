"""The verbs of `engines.base` on DuckDB and delta-rs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Literal

from cartlake.core.dialect import compile_sql, tables_of
from cartlake.core.sqltext import names
from cartlake.core.table import Column, Table
from cartlake.engines import upkeep
from cartlake.engines.alone import Alone
from cartlake.engines.base import Commit, Compaction, RecordCount, RecordSource, Removal, Row, Value, Where
from cartlake.engines.embedded import reading
from cartlake.engines.embedded.duck import Duck, duck_type, encoded, literal, mapped, no_rows, quote, rows_query
from cartlake.engines.embedded.files import DataFile, is_intact
from cartlake.engines.embedded.storage import DeltaStore
from cartlake.engines.layout import cannot_be
from cartlake.engines.relations import Relations, View
from cartlake.engines.scratch import Scratch
from cartlake.engines.selects import check_select
from cartlake.errors import UsageError
from cartlake.settings import Settings

_FEW = 50  # rows that are cheaper as part of a query than as a table
_KEPT = "_kept"


class EmbeddedEngine(Alone):
    """DuckDB in memory over the Delta tables of one lake folder. One writer at a time: callers hold the lake's lock."""

    target: Literal["duckdb"] = "duckdb"
    rows_at_once: int | None = 2_000_000  # DuckDB does not spill every join (docs/adr/0055)

    def __init__(self, settings: Settings) -> None:
        settings.lake_folder.mkdir(parents=True, exist_ok=True)
        self._scratch = Scratch(settings.project)
        folders = [settings.lake_folder, settings.archive_folder]
        with mapped("start DuckDB"):
            self._duck = Duck(folders, self._scratch.folder, settings.engine.memory_limit, settings.engine.threads)
        self._store = DeltaStore(settings.lake_folder, self._duck)
        self._relations = Relations(_cte, self._drop)
        self._tables: set[str] = set()
        self._empties: dict[str, Table] = {}

    def scope(self) -> AbstractContextManager[None]:
        return self._relations.scope()

    def close(self) -> None:
        self._duck.close()
        self._scratch.close()

    def create(self, table: Table) -> None:
        self._store.create(table)

    def version(self, table: str) -> int:
        return self._store.version(table)

    def commits(self, table: str, most: int) -> list[Commit]:
        return self._store.commits(table, most)

    def sync(self) -> None:
        self._store.sync()

    def recover(self, tables: Iterable[str]) -> dict[str, int]:
        set_aside = {name: self._store.recover(name) for name in tables}
        self.sync()
        return {name: count for name, count in set_aside.items() if count}

    def damage(self, table: Table, versions: Iterable[int | None]) -> list[str]:
        files, unopened = self._store.opened(table.name, versions)
        found = cannot_be("opened", unopened)
        for path, file in files.items():
            if not is_intact(Path(self._store.full_path(table.name, file)), file.size):
                found.append(f"{path} is gone, or not what was written")
            elif file.is_ours and not self._is_as_told(table, file):
                found.append(f"the log tells otherwise of {path} than what it holds")
        return found

    def _is_as_told(self, table: Table, file: DataFile) -> bool:
        """Whether a file has as many rows, and their values the bounds, as the log says."""
        bounded = [name for name in table.column_names if name in file.least and name in file.most]
        bounds = [f"{bound}({quote(name)})" for name in bounded for bound in ("min", "max")]
        query = f"SELECT {', '.join(['count(*)', *bounds])} FROM ({self._scan(_KEPT, table, [file])})"
        told = [each for name in bounded for each in (file.least[name], file.most[name])]
        with mapped(f"look at {table.name}"):
            return [str(value) for value in self._duck.run(query)[0]] == [str(value) for value in (file.rows, *told)]

    def append(self, table: Table, relation: str) -> int:
        with mapped(f"append to {table.name}"):
            added = self._store.add(table, self._rows(relation))
        return self._store.commit(table.name, added) if added else self.version(table.name)

    def replace(self, table: Table, where: Where, relation: str | None) -> int:
        if not where:
            self._store.reshape(table)
        outdated = [file for file in self._store.files(table.name, None) if file.may_hold(where)]
        mixed = [file for file in outdated if not file.is_within(where)]
        with mapped(f"replace in {table.name}"):
            added = self._store.add(table, self._rows(relation), where) if relation else []
            if mixed:
                kept = f"{self._scan(_KEPT, table, mixed)} WHERE NOT coalesce({self._belongs(_KEPT, where)}, false)"
                added += self._store.add(table, kept)
        return self._store.commit(table.name, added, outdated) if added or outdated else self.version(table.name)

    def merge(self, table: Table, changes: str) -> int:
        """Copy on write: the files that hold a changed key are written again without those keys, with the new rows."""
        old = f"SELECT {names(table.key)} FROM {changes} WHERE _change <> 'insert'"
        if not self.materialise("_old_keys", old):
            return self.append(table, changes)
        outdated = self._holding(table, "_old_keys")
        same_key = " AND ".join(f"t.{quote(name)} = c.{quote(name)}" for name in table.key)
        columns = ", ".join(f"t.{quote(name)}" for name in table.column_names)
        rows = self._relations.whole(f"SELECT {columns} FROM {quote(changes)} t WHERE _change <> 'delete'", [changes])
        kept = f"SELECT {columns} FROM ({self._scan(_KEPT, table, outdated)}) t ANTI JOIN _old_keys c ON {same_key}"
        with mapped(f"merge into {table.name}"):
            added = self._store.add(table, f"SELECT * FROM ({rows}) UNION ALL {kept}")
        self._relations.forget("_old_keys")
        return self._store.commit(table.name, added, outdated)

    def _holding(self, table: Table, keys: str) -> list[DataFile]:
        """The files of the newest version that hold a row of one of the keys."""
        files = {self._store.full_path(table.name, file): file for file in self._store.files(table.name, None)}
        if len(files) <= 1:
            return list(files.values())
        same_key = " AND ".join(f"t.{quote(name)} = k.{quote(name)}" for name in table.key)
        paths = self._duck.bind(keys, "files", list(files))
        with mapped(f"merge into {table.name}"):
            found = self._duck.run(
                f"SELECT DISTINCT t.filename FROM read_parquet({paths}, filename = true, union_by_name = true) t"
                f" SEMI JOIN {quote(keys)} k ON {same_key}"
            )
        return [files[path] for (path,) in found]

    def widen(self, table: Table) -> int:
        return self._store.widen(table) if table.evolves else self.version(table.name)

    def restore(self, table: str, version: int) -> int:
        return self._store.restore(table, version)

    def version_at(self, table: str, moment: datetime) -> int:
        with mapped(f"look at {table}"):
            return upkeep.version_at(self._store.folder(table), self.version(table), moment)

    def optimize(self, table: Table, *, dry_run: bool = False) -> Compaction:
        groups = upkeep.groups_to_join(self._store.files(table.name, None))
        outdated = [file for group in groups for file in group]
        if dry_run or not groups:
            return Compaction(self.version(table.name), len(outdated), len(groups))
        added = []
        with mapped(f"compact {table.name}"):
            for group in groups:
                partition = {name: [value] for name, value in group[0].partition.items()}
                added += self._store.add(table, self._scan(_KEPT, table, group), partition)
        version = self._store.commit(table.name, added, outdated, is_change=False)
        return Compaction(version, len(outdated), len(added))

    def vacuum(self, table: str, oldest_version: int, *, dry_run: bool = False) -> Removal:
        needed = {file.path for file in self._store.files(table, oldest_version)}
        with mapped(f"clean up {table}"):
            folder, newest = self._store.folder(table), self.version(table)
            return upkeep.clean_up(folder, oldest_version, newest, needed, dry_run=dry_run)

    def stream(
        self, folder: Path, checkpoint: Path, act: Callable[[object], None], every: float | None = None
    ) -> Generator[int | None]:
        del folder, checkpoint, act, every
        hint = "`cartlake watch` runs whenever something lands; `--engine spark` streams."
        raise UsageError("stream_unsupported", "the embedded engine has no streams", hint=hint)

    def read(self, name: str, table: Table, version: int | None = None, where: Where | None = None) -> None:
        files = [file for file in self._store.files(table.name, version) if file.may_hold(where or {})]
        is_whole = all(file.is_within(where or {}) for file in files)
        chosen = "" if is_whole else f" WHERE {self._belongs(name, where or {})}"
        self._relations.define(name, View(self._scan(name, table, files) + chosen))

    def differing(self, names: tuple[str, str], table: Table, versions: tuple[int, int]) -> None:
        before, after = ({file.path: file for file in self._store.files(table.name, version)} for version in versions)
        for name, files, others in ((names[0], before, after), (names[1], after, before)):
            own = [file for path, file in files.items() if path not in others]
            self._relations.define(name, View(self._scan(name, table, own)))

    def define(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> None:
        self._relations.define(name, View(self._compiled(name, sql, params), tables_of(sql)))

    def materialise(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> int:
        return self._make(name, self._relations.whole(self._compiled(name, sql, params), tables_of(sql)))

    def values(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        listed = [[encoded(value) for value in row] for row in rows]
        query = rows_query(columns, self._duck.bind(name, "rows", listed))
        if len(listed) > _FEW:
            self._make(name, query)
            self._duck.bind(name, "rows", [])
        else:
            self._relations.define(name, View(query))

    def records(self, name: str, source: RecordSource) -> RecordCount:
        for made in (name, f"{name}_cells", f"{name}_bad"):
            self._relations.forget(made)
        with mapped(f"read {source.path.name}"):
            count, records, unreadable = reading.records(self._duck, name, source)
        self._made(f"{name}_cells")
        self._made(f"{name}_bad")
        self._relations.define(name, View(records))
        self._relations.define(f"{name}_unreadable", View(unreadable))
        return count

    def rows(self, sql: str, params: Mapping[str, Value] | None = None) -> list[Row]:
        query = self._relations.whole(self._compiled("", sql, params), tables_of(sql))
        with mapped("query"):
            return self._duck.fetch(query)[1]

    def select(self, sql: str, relations: Collection[str]) -> tuple[list[str], list[Row]]:
        with mapped("query"):
            return self._duck.fetch(self._selected(sql, relations))

    def pieces(self, sql: str, relations: Collection[str]) -> tuple[list[str], Iterator[list[Row]]]:
        with mapped("query"):
            names, chunks = self._duck.stream(self._selected(sql, relations))
        return names, chunks

    def parquet(self, sql: str, relations: Collection[str]) -> tuple[Path, int]:
        path, query = self._scratch.new_file(".parquet"), self._selected(sql, relations)
        # Joined with nothing: DuckDB declares a column that it knows to hold no NULL now as one that never does.
        rows_of = f"SELECT found.* FROM ({query}) found POSITIONAL JOIN (SELECT 1 WHERE false) nothing"
        with mapped("export"):
            [(rows,)] = self._duck.run(f"COPY ({rows_of}) TO {literal(path.as_posix())} (FORMAT parquet)")
        return path, rows

    def _selected(self, sql: str, relations: Collection[str]) -> str:
        query, tables = check_select(sql, relations, self.target)
        return self._relations.whole(f"SELECT * FROM (\n{query}\n)", tables)

    def _compiled(self, relation: str, sql: str, params: Mapping[str, Value] | None) -> str:
        given = params or {}
        return compile_sql(sql, self.target, given, lambda name: self._duck.bind(relation, name, given[name]))

    def _make(self, name: str, query: str) -> int:
        """`name` is a table of the rows of `query`; how many they are."""
        self._relations.undefine(name)
        with mapped(f"compute {name}"):
            [(count,)] = self._duck.run(f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS {query}")
        self._made(name)
        return int(count)

    def _made(self, name: str) -> None:
        self._tables.add(name)
        self._relations.note(name)

    def _drop(self, name: str) -> None:
        if name in self._tables:
            self._tables.discard(name)
            with mapped(f"drop {name}"):
                self._duck.run(f"DROP TABLE IF EXISTS {quote(name)}")

    def _scan(self, relation: str, table: Table, files: Sequence[DataFile]) -> str:
        """A query of all rows of the files, for `relation`; its columns are the table's, in any order."""
        if not files:
            return f"SELECT * FROM {self._empty(table)}"
        paths = self._duck.bind(relation, "files", [self._store.full_path(table.name, file) for file in files])
        types = ", ".join(
            f"{quote(c.name)}: {duck_type(c.type)}" for c in table.columns if c.name in table.partition_by
        )
        partitions = f"hive_partitioning = true, hive_types = {{{types}}}" if types else "hive_partitioning = false"
        if all(file.is_ours for file in files) and not table.evolves:
            return f"SELECT * FROM read_parquet({paths}, {partitions})"
        columns = ", ".join(quote(name) for name in table.column_names)
        none = f"{no_rows(table.columns)} UNION ALL BY NAME " if table.evolves else ""
        return f"SELECT {columns} FROM ({none}SELECT * FROM read_parquet({paths}, {partitions}, union_by_name = true))"

    def _belongs(self, relation: str, where: Where) -> str:
        """Whether a row is within `where`."""
        conditions = []
        for column, values in where.items():
            bound = [self._duck.bind(relation, f"{column}_{n}", value) for n, value in enumerate(values)]
            conditions.append(f"CAST({quote(column)} AS VARCHAR) IN ({', '.join(bound) or 'NULL'})")
        return " AND ".join(conditions) or "true"

    def _empty(self, table: Table) -> str:
        """The name of a relation with the table's columns and no rows, made once."""
        name = f"_no_{table.name}"
        if self._empties.get(name) != table:
            with mapped(f"create {name}"):
                self._duck.run(f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS {no_rows(table.columns)}")
            self._empties[name] = table
        return quote(name)

    def _rows(self, relation: str) -> str:
        return self._relations.whole(f"SELECT * FROM {quote(relation)}", [relation])


def _cte(name: str, sql: str) -> str:
    """As views of DuckDB definitions would be bound each on its own, every time: for small batches most of a run."""
    return f"{quote(name)} AS NOT MATERIALIZED ({sql})"
