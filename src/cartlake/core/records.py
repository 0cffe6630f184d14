"""What a record is: the strict splitter, the same for every engine.

The splitter never loses a byte: the ranges of its items, joined, are the file. What it cannot read becomes a `Bad` item
and reading resumes at the next physical line, so an unclosed quote costs one line and not the good rows behind it.
Quoting is RFC 4180, strictly: a quote opens only at the start of a cell, is doubled inside, and is followed by the
delimiter or the end of the record when it closes.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, count, islice
from typing import NamedTuple, cast

from cartlake.core.items import Bad, Blank, Cells, Header, Item, Record
from cartlake.core.lines import Line, Unfit, raw_text, text_of
from cartlake.core.profile import MAX_LINE

MAX_SPAN = 1_000  # physical lines of one record
BLOCK = 256  # physical lines read at once; fewer than that

SEP_LINE = re.compile(r"\Asep=([^\r\n\0])[\r\n]*\Z", re.IGNORECASE)
"""What spreadsheets write and read as the first line of a file, to name its delimiter."""


@dataclass(frozen=True)
class Dialect:
    """How to split: `encoding` is a Python codec, `width` the number of header cells."""

    delimiter: str
    width: int
    encoding: str = "utf-8"
    max_line: int = MAX_LINE


class Place(NamedTuple):
    """Where splitting begins: behind the `header`, at a byte and a line, with so many records and bad lines before it;
    by default at the start of a file."""

    header: Cells | None = None
    start: int = 0
    line: int = 1
    ordinal: int = 0


def split(lines: Iterable[Line], dialect: Dialect, place: Place | None = None) -> Iterator[Item]:
    """The items of a file in file order, given its `physical_lines`, or those from `place` on.

    What is no record is so for one reason: unclosed_quote, stray_quote, too_few_cells, too_many_cells, nul_byte,
    undecodable, line_too_long, repeated_header.

    Linear: a line with an odd number of quotes ends the search for the quote that closes, as do `MAX_SPAN` lines and
    `max_line` bytes. Holds `BLOCK` lines and one unfinished record.
    """
    return _Splitter(dialect, place or Place()).items(iter(lines))


class _Splitter:
    """Reads the lines of a block as far as they are records, all at once, then one item with care, and so on."""

    def __init__(self, dialect: Dialect, place: Place) -> None:
        self._dialect = dialect
        self._header, self._start, self._line, self._ordinal = place

    def items(self, source: Iterator[Line]) -> Iterator[Item]:
        lines: list[Line] = []
        many = BLOCK  # lines tried at once: twice what was taken before, so that the work grows no faster
        while (block := list(islice(source, BLOCK))) or lines:
            lines, first, at = lines + block, self._line, 0
            while at < len(lines):
                yield from self._records(lines[at : at + many])
                begun, at = at, self._line - first
                if at < len(lines):
                    item = self._careful(lines[at : at + MAX_SPAN + 1], at_end=not block)
                    if item is None:
                        break
                    yield item
                    at = self._line - first
                many = min(2 * (at - begun), BLOCK)
            lines = lines[at:]

    def _records(self, lines: list[Line]) -> Iterable[Record]:
        """Those before the first line that is no record, or one that these lines do not end."""
        delimiter, width, header, number = self._dialect.delimiter, self._dialect.width, self._header, self._line
        if header is None:
            return ()
        places = list(accumulate(map(len, lines), initial=self._start))
        fit = bisect(places, self._start + self._dialect.max_line) - 1
        found, outlines = _parsed(self._text(lines[:fit]), delimiter)
        wrong = (at for at, outline in enumerate(outlines) if not outline or outline.count(delimiter) != width - 1)
        del found[next(wrong, len(outlines)) * width :]
        cells = list(zip(*[iter([cell or None for cell in found])] * width, strict=True))
        if header in cells:
            del cells[cells.index(header) :]
        numbers: Sequence[int] = range(number, number + len(cells) + 1)
        if len(outlines) < fit:  # there may be records of several lines
            numbers = list(accumulate(map(_span, cells), initial=number))
            places = [places[each - number] for each in numbers]
        ordinals = count(self._ordinal + 1)
        self._ordinal, self._line, self._start = self._ordinal + len(cells), numbers[-1], places[len(cells)]
        return map(_RECORD, zip(ordinals, numbers, places, places[1:], cells, strict=False))

    def _text(self, lines: list[Line]) -> str:
        """What the lines say, with a NUL where they cannot be decoded."""
        data, encoding = b"".join(cast(list[bytes], lines)), self._dialect.encoding
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            return data[: error.start].decode(encoding) + "\0"

    def _careful(self, lines: list[Line], at_end: bool) -> Item | None:
        """The item that begins on the first of the lines; None if only lines that are not here yet can tell."""
        reason = ""
        try:
            span, cells = self._next(lines, at_end)
        except Unfit as unfit:
            span, cells, reason = 1, (), unfit.reason
        if not span:
            return None
        line, start, end = self._line, self._start, self._start + sum(map(len, lines[:span]))
        self._line, self._start = line + span, end
        if not cells and not reason:
            return Blank(line, start, end)
        if self._header is None:
            self._header = cells
            return Header(line, start, end, cells)
        self._ordinal += 1
        if cells and cells != self._header:
            return Record(self._ordinal, line, start, end, cells)
        raw = raw_text(lines[:span], self._dialect.encoding, self._dialect.max_line)
        return Bad(self._ordinal, line, start, end, raw, reason or "repeated_header")

    def _next(self, lines: list[Line], at_end: bool) -> tuple[int, Cells]:
        """How many lines the next item takes and its cells, () of a blank line; 0 when only lines that are not here yet
        can tell. Unfit: why the line is no record."""
        text = text_of(lines[0], self._dialect.encoding, self._dialect.max_line)
        if self._start == 0:
            text = SEP_LINE.sub("", text.removeprefix("\ufeff"))
        if not text.strip("\r\n"):
            return 1, ()
        span, reason = 1, _trouble(text, self._dialect.delimiter)
        if reason == "unclosed_quote":
            span, text = self._closed(text, lines, at_end)
        elif reason:
            raise Unfit(reason)
        cells = tuple(cell or None for cell in _parsed(text, self._dialect.delimiter)[0])
        if span and self._header is not None and len(cells) != self._dialect.width:
            raise Unfit("too_few_cells" if len(cells) < self._dialect.width else "too_many_cells")
        return span, cells

    def _closed(self, text: str, lines: list[Line], at_end: bool) -> tuple[int, str]:
        """How many lines it takes to close the quote that the first leaves open, whose `text` is given, and their text;
        0 when only more lines can tell. Only a line with an odd number of quotes can close it. Unfit: nothing does."""
        dialect, size = self._dialect, len(lines[0])
        with suppress(Unfit):
            for span, line in enumerate(lines[1:], 2):
                size += len(line)
                more = text_of(line, dialect.encoding, dialect.max_line)
                text += more
                if span > MAX_SPAN or size > dialect.max_line:
                    break
                if more.count('"') % 2:
                    if _trouble(text, dialect.delimiter):
                        break
                    return span, text
            else:
                if not at_end:
                    return 0, ""
        raise Unfit("unclosed_quote")


_RECORD = partial(tuple.__new__, Record)  # half the time of Record(...)
_LINE_END = re.compile("\r\n?|\n")
_CONTENT = r'[^"]*+(?:""[^"]*+)*+'
_QUOTED = re.compile(f'"{_CONTENT}"')


def _span(cells: Cells) -> int:
    """How many lines a record has."""
    return 1 + len(_LINE_END.findall("\0".join(filter(None, cells))))


@cache
def _quoted_cell(delimiter: str) -> re.Pattern[str]:
    """What stands between its quotes is its group."""
    mark = re.escape(delimiter)
    return re.compile(rf'"(?<![^{mark}\r\n]")({_CONTENT})"(?![^{mark}\r\n])')


def _parsed(text: str, delimiter: str) -> tuple[list[str], list[str]]:
    """The cells of the records in `text`, all in one list, and the outline of each record: it, with a NUL for a quoted
    cell. A NUL, or a quote where none may be, ends the text, and its record has no outline."""
    text, nul, _ = text.partition("\0")
    pieces = _quoted_cell(delimiter).split(text) if '"' in text else [text]  # what is outside of quotes, inside, …
    plain, quote, _ = "\0".join(pieces[::2]).partition('"')
    if "\r" in plain:
        plain = plain.replace("\r\n", "\n").replace("\r", "\n")
    plain = plain.removesuffix("\n")
    outlines = plain.split("\n")
    if nul or quote:
        outlines.pop()
    cells = plain.replace("\n", delimiter).split(delimiter)
    if quoted := [cell.replace('""', '"') for cell in pieces[1 : 2 * plain.count("\0") : 2]]:
        _fill(cells, quoted, outlines[0].count(delimiter) + 1 if outlines else 1)
    return cells, outlines


def _fill(cells: list[str], quoted: list[str], width: int) -> None:
    """Each NUL among the cells becomes the next of the `quoted`: whole columns at once where all records quote the
    columns that the first one, of so many cells, does."""
    columns = [at for at, cell in enumerate(cells[:width]) if cell == "\0"]
    marks = [cells[column::width] for column in columns]
    if sum(map(len, marks)) == len(quoted) == sum(column.count("\0") for column in marks):
        for nth, column in enumerate(columns):
            cells[column::width] = quoted[nth :: len(columns)]
        return
    at = -1
    for cell in quoted:
        at = cells.index("\0", at + 1)
        cells[at] = cell


def _trouble(text: str, delimiter: str) -> str:
    """Why the text of one or more lines is no record (unclosed_quote, stray_quote), "" if it is one."""
    at = _quoted_cell(delimiter).sub(lambda cell: "x" * len(cell[0]), text).find('"')
    if at < 0:
        return ""
    opens = at == 0 or text[at - 1] == delimiter
    return "unclosed_quote" if opens and not _QUOTED.match(text, at) else "stray_quote"
