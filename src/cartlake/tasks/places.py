"""Where in its file a record stands."""

from __future__ import annotations

from cartlake.core.contract import Contract
from cartlake.core.entries import StagedFile
from cartlake.core.header import find_layout, header_text
from cartlake.core.items import Bad, Record
from cartlake.core.lines import physical_lines
from cartlake.core.records import Dialect, split
from cartlake.errors import FileRejected
from cartlake.tasks.context import Context

_HEAD = 1 << 20


def line_of(context: Context, contract: Contract, file: StagedFile, record: int) -> int | None:
    """The line on which a record of a staged file begins. Where a record need not be a line the archived copy is read;
    None if it is gone."""
    if contract.format != "csv":
        return record  # a record is a line
    if file.is_clean and file.lines == file.rows_in + 1:
        return record + 1
    try:
        with (context.settings.archive_folder / file.archive_path).open("rb") as archived:
            layout = find_layout(header_text(archived.read(_HEAD), file.encoding), contract, file.delimiter)
            archived.seek(0)
            dialect = Dialect(layout.delimiter, len(layout.columns), file.encoding)
            items = split(physical_lines(archived, file.encoding), dialect)
            records = (item for item in items if isinstance(item, Record | Bad))
            return next((item.line for item in records if item.ordinal == record), None)
    except (OSError, FileRejected):
        return None
