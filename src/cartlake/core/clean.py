"""Whether a lenient reader may be trusted with the quotes and delimiters of a clean file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def delimiters_between_cells(chunks: Iterable[bytes], delimiter: str) -> int | None:
    """How many delimiters of a clean file separate cells; None unless its quotes are plain: each opens a cell or closes
    one, and none is doubled.

    Fast readers take quotes inside unquoted cells for text, drop blanks around quoted ones and a second pair of quotes
    (`"x" ""` is `x `: that bytes add up would prove nothing), and pass over an empty cell too many at the end of a
    record; the strict splitter does none of this. A file with plain quotes and as many delimiters as its records need
    holds no such cell, or a reader that refuses missing cells fails on it.
    """
    mark, found = delimiter.encode(), 0
    border = re.escape(mark) if len(mark) == 1 else b""  # sets of bytes hold no characters of several
    plain_cell = re.compile(rb'"(?<![^%b\n]")[^"]*+"(?![^%b\r\n])' % (border, border))
    for lines in _whole_lines(chunks):
        between = plain_cell.sub(b"", lines) if b'"' in lines else lines
        if b'"' in between:
            return None
        found += between.count(mark)
    return found


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, cut behind line ends."""
    held = b""
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield held + chunk[:end]
            held = b""
        held += chunk[end:]
    if held:
        yield held
