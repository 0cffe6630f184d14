"""The stored tables that follow from contracts, and those of the ledger."""

from __future__ import annotations

from cartlake.core.contract import Contract
from cartlake.core.decided import DECISIONS
from cartlake.core.quality import DQ_METRICS
from cartlake.core.table import BIGINT, BOOLEAN, DATE, STRING, TEXT_MAP, TIMESTAMP, Column, Table

STAGE_COLUMNS = (
    Column("_batch_id", STRING),
    Column("_batch_date", DATE),
    Column("_revision", BIGINT),
    Column("_file_sha256", STRING),
    Column("_source_file", STRING),
    Column("_source_system", STRING),
    Column("_record", BIGINT),
    Column("_sequence", TIMESTAMP),
    Column("_op", STRING),
    Column("_warnings", STRING),
    Column("_rescued", TEXT_MAP),
    Column("_ingested_at", TIMESTAMP),
)
LINEAGE = (
    Column("_batch_id", STRING),
    Column("_batch_date", DATE),
    Column("_file_sha256", STRING),
    Column("_record", BIGINT),
)
VERSION_COLUMNS = (
    Column("valid_from", TIMESTAMP),
    Column("valid_to", TIMESTAMP),
    Column("is_current", BOOLEAN),
    Column("_sequence", TIMESTAMP),
    *LINEAGE,
)


def field_columns(contract: Contract) -> tuple[Column, ...]:
    return tuple(Column(field.name, field.type) for field in contract.fields)


def added_columns(contract: Contract) -> tuple[Column, ...]:
    return tuple(Column(field.name, field.type) for field in contract.added)


def stage_table(contract: Contract) -> Table:
    """The append-only log of the records that passed; grain: (`_file_sha256`, `_batch_date`, `_record`)."""
    return Table(contract.stage_table, (*field_columns(contract), *STAGE_COLUMNS), partition_by=("_batch_date",))


def event_columns(contract: Contract) -> tuple[str, ...]:
    """The columns of an event: those of the log, and what was added."""
    return (*stage_table(contract).column_names, *(column.name for column in added_columns(contract)))


def history_table(contract: Contract) -> Table:
    """The versions of every key (docs/history.md); grain: (key, `valid_from`)."""
    columns = (*field_columns(contract), *added_columns(contract), *VERSION_COLUMNS)
    return Table(contract.table, columns, key=(*contract.key, "valid_from"), evolves=contract.evolve == "add")


def prepared_table(table: Table) -> Table:
    """The changes that the next publication makes to `table`."""
    return Table(f"prepared_{table.name}", (Column("_change", STRING), *table.columns))


_COUNTS = (
    Column("rows_in", BIGINT),
    Column("rows_staged", BIGINT),
    Column("rows_quarantined", BIGINT),
    Column("rows_duplicate", BIGINT),
)

