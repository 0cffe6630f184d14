"""Whether a lenient reader may be trusted with the quotes and delimiters of a clean file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def delimiters_between_cells(chunks: Iterable[bytes], delimiter: str) -> int | None:
    """How many delimiters of a clean file separate cells; None unless its quotes are plain: each opens a cell or closes
    one, and none is doubled.

    Fast readers take quotes inside unquoted cells for text, drop blanks around quoted ones, and pass over an empty cell
    too many at the end of a record; the strict splitter does none of this. A file with plain quotes and as many
    delimiters as its records need holds no such cell, or a reader that refuses missing cells fails on it.
    """
    mark, found = delimiter.encode(), 0
    for lines in _whole_lines(chunks):
        between = lines
        if b'"' in lines:
            outside = lines.split(b'"')[::2]  # every line of a clean file has an even number of quotes
            outside[0], outside[-1] = b"\n" + outside[0], outside[-1] + b"\n"
            opens, closes = {piece[-1:] for piece in outside[:-1]}, {piece[:1] for piece in outside[1:]}
            if not opens <= {mark, b"\n"} or not closes <= {mark, b"\n", b"\r"}:
                return None
            between = b"".join(outside)
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
