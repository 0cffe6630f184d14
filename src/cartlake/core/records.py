"""What a record is: the profile of a file and the strict splitter, the same for every engine.

Pure functions over bytes. The splitter never loses a byte: the ranges of its items, joined, are the file. What it
cannot read becomes a `Bad` item and reading resumes at the next physical line, so an unclosed quote costs one line
and not the good rows behind it. Quoting is RFC 4180, strictly: a quote opens only at the start of a cell, is doubled
inside, and is followed by the delimiter or the end of the record when it closes.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, count, islice
from typing import BinaryIO, NamedTuple, cast

MAX_LINE = 1 << 20  # bytes of a physical line, and of a record that spans several
MAX_SPAN = 1_000  # physical lines of one record
CHUNK = 1 << 20  # even, so that UTF-16 is never cut inside a unit
BLOCK = 256  # physical lines split at once
PROBE = 4_096  # lines up to this length are not measured

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SEPARATORS = b",;\t|"
_CONTENT = bytes(set(range(256)) - set(b'"\n\0' + _SEPARATORS))
_TEXT_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')

Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class Profile:
    """What one pass over the bytes of a file tells.

    `newline` is "\\n", "\\r\\n", "\\r", "mixed", or "" without any. `lines` counts physical lines, the header and a
    last one without line end included. `longest_line` is an upper bound in bytes: lines below 4 KiB are not told
    apart, UTF-16 counts as twice its UTF-8. `bad_byte_at` is the offset of the first byte that is not valid UTF-8.

    `clean`: UTF-8, no NUL, one line end ("\\n" or "\\r\\n"), blank lines only at the end, an even number of quotes in
    every line, no line over `MAX_LINE`; then record N stands on line N + 1. That permits to try an engine's fast
    reader and proves nothing: quotes are counted, not parsed, since the delimiter is not known yet. Its result
    stands only if it has `records_if_clean` rows of the header's width, none of them equal to the header and, where
    there are `quotes`, none with a quote in a cell (lenient readers accept quotes inside unquoted cells).
    """

    bytes: int
    sha256: str
    encoding: str
    bom_bytes: int
    newline: str
    lines: int
    blank_lines: int
    nuls: int
    quotes: int
    longest_line: int
    bad_byte_at: int | None
    clean: bool

    @property
    def records_if_clean(self) -> int:
        return max(0, self.lines - self.blank_lines - 1)


class Profiler:
    """The profile and the SHA-256 of a file from its successive chunks, cut anywhere.

    Whole chunks go through few C calls; most looks are at `marks`: the quotes, separators, line ends and NULs alone.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._head: bytes | None = b""  # the first bytes, until they tell the encoding
        self._bom, self._encoding = b"", "utf-8"
        self._bad_at: int | None = None
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._lines = self._blank_lines = self._nuls = self._quotes = self._longest = 0
        self._open = 0  # bytes of the line that the last chunk left unfinished
        self._odd = b""  # a quote, when that line has an odd number of them
        self._blank_inside = self._unbalanced = False

    def update(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._bytes += len(chunk)
        if self._head is None:
            self._text(chunk)
        else:
            self._head += chunk
            if len(self._head) >= len(codecs.BOM_UTF8):
                self._begin(self._head)

    def finish(self) -> Profile:
        if self._head is not None:
            self._begin(self._head)
        self._text(b"", final=True)
        found = self._newlines.newlines
        longest = (max(self._longest, self._open) + 1) * (1 if self._encoding == "utf-8" else 2)
        spoilt = self._bad_at is not None or self._nuls or self._blank_inside or self._unbalanced or self._odd
        fits = self._encoding == "utf-8" and found in ("\n", "\r\n") and longest <= MAX_LINE
        return Profile(
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            encoding=self._encoding,
            bom_bytes=len(self._bom),
            newline="mixed" if isinstance(found, tuple) else found or "",
            lines=self._lines + (self._open > 0),
            blank_lines=self._blank_lines,
            nuls=self._nuls,
            quotes=self._quotes,
            longest_line=min(self._bytes, max(longest, PROBE + 1)),
            bad_byte_at=self._bad_at,
            clean=fits and not spoilt,
        )

    def _begin(self, head: bytes) -> None:
        self._bom, self._encoding = next((mark for mark in _BOMS if head.startswith(mark[0])), (b"", "utf-8"))
        errors = "strict" if self._encoding == "utf-8" else "replace"
        self._decoder = codecs.getincrementaldecoder(self._encoding)(errors)
        self._decoded, self._head = len(self._bom), None  # `_decoded`: where the decoder's next character begins
        self._text(head[len(self._bom) :])

    def _text(self, chunk: bytes, final: bool = False) -> None:
        if self._encoding == "utf-8":
            self._validate(chunk, final)
            self._shape(self._newlines.decode(chunk.decode("latin-1"), final).encode("latin-1"))
        else:
            self._shape(self._newlines.decode(self._decoder.decode(chunk, final), final).encode())

    def _validate(self, chunk: bytes, final: bool) -> None:
        pending = len(self._decoder.getstate()[0])
        if self._bad_at is None and (pending or not chunk.isascii()):
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError as error:
                self._bad_at = self._decoded + error.start
        self._decoded += pending + len(chunk) - len(self._decoder.getstate()[0])

    def _shape(self, data: bytes) -> None:
        """`data` is UTF-8, or the bytes that should be, with all line ends made \\n."""
        marks = data.translate(None, _CONTENT)
        self._lines += marks.count(b"\n")
        self._nuls += marks.count(b"\0")
        self._find_blank_lines(data, marks)
        self._balance_quotes(marks)
        self._measure(data)

    def _find_blank_lines(self, data: bytes, marks: bytes) -> None:
        """A line without separators shows as neighbouring line ends among the marks; only then look closely."""
        before = b"x" if self._open else b"\n"
        if self._blank_lines and data.strip(b"\n"):
            self._blank_inside = True
        if b"\n\n" in before + marks:
            text = before + data
            self._blank_lines += text.split(b"\n")[1:-1].count(b"")
            self._blank_inside |= b"\n\n" in text.rstrip(b"\n")

    def _balance_quotes(self, marks: bytes) -> None:
        """Pairs of quotes between two line ends cancel out: what is left stands in lines with an odd number."""
        self._quotes += marks.count(b'"')
        left = (self._odd + marks.translate(None, _SEPARATORS + b"\0")).replace(b'""', b"")
        self._odd = b'"' if left.endswith(b'"') else b""
        self._unbalanced |= left.count(b'"') > len(self._odd)

    def _measure(self, data: bytes) -> None:
        """Jump from line end to line end, each as far as `PROBE` reaches; only a longer line is measured."""
        begin = -self._open
        while True:
            reach = max(begin + PROBE, 0)
            end = data.rfind(b"\n", max(begin, 0), reach)
            if end < 0:
                end = data.find(b"\n", reach)
                if end < 0:
                    break
                self._longest = max(self._longest, end + 1 - begin)
            begin = end + 1
        self._open = len(data) - begin


@dataclass(frozen=True)
class LongLine:
    """A physical line over the limit: only its head is kept, `len()` is its size in the file."""

    head: bytes
    size: int

    def __len__(self) -> int:
        return self.size


Line = bytes | LongLine


@dataclass(frozen=True)
class Dialect:
    """How to split: `encoding` is a Python codec, `width` the number of header cells."""

    delimiter: str
    width: int
    encoding: str = "utf-8"
    max_line: int = MAX_LINE


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
    line: int
    start: int
    end: int


Item = Header | Record | Bad | Blank


def physical_lines(file: BinaryIO, encoding: str = "utf-8", limit: int = MAX_LINE) -> Iterator[Line]:
    """The lines of a file with their ends (any of \\n, \\r\\n, \\r). Holds `limit` bytes and one chunk, in UTF-16 four
    times that. `limit` is even."""
    cut, unit = (partial(_cut_utf16, encoding), 2) if encoding.startswith("utf-16") else (_cut, 1)
    begun, dropped = b"", 0
    while chunk := file.read(CHUNK):
        *lines, begun = cut(begun + chunk)
        if lines and dropped:
            yield LongLine(lines[0], len(lines[0]) + dropped)
            del lines[0]
            dropped = 0
        yield from lines
        if len(begun) > limit + unit:
            dropped += len(begun) - limit - unit
            begun = begun[:limit] + begun[-unit:]  # the last unit may be half of a line end
    if begun:
        yield LongLine(begun, len(begun) + dropped) if dropped else begun


def _cut(data: bytes) -> list[bytes]:
    """The whole lines of `data` and, as the last element, what may go on behind it."""
    lone_cr = b"\r" in data and data.count(b"\r") != data.count(b"\r\n")
    lines = data.splitlines(keepends=True) if lone_cr else io.BytesIO(data).readlines()
    return [*lines, b""] if data.endswith(b"\n") else lines


def _cut_utf16(encoding: str, data: bytes) -> list[bytes]:
    text = data[: len(data) & ~1].decode(encoding, "surrogatepass")
    lines = [line.encode(encoding, "surrogatepass") for line in _TEXT_LINE.findall(text)]
    begun = lines.pop() if lines and not text.endswith("\n") else b""
    return [*lines, begun + data[len(data) & ~1 :]]


def raw_lines(lines: Iterable[Line], wanted: AbstractSet[int]) -> dict[int, tuple[int, int, str]]:
    """Range and raw text of some lines (numbered from 1) of a UTF-8 file; nothing behind the last of them is read."""
    found: dict[int, tuple[int, int, str]] = {}
    start = 0
    for number, line in enumerate(islice(lines, max(wanted, default=0)), 1):
        end = start + len(line)
        if number in wanted:
            found[number] = (start, end, _raw([line], "utf-8", MAX_LINE))
        start = end
    return found


def split(lines: Iterable[Line], dialect: Dialect) -> Iterator[Item]:
    """The items of a file in file order, given its `physical_lines`.

    Linear: a line with an odd number of quotes ends the search for the quote that closes, as do `MAX_SPAN` lines and
    `max_line` bytes. Holds `BLOCK` lines and one unfinished record.
    """
    source, splitter = iter(lines), _Splitter(dialect)
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

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._header: Cells | None = None
        self._held: list[Line] = []  # lines of a record that the last block did not end
        self._line, self._start, self._ordinal = 1, 0, 0

    def items(self, block: list[Line], at_end: bool) -> Iterator[Item]:
        lines = self._held + block
        offsets = list(accumulate(map(len, lines), initial=self._start))
        window = _Window(lines, self._texts(lines), offsets, at_end)
        at, span = 0, 1
        while span:
            rows = self._plain_rows(window.texts[at:]) if self._header is not None else []
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
            texts[0] = texts[0].removeprefix("\ufeff")
        return texts

    def _unreadable(self, line: Line) -> str:
        """Why a line has no text, "" if it has."""
        if isinstance(line, LongLine) or len(line) > self._dialect.max_line:
            return "line_too_long"
        try:
            return "nul_byte" if "\0" in line.decode(self._dialect.encoding) else ""
        except UnicodeDecodeError:
            return "undecodable"

    def _plain_rows(self, texts: list[str | None]) -> list[list[str]]:
        """The cells of the leading lines that are one record each; reads on no further where that is in doubt."""
        delimiter, width = self._dialect.delimiter, self._dialect.width
        given = cast(list[str], texts)  # csv.reader stops at a None with a csv.Error
        reader = csv.reader(given, delimiter=delimiter, strict=True)
        rows: list[list[str]] = []
        with suppress(csv.Error):  # also for a cell over csv.field_size_limit
            for number, (text, row) in enumerate(zip(given, reader, strict=False), 1):
                if len(row) != width or reader.line_num != number:
                    break
                if '"' in text and '"' in "".join(row) and _trouble(text, delimiter):
                    break
                rows.append(row)
        return rows

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
        cells = [tuple([cell or None for cell in row]) if "" in row else tuple(row) for row in rows]
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
            raw = _raw(lines, self._dialect.encoding, self._dialect.max_line)
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


def _raw(lines: Iterable[Line], encoding: str, limit: int) -> str:
    data = b"".join(line.head if isinstance(line, LongLine) else line for line in lines)
    return data[:limit].decode(encoding, "backslashreplace").rstrip("\r\n")
