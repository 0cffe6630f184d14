"""DuckDB as cartlake uses it: hardened, in UTC, results always fetched to the end, errors mapped and scrubbed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from arro3.core import Array, DataType, Table

from cartlake.core.table import Column
from cartlake.errors import EngineError

_SHORT = 3000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


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


def connect(folders: Sequence[Path], temporary: Path, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    """A connection that opens files below `folders` and `temporary` only, loads nothing, and stays so."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "python_enable_replacements": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": memory_limit,
            "temp_directory": str(temporary),
        },
    )
    allowed = ", ".join(literal(str(folder)) for folder in (*folders, temporary))
    settings = [
        "SET timezone = 'UTC'",
        f"SET allowed_directories = [{allowed}]",
        "SET enable_progress_bar = false",
        "SET parquet_metadata_cache = true",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ]
    if threads:
        settings.insert(0, f"SET threads = {threads}")
    for setting in settings:
        connection.execute(setting).fetchall()
    return connection


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Foreign errors become EngineError: the kind and the words of the engine, every quoted text blanked, because
    engines quote cells."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        said = _QUOTED.sub("'…'", str(error)).split("\n\n")[0].replace("\n", " ")[:500]
        raise EngineError("engine_failed", f"{doing}: {type(error).__name__}: {said}") from None


def register(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], rows: Iterable[Sequence[object]]
) -> None:
    """A temporary table `name` of `rows`; values cross as text or integers and are cast to their column's type."""
    table = f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS SELECT " + ", ".join(_decoded(column) for column in columns)
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [Array([_encoded(value) for value in values], DataType.string()) for values in by_column]
    connection.register("_values", Table.from_arrays(arrays, names=[column.name for column in columns]))
    try:
        connection.execute(f"{table} FROM _values").fetchall()
    finally:
        connection.unregister("_values")


def few_rows(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> str | None:
    """A query of `rows`, or None if its text would cost more than a table of them or cannot hold a value."""
    if not rows:
        nulls = ", ".join(f"NULL::{duck_type(column.type)} AS {quote(column.name)}" for column in columns)
        return f"SELECT {nulls} WHERE false"
    texts = [[_encoded(value) for value in row] for row in rows]
    joined = "".join(text or "NULL" for row in texts for text in row)
    if len(joined) > _SHORT or "\0" in joined:
        return None
    shown = ", ".join(_decoded(column) for column in columns)
    listed = ", ".join(f"({', '.join('NULL' if text is None else literal(text) for text in row)})" for row in texts)
    return f"SELECT {shown} FROM (VALUES {listed}) v({', '.join(quote(column.name) for column in columns)})"


def _encoded(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return str((value - EPOCH) // MICROSECOND)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _decoded(column: Column) -> str:
    name, kind = quote(column.name), duck_type(column.type)
    if column.type == "timestamp":
        return f"timezone('UTC', make_timestamp(CAST({name} AS BIGINT))) AS {name}"
    if column.type.startswith("map<"):
        return f"CAST(CAST({name} AS JSON) AS {kind}) AS {name}"
    return f"CAST({name} AS {kind}) AS {name}"


def fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[dict[str, object]]]:
    """Columns and rows of a query; zoned timestamps, nested ones too, come as aware UTC datetimes without any time zone
    library."""
    result = connection.execute(sql)
    kinds = {column[0]: str(column[1]) for column in result.description or ()}
    names = [column[0] for column in result.description or ()]
    zoned = {name: kind for name, kind in kinds.items() if _ZONED in kind}
    if zoned:
        columns = (_without_zone(quote(name), zoned.get(name, "")) for name in kinds)
        result = connection.execute(f"SELECT {', '.join(columns)} FROM ({sql})")
    return names, [
        {name: _zoned(value) if name in zoned else value for name, value in zip(names, row, strict=True)}
        for row in result.fetchall()
    ]


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
