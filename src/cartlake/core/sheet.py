"""Quarantined records as a table that people edit in a spreadsheet and give back.

A spreadsheet takes `=…` for a formula, `007` for 7, `3-4` for a date. So whatever does not begin like a word is written
with an apostrophe in front, which is taken away again; cells that come back as they went are no decision.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cartlake.core.contract import Contract, Field
from cartlake.core.deciding import Held, changed_cells

ID, FILE, LINE, REASONS, RAW, CHECK = "_id", "_file", "_line", "_reasons", "_raw", "_check"
INFORMS = (FILE, LINE, REASONS, RAW)
_SHOWN = 32_000  # characters of a raw text; a cell of a spreadsheet has room for 32,767
_CUT = (32_766, 32_767)
_NO_WORD = re.compile(
    r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*\W*\d|(?:true|false|wahr|falsch)$",
    re.IGNORECASE,
)


def marked(cell: str) -> str:
    """The cell as no spreadsheet takes it for something else; `unmarked` gives it back exactly."""
    return f"'{cell}" if _is_taken(cell) else cell


def unmarked(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_taken(cell[1:]) else cell


def _is_taken(cell: str) -> bool:
    return bool(cell) and (not cell[0].isalpha() or _NO_WORD.match(cell) is not None)


def check_of(cells: Mapping[str, str] | None) -> str:
    """Names the cells of a record, to see whether they changed since; begins with a letter and is never empty, so that
    spreadsheets leave it alone, and the empty cells before it."""
    text = "".join(f"{len(name)}:{name}{len(cell)}:{cell}" for name, cell in sorted((cells or {}).items()) if cell)
    return f"c{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"


def sheet_text(columns: Sequence[str], records: Iterable[tuple[Held, Mapping[str, str] | None]]) -> str:
    """The CSV of records of one feed: each with its cells, or with its raw text where it has none."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([ID, *INFORMS, *columns, CHECK])
    for held, cells in records:
        raw = (held.raw or "")[:_SHOWN] if cells is None else ""
        informs = [marked(held.source_file), str(held.line or ""), marked(held.reasons), marked(raw)]
        texts = [marked((cells or {}).get(column, "")) for column in columns]
        writer.writerow([held.id, *informs, *texts, check_of(cells)])
    return written.getvalue()


def sheet_contract(contract: Contract, fields: Sequence[Field], encoding: str | None) -> Contract:
    """What `find_layout` needs to find the columns of a sheet: those that name the records, and `fields`."""
    named = [Field(ID, "string", required=True), Field(CHECK, "string", required=True)]
    others = [replace(field, required=False) for field in fields]
    return replace(
        contract, fields=(*named, *others), key=(), sequence=(), sequence_then=(), delimiter=None, encoding=encoding
    )


def edited_cells(given: Mapping[str, str], now: Mapping[str, str] | None) -> dict[str, str]:
    """The cells that somebody changed; one that a spreadsheet had no room for is cut, not changed."""
    changed = changed_cells(given, now)
    return {column: text for column, text in changed.items() if not _is_cut(text, (now or {}).get(column, ""))}


def _is_cut(text: str, whole: str) -> bool:
    return len(text) in _CUT and len(text) < len(whole) and whole.startswith(text)
