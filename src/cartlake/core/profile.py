"""The profile of a file: what one pass over its bytes tells, and whether a fast reader may try it."""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

MAX_LINE = 1 << 20  # bytes of a physical line, and of a record that spans several
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

    `lines` counts physical lines, the header and a last one without line end included. `bad_byte_at` is the offset of
    the first byte that is not valid UTF-8.

    `clean`: UTF-8, no NUL, one line end ("\\n" or "\\r\\n"), blank lines only at the end, no `sep=` line, an even
    number of quotes in every line, no line over `MAX_LINE`; then record N stands on line N + 1. That permits to try an
    engine's fast reader and proves nothing: quotes are counted, not parsed, since the delimiter is not known yet. Its
    result stands only if it has `records_if_clean` rows of the header's width, none of them equal to the header, and
    `core.clean` finds nothing that lenient readers take for something else.

    `splits` cut a clean file into parts of about `PART` bytes that can be read apart; only where every line is an item
    of its own is it sure that a line's end is not inside a record, so other files have none.
    """

    bytes: int
    sha256: str
    encoding: str
    bom_bytes: int
    lines: int
    blank_lines: int
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

    Whole chunks go through few C calls, uncopied; most looks are at `marks`: the quotes, separators, line ends and NULs
    alone.
    """

    def __init__(self, sha256: Hash | None = None) -> None:
        self._hash = sha256 or hashlib.sha256()
        self._bytes = 0
        self._head: bytes | None = b""  # the first bytes, until they tell the encoding
        self._bom, self._encoding = b"", "utf-8"
        self._bad_at: int | None = None
        self._held = b""  # a return that ended the last chunk: a line feed may follow
        self._ends = self._pairs = self._blank_lines = 0  # `_pairs`: line ends of return and line feed
        self._open = 0  # bytes of the line that the last chunk left unfinished
        self._odd = b""  # a quote, when that line has an odd number of them
        self._spoilt = False  # no clean file any more, whatever comes
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
        spoilt = self._spoilt or self._odd or self._bad_at is not None or self._encoding != "utf-8"
        clean = not spoilt and self._ends > 0 and self._pairs in (0, self._ends)
        return Profile(
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            encoding=self._encoding,
            bom_bytes=len(self._bom),
            lines=self._ends + (self._open > 0),
            blank_lines=self._blank_lines,
            bad_byte_at=self._bad_at,
            clean=clean,
            splits=tuple(split for split in self._splits if split.start < self._bytes) if clean else (),
        )

    def _split(self, chunk: bytes) -> None:
        """Remembers the last line end of the chunk if the part before it is long enough."""
        before = self._splits[-1].start if self._splits else 0
        if self._bytes - before >= PART and (end := chunk.rfind(b"\n") + 1):
            self._splits.append(Split(self._bytes - len(chunk) + end, self._ends + 1))

    def _begin(self, head: bytes) -> None:
        self._bom, self._encoding = next((mark for mark in _BOMS if head.startswith(mark[0])), (b"", "utf-8"))
        errors = "strict" if self._encoding == "utf-8" else "replace"
        self._decoder = codecs.getincrementaldecoder(self._encoding)(errors)
        self._head, text = None, head[len(self._bom) :]
        self._spoilt = text[:4].lower() == b"sep="
        self._text(text)

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
                self._bad_at = self._bytes - len(chunk) - pending + error.start

    def _shape(self, chunk: bytes, final: bool) -> None:
        """`chunk` is UTF-8, or the bytes that should be."""
        data, self._held = self._held + chunk, b""
        if data.endswith(b"\r") and not final:
            data, self._held = data[:-1], b"\r"
        data, lone = _LONE_RETURN.subn(b"\n", data) if b"\r" in data else (data, 0)
        marks = data.translate(None, _CONTENT)
        self._spoilt |= lone > 0 or b"\0" in marks
        self._ends += marks.count(b"\n")
        if pairs := marks.count(b"\r"):
            self._pairs += pairs
            marks = marks.translate(None, b"\r")
        self._find_blank_lines(data, marks)
        if self._odd or b'"' in marks:
            self._balance_quotes(marks)
        self._measure(data)

    def _find_blank_lines(self, data: bytes, marks: bytes) -> None:
        """A line without separators shows as neighbouring line ends among the marks; only then look closely.
        Blank lines with something behind them spoil a file."""
        before = b"x" if self._open else b"\n"
        self._spoilt |= self._blank_lines > 0 and data.strip(b"\r\n") != b""
        if _BLANK.search(before + marks):
            text = before + data.replace(b"\r\n", b"\n")
            self._blank_lines += text.split(b"\n")[1:-1].count(b"")
            self._spoilt |= b"\n\n" in text.rstrip(b"\n")

    def _balance_quotes(self, marks: bytes) -> None:
        """Pairs of quotes between two line ends cancel out: what is left stands in lines with an odd number."""
        left = (self._odd + marks.translate(None, _SEPARATORS + b"\0")).replace(b'""', b"")
        self._odd = b'"' if left.endswith(b'"') else b""
        self._spoilt |= left.count(b'"') > len(self._odd)

    def _measure(self, data: bytes) -> None:
        """Jumps from line end to line end, each as far as a line may reach."""
        begin = -self._open
        while end := data.rfind(b"\n", max(begin, 0), begin + MAX_LINE) + 1:
            begin = end
        self._spoilt |= len(data) - begin > MAX_LINE
        last = data.rfind(b"\n") + 1
        self._open = len(data) - last if last else self._open + len(data)
