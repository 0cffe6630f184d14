"""The ledger as people query it."""

from __future__ import annotations

from cartlake.core.decided import DECISIONS
from cartlake.core.table import Table
from cartlake.core.tables import BATCH_FILES, BATCHES, FILES, MAINTENANCE, RUNS, TASKS

# The views of the ledger: the newest row of each identity.
LEDGER_VIEWS = {
    "files": (FILES, ("feed", "file_sha256", "batch_date")),
    "batch_files": (BATCH_FILES, ("batch_id", "file_name")),  # of the feed that claimed it last
    "runs": (RUNS, ("run_id",)),
    "tasks": (TASKS, ("run_id", "batch_id", "task", "attempt")),
    "decisions": (DECISIONS, ("feed", "file_sha256", "batch_date", "record")),
    "maintenance": (MAINTENANCE, ("recorded_at",)),
}


def newest(table: Table, identity: tuple[str, ...], relation: str) -> str:
    """The newest row of each identity in an append-only table."""
    columns = ", ".join(table.column_names)
    return (
        f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {', '.join(identity)}"
        f" ORDER BY recorded_at DESC) AS _newest FROM {relation}) AS numbered WHERE _newest = 1"
    )


def batch_files_view(batch_files: str, batches: str) -> str:
    """The newest row of each file that its batch's manifest, as it stands, still names."""
    columns = ", ".join(f"a.{column}" for column in BATCH_FILES.column_names)
    quoted = """concat_ws('', '"name": "', replace(a.file_name, '"', '\\\\"'), '"')"""
    return (
        f"WITH announced AS ({newest(BATCH_FILES, LEDGER_VIEWS['batch_files'][1], batch_files)}),"
        f" named AS ({newest(BATCHES, ('batch_id',), batches)})"
        f" SELECT {columns} FROM announced a JOIN named n ON a.batch_id = n.batch_id"
        f" AND replace(n.files, {quoted}, '') <> n.files"
    )


_BATCHES_VIEW = """
WITH newest AS ({newest}),
counted AS (
    SELECT batch_id, sum(rows_in) AS rows_in, sum(rows_staged) AS rows_staged,
        sum(rows_quarantined) AS rows_quarantined, sum(rows_duplicate) AS rows_duplicate
    FROM batch_files GROUP BY batch_id
)
SELECT n.batch_id, n.batch_date, n.status, n.reason, n.verdict, n.gate, n.waiting_for,
    CAST(coalesce(c.rows_in, 0) AS bigint) AS rows_in,
    CAST(coalesce(c.rows_staged, 0) AS bigint) AS rows_staged,
    CAST(coalesce(c.rows_quarantined, 0) AS bigint) AS rows_quarantined,
    CAST(coalesce(c.rows_duplicate, 0) AS bigint) AS rows_duplicate,
    n.manifest_name, n.source_system, n.triggered_at, n.run_id, n.actor, n.recorded_at
FROM newest n LEFT JOIN counted c ON n.batch_id = c.batch_id
"""


def batches_view(relation: str) -> str:
    """Every batch as it stands, with the sums over its files. Reads `batch_files`."""
    return _BATCHES_VIEW.format(newest=newest(BATCHES, ("batch_id",), relation))
