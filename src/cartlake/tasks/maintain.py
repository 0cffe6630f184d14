"""Maintenance: small files become few, and what nobody may ask for any more is removed.

What is removed is in the ledger before it goes. Callers hold the lake's lock, so nobody writes meanwhile; readers read
versions that stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cartlake.core.entries import MaintenanceStep
from cartlake.core.production import entered_at
from cartlake.core.retention import (
    READING,
    REMOVE_FILES,
    is_decided,
    kept_publications,
    oldest_prepared,
    oldest_published,
)
from cartlake.core.table import Table
from cartlake.core.tables import LEDGER, QUARANTINE, prepared_table
from cartlake.engines.base import Compaction
from cartlake.errors import TableMissing
from cartlake.failpoints import reach
from cartlake.tasks.accepted import evolved
from cartlake.tasks.context import Context
from cartlake.tasks.ledger_views import define_ledger

COMPACT, REMOVE_ROWS = "compact", "remove_rows"


def maintain(context: Context, *, dry_run: bool = False) -> list[MaintenanceStep]:
    """What was done, or of a dry run what would be: tables compacted, rows and files removed that the settings name."""
    now = context.ledger.now()
    files, feeds = _old_archive_files(context, now), _old_quarantine(context, now)
    removing = [
        *(_archive_step(context, folder, paths) for folder, paths in files.items()),
        *(_quarantine_step(context, feed, count) for feed, count in feeds.items()),
        *_removals(context, _floors(context, now)),
    ]
    compacted = [*_compact_ledger(context, dry_run), *_compact_published(context, dry_run)]
    if not dry_run:
        context.ledger.record_maintenance([*compacted, *removing])
        for path in (path for paths in files.values() for path in paths):
            reach("archive: clean up")
            path.unlink(missing_ok=True)
        for feed in feeds:
            _remove_quarantined(context, feed, now)
        for step in removing:
            if step.action == REMOVE_FILES and step.version is not None:
                context.engine.vacuum(step.name, step.version)
    return [*compacted, *removing]


def join_ledger(context: Context) -> None:
    """The ledger stands in few files; its rows and older versions are as they were."""
    context.ledger.record_maintenance([*_compact_ledger(context, dry_run=False)])


def _compact_published(context: Context, dry_run: bool) -> Iterator[MaintenanceStep]:
    """Tables whose newest version is the published one are compacted, and published so: readers see the same rows. One
    that is ahead of its publication has a run's traces; it is left to the next time."""
    base = context.ledger.latest_publication()
    tables = [*context.stage_tables, *evolved(context, {*entered_at(context.ledger.publications())}).production_tables]
    at_rest = [table for table in tables if context.engine.version(table.name) == base.tables.get(table.name, 0)]
    done = _compacted(context, at_rest, dry_run)
    if done and not dry_run:
        versions = {name: compaction.version for name, compaction in done.items()}
        context.ledger.publish(
            replace(
                base,
                publication_id=base.publication_id + 1,
                batch_id=None,
                kind="maintenance",
                published_at=context.ledger.now(),
                tables=dict(base.tables) | versions,
            )
        )
    yield from _compact_steps(done, dry_run)


def _compact_ledger(context: Context, dry_run: bool) -> Iterator[MaintenanceStep]:
    yield from _compact_steps(_compacted(context, LEDGER, dry_run), dry_run)


def _compacted(context: Context, tables: Sequence[Table], dry_run: bool) -> dict[str, Compaction]:
    done = {table.name: context.engine.optimize(table, dry_run=dry_run) for table in tables}
    return {name: compaction for name, compaction in done.items() if compaction.files_removed}


def _compact_steps(done: dict[str, Compaction], dry_run: bool) -> Iterator[MaintenanceStep]:
    for name, made in done.items():
        version = None if dry_run else made.version
        yield MaintenanceStep(name, COMPACT, "many small files", version, made.files_removed, made.files_added)


