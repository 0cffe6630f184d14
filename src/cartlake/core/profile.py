"""The profile of a file: what one pass over its bytes tells, and whether a fast reader may try it."""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

MAX_LINE = 1 << 20  # bytes of a physical line, and of a record that spans several
PROBE = 16_384  # lines up to this length are not measured
PART = 8 << 20  # bytes between two splits, rounded up to the end of a line and a chunk

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_BEGINNING = 7  # bytes that tell the encoding and a `sep=` line
_SEPARATORS = b",;\t|"
_CONTENT = bytes(set(range(256)) - set(b'"\n\r\0' + _SEPARATORS))
_BLANK = re.compile(rb"\n\n")  # three times as fast as `in`
_LONE_RETURN = re.compile(rb"\r(?!\n)")


@dataclass(frozen=True)
class Split:
    """A place where a record of a clean file begins: its byte and its line, from 1."""

    start: int
    line: int


@dataclass(frozen=True)
class Profile:
    """What one pass over the bytes of a file tells.

    `newline` is "\\n", "\\r\\n", "\\r", "mixed", or "" without any. `lines` counts physical lines, the header and a
    last one without line end included. `longest_line` is an upper bound in bytes: lines below 16 KiB are not told
    apart, UTF-16 counts as twice its UTF-8. `bad_byte_at` is the offset of the first byte that is not valid UTF-8.

    `clean`: UTF-8, no NUL, one line end ("\\n" or "\\r\\n"), blank lines only at the end, no `sep=` line, an even
    number of quotes in every line, no line over `MAX_LINE`; then record N stands on line N + 1. That permits to try an
    engine's fast reader and proves nothing: quotes are counted, not parsed, since the delimiter is not known yet. Its
    result stands only if it has `records_if_clean` rows of the header's width, none of them equal to the header and,
    where there are `quotes`, none with a quote in a cell (lenient readers accept quotes inside unquoted cells).

    `splits` cut a clean file into parts of about `PART` bytes that can be read apart; only where every line is an item
    of its own is it sure that a line's end is not inside a record, so other files have none.
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
    splits: tuple[Split, ...] = ()

    @property
    def records_if_clean(self) -> int:
        return max(0, self.lines - self.blank_lines - 1)


class Hash(Protocol):
    """What `hashlib` makes."""

    def update(self, chunk: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Profiler:
    """The profile and the SHA-256 of a file from its successive chunks, cut anywhere; `sha256` is a fresh one.

    Whole chunks go through few C calls; most looks are at `marks`: the quotes, separators, line ends and NULs alone.
    """

    def __init__(self, sha256: Hash | None = None) -> None:
        self._hash = sha256 or hashlib.sha256()
        self._bytes = 0
        self._head: bytes | None = b""  # the first bytes, until they tell the encoding
        self._bom, self._encoding = b"", "utf-8"
        self._bad_at: int | None = None
        self._ends: set[str] = set()
        self._held = b""  # a return that ended the last chunk: a line feed may follow
        self._lines = self._blank_lines = self._nuls = self._quotes = self._longest = 0
        self._open = 0  # bytes of the line that the last chunk left unfinished
        self._odd = b""  # a quote, when that line has an odd number of them
        self._names_delimiter = self._blank_inside = self._unbalanced = False
        self._splits: list[Split] = []

    def update(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._bytes += len(chunk)
        if self._head is None:
            self._text(chunk)
            self._split(chunk)
        else:
            self._head += chunk
            if len(self._head) >= _BEGINNING:
                self._begin(self._head)

    def finish(self) -> Profile:
        if self._head is not None:
            self._begin(self._head)
        self._text(b"", final=True)
        newline = "mixed" if len(self._ends) > 1 else "".join(self._ends)
        longest = (max(self._longest, self._open) + 1) * (1 if self._encoding == "utf-8" else 2)
        spoilt = self._bad_at is not None or self._nuls or self._blank_inside or self._unbalanced or self._odd
        spoilt = spoilt or self._names_delimiter
        fits = self._encoding == "utf-8" and newline in ("\n", "\r\n") and longest <= MAX_LINE
        clean = fits and not spoilt
        return Profile(
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            encoding=self._encoding,
            bom_bytes=len(self._bom),
            newline=newline,
            lines=self._lines + (self._open > 0),
            blank_lines=self._blank_lines,
            nuls=self._nuls,
            quotes=self._quotes,
            longest_line=min(self._bytes, max(longest, PROBE + 1)),
            bad_byte_at=self._bad_at,
            clean=clean,
            splits=tuple(split for split in self._splits if split.start < self._bytes) if clean else (),
        )

    def _split(self, chunk: bytes) -> None:
        """Remembers the last line end of the chunk if the part before it is long enough."""
        before = self._splits[-1].start if self._splits else 0
        if self._bytes - before >= PART and (end := chunk.rfind(b"\n") + 1):
            self._splits.append(Split(self._bytes - len(chunk) + end, self._lines + 1))

    def _begin(self, head: bytes) -> None:
        self._bom, self._encoding = next((mark for mark in _BOMS if head.startswith(mark[0])), (b"", "utf-8"))
        errors = "strict" if self._encoding == "utf-8" else "replace"
        self._decoder = codecs.getincrementaldecoder(self._encoding)(errors)
        self._decoded, self._head = len(self._bom), None  # `_decoded`: where the decoder's next character begins
        self._names_delimiter = head[len(self._bom) :].lower().startswith(b"sep=")
        self._text(head[len(self._bom) :])

    def _text(self, chunk: bytes, final: bool = False) -> None:
        if self._encoding == "utf-8":
            self._validate(chunk, final)
            self._shape(chunk, final)
        else:
            self._shape(self._decoder.decode(chunk, final).encode(), final)

    def _validate(self, chunk: bytes, final: bool) -> None:
        pending = len(self._decoder.getstate()[0])
        if self._bad_at is None and (pending or not chunk.isascii()):
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError as error:
                self._bad_at = self._decoded + error.start
        self._decoded += pending + len(chunk) - len(self._decoder.getstate()[0])

    def _shape(self, chunk: bytes, final: bool) -> None:
        """`chunk` is UTF-8, or the bytes that should be."""
        data, self._held = self._held + chunk, b""
        if data.endswith(b"\r") and not final:
            data, self._held = data[:-1], b"\r"
        data, lone = _LONE_RETURN.subn(b"\n", data) if b"\r" in data else (data, 0)
        marks = data.translate(None, _CONTENT)
        ends, pairs = marks.count(b"\n"), marks.count(b"\r")
        self._ends |= {end for end, n in (("\r", lone), ("\r\n", pairs), ("\n", ends - pairs - lone)) if n}
        self._lines += ends
        self._nuls += marks.count(b"\0") if b"\0" in marks else 0
        marks = marks.translate(None, b"\r") if pairs else marks
        self._find_blank_lines(data, marks)
        if self._odd or b'"' in marks:
            self._balance_quotes(marks)
        self._measure(data)

    def _find_blank_lines(self, data: bytes, marks: bytes) -> None:
        """A line without separators shows as neighbouring line ends among the marks; only then look closely."""
        before = b"x" if self._open else b"\n"
        if self._blank_lines and data.strip(b"\r\n"):
            self._blank_inside = True
        if _BLANK.search(before + marks):
            text = before + data.replace(b"\r\n", b"\n")
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
