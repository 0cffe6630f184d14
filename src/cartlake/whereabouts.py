"""Where a file is: when it came, which batches announced it, where its rows went. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from cartlake.core.batch import OPEN, Batch
from cartlake.core.closest import closest
from cartlake.core.entries import BatchFile, StagedFile
from cartlake.core.names import LandedFile
from cartlake.core.tables import FILES
from cartlake.errors import UsageError
from cartlake.landing import landed_path
from cartlake.tasks.arrivals import look
from cartlake.tasks.context import Context, FileKey

_SHORTEST_HASH = 6


@dataclass(frozen=True)
class Announcement:
    """A batch that names the file, and how its records count there."""

    batch_id: str
    batch_status: str
    file_name: str
    rows_in: int
    rows_staged: int
    rows_quarantined: int
    rows_duplicate: int


@dataclass(frozen=True)
class FileReport:
    """One content for one date, or a name that only lies in landing or is only waited for. `status` is `awaited`,
    `landed`, `staged`, `rejected` or `outdated`; `came_at` is when it was claimed, or when a landed one last changed;
    `path` is the archived copy or the landed file, None if there is none (any more)."""

    name: str
    status: str
    feed: str | None = None
    batch_date: date | None = None
    came_at: datetime | None = None
    bytes: int | None = None
    lines: int | None = None
    encoding: str | None = None
    sha256: str | None = None
    reason: str | None = None
    path: Path | None = None
    announced: tuple[Announcement, ...] = ()

    @property
    def names(self) -> set[str]:
        return {self.name, *(each.file_name for each in self.announced)}


def files(context: Context, wanted: str | None) -> list[FileReport]:
    """The files named `wanted`, else those whose name contains it or whose hash begins with it; without it all. Those
    that are waited for come first, then those that lie in landing, then what was claimed, the newest first. Raises
    UsageError if there is none."""
    every = [*_open_files(context), *_claimed(context)]
    if wanted is None:
        return every
    exact = [report for report in every if wanted in report.names]
    found = exact or [report for report in every if _is_meant(report, wanted.casefold())]
    if not found:
        names = {name for report in every for name in report.names}
        raise UsageError("file_unknown", f"no file of that name has come: {wanted}", hint=closest(wanted, names))
    return found


def _is_meant(report: FileReport, wanted: str) -> bool:
    is_hash = len(wanted) >= _SHORTEST_HASH and report.sha256 is not None and report.sha256.startswith(wanted)
    return is_hash or any(wanted in name.casefold() for name in report.names)


def _open_files(context: Context) -> Iterator[FileReport]:
    """What open batches wait for, and what lies in landing."""
    seen, known = look(context)
    landed = {file.key for file in seen.files}
    claimed = {(file.batch_id, file.file_name) for file in context.ledger.batch_files()}
    for batch in known.batches.values():
        for file in batch.files if batch.status in OPEN else ():
            if file.key not in landed and (batch.batch_id, file.name) not in claimed:
                announced = (_announcement(batch, file.name, None),)
                yield FileReport(file.name, "awaited", batch_date=batch.batch_date, announced=announced)
    for landed_file in seen.files:
        yield _landed(context, landed_file, known.batches.values())


def _landed(context: Context, file: LandedFile, batches: Iterable[Batch]) -> FileReport:
    naming = [batch for batch in batches if batch.status in OPEN and file.key in {each.key for each in batch.files}]
    feed = next((each.feed for each in context.contracts if each.folder == file.folder), None)
    path = landed_path(context.settings.landing_folder, file)
    announced = tuple(_announcement(batch, file.name, None) for batch in naming)
    return FileReport(
        file.name, "landed", feed, came_at=file.changed_at, bytes=file.size, path=path, announced=announced
    )


def _claimed(context: Context) -> list[FileReport]:
    batches, first = context.ledger.batches(), _first_claims(context)
    announcing: dict[FileKey, list[BatchFile]] = {}
    for file in context.ledger.batch_files():
        announcing.setdefault((file.feed, file.file_sha256, file.batch_date), []).append(file)
    reports = []
    for staged in context.ledger.files():
        key = (staged.feed, staged.file_sha256, staged.batch_date)
        announced = tuple(
            _announcement(batches[file.batch_id], file.file_name, file) for file in announcing.get(key, ())
        )
        reports.append((first[key], _report(context, staged, first[key], announced)))
    return [report for _, report in sorted(reports, key=lambda pair: (pair[0], pair[1].name), reverse=True)]


def _report(context: Context, staged: StagedFile, came_at: datetime, announced: tuple[Announcement, ...]) -> FileReport:
    path = context.settings.archive_folder / staged.archive_path
    return FileReport(
        name=staged.file_name,
        status=staged.status,
        feed=staged.feed,
        batch_date=staged.batch_date,
        came_at=came_at,
        bytes=staged.bytes,
        lines=staged.lines,
        encoding=staged.encoding,
        sha256=staged.file_sha256,
        reason=staged.reason,
        path=path if path.is_file() else None,
        announced=announced,
    )


def _first_claims(context: Context) -> dict[FileKey, datetime]:
    with context.engine.scope():
        context.engine.read("claims", FILES)
        rows = context.engine.rows(
            "SELECT feed, file_sha256, batch_date, min(recorded_at) AS first_at FROM claims"
            " GROUP BY feed, file_sha256, batch_date"
        )
    return {
        (str(row["feed"]), str(row["file_sha256"]), row["batch_date"]): row["first_at"]  # type: ignore[misc]
        for row in rows
    }


def _announcement(batch: Batch, name: str, file: BatchFile | None) -> Announcement:
    counts = (
        (0, 0, 0, 0) if file is None else (file.rows_in, file.rows_staged, file.rows_quarantined, file.rows_duplicate)
    )
    return Announcement(batch.batch_id, batch.status.value, name, *counts)
