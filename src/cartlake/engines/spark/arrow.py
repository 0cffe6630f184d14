"""Rows of Python values to Arrow and back, in the types of `core.table`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from cartlake.core.table import Column

_TYPES = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
}


def arrow_type(spark_type: str) -> pa.DataType:
    if spark_type.startswith("map<"):
        key, value = spark_type[4:-1].split(",", 1)
        return pa.map_(arrow_type(key.strip()), arrow_type(value.strip()))
    if spark_type.startswith("decimal("):
        precision, scale = spark_type[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return _TYPES[spark_type]


def to_arrow(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> pa.Table:
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pa.array(values, arrow_type(column.type)) for values, column in zip(by_column, columns, strict=True)]
    return pa.table(arrays, names=[column.name for column in columns])


def from_arrow(table: pa.Table) -> list[dict[str, object]]:
    """Rows with Python's decimals and dates, datetimes in UTC, maps as dictionaries."""
    columns = [_values(table.column(place), field.type) for place, field in enumerate(table.schema)]
    return [dict(zip(table.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray, kind: pa.DataType) -> list[Any]:
    found: list[Any] = column.to_pylist()
    if pa.types.is_timestamp(kind):
        return [value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value for value in found]
    if pa.types.is_map(kind):
        return [None if value is None else dict(value) for value in found]
    return found
