"""Whether a lenient reader may be trusted with the quotes and delimiters of a clean file."""

from __future__ import annotations

from collections.abc import Iterable


def delimiters_between_cells(chunks: Iterable[bytes], delimiter: str, *, has_quotes: bool) -> int | None:
    """How many delimiters of a clean file separate cells; None unless its quotes are plain: each opens a cell or closes
    one, none does both, and as many open as close.

    Fast readers take quotes inside unquoted cells for text, drop blanks around quoted ones, and pass over an empty cell
    too many at the end of a record; the strict splitter does none of this. A file with plain quotes and as many
    delimiters as its records need holds no such cell, or a reader that counts its rows and refuses missing cells fails
    on it: a stray closing quote needs, for the balance, an opening one inside a quoted cell. Cells with doubled quotes
    are well formed but not plain.
    """
    mark = delimiter.encode()
    if not has_quotes:
        return sum(chunk.count(mark) for chunk in chunks)
    opening, closing, both = _patterns(mark)
    quotes = opens = closes = between = 0
    before = b"\n"
    for chunk in _with_end(chunks):
        lines = chunk.replace(b"\r\n", b"\n")
        text = before + lines
        if any(pattern in text for pattern in both):
            return None
        between += b"".join(lines.split(b'"')[quotes % 2 :: 2]).count(mark)
        quotes += lines.count(b'"')
        opens += sum(_new(text, before, pattern) for pattern in opening)
        closes += sum(_new(text, before, pattern) for pattern in closing)
        before = text[-2:]
    return between if opens == closes and opens + closes == quotes else None


def _patterns(mark: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]:
    borders = (mark, b"\n")
    opening = tuple(border + b'"' for border in borders)
    closing = tuple(b'"' + border for border in borders)
    both = tuple(first + b'"' + last for first in borders for last in borders)
    return opening, closing, both


def _new(text: bytes, before: bytes, pattern: bytes) -> int:
    """How often `pattern` occurs in `text` but not already in `before`, with which it begins."""
    return text.count(pattern) - before.count(pattern)


def _with_end(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """The chunks, cut so that no line end is split, and a line end behind the last."""
    held = b""
    for chunk in chunks:
        whole = held + chunk
        held = b"\r" if whole.endswith(b"\r") else b""
        yield whole.removesuffix(b"\r") if held else whole
    yield held + b"\n"
