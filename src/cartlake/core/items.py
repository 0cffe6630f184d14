"""What a file consists of, whatever its format: every byte belongs to one item."""

from __future__ import annotations

from typing import NamedTuple

Cells = tuple[str | None, ...]


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
    """What is no record; `raw` is its text without the line end, cut where it is too long."""

    ordinal: int
    line: int
    start: int
    end: int
    raw: str
    reason: str


class Blank(NamedTuple):
    """A line without cells: blank, or one that names the delimiter of a file that it begins."""

    line: int
    start: int
    end: int


Item = Header | Record | Bad | Blank
