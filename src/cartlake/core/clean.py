"""Whether a lenient reader may be trusted with the quotes of a clean file."""

from __future__ import annotations

from collections.abc import Iterable


def is_plainly_quoted(chunks: Iterable[bytes], delimiter: str) -> bool:
    """Every quote opens a cell or closes one, none does both, and as many open as close.

    Fast readers take quotes inside unquoted cells for text and drop blanks around quoted ones; the strict splitter does
    neither. A file of which this is true holds no such cell, or a reader that counts its rows fails on it: a stray
    closing quote needs, for the balance, an opening one inside a quoted cell. Cells with doubled quotes are well formed
    but not plain.
    """
    mark = delimiter.encode()
    opening, closing, both = _patterns(mark)
    quotes = opens = closes = 0
    before = b"\n"
    for chunk in _with_end(chunks):
        text = before + chunk.replace(b"\r\n", b"\n")
        if any(pattern in text for pattern in both):
            return False
        quotes += text.count(b'"') - before.count(b'"')
        opens += sum(_new(text, before, pattern) for pattern in opening)
        closes += sum(_new(text, before, pattern) for pattern in closing)
        before = text[-2:]
    return opens == closes and opens + closes == quotes


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
