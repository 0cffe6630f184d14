"""What Spark's workers do: the strict splitter over parts of a file. They need nothing but Python and PyArrow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import csv

from cartlake.core.clean import delimiters_between_cells
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
    is_clean: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch.to_pylist():
                fast = self.read_clean(**part) if self.is_clean else None
                if fast is not None:
                    yield fast
                    continue
                items = self._items(**part)
                while chunk := list(itertools.islice(items, _CHUNK)):
                    yield self._batch(chunk)

    def read_clean(self, start: int, end: int, line: int) -> pa.RecordBatch | None:
        """The records of a part of a clean file as PyArrow reads them, if it reads one from each line."""
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        if not start:
            start = data.find(b"\n") + 1
            data, line = data[start:], line + 1
        lines = data.splitlines(keepends=True)
        while lines and not lines[-1].strip(b"\r\n"):
            lines.pop()
        cells = self._cells(data, len(lines))
        if cells is None:
            return None
        ends = list(itertools.accumulate(map(len, lines), initial=start))
        numbers = (range(line - 1, line - 1 + len(lines)), range(line, line + len(lines)), ends[:-1], ends[1:])
        texts = [pa.nulls(len(lines), pa.string())] * len(TEXTS)
        arrays = [*(pa.array(each, pa.int64()) for each in numbers), *texts, *cells]
        return pa.RecordBatch.from_arrays(arrays, names=self._names)

    def _cells(self, data: bytes, count: int) -> list[pa.Array] | None:
        """The columns of the lines, if each is surely one record and none the header again."""
        delimiter, names = self.layout.delimiter, [str(place) for place in range(len(self.layout.columns))]
        if not count or delimiters_between_cells([data], delimiter) != (len(names) - 1) * count:
            return None
        try:
            found = csv.read_csv(
                pa.BufferReader(data),
                csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
                csv.ParseOptions(delimiter=delimiter),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
                ),
            )
        except pa.ArrowInvalid:
            return None
        columns = [column.combine_chunks() for column in found.columns]
        name = self.layout.names[0]
        is_header = pc.any(pc.equal(columns[0], name) if name else pc.is_null(columns[0])).as_py()
        return None if found.num_rows != count or is_header else columns

    @property
    def _names(self) -> list[str]:
        return [*NUMBERS, *TEXTS, *(f"c{place}" for place in range(len(self.layout.columns)))]

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
        arrays = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, names=self._names)


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
