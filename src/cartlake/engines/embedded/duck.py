"""DuckDB as cartlake uses it: hardened, in UTC, results always fetched to the end, errors mapped and scrubbed.

Reading the text of a query takes DuckDB 2 about a microsecond for each character, for a small batch a fifth of its
time. So what differs from batch to batch (paths, times, values) does not stand in the text but is bound to names like
`$orders_files`, and each text is read once in a process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from cartlake.core.table import Column
from cartlake.engines.layout import ASK_VERIFY
from cartlake.errors import EngineError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
_CHUNK = 10_000  # rows that are Python's at once
_TEXTS = re.compile(r"'[^']*'")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_MORE_MEMORY = "Give the engine more: `memory_limit` below `[engine]` in cartlake.toml. What was done stands."
_NO_SPACE = ("No space left on device", "not enough space on the disk")  # POSIX, Windows
_DAMAGED = (
    *("No files found that match", "Cannot open file", "Could not read", "too small to be a Parquet file"),
    *("No magic bytes found", "Footer length", "TProtocolException"),
)
_MAKE_ROOM = "Make room, then run it again. What was done stands."


def duck_type(spark_type: str) -> str:
    """The DuckDB spelling of a Spark SQL type; maps `<k,v>` included."""
    if spark_type.startswith("map<"):
        key, value = spark_type[4:-1].split(",", 1)
        return f"MAP({duck_type(key.strip())}, {duck_type(value.strip())})"
    return _TYPES.get(spark_type, spark_type.upper())


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Duck:
    """One database in memory. It opens files below `folders` and `temporary` only, loads nothing, and stays so."""

    def __init__(self, folders: Sequence[Path], temporary: Path, memory_limit: str, threads: int) -> None:
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "python_enable_replacements": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": memory_limit,
                "temp_directory": str(temporary),
            },
        )
        self._bound: dict[str, object] = {}
        allowed = ", ".join(literal(str(folder)) for folder in (*folders, temporary))
        settings = [
            *([f"SET threads = {threads}"] if threads else []),
            "SET timezone = 'UTC'",
            f"SET allowed_directories = [{allowed}]",
            "SET enable_progress_bar = false",
            "SET parquet_metadata_cache = true",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ]
        for setting in settings:
            self.run(setting)

    def close(self) -> None:
        self._connection.close()

    def bind(self, relation: str, part: str, value: object) -> str:
        """What stands for `value` in a query from now on, until the same part of the relation is bound again."""
        name = f"v{len(relation)}_{relation}_{part}"  # the length keeps (a_b, c) and (a, b_c) apart
        self._bound[name] = value
        return f"${name}"

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        return self._execute(sql).fetchall()

    def fetch(self, sql: str) -> tuple[list[str], list[dict[str, object]]]:
        """Columns and rows of a query; zoned timestamps, nested ones too, come as aware UTC datetimes without any time
        zone library."""
        names, chunks = self.stream(sql)
        return names, [row for chunk in chunks for row in chunk]

    def stream(self, sql: str) -> tuple[list[str], Iterator[list[dict[str, object]]]]:
        """The same, with the rows in lists of `_CHUNK`."""
        result = self._execute(sql)
        kinds = {column[0]: str(column[1]) for column in result.description or ()}
        names = [column[0] for column in result.description or ()]
        zoned = {name: kind for name, kind in kinds.items() if _ZONED in kind}
        if zoned:
            columns = (_without_zone(quote(name), zoned.get(name, "")) for name in kinds)
            result = self._execute(f"SELECT {', '.join(columns)} FROM ({sql})")
        return names, self._chunks(result, names, zoned)

    def _chunks(
        self, result: duckdb.DuckDBPyConnection, names: list[str], zoned: Collection[str]
    ) -> Iterator[list[dict[str, object]]]:
        while True:
            with mapped("query"):
                rows = result.fetchmany(_CHUNK)
            if not rows:
                return
            yield [
                {name: _zoned(value) if name in zoned else value for name, value in zip(names, row, strict=True)}
                for row in rows
            ]

    @contextmanager
    def registered(self, name: str, rows: object) -> Iterator[None]:
        """`name` is an Arrow table."""
        self._connection.register(name, rows)
        try:
            yield
        finally:
            self._connection.unregister(name)

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        statement = _parsed(sql)
        bound = {name: self._bound[name] for name in statement.named_parameters if name in self._bound}
        return self._connection.execute(statement, bound)


@lru_cache(maxsize=1024)
def _parsed(sql: str) -> duckdb.Statement:
    [statement] = _parser().extract_statements(sql)
    return statement


@lru_cache(maxsize=1)
def _parser() -> duckdb.DuckDBPyConnection:
    """A statement belongs to no connection; this one only reads them."""
    return duckdb.connect(":memory:")


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Foreign errors become EngineError: the kind and the words of the engine, every quoted text blanked, because
    engines quote cells. Names in double quotes stay where nothing was read yet: they are those of the query."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        if isinstance(error, OSError | duckdb.IOException) and any(words in str(error) for words in _NO_SPACE):
            raise EngineError("engine_failed", f"{doing}: no space is left on the disk", hint=_MAKE_ROOM) from None
        quoted = _TEXTS if isinstance(error, duckdb.BinderException | duckdb.CatalogException) else _QUOTED
        said = quoted.sub("'…'", str(error)).split("\n\n")[0].replace("\n", " ")[:500]
        hint = _MORE_MEMORY if isinstance(error, duckdb.OutOfMemoryException) else None
        if isinstance(error, duckdb.Error) and any(words in str(error) for words in _DAMAGED):
            hint = ASK_VERIFY
        raise EngineError("engine_failed", f"{doing}: {type(error).__name__}: {said}", hint=hint) from None


def no_rows(columns: Sequence[Column]) -> str:
    """A query of these columns without rows."""
    typed = (f"CAST(NULL AS {duck_type(column.type)}) AS {quote(column.name)}" for column in columns)
    return f"SELECT {', '.join(typed)} WHERE false"


def rows_query(columns: Sequence[Column], rows: str) -> str:
    """The query of `rows`, the place of a list of lists of texts, in the types of the columns."""
    decoded = ", ".join(_decoded(column, f"r[{number}]") for number, column in enumerate(columns, start=1))
    return f"SELECT {decoded} FROM (SELECT unnest(CAST({rows} AS VARCHAR[][])) AS r)"


def encoded(value: object) -> str | None:
    """A value as the text that `rows_query` takes."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return str((value - EPOCH) // MICROSECOND)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _decoded(column: Column, text: str) -> str:
    name, kind = quote(column.name), duck_type(column.type)
    if column.type == "timestamp":
        return f"timezone('UTC', make_timestamp(CAST({text} AS BIGINT))) AS {name}"
    if column.type.startswith("map<"):
        return f"CAST(CAST({text} AS JSON) AS {kind}) AS {name}"
    return f"CAST({text} AS {kind}) AS {name}"


def _without_zone(column: str, kind: str) -> str:
    """The column with its zoned timestamps as microseconds or, in lists, maps and structs, as the times in UTC."""
    if kind == _ZONED:
        return f"epoch_us({column}) AS {column}"
    return f"CAST({column} AS {kind.replace(_ZONED, 'TIMESTAMP')}) AS {column}" if kind else column


def _zoned(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return EPOCH + timedelta(microseconds=value)
    return _nested(value)


def _nested(value: Any) -> Any:
    match value:
        case datetime():
            return value.replace(tzinfo=UTC)
        case list() | tuple():
            return [_nested(each) for each in value]
        case dict():
            return {_nested(key): _nested(each) for key, each in value.items()}
    return value
