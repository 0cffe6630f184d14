"""Decisions about quarantined records: their table, how a record stands, the records of a file with them applied.

Of a record, (feed, `file_sha256`, `batch_date`, `record`), the newest decision stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cartlake.core.contract import Contract
from cartlake.core.entries import Decision
from cartlake.core.rules import quoted
from cartlake.core.sqltext import name
from cartlake.core.table import BIGINT, DATE, STRING, TEXT_MAP, TIMESTAMP, Column, Table

DECISIONS = Table(
    "ledger_decisions",
    (
        Column("id", STRING),
        Column("batch_id", STRING),
        Column("feed", STRING),
        Column("source_file", STRING),
        Column("file_sha256", STRING),
        Column("batch_date", DATE),
        Column("record", BIGINT),
        Column("line", BIGINT),
        Column("reasons", STRING),
        Column("raw", STRING),
        Column("action", STRING),
        Column("cells", TEXT_MAP),
        Column("why", STRING),
        Column("actor", STRING),
        Column("recorded_at", TIMESTAMP),
    ),
)

DISCARDED = "discarded"
STATES = {"fix": "fixed", "replay": "replayed", "discard": DISCARDED}
"""How a record stands after a decision."""

QUARANTINE_VIEW = """
WITH announced AS (SELECT DISTINCT feed, file_sha256, batch_date FROM batch_files),
stated AS (
    SELECT q.*, CASE
        WHEN f.feed IS NULL THEN 'superseded'
        WHEN d.action = 'discard' THEN 'discarded'
        WHEN d.recorded_at > q.quarantined_at AND d.action = 'fix' THEN 'fixed'
        WHEN d.recorded_at > q.quarantined_at THEN 'replayed'
        ELSE 'open' END AS state
    FROM quarantined q
    LEFT JOIN announced f ON q.feed = f.feed AND q.file_sha256 = f.file_sha256 AND q.batch_date = f.batch_date
    LEFT JOIN decisions d ON q.feed = d.feed AND q.file_sha256 = d.file_sha256 AND q.batch_date = d.batch_date
        AND q.record = d.record
)
SELECT *, state = 'open' AS is_open FROM stated
"""
"""Reads `quarantined` (the table), `batch_files` and `decisions`. A record is superseded once a corrected file has
taken the place of its file in the batch, or a new manifest no longer names it; fixed or replayed as long as the
decision waits for a run to stage the file again."""


@dataclass(frozen=True)
class Judged:
    """A record as it would be staged: its cells by column ('' is an empty one; None of them: it cannot be read), and
    the codes of all that is wrong with it, '' if it is sound."""

    cells: Mapping[str, str] | None
    errors: str


REPAIRS = (Column("_record", BIGINT), Column("_cells", TEXT_MAP))
DISCARDS = (Column("_record", BIGINT),)


def repairs(standing: Iterable[Decision]) -> list[tuple[int, dict[str, str]]]:
    """The rows of `REPAIRS`: the records that have other cells than the file says."""
    return [(one.record, dict(one.cells)) for one in standing if one.cells]


def discards(standing: Iterable[Decision]) -> list[tuple[int]]:
    """The rows of `DISCARDS`."""
    return [(one.record,) for one in standing if one.action == "discard"]


def repaired_columns(contract: Contract, present: Sequence[str], standing: Iterable[Decision]) -> tuple[str, ...]:
    """The columns of the file and those that a decision added, as far as the contract knows them."""
    added = {column for one in standing for column in one.cells} - {*present}
    return (*present, *(column for column in (*(f.name for f in contract.fields), "_op") if column in added))


NO_TEXT = "CAST(NULL AS string)"


def repaired_records(contract: Contract, present: Collection[str], columns: Sequence[str]) -> str:
    """The query of `records` with the cells of `repairs` in the place of their own; also of those of
    `records_unreadable` that have been given cells. `present` are the columns of the file: what is given in no other
    place is the default of a column that it lacks, and else empty."""
    defaults = {field.name: field.default for field in contract.fields if field.name not in present}
    lacking = {column: NO_TEXT if default is None else quoted(default) for column, default in defaults.items()}
    given = [_cell(column, lacking.get(column, NO_TEXT)) for column in columns]
    own = [
        _cell(column, f"r.{name(column)}") if column in present else cell
        for column, cell in zip(columns, given, strict=True)
    ]
    return f"""
SELECT r._record, r._line, r._start, r._end, {", ".join(own)}, r._rescued
FROM records r LEFT JOIN repairs d ON r._record = d._record
UNION ALL
SELECT u._record, u._line, u._start, u._end, {", ".join(given)}, CAST(NULL AS map<string,string>) AS _rescued
FROM records_unreadable u JOIN repairs d ON u._record = d._record"""


def _cell(column: str, otherwise: str) -> str:
    return f"nullif(coalesce(element_at(d._cells, {quoted(column)}), {otherwise}), '') AS {name(column)}"


STILL_UNREADABLE = "SELECT u.* FROM records_unreadable u LEFT ANTI JOIN repairs d ON u._record = d._record"