def _floors(context: Context, now: datetime) -> dict[str, tuple[int, str]]:
    """Per table the oldest version that somebody may still ask for, and why no earlier one."""
    engine, ledger, days = context.engine, context.ledger, context.settings.maintain.keep_days
    publications = ledger.publications()
    kept = kept_publications(publications, now, days)
    floors = {
        table.name: (oldest_published(table.name, kept), f"no publication of the last {days} days needs them")
        for table in (*context.stage_tables, *context.production_tables)
    }
    for table in LEDGER:
        floors[table.name] = engine.version_at(table.name, now - READING), "only the newest version is read"
    latest, preparations = ledger.latest_publication(), ledger.preparations()
    for table in map(prepared_table, context.production_tables):
        head = _version(context, table.name)
        if head is not None:
            oldest = oldest_prepared(table.name.removeprefix("prepared_"), preparations, latest, head)
            floors[table.name] = oldest, "only changes that wait for their merge are needed"
    return floors


def _version(context: Context, table: str) -> int | None:
    try:
        return context.engine.version(table)
    except TableMissing:
        return None


def _removals(context: Context, floors: dict[str, tuple[int, str]]) -> Iterator[MaintenanceStep]:
    for table, (oldest, reason) in floors.items():
        removal = context.engine.vacuum(table, oldest, dry_run=True)
        if removal.files:
            yield MaintenanceStep(
                table, REMOVE_FILES, reason, oldest, files_removed=removal.files, bytes_removed=removal.bytes
            )


def _old_archive_files(context: Context, now: datetime) -> dict[str, list[Path]]:
    """Per folder of the archive the files that are older than the policy keeps, if no open batch names them."""
    days = context.settings.maintain.archive_days
    if days is None:
        return {}
    ledger = context.ledger
    batches = ledger.batches()
    open_files = {
        (file.feed, file.file_sha256, file.batch_date)
        for file in ledger.batch_files()
        if not is_decided(batches[file.batch_id])
    }
    with context.engine.scope():
        define_ledger(context.engine)
        rows = context.engine.rows(
            "SELECT feed, file_sha256, batch_date, archive_path FROM files WHERE recorded_at < :cutoff"
            " ORDER BY archive_path",
            {"cutoff": now - timedelta(days=days)},
        )
    old: dict[str, list[Path]] = {}
    for row in rows:
        path = context.settings.archive_folder / str(row["archive_path"])
        if (row["feed"], row["file_sha256"], row["batch_date"]) not in open_files and path.is_file():
            old.setdefault(str(row["archive_path"]).partition("/")[0], []).append(path)
    return old


def _archive_step(context: Context, folder: str, paths: Sequence[Path]) -> MaintenanceStep:
    days = context.settings.maintain.archive_days
    size = sum(path.stat().st_size for path in paths)
    name = f"{context.settings.archive_folder.name}/{folder}"
    reason = f"archive_days = {days}"
    return MaintenanceStep(name, REMOVE_FILES, reason, files_removed=len(paths), bytes_removed=size)


def _old_quarantine(context: Context, now: datetime) -> dict[str, int]:
    """Per feed how many quarantined records are older than the policy keeps."""
    days = context.settings.maintain.quarantine_days
    if days is None:
        return {}
    with context.engine.scope():
        context.engine.read("quarantine", QUARANTINE)
        rows = context.engine.rows(
            "SELECT feed, count(*) AS n FROM quarantine WHERE quarantined_at < :cutoff GROUP BY feed ORDER BY feed",
            {"cutoff": now - timedelta(days=days)},
        )
    return {str(row["feed"]): int(str(row["n"])) for row in rows}


def _quarantine_step(context: Context, feed: str, count: int) -> MaintenanceStep:
    days = context.settings.maintain.quarantine_days
    return MaintenanceStep(QUARANTINE.name, REMOVE_ROWS, f"quarantine_days = {days}, {feed}", rows_removed=count)


def _remove_quarantined(context: Context, feed: str, now: datetime) -> None:
    days = context.settings.maintain.quarantine_days
    if days is not None:
        with context.engine.scope():
            context.engine.read("quarantine", QUARANTINE, where={"feed": [feed]})
            cutoff = {"cutoff": now - timedelta(days=days)}
            context.engine.define("kept", "SELECT * FROM quarantine WHERE quarantined_at >= :cutoff", cutoff)
            context.engine.replace(QUARANTINE, {"feed": [feed]}, "kept")
