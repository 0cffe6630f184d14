"""Records of a file on Spark: the strict splitter, in parallel over the parts of the file that can be read apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from cartlake.core.header import Layout
from cartlake.engines.base import RecordSource
from cartlake.engines.spark.reader import NUMBERS, TEXTS, Reader
from cartlake.engines.spark.text import literal, quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PART = pa.schema([("start", pa.int64()), ("end", pa.int64()), ("line", pa.int64())])
# Up to here a file is split by the driver itself: starting a worker takes longer.
_SMALL = 4 << 20  # bytes


def split_here(source: RecordSource) -> pa.Table | None:
    """The items of a small file, as `split_in_parallel` has them; None of any other, and where there are none."""
    if source.profile.bytes > _SMALL:
        return None
    parts = pa.RecordBatch.from_pylist(_parts(source), _PART)
    kinds = [*((name, pa.int64()) for name in NUMBERS), *((name, pa.string()) for name in _texts(source))]
    return pa.Table.from_batches(_reader(source)([parts]), pa.schema(kinds)) or None


def split_in_parallel(session: SparkSession, source: RecordSource) -> DataFrame:
    """The items of the file: `_record`, `_line`, `_start`, `_end`, `_raw` and `_reason` (of what is no record), and the
    cells `c0`, `c1`, …"""
    parts = session.createDataFrame(pa.Table.from_pylist(_parts(source), _PART))
    schema = ", ".join([*(f"{name} bigint" for name in NUMBERS), *(f"{name} string" for name in _texts(source))])
    return parts.mapInArrow(_reader(source), schema)


def _reader(source: RecordSource) -> Reader:
    return Reader(source.path, source.codec, source.layout, source.may_be_read_fast)


def _texts(source: RecordSource) -> tuple[str, ...]:
    return (*TEXTS, *(f"c{place}" for place in range(len(source.layout.columns))))


def relations(layout: Layout, items: str) -> tuple[str, str]:
    """The queries of `records` and of its unreadable ones."""
    known = [f"c{place} AS {quote(column)}" for place, column in enumerate(layout.columns) if column is not None]
    others = layout.rescued
    entries = ", ".join(f"{literal(header)}, c{place}" for place, header in others.items())
    rescued = f"map_filter(map({entries}), (k, v) -> v IS NOT NULL)" if others else "CAST(NULL AS map<string,string>)"
    numbers = ", ".join(NUMBERS)
    good = f"SELECT {', '.join([numbers, *known])}, {rescued} AS _rescued FROM {quote(items)} WHERE _reason IS NULL"
    return good, f"SELECT {numbers}, {', '.join(TEXTS)} FROM {quote(items)} WHERE _reason IS NOT NULL"


def _parts(source: RecordSource) -> list[dict[str, int]]:
    """The byte ranges of the file that can be read apart, each with its first line."""
    starts = [(0, 1), *((found.start, found.line) for found in source.profile.splits)]
    ends = [*(start for start, _ in starts[1:]), source.profile.bytes]
    return [{"start": start, "end": end, "line": line} for (start, line), end in zip(starts, ends, strict=True)]
