"""What a record is: the strict splitter, the same for every engine.

The splitter never loses a byte: the ranges of its items, joined, are the file. What it
cannot read becomes a `Bad` item and reading resumes at the next physical line, so an unclosed quote costs one line
and not the good rows behind it. Quoting is RFC 4180, strictly: a quote opens only at the start of a cell, is doubled
inside, and is followed by the delimiter or the end of the record when it closes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, chain, count, islice
from typing import NamedTuple, cast

from cartlake.core.lines import Line, LongLine, raw_text
from cartlake.core.profile import MAX_LINE

MAX_SPAN = 1_000  # physical lines of one record
BLOCK = 256  # physical lines split at once

SEP_LINE = re.compile(r"\Asep=([^\r\n])[\r\n]*\Z", re.IGNORECASE)
"""What spreadsheets write and read as the first line of a file, to name its delimiter."""

_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')

Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class Dialect:
    """How to split: `encoding` is a Python codec, `width` the number of header cells."""

    delimiter: str
    width: int
    encoding: str = "utf-8"
    max_line: int = MAX_LINE


@dataclass(frozen=True)
class Place:
    """Where splitting begins when not at the start of a file: behind the `header`, at a byte and a line, with so many
    records and bad lines before it."""

    header: Cells
    start: int
    line: int
    ordinal: int


class Header(NamedTuple):
    """The first line that is not blank; without cells when it cannot be read."""

    line: int
    start: int
    end: int
    cells: Cells


class Record(NamedTuple):
    """`ordinal` counts records and bad lines from 1, in file order; an empty cell, quoted or not, is None."""

    ordinal: int
    line: int
    start: int
    end: int
    cells: Cells


class Bad(NamedTuple):
    """What is no record; `raw` is its text without the line end, at most `max_line` bytes of it. `reason` is one of
    unclosed_quote, stray_quote, too_few_cells, too_many_cells, nul_byte, undecodable, line_too_long, repeated_header.
    """

    ordinal: int
    line: int
    start: int
    end: int
    raw: str
    reason: str


class Blank(NamedTuple):
    """A line without cells: blank, or the `SEP_LINE` that a file may begin with."""

    line: int
    start: int
    end: int


Item = Header | Record | Bad | Blank


def split(lines: Iterable[Line], dialect: Dialect, place: Place | None = None) -> Iterator[Item]:
    """The items of a file in file order, given its `physical_lines`, or those from `place` on.

    Linear: a line with an odd number of quotes ends the search for the quote that closes, as do `MAX_SPAN` lines and
    `max_line` bytes. Holds `BLOCK` lines and one unfinished record.
    """
    source, splitter = iter(lines), _Splitter(dialect, place)
    while block := list(islice(source, BLOCK)):
        yield from splitter.items(block, at_end=False)
    yield from splitter.items([], at_end=True)


class _Window(NamedTuple):
    """Successive lines of a file; `texts` has None for a line that has no text, `offsets` one element more."""

    lines: list[Line]
    texts: list[str | None]
    offsets: list[int]
    at_end: bool


class _Splitter:
    """Splits block after block. csv.reader reads the lines that are one record each, fast and leniently; the first
    line where it may have seen anything else is read with care, then it takes over again."""

    def __init__(self, dialect: Dialect, place: Place | None) -> None:
        self._dialect = dialect
        self._header: Cells | None = None if place is None else place.header
        self._held: list[Line] = []  # lines of a record that the last block did not end
        self._line, self._start, self._ordinal = (
            (1, 0, 0) if place is None else (place.line, place.start, place.ordinal)
        )

    def items(self, block: list[Line], at_end: bool) -> Iterator[Item]:
        lines = self._held + block
        offsets = list(accumulate(map(len, lines), initial=self._start))
        window = _Window(lines, self._texts(lines), offsets, at_end)
        at, span = 0, 1
        while span:
            most = 2 if at else BLOCK
            rows = self._plain_rows(window.texts[at:], most) if self._header is not None else []
            yield from self._records(rows, window, at)
            at += len(rows)
            span, found = self._next(window, at)
            if span:
                yield self._item(found, lines[at : at + span], offsets[at], offsets[at + span])
            at += span
        self._held, self._start = lines[at:], offsets[at]

    def _texts(self, lines: list[Line]) -> list[str | None]:
        encoding, limit = self._dialect.encoding, self._dialect.max_line
        plain = [line for line in lines if isinstance(line, bytes) and len(line) <= limit]
        texts: list[str | None] = []
        with suppress(UnicodeDecodeError):
            texts = [line.decode(encoding) for line in plain]
        if len(texts) < len(lines) or "\0" in "".join(cast(list[str], texts)):
            texts = [None if self._unreadable(line) else cast(bytes, line).decode(encoding) for line in lines]
        if self._start == 0 and texts and texts[0]:
            texts[0] = SEP_LINE.sub("", texts[0].removeprefix("\ufeff"))
        return texts

    def _unreadable(self, line: Line) -> str:
        """Why a line has no text, "" if it has."""
        if isinstance(line, LongLine) or len(line) > self._dialect.max_line:
            return "line_too_long"
        try:
            return "nul_byte" if "\0" in line.decode(self._dialect.encoding) else ""
        except UnicodeDecodeError:
            return "undecodable"

    def _plain_rows(self, texts: list[str | None], most: int) -> list[list[str]]:
        """The cells of the leading lines that are one record each, `most` lines looked at first and then always twice
        as many, so that the work grows with what is found."""
        rows: list[list[str]] = []
        while part := texts[len(rows) : len(rows) + most]:
            found = self._plain_of(cast(list[str], part))  # csv.reader stops at a None with a csv.Error
            rows += found
            if len(found) < len(part):
                break
            most *= 2
        return rows

    def _plain_of(self, texts: list[str]) -> list[list[str]]:
        delimiter, width = self._dialect.delimiter, self._dialect.width
        rows: list[list[str]] = []
        with suppress(csv.Error):  # also for a cell over csv.field_size_limit
            rows.extend(csv.reader(texts, delimiter=delimiter, strict=True))
        if len(rows) == len(texts) and set(map(len, rows)) == {width} and '"' not in "".join(map("".join, rows)):
            return rows
        plain: list[list[str]] = []
        for text, row in zip(texts, rows, strict=False):
            cells = "".join(row)
            spans_lines = "\n" in cells or "\r" in cells
            if len(row) != width or spans_lines or ('"' in cells and _trouble(text, delimiter)):
                break
            plain.append(row)
        return plain

    def _next(self, window: _Window, at: int) -> tuple[int, Cells | str]:
        """How many lines the next item takes and its cells; or 1 and the reason why that line is no record; or 0
        when only lines that are not here yet can tell."""
        if at == len(window.lines):
            return 0, ()
        text = window.texts[at]
        if text is None:
            return 1, self._unreadable(window.lines[at])
        found = self._cells(text)
        return self._spanning(window, at) if found == "unclosed_quote" else (1, found)

    def _spanning(self, window: _Window, at: int) -> tuple[int, Cells | str]:
        """`_next` for a line that ends inside quotes: only a line with an odd number of quotes can close them."""
        for last in range(at + 1, len(window.lines)):
            text = window.texts[last]
            size = window.offsets[last + 1] - window.offsets[at]
            if text is None or size > self._dialect.max_line or last - at >= MAX_SPAN:
                return 1, "unclosed_quote"
            if text.count('"') % 2:
                found = self._cells("".join(cast(list[str], window.texts[at : last + 1])))
                if isinstance(found, str):
                    return 1, "unclosed_quote" if found == "stray_quote" else found
                return last + 1 - at, found
        return (1, "unclosed_quote") if window.at_end else (0, ())

    def _cells(self, text: str) -> Cells | str:
        """The cells of one record, () of a blank line, or the reason why it is none."""
        delimiter, width = self._dialect.delimiter, self._dialect.width
        text = text.rstrip("\r\n")
        if not text:
            return ()
        if reason := _trouble(text, delimiter):
            return reason
        cells = tuple(_value(cell) for cell in _grammar(delimiter)[1].findall(delimiter + text))
        if self._header is None or len(cells) == width:
            return cells
        return "too_few_cells" if len(cells) < width else "too_many_cells"

    def _records(self, rows: list[list[str]], window: _Window, at: int) -> Iterable[Item]:
        """The items of lines that are one record each."""
        offsets = window.offsets[at : at + len(rows) + 1]
        filled = iter([cell or None for cell in chain.from_iterable(rows)])
        cells = list(zip(*[filled] * self._dialect.width, strict=True))
        if self._header in cells:
            places = zip(cells, window.lines[at:], offsets, offsets[1:], strict=False)
            return [self._item(found, [line], start, end) for found, line, start, end in places]
        ordinals, numbers = count(self._ordinal + 1), count(self._line)
        self._ordinal += len(rows)
        self._line += len(rows)
        return map(_RECORD, zip(ordinals, numbers, offsets, offsets[1:], cells, strict=False))

    def _item(self, found: Cells | str, lines: list[Line], start: int, end: int) -> Item:
        number = self._line
        self._line += len(lines)
        if found == ():
            return Blank(number, start, end)
        if self._header is None:
            self._header = () if isinstance(found, str) else found
            return Header(number, start, end, self._header)
        self._ordinal += 1
        reason = "repeated_header" if found == self._header else found
        if isinstance(reason, str):
            raw = raw_text(lines, self._dialect.encoding, self._dialect.max_line)
            return Bad(self._ordinal, number, start, end, raw, reason)
        return Record(self._ordinal, number, start, end, reason)


_RECORD = partial(tuple.__new__, Record)  # half the time of Record(...)


@cache
def _grammar(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of a record as far as its last quote, and of a cell with a delimiter before it."""
    mark, quoted = re.escape(delimiter), _QUOTED.pattern
    record = rf'(?:(?:[^"]*{mark})?{quoted}(?={mark}|[\r\n]*\Z))*+'
    return re.compile(record), re.compile(rf'{mark}({quoted}|[^"{mark}]*+)')


def _trouble(text: str, delimiter: str) -> str:
    """Why the text of one or more lines is no record (unclosed_quote, stray_quote), "" if it is one."""
    read = _grammar(delimiter)[0].match(text)
    quote = text.find('"', read.end() if read else 0)
    if quote < 0:
        return ""
    opens = quote == 0 or text[quote - 1] == delimiter
    return "unclosed_quote" if opens and not _QUOTED.match(text, quote) else "stray_quote"


def _value(cell: str) -> str | None:
    return (cell[1:-1].replace('""', '"') if cell.startswith('"') else cell) or None
