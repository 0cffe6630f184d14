"""Records of a file on Spark: the strict splitter, in parallel over the parts of the file that can be read apart."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from cartlake.core.header import Layout
from cartlake.core.lines import physical_lines
from cartlake.core.profile import Split
from cartlake.core.records import Bad, Record
from cartlake.engines.base import RecordSource
from cartlake.engines.spark.text import literal, quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CHUNK = 20_000
_NUMBERS = ("_record", "_line", "_start", "_end")
_TEXTS = ("_raw", "_reason")
_PART = pa.schema([("start", pa.int64()), ("end", pa.int64()), ("line", pa.int64())])


def split_in_parallel(session: SparkSession, source: RecordSource) -> DataFrame:
    """The items of the file: `_record`, `_line`, `_start`, `_end`, `_raw` and `_reason` (of what is no record), and the
    cells `c0`, `c1`, …"""
    width = len(source.layout.columns)
    reader = Reader(source.path, source.codec, source.layout)
    parts = session.createDataFrame(pa.Table.from_pylist(_parts(source), _PART))
    texts = (*_TEXTS, *(f"c{place}" for place in range(width)))
    schema = ", ".join([*(f"{name} bigint" for name in _NUMBERS), *(f"{name} string" for name in texts)])
    return parts.mapInArrow(reader, schema)


def relations(layout: Layout, items: str) -> tuple[str, str]:
    """The queries of `records` and of its unreadable ones."""
    known = [f"c{place} AS {quote(column)}" for place, column in enumerate(layout.columns) if column is not None]
    others = layout.rescued
    entries = ", ".join(f"{literal(header)}, c{place}" for place, header in others.items())
    rescued = f"map_filter(map({entries}), (k, v) -> v IS NOT NULL)" if others else "CAST(NULL AS map<string,string>)"
    numbers = ", ".join(_NUMBERS)
    good = f"SELECT {', '.join([numbers, *known])}, {rescued} AS _rescued FROM {quote(items)} WHERE _reason IS NULL"
    return good, f"SELECT {numbers}, {', '.join(_TEXTS)} FROM {quote(items)} WHERE _reason IS NOT NULL"


def _parts(source: RecordSource) -> list[dict[str, int]]:
    """The byte ranges of the file that can be read apart, each with its first line."""
    starts = [(0, 1), *((found.start, found.line) for found in source.profile.splits)]
    ends = [*(start for start, _ in starts[1:]), source.profile.bytes]
    return [{"start": start, "end": end, "line": line} for (start, line), end in zip(starts, ends, strict=True)]


@dataclass(frozen=True)
class Reader:
    """What a worker does with parts of the file at `path`, which it must see too."""

    path: Path
    codec: str
    layout: Layout

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch.to_pylist():
                items = self._items(**part)
                while chunk := list(itertools.islice(items, _CHUNK)):
                    yield self._batch(chunk)

    def _items(self, start: int, end: int, line: int) -> Iterator[Record | Bad]:
        begin = Split(start, line) if start else None
        with self.path.open("rb") as file:
            part = _Part(file, start, end)
            for item in self.layout.items(physical_lines(part, self.codec), self.codec, begin):  # type: ignore[arg-type]
                if isinstance(item, Record | Bad):
                    yield item

    def _batch(self, items: Sequence[Record | Bad]) -> pa.RecordBatch:
        width = len(self.layout.columns)
        none = (None,) * width
        rows = [
            (*item[:4], None, None, *item.cells)
            if isinstance(item, Record)
            else (*item[:4], item.raw, item.reason, *none)
            for item in items
        ]
        kinds = [*(pa.int64() for _ in _NUMBERS), *(pa.string() for _ in range(len(_TEXTS) + width))]
        names = [*_NUMBERS, *_TEXTS, *(f"c{place}" for place in range(width))]
        arrays = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, names=names)


class _Part:
    """The bytes of a file from `start` to `end`, to be read in order."""

    def __init__(self, file: io.BufferedReader, start: int, end: int) -> None:
        file.seek(start)
        self._file = file
        self._left = end - start

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data
