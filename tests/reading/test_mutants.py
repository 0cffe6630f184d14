"""Mutated files: nothing is lost, absorbed or invented, whatever stands in them."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.core.header import check_encoding, find_layout, header_text, named_delimiter
from cartlake.core.items import Bad, Blank, Header, Item, Record
from cartlake.core.lines import physical_lines
from cartlake.core.profile import Profile, Profiler
from cartlake.core.records import Dialect, split
from cartlake.engines.base import RecordSource
from cartlake.engines.registry import open_engine
from cartlake.errors import FileRejected
from cartlake.settings import load_settings
from tests.reading.intake import changed
from tests.reading.mutants import Mutant, Told, mutant, read_plainly

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MANY, PARTS = 20_000, 8
LIMIT = 4_000  # bytes of a line: some mutants have longer ones
REASONS = {"unclosed_quote", "stray_quote", "too_few_cells", "too_many_cells", "nul_byte", "undecodable"} | {
    "line_too_long",
    "repeated_header",
}
REJECTIONS = {"file_empty", "not_csv", "not_utf8", "not_a_table", "header_missing"} | {
    "header_missing_columns",
    "header_ambiguous",
}


def items_of(data: bytes, dialect: Dialect) -> list[Item]:
    return list(split(physical_lines(io.BytesIO(data), dialect.encoding, dialect.max_line), dialect))


def told(items: list[Item], lines: int) -> list[Told]:
    starts = [*(item.line for item in items), lines + 1]
    return [(item.line, end - start, _what(item)) for item, (start, end) in zip(items, pairwise(starts), strict=True)]


def _what(item: Item) -> object:
    return item.reason if isinstance(item, Bad) else () if isinstance(item, Blank) else item.cells


def require_sound(of: Mutant, profile: Profile, items: list[Item]) -> None:
    """The items, joined, are the file; ordinals count; raw texts are those of the bytes; a clean file is what `clean`
    promises."""
    assert b"".join(of.data[item.start : item.end] for item in items) == of.data, f"bytes are lost: {of}"
    assert [item.start for item in items] == [0, *(item.end for item in items[:-1])][: len(items)], str(of)
    numbered = [item for item in items if isinstance(item, Record | Bad)]
    assert [item.ordinal for item in numbered] == list(range(1, len(numbered) + 1)), str(of)
    for bad in (item for item in items if isinstance(item, Bad)):
        text = of.data[bad.start : bad.end].decode(of.encoding, "backslashreplace").rstrip("\r\n")
        assert bad.reason in REASONS, str(of)
        assert text == bad.raw or (len(bad.raw) >= LIMIT // 4 and text.startswith(bad.raw[:-4])), str(of)
    assert sum(isinstance(item, Header) for item in items) <= 1, str(of)
    if profile.clean:
        assert len(numbered) == profile.records_if_clean, f"clean, but of {len(numbered)} records: {of}"
        assert all(item.line == item.ordinal + 1 for item in numbered), str(of)


def profiled(data: bytes, chunk: int) -> Profile:
    profiler = Profiler()
    for start in range(0, len(data), chunk):
        profiler.update(data[start : start + chunk])
    return profiler.finish()


def layout_of(of: Mutant, profile: Profile) -> RecordSource | None:
    """How the stage load would read the file; None if it rejects it."""
    named = None if of.encoding == "utf-8" else of.encoding.replace("cp1252", "windows-1252")
    contract = changed("orders", {"encoding": named})
    try:
        codec = check_encoding(profile, of.data[:4096], contract)
        layout = find_layout(header_text(of.data, codec), contract, named_delimiter(of.data, codec))
        return RecordSource(Path(), profile, codec, layout)
    except FileRejected as error:
        rejected = error.code
    assert rejected in REJECTIONS, str(of)
    return None


def mutants(start: int, count: int) -> Iterator[Mutant]:
    return map(mutant, range(start, start + count))


def require_conserved(of: Mutant) -> bool:
    """Whether the file would be read at all. Read or not, its records are those that a plain reading finds."""
    profile = profiled(of.data, 1 + of.seed % 50)
    source = layout_of(of, profile)
    codec = source.codec if source else of.encoding
    delimiter, width = (source.layout.delimiter, len(source.layout.names)) if source else (of.delimiter, 5)
    dialect = Dialect(delimiter, width, codec, LIMIT)
    items = items_of(of.data, dialect)
    require_sound(Mutant(of.seed, of.data, delimiter, codec), profile, items)
    plain = read_plainly(of.data, delimiter, width, codec, LIMIT)
    assert told(items, sum(lines for _, lines, _ in plain)) == plain, str(of)
    return source is not None


@pytest.mark.parametrize("part", range(PARTS))
def test_a_mutated_file_is_read_as_a_plain_reading_reads_it(part: int) -> None:
    many = MANY // PARTS
    read = sum(map(require_conserved, mutants(part * many, many)))
    assert many * 0.5 < read < many * 0.95, "most are read, some are rejected"


def read_by_engine(folder: Path, start: int, count: int, engine: str = "embedded", **given: object) -> tuple[int, int]:
    """Records by the engine are those of the splitter; how many files its fast reader read, and how many not."""
    settings = load_settings(folder, {}, {"engine": {"name": engine}})
    settings.archive_folder.mkdir()
    opened = open_engine(settings, **given)
    fast = slow = 0
    try:
        for of in mutants(start, count):
            source = layout_of(of, profiled(of.data, 1 << 20))
            if source is None:
                continue
            path = settings.archive_folder / f"{of.seed}.csv"
            path.write_bytes(of.data)
            source = RecordSource(path, source.profile, source.codec, source.layout)
            with opened.scope():
                counted = opened.records("records", source)
                names = [name for name in source.layout.columns if name]
                found = opened.rows("SELECT * FROM records ORDER BY _record")
                unreadable = opened.rows("SELECT * FROM records_unreadable ORDER BY _record")
            items = items_of(of.data, Dialect(source.layout.delimiter, len(source.layout.names), source.codec))
            good = [item for item in items if isinstance(item, Record)]
            bad = [item for item in items if isinstance(item, Bad)]
            cells = [(r.ordinal, r.line, *(r.cells[source.layout.columns.index(name)] for name in names)) for r in good]
            assert [(r["_record"], r["_line"], *(r[name] for name in names)) for r in found] == cells, str(of)
            shown = ("_record", "_line", "_start", "_end", "_raw", "_reason")
            assert [tuple(r[name] for name in shown) for r in unreadable] == [tuple(b) for b in bad], str(of)
            assert (counted.rows_in, counted.unreadable) == (len(good) + len(bad), len(bad)), str(of)
            is_fast = bool(found) and found[0]["_start"] is None
            fast, slow = fast + is_fast, slow + (not is_fast)
    finally:
        opened.close()
    return fast, slow


def test_an_engine_reads_mutated_files_as_the_splitter_does(tmp_path: Path) -> None:
    fast, slow = read_by_engine(tmp_path, 0, 1_500)
    assert fast > 100
    assert slow > 500


def test_a_worker_reads_parts_of_a_clean_file_fast_as_the_splitter_does(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="comes with Spark")
    from cartlake.engines.spark.reader import Reader

    fast = slow = 0
    for of in mutants(0, 3_000):
        source = layout_of(of, profiled(of.data, 1 << 20))
        if source is None or not source.profile.clean or source.codec != "utf-8":
            continue
        path, data = tmp_path / "file.csv", of.data
        if of.seed % 2 and data.endswith(b"\n"):
            data += data.splitlines(keepends=True)[0].removeprefix(codecs.BOM_UTF8)
        path.write_bytes(data)
        reader = partial(Reader, path, source.codec, source.layout)
        for part in parted(data):
            batch = pa.RecordBatch.from_pylist([part])
            quickly, strictly = (list(reader(is_clean)([batch])) for is_clean in (True, False))
            assert quickly == strictly, f"{part} of {of}"
            is_fast = reader(True).read_clean(**part) is not None
            fast, slow = fast + is_fast, slow + (not is_fast)
    assert fast > 300
    assert slow > 50


def parted(data: bytes) -> list[dict[str, int]]:
    """A clean file in two parts, as Spark's workers read them."""
    lines = data.splitlines(keepends=True)
    half = max(1, len(lines) // 2)
    cut = len(b"".join(lines[:half]))
    parts = [{"start": 0, "end": cut, "line": 1}, {"start": cut, "end": len(data), "line": half + 1}]
    return [part for part in parts if part["start"] < part["end"]]


@pytest.mark.slow
@pytest.mark.spark
def test_spark_reads_mutated_files_as_the_splitter_does(tmp_path: Path, spark_session: SparkSession) -> None:
    fast, slow = read_by_engine(tmp_path, 0, 60, "spark", session=spark_session)
    assert (fast, slow > 20) == (0, True)


@pytest.mark.slow
def test_other_mutated_files_are_read_so_too(tmp_path: Path) -> None:
    """Which ones is told on failure; `mutant(seed)` makes a file again."""
    start = int.from_bytes(os.urandom(4))
    for of in mutants(start, 100_000):
        require_conserved(of)
    read_by_engine(tmp_path, start, 10_000)
