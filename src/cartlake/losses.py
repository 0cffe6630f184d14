"""What is published needs every table as it was then. One that was removed, or brought back as of an earlier time than
the others, would leave out of all that is computed from here on, silently, what it told of."""

from __future__ import annotations

from collections.abc import Iterable

from cartlake.core.batch import BatchStatus
from cartlake.core.production import entered_at, settled
from cartlake.core.table import Table
from cartlake.core.tables import BATCH_FILES, BATCHES, FILES, LEDGER, PUBLICATIONS
from cartlake.errors import EngineError, TableMissing
from cartlake.tasks.context import Context
from cartlake.tasks.shapes import OUTDATED

BACKUP = "Bring the table's folder back from a backup: what it says stands nowhere else."
REBUILD, FROM_ARCHIVE = "cartlake rebuild", "cartlake rebuild --from-archive"
_ESSENTIAL = {table.name for table in (BATCHES, FILES, BATCH_FILES)}  # no rebuild goes on without them


def require_no_gap(context: Context) -> None:
    """Raises EngineError if something is published and a table of the ledger is not there: it would be made anew, and
    what it told of, decisions about records for one, be forgotten."""
    if missing(context, [PUBLICATIONS]) or not context.ledger.publications():
        return  # asked first: who runs for the first time beside another may see some tables only
    gone = missing(context, LEDGER)
    if gone:
        without = f" Without one `{FROM_ARCHIVE}` goes on, and what it said is forgotten."
        hint = BACKUP if _ESSENTIAL & {*gone} else BACKUP + without
        raise EngineError("ledger_lost", f"gone from the ledger: {', '.join(gone)}", hint=hint)


def missing(context: Context, tables: Iterable[Table]) -> list[str]:
    """Those of the tables that do not exist."""
    return [table.name for table in tables if not _exists(context, table)]


def _exists(context: Context, table: Table) -> bool:
    try:
        context.engine.version(table.name)
    except TableMissing:
        return False
    return True


def require_contents(context: Context) -> None:
    """Raises EngineError if batches are published and there is no publication, or the other way round: everything would
    seem empty."""
    if not (context.ledger.publications() and context.ledger.batches()):
        require_ledger(context)


def require_ledger(context: Context) -> None:
    """Raises EngineError if tables of the ledger lack what others tell of."""
    for table, lacking in ledger_losses(context).items():
        raise EngineError(
            "ledger_lost",
            f"the table {table} was removed or is of another time: {lacking}",
            hint=f"{BACKUP} `cartlake verify` says what else is missing.",
        )


def require_tables(context: Context) -> None:
    """Raises EngineError if a log or a table of production is without the version that is published."""
    _require_none(context, lost_tables(context))
    _require_known_logs(context)


def require_logs(context: Context) -> None:
    """Raises EngineError if a log is: what it held would be missing in all that is made of it."""
    _require_none(context, [name for name in lost_tables(context) if name in _logs(context)])
    _require_known_logs(context)


def _require_known_logs(context: Context) -> None:
    for table, feed in unknown_logs(context).items():
        raise EngineError(
            "log_changed",
            f"{table} is not the log that the tables of {feed} in production were made from",
            hint=f"Put the contract's `stageTable` back, or `{FROM_ARCHIVE}` fills this one; until then nothing is"
            " loaded.",
        )


def lost_logs(context: Context) -> set[str]:
    """The logs that are without what production is made of."""
    return _logs(context) & {*lost_tables(context), *unknown_logs(context)}


def unknown_logs(context: Context) -> dict[str, str]:
    """The logs that the latest publication does not name though files of their feeds are in production, each with its
    feed: those of contracts that name another one than then."""
    published, entered = context.ledger.latest_publication().tables, entered_at(context.ledger.publications())
    feeds = {f.feed for f in context.ledger.batch_files() if f.batch_id in entered and f.status in ("staged", OUTDATED)}
    return {c.stage_table: c.feed for c in context.contracts if c.feed in feeds and c.stage_table not in published}


def _logs(context: Context) -> set[str]:
    return {table.name for table in context.stage_tables}


def _require_none(context: Context, lost: list[str]) -> None:
    if lost:
        repair = FROM_ARCHIVE if _logs(context) & {*lost} else REBUILD
        raise EngineError(
            "tables_lost",
            f"{', '.join(lost)}: what is published is gone; the folder was removed or is of another time",
            hint=f"Bring it back from a backup, or `{repair}` makes it anew; until then nothing is loaded."
            " `cartlake verify` says what else is missing.",
        )


def lost_tables(context: Context) -> list[str]:
    """The logs and tables of production that have not come to the version that is published."""
    published = context.ledger.latest_publication().tables
    ours = [table.name for table in (*context.stage_tables, *context.production_tables) if table.name in published]
    return [name for name in ours if context.engine.version(name) < published[name]]


def ledger_losses(context: Context) -> dict[str, str]:
    """By the name of a table of the ledger: what others tell of and it lacks."""
    ledger = context.ledger
    batches, publications, announced = ledger.batches(), ledger.publications(), ledger.batch_files()
    entered = entered_at(publications)
    unsettled = {batch.batch_id for batch in settled(batches.values(), publications)}
    published = [batch for batch in batches.values() if batch.status is BatchStatus.PUBLISHED]
    claiming = {file.batch_id for file in announced}
    staged = {(file.feed, file.file_sha256, file.batch_date) for file in ledger.files()}
    loaded = [file for file in announced if file.batch_id in entered]
    unsaid = {batch.batch_id for batch in published} - entered.keys() - unsettled
    empty = [batch.batch_id for batch in published if batch.files and batch.batch_id not in claiming]
    unknown = [f.file_name for f in loaded if (f.feed, f.file_sha256, f.batch_date) not in staged]
    lacking = (
        (PUBLICATIONS, "published batches", unsaid),
        (BATCHES, "published batches", entered.keys() - batches.keys()),
        (BATCH_FILES, "the files of published batches", empty),
        (FILES, "files that were loaded", unknown),
    )
    return {
        table.name: f"it lacks {what}: {min(names)}" + (f" and {len(names) - 1:,} more" if len(names) > 1 else "")
        for table, what, names in lacking
        if names
    }