BATCHES = Table(
    "ledger_batches",
    (
        Column("batch_id", STRING),
        Column("batch_date", DATE),
        Column("status", STRING),
        Column("reason", STRING),
        Column("waiting_for", STRING),
        Column("files", STRING),
        Column("manifest_name", STRING),
        Column("manifest_sha256", STRING),
        Column("manifest_text", STRING),
        Column("revision", BIGINT),
        Column("source_system", STRING),
        Column("triggered_at", TIMESTAMP),
        Column("verdict", STRING),
        Column("gate", STRING),
        Column("run_id", STRING),
        Column("is_released", BOOLEAN),
        Column("restage", BOOLEAN),
        Column("actor", STRING),
        Column("recorded_at", TIMESTAMP),
    ),
)
FILES = Table(
    "ledger_files",
    (
        Column("feed", STRING),
        Column("file_sha256", STRING),
        Column("batch_date", DATE),
        Column("file_name", STRING),
        Column("archive_path", STRING),
        Column("bytes", BIGINT),
        Column("lines", BIGINT),
        Column("encoding", STRING),
        Column("delimiter", STRING),
        Column("is_clean", BOOLEAN),
        Column("rescued_columns", STRING),
        Column("revision", BIGINT),
        Column("contract_hash", STRING),
        Column("staged_by", STRING),
        Column("status", STRING),
        Column("reason", STRING),
        *_COUNTS,
        Column("recorded_at", TIMESTAMP),
    ),
)
BATCH_FILES = Table(
    "ledger_batch_files",
    (
        Column("batch_id", STRING),
        Column("feed", STRING),
        Column("file_name", STRING),
        Column("file_sha256", STRING),
        Column("batch_date", DATE),
        Column("status", STRING),
        Column("reason", STRING),
        *_COUNTS,
        Column("recorded_at", TIMESTAMP),
    ),
)
RUNS = Table(
    "ledger_runs",
    (
        Column("run_id", STRING),
        Column("batches", STRING),
        Column("engine", STRING),
        Column("host", STRING),
        Column("process", BIGINT),
        Column("started_at", TIMESTAMP),
        Column("ended_at", TIMESTAMP),
        Column("status", STRING),
        Column("turn", BIGINT),
        Column("recorded_at", TIMESTAMP),
    ),
)
TASKS = Table(
    "ledger_tasks",
    (
        Column("run_id", STRING),
        Column("batch_id", STRING),
        Column("task", STRING),
        Column("attempt", BIGINT),
        Column("started_at", TIMESTAMP),
        Column("ended_at", TIMESTAMP),
        Column("status", STRING),
        *_COUNTS,
        Column("error_code", STRING),
        Column("error_message", STRING),
        Column("recorded_at", TIMESTAMP),
    ),
)
PREPARATIONS = Table(
    "ledger_preparations",
    (
        Column("batch_id", STRING),
        Column("run_id", STRING),
        Column("base", BIGINT),
        Column("kind", STRING),
        Column("tables", "map<string,bigint>"),
        Column("definitions", TEXT_MAP),
        Column("recorded_at", TIMESTAMP),
    ),
)
DEFINITIONS = Table(
    "ledger_definitions",
    (
        Column("name", STRING),
        Column("text", STRING),
        Column("recorded_at", TIMESTAMP),
    ),
)
PUBLICATIONS = Table(
    "publications",
    (
        Column("publication_id", BIGINT),
        Column("batch_id", STRING),
        Column("kind", STRING),
        Column("published_at", TIMESTAMP),
        Column("as_of_date", DATE),
        Column("tables", "map<string,bigint>"),
        Column("contracts_hash", STRING),
        Column("definitions", TEXT_MAP),
    ),
)
QUARANTINE = Table(
    "quarantine",
    (
        Column("id", STRING),
        Column("batch_id", STRING),
        Column("feed", STRING),
        Column("source_file", STRING),
        Column("file_sha256", STRING),
        Column("batch_date", DATE),
        Column("record", BIGINT),
        Column("line", BIGINT),
        Column("byte_start", BIGINT),
        Column("byte_end", BIGINT),
        Column("reasons", STRING),
        Column("raw", STRING),
        Column("quarantined_at", TIMESTAMP),
    ),
    partition_by=("feed",),
)
VALIDATION_RESULTS = Table(
    "validation_results",
    (
        Column("batch_id", STRING),
        Column("rule", STRING),
        Column("description", STRING),
        Column("severity", STRING),
        Column("action", STRING),
        Column("rows_checked", BIGINT),
        Column("rows_failed", BIGINT),
        Column("sample_keys", STRING),
        Column("outcome", STRING),
        Column("validated_at", TIMESTAMP),
        Column("run_id", STRING),
    ),
)
MAINTENANCE = Table(
    "ledger_maintenance",
    (
        Column("name", STRING),
        Column("action", STRING),
        Column("reason", STRING),
        Column("version", BIGINT),
        Column("files_removed", BIGINT),
        Column("files_added", BIGINT),
        Column("rows_removed", BIGINT),
        Column("bytes_removed", BIGINT),
        Column("recorded_at", TIMESTAMP),
    ),
)
LEDGER = (
    BATCHES,
    FILES,
    BATCH_FILES,
    RUNS,
    TASKS,
    DEFINITIONS,
    PREPARATIONS,
    PUBLICATIONS,
    QUARANTINE,
    DECISIONS,
    VALIDATION_RESULTS,
    DQ_METRICS,
    MAINTENANCE,
)

OF_BATCHES = (PUBLICATIONS, VALIDATION_RESULTS, DQ_METRICS)
"""Those that people read as they are stored."""
