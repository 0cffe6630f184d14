"""Records of a file on Spark: the strict splitter, in parallel over the parts of the file that can be read apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from cartlake.core.header import Layout
from cartlake.engines.base import RecordSource
from cartlake.engines.spark.errors import mapped
from cartlake.engines.spark.reader import NUMBERS, TEXTS, Reader
from cartlake.engines.spark.text import literal, quote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from cartlake.engines.spark.work import Work

_PART = pa.schema([("start", pa.int64()), ("end", pa.int64()), ("line", pa.int64())])
_SMALL = 4 << 20  # bytes of a file that the driver splits itself: starting workers takes longer


def keep_items(session: SparkSession, work: Work, source: RecordSource) -> tuple[str, int, int]:
    """The view of the items of the file, how many they are, and how many of them are no records. They have `_record`,
    `_line`, `_start`, `_end`, `_raw` and `_reason` (of what is no record), and the cells `c0`, `c1`, …"""
    reader = Reader(source.path, source.codec, source.layout, source.may_be_read_fast)
    parts = pa.Table.from_pylist(_parts(source), _PART)
    texts = (*TEXTS, *(f"c{place}" for place in range(len(source.layout.columns))))
    if source.profile.bytes <= _SMALL:
        kinds = [*((name, pa.int64()) for name in NUMBERS), *((name, pa.string()) for name in texts)]
        with mapped(f"read {source.path.name}"):
            items = pa.Table.from_batches(reader(parts.to_batches()), pa.schema(kinds))
        if items.num_rows:
            return work.put(items, source.path.name), items.num_rows, items.num_rows - items["_reason"].null_count
    schema = ", ".join([*(f"{name} bigint" for name in NUMBERS), *(f"{name} string" for name in texts)])
    with mapped(f"read {source.path.name}"):
        result = session.createDataFrame(parts).mapInArrow(reader, schema)
    view, rows, counts = work.keep(result, source.path.name, {"unreadable": "_reason IS NOT NULL"})
    return view, rows, counts["unreadable"]


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
