"""The physical lines of a file, in bounded memory."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from cartlake.core.profile import MAX_LINE

CHUNK = 1 << 20  # even, so that UTF-16 is never cut inside a unit

_TEXT_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True)
class LongLine:
    """A physical line over the limit: only its head is kept, `len()` is its size in the file."""

    head: bytes
    size: int

    def __len__(self) -> int:
        return self.size


Line = bytes | LongLine


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
    if len(begun) % unit and begun[-1 - unit : -1] == "\r".encode(encoding):
        yield begun[:-1]  # a line end and half a unit behind it
        begun = begun[-1:]
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
            found[number] = (start, end, raw_text([line], "utf-8", MAX_LINE))
        start = end
    return found


class Unfit(Exception):
    """Why a text is no record; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def text_of(line: Line, encoding: str, limit: int = MAX_LINE) -> str:
    """What a line says. Unfit: line_too_long, undecodable, nul_byte."""
    if isinstance(line, LongLine) or len(line) > limit:
        raise Unfit("line_too_long")
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError:
        raise Unfit("undecodable") from None
    if "\0" in text:
        raise Unfit("nul_byte")
    return text


def raw_text(lines: Iterable[Line], encoding: str, limit: int) -> str:
    data = b"".join(line.head if isinstance(line, LongLine) else line for line in lines)
    return data[:limit].decode(encoding, "backslashreplace").rstrip("\r\n")
