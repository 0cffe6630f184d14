"""What Spark's workers do: the strict splitter over parts of a file. They need nothing but Python and PyArrow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cartlake.core.header import Layout
from cartlake.core.items import Bad, Record
from cartlake.core.lines import physical_lines
from cartlake.core.profile import Split

NUMBERS = ("_record", "_line", "_start", "_end")
TEXTS = ("_raw", "_reason")
_CHUNK = 20_000


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
        kinds = [*(pa.int64() for _ in NUMBERS), *(pa.string() for _ in range(len(TEXTS) + width))]
        names = [*NUMBERS, *TEXTS, *(f"c{place}" for place in range(width))]
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
