"""Rows as an Excel workbook, a row at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cartlake.core.cells import cell_text, without_zone
from cartlake.engines.base import Row
from cartlake.errors import UsageError

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS, MOST_SIGNS = 1_048_575, 32_767  # of a sheet, below its header; of a cell
_FIRST_YEAR = 1900
_DATE, _TIME = "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"
_WIDTH = len(_TIME) + 1  # a time in a narrower column is shown as ####


def write_sheet(path: Path, columns: Sequence[str], chunks: Iterator[list[Row]]) -> int:
    """`path` is a workbook of one sheet with a header and the rows; how many they are. Texts are texts and never
    formulas or links; a number that Excel would round, or a date before its first, is a text. Raises UsageError where
    a sheet has no room."""
    from xlsxwriter import Workbook

    rows = 0
    with Workbook(str(path), {"constant_memory": True}) as book:
        sheet = book.add_worksheet("cartlake")
        formats = {date: book.add_format({"num_format": _DATE}), datetime: book.add_format({"num_format": _TIME})}
        heading = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(columns), _WIDTH)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column, heading)
        for row in (row for chunk in chunks for row in chunk):
            rows += 1
            if rows > MOST_ROWS:
                said = f"a sheet has {MOST_ROWS:,} rows, and here are more"
                raise UsageError("export_too_large", said, hint="Use .csv.")
            for place, column in enumerate(columns):
                _write(sheet, (rows, place), row[column], formats)
    return rows


def _write(sheet: Worksheet, place: tuple[int, int], value: object, formats: dict[type[date], Format]) -> None:
    match value:
        case None:
            return
        case bool():
            sheet.write_boolean(*place, value)
        case int() | Decimal() if Decimal(repr(float(value))) == value:
            sheet.write_number(*place, float(value))
        case datetime() if value.year >= _FIRST_YEAR:
            sheet.write_datetime(*place, without_zone(value), formats[datetime])
        case date() if value.year >= _FIRST_YEAR and not isinstance(value, datetime):
            sheet.write_datetime(*place, value, formats[date])
        case _:
            text = value if isinstance(value, str) else cell_text(value)
            if len(text) > MOST_SIGNS:
                said = f"a cell has room for {MOST_SIGNS:,} characters, and one here has more"
                raise UsageError("export_too_large", said, hint="Use .csv.")
            sheet.write_string(*place, text)
