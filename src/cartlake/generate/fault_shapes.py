"""Ways to write the same records otherwise. Each takes a file's lines, header first; every line stays one line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping

from cartlake.generate.files import FeedFile

Cells = list[str]


def change_cells(file: FeedFile, change: Callable[[Cells, bool], Cells], delimiter: str = ",") -> None:
    """Every line holds the cells that `change` makes of (its cells, whether it is the header)."""

    def changed(lines: Iterator[bytes]) -> Iterator[bytes]:
        for number, text in enumerate(lines):
            cells = next(csv.reader([text.decode()]))
            yield _encoded(change(cells, number == 0), delimiter)

    file.rewrite(changed)


def respell(file: FeedFile, words: Mapping[str, str]) -> int:
    """Every second record spells its unquoted words otherwise; returns how many records changed."""
    spellings = [(f",{word},".encode(), f",{other},".encode()) for word, other in words.items()]
    count = 0

    def changed(lines: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal count
        for number, text in enumerate(lines):
            respelt = text
            for word, other in spellings if number % 2 else ():
                respelt = respelt.replace(word, other)
            count += respelt != text
            yield respelt

    file.rewrite(changed)
    return count


def with_bom(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + next(lines)
    yield from lines


def with_crlf(lines: Iterator[bytes]) -> Iterator[bytes]:
    return (text.removesuffix(b"\n") + b"\r\n" for text in lines)


def _encoded(cells: Cells, delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
