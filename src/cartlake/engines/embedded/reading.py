"""Records of a file in DuckDB: its own fast reader where the file is clean and the counts agree, else the splitter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import duckdb
from arro3.core import Array, DataType, Table

from cartlake.core.clean import delimiters_between_cells
from cartlake.core.header import Layout
from cartlake.core.items import Bad, Record
from cartlake.core.lines import physical_lines
from cartlake.engines.base import RecordCount, RecordSource
from cartlake.engines.embedded.duck import Duck, literal, quote

_CHUNK = 50_000
_BLOCK = 1 << 16  # bytes; larger ones are looked through more slowly
_UNREADABLE = {
    "_record": "BIGINT",
    "_line": "BIGINT",
    "_start": "BIGINT",
    "_end": "BIGINT",
    "_raw": "VARCHAR",
    "_reason": "VARCHAR",
}


def records(database: Duck, name: str, source: RecordSource) -> tuple[RecordCount, str, str]:
    """The queries of the relations `name` and `<name>_unreadable` of `Engine.records`. They read `<name>_cells` and, if
    the file is not clean, `<name>_bad`."""
    cells, selected = quote(f"{name}_cells"), _cells(source.layout)
    fast = _read_clean(database, name, source) if source.may_be_read_fast else None
    if fast is not None:
        places = (
            "rowid + 1 AS _record, rowid + 2 AS _line, CAST(NULL AS BIGINT) AS _start, CAST(NULL AS BIGINT) AS _end"
        )
        none = ", ".join(f"CAST(NULL AS {kind}) AS {column}" for column, kind in _UNREADABLE.items())
        return fast, f"SELECT {places}, {selected} FROM {cells}", f"SELECT {none} WHERE false"
    count = _split(database, name, source)
    return (
        count,
        f"SELECT _record, _line, _start, _end, {selected} FROM {cells}",
        f"SELECT * FROM {quote(name + '_bad')}",
    )


def _read_clean(database: Duck, name: str, source: RecordSource) -> RecordCount | None:
    """The file as DuckDB reads it, if it may be trusted with it: the looks at its quotes and delimiters take as long as
    a third of the reading, so they happen beside it."""
    with ThreadPoolExecutor(1) as beside:
        is_plain = beside.submit(_is_plain, source)
        count = _read_fast(database, name, source)
    return count if is_plain.result() else None


def _is_plain(source: RecordSource) -> bool:
    profile, layout = source.profile, source.layout
    with source.path.open("rb") as file:
        chunks = iter(lambda: file.read(_BLOCK), b"")
        found = delimiters_between_cells(chunks, layout.delimiter)
    return found == (len(layout.columns) - 1) * (profile.records_if_clean + 1)


def _read_fast(database: Duck, name: str, source: RecordSource) -> RecordCount | None:
    """The file as DuckDB reads it, if it reads it at all and finds as many records as the profile."""
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(source.layout.columns)))
    path = database.bind(name, "path", source.path.as_posix())
    try:
        [(counted,)] = database.run(
            f"CREATE OR REPLACE TEMP TABLE {quote(name + '_cells')} AS SELECT * FROM read_csv("
            f"{path}, columns = {{{columns}}}, delim = {literal(source.layout.delimiter)},"
            " auto_detect = false, header = true, quote = '\"', escape = '\"', strict_mode = true, nullstr = '')"
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    if counted != source.profile.records_if_clean:
        return None
    texts = enumerate(source.layout.names)
    header = " AND ".join(f"c{i} = {literal(cell)}" if cell else f"c{i} IS NULL" for i, cell in texts)
    [(headers,)] = database.run(f"SELECT count(*) FROM {quote(name + '_cells')} WHERE {header}")
    return None if headers else RecordCount(counted, 0)


def _split(database: Duck, name: str, source: RecordSource) -> RecordCount:
    width = len(source.layout.columns)
    cells = ", ".join(f"c{i} VARCHAR" for i in range(width))
    table = quote(name + "_cells")
    database.run(
        f"CREATE OR REPLACE TEMP TABLE {table} (_record BIGINT, _line BIGINT, _start BIGINT, _end BIGINT, {cells})"
    )
    bad_columns = ", ".join(f"{column} {kind}" for column, kind in _UNREADABLE.items())
    database.run(f"CREATE OR REPLACE TEMP TABLE {quote(name + '_bad')} ({bad_columns})")
    read = unreadable = 0
    with source.path.open("rb") as file:
        found = source.layout.items(physical_lines(file, source.codec), source.codec)
        items = (item for item in found if isinstance(item, (Record, Bad)))
        while chunk := list(itertools.islice(items, _CHUNK)):
            good = [(r.ordinal, r.line, r.start, r.end, *r.cells) for r in chunk if isinstance(r, Record)]
            bad = [(b.ordinal, b.line, b.start, b.end, b.raw, b.reason) for b in chunk if isinstance(b, Bad)]
            _insert(database, table, good, 4)
            _insert(database, quote(name + "_bad"), bad, 4)
            read += len(chunk)
            unreadable += len(bad)
    return RecordCount(read, unreadable)


def _insert(database: Duck, table: str, rows: Sequence[tuple[object, ...]], integers: int) -> None:
    if not rows:
        return
    columns: Iterator[tuple[object, ...]] = zip(*rows, strict=True)
    arrays = [
        Array(values, DataType.int64() if number < integers else DataType.string())
        for number, values in enumerate(columns)
    ]
    with database.registered("_chunk", Table.from_arrays(arrays, names=[f"v{i}" for i in range(len(arrays))])):
        database.run(f"INSERT INTO {table} SELECT * FROM _chunk")


def _cells(layout: Layout) -> str:
    known = [f"c{i} AS {quote(column)}" for i, column in enumerate(layout.columns) if column is not None]
    others = layout.rescued
    entries = ", ".join(f"{{'key': {literal(header)}, 'value': c{i}}}" for i, header in others.items())
    rescued = (
        f"map_from_entries(list_filter([{entries}], lambda e: e.value IS NOT NULL))"
        if others
        else "CAST(NULL AS MAP(VARCHAR, VARCHAR))"
    )
    return ", ".join([*known, f"{rescued} AS _rescued"])
